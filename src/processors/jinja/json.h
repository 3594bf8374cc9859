// JSON text -> values.
#pragma once

#include <string_view>

#include "processors/jinja/value.h"

namespace gemma3n::jinja {

// Integers beyond 64 bits: templates cannot reckon with them; files may have them where no template
// looks (model_max_length is 10^30 in most tokenizer_config.json).
enum class BigIntegers { kRefuse, kAsFloat };

// Throws: Error of `code`, beginning with `what`, for text that is no JSON, repeats a key, is
// nested too deep or has an integer beyond 64 bits that is to be refused.
Value parse_json(Runtime& runtime, std::string_view text, std::string_view what,
                 ErrorCode code = ErrorCode::kInvalidArgument,
                 BigIntegers big_integers = BigIntegers::kRefuse);

}  // namespace gemma3n::jinja
