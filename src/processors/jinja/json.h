// JSON text -> values.
#pragma once

#include <string_view>

#include "processors/jinja/value.h"

namespace gemma3n::jinja {

// Throws: Error of `code`, beginning with `what`, for text that is no JSON, repeats a key, is
// nested too deep or has an integer beyond 64 bits.
Value parse_json(Runtime& runtime, std::string_view text, std::string_view what,
                 ErrorCode code = ErrorCode::kInvalidArgument);

}  // namespace gemma3n::jinja
