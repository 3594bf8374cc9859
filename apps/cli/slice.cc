// gemma3n slice MODEL OUT: a smaller model that is part of a larger one, as a checkpoint.
#include <filesystem>
#include <memory>

#include "commands.h"
#include "gemma3n/matformer.h"
#include "interrupt.h"
#include "loading.h"
#include "messages.h"
#include "progress.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

struct Arguments {
  std::string model, out;
  std::optional<std::string> size;
};

int run(const Arguments& arguments, Output& out) {
  if (!arguments.size) {
    fail(ErrorCode::kInvalidArgument, "--size: expected a name or a JSON file; gemma3n sizes ",
         visible_line(arguments.model), " lists the names");
  }
  SliceOptions options;
  options.size = *model_size(arguments.model, arguments.size);
  const InterruptScope interrupt(InterruptScope::Second::kIsIgnored);
  {
    Progress progress("slicing");
    options.on_progress = [&](double fraction) {
      progress.update(fraction);
      return !interrupt.requested();
    };
    if (!slice_checkpoint(arguments.model, arguments.out, options)) return kExitInterrupted;
  }
  const TextConfig config = TextConfig::from_pretrained(arguments.out);
  out.write(visible_line(arguments.out) + ": " + visible_line(options.size.name) + ", " +
            std::to_string(config.num_hidden_layers) + " layers, " +
            with_unit(static_cast<double>(effective_parameters(config))) +
            " effective parameters\n");
  return 0;
}

constexpr const char* kFooter = R"(
OUT becomes a folder that every command takes as a MODEL, and transformers too. Of each feed-forward
part it has the first neurons, of the layers those that the size keeps; everything else is copied as
it is: towers, tokenizer, processor. Of a quantised checkpoint the slice is quantised.

Without a slice on disk, "gemma3n run MODEL --size NAME" uses the same part of MODEL.

--size takes a name that "gemma3n sizes MODEL" lists, or a JSON file with columns of Google's table of
sizes: {"FFN Hidden Dims": [8192, ...], "Layers Skipped": [20, 21, 22, 23, 24]}, a width for each layer
that is kept. Left out can be whole blocks of layers (sliding ones and the full one that ends them)
whose keys and values no other layer reads. Widths are multiples of 32.

The folder appears when it is complete. What a crash leaves beside it is called .OUT.partial-NUMBER;
delete it.

Examples:
  gemma3n slice gemma-3n-E4B-it gemma-3n-E2B --size e2b
  gemma3n slice gemma-3n-E4B-it mine --size widths.json
)";

}  // namespace

Runner declare_slice(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model, "folder of the checkpoint");
  options.positional("OUT", arguments->out, "folder to make");
  options.add("--size", "NAME", arguments->size, "e2b, half, ..., or a JSON file; needed");
  options.footer(kFooter);
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
