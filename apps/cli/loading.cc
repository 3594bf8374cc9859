#include "loading.h"

#include "messages.h"
#include "progress.h"

namespace gemma3n::cli {
namespace {

constexpr std::int64_t kMaxThreads = 1024;
constexpr std::uint64_t kSyntheticSeed = 1;

// `progress` must outlive the loading.
LoadOptions load_options(Progress& progress, int threads) {
  LoadOptions options;
  options.threads = threads;
  options.on_warning = [](std::string_view message) { print_warning(message); };
  options.on_progress = [&progress](double fraction) { progress.update(fraction); };
  return options;
}

}  // namespace

void declare_threads(Options& options, std::optional<std::int64_t>& slot) {
  options.add("--threads", "N", slot, "how many threads compute (one per core)");
}

int thread_count(std::int64_t given) {
  if (given < 1 || given > kMaxThreads) {
    fail(ErrorCode::kInvalidArgument, "--threads: expected 1 to ", kMaxThreads, ", got ", given);
  }
  return static_cast<int>(given);
}

int thread_count(std::optional<std::int64_t> given) { return given ? thread_count(*given) : 0; }

GenerateOutput LoadedModel::generate(const std::vector<TokenId>& prompt, const MediaInputs& media,
                                     const GenerationConfig& config, const Tokenizer& tokenizer,
                                     const GenerateOptions& options) const {
  if (whole_) return gemma3n::generate(*whole_, {prompt}, media, config, &tokenizer, options);
  if (media) {
    fail(ErrorCode::kUnsupported, "this checkpoint is a text model: it has no towers for pictures ",
         "and sounds; use one of Gemma3nForConditionalGeneration");
  }
  return gemma3n::generate(text_, {prompt}, config, &tokenizer, options);
}

LoadedModel load_model(const std::filesystem::path& model_dir, int threads) {
  if (inspect_checkpoint(model_dir).has_towers) {
    return LoadedModel(load_whole_model(model_dir, threads));
  }
  Progress progress("loading");
  return LoadedModel(ForCausalLM::from_pretrained(model_dir, load_options(progress, threads)));
}

ForConditionalGeneration load_whole_model(const std::filesystem::path& model_dir, int threads) {
  Progress progress("loading");
  return ForConditionalGeneration::from_pretrained(model_dir, load_options(progress, threads));
}

ForCausalLM make_synthetic_model(const TextConfig& config, int threads) {
  Progress progress("making weights");
  return ForCausalLM::synthetic(config, kSyntheticSeed, load_options(progress, threads));
}

ForConditionalGeneration make_synthetic_model(const Config& config, int threads) {
  Progress progress("making weights");
  return ForConditionalGeneration::synthetic(config, kSyntheticSeed,
                                             load_options(progress, threads));
}

}  // namespace gemma3n::cli
