// gemma3n quantize MODEL OUT: a checkpoint of 8 or 4 bits, once and for all.
#include <filesystem>
#include <memory>

#include "calibrate.h"
#include "commands.h"
#include "gemma3n/model.h"
#include "gemma3n/quantization.h"
#include "interrupt.h"
#include "loading.h"
#include "messages.h"
#include "progress.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

struct Arguments {
  std::string model, out;
  std::optional<std::string> to, calibration;
  std::optional<std::int64_t> threads;
  bool force = false;
};

std::string weights_size(const std::filesystem::path& folder) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") bytes += entry.file_size();
  }
  return with_unit(static_cast<double>(bytes)) + "B";
}

int run(const Arguments& arguments, Output& out) {
  QuantizeOptions options;
  if (arguments.to) options.to = quantization_from_name(*arguments.to);
  options.replace = arguments.force;
  options.threads = thread_count(arguments.threads);
  const InterruptScope interrupt(InterruptScope::Second::kIsIgnored);
  if (arguments.calibration) {
    options.calibrate = [&] {
      return calibrate(arguments.model, *arguments.calibration, options.threads, interrupt);
    };
  }
  {
    Progress progress("quantising");
    options.on_progress = [&](double fraction) {
      progress.update(fraction);
      return !interrupt.requested();
    };
    if (!quantize_checkpoint(arguments.model, arguments.out, options)) return kExitInterrupted;
  }
  out.write(visible_line(arguments.out) + ": " + std::string(quantization_name(options.to)) + ", " +
            weights_size(arguments.model) + " became " + weights_size(arguments.out) + "\n");
  return 0;
}

constexpr const char* kFooter = R"(
OUT becomes a folder that every command takes as a MODEL, and that opens at once: the weights lie in
it as the kernels read them. The text model has 8 or 4 bits, its embedding tables included; the
towers for pictures and sounds have 8. All other files are copied.

It takes the model's weights part by part: memory does not grow with the model. The folder appears
when it is complete. What a crash leaves beside it is called .OUT.partial-NUMBER; delete it.

With --calibration, the model first reads FILE as it is stored, and how large the inputs of each of its
matrices are is measured. Rounding to 4 bits then spares the weights that are multiplied with large ones,
so that what the model says changes less; neither size nor speed change. FILE should be like what the
model will read, some ten thousand tokens of it (at least 1024): a text, or, if its name ends in .jsonl, a
dataset as "gemma3n eval" takes, with pictures and sounds if it has any, whose conversations are read with
their first expected answers. It takes as long as prefilling so many tokens. Measure what it brings with
"gemma3n eval OUT DATASET --divergence --reference MODEL", with another DATASET than FILE.

--force replaces OUT if it is a quantised checkpoint itself, and nothing else.

Examples:
  gemma3n quantize gemma-3n-E2B-it gemma-3n-E2B-it-q4
  gemma3n quantize gemma-3n-E2B-it gemma-3n-E2B-it-q4 --calibration questions.jsonl
  gemma3n quantize gemma-3n-E2B-it gemma-3n-E2B-it-q8 --to q8
)";

}  // namespace

Runner declare_quantize_command(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model, "folder of the checkpoint");
  options.positional("OUT", arguments->out, "folder to make");
  options.add("--to", "KIND", arguments->to, "q8 or q4 (q4)");
  options.add("--calibration", "FILE", arguments->calibration,
              "round to q4 with regard to what the model computes while it reads FILE");
  options.flag("--force", arguments->force, "replace OUT if it is a quantised checkpoint");
  declare_threads(options, arguments->threads);
  options.footer(kFooter);
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
