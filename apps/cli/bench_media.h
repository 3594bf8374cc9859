// The part of `bench` that times pictures and sounds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "output.h"

namespace gemma3n::cli {

struct MediaBenchmark {
  std::optional<std::string> model;         // else random weights in the published shape
  std::vector<std::int64_t> image_sizes;    // pixels, squares; none = no pictures
  std::vector<std::int64_t> audio_seconds;  // none = no sounds
  std::vector<int> threads;
  std::int64_t repeats = 3;
  bool json = false;

  bool is_wanted() const { return !image_sizes.empty() || !audio_seconds.empty(); }
};

// Throws: kInvalidArgument for sizes that make no sense; as load_whole_model.
void bench_media(const MediaBenchmark& benchmark, Output& out);

}  // namespace gemma3n::cli
