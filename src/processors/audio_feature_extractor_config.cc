#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "gemma3n/processor.h"
#include "processors/preprocessor_config.h"

namespace gemma3n {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const char* key, const char* expected, const json& got) {
  fail(ErrorCode::kInvalidArgument, key, ": expected ", expected, ", got ",
       got.is_structured() ? got.type_name()
                           : got.dump(-1, ' ', true, json::error_handler_t::replace));
}

void read(const json& object, const char* key, double& field) {
  const auto found = object.find(key);
  if (found == object.end()) return;
  if (!found->is_number()) refuse(key, "a number", *found);
  field = found->get<double>();
}

void read(const json& object, const char* key, std::int64_t& field) {
  const auto found = object.find(key);
  if (found == object.end()) return;
  if (!found->is_number_integer() ||
      (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX)) {
    refuse(key, "an integer", *found);
  }
  field = found->get<std::int64_t>();
}

void read(const json& object, const char* key, bool& field) {
  const auto found = object.find(key);
  if (found == object.end()) return;
  if (!found->is_boolean()) refuse(key, "true or false", *found);
  field = found->get<bool>();
}

void read(const json& object, const char* key, std::string& field) {
  const auto found = object.find(key);
  if (found == object.end()) return;
  if (!found->is_string()) refuse(key, "a string", *found);
  field = found->get<std::string>();
}

// Lists of numbers, or of one list, of one list: HF writes back the shape [1, 1, F].
void read(const json& object, const char* key, std::vector<double>& field) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return;
  const json* list = &*found;
  for (int depth = 0;
       depth < 2 && list->is_array() && list->size() == 1 && list->front().is_array(); ++depth) {
    list = &list->front();
  }
  if (!list->is_array() || list->empty()) refuse(key, "a list of numbers or null", *found);
  field.clear();
  for (const json& number : *list) {
    if (!number.is_number()) refuse(key, "a list of numbers or null", number);
    field.push_back(number.get<double>());
  }
}

}  // namespace

AudioFeatureExtractorConfig AudioFeatureExtractorConfig::from_json(std::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    fail(ErrorCode::kCorruptData, "feature extractor: expected a JSON object");
  }
  AudioFeatureExtractorConfig c;
  read(object, "feature_size", c.feature_size);
  read(object, "sampling_rate", c.sampling_rate);
  read(object, "padding_value", c.padding_value);
  read(object, "padding_side", c.padding_side);
  read(object, "return_attention_mask", c.return_attention_mask);
  read(object, "frame_length_ms", c.frame_length_ms);
  read(object, "hop_length_ms", c.hop_length_ms);
  read(object, "min_frequency", c.min_frequency);
  read(object, "max_frequency", c.max_frequency);
  read(object, "preemphasis", c.preemphasis);
  read(object, "preemphasis_htk_flavor", c.preemphasis_htk_flavor);
  read(object, "fft_overdrive", c.fft_overdrive);
  read(object, "dither", c.dither);
  read(object, "input_scale_factor", c.input_scale_factor);
  read(object, "mel_floor", c.mel_floor);
  read(object, "per_bin_mean", c.per_bin_mean);
  read(object, "per_bin_stddev", c.per_bin_stddev);
  c.validate();
  return c;
}

AudioFeatureExtractorConfig AudioFeatureExtractorConfig::from_pretrained(
    const std::filesystem::path& model_dir) {
  const PreprocessorConfig found = find_preprocessor_config(model_dir, "feature_extractor");
  try {
    return from_json(found.json);
  } catch (const Error& error) {
    fail(error.code(), found.file, ": ", error.what());
  }
}

}  // namespace gemma3n
