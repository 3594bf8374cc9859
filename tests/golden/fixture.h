// The stored reference cases (see README.md): tiny checkpoints, inputs and transformers' outputs.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "gemma3n/tensor.h"

namespace gemma3n::golden {

std::filesystem::path fixtures_dir();

struct Case {
  std::string name, kind;
  nlohmann::json options;
  nlohmann::json inputs, outputs;  // argument -> tensor name
};

// One tiny checkpoint and what was computed with it.
class Fixture {
 public:
  explicit Fixture(const std::string& name);  // of the manifest

  const std::filesystem::path& checkpoint_dir() const { return checkpoint_dir_; }
  const std::vector<Case>& cases() const { return cases_; }

  Tensor tensor(const std::string& name) const;
  // Absent if the case has no such argument.
  Tensor input(const Case& c, const std::string& argument) const;
  Tensor output(const Case& c, const std::string& result) const;

 private:
  std::filesystem::path checkpoint_dir_;
  std::vector<Case> cases_;
  std::vector<SafetensorsFile> file_;  // one
};

std::vector<std::string> fixture_names();

// max |actual - expected| / max |expected|; infinite if a value is not finite or sizes differ.
double relative_error(std::span<const float> actual, std::span<const float> expected);

}  // namespace gemma3n::golden
