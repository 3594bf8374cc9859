#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/pages.h"
#include "checkpoint/checkpoint_binder.h"
#include "model/loaded_model.h"
#include "model/quantize_model.h"

namespace gemma3n {
namespace {

constexpr const char* kWholeModelPrefix = "model.";  // of Gemma3nForConditionalGeneration

std::size_t weight_bytes(const Weight& w) {
  return static_cast<std::size_t>(w.shape.size()) * size_bytes(w.dtype);
}

int thread_count(const LoadOptions& options) {
  constexpr int kMost = 256;
  if (options.threads < 0 || options.threads > kMost) {
    fail(ErrorCode::kInvalidArgument, "threads: expected 0 (one per core) to ", kMost, ", got ",
         options.threads);
  }
  return options.threads > 0 ? options.threads : available_threads();
}

// to[c, r] = from[r, c], in squares that stay in the cache.
template <typename T>
void transpose(ThreadPool& pool, const T* from, T* to, Index rows, Index columns) {
  constexpr Index kSquare = 64;
  pool.parallel_for(columns, kSquare, [&](Index c0, Index c1) {
    for (Index r0 = 0; r0 < rows; r0 += kSquare) {
      const Index r1 = std::min(rows, r0 + kSquare);
      for (Index c = c0; c < c1; ++c) {
        for (Index r = r0; r < r1; ++r) {
          std::memcpy(to + c * rows + r, from + r * columns + c, sizeof(T));  // may be unaligned
        }
      }
    }
  });
}

// Sparse layers read down_proj neuron by neuron: store it so, and let go of the original.
void store_by_neuron(ModelImpl& model, Mlp& mlp) {
  const Weight& down = mlp.down_proj;
  const Index D = down.shape[0], F = down.shape[1];
  auto buffer = std::make_unique_for_overwrite<std::byte[]>(weight_bytes(down));
  if (size_bytes(down.dtype) == 4) {
    transpose(model.pool, static_cast<const std::uint32_t*>(down.data),
              reinterpret_cast<std::uint32_t*>(buffer.get()), D, F);
  } else {
    transpose(model.pool, static_cast<const std::uint16_t*>(down.data),
              reinterpret_cast<std::uint16_t*>(buffer.get()), D, F);
  }
  mlp.down_rows.rows = {buffer.get(), down.dtype, {F, D}};
  model.extra.push_back(std::move(buffer));
}

void prepare(ModelImpl& model, bool is_mapped, const LoadOptions& options) {
  auto& layers = model.decoder.layers;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Mlp& mlp = layers[i].mlp;
    if (mlp.is_sparse) {
      store_by_neuron(model, mlp);
      if (is_mapped) release_mapped_pages(mlp.down_proj.data, weight_bytes(mlp.down_proj));
      mlp.down_proj = {};
    }
    if (options.on_progress && options.quantization == Quantization::kNone) {
      options.on_progress(static_cast<double>(i + 1) / static_cast<double>(layers.size()));
    }
  }
  if (options.quantization != Quantization::kNone) {
    quantize_model(model, options.quantization, is_mapped, options.on_progress);
  }
}

// Fills every slot with random values of a trained model's rough size, in bf16.
class RandomBinder : public TensorBinder {
 public:
  RandomBinder(std::uint64_t seed, std::vector<std::unique_ptr<std::byte[]>>& storage)
      : rng_(seed), storage_(storage), noise_(std::size_t{1} << 20) {
    std::normal_distribution<float> normal;
    for (float& v : noise_) v = normal(rng_);
  }

 private:
  void bind_tensor(const std::string& name, Weight& slot, const Shape& shape) override {
    const auto count = static_cast<std::size_t>(shape.size());
    const bool is_table = name.starts_with("embed_tokens");
    const float deviation =
        is_table ? 0.02f : 1.0f / std::sqrt(static_cast<float>(std::max<Index>(1, shape[1])));
    // The per-layer table stays zero, so that its pages need no memory: it is read row by row only.
    const bool is_zero = name.starts_with("embed_tokens_per_layer");
    storage_.push_back(is_zero ? zeros(count * 2)
                               : std::make_unique_for_overwrite<std::byte[]>(count * 2));
    auto* values = reinterpret_cast<std::uint16_t*>(storage_.back().get());
    if (!is_zero) fill(values, count, deviation);
    slot = {values, DType::kBF16, shape};
  }
  void bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape) override {
    bind_tensor(name, slot, shape);
  }
  void bind_vector(const std::string&, Vector& slot, Index n) override {
    slot.values.resize(static_cast<std::size_t>(n));
    for (float& v : slot.values) v = 1.0f + 0.1f * next();
  }
  bool has_tensor(const std::string&) const override { return true; }

  static std::unique_ptr<std::byte[]> zeros(std::size_t bytes) {
    return std::make_unique<std::byte[]>(bytes);
  }
  float next() { return noise_[rng_() % noise_.size()]; }
  void fill(std::uint16_t* values, std::size_t count, float deviation) {
    std::vector<std::uint16_t> pattern(noise_.size());
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      std::uint32_t bits = 0;
      const float value = noise_[i] * deviation;
      std::memcpy(&bits, &value, sizeof bits);
      pattern[i] = static_cast<std::uint16_t>((bits + 0x8000u) >> 16);
    }
    std::size_t from = rng_() % pattern.size();
    for (std::size_t done = 0; done < count;) {
      const std::size_t n = std::min(count - done, pattern.size() - from);
      std::copy_n(pattern.data() + from, n, values + done);
      done += n;
      from = rng_() % 4096;  // so that rows do not repeat in step
    }
  }

  std::mt19937_64 rng_;
  std::vector<std::unique_ptr<std::byte[]>>& storage_;
  std::vector<float> noise_;
};

// Whether the checkpoint is of the whole model, and not only described as such in config.json.
bool stores_towers(const Checkpoint& checkpoint) {
  return std::ranges::any_of(checkpoint.tensors(), [](const CheckpointTensor& tensor) {
    return tensor.name().starts_with("model.vision_tower.") ||
           tensor.name().starts_with("model.audio_tower.");
  });
}

std::unique_ptr<const Multimodal> load_multimodal(const std::filesystem::path& model_dir,
                                                  const Checkpoint& checkpoint) {
  if (text_prefix(checkpoint) != kWholeModelPrefix + std::string("language_model.")) {
    fail(ErrorCode::kNotFound, model_dir.string(), ": expected a checkpoint of ",
         "Gemma3nForConditionalGeneration, got one of the text model alone; ",
         "load it as ForCausalLM");
  }
  auto multimodal = std::make_unique<Multimodal>();
  CheckpointBinder binder(checkpoint, kWholeModelPrefix);
  bind(binder, *multimodal, Config::from_pretrained(model_dir));
  return multimodal;
}

}  // namespace

std::shared_ptr<const ModelImpl> load_model(const std::filesystem::path& model_dir,
                                            const LoadOptions& options, LoadedParts parts) {
  auto model = std::make_shared<ModelImpl>(thread_count(options));
  model->config = TextConfig::from_pretrained(model_dir);
  auto checkpoint = std::make_shared<Checkpoint>(Checkpoint::open(model_dir));
  CheckpointBinder binder(*checkpoint, text_prefix(*checkpoint));
  bind(binder, model->decoder, model->config);
  if (options.on_warning) {
    const auto warning = unexpected_tensors_warning(binder.unexpected_tensors(model->config));
    if (!warning.empty()) options.on_warning(warning);
  }
  if (parts == LoadedParts::kAll) model->multimodal = load_multimodal(model_dir, *checkpoint);
  const Weight& table = model->decoder.embed_tokens_per_layer;
  advise_random_access(table.data, weight_bytes(table));
  model->weights = checkpoint;
  prepare(*model, true, options);
  return model;
}

namespace {

std::shared_ptr<ModelImpl> random_text_model(const TextConfig& config, std::uint64_t seed,
                                             const LoadOptions& options) {
  auto model = std::make_shared<ModelImpl>(thread_count(options));
  model->config = config;
  model->config.derive_defaults();
  model->config.validate();
  RandomBinder binder(seed, model->extra);
  bind(binder, model->decoder, model->config);
  prepare(*model, false, options);
  return model;
}

}  // namespace

std::shared_ptr<const ModelImpl> synthetic_model(const TextConfig& config, std::uint64_t seed,
                                                 const LoadOptions& options) {
  return random_text_model(config, seed, options);
}

std::shared_ptr<const ModelImpl> synthetic_model(const Config& config, std::uint64_t seed,
                                                 const LoadOptions& options) {
  config.validate();
  auto model = random_text_model(config.text_config, seed, options);
  auto multimodal = std::make_unique<Multimodal>();
  RandomBinder binder(seed + 1, model->extra);
  bind(binder, *multimodal, config);
  model->multimodal = std::move(multimodal);
  return model;
}

CheckpointInfo inspect_checkpoint(const std::filesystem::path& model_dir) {
  CheckpointInfo info;
  info.text_config = TextConfig::from_pretrained(model_dir);
  const Checkpoint checkpoint = Checkpoint::open(model_dir);
  const std::string prefix = text_prefix(checkpoint);
  CheckpointBinder binder(checkpoint, prefix);
  Decoder decoder;
  bind(binder, decoder, info.text_config);
  CheckpointBinder tower_binder(checkpoint, kWholeModelPrefix);
  info.has_towers = stores_towers(checkpoint);
  if (info.has_towers) {
    Multimodal multimodal;
    bind(tower_binder, multimodal, Config::from_pretrained(model_dir));
  }
  info.architecture = prefix == "model.language_model." ? "Gemma3nForConditionalGeneration"
                      : prefix == "model."              ? "Gemma3nForCausalLM"
                                                        : "Gemma3nTextModel";
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    TensorInfo row;
    row.name = tensor.name();
    row.dtype = name(tensor.entry->dtype);
    row.shape = tensor.entry->shape;
    row.file = tensor.file_name();
    row.of_text_model = binder.is_used(row.name);
    row.used = row.of_text_model || tower_binder.is_used(row.name);
    std::int64_t parameters = 1;
    for (const std::int64_t dim : row.shape) parameters *= dim;
    info.total_parameters += parameters;
    if (row.of_text_model) info.text_parameters += parameters;
    const bool is_table = row.name == prefix + "embed_tokens.weight" ||
                          row.name == prefix + "embed_tokens_per_layer.weight";
    if (row.of_text_model && !is_table) info.effective_parameters += parameters;
    info.tensors.push_back(std::move(row));
  }
  return info;
}

}  // namespace gemma3n
