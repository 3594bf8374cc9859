#include "processors/jinja/interpreter_impl.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {

Value Interpreter::evaluate(const Expr& expr, const ObjectRef& frame) {
  const DepthGuard guard(runtime_.depth, kMaxDepth, "the template's execution");
  runtime_.spend(1);
  runtime_.line = expr.line;
  return evaluate_one(expr, frame);
}

Value Interpreter::evaluate_one(const Expr& expr, const ObjectRef& frame) {
  switch (expr.kind) {
    case Expr::Kind::kLiteral:
      return literal(expr);
    case Expr::Kind::kName:
      return resolve(expr.name, frame);
    case Expr::Kind::kList:
      return make_list(runtime_, evaluate_all(expr.operands, frame));
    case Expr::Kind::kTuple:
      return make_tuple(runtime_, evaluate_all(expr.operands, frame));
    case Expr::Kind::kDict:
      return evaluate_dict(expr, frame);
    case Expr::Kind::kAttribute:
      return get_attribute(runtime_, evaluate(*expr.operands[0], frame), expr.name);
    case Expr::Kind::kItem:
      return evaluate_item(expr, frame);
    case Expr::Kind::kSlice:  // within a[b, c:d]
      fail(ErrorCode::kUnsupported, "a slice among several subscripts");
    case Expr::Kind::kCall:
      return evaluate_call(expr, frame);
    case Expr::Kind::kFilter:
      return evaluate_filter(expr, frame);
    case Expr::Kind::kTest: {
      const Value value = evaluate(*expr.operands[0], frame);
      return Value(
          apply_test(runtime_, expr.name, value, evaluate_arguments(expr.arguments, frame)));
    }
    case Expr::Kind::kUnary:
      return evaluate_unary(expr, frame);
    case Expr::Kind::kBinary: {
      const Value left = evaluate(*expr.operands[0], frame);
      const Value right = evaluate(*expr.operands[1], frame);
      return binary_operation(runtime_, expr.name, left, right);
    }
    case Expr::Kind::kConcat:
      return evaluate_concat(expr, frame);
    case Expr::Kind::kCompare:
      return evaluate_compare(expr, frame);
    case Expr::Kind::kAnd: {
      Value left = evaluate(*expr.operands[0], frame);
      return truth(runtime_, left) ? evaluate(*expr.operands[1], frame) : left;
    }
    case Expr::Kind::kOr: {
      Value left = evaluate(*expr.operands[0], frame);
      return truth(runtime_, left) ? left : evaluate(*expr.operands[1], frame);
    }
    case Expr::Kind::kConditional:
      return evaluate_conditional(expr, frame);
    case Expr::Kind::kNamespaceRef:
      break;  // only a target
  }
  fail(ErrorCode::kInternal, "an expression that cannot be evaluated");
}

Value Interpreter::literal(const Expr& expr) {
  if (const auto* value = std::get_if<bool>(&expr.literal)) return Value(*value);
  if (const auto* value = std::get_if<std::int64_t>(&expr.literal)) return Value(*value);
  if (const auto* value = std::get_if<double>(&expr.literal)) return Value(*value);
  if (const auto* value = std::get_if<std::string>(&expr.literal))
    return make_string(runtime_, *value);
  return Value();
}

// The nearest variable of that name: blocks from inside out, the caller's, built-in functions.
Value Interpreter::resolve(const std::string& name, const ObjectRef& frame) {
  for (const Object* at = frame.get(); at;) {
    const auto& scope = static_cast<const Frame&>(*at);
    runtime_.spend(scope.variables.size() / 16);
    if (const Value* found = scope.find_here(name)) return *found;
    at = scope.parent.get();
  }
  for (const Value* table : {&variables_, &globals_})
    if (const Value* found = table->as<Dict>().find(std::string_view(name))) return *found;
  if (name == "self" || name == "super")
    fail(ErrorCode::kUnsupported, "'", name, "': chat templates have no inheritance");
  return make_undefined(runtime_, quoted(name) + " is undefined");
}

Values Interpreter::evaluate_all(const std::vector<ExprPtr>& operands, const ObjectRef& frame) {
  Values values;
  values.reserve(operands.size());
  for (const ExprPtr& operand : operands) values.push_back(evaluate(*operand, frame));
  return values;
}

Value Interpreter::evaluate_dict(const Expr& expr, const ObjectRef& frame) {
  Value dict = make_dict(runtime_);
  for (std::size_t i = 0; i < expr.operands.size(); i += 2) {
    const Value key = evaluate(*expr.operands[i], frame);
    set_entry(runtime_, dict, key, evaluate(*expr.operands[i + 1], frame));
  }
  return dict;
}

Value Interpreter::evaluate_item(const Expr& expr, const ObjectRef& frame) {
  const Value object = evaluate(*expr.operands[0], frame);
  const Expr& key = *expr.operands[1];
  if (key.kind != Expr::Kind::kSlice) return get_item(runtime_, object, evaluate(key, frame));
  Values bounds;
  for (const ExprPtr& bound : key.operands)
    bounds.push_back(bound ? evaluate(*bound, frame) : Value());
  return get_slice(runtime_, object, bounds[0], bounds[1], bounds[2]);
}

Arguments Interpreter::evaluate_arguments(const CallArguments& given, const ObjectRef& frame) {
  Arguments arguments;
  arguments.positional = evaluate_all(given.positional, frame);
  if (given.star)
    for (const Value& item : to_items(runtime_, evaluate(*given.star, frame)))
      arguments.positional.push_back(item);
  for (const auto& [name, value] : given.keyword)
    arguments.keyword.emplace_back(name, evaluate(*value, frame));
  if (!given.double_star) return arguments;
  const Value mapping = evaluate(*given.double_star, frame);
  if (!mapping.is(Type::kDict))
    fail(ErrorCode::kInvalidArgument, "argument after ** must be a mapping, not ",
         type_name(mapping));
  for (const auto& [key, value] : mapping.as<Dict>().entries) {
    if (!key.is_string()) fail(ErrorCode::kInvalidArgument, "keywords must be strings");
    for (const auto& [name, other] : arguments.keyword)
      if (name == key.string())
        fail(ErrorCode::kInvalidArgument, "got multiple values for keyword argument ",
             quoted(name));
    runtime_.spend(1 + arguments.keyword.size() / 8);
    arguments.keyword.emplace_back(key.string(), value);
  }
  return arguments;
}

Value Interpreter::evaluate_call(const Expr& expr, const ObjectRef& frame, const Value* caller) {
  const Value callee = evaluate(*expr.operands[0], frame);
  Arguments arguments = evaluate_arguments(expr.arguments, frame);
  if (caller) arguments.keyword.emplace_back("caller", *caller);
  runtime_.line = expr.line;
  return call(runtime_, callee, arguments);
}

Value Interpreter::evaluate_filter(const Expr& expr, const ObjectRef& frame) {
  const Value value = expr.operands[0] ? evaluate(*expr.operands[0], frame) : block_text_;
  const Arguments arguments = evaluate_arguments(expr.arguments, frame);
  runtime_.line = expr.line;
  return apply_filter(runtime_, expr.name, value, arguments);
}

Value Interpreter::evaluate_unary(const Expr& expr, const ObjectRef& frame) {
  const Value value = evaluate(*expr.operands[0], frame);
  if (expr.name == "not") return Value(!truth(runtime_, value));
  return unary_operation(runtime_, expr.name, value);
}

Value Interpreter::evaluate_concat(const Expr& expr, const ObjectRef& frame) {
  std::string text;
  for (const ExprPtr& operand : expr.operands) {
    text += to_text(runtime_, evaluate(*operand, frame));
    runtime_.reserve(text.size());
  }
  return make_string(runtime_, std::move(text));
}

bool Interpreter::compare(const std::string& op, const Value& a, const Value& b) {
  if (op == "==") return equal(runtime_, a, b);
  if (op == "!=") return !equal(runtime_, a, b);
  if (op == "in") return contains(runtime_, b, a);
  if (op == "not in") return !contains(runtime_, b, a);
  return ordered(runtime_, a, b, op);
}

// a < b < c is (a < b) and (b < c), with b evaluated once.
Value Interpreter::evaluate_compare(const Expr& expr, const ObjectRef& frame) {
  Value left = evaluate(*expr.operands[0], frame);
  for (std::size_t i = 0; i < expr.names.size(); ++i) {
    Value right = evaluate(*expr.operands[i + 1], frame);
    if (!compare(expr.names[i], left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::evaluate_conditional(const Expr& expr, const ObjectRef& frame) {
  if (truth(runtime_, evaluate(*expr.operands[1], frame)))
    return evaluate(*expr.operands[0], frame);
  if (expr.operands[2]) return evaluate(*expr.operands[2], frame);
  return make_undefined(runtime_, "the inline if-expression on line " + std::to_string(expr.line) +
                                      " evaluated to false and no else section was defined.");
}

}  // namespace gemma3n::jinja
