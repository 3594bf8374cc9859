#include "eval_perplexity.h"

#include <algorithm>
#include <chrono>

#include "commands.h"
#include "interrupt.h"
#include "json.h"
#include "loading.h"
#include "messages.h"
#include "perplexity.h"
#include "progress.h"
#include "table.h"
#include "text_tokens.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct WindowSizes {
  std::size_t context = 0, stride = 0;
};

WindowSizes window_sizes(const PerplexityArguments& arguments, const TextConfig& config) {
  constexpr std::int64_t kDefaultContext = 2048;
  const auto most = static_cast<std::int64_t>(config.max_position_embeddings);
  const std::int64_t context = arguments.context.value_or(std::min(kDefaultContext, most));
  if (context < 2 || context > most) {
    fail(ErrorCode::kInvalidArgument, "--context: expected 2 to ", most,
         ", the context of the model, got ", context);
  }
  const std::int64_t stride = arguments.stride.value_or(context / 2);
  if (stride < 1 || stride >= context) {
    fail(ErrorCode::kInvalidArgument, "--stride: expected 1 to ", context - 1,
         ", less than the context, got ", stride);
  }
  return {static_cast<std::size_t>(context), static_cast<std::size_t>(stride)};
}

TokenId bos_of(const Tokenizer& tokenizer) {
  const auto bos = tokenizer.bos_token_id();
  if (!bos) fail(ErrorCode::kUnsupported, "tokenizer_config.json: expected a \"bos_token\"");
  return *bos;
}

struct Measurement {
  WindowSizes sizes;
  std::size_t windows = 0;
  TextTokens text;
  PerplexitySum sum;
  double load_seconds = 0, score_seconds = 0;
  int threads = 0;

  bool is_complete() const { return sum.tokens == text.tokens.size(); }
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

PerplexitySum score(const ForCausalLM& model, TokenId bos, const TextTokens& text,
                    const std::vector<PerplexityWindow>& windows, CacheStorage storage) {
  InterruptScope interrupt(InterruptScope::Second::kEndsTheProgram);
  Progress progress("reading");
  const auto start = Clock::now();
  const auto on_progress = [&](const PerplexitySum& so_far) {
    const double done =
        static_cast<double>(so_far.tokens) / static_cast<double>(text.tokens.size());
    std::string details;
    if (so_far.tokens > 0) {
      details = "perplexity " + fixed(so_far.perplexity(), 3) + ", " +
                rough_duration(seconds_since(start) * (1 - done) / done) + " left";
    }
    progress.update(done, details);
    return !interrupt.requested();
  };
  return measure_perplexity(model, bos, text.tokens, windows, on_progress, storage);
}

Measurement measure(const PerplexityArguments& arguments) {
  const auto start = Clock::now();
  const CacheStorage storage = kv_cache(arguments.kv_cache);
  const auto tokenizer = Tokenizer::from_pretrained(arguments.model);
  const TokenId bos = bos_of(tokenizer);
  Measurement result;
  result.text = read_text_tokens(arguments.file, tokenizer);
  const auto model = load_model(arguments.model, thread_count(arguments.threads),
                                quantization(arguments.quantize), arguments.size)
                         .text();
  result.sizes = window_sizes(arguments, model.config());
  result.threads = model.threads();
  result.load_seconds = seconds_since(start);

  const auto scoring_start = Clock::now();
  const auto windows =
      perplexity_windows(result.text.tokens.size(), result.sizes.context, result.sizes.stride);
  result.windows = windows.size();
  result.sum = score(model, bos, result.text, windows, storage);
  result.score_seconds = seconds_since(scoring_start);
  return result;
}

std::string json_report(const PerplexityArguments& arguments, const Measurement& result) {
  Json json;
  json.begin_object()
      .member("model", arguments.model)
      .member("file", arguments.file)
      .member("bytes", result.text.bytes)
      .member("tokens", result.text.tokens.size())
      .member("scored_tokens", result.sum.tokens)
      .member("context", result.sizes.context)
      .member("stride", result.sizes.stride)
      .member("windows", result.windows)
      .member("nats_per_token", result.sum.nats_per_token())
      .member("perplexity", result.sum.perplexity());
  if (result.is_complete()) {
    json.member("bits_per_byte", result.sum.bits_per_byte(result.text.bytes));
  }
  json.key("timings")
      .begin_object()
      .member("load_seconds", result.load_seconds)
      .member("score_seconds", result.score_seconds)
      .end_object();
  return json.member("threads", result.threads).end_object().text() + "\n";
}

std::string text_report(const Measurement& result) {
  std::vector<std::vector<std::string>> rows = {
      {"tokens", std::to_string(result.sum.tokens)},
      {"nats per token", fixed(result.sum.nats_per_token(), 4)},
      {"perplexity", fixed(result.sum.perplexity(), 4)}};
  if (result.is_complete()) {
    rows.push_back({"bits per byte", fixed(result.sum.bits_per_byte(result.text.bytes), 4)});
  }
  rows.push_back({"windows", std::to_string(result.windows) + " of " +
                                 std::to_string(result.sizes.context) + " tokens, " +
                                 std::to_string(result.sizes.stride) + " apart"});
  return format_table({Align::kLeft, Align::kLeft}, rows);
}

}  // namespace

int run_perplexity(const PerplexityArguments& arguments, Output& out) {
  const auto result = measure(arguments);
  if (arguments.json) {
    out.write(json_report(arguments, result));
  } else if (result.sum.tokens > 0) {
    out.write(text_report(result));
  }
  out.flush();
  if (result.is_complete()) return 0;
  print_note("interrupted after " + std::to_string(result.sum.tokens) + " of " +
             std::to_string(result.text.tokens.size()) + " tokens");
  return kExitInterrupted;
}

}  // namespace gemma3n::cli
