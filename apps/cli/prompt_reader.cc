#include "prompt_reader.h"

#include "loading.h"

namespace gemma3n::cli {

PromptReader::PromptReader(const std::string& dir, int threads, Quantization quantization,
                           const std::optional<std::string>& size,
                           const std::shared_ptr<Calibration>& calibration) {
  if (inspect_checkpoint(dir).has_towers) {
    whole_ = load_whole_model(dir, threads, quantization, size, calibration);
    text_ = whole_->language_model();
  } else {
    text_ = load_model(dir, threads, quantization, size, calibration).text();
  }
}

void PromptReader::start(std::size_t tokens) {
  const auto most = text_->config().max_position_embeddings;
  if (static_cast<std::int64_t>(tokens) > most) {
    fail(ErrorCode::kContextFull, "expected at most ", most, " tokens, the context of the model, ",
         "got ", tokens);
  }
  cache_ = text_->new_cache(1);
}

Tensor PromptReader::read(std::span<const std::int64_t> ids, const PromptPart& part,
                          const MediaInputs& media) {
  MultimodalInputs inputs;
  inputs.input_ids = Tensor::of(ids.subspan(part.begin, part.end - part.begin),
                                {1, static_cast<std::int64_t>(part.end - part.begin)});
  inputs.past_key_values = cache_;
  if (part.scored.empty()) {
    inputs.logits_to_keep = 1;
  } else {
    const std::span<const std::int64_t> scored(part.scored);
    inputs.logits_indices = Tensor::of(scored, {static_cast<std::int64_t>(scored.size())});
  }
  if (!whole_ && media) {
    fail(ErrorCode::kUnsupported, "this checkpoint is a text model: it has no towers for ",
         "pictures and sounds");
  }
  inputs.media = media;
  const Tensor logits = whole_ ? whole_->forward(inputs).logits : text_->forward(inputs).logits;
  return part.scored.empty() ? Tensor() : logits;
}

}  // namespace gemma3n::cli
