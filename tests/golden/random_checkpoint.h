// Checkpoints of random weights, for tests that write and change them.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "checkpoint/binder.h"
#include "checkpoint/safetensors_writer.h"
#include "model/text/decoder.h"

namespace gemma3n::golden {

// A tensor of a checkpoint: bf16.
struct StoredTensor {
  NewTensor tensor;
  std::vector<std::uint16_t> values;
};

// Random values for every tensor of a Gemma3nForCausalLM.
class RandomTensors : public TensorBinder {
 public:
  explicit RandomTensors(std::uint32_t seed) : rng_(seed) {}
  std::vector<StoredTensor> tensors;

 private:
  void add(const std::string& name, std::vector<std::int64_t> shape, float mean, float deviation) {
    std::normal_distribution<float> normal(mean, deviation);
    StoredTensor stored{{name, StoredDType::kBF16, shape}, {}};
    const auto count =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = normal(rng_);
      std::uint32_t bits = 0;
      std::memcpy(&bits, &value, sizeof bits);
      stored.values.push_back(static_cast<std::uint16_t>(bits >> 16));
    }
    tensors.push_back(std::move(stored));
  }
  void bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                   Access access) override {
    bind_top_tensor("model." + name, slot, shape, access);
  }
  void bind_top_tensor(const std::string& name, Weight&, const Shape& shape, Access) override {
    add(name, {shape[0], shape[1]}, 0.0f, 0.2f);
  }
  void bind_vector(const std::string& name, Vector&, Index n) override {
    add("model." + name, {n}, 1.0f, 0.1f);
  }
  bool has_tensor(const std::string&) const override { return true; }

  std::mt19937 rng_;
};

inline std::vector<StoredTensor> random_tensors(const TextConfig& config, std::uint32_t seed) {
  RandomTensors random(seed);
  Decoder decoder;
  bind(random, decoder, config);
  return std::move(random.tensors);
}

inline void write_tensors(const std::filesystem::path& file,
                          const std::vector<StoredTensor>& tensors) {
  std::vector<NewTensor> names;
  for (const auto& stored : tensors) names.push_back(stored.tensor);
  SafetensorsWriter writer(file, names);
  for (const auto& stored : tensors) writer.write(std::as_bytes(std::span(stored.values)));
  writer.finish();
}

}  // namespace gemma3n::golden
