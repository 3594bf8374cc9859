#include "processors/jinja/parser.h"

#include <algorithm>
#include <initializer_list>

#include "processors/jinja/runtime.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {
namespace {

class Parser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body parse_template() {
    Body body = parse_body({});
    if (current().kind != Token::Kind::kEnd) fail_here("unexpected " + describe_current());
    return body;
  }

 private:
  using Names = std::initializer_list<std::string_view>;

  // Statements up to one of the tags `ends`, whose name is the current token then.
  Body parse_body(Names ends) {
    const DepthGuard guard(depth_, kMaxNesting, "a chat template");
    Body body;
    for (;;) {
      const Token& token = current();
      if (token.kind == Token::Kind::kText) {
        Stmt text;
        text.line = token.line;
        text.text = next().text;
        body.push_back(std::move(text));
      } else if (token.kind == Token::Kind::kVariableBegin) {
        next();
        body.push_back(make_stmt(Stmt::Kind::kOutput));
        body.back().value = parse_tuple();
        expect(Token::Kind::kVariableEnd, "'}}'");
      } else if (token.kind == Token::Kind::kBlockBegin) {
        next();
        if (std::any_of(ends.begin(), ends.end(), [&](auto end) { return at_name(end); }))
          return body;
        body.push_back(parse_statement(ends));
        expect(Token::Kind::kBlockEnd, "the end of the statement");
      } else if (ends.size() == 0) {
        return body;
      } else {
        fail_here("unexpected end of template, expected '" + std::string(*ends.begin()) + "'");
      }
    }
  }

  // The body behind a tag, and its end tag.
  Body parse_block_body(Names ends) {
    skip_operator(":");
    expect(Token::Kind::kBlockEnd, "the end of the statement");
    return parse_body(ends);
  }

  Body parse_whole_block(std::string_view end) {
    Body body = parse_block_body({end});
    next();
    return body;
  }

  Stmt make_stmt(Stmt::Kind kind) const {
    Stmt stmt;
    stmt.kind = kind;
    stmt.line = current().line;
    return stmt;
  }

  Stmt parse_statement(Names ends) {
    if (current().kind != Token::Kind::kName) fail_here("tag name expected");
    if (at_name("for")) return parse_for();
    if (at_name("if")) return parse_if();
    if (at_name("set")) return parse_set();
    if (at_name("macro")) return parse_macro();
    if (at_name("call")) return parse_call_block();
    if (at_name("filter")) return parse_filter_block();
    if (at_name("with")) return parse_with();
    if (at_name("print")) return parse_print();
    if (at_name("block")) return parse_block();
    if (at_name("generation")) return parse_generation();
    if (at_name("break") || at_name("continue")) return parse_loop_control();
    static constexpr std::string_view kUnsupported[] = {"extends", "include", "import", "from",
                                                        "autoescape"};
    for (const std::string_view tag : kUnsupported)
      if (at_name(tag))
        fail(ErrorCode::kUnsupported, "chat template line ", current().line, ": the tag '", tag,
             "' has no meaning in a chat template");
    fail_here("encountered unknown tag " + describe_current() +
              (ends.size() ? ", expected '" + std::string(*ends.begin()) + "'" : ""));
  }

  Stmt parse_for() {
    Stmt stmt = make_stmt(Stmt::Kind::kFor);
    next();
    stmt.target = parse_target(TupleEnd::kIn, false);
    ++loops_;
    check_loop_target(*stmt.target);
    if (!skip_name("in")) fail_here("expected 'in', got " + describe_current());
    stmt.value = parse_tuple(false, TupleEnd::kRecursive);
    if (skip_name("if")) stmt.condition = parse_expression();
    stmt.is_recursive = skip_name("recursive");
    ++breakable_;
    stmt.body = parse_block_body({"endfor", "else"});
    --breakable_;
    if (next().text == "else") stmt.else_body = parse_whole_block("endfor");
    --loops_;
    return stmt;
  }

  // Jinja refuses to assign to `loop` anywhere within a loop.
  void check_loop_target(const Expr& target) const {
    if (loops_ > 0 && target.kind == Expr::Kind::kName && target.name == "loop")
      fail_here("can't assign to special loop variable");
    for (const ExprPtr& item : target.operands) check_loop_target(*item);
  }

  Stmt parse_if() {
    Stmt stmt = make_stmt(Stmt::Kind::kIf);
    std::string tag = next().text;
    while (tag != "endif") {
      Stmt branch = make_stmt(Stmt::Kind::kBranch);
      if (tag != "else") {
        branch.value = parse_tuple(false);
        branch.body = parse_block_body({"elif", "else", "endif"});
      } else {
        branch.body = parse_block_body({"endif"});
      }
      stmt.body.push_back(std::move(branch));
      tag = next().text;
    }
    return stmt;
  }

  Stmt parse_set() {
    Stmt stmt = make_stmt(Stmt::Kind::kSet);
    next();
    stmt.target = parse_target(TupleEnd::kTag, true);
    check_loop_target(*stmt.target);
    if (skip_operator("=")) {
      stmt.value = parse_tuple();
      return stmt;
    }
    stmt.kind = Stmt::Kind::kSetBlock;
    if (at_operator("|")) stmt.value = parse_filters(nullptr);
    stmt.body = parse_whole_block("endset");
    return stmt;
  }

  Signature parse_signature() {
    Signature signature;
    expect_operator("(");
    while (!at_operator(")")) {
      if (!signature.parameters.empty()) expect_operator(",");
      const std::string name = expect_name();
      if (std::count(signature.parameters.begin(), signature.parameters.end(), name))
        fail_here("duplicate parameter '" + name + "'");
      signature.parameters.push_back(name);
      if (skip_operator("=")) {
        signature.defaults.push_back(parse_expression());
      } else if (!signature.defaults.empty()) {
        fail_here("non-default argument follows default argument");
      }
    }
    next();
    return signature;
  }

  // A body that becomes a function: break cannot leave it, and it has special parameters if it
  // mentions them.
  void parse_function_body(Stmt& stmt, std::string_view end) {
    auto outer_names = std::exchange(used_names_, {});
    const int outer_breakable = std::exchange(breakable_, 0);
    stmt.body = parse_whole_block(end);
    breakable_ = outer_breakable;
    const auto uses = [&](const std::string& name) {
      const auto& parameters = stmt.signature.parameters;
      return used_names_.contains(name) &&
             std::find(parameters.begin(), parameters.end(), name) == parameters.end();
    };
    stmt.signature.uses_caller = uses("caller");
    stmt.signature.uses_kwargs = uses("kwargs");
    stmt.signature.uses_varargs = uses("varargs");
    used_names_.merge(outer_names);
  }

  Stmt parse_macro() {
    Stmt stmt = make_stmt(Stmt::Kind::kMacro);
    next();
    stmt.text = expect_name();
    stmt.signature = parse_signature();
    parse_function_body(stmt, "endmacro");
    return stmt;
  }

  Stmt parse_call_block() {
    Stmt stmt = make_stmt(Stmt::Kind::kCallBlock);
    next();
    if (at_operator("(")) stmt.signature = parse_signature();
    stmt.value = parse_expression();
    if (stmt.value->kind != Expr::Kind::kCall) fail_here("expected a call");
    parse_function_body(stmt, "endcall");
    return stmt;
  }

  Stmt parse_generation() {
    Stmt stmt = make_stmt(Stmt::Kind::kGeneration);
    next();
    parse_function_body(stmt, "endgeneration");
    return stmt;
  }

  Stmt parse_filter_block() {
    Stmt stmt = make_stmt(Stmt::Kind::kFilterBlock);
    next();
    stmt.value = parse_filters(parse_filter_after_bar(nullptr));
    stmt.body = parse_whole_block("endfilter");
    return stmt;
  }

  Stmt parse_with() {
    Stmt stmt = make_stmt(Stmt::Kind::kWith);
    next();
    while (current().kind != Token::Kind::kBlockEnd) {
      if (!stmt.bindings.empty()) expect_operator(",");
      ExprPtr target = parse_target_of_with();
      expect_operator("=");
      stmt.bindings.emplace_back(std::move(target), parse_expression());
    }
    stmt.body = parse_whole_block("endwith");
    return stmt;
  }

  ExprPtr parse_target_of_with() {
    ExprPtr target = parse_target(TupleEnd::kTag, false);
    if (at_operator(":")) fail_here("expected '=', got ':'");
    return target;
  }

  // {% print a, b %} is {{ a }}{{ b }}.
  Stmt parse_print() {
    Stmt stmt = make_stmt(Stmt::Kind::kOutput);
    next();
    stmt.value = make(Expr::Kind::kConcat, stmt.line);
    while (current().kind != Token::Kind::kBlockEnd) {
      if (!stmt.value->operands.empty()) expect_operator(",");
      stmt.value->operands.push_back(parse_expression());
    }
    stmt.value = finish(std::move(stmt.value));
    return stmt;
  }

  Stmt parse_block() {
    Stmt stmt = make_stmt(Stmt::Kind::kBlock);
    next();
    const std::string name = expect_name();
    if (!blocks_.insert(name).second) fail_here("block '" + name + "' defined twice");
    stmt.is_scoped = skip_name("scoped");
    const int outer_breakable = std::exchange(breakable_, 0);
    stmt.body = parse_whole_block("endblock");
    breakable_ = outer_breakable;
    skip_name(name);
    return stmt;
  }

  Stmt parse_loop_control() {
    if (breakable_ == 0) fail_here("'" + current().text + "' outside loop");
    Stmt stmt = make_stmt(at_name("break") ? Stmt::Kind::kBreak : Stmt::Kind::kContinue);
    next();
    return stmt;
  }

  int depth_ = 0;
  int loops_ = 0;      // around the current place
  int breakable_ = 0;  // of them, those a break here would reach
  std::set<std::string> blocks_;
};

}  // namespace

Body parse(std::string_view source) { return Parser(source).parse_template(); }

}  // namespace gemma3n::jinja
