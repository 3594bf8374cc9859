// Operators on numbers, and + and * on sequences.
#include <cmath>

#include "processors/jinja/operations.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {
namespace {

[[noreturn]] void fail_operands(const std::string& op, const Value& a, const Value& b) {
  if (op == "+" && a.is_string())
    fail(ErrorCode::kInvalidArgument, "can only concatenate str (not \"", type_name(b),
         "\") to str");
  fail(ErrorCode::kInvalidArgument, "unsupported operand type(s) for ", op, ": '", type_name(a),
       "' and '", type_name(b), "'");
}

[[noreturn]] void fail_overflow() {
  fail(ErrorCode::kInvalidArgument, "the result of an integer operation does not fit 64 bits");
}

[[noreturn]] void fail_zero() { fail(ErrorCode::kInvalidArgument, "division by zero"); }

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) fail_zero();
  if (a == INT64_MIN && b == -1) fail_overflow();
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::int64_t modulo(std::int64_t a, std::int64_t b) {
  if (b == 0) fail_zero();
  if (b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// Ref: CPython float_divmod
double float_modulo(double a, double b) {
  if (b == 0) fail_zero();
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

double float_floor_divide(double a, double b) {
  if (b == 0) fail_zero();
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1.0;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1.0 : floored;
}

Value integer_power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) fail(ErrorCode::kInvalidArgument, "0.0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) fail_overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow();
  }
  return Value(result);
}

Value float_power(double base, double exponent) {
  if (base == 0 && exponent < 0)
    fail(ErrorCode::kInvalidArgument, "0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) &&
      exponent != std::floor(exponent))
    fail(ErrorCode::kUnsupported, "a power with a complex result");
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent))
    fail(ErrorCode::kInvalidArgument, "numerical result out of range");
  return Value(result);
}

Value integer_operation(const std::string& op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (op == "+") {
    if (__builtin_add_overflow(a, b, &result)) fail_overflow();
  } else if (op == "-") {
    if (__builtin_sub_overflow(a, b, &result)) fail_overflow();
  } else if (op == "*") {
    if (__builtin_mul_overflow(a, b, &result)) fail_overflow();
  } else if (op == "//") {
    result = floor_divide(a, b);
  } else if (op == "%") {
    result = modulo(a, b);
  } else if (op == "**") {
    return integer_power(a, b);
  } else {
    if (b == 0) fail_zero();
    constexpr std::int64_t kExact = std::int64_t{1} << 53;  // doubles hold these integers exactly
    if (std::abs(a / 2) > kExact / 2 || std::abs(b / 2) > kExact / 2)
      fail(ErrorCode::kUnsupported, "dividing integers beyond 2**53");
    return Value(static_cast<double>(a) / static_cast<double>(b));
  }
  return Value(result);
}

Value float_operation(const std::string& op, double a, double b) {
  if (op == "+") return Value(a + b);
  if (op == "-") return Value(a - b);
  if (op == "*") return Value(a * b);
  if (op == "//") return Value(float_floor_divide(a, b));
  if (op == "%") return Value(float_modulo(a, b));
  if (op == "**") return float_power(a, b);
  if (b == 0) fail_zero();
  return Value(a / b);
}

Value concatenate_items(Runtime& runtime, const Values& a, const Values& b, bool is_list) {
  runtime.reserve((a.size() + b.size()) * sizeof(Value));
  Values items = a;
  items.insert(items.end(), b.begin(), b.end());
  return is_list ? make_list(runtime, std::move(items)) : make_tuple(runtime, std::move(items));
}

Value add_sequences(Runtime& runtime, const Value& a, const Value& b) {
  if (a.type() != b.type()) fail_operands("+", a, b);
  if (a.is(Type::kList))
    return concatenate_items(runtime, a.as<List>().items, b.as<List>().items, true);
  if (a.is(Type::kTuple))
    return concatenate_items(runtime, a.as<Tuple>().items, b.as<Tuple>().items, false);
  if (!a.is_string()) fail_operands("+", a, b);
  const bool x = a.as<String>().is_markup, y = b.as<String>().is_markup;
  runtime.reserve(a.string().size() + b.string().size());
  if (!x && !y) return make_string(runtime, a.string() + b.string());
  return make_string(
      runtime,
      (x ? a.string() : escape_html(a.string())) + (y ? b.string() : escape_html(b.string())),
      true);
}

Value repeat(Runtime& runtime, const Value& sequence, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (sequence.is_string()) {
    const std::string& text = sequence.string();
    runtime.reserve_product(count, text.size());
    std::string out;
    if (!text.empty())
      for (std::size_t i = 0; i < count; ++i) out += text;
    return make_string(runtime, std::move(out), sequence.as<String>().is_markup);
  }
  const bool is_list = sequence.is(Type::kList);
  const Values& items = is_list ? sequence.as<List>().items : sequence.as<Tuple>().items;
  runtime.reserve_product(count, items.size() * sizeof(Value));
  Values out;
  if (!items.empty())
    for (std::size_t i = 0; i < count; ++i) out.insert(out.end(), items.begin(), items.end());
  return is_list ? make_list(runtime, std::move(out)) : make_tuple(runtime, std::move(out));
}

bool is_repeatable(const Value& value) {
  return value.is_string() || value.is(Type::kList) || value.is(Type::kTuple);
}

// a | b of dicts and the like are not in Jinja's grammar; only + and * know sequences, % text.
Value other_operation(Runtime& runtime, const std::string& op, const Value& a, const Value& b) {
  if (op == "+") return add_sequences(runtime, a, b);
  if (op == "*" && is_repeatable(a) && b.is_integral()) return repeat(runtime, a, b.integer());
  if (op == "*" && is_repeatable(b) && a.is_integral()) return repeat(runtime, b, a.integer());
  if (op == "%" && a.is_string()) {
    if (a.as<String>().is_markup) fail(ErrorCode::kUnsupported, "% with a text marked as safe");
    return make_string(runtime, percent_format(runtime, a.string(), b));
  }
  fail_operands(op, a, b);
}

}  // namespace

Value binary_operation(Runtime& runtime, const std::string& op, const Value& a, const Value& b) {
  // "%s" % undefined is text, everything else with an undefined operand fails.
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined() && !(op == "%" && a.is_string())) fail_undefined(b);
  if (a.is_integral() && b.is_integral()) return integer_operation(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return float_operation(op, a.number(), b.number());
  return other_operation(runtime, op, a, b);
}

Value unary_operation(Runtime&, const std::string& op, const Value& a) {
  if (a.is_undefined()) fail_undefined(a);
  if (!a.is_number())
    fail(ErrorCode::kInvalidArgument, "bad operand type for unary ", op, ": '", type_name(a), "'");
  if (a.is(Type::kFloat)) return Value(op == "-" ? -a.number() : a.number());
  if (op == "+") return Value(a.integer());
  if (a.integer() == INT64_MIN) fail_overflow();
  return Value(-a.integer());
}

}  // namespace gemma3n::jinja
