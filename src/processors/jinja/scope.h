// Variables of one block of a template, and what surrounds it.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "processors/jinja/value.h"

namespace gemma3n::jinja {

// Setting is always local; reading goes outwards. Loops, macros, `with` and the like open one, `if`
// does not. Macros keep the one they were defined in.
struct Frame : Object {
  explicit Frame(ObjectRef around) : Object(Type::kFrame), parent(std::move(around)) {}
  void clear() override { parent = ObjectRef(), variables.clear(); }

  const Value* find_here(std::string_view name) const {
    for (const auto& [own, value] : variables)
      if (own == name) return &value;
    return nullptr;
  }

  ObjectRef parent;                                           // null for the outermost
  std::vector<std::pair<std::string_view, Value>> variables;  // names live in the parsed template
};

}  // namespace gemma3n::jinja
