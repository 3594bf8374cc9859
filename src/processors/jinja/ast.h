// A parsed template: statements and expressions, named as in Jinja's grammar. Immutable, so that
// one parse serves many renderings at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gemma3n::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> keyword;
  ExprPtr star;         // *sequence
  ExprPtr double_star;  // **mapping
};

struct Expr {
  enum class Kind {
    kLiteral,    // literal
    kName,       // name
    kList,       // operands
    kTuple,      // operands
    kDict,       // operands: key, value, key, value, ...
    kAttribute,  // operands[0].name
    kItem,       // operands[0][operands[1]]
    kSlice,      // operands: start, stop, step; null if absent
    kCall,       // operands[0](arguments)
    kFilter,     // operands[0] | name(arguments); null operand: the text of a block
    kTest,       // operands[0] is name(arguments)
    kUnary,      // name: "+", "-", "not"
    kBinary,     // name: "+", "-", "*", "/", "//", "%", "**"
    kConcat,     // operands joined as text
    kCompare,    // operands[0] names[0] operands[1] names[1] operands[2] ...
    kAnd,
    kOr,           // two operands
    kConditional,  // operands[0] if operands[1] else operands[2]; null if there is no else
    kNamespaceRef  // names[0].name, only as a target
  };
  using Literal = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

  Kind kind = Kind::kLiteral;
  int line = 1;
  int height = 1;  // of the tree below, limited by the parser
  std::string name;
  Literal literal;
  std::vector<ExprPtr> operands;
  std::vector<std::string> names;
  CallArguments arguments;
};

struct Stmt;
using Body = std::vector<Stmt>;

struct Signature {
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
};

struct Stmt {
  enum class Kind {
    kText,         // text
    kOutput,       // value
    kIf,           // body of branches, of which the first that holds runs
    kBranch,       // value (null for else), body
    kFor,          // for target in value if condition [recursive]: body, else_body
    kSet,          // target = value
    kSetBlock,     // target = body through the filters in value (may be null)
    kMacro,        // text(signature): body
    kCallBlock,    // value is the call; signature and body are its caller
    kFilterBlock,  // body through the filters in value
    kWith,         // bindings, body
    kBlock,        // body, seeing only the variables of the whole template unless is_scoped
    kGeneration,   // body
    kBreak,
    kContinue
  };
  Kind kind = Kind::kText;
  int line = 1;
  std::string text;
  ExprPtr target, value, condition;
  Body body, else_body;
  Signature signature;
  std::vector<std::pair<ExprPtr, ExprPtr>> bindings;
  bool is_recursive = false;
  bool is_scoped = false;
};

// Throws: kCorruptData naming the line for what Jinja would not compile; kUnsupported for tags that
// need other templates (extends, include, import, from).
Body parse(std::string_view source);

}  // namespace gemma3n::jinja
