// The objects a template makes that can be called: macros, callers and `loop`.
#include <algorithm>

#include "processors/jinja/interpreter_impl.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {
namespace {

// ---- macros   Ref: jinja2.runtime.Macro

class Macro : public Dynamic {
 public:
  Macro(Interpreter& interpreter, const Stmt& stmt, ObjectRef frame)
      : Dynamic(Type::kMacro), interpreter_(interpreter), stmt_(stmt), frame_(std::move(frame)) {}
  void clear() override { frame_ = ObjectRef(); }

  std::string text(Runtime&) override {
    return stmt_.text.empty() ? "<Macro anonymous>" : "<Macro " + quoted(stmt_.text) + ">";
  }

  std::optional<Value> attribute(Runtime& runtime, const std::string& name) override {
    const Signature& signature = stmt_.signature;
    if (name == "name") return stmt_.text.empty() ? Value() : make_string(runtime, stmt_.text);
    if (name == "catch_kwargs") return Value(signature.uses_kwargs);
    if (name == "catch_varargs") return Value(signature.uses_varargs);
    if (name == "caller") return Value(signature.uses_caller);
    if (name != "arguments") return std::nullopt;
    Values names;
    for (const std::string& one : signature.parameters) names.push_back(make_string(runtime, one));
    return make_tuple(runtime, std::move(names));
  }

  Value call(Runtime& runtime, const Arguments& arguments) override {
    const DepthGuard guard(runtime.macro_depth, kMaxMacroDepth, "calling macros");
    const ObjectRef scope = interpreter_.open_frame(frame_);
    bind(runtime, arguments, scope);
    const int line = runtime.line;
    std::string text = interpreter_.capture([&] { interpreter_.execute(stmt_.body, scope); });
    runtime.line = line;
    return make_string(runtime, std::move(text));
  }

 private:
  std::string name() const { return stmt_.text.empty() ? "None" : quoted(stmt_.text); }

  void bind(Runtime& runtime, const Arguments& arguments, const ObjectRef& scope) {
    const Signature& signature = stmt_.signature;
    const auto& parameters = signature.parameters;
    auto keyword = arguments.keyword;
    const auto take = [&](std::string_view name) -> std::optional<Value> {
      const auto found = std::find_if(keyword.begin(), keyword.end(),
                                      [&](const auto& one) { return one.first == name; });
      if (found == keyword.end()) return std::nullopt;
      Value value = found->second;
      keyword.erase(found);
      return value;
    };
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (i < arguments.positional.size()) {
        interpreter_.set(scope, parameters[i], arguments.positional[i]);
      } else if (auto value = take(parameters[i])) {
        interpreter_.set(scope, parameters[i], *value);
      } else {
        missing.push_back(i);
      }
    }
    if (signature.uses_caller) {
      const auto caller = take("caller");
      interpreter_.set(
          scope, "caller",
          caller && !caller->is_none() ? *caller : make_undefined(runtime, "No caller defined"));
    }
    bind_rest(runtime, arguments, keyword, scope);
    for (const std::size_t i : missing) bind_default(runtime, i, scope);
  }

  // What no parameter takes: kwargs and varargs, if the body mentions them.
  void bind_rest(Runtime& runtime, const Arguments& arguments,
                 const std::vector<std::pair<std::string, Value>>& keyword,
                 const ObjectRef& scope) {
    const Signature& signature = stmt_.signature;
    const std::size_t count = signature.parameters.size();
    if (signature.uses_kwargs) {
      Value rest = make_dict(runtime);
      for (const auto& [key, value] : keyword)
        set_entry(runtime, rest, make_string(runtime, key), value);
      interpreter_.set(scope, "kwargs", rest);
    } else if (!keyword.empty()) {
      fail(ErrorCode::kInvalidArgument, "macro ", name(), " takes no keyword argument ",
           quoted(keyword.front().first));
    }
    if (signature.uses_varargs) {
      Values rest;
      for (std::size_t i = count; i < arguments.positional.size(); ++i)
        rest.push_back(arguments.positional[i]);
      interpreter_.set(scope, "varargs", make_tuple(runtime, std::move(rest)));
    } else if (arguments.positional.size() > count) {
      fail(ErrorCode::kInvalidArgument, "macro ", name(), " takes not more than ", count,
           " argument(s)");
    }
  }

  void bind_default(Runtime& runtime, std::size_t i, const ObjectRef& scope) {
    const Signature& signature = stmt_.signature;
    const std::size_t without = signature.parameters.size() - signature.defaults.size();
    const std::string& name = signature.parameters[i];
    interpreter_.set(
        scope, name,
        i >= without ? interpreter_.evaluate(*signature.defaults[i - without], scope)
                     : make_undefined(runtime, "parameter " + quoted(name) + " was not provided"));
  }

  Interpreter& interpreter_;
  const Stmt& stmt_;
  ObjectRef frame_;  // where it was defined
};

}  // namespace

Value make_macro(Interpreter& interpreter, const Stmt& stmt, const ObjectRef& frame) {
  return Value(interpreter.runtime().make<Macro>(0, interpreter, stmt, frame));
}

// ---- loop   Ref: jinja2.runtime.LoopContext

Loop::Loop(Interpreter& interpreter, const Stmt& stmt, Value iterable, ObjectRef frame, int depth0)
    : Dynamic(Type::kLoop),
      interpreter_(interpreter),
      stmt_(stmt),
      iterable_(std::move(iterable)),
      frame_(std::move(frame)),
      next_(iterate(interpreter.runtime(), iterable_)),
      depth0_(depth0) {}

void Loop::clear() {
  iterable_ = Value(), frame_ = ObjectRef(), next_ = nullptr;
  after_.reset(), current_.reset(), before_.reset(), last_values_.reset();
}

bool Loop::advance(Value& item) {
  if (!peek()) return false;
  before_ = std::exchange(current_, std::exchange(after_, std::nullopt));
  item = *current_;
  ++index0_;
  return true;
}

bool Loop::peek() {
  if (after_) return true;
  Value item;
  if (!next_(item)) return false;
  after_ = std::move(item);
  return true;
}

std::int64_t Loop::count() {
  if (length_) return *length_;
  Runtime& runtime = interpreter_.runtime();
  if (has_length(iterable_)) {
    length_ = length(runtime, iterable_);
    return *length_;
  }
  Values rest;
  for (Value item; next_(item);) {
    runtime.spend(1);
    runtime.reserve((rest.size() + 1) * sizeof(Value));
    rest.push_back(item);
  }
  length_ = static_cast<std::int64_t>(rest.size()) + index0_ + 1 + (after_ ? 1 : 0);
  next_ = iterate(runtime, make_list(runtime, std::move(rest)));
  return *length_;
}

std::optional<Value> Loop::neighbour(const std::string& name) {
  Runtime& runtime = interpreter_.runtime();
  if (name == "previtem")
    return index0_ == 0 ? make_undefined(runtime, "there is no previous item") : *before_;
  if (name == "nextitem")
    return peek() ? *after_ : make_undefined(runtime, "there is no next item");
  return std::nullopt;
}

std::optional<Value> Loop::attribute(Runtime& runtime, const std::string& name) {
  if (name == "index0") return Value(index0_);
  if (name == "index") return Value(index0_ + 1);
  if (name == "first") return Value(index0_ == 0);
  if (name == "last") return Value(!peek());
  if (name == "length") return Value(count());
  if (name == "revindex") return Value(count() - index0_);
  if (name == "revindex0") return Value(count() - index0_ - 1);
  if (name == "depth") return Value(depth0_ + 1);
  if (name == "depth0") return Value(depth0_);
  if (name != "cycle" && name != "changed") return neighbour(name);
  // The function may outlive this iteration, not the loop.
  const ObjectRef self(this);
  return make_function(runtime, name, [self, name](Runtime&, const Arguments& arguments) {
    auto& loop = static_cast<Loop&>(*self);
    return name == "cycle" ? loop.cycle(arguments) : Value(loop.changed(arguments));
  });
}

Value Loop::cycle(const Arguments& arguments) const {
  const Values& items = arguments.positional;
  if (items.empty()) fail(ErrorCode::kInvalidArgument, "no items for cycling given");
  return items[static_cast<std::size_t>(index0_) % items.size()];
}

bool Loop::changed(const Arguments& arguments) {
  Runtime& runtime = interpreter_.runtime();
  const Values& now = arguments.positional;
  const bool is_same =
      last_values_ && std::equal(now.begin(), now.end(), last_values_->begin(), last_values_->end(),
                                 [&](const Value& a, const Value& b) {
                                   return identical(a, b) || equal(runtime, a, b);
                                 });
  if (!is_same) last_values_ = now;
  return !is_same;
}

Value Loop::call(Runtime& runtime, const Arguments& arguments) {
  if (!stmt_.is_recursive)
    fail(ErrorCode::kInvalidArgument,
         "The loop must have the 'recursive' marker to be called recursively.");
  Binder bind("loop", arguments);
  const Value iterable = bind.required("iterable");
  bind.finish();
  const DepthGuard guard(runtime.macro_depth, kMaxMacroDepth, "calling loops");
  return make_string(runtime, interpreter_.capture([&] {
    interpreter_.run_loop(stmt_, iterable, frame_, static_cast<int>(depth0_) + 1);
  }));
}

std::string Loop::text(Runtime&) {
  return "<LoopContext " + std::to_string(index0_ + 1) + "/" + std::to_string(count()) + ">";
}

}  // namespace gemma3n::jinja
