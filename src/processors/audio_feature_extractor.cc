#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <cstddef>
#include <numbers>
#include <utility>

#include "gemma3n/processor.h"
#include "processors/legacy_normal.h"
#include "processors/mel_filters.h"
#include "processors/real_fft.h"

namespace gemma3n {
namespace {

constexpr std::int64_t kMaxFrameSamples = 1 << 20;
constexpr std::int64_t kMaxFeatureSize = 1 << 16;
constexpr std::int64_t kMaxBatchSamples = std::int64_t{1} << 36;
constexpr float kLoudest = 1e30f;  // beyond it float32 magnitudes could overflow

// Python's int(round(x)): halves go to the even neighbour.
std::int64_t samples_of(std::int64_t sampling_rate, double milliseconds) {
  return std::llrint(static_cast<double>(sampling_rate) * milliseconds / 1000.0);
}

std::int64_t rounded_up(std::int64_t n, std::optional<std::int64_t> multiple) {
  return multiple ? (n + *multiple - 1) / *multiple * *multiple : n;
}

// The cosine as NumPy's vector loops compute it in float32. It is up to an ulp off the rounded
// cosine, which shows in quiet bins: features are logarithms of differences that nearly cancel.
float numpy_cos(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding and subtracting it rounds to integer
  const float quadrant = std::fma(x, 0x1.45f306p-1f, kRound) - kRound;  // x / (pi / 2)
  float r = std::fma(quadrant, -0x1.921fb0p+00f, x);                    // x - quadrant * pi / 2
  r = std::fma(quadrant, -0x1.5110b4p-22f, r);
  r = std::fma(quadrant, -0x1.846988p-48f, r);
  const float square = r * r;
  const auto turns = static_cast<int>(quadrant);
  float y = 0.0f;
  if (turns % 2 == 0) {
    y = std::fma(0x1.98e616p-16f, square, -0x1.6c06dcp-10f);
    y = std::fma(y, square, 0x1.55553cp-05f);
    y = std::fma(y, square, -0x1.000000p-01f);
    y = std::fma(y, square, 1.0f);
  } else {
    y = std::fma(0x1.7d3bbcp-19f, square, -0x1.a06bbap-13f);
    y = std::fma(y, square, 0x1.11119ap-07f);
    y = std::fma(y, square, -0x1.555556p-03f);
    y = std::fma(y * square, r, r);
  }
  return (turns + 1) % 4 >= 2 ? -y : y;
}

// 0.5 (1 - cos(2 pi n / N)): a Hann window without its last, zero, sample.
std::vector<float> hann_window(std::size_t length) {
  constexpr auto kTwoPi = static_cast<float>(2 * std::numbers::pi);
  std::vector<float> window(length);
  for (std::size_t n = 0; n < length; ++n) {
    const float angle = kTwoPi * static_cast<float>(n) / static_cast<float>(length);
    window[n] = 0.5f * (1.0f - numpy_cos(angle));
  }
  return window;
}

}  // namespace

struct AudioFeatureExtractor::Tables {
  AudioFeatureExtractorConfig config;
  std::size_t frame_length;   // samples
  std::size_t hop_length;     // samples
  std::vector<float> window;  // [frame_length]
  RealFft fft;
  MelFilters mel;

  explicit Tables(const AudioFeatureExtractorConfig& c);

  std::size_t frames(std::size_t samples) const {
    return samples <= frame_length ? 0 : (samples - frame_length - 1) / hop_length + 1;
  }
  // samples: all of a clip, padding included.   features: [frames, F]
  void extract(std::span<const float> samples, std::span<float> features) const;

 private:
  void emphasize(const float* samples, std::span<float> frame) const;
  void normalize(std::span<double> mel, float* features) const;
};

AudioFeatureExtractor::Tables::Tables(const AudioFeatureExtractorConfig& c)
    : config((c.validate(), c)),
      frame_length(static_cast<std::size_t>(samples_of(c.sampling_rate, c.frame_length_ms))),
      hop_length(static_cast<std::size_t>(samples_of(c.sampling_rate, c.hop_length_ms))),
      window(hann_window(frame_length)),
      fft(std::bit_ceil(frame_length) * (c.fft_overdrive ? 2 : 1)),
      mel(fft.size() / 2 + 1, static_cast<std::size_t>(c.feature_size),
          {c.min_frequency, c.max_frequency},
          static_cast<double>(c.sampling_rate) / static_cast<double>(fft.size())) {}

// HTK's flavour makes up the sample before the frame, the other one takes it from the sound: its
// frames start one sample later.   samples: [frame_length + 1]
void AudioFeatureExtractor::Tables::emphasize(const float* samples, std::span<float> frame) const {
  const auto factor = static_cast<float>(config.preemphasis);
  if (!(config.preemphasis > 0.0)) {
    std::copy_n(samples, frame_length, frame.begin());
  } else if (config.preemphasis_htk_flavor) {
    frame[0] = samples[0] * static_cast<float>(1.0 - config.preemphasis);
    for (std::size_t i = 1; i < frame_length; ++i) frame[i] = samples[i] - factor * samples[i - 1];
  } else {
    for (std::size_t i = 0; i < frame_length; ++i) frame[i] = samples[i + 1] - factor * samples[i];
  }
}

// (log(max(mel, floor)) - mean) / stddev
void AudioFeatureExtractor::Tables::normalize(std::span<double> mel_frame, float* features) const {
  for (std::size_t m = 0; m < mel_frame.size(); ++m) {
    double value = std::log(std::max(mel_frame[m], config.mel_floor));
    if (!config.per_bin_mean.empty()) value -= config.per_bin_mean[m];
    if (!config.per_bin_stddev.empty()) value /= config.per_bin_stddev[m];
    features[m] = static_cast<float>(value);
  }
}

// Ref: HF Gemma3nAudioFeatureExtractor._extract_spectrogram
void AudioFeatureExtractor::Tables::extract(std::span<const float> samples,
                                            std::span<float> features) const {
  const auto F = static_cast<std::size_t>(config.feature_size);
  std::vector<float> frame(fft.size());  // zero beyond the frame
  std::vector<std::complex<double>> spectrum(fft.size() / 2 + 1);
  std::vector<float> magnitude(spectrum.size());
  std::vector<double> mel_frame(F);
  for (std::size_t t = 0; t < frames(samples.size()); ++t) {
    emphasize(samples.data() + t * hop_length, std::span(frame).first(frame_length));
    for (std::size_t i = 0; i < frame_length; ++i) frame[i] *= window[i];
    fft.forward(frame, spectrum);
    magnitudes(spectrum, magnitude);
    mel.apply(magnitude, mel_frame);
    normalize(mel_frame, features.data() + t * F);
  }
}

namespace {

// The samples of a batch after truncation, and where padding goes.
struct Batch {
  std::vector<std::span<const float>> clips;
  std::int64_t length = 0;  // of each clip with its padding

  std::size_t padding(std::size_t clip) const {
    return static_cast<std::size_t>(length) - clips[clip].size();
  }
};

void check_samples(std::span<const float> samples, std::size_t clip, double scale) {
  const auto factor = static_cast<float>(scale);
  const auto bad =
      std::ranges::find_if(samples, [&](float x) { return !(std::fabs(x * factor) <= kLoudest); });
  if (bad == samples.end()) return;
  fail(ErrorCode::kInvalidArgument, "audio clip ", clip, ": sample ", bad - samples.begin(),
       ": expected a finite number of at most ", kLoudest, ", got ", *bad);
}

void check_options(const AudioFeatureOptions& o) {
  const auto positive = [](const char* name, std::optional<std::int64_t> value) {
    if (value && *value < 1) {
      fail(ErrorCode::kInvalidArgument, name, ": expected at least 1, got ", *value);
    }
    if (value && *value > kMaxBatchSamples) {
      fail(ErrorCode::kInvalidArgument, name, ": expected at most ", kMaxBatchSamples, ", got ",
           *value);
    }
  };
  positive("max_length", o.max_length);
  positive("pad_to_multiple_of", o.pad_to_multiple_of);
  if (o.max_length) return;
  if (o.truncation) fail(ErrorCode::kInvalidArgument, "truncation needs a max_length, got none");
  if (o.padding == AudioFeatureOptions::Padding::kMaxLength) {
    fail(ErrorCode::kInvalidArgument, "padding to max_length needs a max_length, got none");
  }
}

// Ref: HF SequenceFeatureExtractor.pad
Batch arrange(std::span<const std::span<const float>> clips, const AudioFeatureOptions& o) {
  check_options(o);
  if (clips.empty()) {
    fail(ErrorCode::kInvalidArgument, "audio features: expected at least one clip, got none");
  }
  Batch batch;
  std::size_t longest = 0;
  for (std::span<const float> clip : clips) {
    if (o.truncation) {
      const std::int64_t limit = rounded_up(*o.max_length, o.pad_to_multiple_of);
      clip = clip.first(std::min(clip.size(), static_cast<std::size_t>(limit)));
    }
    longest = std::max(longest, clip.size());
    batch.clips.push_back(clip);
  }
  batch.length = static_cast<std::int64_t>(longest);
  if (o.padding == AudioFeatureOptions::Padding::kMaxLength) {
    batch.length = std::max(batch.length, rounded_up(*o.max_length, o.pad_to_multiple_of));
  } else if (o.padding == AudioFeatureOptions::Padding::kLongest) {
    batch.length = rounded_up(batch.length, o.pad_to_multiple_of);
  }
  return batch;
}

// A batch is one tensor, so what padding leaves must be of one length.
void check_equal_lengths(const Batch& batch, const AudioFeatureOptions& o) {
  std::size_t unpadded_to = static_cast<std::size_t>(batch.length);
  if (o.padding == AudioFeatureOptions::Padding::kMaxLength) {
    unpadded_to = static_cast<std::size_t>(rounded_up(*o.max_length, o.pad_to_multiple_of));
  }
  for (std::size_t b = 0; b < batch.clips.size(); ++b) {
    const bool padded =
        o.padding != AudioFeatureOptions::Padding::kDoNotPad && batch.clips[b].size() < unpadded_to;
    const std::size_t size = padded ? unpadded_to : batch.clips[b].size();
    if (size == static_cast<std::size_t>(batch.length)) continue;
    fail(ErrorCode::kInvalidArgument, "audio clip ", b, ": expected ", batch.length,
         " samples like the longest clip of the batch, got ", size,
         "; pad to the longest or truncate");
  }
}

}  // namespace

AudioFeatureExtractor::AudioFeatureExtractor(const AudioFeatureExtractorConfig& config)
    : tables_(std::make_shared<const Tables>(config)) {}

const AudioFeatureExtractorConfig& AudioFeatureExtractor::config() const { return tables_->config; }

AudioFeatureExtractor AudioFeatureExtractor::from_pretrained(
    const std::filesystem::path& model_dir) {
  return AudioFeatureExtractor(AudioFeatureExtractorConfig::from_pretrained(model_dir));
}

AudioFeatures AudioFeatureExtractor::operator()(std::span<const float> clip,
                                                const AudioFeatureOptions& options) const {
  return (*this)(std::span(&clip, 1), options);
}

AudioFeatures AudioFeatureExtractor::operator()(std::span<const std::span<const float>> clips,
                                                const AudioFeatureOptions& options) const {
  const AudioFeatureExtractorConfig& c = tables_->config;
  const Batch batch = arrange(clips, options);
  check_equal_lengths(batch, options);
  const auto B = static_cast<std::int64_t>(batch.clips.size());
  const auto N = static_cast<std::size_t>(batch.length);
  const std::size_t T = tables_->frames(N), F = static_cast<std::size_t>(c.feature_size);

  AudioFeatures result;
  result.input_features = Tensor(DType::kF32, {B, static_cast<std::int64_t>(T), c.feature_size});
  if (options.return_attention_mask.value_or(c.return_attention_mask)) {
    result.input_features_mask = Tensor(DType::kBool, {B, static_cast<std::int64_t>(T)});
  }
  LegacyNormal noise(options.dither_seed);
  std::vector<float> samples(N);
  for (std::size_t b = 0; b < batch.clips.size(); ++b) {
    const std::span<const float> clip = batch.clips[b];
    check_samples(clip, b, c.input_scale_factor);
    const std::size_t first = c.padding_side == "left" ? batch.padding(b) : 0;
    std::ranges::fill(samples, static_cast<float>(c.padding_value));
    std::ranges::copy(clip, samples.begin() + static_cast<std::ptrdiff_t>(first));
    if (c.dither > 0.0) {
      const auto deviation = static_cast<float>(c.dither);
      for (float& x : samples) x += deviation * static_cast<float>(noise());
    }
    const auto scale = static_cast<float>(c.input_scale_factor);
    for (float& x : samples) x *= scale;
    tables_->extract(samples, result.input_features.f32().subspan(b * T * F, T * F));
    if (!result.input_features_mask) continue;
    for (std::size_t t = 0; t < T; ++t) {
      const std::size_t sample = t * tables_->hop_length;
      const bool is_sound = sample >= first && sample < first + clip.size();
      result.input_features_mask.bytes()[b * T + t] = std::byte{is_sound};
    }
  }
  return result;
}

void AudioFeatureExtractorConfig::validate() const {
  const auto expect = [](bool holds, const char* name, const char* allowed, const auto& value) {
    if (holds) return;
    fail(ErrorCode::kInvalidArgument, name, ": expected ", allowed, ", got ", value);
  };
  const auto finite = [&](const char* name, double value) {
    expect(std::isfinite(value) && std::fabs(value) <= 1e30, name, "a finite number", value);
  };
  expect(feature_size >= 1 && feature_size <= kMaxFeatureSize, "feature_size", "1 to 65536",
         feature_size);
  expect(sampling_rate >= 1 && sampling_rate <= 100'000'000, "sampling_rate", "1 to 100000000 Hz",
         sampling_rate);
  expect(padding_side == "right" || padding_side == "left", "padding_side", "right or left",
         '"' + padding_side + '"');
  for (const auto& [name, value] :
       {std::pair("padding_value", padding_value), std::pair("preemphasis", preemphasis),
        std::pair("dither", dither), std::pair("input_scale_factor", input_scale_factor)}) {
    finite(name, value);
  }
  const auto samples = [&](double ms) {
    return std::isfinite(ms) && std::fabs(ms) < 1e15 ? samples_of(sampling_rate, ms) : 0;
  };
  const std::int64_t frame = samples(frame_length_ms), hop = samples(hop_length_ms);
  expect(frame >= 2 && frame <= kMaxFrameSamples, "frame_length_ms", "2 to 1048576 samples",
         frame_length_ms);
  expect(hop >= 1 && hop <= kMaxFrameSamples, "hop_length_ms", "1 to 1048576 samples",
         hop_length_ms);
  expect(min_frequency > -700.0 && min_frequency < max_frequency, "min_frequency",
         "less than max_frequency", min_frequency);
  expect(max_frequency <= 1e9, "max_frequency", "at most 1e9 Hz", max_frequency);
  expect(mel_floor >= 0.0 && mel_floor <= 1e30, "mel_floor", "at least 0", mel_floor);
  const auto F = static_cast<std::size_t>(feature_size);
  for (const auto* list : {&per_bin_mean, &per_bin_stddev}) {
    const char* name = list == &per_bin_mean ? "per_bin_mean" : "per_bin_stddev";
    expect(list->empty() || list->size() == F, name, "feature_size values", list->size());
    for (const double value : *list) finite(name, value);
  }
  for (const double value : per_bin_stddev) {
    expect(value != 0.0, "per_bin_stddev", "no zero", value);
  }
}

}  // namespace gemma3n
