// A model that reads a prompt part by part, so that the logits of a long one fit in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "divergence.h"
#include "gemma3n/model.h"

namespace gemma3n::cli {

// Logits at a time: of 262,400 tokens, 128 MiB.
constexpr std::size_t kMostScored = 128;

class PromptReader {
 public:
  // Loads the checkpoint as what it is.   Throws: as load_model, whose the last two are.
  PromptReader(const std::string& dir, int threads, Quantization quantization,
               const std::optional<std::string>& size = {},
               const std::shared_ptr<Calibration>& calibration = nullptr);

  const ForCausalLM& text() const { return *text_; }
  // A new prompt.   Throws: kContextFull if it is longer than the model's context.
  void start(std::size_t tokens);

  // Returns the logits of part.scored; absent if there are none.
  //   ids: of the whole prompt.   media: of the part.
  // Throws: as forward(); kUnsupported for media that the model has no tower for.
  Tensor read(std::span<const std::int64_t> ids, const PromptPart& part, const MediaInputs& media);

 private:
  std::optional<ForConditionalGeneration> whole_;
  std::optional<ForCausalLM> text_;
  std::shared_ptr<Cache> cache_;
};

}  // namespace gemma3n::cli
