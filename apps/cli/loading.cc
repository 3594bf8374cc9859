#include "loading.h"

#include "messages.h"
#include "progress.h"

namespace gemma3n::cli {
namespace {

constexpr std::int64_t kMaxThreads = 1024;
constexpr std::uint64_t kSyntheticSeed = 1;

// `progress` must outlive the loading.
LoadOptions load_options(Progress& progress, int threads, Quantization quantization,
                         const std::shared_ptr<Calibration>& calibration = nullptr) {
  LoadOptions options;
  options.threads = threads;
  options.quantization = quantization;
  options.calibration = calibration;
  options.on_warning = [](std::string_view message) { print_warning(message); };
  options.on_progress = [&progress](double fraction) { progress.update(fraction); };
  return options;
}

}  // namespace

void declare_threads(Options& options, std::optional<std::int64_t>& slot) {
  options.add("--threads", "N", slot, "how many threads compute (one per core)");
}

void declare_quantize(Options& options, std::optional<std::string>& slot) {
  options.add("--quantize", "KIND", slot,
              "hold weights as q8, q4 (towers as q8), bf16 or f32 (as they are stored)");
}

void declare_size(Options& options, std::optional<std::string>& slot) {
  options.add("--size", "NAME", slot,
              "use a part of the model: e2b, half, ..., or a JSON file; see gemma3n sizes");
}

void declare_draft(Options& options, std::optional<std::string>& slot) {
  options.add("--draft", "NAME", slot,
              "let a smaller model propose tokens: a size as of --size, or a folder");
}

void declare_kv_cache(Options& options, std::optional<std::string>& slot) {
  options.add("--kv-cache", "KIND", slot, "bf16 or int8: hold keys and values in fewer bits (f32)");
}

CacheStorage kv_cache(const std::optional<std::string>& given) {
  return given ? cache_storage_from_name(*given) : CacheStorage::kF32;
}

Quantization quantization(const std::optional<std::string>& given) {
  return given ? quantization_from_name(*given) : Quantization::kNone;
}

std::optional<MatFormerConfig> model_size(const std::filesystem::path& model_dir,
                                          const std::optional<std::string>& given) {
  if (!given) return std::nullopt;
  return MatFormerConfig::from_text(*given, TextConfig::from_pretrained(model_dir));
}

int thread_count(std::int64_t given) {
  if (given < 1 || given > kMaxThreads) {
    fail(ErrorCode::kInvalidArgument, "--threads: expected 1 to ", kMaxThreads, ", got ", given);
  }
  return static_cast<int>(given);
}

int thread_count(std::optional<std::int64_t> given) { return given ? thread_count(*given) : 0; }

AnyModel load_model(const std::filesystem::path& model_dir, int threads, Quantization quantization,
                    const std::optional<std::string>& size,
                    const std::shared_ptr<Calibration>& calibration) {
  const auto matformer = model_size(model_dir, size);
  Progress progress("loading");
  auto options = load_options(progress, threads, quantization, calibration);
  options.matformer = matformer;
  return AnyModel::from_pretrained(model_dir, options);
}

ForConditionalGeneration load_whole_model(const std::filesystem::path& model_dir, int threads,
                                          Quantization quantization,
                                          const std::optional<std::string>& size,
                                          const std::shared_ptr<Calibration>& calibration) {
  const auto matformer = model_size(model_dir, size);
  Progress progress("loading");
  auto options = load_options(progress, threads, quantization, calibration);
  options.matformer = matformer;
  return ForConditionalGeneration::from_pretrained(model_dir, options);
}

std::optional<ForCausalLM> draft_model(const ForCausalLM& whole,
                                       const std::optional<std::string>& given) {
  if (!given) return std::nullopt;
  if (std::filesystem::is_directory(*given)) return load_model(*given, whole.threads()).text();
  return whole.sliced(MatFormerConfig::from_text(*given, whole.config()));
}

ModelAndDraft load_model_and_draft(const std::filesystem::path& model_dir, int threads,
                                   Quantization quantization,
                                   const std::optional<std::string>& size,
                                   const std::optional<std::string>& draft) {
  if (!draft) return {load_model(model_dir, threads, quantization, size), std::nullopt};
  const auto part = model_size(model_dir, size);
  const auto whole = load_model(model_dir, threads, quantization);
  return {part ? whole.sliced(*part) : whole, draft_model(whole.text(), draft)};
}

ForCausalLM make_synthetic_model(const TextConfig& config, int threads, Quantization quantization) {
  Progress progress("making weights");
  return ForCausalLM::synthetic(config, kSyntheticSeed,
                                load_options(progress, threads, quantization));
}

ForConditionalGeneration make_synthetic_model(const Config& config, int threads,
                                              Quantization quantization) {
  Progress progress("making weights");
  return ForConditionalGeneration::synthetic(config, kSyntheticSeed,
                                             load_options(progress, threads, quantization));
}

}  // namespace gemma3n::cli
