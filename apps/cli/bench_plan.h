// What `gemma3n bench` is to time: its options, read and checked before anything is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gemma3n/cache_storage.h"
#include "gemma3n/config.h"
#include "gemma3n/matformer.h"

namespace gemma3n::cli {

// As given; empty or absent: not given.
struct BenchArguments {
  std::optional<std::string> model, synthetic, quantize, size, kv_cache;
  std::vector<std::int64_t> contexts, image_sizes, audio_seconds, threads;
  std::optional<std::int64_t> decode_tokens, repeats;
  bool image = false, audio = false, load = false;
  bool wants_curve = false;  // contexts for a plot, if none are given
};

// One thing that is run, and the cases whose times it gives.
struct BenchRun {
  enum class Kind {
    kText,     // "prefill 512", "decode after 512"; size: tokens of the prompt
    kPicture,  // "picture 768 features", "picture 768 tower"; size: pixels each way
    kSound,    // "sound 30 s features", "sound 30 s tower"; size: seconds
    kLoad,     // "load", "load and first token"; size: tokens of the prompt
  };
  Kind kind = Kind::kText;
  std::int64_t size = 0;
  std::vector<std::string> cases;
};

struct BenchPlan {
  std::string model;  // a folder, or e2b or e4b
  bool is_synthetic = false;
  TextConfig config;                    // of the whole model
  std::optional<MatFormerConfig> size;  // what is timed of it
  std::vector<std::string> storages;    // words of --quantize
  CacheStorage cache = CacheStorage::kF32;
  std::vector<int> threads;
  std::vector<BenchRun> runs;
  std::int64_t decode_tokens = 0;  // that a text run decodes after its prompt
  std::int64_t repeats = 0;

  bool has(BenchRun::Kind kind) const;
  bool needs_towers() const { return has(BenchRun::Kind::kPicture) || has(BenchRun::Kind::kSound); }
};

// Throws: kInvalidArgument, naming the option; kContextFull if a prompt does not fit in the model's
// context; as inspect_checkpoint.
BenchPlan bench_plan(const BenchArguments& arguments);

}  // namespace gemma3n::cli
