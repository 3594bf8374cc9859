// The public model classes: padded tensors in, padded tensors out, the ragged decoder between.
#include "gemma3n/model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "model/inputs.h"
#include "model/loaded_model.h"
#include "model/model_impl.h"

namespace gemma3n {
namespace {

void check_finite(std::span<const float> values, const char* what) {
  if (std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) return;
  fail(ErrorCode::kCorruptData, what,
       ": not finite; the weights contain NaN, infinity or values too large for float32");
}

// The cache as it was, for a call that fails.
class CacheGuard {
 public:
  explicit CacheGuard(KvCache& cache) : cache_(cache) {
    for (std::size_t s = 0; s < cache.sequences(); ++s) {
      before_.push_back({cache.entries(s), cache.next_slot(s)});
    }
  }
  ~CacheGuard() {
    if (done_) return;
    for (std::size_t s = 0; s < before_.size(); ++s) {
      cache_.rewind(s, before_[s].entries, before_[s].next_slot);
    }
  }
  CacheGuard(const CacheGuard&) = delete;
  CacheGuard& operator=(const CacheGuard&) = delete;
  void commit() { done_ = true; }

 private:
  struct State {
    Index entries, next_slot;
  };
  KvCache& cache_;
  std::vector<State> before_;
  bool done_ = false;
};

void check_room(const KvCache& cache, const Batch& rows) {
  if (cache.fixed_slots() == 0) return;
  for (const BatchRow& row : rows) {
    if (row.slot < cache.fixed_slots()) continue;
    fail(ErrorCode::kContextFull, "static cache: expected at most ", cache.fixed_slots(),
         " positions (max_cache_len), got ", row.slot + 1);
  }
}

// A forward call in progress.
struct Call {
  PreparedInputs in;
  std::shared_ptr<Cache> cache;  // what is returned; null without use_cache
  std::unique_ptr<KvCache> own;  // what is used then

  KvCache& kv() { return own ? *own : *cache->impl().kv; }
};

void check_owner(const ModelImpl& model, const Cache& cache) {
  const auto& made_by = cache.impl().size;
  const bool is_own = made_by.has_value() == model.size.has_value() &&
                      (!made_by || made_by->is_same_size(*model.size));
  if (is_own) return;
  fail(ErrorCode::kInvalidArgument, "past_key_values: made by another size of the model (",
       made_by ? made_by->name : "the whole one", " instead of ",
       model.size ? model.size->name : "the whole one", "); each size needs a cache of its own");
}

Call start_call(const ModelImpl& model, const TextInputs& inputs) {
  Call call;
  if (inputs.past_key_values) check_owner(model, *inputs.past_key_values);
  const KvCache* past = inputs.past_key_values ? inputs.past_key_values->impl().kv.get() : nullptr;
  call.in = prepare_inputs(inputs, model.config, past);
  if (past) {
    call.cache = inputs.past_key_values;
  } else if (inputs.use_cache) {
    auto impl = std::make_unique<Cache::Impl>();
    impl->kv = std::make_unique<KvCache>(model.config, call.in.sequences);
    impl->size = model.size;
    call.cache = std::make_shared<Cache>(std::move(impl));
  } else {
    call.own = std::make_unique<KvCache>(model.config, call.in.sequences);
  }
  check_room(call.kv(), call.in.rows);
  return call;
}

std::vector<Tensor> new_states(const TextConfig& c, Index B, Index T) {
  std::vector<Tensor> states;
  for (Index i = 0; i <= c.num_hidden_layers; ++i) {
    states.emplace_back(DType::kF32,
                        std::vector<std::int64_t>{c.altup_num_inputs, B, T, c.hidden_size});
  }
  return states;
}

// Copies the [A, rows, D] states of a pass to their places in [A, B, T, D] tensors.
void scatter_states(const DecoderOutput& output, std::span<const RowOrigin> origins, Index B,
                    Index T, std::vector<Tensor>& states) {
  for (std::size_t i = 0; i < output.states.size(); ++i) {
    const auto [A, rows, D] = dims<3>(output.states[i]);
    float* out = states[i].f32().data();
    for (Index a = 0; a < A; ++a) {
      for (Index r = 0; r < rows; ++r) {
        const RowOrigin& at = origins[static_cast<std::size_t>(r)];
        std::ranges::copy(output.states[i][a][r].span(), out + ((a * B + at.b) * T + at.t) * D);
      }
    }
  }
}

// Runs the call; sink(origins, hidden) sees the wanted rows of each pass.
template <typename Sink>
std::vector<Tensor> run_call(const ModelImpl& model, Ops& op, Call& call, bool with_states,
                             const Sink& sink) {
  CacheGuard guard(call.kv());
  std::vector<Tensor> states;
  if (with_states) states = new_states(model.config, call.in.B, call.in.T);
  run_passes(model, op, call.in.rows, call.kv(), with_states,
             [&](std::size_t first, const Batch& rows, const DecoderOutput& output) {
               const auto origins = std::span(call.in.origins).subspan(first, rows.size());
               if (with_states) scatter_states(output, origins, call.in.B, call.in.T, states);
               std::vector<RowOrigin> wanted;
               for (std::size_t i = 0; i < rows.size(); ++i) {
                 if (rows[i].is_wanted) wanted.push_back(origins[i]);
               }
               check_finite(output.hidden.span(), "last_hidden_state");
               sink(wanted, output.hidden);
             });
  guard.commit();
  if (call.cache) {
    for (std::size_t b = 0; b < call.in.next_slots.size(); ++b)
      call.kv().skip_to(b, call.in.next_slots[b]);
  }
  return states;
}

// Which of the T positions get logits, in order of the output.
std::vector<Index> kept_positions(const CausalLMInputs& inputs, Index T) {
  std::vector<Index> kept;
  if (inputs.logits_indices) {
    for (const std::int64_t index : inputs.logits_indices.i64()) {
      const std::int64_t t = index < 0 ? index + T : index;  // as Python counts
      if (t < 0 || t >= T) {
        fail(ErrorCode::kInvalidArgument, "logits_indices: expected positions below ", T, ", got ",
             index);
      }
      kept.push_back(t);
    }
    return kept;
  }
  if (inputs.logits_to_keep < 0) {
    fail(ErrorCode::kInvalidArgument, "logits_to_keep: expected 0 (all) or more, got ",
         inputs.logits_to_keep);
  }
  const Index first =
      inputs.logits_to_keep == 0 ? 0 : std::max<Index>(0, T - inputs.logits_to_keep);
  for (Index t = first; t < T; ++t) kept.push_back(t);
  return kept;
}

// Mean of -log softmax(logits[t])[labels[t + 1]] over labels that are not -100.
// Ref: HF ForCausalLMLoss
Tensor causal_loss(const Tensor& logits, const Tensor& labels) {
  const Index B = logits.dim(0), T = logits.dim(1), V = logits.dim(2);
  if (labels.shape() != std::vector<std::int64_t>{B, T}) {
    fail(ErrorCode::kInvalidArgument, "labels: expected the shape of input_ids, [", B, ", ", T,
         "]");
  }
  double sum = 0;
  Index counted = 0;
  for (Index b = 0; b < B; ++b) {
    for (Index t = 0; t + 1 < T; ++t) {
      const std::int64_t label = labels.i64()[static_cast<std::size_t>(b * T + t + 1)];
      if (label == -100) continue;
      if (label < 0 || label >= V) {
        fail(ErrorCode::kInvalidArgument, "labels: expected -100 or an id below ", V, ", got ",
             label);
      }
      const float* row = logits.f32().data() + (b * T + t) * V;
      const double max = static_cast<double>(*std::max_element(row, row + V));
      double total = 0;
      for (Index v = 0; v < V; ++v) total += std::exp(static_cast<double>(row[v]) - max);
      sum += std::log(total) + max - static_cast<double>(row[label]);
      ++counted;
    }
  }
  const float mean = static_cast<float>(sum / static_cast<double>(counted));  // 0 / 0 = NaN, as HF
  return Tensor::of(std::span<const float>(&mean, 1), {});
}

std::vector<Index> checked_ids(const Tensor& ids, std::int64_t limit) {
  if (ids.rank() != 2)
    fail(ErrorCode::kInvalidArgument, "input_ids: expected shape [batch, tokens]");
  for (const std::int64_t id : ids.i64()) {
    if (id < 0 || id >= limit) {
      fail(ErrorCode::kInvalidArgument, "input_ids: expected ids from 0 to ", limit - 1, ", got ",
           id);
    }
  }
  return {ids.i64().begin(), ids.i64().end()};
}

}  // namespace

// ---- caches
// ---------------------------------------------------------------------------------------

struct StorageName {
  CacheStorage storage;
  std::string_view name;
};
static constexpr StorageName kStorageNames[] = {
    {CacheStorage::kF32, "f32"}, {CacheStorage::kBF16, "bf16"}, {CacheStorage::kInt8, "int8"}};

CacheStorage cache_storage_from_name(std::string_view name) {
  for (const auto& known : kStorageNames) {
    if (name == known.name) return known.storage;
  }
  fail(ErrorCode::kInvalidArgument, "cache storage: expected f32, bf16 or int8, got '", name, "'");
}

std::string_view cache_storage_name(CacheStorage storage) {
  return kStorageNames[static_cast<std::size_t>(storage)].name;
}

Cache::Cache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cache::~Cache() = default;

std::int64_t Cache::batch_size() const { return static_cast<std::int64_t>(impl_->kv->sequences()); }

std::int64_t Cache::get_seq_length() const {
  std::int64_t longest = 0;
  for (std::size_t s = 0; s < impl_->kv->sequences(); ++s) {
    longest = std::max<std::int64_t>(longest, impl_->kv->next_slot(s));
  }
  return longest;
}

CacheStorage Cache::storage() const { return impl_->kv->layout().storage; }
std::shared_ptr<Cache> Cache::clone() const { return repeat_sequences(*this, 1); }
std::size_t Cache::size_bytes() const { return impl_->kv->size_bytes(); }

std::shared_ptr<Cache> repeat_sequences(const Cache& cache, std::size_t times) {
  auto impl = std::make_unique<Cache::Impl>();
  impl->kv = cache.impl().kv->repeat(times);
  impl->size = cache.impl().size;
  return std::make_shared<Cache>(std::move(impl));
}

std::int64_t sequence_length(const Cache& cache, std::size_t sequence) {
  return cache.impl().kv->entries(sequence);
}

std::int64_t sequence_room(const Cache& cache, std::size_t sequence) {
  const KvCache& kv = *cache.impl().kv;
  if (kv.fixed_slots() == 0) return std::numeric_limits<std::int64_t>::max();
  return std::max<Index>(0, kv.fixed_slots() - kv.next_slot(sequence));
}

void rewind_sequence(Cache& cache, std::size_t sequence, std::int64_t length) {
  KvCache& kv = *cache.impl().kv;
  if (length >= kv.entries(sequence)) return;
  kv.rewind(sequence, length, length == 0 ? 0 : kv.slot(sequence, length - 1) + 1);
}

static std::shared_ptr<Cache> make_cache(const ModelImpl& model, std::int64_t batch_size,
                                         const CacheOptions& options) {
  if (batch_size < 1) {
    fail(ErrorCode::kInvalidArgument, "batch_size: expected at least 1, got ", batch_size);
  }
  const bool is_static = options.implementation == CacheOptions::Implementation::kStatic;
  if (is_static && options.max_cache_len < 1) {
    fail(ErrorCode::kInvalidArgument, "max_cache_len: expected at least 1 for a static cache, got ",
         options.max_cache_len);
  }
  auto impl = std::make_unique<Cache::Impl>();
  impl->kv = std::make_unique<KvCache>(model.config, static_cast<std::size_t>(batch_size),
                                       is_static ? options.max_cache_len : 0, options.storage);
  impl->size = model.size;
  return std::make_shared<Cache>(std::move(impl));
}

// ---- generation's call
// ----------------------------------------------------------------------------

void append_tokens(const ModelImpl& model, Cache& cache, std::span<const SequenceTokens> batch,
                   std::span<float> logits) {
  check_owner(model, cache);
  KvCache& kv = *cache.impl().kv;
  Batch rows;
  Index wanted = 0;
  for (const SequenceTokens& part : batch) {
    for (std::size_t i = 0; i < part.tokens.size(); ++i) {
      BatchRow row;
      row.sequence = part.sequence;
      row.token = part.tokens[i];
      if (row.token < 0 || row.token >= model.config.vocab_size) {
        fail(ErrorCode::kInvalidArgument, "token id: expected 0 to ", model.config.vocab_size - 1,
             ", got ", row.token);
      }
      row.slot = kv.next_slot(part.sequence) + static_cast<Index>(i);
      row.position = kv.entries(part.sequence) + static_cast<Index>(i);
      row.is_wanted = i + part.wants_logits >= part.tokens.size();
      if (i < part.soft_tokens.size()) row.embedding = part.soft_tokens[i];
      wanted += row.is_wanted;
      rows.push_back(row);
    }
  }
  const Index V = model.config.vocab_size;
  check(static_cast<Index>(logits.size()) == wanted * V,
        "logits: one row for each token whose logits are wanted");
  check_room(kv, rows);

  CacheGuard guard(kv);
  auto arena = model.arenas().take();
  const ArenaScope scope(*arena);
  Ops op(active_kernels(), *arena, model.pool());
  if (model.multimodal()) model.multimodal()->embed_hard_tokens(op, rows);
  Index done = 0;
  run_passes(
      model, op, rows, kv, false, [&](std::size_t, const Batch&, const DecoderOutput& output) {
        const Index n = output.hidden.shape()[0];
        if (n == 0) return;
        model.decoder.logits(op, output.hidden, View<float>(logits.data() + done * V, {n, V}));
        done += n;
      });
  check_finite(logits, "logits");
  guard.commit();
}

// ---- TextModel
// ------------------------------------------------------------------------------------

TextModel TextModel::from_pretrained(const std::filesystem::path& model_dir,
                                     const LoadOptions& options) {
  return TextModel(load_model(model_dir, options));
}

// Gives the rows of soft tokens and of the media's own ids their embeddings. `media` may be null.
static void fuse_media(const ModelImpl& model, Ops& op, const TextInputs& inputs,
                       const EncodedMedia* media, PreparedInputs& in) {
  if (!model.multimodal() || !inputs.input_ids) return;
  if (media) {
    const auto places =
        place_soft_tokens(model.multimodal()->config, inputs.input_ids.i64(), *media);
    for (std::size_t i = 0; i < in.rows.size(); ++i) {
      in.rows[i].embedding =
          places[static_cast<std::size_t>(in.origins[i].b * in.T + in.origins[i].t)];
    }
  }
  model.multimodal()->embed_hard_tokens(op, in.rows);
}

// `media` may be null: then ids of the media's vocabularies have the text table's embeddings.
static TextOutputs text_forward(const ModelImpl& model, const TextInputs& inputs,
                                const EncodedMedia* media) {
  Call call = start_call(model, inputs);
  const Index T = call.in.T, D = model.config.hidden_size;
  TextOutputs out;
  out.last_hidden_state = Tensor(DType::kF32, {call.in.B, T, D});
  auto arena = model.arenas().take();
  const ArenaScope scope(*arena);
  Ops op(active_kernels(), *arena, model.pool());
  if (media) fuse_media(model, op, inputs, media, call.in);
  float* hidden = out.last_hidden_state.f32().data();
  out.hidden_states = run_call(model, op, call, inputs.output_hidden_states,
                               [&](std::span<const RowOrigin> rows, View<const float> values) {
                                 for (std::size_t r = 0; r < rows.size(); ++r) {
                                   std::ranges::copy(values[static_cast<Index>(r)].span(),
                                                     hidden + (rows[r].b * T + rows[r].t) * D);
                                 }
                               });
  out.past_key_values = call.cache;
  return out;
}

TextOutputs TextModel::forward(const TextInputs& inputs) const {
  return text_forward(*impl_, inputs, nullptr);
}

Tensor TextModel::get_per_layer_inputs(const Tensor& input_ids) const {
  const TextConfig& c = impl_->config;
  const auto ids = checked_ids(input_ids, c.vocab_size);
  auto arena = impl_->arenas().take();
  const ArenaScope scope(*arena);
  Ops op(active_kernels(), *arena, impl_->pool());
  return Tensor::of(
      impl_->decoder.per_layer_lookup(op, ids).span(),
      {input_ids.dim(0), input_ids.dim(1), c.num_hidden_layers, c.hidden_size_per_layer_input});
}

Tensor TextModel::get_input_embeddings(const Tensor& input_ids) const {
  const auto ids = checked_ids(input_ids, impl_->config.vocab_size);
  auto arena = impl_->arenas().take();
  const ArenaScope scope(*arena);
  Ops op(active_kernels(), *arena, impl_->pool());
  return Tensor::of(impl_->decoder.embed(op, ids).span(),
                    {input_ids.dim(0), input_ids.dim(1), impl_->config.hidden_size});
}

std::shared_ptr<Cache> TextModel::new_cache(std::int64_t batch_size,
                                            const CacheOptions& options) const {
  return make_cache(*impl_, batch_size, options);
}

const TextConfig& TextModel::config() const { return impl_->config; }

// ---- ForCausalLM
// ----------------------------------------------------------------------------------

ForCausalLM ForCausalLM::from_pretrained(const std::filesystem::path& model_dir,
                                         const LoadOptions& options) {
  return ForCausalLM(load_model(model_dir, options));
}

TextModel TextModel::sliced(const MatFormerConfig& size) const {
  return TextModel(sliced_model(impl_, size));
}

ForCausalLM ForCausalLM::synthetic(const TextConfig& config, std::uint64_t seed,
                                   const LoadOptions& options) {
  return ForCausalLM(synthetic_model(config, seed, options));
}

// `media` may be null.
static CausalLMOutputs causal_forward(const ModelImpl& model, const CausalLMInputs& inputs,
                                      const EncodedMedia* media) {
  if (inputs.labels && (inputs.logits_to_keep != 0 || inputs.logits_indices)) {
    fail(ErrorCode::kInvalidArgument,
         "labels: expected logits of all positions (logits_to_keep 0)");
  }
  Call call = start_call(model, inputs);
  const Index B = call.in.B, V = model.config.vocab_size;
  const auto kept = kept_positions(inputs, call.in.T);
  std::vector<bool> is_kept(static_cast<std::size_t>(call.in.T));
  for (const Index t : kept) is_kept[static_cast<std::size_t>(t)] = true;
  for (std::size_t i = 0; i < call.in.rows.size(); ++i) {
    call.in.rows[i].is_wanted = is_kept[static_cast<std::size_t>(call.in.origins[i].t)];
  }

  CausalLMOutputs out;
  const auto n = static_cast<Index>(kept.size());
  out.logits = Tensor(DType::kF32, {B, n, V});
  float* logits = out.logits.f32().data();
  auto arena = model.arenas().take();
  const ArenaScope call_scope(*arena);
  Ops op(active_kernels(), *arena, model.pool());
  fuse_media(model, op, inputs, media, call.in);
  out.hidden_states =
      run_call(model, op, call, inputs.output_hidden_states,
               [&](std::span<const RowOrigin> rows, View<const float> hidden) {
                 // A few rows at a time: all of a long prompt's logits twice would be gigabytes.
                 constexpr Index kRows = 32;
                 for (Index r0 = 0; r0 < hidden.shape()[0]; r0 += kRows) {
                   const ArenaScope scope(op.arena());
                   const Index count = std::min(kRows, hidden.shape()[0] - r0);
                   auto some = op.arena().tensor({count, V});
                   model.decoder.logits(
                       op, View<const float>(hidden[r0].data(), {count, hidden.shape()[1]}), some);
                   for (Index r = 0; r < count; ++r) {
                     const RowOrigin& at = rows[static_cast<std::size_t>(r0 + r)];
                     for (Index k = 0; k < n; ++k) {
                       if (kept[static_cast<std::size_t>(k)] != at.t) continue;
                       std::ranges::copy(some[r].span(), logits + (at.b * n + k) * V);
                     }
                   }
                 }
               });
  check_finite(out.logits.f32(), "logits");
  if (inputs.labels) out.loss = causal_loss(out.logits, inputs.labels);
  out.past_key_values = call.cache;
  return out;
}

CausalLMOutputs ForCausalLM::forward(const CausalLMInputs& inputs) const {
  return causal_forward(*impl_, inputs, nullptr);
}

std::shared_ptr<Cache> ForCausalLM::new_cache(std::int64_t batch_size,
                                              const CacheOptions& options) const {
  return make_cache(*impl_, batch_size, options);
}

ForCausalLM ForCausalLM::sliced(const MatFormerConfig& size) const {
  return ForCausalLM(sliced_model(impl_, size));
}

const TextConfig& ForCausalLM::config() const { return impl_->config; }
int ForCausalLM::threads() const { return impl_->pool().size(); }

// ---- Model and ForConditionalGeneration
// ------------------------------------------------------------------

Model Model::from_pretrained(const std::filesystem::path& model_dir, const LoadOptions& options) {
  return Model(load_model(model_dir, options, LoadedParts::kAll));
}

static EncodedMedia encode_media_of(const ModelImpl& model, const TextInputs& inputs,
                                    const MediaInputs& media) {
  if (media && !inputs.input_ids) {
    fail(ErrorCode::kUnsupported, "pixel_values, input_features: expected together with input_ids,",
         " whose placeholders say where the media stand");
  }
  return encode_media(model, media);
}

// [media, tokens, D]; absent if there are none.
static Tensor stack(const std::vector<SoftTokens>& media, Index tokens, Index D) {
  if (media.empty()) return {};
  Tensor out(DType::kF32, {static_cast<Index>(media.size()), tokens, D});
  float* next = out.f32().data();
  for (const SoftTokens& medium : media) next = std::ranges::copy(*medium, next).out;
  return out;
}

static MediaStates media_states(const Config& c, const EncodedMedia& media) {
  const Index D = c.text_config.hidden_size;
  return {stack(media.images, c.vision_soft_tokens_per_image, D),
          stack(media.clips, c.audio_soft_tokens_per_image, D)};
}

ModelOutputs Model::forward(const TextInputs& inputs, const MediaInputs& media) const {
  const EncodedMedia encoded = encode_media_of(*impl_, inputs, media);
  return {text_forward(*impl_, inputs, &encoded), media_states(config(), encoded)};
}

ImageFeatures Model::get_image_features(const Tensor& pixel_values) const {
  if (!pixel_values) fail(ErrorCode::kInvalidArgument, "pixel_values: expected pictures, got none");
  const Index n = check_pixels(pixel_values);
  const Index H = pixel_values.dim(2), W = pixel_values.dim(3);
  const Config& c = config();
  const Index tokens = c.vision_soft_tokens_per_image, D = c.text_config.hidden_size;
  const Index channels = c.vision_config.hidden_size;
  const auto side = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(tokens))));
  ImageFeatures out{Tensor(DType::kF32, {n, channels, side, side}),
                    Tensor(DType::kF32, {n, tokens, D})};
  for (Index i = 0; i < n; ++i) {
    Arena arena;
    Ops op(active_kernels(), arena, impl_->pool());
    const View<const float> pixels(pixel_values.f32().data() + i * 3 * H * W, {3, H, W});
    const auto features = impl_->multimodal()->image_features(op, pixels);
    float* map = out.last_hidden_state.f32().data() + i * channels * tokens;
    for (Index t = 0; t < tokens; ++t) {
      const float* pixel = features.tower[t].data();
      for (Index k = 0; k < channels; ++k) map[k * tokens + t] = pixel[k];
    }
    std::ranges::copy(features.rows.span(), out.pooler_output.f32().data() + i * tokens * D);
  }
  check_finite(out.pooler_output.f32(), "image features");
  return out;
}

AudioFeaturesOutput Model::get_audio_features(const Tensor& input_features,
                                              const Tensor& input_features_mask) const {
  if (!input_features)
    fail(ErrorCode::kInvalidArgument, "input_features: expected clips, got none");
  const Multimodal& m = *impl_->multimodal();
  check_audio_inputs(
      m, {.input_features = input_features, .input_features_mask = input_features_mask});
  const Index n = input_features.dim(0), T = input_features.dim(1), F = input_features.dim(2);
  const Index tokens = m.audio_tower.tokens(T), D = m.config.text_config.hidden_size;
  const Index channels = m.config.audio_config.hidden_size;
  AudioFeaturesOutput out{Tensor(DType::kF32, {n, tokens, channels}),
                          Tensor(DType::kF32, {n, tokens, D}), Tensor(DType::kBool, {n, tokens})};
  for (Index i = 0; i < n; ++i) {
    Arena arena;
    Ops op(active_kernels(), arena, impl_->pool());
    const auto* mask = reinterpret_cast<const bool*>(input_features_mask.bytes()) + i * T;
    const auto features =
        m.audio_features(op, View<const float>(input_features.f32().data() + i * T * F, {T, F}),
                         {mask, static_cast<std::size_t>(T)});
    std::ranges::copy(features.tower.span(),
                      out.last_hidden_state.f32().data() + i * tokens * channels);
    std::ranges::copy(features.rows.span(), out.pooler_output.f32().data() + i * tokens * D);
    std::ranges::copy(features.is_padding,
                      reinterpret_cast<bool*>(out.audio_mel_mask.bytes()) + i * tokens);
  }
  check_finite(out.pooler_output.f32(), "audio features");
  return out;
}

std::shared_ptr<Cache> Model::new_cache(std::int64_t batch_size,
                                        const CacheOptions& options) const {
  return make_cache(*impl_, batch_size, options);
}

Model Model::sliced(const MatFormerConfig& size) const { return Model(sliced_model(impl_, size)); }

const Config& Model::config() const { return *impl_->outer_config; }

ForConditionalGeneration ForConditionalGeneration::from_pretrained(
    const std::filesystem::path& model_dir, const LoadOptions& options) {
  return ForConditionalGeneration(load_model(model_dir, options, LoadedParts::kAll));
}

ForConditionalGeneration ForConditionalGeneration::synthetic(const Config& config,
                                                             std::uint64_t seed,
                                                             const LoadOptions& options) {
  return ForConditionalGeneration(synthetic_model(config, seed, options));
}

MultimodalOutputs ForConditionalGeneration::forward(const MultimodalInputs& inputs) const {
  const EncodedMedia media = encode_media_of(*impl_, inputs, inputs.media);
  return {causal_forward(*impl_, inputs, &media), media_states(config(), media)};
}

std::shared_ptr<Cache> ForConditionalGeneration::new_cache(std::int64_t batch_size,
                                                           const CacheOptions& options) const {
  return make_cache(*impl_, batch_size, options);
}

ForConditionalGeneration ForConditionalGeneration::sliced(const MatFormerConfig& size) const {
  return ForConditionalGeneration(sliced_model(impl_, size));
}

const Config& ForConditionalGeneration::config() const { return *impl_->outer_config; }
int ForConditionalGeneration::threads() const { return impl_->pool().size(); }

// ---- arenas
// ---------------------------------------------------------------------------------------

ArenaPool::Lease ArenaPool::take() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return {*this, std::make_unique<Arena>()};
  auto arena = std::move(idle_.back());
  idle_.pop_back();
  return {*this, std::move(arena)};
}

void ArenaPool::give_back(std::unique_ptr<Arena> arena) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    idle_.push_back(std::move(arena));
  } catch (...) {  // no memory to remember it: let it go
  }
}

}  // namespace gemma3n
