#include "eval_results.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "file.h"
#include "gemma3n/error.h"
#include "json.h"
#include "output.h"

namespace gemma3n::cli {
namespace {

constexpr std::string_view kLineStart = "{\"index\": ";
constexpr const char* kWayOut = "; choose another file or --overwrite";

// Ref: Fowler, Noll, Vo: FNV-1a, 64 bits
std::uint64_t hash(std::string_view bytes) {
  std::uint64_t state = 0xcbf29ce484222325u;
  for (const char byte : bytes) {
    state = (state ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
  }
  return state;
}

std::string canonical(const EvalItem& item) {
  Json json;
  json.begin_object().key("messages").begin_array();
  for (const auto& message : item.messages) {
    json.begin_object().member("role", message.role).key("parts").begin_array();
    for (const auto& part : message.parts) {
      json.value(static_cast<int>(part.kind)).value(part.text);
    }
    json.end_array().end_object();
  }
  json.end_array();
  return json.member("expected", std::span<const std::string>(item.expected))
      .member("metric", metric_name(item.metric))
      .member("category", item.category)
      .member("max_tokens", item.max_tokens.value_or(0))
      .end_object()
      .text();
}

struct Row {
  std::size_t index = 0;
  std::string fingerprint;
  Answer answer;
};

// Nothing for a line that is none of result_line's.
std::optional<Row> parse_row(std::string_view line) {
  try {
    const auto object = nlohmann::json::parse(line);
    return Row{.index = object.at("index").get<std::size_t>(),
               .fingerprint = object.at("fingerprint").get<std::string>(),
               .answer = {.text = object.at("answer").get<std::string>(),
                          .finish_reason = object.at("finish_reason").get<std::string>(),
                          .generated_tokens = object.at("generated_tokens").get<std::int64_t>(),
                          .seconds = object.at("seconds").get<double>()}};
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

// What is left of a line of ours whose writer was killed. Anything else is not ours to drop.
bool is_torn(std::string_view line) {
  return line.starts_with(kLineStart) || kLineStart.starts_with(line);
}

void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& file) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw OutputError("cannot write to " + file.string() + ": " + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

std::string fingerprint(const EvalItem& item, std::string_view settings) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx",
                static_cast<unsigned long long>(hash(std::string(settings) + canonical(item))));
  return digits;
}

void write_result(Json& json, const ItemResult& result, std::string_view fingerprint) {
  const EvalItem& item = *result.item;
  json.begin_object().member("index", item.index).member("line", item.line);
  if (!item.id.empty()) json.member("id", item.id);
  if (!item.category.empty()) json.member("category", item.category);
  json.member("metric", metric_name(item.metric))
      .member("expected", std::span<const std::string>(item.expected))
      .member("answer", result.answer.text)
      .member("correct", result.score.is_correct);
  if (const auto& errors = result.score.errors) {
    json.member("edits", errors->edits)
        .member("words", errors->words)
        .member("character_edits", errors->character_edits)
        .member("characters", errors->characters);
  }
  json.member("finish_reason", result.answer.finish_reason)
      .member("generated_tokens", result.answer.generated_tokens)
      .member("seconds", result.answer.seconds)
      .member("fingerprint", fingerprint)
      .end_object();
}

ResultsFile::ResultsFile(const std::filesystem::path& file,
                         std::span<const std::string> fingerprints, bool overwrite)
    : file_(file) {
  off_t whole_bytes = 0;
  const auto read_row = [&](std::string_view line, std::size_t number, bool is_whole) {
    if (!is_whole && is_torn(line)) return;
    whole_bytes += static_cast<off_t>(line.size()) + 1;
    const auto where = file.string() + ":" + std::to_string(number);
    auto row = is_whole ? parse_row(line) : std::nullopt;
    if (!row) {
      fail(ErrorCode::kCorruptData, where, ": expected a line that gemma3n eval wrote", kWayOut);
    }
    if (row->index >= fingerprints.size() || row->fingerprint != fingerprints[row->index]) {
      fail(ErrorCode::kInvalidArgument, where, ": item ", row->index, " was answered with another ",
           "dataset, model or options", kWayOut);
    }
    answers_[row->index] = std::move(row->answer);
  };
  if (!overwrite && std::filesystem::exists(file)) for_each_line(file, read_row);
  descriptor_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0 || ::ftruncate(descriptor_, whole_bytes) != 0) {
    fail(ErrorCode::kNotFound, file.string(), ": cannot write to it: ", std::strerror(errno));
  }
}

ResultsFile::~ResultsFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

const Answer* ResultsFile::find(std::size_t index) const {
  const auto found = answers_.find(index);
  return found == answers_.end() ? nullptr : &found->second;
}

void ResultsFile::append(const ItemResult& result, std::string_view fingerprint) {
  Json json;
  write_result(json, result, fingerprint);
  write_all(descriptor_, json.text() + "\n", file_);
}

}  // namespace gemma3n::cli
