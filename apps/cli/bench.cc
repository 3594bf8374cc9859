// gemma3n bench: prefill and decode speed beside what the machine can do.
#include <algorithm>
#include <memory>

#include "bench_media.h"
#include "commands.h"
#include "gemma3n/generation.h"
#include "gemma3n/system.h"
#include "json.h"
#include "loading.h"
#include "messages.h"
#include "table.h"
#include "work_model.h"

namespace gemma3n::cli {
namespace {

struct Arguments {
  std::optional<std::string> model, synthetic, quantize;
  std::vector<std::int64_t> prompt_tokens = {512};
  std::vector<std::int64_t> decode_tokens = {64};
  std::vector<std::int64_t> threads;
  std::optional<std::int64_t> repeat;
  bool image = false, audio = false;
  std::vector<std::int64_t> image_size, audio_seconds;
  bool json = false;
};

constexpr std::int64_t kDefaultRepeats = 3;
constexpr double kCacheValueBytes = 4;  // keys and values are f32

// What is timed, and what its speed is held against.
struct Subject {
  std::string name;
  TextConfig config;
  double bytes_per_weight = 2;
};

struct Result {
  int threads = 0;
  std::int64_t prompt_tokens = 0, decode_tokens = 0;
  double prefill_tokens_per_second = 0, decode_tokens_per_second = 0;
  double prefill_peak_share = 0;      // of limits.f32_flops_per_second
  double decode_bandwidth_share = 0;  // of limits.read_bytes_per_second
  MachineLimits limits;
};

// Ordinary tokens in no order that means anything; the same in every run.
std::vector<TokenId> arbitrary_prompt(std::int64_t tokens, const TextConfig& config) {
  const auto ids = std::min(config.vocab_size, config.vocab_size_per_layer_input);
  std::vector<TokenId> prompt;
  std::uint64_t state = 1;
  for (std::int64_t i = 0; i < tokens; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;  // Ref: Knuth's MMIX generator
    prompt.push_back(static_cast<TokenId>((state >> 33) % static_cast<std::uint64_t>(ids)));
  }
  return prompt;
}

double median(std::vector<double> numbers) {
  std::ranges::sort(numbers);
  const auto middle = numbers.size() / 2;
  return numbers.size() % 2 == 1 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2;
}

// Of the text model. The shape and the dtype of quantised matrices are those of their bytes.
double mean_weight_bytes(const CheckpointInfo& info) {
  double bytes = 0, weights = 0;
  for (const auto& tensor : info.tensors) {
    if (!tensor.of_text_model) continue;
    double size = tensor.dtype == "F32" ? 4 : tensor.dtype == "U8" ? 1 : 2;
    for (const auto dimension : tensor.shape) size *= static_cast<double>(dimension);
    weights += static_cast<double>(tensor.parameters);
    bytes += size;
  }
  return weights > 0 ? bytes / weights : 2;
}

// With the scale that 32 weights share; `stored` if they are left as they are.
double weight_bytes(const std::optional<std::string>& quantize, double stored) {
  constexpr double kScaleBytes = 2.0 / 32;
  switch (quantization(quantize)) {
    case Quantization::kF32:
      return 4;
    case Quantization::kBF16:
      return 2;
    case Quantization::kInt8:
      return 1 + kScaleBytes;
    case Quantization::kInt4:
      return 0.5 + kScaleBytes;
    case Quantization::kNone:
      break;
  }
  return stored;
}

Subject subject_of(const Arguments& arguments) {
  const std::string kind = arguments.quantize ? ", " + *arguments.quantize : "";
  if (arguments.synthetic) {
    return {"synthetic " + *arguments.synthetic + kind, published_config(*arguments.synthetic),
            weight_bytes(arguments.quantize, 2)};
  }
  const auto info = inspect_checkpoint(*arguments.model);
  return {*arguments.model + kind, info.text_config,
          weight_bytes(arguments.quantize, mean_weight_bytes(info))};
}

GenerateOutput timed_run(const ForCausalLM& model, std::int64_t prompt_tokens,
                         std::int64_t decode_tokens) {
  GenerationConfig config;
  config.max_new_tokens = decode_tokens + 1;  // the first new token belongs to the prefill
  config.eos_token_id.clear();                // nothing ends the answer early
  return generate(model, {arbitrary_prompt(prompt_tokens, model.config())}, config);
}

Result measure(const ForCausalLM& model, const Subject& subject, const MachineLimits& limits,
               std::int64_t prompt_tokens, std::int64_t decode_tokens, std::int64_t repeats) {
  std::vector<double> prefill, decode;
  for (std::int64_t i = 0; i < repeats; ++i) {
    const auto output = timed_run(model, prompt_tokens, decode_tokens);
    prefill.push_back(output.prefill_seconds);
    decode.push_back(output.decode_seconds / static_cast<double>(decode_tokens));
  }
  const double prefill_seconds = median(prefill), step_seconds = median(decode);
  const auto middle = prompt_tokens + decode_tokens / 2;
  const double step_bytes = decode_weights(subject.config) * subject.bytes_per_weight +
                            decode_cache_values(subject.config, middle) * kCacheValueBytes;
  const double prefill_flops = 2 * prefill_multiply_adds(subject.config, prompt_tokens);
  return {.threads = model.threads(),
          .prompt_tokens = prompt_tokens,
          .decode_tokens = decode_tokens,
          .prefill_tokens_per_second = static_cast<double>(prompt_tokens) / prefill_seconds,
          .decode_tokens_per_second = 1 / step_seconds,
          .prefill_peak_share = prefill_flops / prefill_seconds / limits.f32_flops_per_second,
          .decode_bandwidth_share = step_bytes / step_seconds / limits.read_bytes_per_second,
          .limits = limits};
}

void check_repeats(const Arguments& arguments) {
  const auto repeats = arguments.repeat.value_or(kDefaultRepeats);
  if (repeats < 1) {
    fail(ErrorCode::kInvalidArgument, "--repeat: expected 1 or more, got ", repeats);
  }
}

void check_lengths(const Arguments& arguments, const TextConfig& config) {
  const auto check_list = [](const std::vector<std::int64_t>& list, const char* option) {
    for (const auto count : list) {
      if (count < 1) {
        fail(ErrorCode::kInvalidArgument, option, ": expected 1 or more, got ", count);
      }
    }
  };
  check_list(arguments.prompt_tokens, "--prompt-tokens");
  check_list(arguments.decode_tokens, "--decode-tokens");
  check_repeats(arguments);
  const auto longest = std::ranges::max(arguments.prompt_tokens);
  const auto context = config.max_position_embeddings;
  const auto room = context - std::ranges::max(arguments.decode_tokens) - 1;
  if (longest > room) {
    fail(ErrorCode::kContextFull, "--prompt-tokens: with the tokens to decode, expected at most ",
         room, " in a context of ", context, ", got ", longest);
  }
}

std::vector<int> thread_counts(const Arguments& arguments) {
  std::vector<int> counts;
  for (const auto threads : arguments.threads) counts.push_back(thread_count(threads));
  if (counts.empty()) counts.push_back(system_info().threads);
  return counts;
}

std::vector<Result> measure_all(const Arguments& arguments, const Subject& subject) {
  std::vector<Result> results;
  const auto kind = quantization(arguments.quantize);
  for (const int threads : thread_counts(arguments)) {
    const auto model = arguments.synthetic ? make_synthetic_model(subject.config, threads, kind)
                                           : load_model(*arguments.model, threads, kind).text();
    // A first short run brings the weights into memory; it is not timed.
    timed_run(model, std::ranges::min(arguments.prompt_tokens), 1);
    const auto limits = measure_limits(threads);
    for (const auto prompt_tokens : arguments.prompt_tokens) {
      for (const auto decode_tokens : arguments.decode_tokens) {
        results.push_back(measure(model, subject, limits, prompt_tokens, decode_tokens,
                                  arguments.repeat.value_or(kDefaultRepeats)));
      }
    }
  }
  return results;
}

std::string percent(double share) { return fixed(100 * share, 1) + "%"; }

std::string text_report(const Subject& subject, const SystemInfo& system,
                        const std::vector<Result>& results) {
  std::vector<std::vector<std::string>> rows = {{"THREADS", "PROMPT", "DECODE", "PREFILL TOK/S",
                                                 "OF FMA PEAK", "PEAK GFLOP/S", "DECODE TOK/S",
                                                 "OF BANDWIDTH", "READ GB/S"}};
  for (const auto& result : results) {
    rows.push_back(
        {std::to_string(result.threads), std::to_string(result.prompt_tokens),
         std::to_string(result.decode_tokens), fixed(result.prefill_tokens_per_second, 2),
         percent(result.prefill_peak_share), fixed(result.limits.f32_flops_per_second / 1e9, 1),
         fixed(result.decode_tokens_per_second, 2), percent(result.decode_bandwidth_share),
         fixed(result.limits.read_bytes_per_second / 1e9, 1)});
  }
  return visible_line(subject.name) + " on " + visible_line(system.cpu) + ", " +
         system.active_instruction_set + ": a decode step reads " +
         with_unit(decode_weights(subject.config)) + " weights of " +
         fixed(subject.bytes_per_weight, 2) + " bytes\n" +
         format_table(std::vector<Align>(rows.front().size(), Align::kRight), rows);
}

std::string json_report(const Subject& subject, const SystemInfo& system, std::int64_t repeats,
                        const std::vector<Result>& results) {
  Json json;
  json.begin_object()
      .member("model", subject.name)
      .member("version", system.version)
      .member("cpu", system.cpu)
      .member("instruction_set", system.active_instruction_set)
      .member("repeats", repeats)
      .member("decode_weights", decode_weights(subject.config))
      .member("bytes_per_weight", subject.bytes_per_weight);
  json.key("results").begin_array();
  for (const auto& result : results) {
    json.begin_object()
        .member("threads", result.threads)
        .member("prompt_tokens", result.prompt_tokens)
        .member("decode_tokens", result.decode_tokens)
        .member("prefill_tokens_per_second", result.prefill_tokens_per_second)
        .member("prefill_multiply_adds",
                prefill_multiply_adds(subject.config, result.prompt_tokens))
        .member("f32_flops_per_second", result.limits.f32_flops_per_second)
        .member("prefill_peak_share", result.prefill_peak_share)
        .member("decode_tokens_per_second", result.decode_tokens_per_second)
        .member("read_bytes_per_second", result.limits.read_bytes_per_second)
        .member("decode_bandwidth_share", result.decode_bandwidth_share)
        .end_object();
  }
  return json.end_array().end_object().text() + "\n";
}

MediaBenchmark media_benchmark(const Arguments& arguments) {
  MediaBenchmark benchmark;
  benchmark.model = arguments.model;
  benchmark.image_sizes = arguments.image_size;
  if (arguments.image && benchmark.image_sizes.empty()) benchmark.image_sizes = {768};
  benchmark.audio_seconds = arguments.audio_seconds;
  if (arguments.audio && benchmark.audio_seconds.empty()) benchmark.audio_seconds = {30, 2};
  benchmark.threads = thread_counts(arguments);
  benchmark.repeats = arguments.repeat.value_or(kDefaultRepeats);
  benchmark.json = arguments.json;
  return benchmark;
}

int run(const Arguments& arguments, Output& out) {
  if (arguments.model.has_value() == arguments.synthetic.has_value()) {
    fail(ErrorCode::kInvalidArgument,
         "expected either MODEL or --synthetic; see gemma3n bench --help");
  }
  if (const auto media = media_benchmark(arguments); media.is_wanted()) {
    if (arguments.synthetic) published_config(*arguments.synthetic);  // a name that there is
    check_repeats(arguments);
    bench_media(media, out);
    return 0;
  }
  const auto subject = subject_of(arguments);
  check_lengths(arguments, subject.config);
  const auto results = measure_all(arguments, subject);
  const auto system = system_info();
  out.write(arguments.json
                ? json_report(subject, system, arguments.repeat.value_or(kDefaultRepeats), results)
                : text_report(subject, system, results));
  return 0;
}

constexpr const char* kFooter = R"(
For each number of threads the memory's read bandwidth and the peak of f32 fused multiply-adds are
measured (the model loaded, nothing else running), then each pair of a prompt length and a number of
tokens to decode, greedily. Times are medians over the repeats.

The shares say how close the engine comes to what the machine could do with the work that cannot be
avoided: for prefill, the multiply-adds of the matrices and the attention, where layers with shared
keys and values and the vocabulary count for the last token only, and sparse layers without the
neurons they leave out; for decode, the bytes of the same weights and of the cache. With --quantize,
the peak is still that of f32, so its share can be more than 100%.

--image and --audio time the towers instead, with f32 arithmetic: what becomes of a picture or a
sound before the text model reads it. FEATURES is the resizing, or the log-mel spectrum. The share of
the peak is shown for the published shapes.

--synthetic needs about 11 GB of memory for e2b and 16 GB for e4b, and a minute to fill it.

--json prints one object: model, version, cpu, instruction_set, repeats, decode_weights,
bytes_per_weight, and results (threads, prompt_tokens, decode_tokens, tokens per second, the
machine's limits, and the shares of them as numbers from 0 to 1; for media: threads, medium,
extract_seconds, encode_seconds, and the same limits).

Examples:
  gemma3n bench gemma-3n-E2B-it
  gemma3n bench gemma-3n-E2B-it --image --audio
  gemma3n bench --synthetic e2b --quantize q4
  gemma3n bench --synthetic e2b --prompt-tokens 128,512 --decode-tokens 32 --threads 1,2
)";

}  // namespace

Runner declare_bench(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model, "folder of the checkpoint");
  options.add("--synthetic", "KIND", arguments->synthetic,
              "instead of MODEL: random weights in the shape of e2b or e4b");
  options.add("--prompt-tokens", "N,...", arguments->prompt_tokens, "lengths of the prompt (512)");
  options.add("--decode-tokens", "N,...", arguments->decode_tokens,
              "how many tokens to decode after it (64)");
  options.add("--threads", "N,...", arguments->threads, "how many threads compute (one per core)");
  declare_quantize(options, arguments->quantize);
  options.add("--repeat", "N", arguments->repeat, "how often each is timed (3)");
  options.flag("--image", arguments->image, "time a picture instead of text");
  options.add("--image-size", "N,...", arguments->image_size, "likewise, of N x N pixels (768)");
  options.flag("--audio", arguments->audio, "time a sound instead of text");
  options.add("--audio-seconds", "N,...", arguments->audio_seconds,
              "likewise, of N seconds (30,2)");
  options.flag("--json", arguments->json, "print one JSON object");
  options.footer(kFooter);
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
