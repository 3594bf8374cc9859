// What stands between media and the model: pictures and sounds become the tensors the towers take.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/chat.h"
#include "gemma3n/error.h"
#include "gemma3n/media.h"
#include "gemma3n/media_inputs.h"
#include "gemma3n/tensor.h"
#include "gemma3n/tokenizer.h"

namespace gemma3n {

// Parameters of an ImageProcessor; names as in preprocessor_config.json, values those of Gemma 3n.
struct ImageProcessorConfig {
  bool do_convert_rgb = true;  // arrays of 1 or 4 channels; alpha is blended over white
  bool do_resize = true;
  std::int64_t height = 768, width = 768;  // "size", pixels; the aspect ratio is not kept
  int resample = 2;                        // bilinear, the only filter there is
  bool do_rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool do_normalize = false;
  std::array<double, 3> image_mean = {0.5, 0.5, 0.5};  // per channel, after rescaling
  std::array<double, 3> image_std = {0.5, 0.5, 0.5};

  // Throws: kInvalidArgument naming the parameter, its value and what is allowed; kUnsupported for
  // another filter.
  void validate() const;
  // Reads the "image_processor" of processor_config.json, or else preprocessor_config.json. Keys
  // that are missing have the defaults of transformers' class (size 224, bicubic, normalised),
  // keys of other processors are ignored.
  // Throws: kNotFound if neither file is there; kCorruptData; kInvalidArgument; kUnsupported (other
  // forms of "size", cropping, padding). The message names the file and the key.
  static ImageProcessorConfig from_pretrained(const std::filesystem::path& model_dir);
  static ImageProcessorConfig from_json(std::string_view json);  // the object itself
};

enum class ChannelLayout {
  kInfer,  // the first dimension if it is 1, 3 or 4, else the last
  kFirst,
  kLast,
};

// Options of one call, as those of SiglipImageProcessor.__call__; absent: as configured.
struct ImageOptions {
  std::optional<bool> do_convert_rgb, do_resize, do_rescale, do_normalize;
  std::optional<std::int64_t> height, width;
  std::optional<int> resample;
  std::optional<double> rescale_factor;
  std::optional<std::array<double, 3>> image_mean, image_std;
  ChannelLayout input_data_format = ChannelLayout::kInfer;  // of arrays
};

// Pictures to the pixels the vision tower takes: resized to exactly height x width, rescaled,
// optionally normalised. uint8 pictures have the bits of the reference. Immutable; safe to use from
// many threads. Ref: HF SiglipImageProcessor (torchvision backend)
class ImageProcessor {
 public:
  explicit ImageProcessor(const ImageProcessorConfig& config = {});
  static ImageProcessor from_pretrained(const std::filesystem::path& model_dir);

  // Returns pixel_values [N, 3, height, width] f32, in order; a nested list is flattened.
  // Throws: kInvalidArgument for no pictures, a picture whose bytes do not fit its size, or
  // different sizes with do_resize off; what an option may be is said in validate().
  // Differs: HF returns uint8 when neither rescaling nor normalising; here it is f32 with the
  // same values.
  Tensor operator()(std::span<const Image> images, const ImageOptions& options = {}) const;
  Tensor operator()(std::span<const std::vector<Image>> samples,
                    const ImageOptions& options = {}) const;
  Tensor operator()(std::span<const std::shared_ptr<const Image>> images,
                    const ImageOptions& options = {}) const;
  // arrays: [C, H, W] or [H, W, C] each, uint8 or f32; float values are resized and rescaled as
  // they are, so hand over 0 to 255. Four channels must be f32 from 0 to 1, or uint8.
  // Throws: also kUnsupported for other dtypes.
  Tensor operator()(std::span<const Tensor> arrays, const ImageOptions& options = {}) const;

  const ImageProcessorConfig& config() const { return config_; }

 private:
  ImageProcessorConfig config_;
};

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

// How many soft tokens the model has for a medium; names as in processor_config.json.
struct ProcessorConfig {
  std::int64_t image_seq_length = 256;  // of a picture
  std::int64_t audio_seq_length = 188;  // of a clip

  // Throws: kInvalidArgument naming the parameter, its value and what is allowed.
  void validate() const;
  // processor_config.json, or the values above if it is not there or has no such keys.
  // Throws: kCorruptData, kInvalidArgument; the message names the file and the key.
  static ProcessorConfig from_pretrained(const std::filesystem::path& model_dir);
};

// What a call of Processor takes. At least one of the three.
struct ProcessorInputs {
  // Prompts with an image_token for each picture and an audio_token for each clip; an empty text is
  // a prompt, too. None: a prompt per sample of `images`, its pictures one after the other, or per
  // clip.
  std::vector<std::string> text = {};
  // Pictures, in the order of their placeholders over all prompts; how they are nested matters only
  // without text.
  std::vector<std::vector<std::shared_ptr<const Image>>> images = {};
  std::vector<std::shared_ptr<const AudioClip>> audio = {};  // clips, in the same order
};

struct ProcessorOptions {
  bool add_special_tokens = true;               // <bos> in front
  std::optional<std::int64_t> max_length = {};  // tokens; longer prompts lose their end
  ImageOptions image_options = {};
  AudioFeatureOptions audio_options = {};
};

struct ProcessorOutput {
  std::vector<std::vector<TokenId>> input_ids;            // [B], unpadded, as generate() takes them
  std::vector<std::vector<std::int64_t>> token_type_ids;  // the same: 0 text, 1 picture, 3 sound
  MediaInputs media;                                      // of all prompts, in order
};

// Prompts of a batch as tensors, filled up on the left.
struct PaddedText {
  Tensor input_ids, attention_mask, token_type_ids;  // [B, longest] i64 each; the mask is 0 there
};

// Texts with pictures and sounds to what a model takes. Immutable; copies share their tables; safe
// to use from many threads. Ref: HF Gemma3nProcessor
class Processor {
 public:
  // Reads the tokenizer, and of the other parts those that the folder has: the chat template,
  // preprocessor_config.json, processor_config.json. Without a part, only calls that need it throw.
  // Throws: as each part's from_pretrained, but for kNotFound.
  static Processor from_pretrained(const std::filesystem::path& model_dir);
  explicit Processor(Tokenizer tokenizer, std::optional<ChatTemplate> chat_template = {},
                     std::optional<ImageProcessor> image_processor = {},
                     std::optional<AudioFeatureExtractor> feature_extractor = {},
                     const ProcessorConfig& config = {});

  // A processor like this one, but pictures are brought to size x size pixels. They have as many
  // soft tokens whatever their size is; the work of the vision tower grows with its square. Gemma
  // 3n was trained with 256, 512 and 768. Throws: kNotFound without an image processor;
  // kInvalidArgument as ImageProcessorConfig::validate.
  Processor with_image_size(std::int64_t size) const;

  // Each placeholder becomes the soft tokens of its medium between its start and end tokens, with
  // an empty line on either side. Clips at another rate than the extractor's are resampled.
  // Throws: kInvalidArgument with the message of transformers' ValueError: no input; placeholders
  // and media that differ in number; soft tokens lost to max_length. As ImageProcessor and
  // AudioFeatureExtractor. kUnsupported if the checkpoint has no means for a medium.
  // Differs: HF takes the samples of a clip for 16 kHz whatever its rate is.
  ProcessorOutput operator()(const ProcessorInputs& inputs,
                             const ProcessorOptions& options = {}) const;

  // Renders each conversation and processes it with the media in its parts, in order. The special
  // tokens are those of the template: nothing is added if it writes <bos> itself.
  // Throws: as ChatTemplate::render and the call above; kNotFound without a template.
  ProcessorOutput apply_chat_template(std::span<const std::vector<Message>> conversations,
                                      const RenderOptions& render_options = {},
                                      const ProcessorOptions& options = {}) const;
  ProcessorOutput apply_chat_template(const std::vector<Message>& conversation,
                                      const RenderOptions& render_options = {},
                                      const ProcessorOptions& options = {}) const;

  // For forward(): prompts of unequal length beside one another.
  // Throws: kInvalidArgument if there is something to fill and the tokenizer has no pad token.
  PaddedText pad(const ProcessorOutput& output) const;

  std::vector<std::string> batch_decode(std::span<const std::vector<TokenId>> sequences,
                                        bool skip_special_tokens = false) const;

  const Tokenizer& tokenizer() const;
  // Throw: kNotFound if the checkpoint has none.
  const ChatTemplate& chat_template() const;
  const ImageProcessor& image_processor() const;
  const AudioFeatureExtractor& feature_extractor() const;
  const ProcessorConfig& config() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace gemma3n
