#include <algorithm>
#include <set>

#include "base/utf8.h"
#include "processors/jinja/filters.h"
#include "processors/jinja/operations.h"
#include "processors/jinja/text.h"
#include "processors/jinja/unicode.h"

namespace gemma3n::jinja {
namespace {

[[noreturn]] void fail_value(const std::string& what) { fail(ErrorCode::kInvalidArgument, what); }

// ---- attributes by path: "address.city", 0, "a.0"

Values attribute_path(Runtime& runtime, const Value& attribute) {
  if (attribute.is_none()) return {};
  if (!attribute.is_string()) return {attribute};
  Values path;
  for (const std::string_view part : split(attribute.string(), ".", -1)) {
    const bool is_number = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
      return c >= '0' && c <= '9';
    });
    path.push_back(is_number ? Value(parse_int(part).value())
                             : make_string(runtime, std::string(part)));
  }
  return path;
}

Value follow(Runtime& runtime, Value item, const Values& path, const Value& fallback = Value()) {
  for (const Value& part : path) {
    item = get_item(runtime, item, part);
    if (!fallback.is_none() && item.is_undefined()) item = fallback;
  }
  return item;
}

Value ignore_case(Runtime& runtime, const Value& value) {
  return value.is_string() ? make_string(runtime, lower(value.string())) : value;
}

// What sort, min, unique, ... compare instead of the item.
class SortKey {
 public:
  SortKey(Runtime& runtime, const Value& attribute, bool case_sensitive, Value fallback = Value())
      : runtime_(runtime),
        path_(attribute_path(runtime, attribute)),
        case_sensitive_(case_sensitive),
        fallback_(std::move(fallback)) {}

  Value raw(const Value& item) const { return follow(runtime_, item, path_, fallback_); }
  Value operator()(const Value& item) const {
    const Value key = raw(item);
    return case_sensitive_ ? key : ignore_case(runtime_, key);
  }

 private:
  Runtime& runtime_;
  Values path_;
  bool case_sensitive_;
  Value fallback_;
};

struct Keyed {
  Value key, item;
};

// Python's sorted: stable, also in reverse.
void sort_keyed(Runtime& runtime, std::vector<Keyed>& all, bool reverse) {
  std::stable_sort(all.begin(), all.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? ordered(runtime, b.key, a.key, "<") : ordered(runtime, a.key, b.key, "<");
  });
}

template <typename KeyOf>
std::vector<Keyed> with_keys(Runtime& runtime, const Value& value, KeyOf key_of) {
  std::vector<Keyed> all;
  for (const Value& item : to_items(runtime, value)) all.push_back({key_of(item), item});
  return all;
}

Value items_of(Runtime& runtime, const std::vector<Keyed>& all) {
  Values items;
  for (const Keyed& one : all) items.push_back(one.item);
  return make_list(runtime, std::move(items));
}

Value sort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("sort", arguments);
  const bool reverse = bind.truth_or(runtime, "reverse", false);
  const bool case_sensitive = bind.truth_or(runtime, "case_sensitive", false);
  const Value attribute = bind.value_or("attribute", Value());
  bind.finish();
  std::vector<SortKey> parts;  // "a,b" sorts by a, then b
  if (attribute.is_string()) {
    for (const std::string_view part : split(attribute.string(), ",", -1))
      parts.emplace_back(runtime, make_string(runtime, std::string(part)), case_sensitive);
  } else {
    parts.emplace_back(runtime, attribute, case_sensitive);
  }
  auto all = with_keys(runtime, value, [&](const Value& item) {
    Values keys;
    for (const SortKey& part : parts) keys.push_back(part(item));
    return make_list(runtime, std::move(keys));
  });
  sort_keyed(runtime, all, reverse);
  return items_of(runtime, all);
}

Value dict_sort(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("dictsort", arguments);
  const bool case_sensitive = bind.truth_or(runtime, "case_sensitive", false);
  const std::string by = bind.text_or(runtime, "by", "key");
  const bool reverse = bind.truth_or(runtime, "reverse", false);
  bind.finish();
  if (by != "key" && by != "value") fail_value("You can only sort by either \"key\" or \"value\"");
  if (value.is_undefined()) fail_undefined(value);
  if (!value.is(Type::kDict)) fail_value("dictsort() needs a mapping");
  std::vector<Keyed> all;
  for (const auto& [key, item] : value.as<Dict>().entries) {
    const Value& by_what = by == "key" ? key : item;
    all.push_back({case_sensitive ? by_what : ignore_case(runtime, by_what),
                   make_tuple(runtime, {key, item})});
  }
  sort_keyed(runtime, all, reverse);
  return items_of(runtime, all);
}

Value group_by(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("groupby", arguments);
  const Value attribute = bind.required("attribute");
  const Value fallback = bind.value_or("default", Value());
  const bool case_sensitive = bind.truth_or(runtime, "case_sensitive", false);
  bind.finish();
  const SortKey key_of(runtime, attribute, case_sensitive, fallback);
  auto all = with_keys(runtime, value, key_of);
  sort_keyed(runtime, all, false);
  Values groups;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    Values members;
    while (end < all.size() && equal(runtime, all[end].key, all[i].key))
      members.push_back(all[end++].item);
    const Value grouper = case_sensitive ? all[i].key : key_of.raw(all[i].item);
    Values both = {grouper, make_list(runtime, std::move(members))};
    groups.push_back(Value(runtime.make<Tuple>(2 * sizeof(Value), std::move(both), true)));
    i = end;
  }
  return make_list(runtime, std::move(groups));
}

template <bool wants_max>
Value extreme(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind(wants_max ? "max" : "min", arguments);
  const bool case_sensitive = bind.truth_or(runtime, "case_sensitive", false);
  const Value attribute = bind.value_or("attribute", Value());
  bind.finish();
  const auto all = with_keys(runtime, value, SortKey(runtime, attribute, case_sensitive));
  if (all.empty()) return make_undefined(runtime, "No aggregated item, sequence was empty.");
  const Keyed* best = &all[0];
  for (const Keyed& one : all)
    if (&one != best && ordered(runtime, one.key, best->key, wants_max ? ">" : "<")) best = &one;
  return best->item;
}

Value unique(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("unique", arguments);
  const bool case_sensitive = bind.truth_or(runtime, "case_sensitive", false);
  const SortKey key_of(runtime, bind.value_or("attribute", Value()), case_sensitive);
  bind.finish();
  Value seen = make_dict(runtime);
  return make_iterator(
      runtime, [&runtime, key_of, seen, next = Iterator::Next(), value](Value& item) mutable {
        if (!next) next = iterate(runtime, value);
        while (next(item)) {
          const Value key = key_of(item);
          if (seen.as<Dict>().find(key)) continue;
          set_entry(runtime, seen, key, Value());
          return true;
        }
        return false;
      });
}

Value sum(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("sum", arguments);
  const Values path = attribute_path(runtime, bind.value_or("attribute", Value()));
  Value total = bind.value_or("start", Value(std::int64_t{0}));
  bind.finish();
  if (total.is_string()) fail_value("sum() can't sum strings [use ''.join(seq) instead]");
  const auto next = iterate(runtime, value);
  for (Value item; next(item);)
    total = binary_operation(runtime, "+", total, follow(runtime, item, path));
  return total;
}

// ---- ends, lengths, order

Value first(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("first", arguments).finish();
  Value item;
  if (iterate(runtime, value)(item)) return item;
  return make_undefined(runtime, "No first item, sequence was empty.");
}

Value last(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("last", arguments).finish();
  if (value.is(Type::kIterator)) fail_value("'generator' object is not reversible");
  const Values items = to_items(runtime, value);
  return items.empty() ? make_undefined(runtime, "No last item, sequence was empty.")
                       : items.back();
}

Value count(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("length", arguments).finish();
  return Value(length(runtime, value));
}

Value list(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("list", arguments).finish();
  return make_list(runtime, to_items(runtime, value));
}

Value iterator_over(Runtime& runtime, Values items) {
  return make_iterator(runtime,
                       [items = std::move(items), i = std::size_t{0}](Value& item) mutable {
                         if (i >= items.size()) return false;
                         item = items[i++];
                         return true;
                       });
}

Value reverse(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("reverse", arguments).finish();
  if (value.is_string())
    return get_slice(runtime, value, Value(), Value(), Value(std::int64_t{-1}));
  if (!is_iterable(value)) fail_value("argument must be iterable");
  Values items = to_items(runtime, value);
  std::reverse(items.begin(), items.end());
  // What can be reversed lazily gives an iterator; a generator has to become a list.
  return value.is(Type::kIterator) ? make_list(runtime, std::move(items))
                                   : iterator_over(runtime, std::move(items));
}

Value join(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("join", arguments);
  const std::string separator = bind.text_or(runtime, "d", "");
  const Values path = attribute_path(runtime, bind.value_or("attribute", Value()));
  bind.finish();
  std::string out;
  bool is_first = true;
  const auto next = iterate(runtime, value);
  for (Value item; next(item); is_first = false) {
    const std::string text = to_text(runtime, follow(runtime, item, path));
    runtime.reserve(out.size() + separator.size() + text.size());
    runtime.spend_bytes(separator.size() + text.size());
    if (!is_first) out += separator;
    out += text;
  }
  return make_string(runtime, std::move(out));
}

// ---- defaults and access

Value default_value(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("default", arguments);
  const Value fallback = bind.value_or("default_value", make_string(runtime, ""));
  const bool boolean = bind.truth_or(runtime, "boolean", false);
  bind.finish();
  return value.is_undefined() || (boolean && !truth(runtime, value)) ? fallback : value;
}

Value attr(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("attr", arguments);
  const std::string name = bind.string("name");
  bind.finish();
  if (auto found = find_attribute(runtime, value, name)) return *found;
  return make_undefined(
      runtime, "'" + std::string(type_name(value)) + " object' has no attribute " + quoted(name));
}

Value items(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder("items", arguments).finish();
  return make_iterator(runtime, [&runtime, value, next = Iterator::Next()](Value& item) mutable {
    if (value.is_undefined()) return false;
    if (!value.is(Type::kDict)) fail_value("Can only get item pairs from a mapping.");
    if (!next)
      next = iterate(runtime, Value(runtime.make<DictView>(0, value, DictView::Kind::kItems)));
    return next(item);
  });
}

// ---- splitting into groups

Value batch(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("batch", arguments);
  const std::int64_t size = bind.integer_or("linecount", 0);
  const Value fill = bind.value_or("fill_with", Value());
  bind.finish();
  return make_iterator(
      runtime, [&runtime, value, size, fill, next = Iterator::Next()](Value& group) mutable {
        if (!next) next = iterate(runtime, value);
        Values members;
        Value item;
        // Python compares sizes before it adds, so groups of size 0 or less never end.
        while ((size <= 0 || static_cast<std::int64_t>(members.size()) < size) && next(item)) {
          runtime.spend(1);
          runtime.reserve((members.size() + 1) * sizeof(Value));
          members.push_back(item);
        }
        if (members.empty()) return false;
        const std::int64_t missing = size - static_cast<std::int64_t>(members.size());
        if (!fill.is_none() && missing > 0) {
          runtime.reserve_product(static_cast<std::size_t>(missing), sizeof(Value));
          members.insert(members.end(), static_cast<std::size_t>(missing), fill);
        }
        group = make_list(runtime, std::move(members));
        return true;
      });
}

Value slice(Runtime& runtime, const Value& value, const Arguments& arguments) {
  Binder bind("slice", arguments);
  const std::int64_t slices = bind.integer_or("slices", 0);
  const Value fill = bind.value_or("fill_with", Value());
  bind.finish();
  if (slices == 0) fail_value("integer division or modulo by zero");
  const Value all = make_list(runtime, to_items(runtime, value));
  return make_iterator(runtime, [&runtime, all, slices, fill, number = std::int64_t{0},
                                 start = std::int64_t{0}](Value& part) mutable {
    if (number >= slices) return false;
    runtime.spend(1);
    const Values& source = all.as<List>().items;
    const auto size = static_cast<std::int64_t>(source.size());
    const bool has_extra = number < size % slices;
    const std::int64_t end = start + size / slices + (has_extra ? 1 : 0);
    Values members(source.begin() + start, source.begin() + end);
    if (!fill.is_none() && !has_extra) members.push_back(fill);
    part = make_list(runtime, std::move(members));
    start = end;
    ++number;
    return true;
  });
}

// ---- map, select, reject

Arguments without_first(const Arguments& arguments, std::size_t count) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(count));
  return rest;
}

std::string name_of(const Value& value, const char* what) {
  if (!value.is_string()) fail_value(std::string("no ") + what + " named " + type_name(value));
  return value.string();
}

using Transform = std::function<Value(const Value&)>;

Transform make_map(Runtime& runtime, const Arguments& arguments) {
  const bool has_attribute =
      std::any_of(arguments.keyword.begin(), arguments.keyword.end(),
                  [](const auto& keyword) { return keyword.first == "attribute"; });
  if (arguments.positional.empty() && has_attribute) {
    Value attribute, fallback;
    for (const auto& [name, value] : arguments.keyword) {
      if (name == "attribute")
        attribute = value;
      else if (name == "default")
        fallback = value;
      else
        fail_value("Unexpected keyword argument " + quoted(name));
    }
    return [&runtime, path = attribute_path(runtime, attribute), fallback](const Value& item) {
      return follow(runtime, item, path, fallback);
    };
  }
  if (arguments.positional.empty()) fail_value("map requires a filter argument");
  return [&runtime, name = name_of(arguments.positional[0], "filter"),
          rest = without_first(arguments, 1)](const Value& item) {
    return apply_filter(runtime, name, item, rest);
  };
}

Value map(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return make_iterator(runtime, [&runtime, value, arguments, next = Iterator::Next(),
                                 transform = Transform()](Value& item) mutable {
    if (!next) {
      if (!truth(runtime, value)) return false;
      transform = make_map(runtime, arguments);
      next = iterate(runtime, value);
    }
    runtime.spend(1);
    if (!next(item)) return false;
    item = transform(item);
    return true;
  });
}

using Predicate = std::function<bool(const Value&)>;

Predicate make_predicate(Runtime& runtime, const Arguments& arguments, bool looks_up) {
  Values path;
  const std::size_t skipped = looks_up ? 1 : 0;
  if (looks_up) {
    if (arguments.positional.empty()) fail_value("Missing parameter for attribute name");
    path = attribute_path(runtime, arguments.positional[0]);
  }
  if (arguments.positional.size() <= skipped)
    return
        [&runtime, path](const Value& item) { return truth(runtime, follow(runtime, item, path)); };
  return [&runtime, path, name = name_of(arguments.positional[skipped], "test"),
          rest = without_first(arguments, skipped + 1)](const Value& item) {
    return apply_test(runtime, name, follow(runtime, item, path), rest);
  };
}

template <bool looks_up, bool wanted>
Value select(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return make_iterator(runtime, [&runtime, value, arguments, next = Iterator::Next(),
                                 holds = Predicate()](Value& item) mutable {
    if (!next) {
      if (!truth(runtime, value)) return false;
      holds = make_predicate(runtime, arguments, looks_up);
      next = iterate(runtime, value);
    }
    while (next(item)) {
      runtime.spend(1);
      if (holds(item) == wanted) return true;
    }
    return false;
  });
}

}  // namespace

const FilterTable& sequence_filters() {
  static const FilterTable table = {
      {"attr", attr},
      {"batch", batch},
      {"count", count},
      {"d", default_value},
      {"default", default_value},
      {"dictsort", dict_sort},
      {"first", first},
      {"groupby", group_by},
      {"items", items},
      {"join", join},
      {"last", last},
      {"length", count},
      {"list", list},
      {"map", map},
      {"max", extreme<true>},
      {"min", extreme<false>},
      {"reject", select<false, false>},
      {"rejectattr", select<true, false>},
      {"reverse", reverse},
      {"select", select<false, true>},
      {"selectattr", select<true, true>},
      {"slice", slice},
      {"sort", sort},
      {"sum", sum},
      {"unique", unique},
  };
  return table;
}

bool has_filter(std::string_view name) {
  return text_filters().contains(name) || sequence_filters().contains(name);
}

Value apply_filter(Runtime& runtime, const std::string& name, const Value& value,
                   const Arguments& arguments) {
  for (const FilterTable* table : {&text_filters(), &sequence_filters()})
    if (const auto found = table->find(name); found != table->end())
      return found->second(runtime, value, arguments);
  fail(ErrorCode::kInvalidArgument, "no filter named '", name, "'");
}

}  // namespace gemma3n::jinja
