// gemma3n eval MODEL DATASET --divergence
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "media_options.h"
#include "output.h"

namespace gemma3n::cli {

struct DivergenceArguments {
  std::string model, dataset;
  std::optional<std::string> reference;       // a folder; absent: the model
  std::optional<std::string> quantize, size;  // of the model; the reference is as stored
  std::optional<std::string> system, transcribe_prompt;
  std::vector<std::string> categories;
  std::optional<std::int64_t> limit, threads;
  MediaOptions media;
  bool json = false;
};

// Prints how far the model's predictions lie from the reference's; returns the exit code.
// Throws: as read_dataset; kInvalidArgument if the two have different vocabularies; kContextFull,
// naming the line, for an item that is longer than the model's context.
int run_divergence(const DivergenceArguments& arguments, Output& out);

}  // namespace gemma3n::cli
