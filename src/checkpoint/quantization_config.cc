#include "checkpoint/quantization_config.h"

#include "base/mapped_file.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/json.h"
#include "checkpoint/printable.h"

namespace gemma3n {
namespace {

constexpr std::string_view kKey = "quantization_config";
constexpr std::string_view kMethod = "gemma3n";
constexpr std::int64_t kVersion = 2;     // 1: the towers were left as they were
constexpr std::int64_t kGroupSize = 32;  // of this version

struct Fields {
  std::string quant_method;
  std::int64_t bits = 0, group_size = 0, version = 0;
};

template <typename Visitor, typename AnyFields>
void visit_fields(Visitor& visit, AnyFields& f) {
  visit("quant_method", f.quant_method);
  visit("bits", f.bits);
  visit("group_size", f.group_size);
  visit("version", f.version);
}

template <typename T>
void expect_value(const char* key, const T& value, const T& expected) {
  if (value == expected) return;
  fail(ErrorCode::kUnsupported, kKey, ".", key, ": expected ", expected, ", got ", value);
}

Quantization read(const Json& value) {
  const auto* object = get_if<Json::Object>(value);
  if (object == nullptr) {
    fail(ErrorCode::kInvalidArgument, kKey, ": expected an object, got ", quoted(value));
  }
  FieldReader reader(*object, std::string(kKey) + ".");
  Fields fields;
  visit_fields(reader, fields);
  if (fields.quant_method != kMethod) {
    fail(ErrorCode::kUnsupported, kKey, ".quant_method: expected ", kMethod, ", got '",
         fields.quant_method.substr(0, 40), "'; load the original checkpoint");
  }
  expect_value("version", fields.version, kVersion);
  expect_value("group_size", fields.group_size, kGroupSize);
  if (reader.extra_json() != "{}") {
    fail(ErrorCode::kUnsupported, kKey, ": unknown keys in version ", kVersion, ": ",
         reader.extra_json().substr(0, 80));
  }
  if (fields.bits == 8) return Quantization::kInt8;
  if (fields.bits == 4) return Quantization::kInt4;
  fail(ErrorCode::kUnsupported, kKey, ".bits: expected 8 or 4, got ", fields.bits);
}

}  // namespace

Quantization quantization_from_name(std::string_view name) {
  for (const auto quantization : {Quantization::kNone, Quantization::kInt8, Quantization::kInt4,
                                  Quantization::kBF16, Quantization::kF32}) {
    if (name == quantization_name(quantization)) return quantization;
  }
  fail(ErrorCode::kInvalidArgument, "quantization: expected none, q8, q4, bf16 or f32, got '", name,
       "'");
}

std::string_view quantization_name(Quantization quantization) {
  switch (quantization) {
    case Quantization::kNone:
      return "none";
    case Quantization::kInt8:
      return "q8";
    case Quantization::kInt4:
      return "q4";
    case Quantization::kBF16:
      return "bf16";
    case Quantization::kF32:
      return "f32";
  }
  fail(ErrorCode::kInternal, "a quantization");
}

Quantization stored_quantization_of(std::string_view config_json) {
  return naming_place("config.json", [&] {
    const auto root = parse_json_object(config_json);
    const Json* value = find(root, kKey);
    return value == nullptr || is_null(*value) ? Quantization::kNone : read(*value);
  });
}

Quantization stored_quantization(const std::filesystem::path& model_dir) {
  return stored_quantization_of(read_text_file(model_dir / "config.json", kMaxConfigBytes));
}

std::string with_quantization(std::string_view config_json, Quantization quantization) {
  check(quantization == Quantization::kInt8 || quantization == Quantization::kInt4, "8 or 4 bits");
  auto root = parse_json_object(config_json);
  std::erase_if(root, [](const JsonMember& member) { return member.key == kKey; });
  const Fields fields = {std::string(kMethod), quantization == Quantization::kInt8 ? 8 : 4,
                         kGroupSize, kVersion};
  FieldWriter writer;
  visit_fields(writer, fields);
  root.push_back({std::string(kKey), {writer.take()}});
  return to_text(root) + "\n";
}

Quantization effective_quantization(const std::filesystem::path& model_dir, Quantization stored,
                                    Quantization asked) {
  if (stored == Quantization::kNone || asked == stored) return asked;
  if (asked == Quantization::kNone) return stored;
  fail(ErrorCode::kUnsupported, model_dir.string(), ": is quantised already, as ",
       quantization_name(stored), "; for ", quantization_name(asked),
       " load the original checkpoint");
}

}  // namespace gemma3n
