// Settings and results of the reference that tools/reference/make_*_fixtures.py stored, and the
// formulas that both they and these tests take inputs and weights from.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/binder.h"
#include "checkpoint/safetensors.h"
#include "gemma3n/quantization.h"

namespace gemma3n::golden {

class StoredCases {
 public:
  // "audio/fixtures/towers": of that .json and .safetensors in tests/golden.
  explicit StoredCases(const std::string& name);

  const nlohmann::json& cases() const { return description_["cases"]; }
  // Result i of a case: elements, and shape.
  std::vector<float> floats(const nlohmann::json& test_case, std::size_t i) const;
  std::vector<bool> flags(const nlohmann::json& test_case, std::size_t i) const;
  std::vector<std::int64_t> shape(const nlohmann::json& test_case, std::size_t i) const;

 private:
  const SafetensorsEntry& entry(const nlohmann::json& test_case, std::size_t i) const;

  SafetensorsFile file_;
  nlohmann::json description_;
};

// As the Python functions of these names.
std::vector<std::uint32_t> noise(std::uint32_t seed, std::size_t count);
std::vector<float> samples(std::uint32_t seed, std::size_t count, int shift);
std::vector<float> features(std::uint32_t seed, std::size_t frames, std::size_t bins);
std::vector<float> rows(std::uint32_t seed, std::size_t count, std::size_t width);
// A picture [height, width, 3], drawn channel by channel.
std::vector<float> pixels(std::uint32_t seed, std::size_t height, std::size_t width);
std::vector<bool> sounding(const std::string& kind, std::size_t frames);

// Fills every slot by the formula for its name, stored as `dtype`, which holds all values exactly.
class FormulaBinder : public TensorBinder {
 public:
  // quantization: of towers.
  explicit FormulaBinder(DType dtype = DType::kF32, Quantization quantization = Quantization::kNone)
      : dtype_(dtype), quantization_(quantization) {}

 protected:
  void bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                   Access access) override;
  void bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape,
                       Access access) override;
  void bind_vector(const std::string& name, Vector& slot, Index n) override;
  bool has_tensor(const std::string&) const override { return true; }

 private:
  // In the form in which it is read.
  Weight tower_weight(const std::string& name, const Weight& stored);

  DType dtype_;
  Quantization quantization_;
  std::map<std::string, std::vector<std::uint32_t>> storage_;  // room for the bytes
};

// max |actual - expected| / max |expected|; infinite if a value is not finite or sizes differ.
double relative_error(std::span<const float> actual, std::span<const float> expected);

}  // namespace gemma3n::golden
