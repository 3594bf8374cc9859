// Pictures and sounds in a text model: the towers, the way from them to the text model's width, and
// the places of the results in a prompt.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/binder.h"
#include "gemma3n/model.h"
#include "model/audio/audio_tower.h"
#include "model/multimodal_embedder.h"
#include "model/text/batch.h"
#include "model/vision/vision_tower.h"

namespace gemma3n {

struct ModelImpl;

// Called with the share of the work that is done, about. May throw, to end the work.
using Progress = std::function<void(double)>;

// One picture or clip in text space: [tokens, D], ready to stand in a prompt.
using SoftTokens = std::shared_ptr<const std::vector<float>>;

// Encodings of the media seen last, so that a second question about a picture costs no second
// encoding. Found by content, byte for byte. Thread-safe.
class EncodingCache {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{256} << 20;

  // What `key` (the processed medium itself) became, or null. The newest stay.
  SoftTokens find(std::span<const std::byte> key);
  void insert(std::span<const std::byte> key, SoftTokens encoding);

 private:
  struct Entry {
    std::size_t hash = 0;
    std::vector<std::byte> key;
    SoftTokens encoding;
    std::size_t bytes() const { return key.size() + encoding->size() * sizeof(float); }
  };
  std::list<Entry>::iterator locate(std::size_t hash, std::span<const std::byte> key);

  std::mutex mutex_;
  std::list<Entry> entries_;  // newest first
  std::size_t bytes_ = 0;
};

// What a Gemma3nForConditionalGeneration has beside its text model.
struct Multimodal {
  Config config;
  VisionTower vision_tower;
  AudioTower audio_tower;
  MultimodalEmbedder embed_vision, embed_audio;
  mutable EncodingCache encodings;

  struct ImageFeatures {
    View<float> tower;  // [vision_soft_tokens_per_image, vision_config.hidden_size], scaled
    View<float> rows;   // [vision_soft_tokens_per_image, D]
  };
  // Rows of one picture.   pixels: [3, H, W]. Ref: HF Gemma3nModel.get_image_features
  ImageFeatures image_features(Ops& op, View<const float> pixels,
                               const Progress& on_progress = {}) const;

  struct AudioFeatures {
    View<float> tower;                 // [tokens, audio_config.hidden_size]
    View<float> rows;                  // [tokens, D]
    std::span<const bool> is_padding;  // [tokens]
  };
  // Rows of one clip.   mel: [T, F], is_sound: [T]. Ref: HF Gemma3nModel.get_audio_features
  AudioFeatures audio_features(Ops& op, View<const float> mel, std::span<const bool> is_sound,
                               const Progress& on_progress = {}) const;

  // The same with padding's own embedding where there is no sound, and up to the number of rows
  // that each clip takes in a prompt.   returns [audio_soft_tokens_per_image, D].
  // Throws: kInvalidArgument for a clip with more tokens than that.
  View<float> audio_prompt_rows(Ops& op, View<const float> mel, std::span<const bool> is_sound,
                                const Progress& on_progress = {}) const;

  // Gives rows with a token of a medium's vocabulary that medium's embedding of it; rows that
  // already have an embedding keep it. The embeddings live in the arena.
  // Ref: HF Gemma3nModel.forward, "vision_mask" and "audio_mask"
  void embed_hard_tokens(Ops& op, std::span<BatchRow> rows) const;
};

// `b` stands at the names of the whole model: "vision_tower.", "embed_audio.", ...
void bind(TensorBinder& b, Multimodal& m, const Config& c);

// Number of pictures. Throws: kInvalidArgument unless they are [pictures, 3, height, width].
Index check_pixels(const Tensor& pixels);
// Number of clips. Throws: kInvalidArgument for shapes that do not fit the model.
Index check_audio_inputs(const Multimodal& m, const MediaInputs& media);

// All media of a call, encoded, in order.
struct EncodedMedia {
  std::vector<SoftTokens> images, clips;
};
// Throws: kInvalidArgument for shapes that do not fit the model.
EncodedMedia encode_media(const ModelImpl& model, const MediaInputs& media,
                          const Progress& on_progress = {});

// For each of `ids` the embedding of the soft token that stands there, or null. Soft tokens take
// the places of image_token_id and audio_token_id in order.
// Throws: kInvalidArgument if there are more or fewer places than soft tokens of that medium.
// Ref: HF Gemma3nModel.get_placeholder_mask
std::vector<const float*> place_soft_tokens(const Config& config, std::span<const std::int64_t> ids,
                                            const EncodedMedia& media);

}  // namespace gemma3n
