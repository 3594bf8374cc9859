#include "model/multimodal.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <string_view>

#include "model/loaded_model.h"

namespace gemma3n {

// ---- encodings
// ------------------------------------------------------------------------------------

namespace {

std::size_t hash_of(std::span<const std::byte> key) {
  return std::hash<std::string_view>{}({reinterpret_cast<const char*>(key.data()), key.size()});
}

}  // namespace

std::list<EncodingCache::Entry>::iterator EncodingCache::locate(std::size_t hash,
                                                                std::span<const std::byte> key) {
  return std::ranges::find_if(entries_, [&](const Entry& entry) {
    return entry.hash == hash && std::ranges::equal(entry.key, key);
  });
}

SoftTokens EncodingCache::find(std::span<const std::byte> key) {
  const std::size_t hash = hash_of(key);
  const std::lock_guard lock(mutex_);
  const auto found = locate(hash, key);
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->encoding;
}

void EncodingCache::insert(std::span<const std::byte> key, SoftTokens encoding) {
  Entry entry{hash_of(key), {key.begin(), key.end()}, std::move(encoding)};
  if (entry.bytes() > kMaxBytes) return;
  const std::lock_guard lock(mutex_);
  if (locate(entry.hash, key) != entries_.end()) return;  // another thread was faster
  bytes_ += entry.bytes();
  entries_.push_front(std::move(entry));
  while (bytes_ > kMaxBytes) {
    bytes_ -= entries_.back().bytes();
    entries_.pop_back();
  }
}

// ---- one medium
// -----------------------------------------------------------------------------------

namespace {

// [3, H, W] -> [H, W, 3]
View<float> channels_last(Ops& op, View<const float> pixels) {
  const auto [C, H, W] = dims<3>(pixels);
  auto y = op.arena().tensor({H, W, C});
  for (Index c = 0; c < C; ++c) {
    const float* plane = pixels[c].data();
    for (Index i = 0; i < H * W; ++i) y.data()[i * C + c] = plane[i];
  }
  return y;
}

}  // namespace

Multimodal::ImageFeatures Multimodal::image_features(Ops& op, View<const float> pixels,
                                                     const Progress& on_progress) const {
  const Index tokens = vision_tower.msfa.resolution * vision_tower.msfa.resolution;
  if (tokens != config.vision_soft_tokens_per_image) {
    fail(ErrorCode::kInvalidArgument, "vision_soft_tokens_per_image: expected ", tokens,
         ", as many as the vision tower gives, got ", config.vision_soft_tokens_per_image);
  }
  const auto rows = vision_tower.forward(op, channels_last(op, pixels), on_progress);
  const auto width = static_cast<double>(config.vision_config.hidden_size);
  const auto tower = op.scale(rows, static_cast<float>(std::sqrt(width)));
  return {tower, embed_vision.soft(op, tower)};
}

Multimodal::AudioFeatures Multimodal::audio_features(Ops& op, View<const float> mel,
                                                     std::span<const bool> is_sound,
                                                     const Progress& on_progress) const {
  const auto out = audio_tower.forward(op, mel, is_sound, on_progress);
  return {out.encodings, embed_audio.soft(op, out.encodings), out.is_padding};
}

View<float> Multimodal::audio_prompt_rows(Ops& op, View<const float> mel,
                                          std::span<const bool> is_sound,
                                          const Progress& on_progress) const {
  const AudioFeatures features = audio_features(op, mel, is_sound, on_progress);
  const Index tokens = features.rows.shape()[0], all = config.audio_soft_tokens_per_image;
  if (tokens > all) {
    fail(ErrorCode::kInvalidArgument, "input_features: expected clips of at most ", all,
         " tokens (audio_soft_tokens_per_image), got one of ", tokens, "; split it");
  }
  const Index padding_id = config.text_config.vocab_size - 1;
  const auto padding = embed_audio.hard(op, std::span(&padding_id, 1))[0].span();
  auto y = op.arena().tensor({all, features.rows.shape()[1]});
  for (Index t = 0; t < all; ++t) {
    const bool is_padding = t >= tokens || features.is_padding[static_cast<std::size_t>(t)];
    std::ranges::copy(is_padding ? padding : features.rows[t].span(), y[t].data());
  }
  return y;
}

void Multimodal::embed_hard_tokens(Ops& op, std::span<BatchRow> rows) const {
  const Index audio_begin = config.audio_config.vocab_offset;
  const Index vision_begin = config.vision_config.vocab_offset;
  std::map<Index, const float*> vision, audio;  // by id
  for (const BatchRow& row : rows) {
    if (row.embedding != nullptr || row.token < std::min(vision_begin, audio_begin)) continue;
    (row.token >= audio_begin ? audio : vision)[row.token] = nullptr;
  }
  for (const auto& [ids, embedder] : {std::pair{&vision, &embed_vision}, {&audio, &embed_audio}}) {
    if (ids->empty()) continue;
    std::vector<Index> list;
    for (const auto& entry : *ids) list.push_back(entry.first);
    const auto embedded = embedder->hard(op, list);
    Index t = 0;
    for (auto& entry : *ids) entry.second = embedded[t++].data();
  }
  for (BatchRow& row : rows) {
    if (row.embedding != nullptr) continue;
    const auto& known = row.token >= audio_begin ? audio : vision;
    if (const auto found = known.find(row.token); found != known.end()) {
      row.embedding = found->second;
    }
  }
}

void bind(TensorBinder& b, Multimodal& m, const Config& c) {
  const Index D = c.text_config.hidden_size;
  m.config = c;
  b.module("vision_tower.timm_model", m.vision_tower, c.vision_config);
  b.module("embed_vision", m.embed_vision, MultimodalEmbedderConfig::of(c.vision_config, D));
  b.module("audio_tower", m.audio_tower, c.audio_config);
  b.module("embed_audio", m.embed_audio, MultimodalEmbedderConfig::of(c.audio_config, D));
}

// ---- all media of a call
// --------------------------------------------------------------------------

Index check_pixels(const Tensor& pixels) {
  if (pixels.rank() != 4 || pixels.dim(1) != 3 || pixels.dim(2) < 1 || pixels.dim(3) < 1) {
    fail(ErrorCode::kInvalidArgument,
         "pixel_values: expected shape [pictures, 3, height, width], got rank ", pixels.rank());
  }
  return pixels.dim(0);
}

Index check_audio_inputs(const Multimodal& m, const MediaInputs& media) {
  const Tensor &features = media.input_features, &mask = media.input_features_mask;
  if (static_cast<bool>(features) != static_cast<bool>(mask)) {
    fail(ErrorCode::kInvalidArgument, "input_features: expected together with input_features_mask");
  }
  if (!features) return 0;
  const Index bins = m.config.audio_config.input_feat_size;
  if (features.rank() != 3 || features.dim(2) != bins) {
    fail(ErrorCode::kInvalidArgument, "input_features: expected shape [clips, frames, ", bins, "]");
  }
  if (mask.dtype() != DType::kBool ||
      mask.shape() != std::vector<std::int64_t>{features.dim(0), features.dim(1)}) {
    fail(ErrorCode::kInvalidArgument,
         "input_features_mask: expected bools of shape [clips, frames]");
  }
  return features.dim(0);
}

namespace {

// The bytes that say what a medium is: its size, then its values.
class ContentKey {
 public:
  explicit ContentKey(char kind) { add(&kind, 1); }
  void add(const void* data, std::size_t bytes) {
    const auto* first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + bytes);
  }
  std::span<const std::byte> span() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

class MediaEncoder {
 public:
  MediaEncoder(const ModelImpl& model, Progress on_progress)
      : model_(model), media_(*model.multimodal()), on_progress_(std::move(on_progress)) {}

  EncodedMedia run(const MediaInputs& media) {
    const Index images = media.pixel_values ? check_pixels(media.pixel_values) : 0;
    const Index clips = check_audio_inputs(media_, media);
    total_ = static_cast<double>(images + clips);
    EncodedMedia out;
    for (Index i = 0; i < images; ++i) out.images.push_back(image(media.pixel_values, i));
    for (Index i = 0; i < clips; ++i) out.clips.push_back(clip(media, i));
    return out;
  }

 private:
  SoftTokens image(const Tensor& pixels, Index i) {
    const Index H = pixels.dim(2), W = pixels.dim(3);
    const float* first = pixels.f32().data() + i * 3 * H * W;
    const Index size[] = {H, W};
    ContentKey key('i');
    key.add(size, sizeof size);
    key.add(first, static_cast<std::size_t>(3 * H * W) * sizeof(float));
    return encode(key, [&](Ops& op) {
      return media_.image_features(op, View<const float>(first, {3, H, W}), part_progress()).rows;
    });
  }

  SoftTokens clip(const MediaInputs& media, Index i) {
    const Index T = media.input_features.dim(1), F = media.input_features.dim(2);
    const float* mel = media.input_features.f32().data() + i * T * F;
    const auto* mask = reinterpret_cast<const bool*>(media.input_features_mask.bytes()) + i * T;
    ContentKey key('a');
    key.add(&T, sizeof T);
    key.add(mel, static_cast<std::size_t>(T * F) * sizeof(float));
    key.add(mask, static_cast<std::size_t>(T));
    return encode(key, [&](Ops& op) {
      return media_.audio_prompt_rows(op, View<const float>(mel, {T, F}),
                                      {mask, static_cast<std::size_t>(T)}, part_progress());
    });
  }

  // Of one medium, as a share of all.
  Progress part_progress() {
    return [this](double share) {
      if (on_progress_) on_progress_((done_ + share) / total_);
    };
  }

  template <typename Compute>
  SoftTokens encode(const ContentKey& key, const Compute& compute) {
    SoftTokens encoding = media_.encodings.find(key.span());
    if (!encoding) {
      Arena arena;  // a tower needs far more room than the text model; none of it is kept
      Ops op(active_kernels(), arena, model_.pool());
      const auto rows = compute(op).span();
      if (!std::ranges::all_of(rows, [](float v) { return std::isfinite(v); })) {
        fail(ErrorCode::kCorruptData, "soft tokens: not finite; the weights or the medium contain ",
             "NaN, infinity or values too large for float32");
      }
      encoding = std::make_shared<const std::vector<float>>(rows.begin(), rows.end());
      media_.encodings.insert(key.span(), encoding);
    }
    done_ += 1.0;
    if (on_progress_) on_progress_(done_ / total_);
    return encoding;
  }

  const ModelImpl& model_;
  const Multimodal& media_;
  Progress on_progress_;
  double done_ = 0.0, total_ = 0.0;
};

// Hands out the rows of one medium in order.
class SoftTokenRows {
 public:
  SoftTokenRows(const std::vector<SoftTokens>& media, Index width) : media_(media), width_(width) {}

  Index total() const {
    Index rows = 0;
    for (const SoftTokens& medium : media_) rows += static_cast<Index>(medium->size()) / width_;
    return rows;
  }
  const float* next() {
    const float* row = media_[medium_]->data() + row_ * width_;
    if (++row_ * width_ == static_cast<Index>(media_[medium_]->size())) ++medium_, row_ = 0;
    return row;
  }

 private:
  const std::vector<SoftTokens>& media_;
  Index width_;
  std::size_t medium_ = 0;
  Index row_ = 0;
};

}  // namespace

EncodedMedia encode_media(const ModelImpl& model, const MediaInputs& media,
                          const Progress& on_progress) {
  if (!media) return {};
  check(model.multimodal() != nullptr, "media go to a model with towers");
  return MediaEncoder(model, on_progress).run(media);
}

std::vector<const float*> place_soft_tokens(const Config& config, std::span<const std::int64_t> ids,
                                            const EncodedMedia& media) {
  std::vector<const float*> places(ids.size());
  const auto place = [&](const std::vector<SoftTokens>& encoded, Index id, const char* kind,
                         const char* tokens_of) {
    if (encoded.empty()) return;
    SoftTokenRows rows(encoded, config.text_config.hidden_size);
    const Index there = std::ranges::count(ids, id);
    if (there != rows.total()) {
      fail(ErrorCode::kInvalidArgument, kind, " features and ", tokens_of,
           " tokens do not match, tokens: ", there, ", features: ", rows.total());
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == id) places[i] = rows.next();
    }
  };
  place(media.images, config.image_token_id, "Image", "image");
  place(media.clips, config.audio_token_id, "Audio", "audio");
  return places;
}

}  // namespace gemma3n
