// Tokens -> ast.h. Two halves: ExpressionParser knows expressions, the class in parser.cc tags.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/error.h"
#include "processors/jinja/ast.h"
#include "processors/jinja/lexer.h"

namespace gemma3n::jinja {

inline constexpr int kMaxNesting = 60;  // of brackets and of blocks, while parsing
inline constexpr int kMaxHeight = 200;  // of expressions: a + b + c + ...

class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view source) : tokens_(tokenize(source)) {}

 protected:
  // What may end a tuple without brackets, besides the tag's end.
  enum class TupleEnd { kTag, kIn, kRecursive };

  const Token& current() const { return tokens_[position_]; }
  const Token& look() const {
    return tokens_[position_ + (position_ + 1 < tokens_.size() ? 1 : 0)];
  }
  Token next();
  bool at_operator(std::string_view text) const;
  bool at_name(std::string_view text) const;
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);
  void expect_operator(std::string_view text);
  void expect(Token::Kind kind, std::string_view what);
  std::string expect_name();
  [[noreturn]] void fail_here(const std::string& what) const;
  std::string describe_current() const;

  ExprPtr parse_expression();
  ExprPtr parse_without_conditional() { return parse_or(); }
  ExprPtr parse_tuple(bool with_conditional = true, TupleEnd end = TupleEnd::kTag,
                      bool in_parentheses = false);
  ExprPtr parse_target(TupleEnd end, bool with_namespace);
  ExprPtr parse_filters(ExprPtr operand);           // | a | b ...
  ExprPtr parse_filter_after_bar(ExprPtr operand);  // name(...)
  ExprPtr make(Expr::Kind kind, int line) const;
  ExprPtr finish(ExprPtr expr) const;  // computes and checks its height

  std::set<std::string> used_names_;  // "caller", "kwargs", "varargs" seen in this macro

 private:
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filters = true);
  ExprPtr parse_primary();
  ExprPtr parse_name_or_constant();
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr operand);
  ExprPtr parse_filters_and_tests(ExprPtr operand);
  ExprPtr parse_dot(ExprPtr operand);
  ExprPtr parse_subscript(ExprPtr operand);
  ExprPtr parse_index_or_slice();
  ExprPtr parse_call(ExprPtr callee);
  ExprPtr parse_test(ExprPtr operand);
  ExprPtr parse_target_item(bool with_namespace);
  ExprPtr binary(ExprPtr left, const Token& op, ExprPtr right) const;
  CallArguments parse_arguments();
  void parse_argument(CallArguments& arguments);

  std::vector<Token> tokens_;
  std::size_t position_ = 0;
  int nesting_ = 0;
};

}  // namespace gemma3n::jinja
