#include "fixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

namespace gemma3n::golden {
namespace {

const nlohmann::json& manifest() {
  static const nlohmann::json parsed = [] {
    std::ifstream file(fixtures_dir() / "manifest.json");
    return nlohmann::json::parse(file);
  }();
  return parsed;
}

template <typename T>
std::vector<T> values(std::span<const std::byte> bytes) {
  std::vector<T> out(bytes.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

}  // namespace

std::filesystem::path fixtures_dir() { return std::filesystem::path(GEMMA3N_GOLDEN) / "fixtures"; }

Fixture::Fixture(const std::string& name) {
  for (const auto& checkpoint : manifest()["checkpoints"]) {
    if (checkpoint["name"] != name) continue;
    checkpoint_dir_ = fixtures_dir() / checkpoint["folder"].get<std::string>();
    file_.emplace_back(MappedFile(fixtures_dir() / checkpoint["golden"].get<std::string>()), name);
    for (const auto& c : checkpoint["cases"]) {
      cases_.push_back({c["name"], c["kind"], c["options"], c["inputs"], c["outputs"]});
    }
  }
}

Tensor Fixture::tensor(const std::string& name) const {
  const SafetensorsEntry* entry = file_.front().find(name);
  if (entry == nullptr) fail(ErrorCode::kNotFound, "fixture has no tensor ", name);
  const auto bytes = file_.front().bytes(*entry);
  if (entry->dtype == StoredDType::kF32) return Tensor::of(values<float>(bytes), entry->shape);
  return Tensor::of(values<std::int64_t>(bytes), entry->shape);
}

Tensor Fixture::input(const Case& c, const std::string& argument) const {
  return c.inputs.contains(argument) ? tensor(c.inputs[argument]) : Tensor();
}

Tensor Fixture::output(const Case& c, const std::string& result) const {
  return c.outputs.contains(result) ? tensor(c.outputs[result]) : Tensor();
}

std::vector<std::string> fixture_names() {
  std::vector<std::string> names;
  for (const auto& checkpoint : manifest()["checkpoints"]) names.push_back(checkpoint["name"]);
  return names;
}

double relative_error(std::span<const float> actual, std::span<const float> expected) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (actual.size() != expected.size()) return kInfinity;
  double difference = 0, scale = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!std::isfinite(actual[i])) return kInfinity;
    difference = std::max(
        difference, std::abs(static_cast<double>(actual[i]) - static_cast<double>(expected[i])));
    scale = std::max(scale, std::abs(static_cast<double>(expected[i])));
  }
  return scale > 0 ? difference / scale : (difference > 0 ? kInfinity : 0);
}

}  // namespace gemma3n::golden
