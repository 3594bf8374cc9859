// How every subcommand loads a model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "gemma3n/pipeline.h"
#include "options.h"

namespace gemma3n::cli {

void declare_threads(Options& options, std::optional<std::int64_t>& slot);
void declare_quantize(Options& options, std::optional<std::string>& slot);
void declare_size(Options& options, std::optional<std::string>& slot);
void declare_draft(Options& options, std::optional<std::string>& slot);

void declare_kv_cache(Options& options, std::optional<std::string>& slot);

// What --kv-cache says.   Throws: kInvalidArgument for another word than those of the help.
CacheStorage kv_cache(const std::optional<std::string>& given);

// What --quantize says.   Throws: kInvalidArgument for another word than those of the help.
Quantization quantization(const std::optional<std::string>& given);

// What --size says about the model in that folder.
// Throws: as MatFormerConfig::from_text and TextConfig::from_pretrained.
std::optional<MatFormerConfig> model_size(const std::filesystem::path& model_dir,
                                          const std::optional<std::string>& given);

// What --threads says.   Returns 0 if it was not given: one per core.
// Throws: kInvalidArgument unless it is 1 to 1024.
int thread_count(std::optional<std::int64_t> given);
int thread_count(std::int64_t given);

// Shows progress while it loads, and warnings, on standard error.
//   size: what --size says; only this part of the model is loaded.
//   calibration: measures the model while it runs; may be null.
// Throws: as ForConditionalGeneration::from_pretrained and model_size().
AnyModel load_model(const std::filesystem::path& model_dir, int threads,
                    Quantization quantization = Quantization::kNone,
                    const std::optional<std::string>& size = {},
                    const std::shared_ptr<Calibration>& calibration = nullptr);
ForConditionalGeneration load_whole_model(
    const std::filesystem::path& model_dir, int threads,
    Quantization quantization = Quantization::kNone, const std::optional<std::string>& size = {},
    const std::shared_ptr<Calibration>& calibration = nullptr);

// The model that --draft names: a size of `whole`, or what is in a folder; absent if not given.
// Throws: as MatFormerConfig::from_text and ForCausalLM::from_pretrained.
std::optional<ForCausalLM> draft_model(const ForCausalLM& whole,
                                       const std::optional<std::string>& given);

struct ModelAndDraft {
  AnyModel model;
  std::optional<ForCausalLM> draft;
};
// What --size and --draft say of one checkpoint, of which all is loaded if both are given.
// Throws: as load_model and draft_model.
ModelAndDraft load_model_and_draft(const std::filesystem::path& model_dir, int threads,
                                   Quantization quantization,
                                   const std::optional<std::string>& size,
                                   const std::optional<std::string>& draft);

// Random weights of this shape.
ForCausalLM make_synthetic_model(const TextConfig& config, int threads,
                                 Quantization quantization = Quantization::kNone);
ForConditionalGeneration make_synthetic_model(const Config& config, int threads,
                                              Quantization quantization = Quantization::kNone);

}  // namespace gemma3n::cli
