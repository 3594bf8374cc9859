// Runs a parsed template.
#pragma once

#include <string>

#include "processors/jinja/ast.h"
#include "processors/jinja/value.h"

namespace gemma3n::jinja {

// The text the template makes of `variables` (a dict). Limits are those of `runtime`.
// Throws: kInvalidArgument or kUnsupported naming the template's line.
std::string interpret(const Body& body, Runtime& runtime, const Value& variables);

}  // namespace gemma3n::jinja
