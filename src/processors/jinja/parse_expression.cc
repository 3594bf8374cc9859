#include <algorithm>

#include "processors/jinja/parser.h"
#include "processors/jinja/runtime.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {
namespace {

int height_of(const ExprPtr& expr) { return expr ? expr->height : 0; }

bool is_constant_name(std::string_view name) {
  return name == "true" || name == "false" || name == "none" || name == "True" || name == "False" ||
         name == "None";
}

}  // namespace

// ---- tokens

Token ExpressionParser::next() {
  Token token = current();
  if (position_ + 1 < tokens_.size()) ++position_;
  return token;
}

bool ExpressionParser::at_operator(std::string_view text) const {
  return current().kind == Token::Kind::kOperator && current().text == text;
}

bool ExpressionParser::at_name(std::string_view text) const {
  return current().kind == Token::Kind::kName && current().text == text;
}

bool ExpressionParser::skip_operator(std::string_view text) {
  if (!at_operator(text)) return false;
  next();
  return true;
}

bool ExpressionParser::skip_name(std::string_view text) {
  if (!at_name(text)) return false;
  next();
  return true;
}

void ExpressionParser::expect_operator(std::string_view text) {
  if (!skip_operator(text))
    fail_here("expected '" + std::string(text) + "', got " + describe_current());
}

void ExpressionParser::expect(Token::Kind kind, std::string_view what) {
  if (current().kind != kind)
    fail_here("expected " + std::string(what) + ", got " + describe_current());
  next();
}

std::string ExpressionParser::expect_name() {
  if (current().kind != Token::Kind::kName) fail_here("expected a name, got " + describe_current());
  return next().text;
}

std::string ExpressionParser::describe_current() const {
  switch (current().kind) {
    case Token::Kind::kEnd:
      return "the end of the template";
    case Token::Kind::kBlockEnd:
      return "the end of the statement";
    case Token::Kind::kVariableEnd:
      return "the end of the print statement";
    default:
      return quoted(current().text.substr(0, 40));
  }
}

void ExpressionParser::fail_here(const std::string& what) const {
  fail(ErrorCode::kCorruptData, "chat template line ", current().line, ": ", what);
}

// ---- nodes

ExprPtr ExpressionParser::make(Expr::Kind kind, int line) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = line;
  return expr;
}

ExprPtr ExpressionParser::finish(ExprPtr expr) const {
  int below = std::max(height_of(expr->arguments.star), height_of(expr->arguments.double_star));
  for (const ExprPtr& operand : expr->operands) below = std::max(below, height_of(operand));
  for (const ExprPtr& one : expr->arguments.positional) below = std::max(below, height_of(one));
  for (const auto& [name, one] : expr->arguments.keyword) below = std::max(below, height_of(one));
  expr->height = below + 1;
  if (expr->height > kMaxHeight)
    fail_here("an expression of more than " + std::to_string(kMaxHeight) + " levels");
  return expr;
}

ExprPtr ExpressionParser::binary(ExprPtr left, const Token& op, ExprPtr right) const {
  ExprPtr expr = make(Expr::Kind::kBinary, op.line);
  expr->name = op.text;
  expr->operands.push_back(std::move(left));
  expr->operands.push_back(std::move(right));
  return finish(std::move(expr));
}

// ---- precedence, loosest first

ExprPtr ExpressionParser::parse_expression() {
  const DepthGuard guard(nesting_, kMaxNesting, "a chat template");
  ExprPtr expr = parse_or();
  while (at_name("if")) {
    ExprPtr conditional = make(Expr::Kind::kConditional, next().line);
    conditional->operands.push_back(std::move(expr));
    conditional->operands.push_back(parse_or());
    conditional->operands.push_back(skip_name("else") ? parse_expression() : nullptr);
    expr = finish(std::move(conditional));
  }
  return expr;
}

ExprPtr ExpressionParser::parse_or() {
  ExprPtr left = parse_and();
  while (at_name("or")) {
    ExprPtr expr = make(Expr::Kind::kOr, next().line);
    expr->operands.push_back(std::move(left));
    expr->operands.push_back(parse_and());
    left = finish(std::move(expr));
  }
  return left;
}

ExprPtr ExpressionParser::parse_and() {
  ExprPtr left = parse_not();
  while (at_name("and")) {
    ExprPtr expr = make(Expr::Kind::kAnd, next().line);
    expr->operands.push_back(std::move(left));
    expr->operands.push_back(parse_not());
    left = finish(std::move(expr));
  }
  return left;
}

ExprPtr ExpressionParser::parse_not() {
  if (!at_name("not")) return parse_compare();
  const DepthGuard guard(nesting_, kMaxNesting, "a chat template");
  ExprPtr expr = make(Expr::Kind::kUnary, next().line);
  expr->name = "not";
  expr->operands.push_back(parse_not());
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::parse_compare() {
  ExprPtr expr = make(Expr::Kind::kCompare, current().line);
  expr->operands.push_back(parse_sum());
  for (;;) {
    static constexpr std::string_view kComparisons[] = {"==", "!=", "<", "<=", ">", ">="};
    const bool is_symbol = current().kind == Token::Kind::kOperator &&
                           std::find(std::begin(kComparisons), std::end(kComparisons),
                                     current().text) != std::end(kComparisons);
    if (is_symbol) {
      expr->names.push_back(next().text);
    } else if (skip_name("in")) {
      expr->names.push_back("in");
    } else if (at_name("not") && look().kind == Token::Kind::kName && look().text == "in") {
      next(), next();
      expr->names.push_back("not in");
    } else {
      break;
    }
    expr->operands.push_back(parse_sum());
  }
  return expr->names.empty() ? std::move(expr->operands[0]) : finish(std::move(expr));
}

ExprPtr ExpressionParser::parse_sum() {
  ExprPtr left = parse_concat();
  while (at_operator("+") || at_operator("-")) {
    const Token op = next();
    left = binary(std::move(left), op, parse_concat());
  }
  return left;
}

ExprPtr ExpressionParser::parse_concat() {
  ExprPtr expr = make(Expr::Kind::kConcat, current().line);
  expr->operands.push_back(parse_product());
  while (skip_operator("~")) expr->operands.push_back(parse_product());
  return expr->operands.size() == 1 ? std::move(expr->operands[0]) : finish(std::move(expr));
}

ExprPtr ExpressionParser::parse_product() {
  ExprPtr left = parse_power();
  while (at_operator("*") || at_operator("/") || at_operator("//") || at_operator("%")) {
    const Token op = next();
    left = binary(std::move(left), op, parse_power());
  }
  return left;
}

ExprPtr ExpressionParser::parse_power() {
  std::vector<ExprPtr> operands;
  std::vector<Token> ops;
  operands.push_back(parse_unary());
  while (at_operator("**")) {
    ops.push_back(next());
    operands.push_back(parse_unary());
  }
  // The compiled Python binds `a ** b ** c` from the left, as Jinja puts it in parentheses.
  ExprPtr left = std::move(operands[0]);
  for (std::size_t i = 0; i < ops.size(); ++i)
    left = binary(std::move(left), ops[i], std::move(operands[i + 1]));
  return left;
}

ExprPtr ExpressionParser::parse_unary(bool with_filters) {
  ExprPtr expr;
  if (at_operator("-") || at_operator("+")) {
    const DepthGuard guard(nesting_, kMaxNesting, "a chat template");
    const Token op = next();
    expr = make(Expr::Kind::kUnary, op.line);
    expr->name = op.text;
    expr->operands.push_back(parse_unary(false));
    expr = finish(std::move(expr));
  } else {
    expr = parse_primary();
  }
  expr = parse_postfix(std::move(expr));
  return with_filters ? parse_filters_and_tests(std::move(expr)) : std::move(expr);
}

// ---- primaries

ExprPtr ExpressionParser::parse_name_or_constant() {
  const Token token = next();
  if (!is_constant_name(token.text)) {
    ExprPtr expr = make(Expr::Kind::kName, token.line);
    expr->name = token.text;
    used_names_.insert(token.text);
    return expr;
  }
  ExprPtr expr = make(Expr::Kind::kLiteral, token.line);
  if (token.text == "true" || token.text == "True") expr->literal = true;
  if (token.text == "false" || token.text == "False") expr->literal = false;
  return expr;
}

ExprPtr ExpressionParser::parse_primary() {
  const Token& token = current();
  switch (token.kind) {
    case Token::Kind::kName:
      return parse_name_or_constant();
    case Token::Kind::kString: {
      ExprPtr expr = make(Expr::Kind::kLiteral, token.line);
      std::string text;
      while (current().kind == Token::Kind::kString) text += next().text;
      expr->literal = std::move(text);
      return expr;
    }
    case Token::Kind::kInteger: {
      ExprPtr expr = make(Expr::Kind::kLiteral, token.line);
      expr->literal = next().integer;
      return expr;
    }
    case Token::Kind::kFloat: {
      ExprPtr expr = make(Expr::Kind::kLiteral, token.line);
      expr->literal = next().number;
      return expr;
    }
    default:
      break;
  }
  if (at_operator("[")) return parse_list();
  if (at_operator("{")) return parse_dict();
  if (!skip_operator("(")) fail_here("expected an expression, got " + describe_current());
  ExprPtr expr = parse_tuple(true, TupleEnd::kTag, true);
  expect_operator(")");
  return expr;
}

ExprPtr ExpressionParser::parse_list() {
  ExprPtr expr = make(Expr::Kind::kList, next().line);
  while (!at_operator("]")) {
    if (!expr->operands.empty()) expect_operator(",");
    if (at_operator("]")) break;
    expr->operands.push_back(parse_expression());
  }
  next();
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::parse_dict() {
  ExprPtr expr = make(Expr::Kind::kDict, next().line);
  while (!at_operator("}")) {
    if (!expr->operands.empty()) expect_operator(",");
    if (at_operator("}")) break;
    expr->operands.push_back(parse_expression());
    expect_operator(":");
    expr->operands.push_back(parse_expression());
  }
  next();
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::parse_tuple(bool with_conditional, TupleEnd end, bool in_parentheses) {
  const auto at_end = [&] {
    return current().kind == Token::Kind::kVariableEnd ||
           current().kind == Token::Kind::kBlockEnd || at_operator(")") ||
           (end == TupleEnd::kIn && at_name("in")) ||
           (end == TupleEnd::kRecursive && at_name("recursive"));
  };
  ExprPtr tuple = make(Expr::Kind::kTuple, current().line);
  bool is_tuple = false;
  for (;;) {
    if (!tuple->operands.empty()) expect_operator(",");
    if (at_end()) break;
    tuple->operands.push_back(with_conditional ? parse_expression() : parse_or());
    if (!at_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !tuple->operands.empty()) return std::move(tuple->operands[0]);
  if (!is_tuple && !in_parentheses) fail_here("expected an expression, got " + describe_current());
  return finish(std::move(tuple));
}

ExprPtr ExpressionParser::parse_target_item(bool with_namespace) {
  const DepthGuard guard(nesting_, kMaxNesting, "a chat template");
  if (skip_operator("(")) {
    ExprPtr tuple = make(Expr::Kind::kTuple, current().line);
    bool is_tuple = at_operator(")");
    while (!at_operator(")")) {
      tuple->operands.push_back(parse_target_item(false));
      if (!skip_operator(",")) break;
      is_tuple = true;
    }
    expect_operator(")");
    return is_tuple ? std::move(tuple) : std::move(tuple->operands[0]);
  }
  const int line = current().line;
  if (current().kind != Token::Kind::kName) fail_here("can't assign to " + describe_current());
  const std::string name = next().text;
  if (with_namespace && skip_operator(".")) {
    ExprPtr expr = make(Expr::Kind::kNamespaceRef, line);
    expr->names.push_back(name);
    expr->name = expect_name();
    return expr;
  }
  if (is_constant_name(name)) fail_here("can't assign to " + quoted(name));
  ExprPtr expr = make(Expr::Kind::kName, line);
  expr->name = name;
  return expr;
}

ExprPtr ExpressionParser::parse_target(TupleEnd end, bool with_namespace) {
  ExprPtr tuple = make(Expr::Kind::kTuple, current().line);
  tuple->operands.push_back(parse_target_item(with_namespace));
  bool is_tuple = false;
  while (skip_operator(",")) {
    is_tuple = true;
    if (current().kind == Token::Kind::kBlockEnd || at_operator("=") ||
        (end == TupleEnd::kIn && at_name("in")))
      break;
    tuple->operands.push_back(parse_target_item(with_namespace));
  }
  return is_tuple ? std::move(tuple) : std::move(tuple->operands[0]);
}

// ---- postfix: attributes, subscripts, calls, filters, tests

ExprPtr ExpressionParser::parse_postfix(ExprPtr operand) {
  for (;;) {
    if (at_operator(".")) {
      operand = parse_dot(std::move(operand));
    } else if (at_operator("[")) {
      operand = parse_subscript(std::move(operand));
    } else if (at_operator("(")) {
      operand = parse_call(std::move(operand));
    } else {
      return operand;
    }
  }
}

ExprPtr ExpressionParser::parse_filters_and_tests(ExprPtr operand) {
  for (;;) {
    if (at_operator("|")) {
      operand = parse_filters(std::move(operand));
    } else if (at_name("is")) {
      operand = parse_test(std::move(operand));
    } else if (at_operator("(")) {
      operand = parse_call(std::move(operand));
    } else {
      return operand;
    }
  }
}

ExprPtr ExpressionParser::parse_dot(ExprPtr operand) {
  const int line = next().line;
  const bool is_name = current().kind == Token::Kind::kName;
  if (!is_name && current().kind != Token::Kind::kInteger)
    fail_here("expected name or number, got " + describe_current());
  ExprPtr expr = make(is_name ? Expr::Kind::kAttribute : Expr::Kind::kItem, line);
  expr->operands.push_back(std::move(operand));
  if (is_name) {
    expr->name = next().text;
  } else {
    ExprPtr index = make(Expr::Kind::kLiteral, line);
    index->literal = next().integer;
    expr->operands.push_back(std::move(index));
  }
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::parse_subscript(ExprPtr operand) {
  ExprPtr expr = make(Expr::Kind::kItem, next().line);
  ExprPtr tuple = make(Expr::Kind::kTuple, expr->line);
  while (!at_operator("]")) {
    if (!tuple->operands.empty()) expect_operator(",");
    tuple->operands.push_back(parse_index_or_slice());
  }
  next();
  expr->operands.push_back(std::move(operand));
  expr->operands.push_back(tuple->operands.size() == 1 ? std::move(tuple->operands[0])
                                                       : finish(std::move(tuple)));
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::parse_index_or_slice() {
  ExprPtr slice = make(Expr::Kind::kSlice, current().line);
  if (!at_operator(":")) {
    ExprPtr start = parse_expression();
    if (!at_operator(":")) return start;
    slice->operands.push_back(std::move(start));
  } else {
    slice->operands.push_back(nullptr);
  }
  next();
  const auto part = [&] {
    const bool is_absent = at_operator(":") || at_operator("]") || at_operator(",");
    slice->operands.push_back(is_absent ? nullptr : parse_expression());
  };
  part();
  if (skip_operator(":")) {
    part();
  } else {
    slice->operands.push_back(nullptr);
  }
  return finish(std::move(slice));
}

void ExpressionParser::parse_argument(CallArguments& arguments) {
  const auto ensure = [&](bool holds) {
    if (!holds) fail_here("invalid syntax for function call expression");
  };
  if (skip_operator("*")) {
    ensure(!arguments.star && !arguments.double_star);
    arguments.star = parse_expression();
  } else if (skip_operator("**")) {
    ensure(!arguments.double_star);
    arguments.double_star = parse_expression();
  } else if (current().kind == Token::Kind::kName && look().kind == Token::Kind::kOperator &&
             look().text == "=") {
    ensure(!arguments.double_star);
    const std::string name = next().text;
    for (const auto& [other, value] : arguments.keyword)
      if (other == name) fail_here("keyword argument repeated: " + name);
    next();
    arguments.keyword.emplace_back(name, parse_expression());
  } else {
    ensure(!arguments.star && !arguments.double_star && arguments.keyword.empty());
    arguments.positional.push_back(parse_expression());
  }
}

CallArguments ExpressionParser::parse_arguments() {
  CallArguments arguments;
  expect_operator("(");
  for (bool is_first = true; !at_operator(")"); is_first = false) {
    if (!is_first) {
      expect_operator(",");
      if (at_operator(")")) break;
    }
    parse_argument(arguments);
  }
  next();
  return arguments;
}

ExprPtr ExpressionParser::parse_call(ExprPtr callee) {
  ExprPtr expr = make(Expr::Kind::kCall, current().line);
  expr->operands.push_back(std::move(callee));
  expr->arguments = parse_arguments();
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::parse_filters(ExprPtr operand) {
  while (skip_operator("|")) operand = parse_filter_after_bar(std::move(operand));
  return operand;
}

ExprPtr ExpressionParser::parse_filter_after_bar(ExprPtr operand) {
  ExprPtr expr = make(Expr::Kind::kFilter, current().line);
  expr->operands.push_back(std::move(operand));
  expr->name = expect_name();
  while (skip_operator(".")) expr->name += "." + expect_name();
  if (at_operator("(")) expr->arguments = parse_arguments();
  return finish(std::move(expr));
}

ExprPtr ExpressionParser::parse_test(ExprPtr operand) {
  ExprPtr test = make(Expr::Kind::kTest, next().line);
  const bool is_negated = skip_name("not");
  test->operands.push_back(std::move(operand));
  test->name = expect_name();
  while (skip_operator(".")) test->name += "." + expect_name();
  const Token::Kind kind = current().kind;
  const bool has_bare_argument =
      ((kind == Token::Kind::kName && !at_name("else") && !at_name("or") && !at_name("and")) ||
       kind == Token::Kind::kString || kind == Token::Kind::kInteger ||
       kind == Token::Kind::kFloat || at_operator("[") || at_operator("{"));
  if (at_operator("(")) {
    test->arguments = parse_arguments();
  } else if (has_bare_argument) {
    if (at_name("is")) fail_here("you cannot chain multiple tests with is");
    test->arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  test = finish(std::move(test));
  if (!is_negated) return test;
  ExprPtr negation = make(Expr::Kind::kUnary, test->line);
  negation->name = "not";
  negation->operands.push_back(std::move(test));
  return finish(std::move(negation));
}

}  // namespace gemma3n::jinja
