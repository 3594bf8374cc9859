#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/pages.h"
#include "checkpoint/checkpoint_binder.h"
#include "checkpoint/quantization_config.h"
#include "model/calibration.h"
#include "model/loaded_model.h"
#include "model/prepare.h"

namespace gemma3n {
namespace {

// Fills every slot with random values of a trained model's rough size: bf16, prepared at once.
class RandomBinder : public TensorBinder {
 public:
  RandomBinder(std::uint64_t seed, ModelImpl& model, Quantization quantization)
      : rng_(seed), model_(model), quantization_(quantization), noise_(std::size_t{1} << 20) {
    std::normal_distribution<float> normal;
    for (float& v : noise_) v = normal(rng_);
  }

 private:
  void bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                   Access access) override {
    const auto count = static_cast<std::size_t>(shape.size());
    const bool is_table = name.starts_with("embed_tokens");
    const float deviation =
        is_table ? 0.02f : 1.0f / std::sqrt(static_cast<float>(std::max<Index>(1, shape[1])));
    // The per-layer table stays zero, so that its pages need no memory: it is read row by row only.
    const bool is_zero = name.starts_with("embed_tokens_per_layer");
    auto buffer =
        is_zero ? zeros(count * 2) : std::make_unique_for_overwrite<std::byte[]>(count * 2);
    auto* values = reinterpret_cast<std::uint16_t*>(buffer.get());
    if (!is_zero) fill(values, count, deviation);
    const Weight original = {values, DType::kBF16, shape};
    slot = prepared(model_, original, access, quantization_, false);
    if (slot.data == values) model_.resources->extra.push_back(std::move(buffer));
  }
  void bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape,
                       Access access) override {
    bind_tensor(name, slot, shape, access);
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
  ModelImpl& model_;
  Quantization quantization_;
  std::vector<float> noise_;
};

std::unique_ptr<Multimodal> load_multimodal(const std::filesystem::path& model_dir,
                                            const Checkpoint& checkpoint, Quantization stored) {
  if (text_prefix(checkpoint) != kWholeModelPrefix + std::string("language_model.")) {
    fail(ErrorCode::kNotFound, model_dir.string(), ": expected a checkpoint of ",
         "Gemma3nForConditionalGeneration, got one of the text model alone; ",
         "load it as ForCausalLM");
  }
  auto multimodal = std::make_unique<Multimodal>();
  CheckpointBinder binder(checkpoint, kWholeModelPrefix, stored);
  bind(binder, *multimodal, Config::from_pretrained(model_dir));
  return multimodal;
}

}  // namespace

int thread_count(int asked) {
  constexpr int kMost = 256;
  if (asked < 0 || asked > kMost) {
    fail(ErrorCode::kInvalidArgument, "threads: expected 0 (one per core) to ", kMost, ", got ",
         asked);
  }
  return asked > 0 ? asked : available_threads();
}

bool stores_towers(const Checkpoint& checkpoint) {
  return std::ranges::any_of(checkpoint.tensors(), [](const CheckpointTensor& tensor) {
    return tensor.name().starts_with("model.vision_tower.") ||
           tensor.name().starts_with("model.audio_tower.");
  });
}

std::shared_ptr<const ModelImpl> load_model(const std::filesystem::path& model_dir,
                                            const LoadOptions& options, LoadedParts parts) {
  auto model = std::make_shared<ModelImpl>(thread_count(options.threads));
  model->config = TextConfig::from_pretrained(model_dir);
  auto checkpoint = std::make_shared<Checkpoint>(Checkpoint::open(model_dir));
  const Quantization stored = stored_quantization(model_dir);
  const Quantization wanted = effective_quantization(model_dir, stored, options.quantization);
  CheckpointBinder binder(*checkpoint, text_prefix(*checkpoint), stored);
  bind(binder, model->decoder, model->config);
  if (options.on_warning) {
    const auto warning = unexpected_tensors_warning(binder.unexpected_tensors(model->config));
    if (!warning.empty()) options.on_warning(warning);
  }
  std::unique_ptr<Multimodal> towers;
  if (parts == LoadedParts::kAll) towers = load_multimodal(model_dir, *checkpoint, stored);
  if (options.matformer && options.calibration) {
    fail(ErrorCode::kInvalidArgument, "calibration: expected the whole model, without matformer");
  }
  if (options.matformer) {
    model->decoder = sliced(model->decoder, model->config, *options.matformer, false);
    model->config = options.matformer->sliced(model->config);
  }
  const Weight& table = model->decoder.embed_tokens_per_layer;
  advise_random_access(table.data, size_bytes({table.storage, table.dtype}, table.shape));
  model->resources->weights = checkpoint;
  prepare_model(*model, towers.get(), wanted, options.on_progress);
  if (options.calibration) measure_inputs(*model, text_prefix(*checkpoint), options.calibration);
  if (towers) {
    model->outer_config = towers->config;
    model->outer_config->text_config = model->config;
  }
  model->resources->multimodal = std::move(towers);
  return model;
}

namespace {

std::shared_ptr<ModelImpl> random_text_model(const TextConfig& config, std::uint64_t seed,
                                             const LoadOptions& options) {
  auto model = std::make_shared<ModelImpl>(thread_count(options.threads));
  model->config = config;
  model->config.derive_defaults();
  model->config.validate();
  RandomBinder binder(seed, *model, options.quantization);
  bind(binder, model->decoder, model->config);
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
  RandomBinder binder(seed + 1, *model, options.quantization);
  bind(binder, *multimodal, config);
  model->outer_config = multimodal->config;
  model->resources->multimodal = std::move(multimodal);
  return model;
}

std::shared_ptr<const ModelImpl> sliced_model(const std::shared_ptr<const ModelImpl>& model,
                                              const MatFormerConfig& size) {
  const TextConfig config = size.sliced(model->config);
  if (size.skipped_layers.empty() && size.intermediate_size == model->config.intermediate_size) {
    return model;
  }
  if (model->size) {
    fail(ErrorCode::kInvalidArgument, "size: expected the whole model, got a part of it");
  }
  auto part = std::make_shared<ModelImpl>(*model);
  part->decoder = sliced(model->decoder, model->config, size, true);
  part->config = config;
  if (part->outer_config) part->outer_config->text_config = config;
  part->size = size;
  return part;
}

namespace {

// A tensor the model does not know is taken for what its shape says.
std::int64_t parameter_count(const CheckpointTensor& tensor, const CheckpointBinder& binder) {
  if (binder.is_used(tensor.name())) return binder.values_of(tensor.name());
  std::int64_t product = 1;
  for (const std::int64_t dim : tensor.entry->shape) product *= dim;
  return product;
}

}  // namespace

CheckpointInfo inspect_checkpoint(const std::filesystem::path& model_dir) {
  CheckpointInfo info;
  info.text_config = TextConfig::from_pretrained(model_dir);
  const Checkpoint checkpoint = Checkpoint::open(model_dir);
  const std::string prefix = text_prefix(checkpoint);
  info.quantization = stored_quantization(model_dir);
  CheckpointBinder binder(checkpoint, prefix, info.quantization);
  Decoder decoder;
  bind(binder, decoder, info.text_config);
  CheckpointBinder tower_binder(checkpoint, kWholeModelPrefix, info.quantization);
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
    row.parameters = parameter_count(tensor, row.of_text_model ? binder : tower_binder);
    info.total_parameters += row.parameters;
    if (row.of_text_model) info.text_parameters += row.parameters;
    const bool is_table = row.name == prefix + "embed_tokens.weight" ||
                          row.name == prefix + "embed_tokens_per_layer.weight";
    if (row.of_text_model && !is_table) info.effective_parameters += row.parameters;
    info.tensors.push_back(std::move(row));
  }
  return info;
}

}  // namespace gemma3n
