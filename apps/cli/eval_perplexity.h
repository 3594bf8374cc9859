// gemma3n eval MODEL --perplexity FILE
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "output.h"

namespace gemma3n::cli {

struct PerplexityArguments {
  std::string model, file;
  std::optional<std::int64_t> context, stride, threads;
  std::optional<std::string> quantize, size, kv_cache;
  bool json = false;
};

// Prints the perplexity of the text; returns the exit code.
// Throws: kInvalidArgument for a context or stride that does not fit, or an empty text.
int run_perplexity(const PerplexityArguments& arguments, Output& out);

}  // namespace gemma3n::cli
