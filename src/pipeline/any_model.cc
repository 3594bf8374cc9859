#include "gemma3n/pipeline.h"

namespace gemma3n {

AnyModel AnyModel::from_pretrained(const std::filesystem::path& model_dir,
                                   const LoadOptions& options) {
  if (inspect_checkpoint(model_dir).has_towers) {
    return AnyModel(ForConditionalGeneration::from_pretrained(model_dir, options));
  }
  return AnyModel(ForCausalLM::from_pretrained(model_dir, options));
}

AnyModel AnyModel::sliced(const MatFormerConfig& size) const {
  return whole_ ? AnyModel(whole_->sliced(size)) : AnyModel(text_.sliced(size));
}

GenerateOutput AnyModel::generate(const std::vector<std::vector<TokenId>>& prompts,
                                  const MediaInputs& media, const GenerationConfig& config,
                                  const Tokenizer* tokenizer,
                                  const GenerateOptions& options) const {
  if (whole_) return gemma3n::generate(*whole_, prompts, media, config, tokenizer, options);
  if (media) {
    fail(ErrorCode::kUnsupported, "this checkpoint is a text model: it has no towers for pictures ",
         "and sounds; use one of Gemma3nForConditionalGeneration");
  }
  return gemma3n::generate(text_, prompts, config, tokenizer, options);
}

}  // namespace gemma3n
