// The functions every template can call, as transformers gives them.
#include <locale.h>

#include <ctime>

#include "processors/jinja/operations.h"
#include "processors/jinja/text.h"

namespace gemma3n::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // items, as jinja2.sandbox has it

Value range(Runtime& runtime, const Arguments& arguments) {
  if (!arguments.keyword.empty())
    fail(ErrorCode::kInvalidArgument, "range() takes no keyword arguments");
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3)
    fail(ErrorCode::kInvalidArgument, "range expected 1 to 3 arguments, got ", given.size());
  std::int64_t bounds[3] = {0, 0, 1};
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i].is_undefined()) fail_undefined(given[i]);
    if (!given[i].is_integral())
      fail(ErrorCode::kInvalidArgument, "'", type_name(given[i]),
           "' object cannot be interpreted as an integer");
    const std::int64_t value = given[i].integer();
    if (value > kMaxRangeEnd || value < -kMaxRangeEnd)
      fail(ErrorCode::kInvalidArgument, "range() with a bound beyond ", kMaxRangeEnd);
    bounds[given.size() == 1 ? 1 : i] = value;
  }
  if (bounds[2] == 0) fail(ErrorCode::kInvalidArgument, "range() arg 3 must not be zero");
  Value made(runtime.make<Range>(0, bounds[0], bounds[1], bounds[2]));
  if (made.as<Range>().size() > kMaxRange)
    fail(ErrorCode::kInvalidArgument,
         "Range too big. The sandbox blocks ranges larger than MAX_RANGE (", kMaxRange, ").");
  return made;
}

// dict(mapping or pairs, **names)
Value dict(Runtime& runtime, const Arguments& arguments) {
  Value made = make_dict(runtime);
  if (arguments.positional.size() > 1)
    fail(ErrorCode::kInvalidArgument, "dict expected at most 1 argument, got ",
         arguments.positional.size());
  for (const Value& source : arguments.positional) {
    if (source.is(Type::kDict)) {
      for (const auto& [key, value] : source.as<Dict>().entries)
        set_entry(runtime, made, key, value);
      continue;
    }
    for (const Value& pair : to_items(runtime, source)) {
      const Values items = to_items(runtime, pair);
      if (items.size() != 2)
        fail(ErrorCode::kInvalidArgument, "dictionary update sequence element has length ",
             items.size(), "; 2 is required");
      set_entry(runtime, made, items[0], items[1]);
    }
  }
  for (const auto& [name, value] : arguments.keyword)
    set_entry(runtime, made, make_string(runtime, name), value);
  return made;
}

Value make_namespace(Runtime& runtime, const Arguments& arguments) {
  Value attributes = dict(runtime, arguments);
  for (const auto& [key, value] : attributes.as<Dict>().entries)
    if (key.is_string() && key.string().starts_with("_"))
      fail(ErrorCode::kInvalidArgument,
           "Chat templates cannot store underscore-prefixed attributes on a namespace, but got ",
           quoted(key.string()));
  return Value(runtime.make<Namespace>(0, attributes));
}

Value raise_exception(Runtime& runtime, const Arguments& arguments) {
  Binder bind("raise_exception", arguments);
  const std::string message = to_text(runtime, bind.required("message"));
  bind.finish();
  fail(ErrorCode::kInvalidArgument, message);
}

// The local time in the C locale, as Python formats it.
Value strftime_now(Runtime& runtime, const Arguments& arguments) {
  Binder bind("strftime_now", arguments);
  const std::string format = bind.string("format");
  bind.finish();
  if (format.empty()) return make_string(runtime, "");
  if (format.size() > 1000)
    fail(ErrorCode::kUnsupported, "strftime_now with a format of more than 1000 bytes");
  if (format.find('\0') != std::string::npos)
    fail(ErrorCode::kInvalidArgument, "embedded null character");
  if (format.find("%f") != std::string::npos || format.find("%z") != std::string::npos ||
      format.find("%Z") != std::string::npos || format.find("%:") != std::string::npos)
    fail(ErrorCode::kUnsupported, "strftime_now with microseconds or a time zone");
  for (std::size_t i = format.find('%'); i != std::string::npos; i = format.find('%', i + 2)) {
    const char c = i + 1 < format.size() ? format[i + 1] : '\0';
    if (c >= '0' && c <= '9')  // a field width
      fail(ErrorCode::kUnsupported, "strftime_now with a field width");
  }
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  static const locale_t c_locale = newlocale(LC_ALL_MASK, "C", nullptr);
  std::string text(format.size() * 32 + 64, '\0');
  text.resize(strftime_l(text.data(), text.size(), format.c_str(), &local, c_locale));
  return make_string(runtime, std::move(text));
}

Value cycler(Runtime& runtime, const Arguments& arguments) {
  if (!arguments.keyword.empty())
    fail(ErrorCode::kInvalidArgument, "cycler() takes no keyword arguments");
  if (arguments.positional.empty())
    fail(ErrorCode::kInvalidArgument, "at least one item has to be provided");
  return Value(
      runtime.make<Cycler>(arguments.positional.size() * sizeof(Value), arguments.positional));
}

Value joiner(Runtime& runtime, const Arguments& arguments) {
  Binder bind("joiner", arguments);
  const Value separator = bind.value_or("sep", make_string(runtime, ", "));
  bind.finish();
  return Value(runtime.make<Joiner>(0, separator));
}

Value lipsum(Runtime&, const Arguments&) {
  fail(ErrorCode::kUnsupported, "lipsum() makes random text, which no prompt should have");
}

}  // namespace

Value make_globals(Runtime& runtime) {
  Value globals = make_dict(runtime);
  const auto add = [&](const char* name, Function::Call function) {
    set_entry(runtime, globals, make_string(runtime, name),
              make_function(runtime, name, std::move(function)));
  };
  add("range", range);
  add("dict", dict);
  add("namespace", make_namespace);
  add("raise_exception", raise_exception);
  add("strftime_now", strftime_now);
  add("cycler", cycler);
  add("joiner", joiner);
  add("lipsum", lipsum);
  return globals;
}

}  // namespace gemma3n::jinja
