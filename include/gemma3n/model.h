// The model: from a checkpoint folder to hidden states and logits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/cache_storage.h"
#include "gemma3n/config.h"
#include "gemma3n/error.h"
#include "gemma3n/matformer.h"
#include "gemma3n/media_inputs.h"
#include "gemma3n/quantization.h"
#include "gemma3n/tensor.h"

namespace gemma3n {

struct LoadOptions {
  int threads = 0;                                        // 0 = one per core this process may use
  std::function<void(std::string_view)> on_warning = {};  // one line each; null = dropped
  std::function<void(double fraction)> on_progress = {};  // 0 to 1, from the loading thread
  // Done while it loads. Of a checkpoint that is quantised already, kNone or what it has.
  Quantization quantization = Quantization::kNone;
  // Load this size only: of what it leaves out nothing is read, converted or held.
  std::optional<MatFormerConfig> matformer = {};
  // Of the text model, measured whenever it runs. Not for synthetic models.
  std::shared_ptr<Calibration> calibration = {};
};

struct CacheOptions {
  enum class Implementation { kDynamic, kStatic };
  Implementation implementation = Implementation::kDynamic;
  std::int64_t max_cache_len = 0;  // kStatic: positions per sequence, allocated at once
  CacheStorage storage = CacheStorage::kF32;
};

// Keys and values of a batch of sequences. Handed from call to call ("past_key_values").
// Not thread-safe. Belongs to the model that made it, and to its size.
class Cache {
 public:
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  std::int64_t batch_size() const;
  std::int64_t get_seq_length() const;   // positions seen, padding included
  std::shared_ptr<Cache> clone() const;  // an independent copy
  std::size_t size_bytes() const;
  CacheStorage storage() const;

  struct Impl;
  explicit Cache(std::unique_ptr<Impl> impl);
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

struct TextInputs {
  Tensor input_ids = {};      // [B, T] i64; exactly one of input_ids and inputs_embeds
  Tensor inputs_embeds = {};  // [B, T, D] f32, already scaled
  Tensor per_layer_inputs =
      {};  // [B, T, L, P] f32 from get_per_layer_inputs, only with inputs_embeds
  Tensor attention_mask = {};  // [B, past + T] i64, 1 = token, 0 = padding; absent = all tokens
  Tensor position_ids = {};    // [B, T] or [1, T] i64; absent = past, past + 1, ...
  std::shared_ptr<Cache> past_key_values = {};  // updated in place; null = a new one
  bool use_cache = true;                        // false: no cache is made or returned
  bool output_hidden_states = false;
};

struct TextOutputs {
  Tensor last_hidden_state = {};           // [B, T, D] f32, after the final norm; 0 at padding
  std::vector<Tensor> hidden_states = {};  // L + 1 of [A, B, T, D] f32, if asked for; 0 at padding
  std::shared_ptr<Cache> past_key_values = {};  // null if !use_cache
};

struct CausalLMInputs : TextInputs {
  std::int64_t logits_to_keep = 0;  // the last n positions of each row; 0 = all
  Tensor logits_indices = {};       // [n] i64: these positions instead
  Tensor labels = {};               // [B, T] i64; -100 = ignored. Needs logits_to_keep = 0
};

struct CausalLMOutputs {
  Tensor loss = {};    // [] f32 if labels were given: mean cross entropy of each next token
  Tensor logits = {};  // [B, n, V] f32, soft-capped; 0 at padding
  std::vector<Tensor> hidden_states = {};
  std::shared_ptr<Cache> past_key_values = {};
};

struct MultimodalInputs : CausalLMInputs {
  MediaInputs media = {};
};

// The soft tokens that took the places of placeholders; absent without media.
struct MediaStates {
  Tensor image_hidden_states = {};  // [pictures, vision_soft_tokens_per_image, D] f32
  Tensor audio_hidden_states = {};  // [clips, audio_soft_tokens_per_image, D] f32
};

struct ModelOutputs : TextOutputs, MediaStates {};

struct MultimodalOutputs : CausalLMOutputs, MediaStates {};

struct ImageFeatures {
  Tensor last_hidden_state;  // [pictures, hidden_size of vision_config, rows, columns] f32, scaled
  Tensor pooler_output;      // [pictures, vision_soft_tokens_per_image, D] f32: the soft tokens
};

struct AudioFeaturesOutput {
  Tensor last_hidden_state;  // [clips, n, hidden_size of audio_config] f32
  Tensor pooler_output;      // [clips, n, D] f32: the soft tokens
  Tensor audio_mel_mask;     // [clips, n] bool, true = padding
};

struct ModelImpl;  // weights and the means to run them; src/model/model_impl.h

// The stack without a head. Immutable; copies share the weights; safe to use from many threads.
class TextModel {
 public:
  // Reads config.json and *.safetensors of a Gemma3nForConditionalGeneration, Gemma3nForCausalLM or
  // Gemma3nTextModel checkpoint. Weights stay in the mapped files.
  // Throws: kNotFound, kCorruptData, kUnsupported, kInvalidArgument; the message names the file and
  // the tensor or field.
  static TextModel from_pretrained(const std::filesystem::path& model_dir,
                                   const LoadOptions& options = {});

  // Ref: HF Gemma3nTextModel.forward
  // Throws: kInvalidArgument for ids outside the vocabulary, shapes that do not fit, both or none
  // of input_ids and inputs_embeds; kContextFull if a static cache is too small; kCorruptData if
  // the weights give values that are not finite.
  TextOutputs forward(const TextInputs& inputs) const;

  // Scaled rows of the per-layer embedding table.   ids: [B, T] i64, returns [B, T, L, P] f32.
  Tensor get_per_layer_inputs(const Tensor& input_ids) const;
  // Scaled rows of the embedding table.   ids: [B, T] i64, returns [B, T, D] f32.
  Tensor get_input_embeddings(const Tensor& input_ids) const;

  std::shared_ptr<Cache> new_cache(std::int64_t batch_size, const CacheOptions& options = {}) const;
  const TextConfig& config() const;
  TextModel sliced(const MatFormerConfig& size) const;  // as ForCausalLM::sliced

  explicit TextModel(std::shared_ptr<const ModelImpl> impl) : impl_(std::move(impl)) {}
  const std::shared_ptr<const ModelImpl>& impl() const { return impl_; }

 private:
  std::shared_ptr<const ModelImpl> impl_;
};

// A matrix of the text model as it lies in memory.
struct MatrixInfo {
  std::string name;  // as in the checkpoint, but for the prefix: "layers.3.mlp.up_proj.weight"
  std::vector<std::int64_t> shape;  // [outputs, inputs]; of a table [rows, width]
  std::string storage;              // "f32", "f16", "bf16", "q8", "q4"
  std::int64_t bytes = 0;           // scales included
};

// The stack with the vocabulary head. Immutable; copies share the weights; thread-safe.
class ForCausalLM {
 public:
  // As TextModel::from_pretrained.
  static ForCausalLM from_pretrained(const std::filesystem::path& model_dir,
                                     const LoadOptions& options = {});
  // Random bf16 weights of the given shape, in memory: for timing without a checkpoint.
  static ForCausalLM synthetic(const TextConfig& config, std::uint64_t seed,
                               const LoadOptions& options = {});

  // Ref: HF Gemma3nForCausalLM.forward
  CausalLMOutputs forward(const CausalLMInputs& inputs) const;

  // A smaller size of this model, as if it had been loaded alone, with the same bits. It shares
  // weights and threads, and costs about a megabyte. Caches are not shared between sizes.
  // Throws: as MatFormerConfig::sliced; kInvalidArgument if this is a slice itself.
  ForCausalLM sliced(const MatFormerConfig& size) const;

  TextModel model() const { return TextModel(impl_); }
  std::shared_ptr<Cache> new_cache(std::int64_t batch_size, const CacheOptions& options = {}) const;
  const TextConfig& config() const;
  int threads() const;
  // Every matrix and table once: a head that is the embedding table is not listed again.
  std::vector<MatrixInfo> matrices() const;

  explicit ForCausalLM(std::shared_ptr<const ModelImpl> impl) : impl_(std::move(impl)) {}
  const std::shared_ptr<const ModelImpl>& impl() const { return impl_; }

 private:
  std::shared_ptr<const ModelImpl> impl_;
};

// Text, pictures and sounds in, hidden states out: ForConditionalGeneration without its head.
// Immutable; copies share the weights; thread-safe.
// Encodings of the media seen last are kept (256 MB at most), so that asking again about the same
// picture does not encode it again.
class Model {
 public:
  // Reads a Gemma3nForConditionalGeneration checkpoint, towers included.
  // Throws: as TextModel::from_pretrained; kNotFound for a checkpoint without towers.
  static Model from_pretrained(const std::filesystem::path& model_dir,
                               const LoadOptions& options = {});

  // Soft tokens of the media stand where input_ids has image_token_id and audio_token_id; other
  // ids of a medium's vocabulary have that medium's embedding. A clip takes
  // audio_soft_tokens_per_image places, filled up with padding's embedding.
  // Throws: as TextModel::forward; kInvalidArgument if placeholders and soft tokens differ in
  // number; kUnsupported for media together with inputs_embeds.
  // Ref: HF Gemma3nModel.forward
  ModelOutputs forward(const TextInputs& inputs, const MediaInputs& media = {}) const;

  // pixel_values: [N, 3, height, width] f32.   Ref: HF Gemma3nModel.get_image_features
  ImageFeatures get_image_features(const Tensor& pixel_values) const;
  // Ref: HF Gemma3nModel.get_audio_features. Differs: HF takes the mask inverted, true = padding.
  AudioFeaturesOutput get_audio_features(const Tensor& input_features,
                                         const Tensor& input_features_mask) const;

  TextModel language_model() const { return TextModel(impl_); }
  std::shared_ptr<Cache> new_cache(std::int64_t batch_size, const CacheOptions& options = {}) const;
  const Config& config() const;
  Model sliced(const MatFormerConfig& size) const;  // as ForConditionalGeneration::sliced

  explicit Model(std::shared_ptr<const ModelImpl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<const ModelImpl> impl_;
};

// Text, pictures and sounds in, logits out. Immutable; copies share the weights; thread-safe.
class ForConditionalGeneration {
 public:
  // As Model::from_pretrained.
  static ForConditionalGeneration from_pretrained(const std::filesystem::path& model_dir,
                                                  const LoadOptions& options = {});
  // As ForCausalLM::synthetic.
  static ForConditionalGeneration synthetic(const Config& config, std::uint64_t seed,
                                            const LoadOptions& options = {});

  // As Model::forward and ForCausalLM::forward. Ref: HF Gemma3nForConditionalGeneration.forward
  MultimodalOutputs forward(const MultimodalInputs& inputs) const;

  // As ForCausalLM::sliced; encoded media are shared too.
  ForConditionalGeneration sliced(const MatFormerConfig& size) const;

  Model model() const { return Model(impl_); }
  // The text model with its head, and the media's embeddings of their own ids.
  ForCausalLM language_model() const { return ForCausalLM(impl_); }
  std::shared_ptr<Cache> new_cache(std::int64_t batch_size, const CacheOptions& options = {}) const;
  const Config& config() const;
  int threads() const;

  explicit ForConditionalGeneration(std::shared_ptr<const ModelImpl> impl)
      : impl_(std::move(impl)) {}
  const std::shared_ptr<const ModelImpl>& impl() const { return impl_; }

 private:
  std::shared_ptr<const ModelImpl> impl_;
};

// What `gemma3n inspect` prints: every tensor of a checkpoint and whether the model uses it.
struct TensorInfo {
  std::string name;
  std::string dtype;                // as in the file: "BF16", "F32", ...
  std::vector<std::int64_t> shape;  // as in the file: of a quantised matrix, that of its bytes
  std::int64_t parameters = 0;      // the values it stands for
  std::string file;                 // relative to the model directory
  bool used = false;                // by the text model or a tower
  bool of_text_model = false;       // used by the text model
};
struct CheckpointInfo {
  std::vector<TensorInfo> tensors;
  std::string architecture;  // "Gemma3nForConditionalGeneration", ...
  bool has_towers = false;   // can be loaded as ForConditionalGeneration
  TextConfig text_config;
  Quantization quantization = Quantization::kNone;  // as it is stored: kNone, kInt8 or kInt4
  std::int64_t total_parameters = 0;                // of all tensors in the files
  std::int64_t text_parameters = 0;                 // of the tensors the text model uses
  std::int64_t effective_parameters = 0;  // the text model's without both embedding tables
};
CheckpointInfo inspect_checkpoint(const std::filesystem::path& model_dir);

}  // namespace gemma3n
