#include "bench_model.h"

#include <algorithm>
#include <chrono>

#include "loading.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Numbers without a meaning, the same in every run.   Ref: Knuth's MMIX generator
class Noise {
 public:
  std::uint64_t next() {  // 0 to 2^31 - 1
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return state_ >> 33;
  }
  float next_float() { return static_cast<float>(next() >> 7) / 16777216.0f; }  // 0 to 1

 private:
  std::uint64_t state_ = 1;
};

std::vector<TokenId> arbitrary_prompt(std::int64_t tokens, const TextConfig& config) {
  const auto ids = std::min(config.vocab_size, config.vocab_size_per_layer_input);
  Noise noise;
  std::vector<TokenId> prompt;
  for (std::int64_t i = 0; i < tokens; ++i) {
    prompt.push_back(static_cast<TokenId>(noise.next() % static_cast<std::uint64_t>(ids)));
  }
  return prompt;
}

GenerateOutput generate_text(const ForCausalLM& model, CacheStorage cache,
                             std::int64_t prompt_tokens, std::int64_t decode_tokens) {
  GenerationConfig config;
  config.cache_storage = cache;
  config.max_new_tokens = decode_tokens + 1;  // the first new token belongs to the prefill
  config.eos_token_id.clear();                // nothing ends the answer early
  return generate(model, {arbitrary_prompt(prompt_tokens, model.config())}, config);
}

// Towers have 8 bits where the text model has 8 or 4.
bool is_quantized(std::span<const MatrixInfo> matrices) {
  return std::ranges::any_of(matrices,
                             [](const MatrixInfo& m) { return m.storage.starts_with('q'); });
}

Config synthetic_config(const BenchPlan& plan) {
  Config config = published_towers();
  if (plan.has(BenchRun::Kind::kText)) config.text_config = plan.config;
  return config;
}

}  // namespace

BenchModel::BenchModel(const BenchPlan& plan, const std::string& storage, int threads)
    : plan_(plan), storage_(storage), threads_(threads) {
  const auto kind = quantization(storage);
  if (plan.needs_towers()) {
    whole_ = plan.is_synthetic ? make_synthetic_model(synthetic_config(plan), threads, kind)
                               : load_whole_model(plan.model, threads, kind);
    text_ = whole_->language_model();
  } else {
    text_ = plan.is_synthetic ? make_synthetic_model(plan.config, threads, kind)
                              : load_model(plan.model, threads, kind).text();
  }
  if (plan.size) text_ = text_->sliced(*plan.size);
}

void BenchModel::warm_up(const BenchRun& run) const {
  constexpr std::int64_t kFewTokens = 32;
  if (run.kind == BenchRun::Kind::kLoad) return;  // the files have just been read
  if (run.kind == BenchRun::Kind::kText) {
    time_text(std::min(run.size, kFewTokens), 1);
  } else {
    time(run);
  }
}

std::vector<double> BenchModel::time(const BenchRun& run) const {
  switch (run.kind) {
    case BenchRun::Kind::kText:
      return time_text(run.size, plan_.decode_tokens);
    case BenchRun::Kind::kPicture:
      return time_picture(run.size);
    case BenchRun::Kind::kSound:
      return time_sound(run.size);
    case BenchRun::Kind::kLoad:
      return time_loading(run.size);
  }
  return {};
}

std::vector<BenchResult> BenchModel::describe(const BenchRun& run) const {
  std::vector<BenchResult> cases;
  for (const auto& name : run.cases) {
    cases.push_back({.name = name, .storage = storage_, .threads = threads_});
  }
  const auto tower = [&](std::optional<double> multiply_adds) {
    if (!multiply_adds) return;
    Work& work = cases.at(1).work;
    (is_quantized(text_->matrices()) ? work.int8_ops : work.f32_ops) = 2 * *multiply_adds;
  };
  switch (run.kind) {
    case BenchRun::Kind::kText: {
      const auto matrices = text_->matrices();
      const auto middle = run.size + plan_.decode_tokens / 2;
      cases.at(0).tokens = run.size;
      cases.at(0).work = prefill_work(text_->config(), matrices, run.size);
      cases.at(1).tokens = 1;
      cases.at(1).work = decode_work(text_->config(), matrices, plan_.cache, middle);
      cases.at(0).context = cases.at(1).context = run.size;
      break;
    }
    case BenchRun::Kind::kPicture:
      tower(vision_multiply_adds(whole_->config().vision_config, run.size));
      break;
    case BenchRun::Kind::kSound:
      tower(audio_multiply_adds(whole_->config().audio_config, run.size));
      break;
    case BenchRun::Kind::kLoad:
      break;
  }
  return cases;
}

std::vector<double> BenchModel::time_text(std::int64_t prompt_tokens,
                                          std::int64_t decode_tokens) const {
  const auto output = generate_text(*text_, plan_.cache, prompt_tokens, decode_tokens);
  return {output.prefill_seconds, output.decode_seconds / static_cast<double>(decode_tokens)};
}

std::vector<double> BenchModel::time_picture(std::int64_t size) const {
  Noise noise;
  Image image = {size, size, {}};
  for (std::int64_t i = 0; i < size * size * 3; ++i) {
    image.rgb.push_back(static_cast<std::uint8_t>(255.0f * noise.next_float()));
  }
  ImageProcessorConfig config;
  config.width = config.height = size;
  const ImageProcessor processor(config);
  const auto start = Clock::now();
  const Tensor pixels = processor(std::span(&image, 1));
  const double features_seconds = seconds_since(start);
  const auto tower_start = Clock::now();
  whole_->model().get_image_features(pixels);
  return {features_seconds, seconds_since(tower_start)};
}

std::vector<double> BenchModel::time_sound(std::int64_t seconds) const {
  constexpr std::int64_t kRateHz = 16000;
  Noise noise;
  std::vector<float> samples;
  for (std::int64_t i = 0; i < seconds * kRateHz; ++i) {
    samples.push_back(noise.next_float() - 0.5f);
  }
  AudioFeatureExtractorConfig config;
  config.feature_size = whole_->config().audio_config.input_feat_size;
  const AudioFeatureExtractor extractor(config);
  const auto start = Clock::now();
  const auto features = extractor(std::span<const float>(samples));
  const double features_seconds = seconds_since(start);
  const auto tower_start = Clock::now();
  whole_->model().get_audio_features(features.input_features, features.input_features_mask);
  return {features_seconds, seconds_since(tower_start)};
}

std::vector<double> BenchModel::time_loading(std::int64_t prompt_tokens) const {
  const auto start = Clock::now();
  const auto model = AnyModel::from_pretrained(
      plan_.model,
      {.threads = threads_, .quantization = quantization(storage_), .matformer = plan_.size});
  const double load_seconds = seconds_since(start);
  generate_text(model.text(), plan_.cache, prompt_tokens, 0);
  return {load_seconds, seconds_since(start)};
}

}  // namespace gemma3n::cli
