#include "stored_cases.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/thread_pool.h"
#include "ops/weight_form.h"

namespace gemma3n::golden {
namespace {

std::filesystem::path fixture(const std::string& file) {
  return std::filesystem::path(GEMMA3N_GOLDEN) / file;
}

// FNV-1a
std::uint32_t name_seed(std::string_view name) {
  std::uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

std::vector<float> weight(const std::string& name, const Shape& shape) {
  const auto x = noise(name_seed(name), static_cast<std::size_t>(shape.size()));
  std::vector<float> values;
  int exponent = 0;
  for (Index fan = shape.size() / shape[0]; fan >= 4; fan /= 4) ++exponent;
  const bool is_norm = shape.rank() == 1 && !name.ends_with("per_dim_scale");
  for (const std::uint32_t v : x) {
    const int byte = static_cast<int>(v >> 24);
    const float u = static_cast<float>(byte - 128) / 128.0f;
    values.push_back(is_norm ? 0.5f + static_cast<float>(byte / 2) / 128.0f
                             : std::ldexp(u, 1 - exponent));
  }
  return values;
}

std::uint16_t bf16_bits(float x) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16);
}

// Of values that are zero or normal numbers of float16.
std::uint16_t f16_bits(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  if (x == 0.0f) return static_cast<std::uint16_t>(sign);
  return static_cast<std::uint16_t>(sign | ((bits & 0x7FFFFFFFu) - (112u << 23)) >> 13);
}

}  // namespace

StoredCases::StoredCases(const std::string& name)
    : file_(MappedFile(fixture(name + ".safetensors")), name),
      description_(nlohmann::json::parse(std::ifstream(fixture(name + ".json")))) {}

const SafetensorsEntry& StoredCases::entry(const nlohmann::json& test_case, std::size_t i) const {
  const auto* found = file_.find(test_case["results"].at(i).get<std::string>());
  check(found != nullptr, "every stored case has its results");
  return *found;
}

std::vector<float> StoredCases::floats(const nlohmann::json& test_case, std::size_t i) const {
  const SafetensorsEntry& e = entry(test_case, i);
  std::vector<float> values(e.size / sizeof(float));
  if (!values.empty()) std::memcpy(values.data(), file_.bytes(e).data(), e.size);
  return values;
}

std::vector<bool> StoredCases::flags(const nlohmann::json& test_case, std::size_t i) const {
  std::vector<bool> values;
  for (const std::byte b : file_.bytes(entry(test_case, i))) values.push_back(b != std::byte{0});
  return values;
}

std::vector<std::int64_t> StoredCases::shape(const nlohmann::json& test_case, std::size_t i) const {
  return entry(test_case, i).shape;
}

std::vector<std::uint32_t> noise(std::uint32_t seed, std::size_t count) {
  std::vector<std::uint32_t> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t x = seed + static_cast<std::uint32_t>(i);
    x *= 0x9E3779B1u;
    x ^= x >> 15;
    x *= 0x85EBCA77u;
    x ^= x >> 13;
    x *= 0xC2B2AE3Du;
    values[i] = x ^ x >> 16;
  }
  return values;
}

std::vector<float> samples(std::uint32_t seed, std::size_t count, int shift) {
  std::vector<float> values;
  for (const std::uint32_t v : noise(seed, count)) {
    values.push_back(
        std::ldexp(static_cast<float>(static_cast<int>(v >> 16) - 32768), -15 - shift));
  }
  return values;
}

std::vector<float> features(std::uint32_t seed, std::size_t frames, std::size_t bins) {
  std::vector<float> values;
  for (const std::uint32_t v : noise(seed, frames * bins)) {
    values.push_back(static_cast<float>(v >> 16) / 16384.0f - 8.0f);
  }
  return values;
}

std::vector<float> rows(std::uint32_t seed, std::size_t count, std::size_t width) {
  std::vector<float> values;
  for (const std::uint32_t v : noise(seed, count * width)) {
    values.push_back(static_cast<float>(static_cast<int>(v >> 16) - 32768) / 16384.0f);
  }
  return values;
}

std::vector<float> pixels(std::uint32_t seed, std::size_t height, std::size_t width) {
  const std::size_t count = height * width;
  const auto x = noise(seed, 3 * count);
  std::vector<float> values(x.size());
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < count; ++i) {
      values[3 * i + c] = static_cast<float>(x[c * count + i] >> 24) / 256.0f;
    }
  }
  return values;
}

std::vector<bool> sounding(const std::string& kind, std::size_t frames) {
  std::vector<bool> mask(frames, kind != "none");
  const auto random = noise(99, frames);
  for (std::size_t t = 0; t < frames; ++t) {
    if (kind.starts_with("first")) mask[t] = t < std::stoul(kind.substr(5));
    if (kind.starts_with("last")) mask[t] = t + std::stoul(kind.substr(4)) >= frames;
    if (kind == "holes") mask[t] = random[t] % 3 != 0;
  }
  return mask;
}

void FormulaBinder::bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                                Access access) {
  const auto values = weight(name, shape);
  auto& bytes = storage_[name];
  bytes.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype_ == DType::kF32) {
      bytes[i] = std::bit_cast<std::uint32_t>(values[i]);
    } else {
      const std::uint16_t bits =
          dtype_ == DType::kBF16 ? bf16_bits(values[i]) : f16_bits(values[i]);
      std::memcpy(reinterpret_cast<std::byte*>(bytes.data()) + 2 * i, &bits, 2);
    }
  }
  slot = {bytes.data(), dtype_, shape};
  if (access == Access::kTower) slot = tower_weight(name, slot);
}

Weight FormulaBinder::tower_weight(const std::string& name, const Weight& stored) {
  const WeightForm form = form_of(stored.shape, stored.dtype, Access::kTower, quantization_);
  const Shape shape = shape_as_read(stored.shape, Access::kTower);
  auto& bytes = storage_[name + " as read"];
  bytes.resize((size_bytes(form, shape) + 3) / 4);
  ThreadPool pool(1);
  write_rows(pool, stored, Access::kTower, form, 0, shape[0],
             reinterpret_cast<std::byte*>(bytes.data()));
  return weight_of(form, bytes.data(), shape);
}

void FormulaBinder::bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape,
                                    Access access) {
  bind_tensor(name, slot, shape, access);
}

void FormulaBinder::bind_vector(const std::string& name, Vector& slot, Index n) {
  slot.values = weight(name, {n});
}

double relative_error(std::span<const float> actual, std::span<const float> expected) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double largest = 0.0, difference = 0.0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!std::isfinite(actual[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::fabs(static_cast<double>(expected[i])));
    difference = std::max(
        difference, std::fabs(static_cast<double>(actual[i]) - static_cast<double>(expected[i])));
  }
  return difference == 0.0 ? 0.0 : difference / largest;
}

}  // namespace gemma3n::golden
