#include "generation/mixed_sizes.h"

#include <algorithm>

namespace gemma3n {

MixedSizes::MixedSizes(std::vector<LanguageModel> models, std::vector<std::size_t> model_of)
    : models_(std::move(models)) {
  std::vector<std::size_t> prompts(models_.size());
  for (const std::size_t model : model_of) places_.push_back({model, prompts[model]++});
}

MixedSizes::Place MixedSizes::place_of(std::size_t sequence) const {
  const Place& prompt = places_[sequence / copies_];
  return {prompt.model, prompt.sequence * copies_ + sequence % copies_};
}

LanguageModel MixedSizes::language_model() {
  const auto of = [this](std::size_t sequence, const auto& ask) {
    const Place place = place_of(sequence);
    return ask(models_[place.model], place.sequence);
  };
  return {
      .vocab_size = models_.front().vocab_size,
      .max_position_embeddings = models_.front().max_position_embeddings,
      .append = [this](auto batch, auto logits) { append(batch, logits); },
      .repeat =
          [this](std::size_t times) {
            for (const LanguageModel& model : models_) model.repeat(times);
            copies_ = times;
          },
      .length = [of](std::size_t i) { return of(i, [](auto& m, auto s) { return m.length(s); }); },
      .room = [of](std::size_t i) { return of(i, [](auto& m, auto s) { return m.room(s); }); },
      .rewind = [of](std::size_t i,
                     std::int64_t length) { of(i, [&](auto& m, auto s) { m.rewind(s, length); }); },
  };
}

// Each model reads its sequences in one call; their logits go where the batch wants them.
void MixedSizes::append(std::span<const SequenceTokens> batch, std::span<float> logits) {
  const std::size_t V = models_.front().vocab_size;
  for (std::size_t m = 0; m < models_.size(); ++m) {
    std::vector<SequenceTokens> part;
    std::vector<std::size_t> rows;  // of `logits`, in order of the part's
    std::size_t row = 0;
    for (const SequenceTokens& tokens : batch) {
      const Place place = place_of(tokens.sequence);
      if (place.model == m) {
        part.push_back(tokens);
        part.back().sequence = place.sequence;
        for (std::size_t i = 0; i < tokens.wants_logits; ++i) rows.push_back(row + i);
      }
      row += tokens.wants_logits;
    }
    if (part.empty()) continue;
    std::vector<float> values(rows.size() * V);
    models_[m].append(part, values);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::copy_n(values.data() + i * V, V, logits.data() + rows[i] * V);
    }
  }
}

}  // namespace gemma3n
