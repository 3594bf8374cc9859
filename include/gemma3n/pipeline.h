// From a task and a folder to answers: what most programs need. Model and processor in one object,
// and conversations that keep what the model has read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/generation.h"
#include "gemma3n/processor.h"

namespace gemma3n {

// A checkpoint's model as what it is: with its towers if it stores them. Immutable; copies share
// the weights; thread-safe.
class AnyModel {
 public:
  // Throws: as ForConditionalGeneration::from_pretrained.
  static AnyModel from_pretrained(const std::filesystem::path& model_dir,
                                  const LoadOptions& options = {});
  explicit AnyModel(ForCausalLM model) : text_(std::move(model)) {}
  explicit AnyModel(const ForConditionalGeneration& model)
      : text_(model.language_model()), whole_(model) {}

  AnyModel sliced(const MatFormerConfig& size) const;  // as ForCausalLM::sliced

  const ForCausalLM& text() const { return text_; }
  bool has_towers() const { return whole_.has_value(); }

  // As generate() of either model.
  // Throws: also kUnsupported if there are media and no towers for them.
  GenerateOutput generate(const std::vector<std::vector<TokenId>>& prompts,
                          const MediaInputs& media, const GenerationConfig& config,
                          const Tokenizer* tokenizer = nullptr,
                          const GenerateOptions& options = {}) const;

 private:
  ForCausalLM text_;
  std::optional<ForConditionalGeneration> whole_;
};

using Conversation = std::vector<Message>;

// A text to continue. It says where its media stand, with the tokenizer's image_token and
// audio_token.
struct Prompt {
  std::string text;
  std::vector<std::shared_ptr<const Image>> images = {};
  std::vector<std::shared_ptr<const AudioClip>> audio = {};
};

// Options of one call, as those of transformers' pipelines.
struct PipelineOptions {
  std::optional<std::int64_t> max_new_tokens = {};         // wins over generation_config
  std::optional<GenerationConfig> generation_config = {};  // absent: that of the pipeline
  bool return_full_text = true;  // the prompt in front of generated_text; fills `conversation`
  bool skip_special_tokens = true;
  // Leave the final message open and go on with it. Absent: if it is the assistant's.
  std::optional<bool> continue_final_message = {};
  std::string variables_json = "{}";  // further variables of the chat template: "tools", ...
  ProcessorOptions processor = {};
  // Prompts that are computed side by side. It changes speed and memory, and of results only
  // sampled ones.
  std::size_t batch_size = 8;
  // Streaming, progress, cancellation. Sequences are numbered over the whole call: those of the
  // first prompt, then those of the second. No past_key_values.
  GenerateOptions generate = {};
};

struct PipelineOutput {
  // The new text; with return_full_text, that of a Prompt in front of it. A stop string is part of
  // it, as in transformers.
  std::string generated_text = {};
  // With return_full_text, the conversation and the new text: in a new message of the assistant,
  // or at the end of a final message that was continued. Empty for a Prompt.
  Conversation conversation = {};
  std::vector<TokenId> new_tokens = {};  // end token included
  FinishReason finish_reason = FinishReason::kCancelled;
  std::size_t prompt_tokens = 0;
  std::size_t cached_tokens = 0;  // of these, the ones that a Chat did not need to read again
};

// A model, its processor and a task. Immutable; copies share weights and tables; thread-safe.
//
// Ref: HF ImageTextToTextPipeline, AnyToAnyPipeline, TextGenerationPipeline
class Pipeline {
 public:
  // task: "image-text-to-text" or "any-to-any" (the same here: text with pictures and sounds), or
  // "text-generation".
  // Throws: kInvalidArgument for another task; kUnsupported for a model without the towers that
  // the task needs.
  Pipeline(std::string task, AnyModel model, Processor processor, GenerationConfig config);

  // One answer for each of generation_config.num_return_sequences.
  // Throws: as Processor and generate(); kInvalidArgument for media in "text-generation", an empty
  // conversation, a batch_size of 0, or past_key_values; kNotFound for a conversation without a
  // chat template.
  std::vector<PipelineOutput> operator()(const Conversation& conversation,
                                         const PipelineOptions& options = {}) const;
  std::vector<PipelineOutput> operator()(const Prompt& prompt,
                                         const PipelineOptions& options = {}) const;
  std::vector<PipelineOutput> operator()(const std::string& text,
                                         const PipelineOptions& options = {}) const;
  // The same for several; the answers of the i-th are at [i]. After a cancellation, prompts that
  // were not reached have empty answers that say kCancelled.
  std::vector<std::vector<PipelineOutput>> operator()(std::span<const Conversation> conversations,
                                                      const PipelineOptions& options = {}) const;
  std::vector<std::vector<PipelineOutput>> operator()(std::span<const Prompt> prompts,
                                                      const PipelineOptions& options = {}) const;

  const std::string& task() const { return task_; }
  const AnyModel& model() const { return model_; }
  const Processor& processor() const { return processor_; }
  const GenerationConfig& generation_config() const { return config_; }

 private:
  struct Request;
  void check_media(const MediaInputs& media) const;
  Request request_of(const Conversation& conversation, const PipelineOptions& options) const;
  Request request_of(const Prompt& prompt, const PipelineOptions& options) const;
  static std::size_t pass_size(std::span<const Request> requests, std::size_t batch_size);
  GenerationConfig checked_config(const PipelineOptions& options) const;
  GenerateOutput generate(std::span<const Request> requests, const GenerationConfig& config,
                          const GenerateOptions& options) const;
  std::vector<std::vector<PipelineOutput>> answer(std::span<const Request> requests,
                                                  const PipelineOptions& options) const;

  std::string task_;
  AnyModel model_;
  Processor processor_;
  GenerationConfig config_;
};

// Loads a checkpoint for a task; "text-generation" leaves its towers alone. Unless
// generation_config.json says otherwise, an answer has at most 256 new tokens, and
// "text-generation" samples, at temperature 0.7.
// Throws: as Pipeline::Pipeline, AnyModel::from_pretrained, Processor::from_pretrained and
// GenerationConfig::from_pretrained.
// Ref: HF pipeline
Pipeline pipeline(std::string_view task, const std::filesystem::path& model_dir,
                  const LoadOptions& options = {});

// A conversation with a model that reads only what is new in it.
//
// Every prompt is the whole conversation, rendered by the chat template and tokenized, so the
// answers are those of a program that starts afresh each time. Only the tokens that no kept cache
// holds are computed. Not thread-safe.
class Chat {
 public:
  // Throws: kNotFound without a chat template; kInvalidArgument for a config that is not valid, or
  // with num_return_sequences other than 1.
  Chat(AnyModel model, Processor processor, GenerationConfig config);
  explicit Chat(const Pipeline& pipeline);

  // Says `message` (text, pictures, sounds) and remembers it and the answer. An answer that
  // `options` cancel is remembered as far as it went; if it had not begun, neither is.
  // generated_text is without a stop string. The next answer draws with the next seed.
  // An assistant_model, too, reads only what is new while it is the same in each call.
  // Throws: as Processor::apply_chat_template and generate, and what `options` throw;
  // kInvalidArgument for past_key_values or a size. The conversation is then as before the call.
  PipelineOutput reply(std::vector<Part> message, const GenerateOptions& options = {});
  PipelineOutput reply(const std::string& text, const GenerateOptions& options = {});

  // Answers from now on with this part of the model, or with all of it. Each size has caches of its
  // own, which are kept: a size that comes back reads only what is new to it.
  // Throws: as ForCausalLM::sliced.
  void set_size(const std::optional<MatFormerConfig>& size);

  void reset();                              // forgets all but the system message
  void set_system(const std::string& text);  // forgets the rest too; "" = no system message
  const std::string& system() const { return system_; }
  const Conversation& messages() const { return messages_; }

 private:
  // The media of a conversation, in order. Two of them are the same if they are the same object,
  // and sounds only if they were padded to the same length: the tower sees that.
  struct Media {
    std::vector<std::shared_ptr<const void>> objects;
    std::int64_t frames = 0;  // of each clip; 0 = there is none

    bool starts_with(const Media& prefix) const;
  };

  struct Caches {
    std::shared_ptr<Cache> cache;
    std::optional<ForCausalLM> assistant = {};
    std::shared_ptr<Cache> assistant_cache = {};  // holds no more than `cache`

    Caches clone() const;
  };
  // Caches, the tokens whose keys and values they hold, and the media among them.
  struct Kept {
    std::vector<TokenId> ids;
    Media media;
    Caches caches;
  };

  static Media media_of(const Conversation& messages, const MediaInputs& inputs);
  Caches caches_for(const std::vector<TokenId>& prompt, const Media& media,
                    const std::optional<ForCausalLM>& assistant);
  std::shared_ptr<Cache> new_cache(const ForCausalLM& model) const;
  GenerateOutput answer(const Conversation& messages, GenerateOptions options);

  const AnyModel& model() const { return size_ ? size_->model : model_; }

  struct Sized {
    MatFormerConfig size;
    AnyModel model;
  };

  AnyModel model_;
  std::optional<Sized> size_;  // what answers, unless all of the model
  Processor processor_;
  GenerationConfig config_;
  std::string system_;
  Conversation messages_;
  // The cache after the last answer, and a copy from before it. The copy serves when the answer,
  // read back as text, is not the tokens that were generated: a template that trims it, say.
  std::vector<Kept> kept_;
  // The same of sizes that do not answer at the moment; without a value: of the whole model.
  std::vector<std::pair<std::optional<MatFormerConfig>, std::vector<Kept>>> others_;
};

}  // namespace gemma3n
