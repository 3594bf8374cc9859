#include "processors/jinja/interpreter.h"
#include "processors/jinja/interpreter_impl.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {

std::string interpret(const Body& body, Runtime& runtime, const Value& variables) {
  try {
    return Interpreter(runtime, variables).run(body);
  } catch (const Error& error) {
    fail(error.code(), "chat template line ", runtime.line, ": ", error.what());
  }
}

std::string Interpreter::run(const Body& body) {
  root_ = open_frame(ObjectRef());
  std::string text;
  out_ = &text;
  execute(body, root_);
  return text;
}

void Interpreter::emit(std::string_view text) {
  runtime_.spend_bytes(text.size());
  runtime_.charge(text.size());
  *out_ += text;
}

Flow Interpreter::execute(const Body& body, const ObjectRef& frame) {
  const DepthGuard guard(runtime_.depth, kMaxDepth, "the template's execution");
  for (const Stmt& stmt : body) {
    runtime_.spend(1);
    runtime_.line = stmt.line;
    const Flow flow = execute_one(stmt, frame);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Flow Interpreter::execute_one(const Stmt& stmt, const ObjectRef& frame) {
  switch (stmt.kind) {
    case Stmt::Kind::kText:
      emit(stmt.text);
      break;
    case Stmt::Kind::kOutput:
      emit(to_text(runtime_, evaluate(*stmt.value, frame)));
      break;
    case Stmt::Kind::kIf:
      return execute_if(stmt, frame);
    case Stmt::Kind::kBranch:
      break;  // only within an if
    case Stmt::Kind::kFor:
      return execute_for(stmt, frame);
    case Stmt::Kind::kSet:
      execute_set(stmt, frame);
      break;
    case Stmt::Kind::kSetBlock:
      return execute_set_block(stmt, frame);
    case Stmt::Kind::kMacro:
      set(frame, stmt.text, make_macro(*this, stmt, frame));
      break;
    case Stmt::Kind::kCallBlock:
      execute_call_block(stmt, frame);
      break;
    case Stmt::Kind::kFilterBlock:
      return execute_filter_block(stmt, frame);
    case Stmt::Kind::kWith:
      return execute_with(stmt, frame);
    case Stmt::Kind::kBlock:
      return execute(stmt.body, open_frame(stmt.is_scoped ? frame : root_));
    case Stmt::Kind::kGeneration:
      return execute(stmt.body, open_frame(frame));
    case Stmt::Kind::kBreak:
      return Flow::kBreak;
    case Stmt::Kind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Flow Interpreter::execute_if(const Stmt& stmt, const ObjectRef& frame) {
  for (const Stmt& branch : stmt.body)
    if (!branch.value || truth(runtime_, evaluate(*branch.value, frame)))
      return execute(branch.body, frame);
  return Flow::kNext;
}

// ---- loops

Value Interpreter::make_filtered_iterator(const Stmt& stmt, const Value& iterable,
                                          const ObjectRef& frame) {
  return make_iterator(runtime_,
                       [this, &stmt, frame, next = iterate(runtime_, iterable)](Value& item) {
                         while (next(item)) {
                           const ObjectRef scope = open_frame(frame);
                           assign(*stmt.target, item, scope);
                           if (truth(runtime_, evaluate(*stmt.condition, scope))) return true;
                         }
                         return false;
                       });
}

Flow Interpreter::execute_for(const Stmt& stmt, const ObjectRef& frame) {
  return run_loop(stmt, evaluate(*stmt.value, frame), frame, 0);
}

Flow Interpreter::run_loop(const Stmt& stmt, const Value& iterable, const ObjectRef& frame,
                           int depth0) {
  const Value source = stmt.condition ? make_filtered_iterator(stmt, iterable, frame) : iterable;
  const Value loop(runtime_.make<Loop>(0, *this, stmt, source, frame, depth0));
  bool has_finished_one = false;  // Jinja's else runs if every iteration was cut short
  for (Value item; loop.as<Loop>().advance(item);) {
    runtime_.spend(3);  // a frame costs more than an expression
    const ObjectRef scope = open_frame(frame);
    set(scope, "loop", loop);
    assign(*stmt.target, item, scope);
    const Flow flow = execute(stmt.body, scope);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNext) has_finished_one = true;
  }
  return has_finished_one ? Flow::kNext : execute(stmt.else_body, open_frame(frame));
}

// ---- assignments

void Interpreter::set(const ObjectRef& frame, std::string_view name, Value value) {
  auto& target = static_cast<Frame&>(*frame);
  runtime_.spend(target.variables.size() / 16);
  for (auto& [own, old] : target.variables) {
    if (own != name) continue;
    old = std::move(value);
    return;
  }
  target.variables.emplace_back(name, std::move(value));
  runtime_.charge(target, 2 * sizeof(target.variables[0]));
}

Namespace& Interpreter::namespace_of(const Expr& reference, const ObjectRef& frame) {
  const Value object = resolve(reference.names[0], frame);
  if (!object.is(Type::kNamespace))
    fail(ErrorCode::kInvalidArgument, "cannot assign attribute on non-namespace object");
  return object.as<Namespace>();  // kept alive by its frame
}

void Interpreter::check_namespaces(const Expr& target, const ObjectRef& frame) {
  if (target.kind == Expr::Kind::kNamespaceRef) namespace_of(target, frame);
  for (const ExprPtr& item : target.operands) check_namespaces(*item, frame);
}

void Interpreter::unpack(const Expr& target, const Value& value, const ObjectRef& frame) {
  if (!is_iterable(value))
    fail(ErrorCode::kInvalidArgument, "cannot unpack non-iterable ", type_name(value), " object");
  const auto next = iterate(runtime_, value);
  Values items;
  for (Value item; items.size() <= target.operands.size() && next(item);) items.push_back(item);
  if (items.size() > target.operands.size())
    fail(ErrorCode::kInvalidArgument, "too many values to unpack (expected ",
         target.operands.size(), ")");
  if (items.size() < target.operands.size())
    fail(ErrorCode::kInvalidArgument, "not enough values to unpack (expected ",
         target.operands.size(), ", got ", items.size(), ")");
  for (std::size_t i = 0; i < items.size(); ++i) assign(*target.operands[i], items[i], frame);
}

void Interpreter::assign(const Expr& target, const Value& value, const ObjectRef& frame) {
  switch (target.kind) {
    case Expr::Kind::kName:
      set(frame, target.name, value);
      return;
    case Expr::Kind::kTuple:
      unpack(target, value, frame);
      return;
    default:
      break;
  }
  if (target.name.starts_with("_"))
    fail(ErrorCode::kInvalidArgument,
         "Chat templates cannot store underscore-prefixed attributes on a namespace, but got ",
         quoted(target.name));
  set_entry(runtime_, namespace_of(target, frame).attributes, make_string(runtime_, target.name),
            value);
}

void Interpreter::execute_set(const Stmt& stmt, const ObjectRef& frame) {
  check_namespaces(*stmt.target, frame);
  assign(*stmt.target, evaluate(*stmt.value, frame), frame);
}

Flow Interpreter::execute_set_block(const Stmt& stmt, const ObjectRef& frame) {
  const ObjectRef scope = open_frame(frame);
  Flow flow = Flow::kNext;
  std::string text = capture([&] { flow = execute(stmt.body, scope); });
  if (flow != Flow::kNext) return flow;
  assign(*stmt.target,
         stmt.value ? evaluate_filters_of(*stmt.value, std::move(text), scope)
                    : make_string(runtime_, std::move(text)),
         frame);
  return Flow::kNext;
}

// ---- other blocks

Value Interpreter::evaluate_filters_of(const Expr& filters, std::string text,
                                       const ObjectRef& frame) {
  const Value outer = std::exchange(block_text_, make_string(runtime_, std::move(text)));
  Value result = evaluate(filters, frame);
  block_text_ = outer;
  return result;
}

Flow Interpreter::execute_filter_block(const Stmt& stmt, const ObjectRef& frame) {
  const ObjectRef scope = open_frame(frame);
  Flow flow = Flow::kNext;
  std::string text = capture([&] { flow = execute(stmt.body, scope); });
  if (flow != Flow::kNext) return flow;
  emit(to_text(runtime_, evaluate_filters_of(*stmt.value, std::move(text), scope)));
  return Flow::kNext;
}

void Interpreter::execute_call_block(const Stmt& stmt, const ObjectRef& frame) {
  const Value caller = make_macro(*this, stmt, frame);
  emit(to_text(runtime_, evaluate_call(*stmt.value, frame, &caller)));
}

Flow Interpreter::execute_with(const Stmt& stmt, const ObjectRef& frame) {
  const ObjectRef scope = open_frame(frame);
  for (const auto& [target, value] : stmt.bindings) assign(*target, evaluate(*value, frame), scope);
  return execute(stmt.body, scope);
}

}  // namespace gemma3n::jinja
