#include "checkpoint/checkpoint_binder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <sstream>

#include "checkpoint/printable.h"
#include "ops/quantize.h"
#include "ops/weight_form.h"

namespace gemma3n {
namespace {

constexpr std::array<std::string_view, 4> kTextPrefixes = {
    "model.language_model.",  // Gemma3nForConditionalGeneration
    "model.",                 // Gemma3nForCausalLM
    "language_model.",        // Gemma3nModel
    "",                       // Gemma3nTextModel
};

constexpr std::size_t kScaleAlignment = 2;  // of quantised matrices, which are read as they lie

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::ostringstream out;
  out << '[';
  for (std::size_t axis = 0; axis < shape.size(); ++axis) out << (axis ? ", " : "") << shape[axis];
  out << ']';
  return out.str();
}

bool same_shape(const std::vector<std::int64_t>& stored, const Shape& expected) {
  if (stored.size() != static_cast<std::size_t>(expected.rank())) return false;
  for (int axis = 0; axis < expected.rank(); ++axis) {
    if (stored[static_cast<std::size_t>(axis)] != expected[axis]) return false;
  }
  return true;
}

// Sign, 5 bits of exponent, 10 of fraction; subnormals below 2^-14. Exact.
float f16_to_f32(std::uint16_t half) {
  const int exponent = (half >> 10) & 31, fraction = half & 1023;
  const float sign = (half & 0x8000) != 0 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction == 0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

float bf16_to_f32(std::uint16_t half) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16);
}

// memcpy: the file aligns nothing.
template <typename Stored, typename Convert>
std::vector<float> read_floats(std::span<const std::byte> bytes, Convert convert) {
  std::vector<float> values(bytes.size() / sizeof(Stored));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = convert(stored);
  }
  return values;
}

std::vector<float> read_floats(std::span<const std::byte> bytes, DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return read_floats<std::uint16_t>(bytes, bf16_to_f32);
    case DType::kF16:
      return read_floats<std::uint16_t>(bytes, f16_to_f32);
    default:
      return read_floats<float>(bytes, [](float value) { return value; });
  }
}

std::string where(const CheckpointTensor& tensor) {
  return tensor.file_name() + ": " + printable(tensor.name()) + ": ";
}

DType weight_dtype_of(const CheckpointTensor& tensor) {
  const auto dtype = weight_dtype(tensor.entry->dtype);
  if (!dtype) {
    fail(ErrorCode::kUnsupported, where(tensor), "expected dtype BF16, F16 or F32, got ",
         name(tensor.entry->dtype));
  }
  return *dtype;
}

// "layers.<i>.self_attn.k_proj.weight" and the like, for a layer that shares another one's.
bool is_shared_key_or_value(std::string_view name, const TextConfig& config) {
  constexpr std::string_view kLayers = "layers.";
  if (!name.starts_with(kLayers)) return false;
  name.remove_prefix(kLayers.size());
  std::int64_t layer = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
  if (error != std::errc() || layer < config.first_kv_shared_layer() ||
      layer >= config.num_hidden_layers) {
    return false;
  }
  name.remove_prefix(static_cast<std::size_t>(end - name.data()));
  return name.starts_with(".self_attn.k_proj.") || name.starts_with(".self_attn.v_proj.") ||
         name.starts_with(".self_attn.k_norm.");
}

// Parts of Gemma 3n beside the text model.
bool is_of_another_part(std::string_view name) {
  constexpr std::string_view kOuter = "model.";
  if (name.starts_with(kOuter)) name.remove_prefix(kOuter.size());
  for (const auto part : {"vision_tower.", "audio_tower.", "embed_vision.", "embed_audio."}) {
    if (name.starts_with(part)) return true;
  }
  return false;
}

}  // namespace

std::string text_prefix(const Checkpoint& checkpoint) {
  for (const auto prefix : kTextPrefixes) {
    if (checkpoint.find(std::string(prefix) + "embed_tokens.weight") != nullptr) {
      return std::string(prefix);
    }
  }
  fail(
      ErrorCode::kNotFound, checkpoint.directory().string(),
      ": no tensor embed_tokens.weight, with or without model.language_model. in front; this is no "
      "Gemma 3n checkpoint");
}

const CheckpointTensor& CheckpointBinder::require(const std::string& full_name,
                                                  const Shape& shape) {
  const CheckpointTensor* tensor = checkpoint_.find(full_name);
  if (tensor == nullptr) {
    fail(ErrorCode::kNotFound, checkpoint_.directory().string(), ": the tensor ", full_name,
         " is missing; expected shape ", shape);
  }
  if (!same_shape(tensor->entry->shape, shape)) {
    fail(ErrorCode::kCorruptData, where(*tensor), "expected shape ", shape, ", got ",
         shape_text(tensor->entry->shape));
  }
  used_[full_name] = shape.size();
  return *tensor;
}

void CheckpointBinder::bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                                   Access access) {
  bind_top_tensor(prefix_ + name, slot, shape, access);
}

void CheckpointBinder::bind_quantized(const std::string& full_name, Weight& slot,
                                      const Shape& shape, Storage storage) {
  const CheckpointTensor& tensor = require(full_name, quantized_shape(shape, storage));
  if (tensor.entry->dtype != StoredDType::kU8) {
    fail(ErrorCode::kCorruptData, where(tensor), "expected dtype U8, got ",
         name(tensor.entry->dtype));
  }
  if (tensor.entry->offset % kScaleAlignment != 0) {
    fail(ErrorCode::kCorruptData, where(tensor), "begins at byte ", tensor.entry->offset,
         ", expected a multiple of ", kScaleAlignment);
  }
  slot = quantized_weight(tensor.bytes().data(), shape, storage);
  used_[full_name] = shape.size();
}

void CheckpointBinder::bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape,
                                       Access access) {
  const WeightForm form = form_of(shape, DType::kF32, access, quantization_);
  if (form.storage != Storage::kRows) {
    return bind_quantized(name, slot, shape_as_read(shape, access), form.storage);
  }
  const CheckpointTensor& tensor = require(name, shape);
  slot.dtype = weight_dtype_of(tensor);
  slot.shape = shape;
  slot.data = tensor.bytes().data();
}

void CheckpointBinder::bind_vector(const std::string& name, Vector& slot, Index n) {
  const CheckpointTensor& tensor = require(prefix_ + name, {n});
  slot.values = read_floats(tensor.bytes(), weight_dtype_of(tensor));
  const auto bad = std::ranges::find_if_not(slot.values, [](float v) { return std::isfinite(v); });
  if (bad != slot.values.end()) {
    fail(ErrorCode::kCorruptData, where(tensor), "element ", bad - slot.values.begin(),
         ": expected a finite number, got ", *bad);
  }
}

Index CheckpointBinder::values_of(std::string_view full_name) const {
  const auto found = used_.find(full_name);
  return found == used_.end() ? 0 : found->second;
}

bool CheckpointBinder::has_tensor(const std::string& name) const {
  return checkpoint_.find(prefix_ + name) != nullptr;
}

std::vector<std::string> CheckpointBinder::unexpected_tensors(const TextConfig& config) const {
  std::vector<std::string> names;
  for (const auto& tensor : checkpoint_.tensors()) {
    const std::string& name = tensor.name();
    const bool is_tied_head = name == "lm_head.weight" && config.tie_word_embeddings;
    if (is_used(name) || is_tied_head || is_of_another_part(name)) continue;
    if (name.starts_with(prefix_) &&
        is_shared_key_or_value(std::string_view(name).substr(prefix_.size()), config)) {
      continue;
    }
    names.push_back(name);
  }
  return names;
}

std::string unexpected_tensors_warning(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  if (names.empty()) return "";
  std::string text = "the checkpoint has " + std::to_string(names.size()) +
                     (names.size() == 1 ? " tensor" : " tensors") + " the model has no use for: ";
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) {
    text.append(i == 0 ? "" : ", ").append(printable(names[i]));
  }
  if (names.size() > kShown) text += ", ...";
  return text;
}

}  // namespace gemma3n
