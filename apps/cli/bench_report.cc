#include "bench_report.h"

#include <algorithm>

#include "json.h"
#include "messages.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

// What a time is shown as: tokens per second where there are tokens.
std::string shown(const BenchResult& result, double seconds) {
  if (result.tokens > 0) return fixed(static_cast<double>(result.tokens) / seconds, 2);
  return fixed(seconds, seconds < 1 ? 4 : 3);
}

std::vector<std::string> row_of(const BenchResult& result, const Comparison* comparison) {
  const bool is_speed = result.tokens > 0;
  std::vector<std::string> row = {result.name,
                                  result.storage,
                                  std::to_string(result.threads),
                                  shown(result, result.seconds.median),
                                  shown(result, result.seconds.max),
                                  shown(result, result.seconds.min),
                                  is_speed ? "tok/s" : "s"};
  if (result.limit) {
    row.push_back(shown(result, result.limit->seconds));
    row.push_back(fixed(100 * *result.share(), 1) + "%");
    row.push_back(result.limit->is_memory ? "memory" : "arithmetic");
  } else {
    row.insert(row.end(), {"-", "-", "-"});
  }
  if (comparison == nullptr) return row;
  const auto* before = comparison->before(result);
  row.push_back(before != nullptr ? shown(result, before->seconds) : "-");
  row.push_back(before != nullptr ? fixed(*comparison->ratio(result), 3) : "-");
  return row;
}

std::string limits_line(int threads, const MachineLimits& limits) {
  return std::to_string(threads) + (threads == 1 ? " thread: " : " threads: ") +
         fixed(limits.read_bytes_per_second / 1e9, 1) + " GB/s from memory, " +
         fixed(limits.f32_flops_per_second / 1e9, 1) + " Gop/s f32, " +
         fixed(limits.int8_ops_per_second / 1e9, 1) + " Gop/s int8\n";
}

std::string what_was_timed(const std::string& size, const std::string& cache) {
  return ", size " + visible_line(size) + ", cache in " + visible_line(cache);
}

std::string baseline_line(const Comparison& comparison) {
  const auto& before = comparison.baseline;
  return "before: " + visible_line(comparison.file) + ", " + visible_line(before.model) +
         ", gemma3n " + visible_line(before.version) + " on " + visible_line(before.cpu) + ", " +
         visible_line(before.instruction_set) + what_was_timed(before.size, before.cache) + "\n";
}

std::string verdict(const BenchReport& report, const Comparison& comparison) {
  std::string text;
  for (const auto& result : report.results) {
    if (!comparison.is_slower(result)) continue;
    text += "slower: " + result.name + ", " + result.storage + ", " +
            std::to_string(result.threads) + (result.threads == 1 ? " thread: " : " threads: ") +
            fixed(*comparison.ratio(result), 3) + "\n";
  }
  if (!text.empty()) return text;
  return "no case is slower by more than " + fixed(comparison.tolerance_percent, 0) + "%\n";
}

void write_limits(Json& json, const BenchReport& report) {
  json.key("limits").begin_array();
  for (const auto& [threads, limits] : report.limits) {
    json.begin_object()
        .member("threads", threads)
        .member("read_bytes_per_second", limits.read_bytes_per_second)
        .member("f32_ops_per_second", limits.f32_flops_per_second)
        .member("int8_ops_per_second", limits.int8_ops_per_second)
        .end_object();
  }
  json.end_array();
}

void write_case(Json& json, const BenchResult& result, const Comparison* comparison) {
  json.begin_object()
      .member("case", result.name)
      .member("storage", result.storage)
      .member("threads", result.threads)
      .member("seconds", result.seconds.median)
      .member("min_seconds", result.seconds.min)
      .member("max_seconds", result.seconds.max);
  if (result.tokens > 0) {
    json.member("context", result.context)
        .member("tokens", result.tokens)
        .member("tokens_per_second", result.tokens_per_second());
  }
  if (result.limit) {
    json.member("f32_ops", result.work.f32_ops)
        .member("int8_ops", result.work.int8_ops)
        .member("bytes", result.work.bytes)
        .member("limit_seconds", result.limit->seconds)
        .member("limited_by", result.limit->is_memory ? "memory" : "arithmetic")
        .member("share", *result.share());
  }
  if (comparison != nullptr && comparison->before(result) != nullptr) {
    json.member("before_seconds", comparison->before(result)->seconds)
        .member("ratio", *comparison->ratio(result))
        .member("is_slower", comparison->is_slower(result));
  }
  json.end_object();
}

}  // namespace

std::string bench_table(const BenchReport& report, const Comparison* comparison) {
  std::vector<std::vector<std::string>> rows = {{"CASE", "STORAGE", "THREADS", "MEDIAN", "WORST",
                                                 "BEST", "UNIT", "LIMIT", "REACHED", "LIMITED BY"}};
  if (comparison != nullptr) rows.front().insert(rows.front().end(), {"BEFORE", "RATIO"});
  for (const auto& result : report.results) rows.push_back(row_of(result, comparison));
  std::vector<Align> columns(rows.front().size(), Align::kRight);
  columns[0] = columns[1] = columns[6] = Align::kLeft;
  std::string text = visible_line(report.model) + ", gemma3n " + report.system.version + " on " +
                     visible_line(report.system.cpu) + ", " + report.system.active_instruction_set +
                     what_was_timed(report.size, std::string(cache_storage_name(report.cache))) +
                     "\n";
  for (const auto& [threads, limits] : report.limits) text += limits_line(threads, limits);
  if (comparison != nullptr) text += baseline_line(*comparison);
  text += format_table(columns, rows);
  return comparison == nullptr ? text : text + verdict(report, *comparison);
}

std::string bench_json(const BenchReport& report, const Comparison* comparison) {
  Json json;
  json.begin_object()
      .member("format", kBenchFormat)
      .member("model", report.model)
      .member("version", report.system.version)
      .member("compiler", report.system.compiler)
      .member("cpu", report.system.cpu)
      .member("instruction_set", report.system.active_instruction_set)
      .member("kv_cache", cache_storage_name(report.cache))
      .member("size", report.size)
      .member("repeats", report.repeats)
      .member("decode_tokens", report.decode_tokens);
  write_limits(json, report);
  json.key("cases").begin_array();
  for (const auto& result : report.results) write_case(json, result, comparison);
  json.end_array();
  if (comparison != nullptr) {
    json.member("compared_with", comparison->file)
        .member("tolerance_percent", comparison->tolerance_percent);
  }
  return json.end_object().text() + "\n";
}

}  // namespace gemma3n::cli
