// gemma3n bench: how fast the model is, beside what the machine could do.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include "bench_compare.h"
#include "bench_measure.h"
#include "bench_plan.h"
#include "bench_plot.h"
#include "bench_report.h"
#include "commands.h"
#include "gemma3n/error.h"
#include "loading.h"

namespace gemma3n::cli {
namespace {

struct Arguments {
  BenchArguments bench;
  std::optional<std::string> compare, plot;
  std::optional<float> tolerance;
  bool json = false;
};

constexpr float kDefaultTolerance = 10;  // percent

std::optional<Comparison> comparison_of(const Arguments& arguments, const BenchPlan& plan) {
  if (!arguments.compare) {
    if (arguments.tolerance) {
      fail(ErrorCode::kInvalidArgument, "--tolerance goes with --compare");
    }
    return std::nullopt;
  }
  const float tolerance = arguments.tolerance.value_or(kDefaultTolerance);
  if (!(tolerance >= 0 && tolerance < 100)) {
    fail(ErrorCode::kInvalidArgument, "--tolerance: expected 0 to less than 100 percent, got ",
         tolerance);
  }
  Comparison comparison = {*arguments.compare, read_baseline(*arguments.compare), tolerance};
  check_common_case(comparison.baseline, plan, *arguments.compare);
  return comparison;
}

// Opened before anything is timed, so that a wrong name costs no time; replaced only at the end.
class PlotFile {
 public:
  explicit PlotFile(const std::string& name) : name_(name) {
    check(std::ofstream(name, std::ios::binary | std::ios::app));
  }
  void write(const std::string& svg) {
    std::ofstream file(name_, std::ios::binary | std::ios::trunc);
    file << svg;
    file.close();
    check(file);
  }

 private:
  void check(const std::ofstream& file) const {
    if (!file) throw OutputError("cannot write " + name_ + ": " + std::strerror(errno));
  }

  std::string name_;
};

int run(Arguments& arguments, Output& out) {
  arguments.bench.wants_curve = arguments.plot.has_value();
  const BenchPlan plan = bench_plan(arguments.bench);
  const auto comparison = comparison_of(arguments, plan);
  std::optional<PlotFile> plot;
  if (arguments.plot) plot.emplace(*arguments.plot);

  const BenchReport report = measure_bench(plan);
  const Comparison* before = comparison ? &*comparison : nullptr;
  out.write(arguments.json ? bench_json(report, before) : bench_table(report, before));
  out.flush();
  if (plot) plot->write(bench_svg(report));
  for (const auto& result : report.results) {
    if (before != nullptr && before->is_slower(result)) return kExitSlower;
  }
  return 0;
}

constexpr const char* kFooter = R"(
Cases:
  prefill N              reading a prompt of N tokens and giving the first new one
  decode after N         one token more, the mean of --decode-tokens after that prompt
  picture N features     resizing a picture to N x N pixels
  picture N tower        and encoding it
  sound N s features     the log-mel spectrum of N seconds of sound
  sound N s tower        and encoding it
  load                   opening the checkpoint, whose files were read before
  load and first token   the same, and answering a prompt of 20 tokens
Without options for cases: prefill 512, decode after 512. Tokens, pictures and sounds are arbitrary,
the same in every run; generation is greedy. Each case is timed with each of the storages and each
number of threads. First all is run once, shortened, without being timed; then the repeats of all cases
take turns. (Models that together need more than a quarter of the memory, and those of --synthetic,
are loaded one after the other.) MEDIAN, WORST and BEST are those of the repeats.

LIMIT is what this machine could reach with the work that cannot be avoided: the longer of reading its
bytes from memory and doing its multiply-adds, both at the best speed that a loop without any other
work reaches here (measured before, and again after a long run, on as many threads). Counted are
matrices, in the bytes they take where they lie, scales included, and attention with its cache. Layers
with shared keys and values, and the vocabulary, count for the last token of a prompt only; sparse
layers without the neurons they leave out; embedding tables by the rows that are looked up.
Multiply-adds with weights of 8 bits or less count at the int8 speed, all others at that of f32.
REACHED is the share of the limit. A model that the processor's caches hold can be faster. The towers'
work is known for the published shapes, a picture's for 768 pixels; with q8 and q4 all of it counts at
the int8 speed, though norms, depthwise convolutions and attention are computed in f32.

--compare reads a FILE that --json has printed and tells for each case the time then over the time now:
below 1 is slower. If a case is slower by more than the tolerance, the exit code is 3. Two sizes, caches
or machines can be compared; the first lines say what was timed.

--plot writes FILE, an SVG: prefill and decode speed against context length.

--synthetic needs about 11 GB of memory for e2b and 16 GB for e4b, and a minute to fill it.

--json prints one object: format ("gemma3n bench 1"), model, version, compiler, cpu, instruction_set,
kv_cache, size, repeats, decode_tokens; limits, for each number of threads: threads,
read_bytes_per_second, f32_ops_per_second, int8_ops_per_second (a multiply-add is two); cases: case,
storage, threads,
seconds (the median; of decode, for one token), min_seconds, max_seconds; of prefill and decode
context, tokens (that the seconds stand for), tokens_per_second; where the work is known f32_ops,
int8_ops, bytes, limit_seconds, limited_by ("memory", "arithmetic"), share; with --compare
before_seconds, ratio, is_slower of cases that FILE has, and compared_with, tolerance_percent.

Examples:
  gemma3n bench gemma-3n-E2B-it
  gemma3n bench gemma-3n-E2B-it --quantize none,q8,q4 --threads 1,2
  gemma3n bench gemma-3n-E2B-it --image --audio --load
  gemma3n bench gemma-3n-E2B-it --quantize q4 --json > before.json
  gemma3n bench gemma-3n-E2B-it --quantize q4 --compare before.json --tolerance 5
  gemma3n bench --synthetic e2b --quantize q4 --contexts 512,2048,8192,32000 --plot speed.svg
)";

}  // namespace

Runner declare_bench(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  BenchArguments& bench = arguments->bench;
  options.positional("MODEL", bench.model, "folder of the checkpoint");
  options.add("--synthetic", "KIND", bench.synthetic,
              "instead of MODEL: random weights in the shape of e2b or e4b");
  options.heading("Cases");
  options.add("--contexts,--prompt-tokens", "N,...", bench.contexts,
              "time prefill, and decode after it, for prompts of N tokens (512)");
  options.add("--decode-tokens", "N", bench.decode_tokens, "how many tokens to decode (64)");
  options.flag("--image", bench.image, "time a picture");
  options.add("--image-size", "N,...", bench.image_sizes, "likewise, of N x N pixels (768)");
  options.flag("--audio", bench.audio, "time a sound");
  options.add("--audio-seconds", "N,...", bench.audio_seconds, "likewise, of N seconds (30,2)");
  options.flag("--load", bench.load, "time loading, and loading with the first token");
  options.add("--quantize", "KIND,...", bench.quantize,
              "hold weights in 8 or 4 bits: q8, q4, none (none)");
  declare_kv_cache(options, bench.kv_cache);
  declare_size(options, bench.size);
  options.add("--threads", "N,...", bench.threads, "how many threads compute (one per core)");
  options.add("--repeat", "N", bench.repeats, "how often each is timed (3)");
  options.heading("Results");
  options.flag("--json", arguments->json, "print one JSON object instead of a table");
  options.add("--compare", "FILE", arguments->compare, "compare with what --json printed before");
  options.add("--tolerance", "PERCENT", arguments->tolerance,
              "how much slower a case may be than in FILE (10)");
  options.add("--plot", "FILE", arguments->plot,
              "draw speed against context length (512,2048,8192,32000)");
  options.footer(kFooter);
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
