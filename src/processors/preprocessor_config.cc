#include "processors/preprocessor_config.h"

#include <cstddef>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr std::size_t kMaxBytes = 4u << 20;  // Gemma 3n's files have 2 KiB
constexpr const char* kNestedFile = "processor_config.json";
constexpr const char* kOwnFile = "preprocessor_config.json";

std::optional<nlohmann::json> read_object(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::nullopt;
  const std::string name = path.filename().string();
  if (!std::filesystem::is_regular_file(path, error)) {
    fail(ErrorCode::kCorruptData, name, ": expected a regular file");
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad() || !file.is_open()) fail(ErrorCode::kNotFound, name, ": cannot be read");
  if (text.size() > kMaxBytes) {
    fail(ErrorCode::kCorruptData, name, ": expected at most ", kMaxBytes, " bytes, got more");
  }
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) fail(ErrorCode::kCorruptData, name, ": expected a JSON object");
  return json;
}

}  // namespace

PreprocessorConfig find_preprocessor_config(const std::filesystem::path& model_dir,
                                            std::string_view key) {
  if (const auto whole = read_object(model_dir / kNestedFile)) {
    const auto part = whole->find(key);
    if (part != whole->end()) {
      if (!part->is_object()) {
        fail(ErrorCode::kCorruptData, kNestedFile, ": ", key, ": expected an object, got ",
             part->type_name());
      }
      return {kNestedFile, part->dump()};
    }
  }
  if (const auto whole = read_object(model_dir / kOwnFile)) return {kOwnFile, whole->dump()};
  fail(ErrorCode::kNotFound, model_dir.string(), ": expected ", kOwnFile, " or ", kNestedFile,
       " with \"", key, "\"");
}

std::optional<PreprocessorConfig> find_processor_config(const std::filesystem::path& model_dir) {
  const auto whole = read_object(model_dir / kNestedFile);
  if (!whole) return std::nullopt;
  return PreprocessorConfig{kNestedFile, whole->dump()};
}

}  // namespace gemma3n
