// What stands between media and the model: sounds become the tensors the towers take.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/error.h"
#include "gemma3n/tensor.h"

namespace gemma3n {

// Parameters of an AudioFeatureExtractor; names and defaults as in preprocessor_config.json.
struct AudioFeatureExtractorConfig {
  std::int64_t feature_size = 128;     // F mel bins
  std::int64_t sampling_rate = 16000;  // Hz
  double padding_value = 0.0;          // of samples
  std::string padding_side = "right";  // or "left"
  bool return_attention_mask = true;
  double frame_length_ms = 32.0;
  double hop_length_ms = 10.0;   // from frame to frame
  double min_frequency = 125.0;  // Hz, of the mel filters
  double max_frequency = 7600.0;
  double preemphasis = 0.97;  // 0: none
  bool preemphasis_htk_flavor = true;
  bool fft_overdrive = true;              // a transform of twice the length
  double dither = 0.0;                    // standard deviation of the noise that is added; 0: none
  double input_scale_factor = 1.0;        // of samples
  double mel_floor = 1e-5;                // least magnitude, before the logarithm
  std::vector<double> per_bin_mean = {};  // [F], or empty: none is subtracted
  std::vector<double> per_bin_stddev = {};  // [F], or empty: no division

  // Throws: kInvalidArgument naming the parameter, its value and what is allowed.
  void validate() const;
  // Reads the "feature_extractor" of processor_config.json, or else preprocessor_config.json.
  // Other keys, "frame_length" and "hop_length" among them, are ignored, as transformers does.
  // Throws: kNotFound if neither file is there; kCorruptData; kInvalidArgument; the message names
  // the file and the key.
  static AudioFeatureExtractorConfig from_pretrained(const std::filesystem::path& model_dir);
  static AudioFeatureExtractorConfig from_json(std::string_view json);  // the object itself
};

// Options of one call, as those of Gemma3nAudioFeatureExtractor.__call__.
struct AudioFeatureOptions {
  enum class Padding { kLongest, kMaxLength, kDoNotPad };
  Padding padding = Padding::kLongest;
  std::optional<std::int64_t> max_length = 480000;       // samples
  bool truncation = true;                                // of clips longer than max_length
  std::optional<std::int64_t> pad_to_multiple_of = 128;  // samples; max_length is rounded up too
  std::optional<bool> return_attention_mask = true;      // absent: the extractor's own setting
  std::uint32_t dither_seed = 0;  // the noise is that of numpy.random.seed(dither_seed)
};

struct AudioFeatures {
  Tensor input_features;       // [B, T, F] f32: natural logarithms of mel magnitudes
  Tensor input_features_mask;  // [B, T] bool, true = sound; absent if not asked for
};

// Log-mel features of mono sound. Immutable; copies share their tables; safe to use from many
// threads. Ref: HF Gemma3nAudioFeatureExtractor
class AudioFeatureExtractor {
 public:
  explicit AudioFeatureExtractor(const AudioFeatureExtractorConfig& config = {});
  static AudioFeatureExtractor from_pretrained(const std::filesystem::path& model_dir);

  // clips: samples at config().sampling_rate, about -1 to 1. A batch whose longest clip is shorter
  // than a frame and a sample (513) has T = 0.
  // Throws: kInvalidArgument for no clips, a sample that is not finite, truncation or kMaxLength
  // without max_length, clips of different length without padding.
  // Differs: HF fails when asked for no mask, and for feature_size 1; it lets NaN pass through.
  AudioFeatures operator()(std::span<const std::span<const float>> clips,
                           const AudioFeatureOptions& options = {}) const;
  AudioFeatures operator()(std::span<const float> clip,
                           const AudioFeatureOptions& options = {}) const;

  const AudioFeatureExtractorConfig& config() const;

 private:
  struct Tables;
  std::shared_ptr<const Tables> tables_;
};

}  // namespace gemma3n
