// Prompts of one batch that different sizes of a model answer, side by side.
#pragma once

#include <cstddef>
#include <vector>

#include "generation/language_model.h"

namespace gemma3n {

// Several models of the same vocabulary as one: prompt i of the batch is a prompt of
// models[model_of[i]], which holds its own ones in the same order. What a sequence gets does not
// depend on the others.
class MixedSizes {
 public:
  // The models must outlive it.
  MixedSizes(std::vector<LanguageModel> models, std::vector<std::size_t> model_of);

  LanguageModel language_model();  // must not outlive this

 private:
  // Where a sequence of the batch is.
  struct Place {
    std::size_t model = 0, sequence = 0;
  };
  Place place_of(std::size_t sequence) const;
  void append(std::span<const SequenceTokens> batch, std::span<float> logits);

  std::vector<LanguageModel> models_;
  std::vector<Place> places_;  // of each prompt
  std::size_t copies_ = 1;     // sequences for each prompt
};

}  // namespace gemma3n
