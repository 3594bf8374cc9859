#include "media_options.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "input.h"
#include "messages.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

constexpr double kClipSeconds = 30.0;
constexpr int kRawRateHz = 16000;
constexpr std::size_t kRawSampleBytes = 2;

AudioClip raw_sound(std::string_view bytes, int rate_hz) {
  if (bytes.size() % kRawSampleBytes != 0) {
    fail(ErrorCode::kCorruptData, "expected a sound file or raw 16-bit samples, got ", bytes.size(),
         " bytes that are neither");
  }
  AudioClip clip = {kRawRateHz, {}};
  clip.samples.reserve(bytes.size() / kRawSampleBytes);
  for (std::size_t i = 0; i < bytes.size(); i += kRawSampleBytes) {
    const auto low = static_cast<unsigned char>(bytes[i]);
    const auto high = static_cast<unsigned char>(bytes[i + 1]);
    const auto value = static_cast<std::int16_t>(low | high << 8);
    clip.samples.push_back(static_cast<float>(value) / 32768.0f);
  }
  return rate_hz == kRawRateHz ? clip : resample(clip, rate_hz);
}

AudioClip sound_from_standard_input(int rate_hz, const MediaLimits& limits) {
  const std::string bytes = read_standard_input(limits.max_file_bytes);
  try {
    const auto file = std::as_bytes(std::span(bytes));
    if (sound_format(file).empty()) return raw_sound(bytes, rate_hz);
    return decode_audio(file, rate_hz, limits);
  } catch (const Error& error) {
    fail(error.code(), "standard input: ", error.what());
  }
}

std::string shown_name(const std::string& source) {
  if (source == "-") return "standard input";
  constexpr std::size_t kMost = 100;  // a data: URL may have megabytes
  return visible_line(source.size() <= kMost ? source : source.substr(0, kMost) + "...");
}

}  // namespace

MediaLimits MediaOptions::limits() const {
  MediaLimits limits;
  limits.allow_private_addresses = allow_private_urls;
  return limits;
}

LongAudio MediaOptions::long_audio_mode() const {
  if (!long_audio || *long_audio == "cut") return LongAudio::kCut;
  if (*long_audio == "split") return LongAudio::kSplit;
  fail(ErrorCode::kInvalidArgument, "--long-audio: expected cut or split, got '", *long_audio, "'");
}

void declare_url_options(Options& options, MediaOptions& slots) {
  options.flag("--allow-private-urls", slots.allow_private_urls,
               "let URLs lead to this machine and to private networks");
}

void declare_image_size(Options& options, MediaOptions& slots) {
  options.add("--image-size", "N", slots.image_size,
              "pictures become N x N pixels: fewer are faster, show less (the checkpoint's)");
}

void declare_long_audio(Options& options, MediaOptions& slots) {
  options.add("--long-audio", "MODE", slots.long_audio,
              "sound beyond 30 s: cut = drop it; split = several clips (cut)");
}

void declare_media_options(Options& options, MediaOptions& slots) {
  options.heading("Pictures and sounds");
  options.add("--image", "SOURCE", slots.images,
              "show a picture: a path or a URL; may be given several times");
  options.add("--audio", "SOURCE", slots.sounds, "play a sound, likewise; \"-\" is standard input");
  declare_image_size(options, slots);
  declare_long_audio(options, slots);
  declare_url_options(options, slots);
}

Processor load_processor(const std::filesystem::path& model_dir, const MediaOptions& given) {
  const auto processor = Processor::from_pretrained(model_dir);
  if (!given.image_size) return processor;
  constexpr std::int64_t kLeast = 32, kMost = 2048;
  if (*given.image_size < kLeast || *given.image_size > kMost) {
    fail(ErrorCode::kInvalidArgument, "--image-size: expected ", kLeast, " to ", kMost,
         " pixels, got ", *given.image_size);
  }
  try {
    return processor.with_image_size(*given.image_size);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    fail(ErrorCode::kUnsupported,
         "--image-size: this checkpoint takes no pictures: it has no image ",
         "processor (preprocessor_config.json)");
  }
}

int sample_rate_hz(const Processor& processor) {
  try {
    return static_cast<int>(processor.feature_extractor().config().sampling_rate);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return 0;
    throw;
  }
}

double seconds_of(const AudioClip& clip) {
  return static_cast<double>(clip.samples.size()) / static_cast<double>(clip.sample_rate_hz);
}

AudioClip load_sound(const std::string& source, int rate_hz, const MediaLimits& limits) {
  if (rate_hz == 0) {
    fail(ErrorCode::kUnsupported, "this checkpoint takes no sounds: it has no feature extractor ",
         "(preprocessor_config.json)");
  }
  AudioClip clip = source == "-" ? sound_from_standard_input(rate_hz, limits)
                                 : load_audio(source, rate_hz, limits);
  if (clip.samples.empty()) {
    fail(ErrorCode::kInvalidArgument, shown_name(source), ": there is no sound in it");
  }
  return clip;
}

Part load_image_part(const std::string& source, const MediaLimits& limits) {
  return image_part(load_image(source, limits));
}

std::vector<Part> load_sound_parts(const std::string& source, LongAudio mode, int rate_hz,
                                   const MediaLimits& limits) {
  AudioClip clip = load_sound(source, rate_hz, limits);
  std::vector<Part> parts;
  if (mode == LongAudio::kSplit) {
    for (auto& segment : split_audio(clip, kClipSeconds)) {
      parts.push_back(audio_part(std::move(segment.clip)));
    }
    return parts;
  }
  const double seconds = seconds_of(clip);
  if (seconds > kClipSeconds) {
    print_warning(shown_name(source) + ": of its " + fixed(seconds, 1) +
                  " s the model hears the first 30 s; --long-audio split lets it hear all");
    clip.samples.resize(static_cast<std::size_t>(kClipSeconds * clip.sample_rate_hz));
  }
  parts.push_back(audio_part(std::move(clip)));
  return parts;
}

std::vector<Part> load_media_parts(const MediaOptions& given, int rate_hz) {
  if (std::ranges::count(given.sounds, "-") > 1) {
    fail(ErrorCode::kInvalidArgument, "--audio: standard input can be read only once");
  }
  const auto limits = given.limits();
  const auto mode = given.long_audio_mode();
  std::vector<Part> parts;
  for (const auto& source : given.images) parts.push_back(load_image_part(source, limits));
  for (const auto& source : given.sounds) {
    for (auto& part : load_sound_parts(source, mode, rate_hz, limits)) {
      parts.push_back(std::move(part));
    }
  }
  return parts;
}

}  // namespace gemma3n::cli
