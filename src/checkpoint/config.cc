// config.json as a whole: which kind of model it describes, and its parts.
#include "gemma3n/config.h"

#include "base/mapped_file.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/media_config.h"
#include "checkpoint/printable.h"
#include "checkpoint/text_config.h"
#include "checkpoint/text_config_limits.h"

namespace gemma3n {
namespace {

constexpr std::string_view kFileName = "config.json";
constexpr std::string_view kModelType = "gemma3n", kTextModelType = "gemma3n_text";

template <typename Visitor, typename AnyConfig>
void visit_fields(Visitor& visit, AnyConfig& c) {
  visit("audio_soft_tokens_per_image", c.audio_soft_tokens_per_image);
  visit("vision_soft_tokens_per_image", c.vision_soft_tokens_per_image);
  visit("boi_token_id", c.boi_token_id);
  visit("eoi_token_id", c.eoi_token_id);
  visit("image_token_id", c.image_token_id);
  visit("boa_token_id", c.boa_token_id);
  visit("eoa_token_id", c.eoa_token_id);
  visit("audio_token_id", c.audio_token_id);
  visit("initializer_range", c.initializer_range);
}

std::string read_model_type(const Json::Object& object) {
  const Json* json = find(object, "model_type");
  if (json == nullptr) {
    fail(ErrorCode::kUnsupported, "model_type: expected ", kModelType, " or ", kTextModelType,
         ", got none");
  }
  const auto* text = get_if<std::string>(*json);
  if (text == nullptr) FieldReader({}, "").refuse("model_type", "a string", *json);
  return *text;
}

// Ref: HF Gemma3nConfig, "bool | None", where None ties nothing
void read_tie_word_embeddings(FieldReader& reader, bool& tie) {
  const auto json = reader.take("tie_word_embeddings");
  if (!json) return;
  const auto* value = get_if<bool>(*json);
  if (value == nullptr && !is_null(*json)) {
    reader.refuse("tie_word_embeddings", "true, false or null", *json);
  }
  tie = value != nullptr && *value;
}

Config read_config(Json::Object object) {
  const std::string model_type = read_model_type(object);
  if (model_type != kModelType) {
    fail(ErrorCode::kUnsupported, "model_type: expected ", kModelType, ", got ",
         printable(model_type),
         model_type == kTextModelType ? "; this checkpoint has no image and audio parts" : "");
  }
  FieldReader reader(std::move(object), "");
  reader.take("model_type");
  Config c;
  c.text_config = read_text_config(reader.take_object("text_config"));
  c.vision_config = read_vision_config(reader.take_object("vision_config"));
  c.audio_config = read_audio_config(reader.take_object("audio_config"));
  visit_fields(reader, c);
  read_tie_word_embeddings(reader, c.tie_word_embeddings);
  read_token_ids(reader, "eos_token_id", c.eos_token_id);
  c.extra_json = reader.extra_json();
  c.validate();
  return c;
}

// The text model of a whole checkpoint goes by the whole's word on what they both say.
// Ref: HF Gemma3nForConditionalGeneration ties by the outer config; generation reads the outer
// eos_token_id first
TextConfig read_text_part(Json::Object object) {
  FieldReader outer(std::move(object), "");
  TextConfig c = read_text_config(outer.take_object("text_config"));
  c.tie_word_embeddings = true;  // the outer default
  read_tie_word_embeddings(outer, c.tie_word_embeddings);
  std::vector<std::int64_t> eos;
  read_token_ids(outer, "eos_token_id", eos);
  if (!eos.empty()) c.eos_token_id = eos;
  c.validate();
  return c;
}

TextConfig read_any_text_config(Json::Object object) {
  const std::string model_type = read_model_type(object);
  if (model_type == kModelType) return read_text_part(std::move(object));
  if (model_type == kTextModelType) return read_text_config(std::move(object));
  fail(ErrorCode::kUnsupported, "model_type: expected ", kModelType, " or ", kTextModelType,
       ", got ", printable(model_type));
}

template <typename Read>
auto read_config_file(const std::filesystem::path& model_dir, const Read& read) {
  const std::string text = read_text_file(model_dir / kFileName, kMaxConfigBytes);
  return naming_place(kFileName, [&] { return read(parse_json_object(text)); });
}

}  // namespace

void Config::validate() const {
  text_config.validate();
  vision_config.validate();
  audio_config.validate();
  const auto range = [](const char* key, std::int64_t value, std::int64_t lowest) {
    expect_range(key, value, lowest, kMaxTokens);
  };
  range("audio_soft_tokens_per_image", audio_soft_tokens_per_image, 1);
  range("vision_soft_tokens_per_image", vision_soft_tokens_per_image, 1);
  // A text-only use never meets these ids, so they may lie outside the vocabulary.
  range("boi_token_id", boi_token_id, 0);
  range("eoi_token_id", eoi_token_id, 0);
  range("image_token_id", image_token_id, 0);
  range("boa_token_id", boa_token_id, 0);
  range("eoa_token_id", eoa_token_id, 0);
  range("audio_token_id", audio_token_id, 0);
  for (const std::int64_t id : eos_token_id) {
    expect_range("eos_token_id", id, std::int64_t{0}, text_config.vocab_size - 1);
  }
  expect_range("initializer_range", initializer_range, 0.0, 1e308);
}

Config Config::from_json(std::string_view json) { return read_config(parse_json_object(json)); }

Config Config::from_pretrained(const std::filesystem::path& model_dir) {
  return read_config_file(model_dir, read_config);
}

TextConfig TextConfig::from_pretrained(const std::filesystem::path& model_dir) {
  return read_config_file(model_dir, read_any_text_config);
}

std::string Config::to_json() const {
  FieldWriter writer;
  writer("model_type", std::string(kModelType));
  visit_fields(writer, *this);
  writer("tie_word_embeddings", tie_word_embeddings);
  if (!eos_token_id.empty()) write_token_ids(writer, "eos_token_id", eos_token_id);
  writer.put("text_config", {write_text_config(text_config)});
  writer.put("vision_config", {write_vision_config(vision_config)});
  writer.put("audio_config", {write_audio_config(audio_config)});
  writer.put_extra(extra_json);
  return to_text(writer.take());
}

}  // namespace gemma3n
