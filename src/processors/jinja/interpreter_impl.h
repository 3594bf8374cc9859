// The interpreter's class, shared by statements.cc, expressions.cc and the objects of callables.cc.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "processors/jinja/ast.h"
#include "processors/jinja/operations.h"
#include "processors/jinja/scope.h"

namespace gemma3n::jinja {

enum class Flow { kNext, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(Runtime& runtime, const Value& variables)
      : runtime_(runtime), variables_(variables), globals_(make_globals(runtime)) {}

  std::string run(const Body& body);

  // ---- for macros and loops
  Runtime& runtime() { return runtime_; }
  ObjectRef open_frame(const ObjectRef& parent) { return runtime_.make<Frame>(64, parent); }
  void set(const ObjectRef& frame, std::string_view name, Value value);
  void assign(const Expr& target, const Value& value, const ObjectRef& frame);
  Value evaluate(const Expr& expr, const ObjectRef& frame);
  Flow execute(const Body& body, const ObjectRef& frame);
  Flow run_loop(const Stmt& stmt, const Value& iterable, const ObjectRef& frame, int depth0);

  // What `produce` emits, as a text of its own.
  template <typename Produce>
  std::string capture(Produce produce) {
    std::string text;
    std::string* outer = std::exchange(out_, &text);
    produce();
    out_ = outer;
    runtime_.refund(text.size());
    return text;
  }

 private:
  // statements.cc
  Flow execute_one(const Stmt& stmt, const ObjectRef& frame);
  Flow execute_if(const Stmt& stmt, const ObjectRef& frame);
  Flow execute_for(const Stmt& stmt, const ObjectRef& frame);
  Flow execute_with(const Stmt& stmt, const ObjectRef& frame);
  Flow execute_set_block(const Stmt& stmt, const ObjectRef& frame);
  Flow execute_filter_block(const Stmt& stmt, const ObjectRef& frame);
  void execute_set(const Stmt& stmt, const ObjectRef& frame);
  void execute_call_block(const Stmt& stmt, const ObjectRef& frame);
  Value make_filtered_iterator(const Stmt& stmt, const Value& iterable, const ObjectRef& frame);
  Value evaluate_filters_of(const Expr& filters, std::string text, const ObjectRef& frame);
  Namespace& namespace_of(const Expr& reference, const ObjectRef& frame);
  void unpack(const Expr& target, const Value& value, const ObjectRef& frame);
  void check_namespaces(const Expr& target, const ObjectRef& frame);
  void emit(std::string_view text);

  // expressions.cc
  Value evaluate_one(const Expr& expr, const ObjectRef& frame);
  Value literal(const Expr& expr);
  Value resolve(const std::string& name, const ObjectRef& frame);
  Values evaluate_all(const std::vector<ExprPtr>& operands, const ObjectRef& frame);
  Value evaluate_dict(const Expr& expr, const ObjectRef& frame);
  Value evaluate_item(const Expr& expr, const ObjectRef& frame);
  Value evaluate_call(const Expr& expr, const ObjectRef& frame, const Value* caller = nullptr);
  Value evaluate_filter(const Expr& expr, const ObjectRef& frame);
  Value evaluate_unary(const Expr& expr, const ObjectRef& frame);
  Value evaluate_concat(const Expr& expr, const ObjectRef& frame);
  Value evaluate_compare(const Expr& expr, const ObjectRef& frame);
  Value evaluate_conditional(const Expr& expr, const ObjectRef& frame);
  Arguments evaluate_arguments(const CallArguments& arguments, const ObjectRef& frame);
  bool compare(const std::string& op, const Value& a, const Value& b);

  Runtime& runtime_;
  Value variables_;
  Value globals_;
  ObjectRef root_;
  std::string* out_ = nullptr;  // where emit() writes
  Value block_text_;            // what the filters of a block start from
};

// callables.cc
Value make_macro(Interpreter& interpreter, const Stmt& stmt, const ObjectRef& frame);

class Loop : public Dynamic {
 public:
  Loop(Interpreter& interpreter, const Stmt& stmt, Value iterable, ObjectRef frame, int depth0);
  void clear() override;
  bool advance(Value& item);  // to the next iteration; false at the end
  std::optional<Value> attribute(Runtime& runtime, const std::string& name) override;
  Value call(Runtime& runtime, const Arguments& arguments) override;
  std::string text(Runtime& runtime) override;

 private:
  std::int64_t count();
  bool peek();
  std::optional<Value> neighbour(const std::string& name);
  Value cycle(const Arguments& arguments) const;
  bool changed(const Arguments& arguments);

  Interpreter& interpreter_;
  const Stmt& stmt_;
  Value iterable_;
  ObjectRef frame_;  // around the loop
  Iterator::Next next_;
  std::int64_t index0_ = -1;
  std::int64_t depth0_;
  std::optional<std::int64_t> length_;
  std::optional<Value> after_, current_, before_;
  std::optional<Values> last_values_;  // of changed()
};

}  // namespace gemma3n::jinja
