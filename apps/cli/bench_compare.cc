#include "bench_compare.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "file.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

using Value = nlohmann::json;

constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
constexpr int kMaxDepth = 8;

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorCode::kCorruptData, parts...);
}

Value parse(const std::string& text, const std::string& file) {
  const auto check_depth = [&](int depth, Value::parse_event_t, Value&) {
    if (depth > kMaxDepth) refuse(file, ": expected at most ", kMaxDepth, " levels of JSON");
    return true;
  };
  try {
    return Value::parse(text, check_depth);
  } catch (const Value::parse_error& error) {
    refuse(file, ": expected what bench --json prints, got what is no JSON at byte ", error.byte);
  } catch (const Value::exception&) {
    refuse(file, ": expected what bench --json prints, got a number that is out of range");
  }
}

// A member; `where`: the object, for messages.
const Value& member(const Value& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) refuse(where, ": expected \"", key, "\", which is not there");
  return *found;
}

std::string text_of(const Value& object, const char* key, const std::string& where) {
  const Value& value = member(object, key, where);
  if (!value.is_string()) {
    refuse(where, ": \"", key, "\": expected a string, got ", value.type_name());
  }
  return value.get<std::string>();
}

double positive(const Value& object, const char* key, const std::string& where) {
  const Value& value = member(object, key, where);
  if (!value.is_number()) {
    refuse(where, ": \"", key, "\": expected a number, got ", value.type_name());
  }
  const auto number = value.get<double>();
  if (!std::isfinite(number) || number <= 0) {
    refuse(where, ": \"", key, "\": expected a number above 0, got ", number);
  }
  return number;
}

BaselineCase case_of(const Value& value, const std::string& where) {
  constexpr double kMostThreads = 1e6;
  if (!value.is_object()) refuse(where, ": expected an object, got ", value.type_name());
  BaselineCase found = {.name = text_of(value, "case", where),
                        .storage = text_of(value, "storage", where),
                        .seconds = positive(value, "seconds", where)};
  const double threads = positive(value, "threads", where);
  if (threads != std::floor(threads) || threads > kMostThreads) {
    refuse(where, ": \"threads\": expected a whole number, got ", threads);
  }
  found.threads = static_cast<int>(threads);
  return found;
}

}  // namespace

const BaselineCase* Baseline::find(const std::string& name, const std::string& storage,
                                   int threads) const {
  const auto found = std::ranges::find_if(cases, [&](const BaselineCase& c) {
    return c.name == name && c.storage == storage && c.threads == threads;
  });
  return found == cases.end() ? nullptr : &*found;
}

Baseline read_baseline(const std::filesystem::path& path) {
  const std::string file = path.string();
  const Value report = parse(read_file(path, kMaxBytes), file);
  if (!report.is_object()) refuse(file, ": expected an object, got ", report.type_name());
  if (const auto format = text_of(report, "format", file); format != kBenchFormat) {
    refuse(file, ": \"format\": expected \"", kBenchFormat, "\", got \"", format, "\"");
  }
  Baseline baseline = {.model = text_of(report, "model", file),
                       .version = text_of(report, "version", file),
                       .cpu = text_of(report, "cpu", file),
                       .instruction_set = text_of(report, "instruction_set", file)};
  if (report.contains("size")) baseline.size = text_of(report, "size", file);
  if (report.contains("kv_cache")) baseline.cache = text_of(report, "kv_cache", file);
  const Value& cases = member(report, "cases", file);
  if (!cases.is_array()) refuse(file, ": \"cases\": expected an array, got ", cases.type_name());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    baseline.cases.push_back(case_of(cases[i], file + ": cases[" + std::to_string(i) + "]"));
  }
  return baseline;
}

void check_common_case(const Baseline& baseline, const BenchPlan& plan, const std::string& file) {
  for (const auto& run : plan.runs) {
    for (const auto& name : run.cases) {
      for (const auto& storage : plan.storages) {
        for (const int threads : plan.threads) {
          if (baseline.find(name, storage, threads) != nullptr) return;
        }
      }
    }
  }
  fail(ErrorCode::kInvalidArgument, "--compare: ", file, " has none of the cases to be timed");
}

const BaselineCase* Comparison::before(const BenchResult& result) const {
  return baseline.find(result.name, result.storage, result.threads);
}

std::optional<double> Comparison::ratio(const BenchResult& result) const {
  const auto* earlier = before(result);
  if (earlier == nullptr) return std::nullopt;
  return earlier->seconds / result.seconds.median;
}

bool Comparison::is_slower(const BenchResult& result) const {
  const auto found = ratio(result);
  return found && *found < 1 - tolerance_percent / 100;
}

}  // namespace gemma3n::cli
