#include "bench_plan.h"

#include <algorithm>
#include <string_view>

#include "gemma3n/model.h"
#include "gemma3n/system.h"
#include "loading.h"
#include "work_model.h"

namespace gemma3n::cli {
namespace {

constexpr std::int64_t kDefaultContext = 512;
constexpr std::int64_t kCurve[] = {512, 2048, 8192, 32000};  // contexts of a plot
constexpr std::int64_t kDefaultDecodeTokens = 64;
constexpr std::int64_t kDefaultRepeats = 3;
constexpr std::int64_t kDefaultImageSize = 768;     // pixels, each way
constexpr std::int64_t kDefaultSounds[] = {30, 2};  // seconds
constexpr std::int64_t kLargestImage = 4096;
constexpr std::int64_t kLongestClip = 30;
constexpr std::int64_t kLoadPrompt = 20;  // tokens
constexpr std::int64_t kMostRepeats = 1000;

void check_range(std::int64_t value, std::int64_t most, const char* option) {
  if (value < 1 || value > most) {
    fail(ErrorCode::kInvalidArgument, option, ": expected 1 to ", most, ", got ", value);
  }
}

// Repeated numbers would be the same case twice.
std::vector<std::int64_t> checked(std::vector<std::int64_t> list, std::int64_t most,
                                  const char* option) {
  for (auto at = list.begin(); at != list.end(); ++at) {
    check_range(*at, most, option);
    if (std::find(list.begin(), at, *at) != at) {
      fail(ErrorCode::kInvalidArgument, option, ": expected each number once, got ", *at, " twice");
    }
  }
  return list;
}

std::vector<std::string> storages(std::string_view list) {
  std::vector<std::string> names;
  while (true) {
    const auto comma = list.find(',');
    const std::string name(list.substr(0, comma));
    quantization(name);  // throws for another word
    if (std::ranges::count(names, name) > 0) {
      fail(ErrorCode::kInvalidArgument, "--quantize: expected each word once, got '", name,
           "' twice");
    }
    names.push_back(name);
    if (comma == std::string_view::npos) return names;
    list.remove_prefix(comma + 1);
  }
}

std::vector<int> thread_counts(const BenchArguments& arguments) {
  std::vector<int> counts;
  for (const auto threads : arguments.threads) {
    counts.push_back(thread_count(threads));
    if (std::ranges::count(counts, counts.back()) > 1) {
      fail(ErrorCode::kInvalidArgument, "--threads: expected each number once, got ", threads,
           " twice");
    }
  }
  if (counts.empty()) counts.push_back(system_info().threads);
  return counts;
}

std::vector<std::int64_t> contexts(const BenchArguments& arguments, const BenchPlan& plan) {
  const auto most = plan.config.max_position_embeddings;
  const auto room = most - plan.decode_tokens - 1;
  std::vector<std::int64_t> list = arguments.contexts;
  const bool only_others = arguments.image || arguments.audio || arguments.load ||
                           !arguments.image_sizes.empty() || !arguments.audio_seconds.empty();
  if (list.empty() && arguments.wants_curve) {
    std::ranges::copy_if(kCurve, std::back_inserter(list), [&](auto n) { return n <= room; });
  } else if (list.empty() && !only_others) {
    list = {kDefaultContext};
  }
  if (arguments.wants_curve && list.size() < 2) {
    fail(ErrorCode::kInvalidArgument, "--plot: expected two or more of --contexts");
  }
  for (const auto tokens : list) {
    if (tokens > room) {
      fail(ErrorCode::kContextFull, "--contexts: with the tokens to decode, expected at most ",
           std::max<std::int64_t>(room, 0), " in a context of ", most, ", got ", tokens);
    }
  }
  return checked(std::move(list), most, "--contexts");
}

std::vector<BenchRun> runs(const BenchArguments& arguments, const BenchPlan& plan) {
  std::vector<BenchRun> list;
  if (arguments.load) {
    list.push_back({BenchRun::Kind::kLoad, kLoadPrompt, {"load", "load and first token"}});
  }
  for (const auto tokens : contexts(arguments, plan)) {
    const std::string size = std::to_string(tokens);
    list.push_back({BenchRun::Kind::kText, tokens, {"prefill " + size, "decode after " + size}});
  }
  auto images = checked(arguments.image_sizes, kLargestImage, "--image-size");
  if (arguments.image && images.empty()) images = {kDefaultImageSize};
  for (const auto pixels : images) {
    const std::string name = "picture " + std::to_string(pixels);
    list.push_back({BenchRun::Kind::kPicture, pixels, {name + " features", name + " tower"}});
  }
  auto sounds = checked(arguments.audio_seconds, kLongestClip, "--audio-seconds");
  if (arguments.audio && sounds.empty()) {
    sounds.assign(std::begin(kDefaultSounds), std::end(kDefaultSounds));
  }
  for (const auto seconds : sounds) {
    const std::string name = "sound " + std::to_string(seconds) + " s";
    list.push_back({BenchRun::Kind::kSound, seconds, {name + " features", name + " tower"}});
  }
  return list;
}

}  // namespace

bool BenchPlan::has(BenchRun::Kind kind) const {
  return std::ranges::count(runs, kind, &BenchRun::kind) > 0;
}

BenchPlan bench_plan(const BenchArguments& arguments) {
  if (arguments.model.has_value() == arguments.synthetic.has_value()) {
    fail(ErrorCode::kInvalidArgument,
         "expected either MODEL or --synthetic; see gemma3n bench --help");
  }
  if (arguments.synthetic && arguments.load) {
    fail(ErrorCode::kInvalidArgument, "--load: expected MODEL, not --synthetic");
  }
  BenchPlan plan;
  plan.is_synthetic = arguments.synthetic.has_value();
  plan.model = plan.is_synthetic ? *arguments.synthetic : *arguments.model;
  plan.storages = storages(arguments.quantize.value_or("none"));
  plan.cache = kv_cache(arguments.kv_cache);
  plan.threads = thread_counts(arguments);
  plan.repeats = arguments.repeats.value_or(kDefaultRepeats);
  check_range(plan.repeats, kMostRepeats, "--repeat");
  plan.config =
      plan.is_synthetic ? published_config(plan.model) : inspect_checkpoint(plan.model).text_config;
  if (arguments.size) plan.size = MatFormerConfig::from_text(*arguments.size, plan.config);
  plan.decode_tokens = arguments.decode_tokens.value_or(kDefaultDecodeTokens);
  check_range(plan.decode_tokens, plan.config.max_position_embeddings, "--decode-tokens");
  plan.runs = runs(arguments, plan);
  return plan;
}

}  // namespace gemma3n::cli
