#include "media/sound_file.h"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace gemma3n {
namespace {

constexpr sf_count_t kBlockFrames = 16384;

// A message of libsndfile as one line without its full stop.
std::string reason(SNDFILE* file) {
  std::string text = sf_strerror(file);
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c > 0x7E; }, ' ');
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  // Neither is told from the library: the files are in memory, and a header whose numbers are zero,
  // negative in 32 bits or at odds with the data is not an error inside.
  if (text.starts_with("File does not exist")) return "expected frames of sound";
  if (text.find("nternal error") != text.npos) return "its data contradicts its header";
  return text;
}

bool is_expected(int sndfile_format, AudioFormat format) {
  const int type = sndfile_format & SF_FORMAT_TYPEMASK;
  switch (format) {
    case AudioFormat::kWav:
      return type == SF_FORMAT_WAV || type == SF_FORMAT_WAVEX;
    case AudioFormat::kFlac:
      return type == SF_FORMAT_FLAC;
    case AudioFormat::kOgg:
      return type == SF_FORMAT_OGG;
    case AudioFormat::kMp3:
      return type == SF_FORMAT_MPEG;
  }
  return false;
}

// 36 bits. Ref: RFC 9639, 8.2
constexpr sf_count_t kFlacTotalAt = 21, kFlacTotalBytes = 5;

std::int64_t flac_total(std::span<const std::byte> bytes) {
  if (bytes.size() < kFlacTotalAt + kFlacTotalBytes) return 0;
  std::int64_t total = 0;
  for (const std::byte b : bytes.subspan(kFlacTotalAt, kFlacTotalBytes)) {
    total = total << 8 | std::to_integer<int>(b);
  }
  return total & 0xF'FFFF'FFFF;
}

}  // namespace

// libsndfile's view of bytes in memory.
struct SoundFile::Source {
  std::span<const std::byte> bytes;
  AudioFormat format;
  sf_count_t position = 0;
  SNDFILE* file = nullptr;

  sf_count_t size() const { return static_cast<sf_count_t>(bytes.size()); }

  static sf_count_t length(void* self) { return static_cast<Source*>(self)->size(); }
  static sf_count_t tell(void* self) { return static_cast<Source*>(self)->position; }
  static sf_count_t write(const void*, sf_count_t, void*) { return 0; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    auto& s = *static_cast<Source*>(self);
    const sf_count_t base = whence == SEEK_SET ? 0 : (whence == SEEK_CUR ? s.position : s.size());
    // Offsets come from the file: neither may the sum overflow nor the position leave the bytes.
    s.position = base + std::clamp(offset, -base, s.size() - base);
    return s.position;
  }
  // The number of samples in FLAC's STREAMINFO as 0, which says that nobody knows: libsndfile would
  // stop at it.   to: the `count` bytes from `position` on
  void forget_flac_total(char* to, sf_count_t count) const {
    const sf_count_t begin = std::max(kFlacTotalAt, position);
    const sf_count_t end = std::min(kFlacTotalAt + kFlacTotalBytes, position + count);
    for (sf_count_t i = begin; i < end; ++i) {
      char& byte = to[i - position];
      byte = static_cast<char>(i == kFlacTotalAt ? byte & 0xF0 : 0);
    }
  }
  static sf_count_t read(void* to, sf_count_t count, void* self) {
    auto& s = *static_cast<Source*>(self);
    count = std::clamp<sf_count_t>(count, 0, s.size() - s.position);
    if (count > 0) {
      std::memcpy(to, s.bytes.data() + s.position, static_cast<std::size_t>(count));
      if (s.format == AudioFormat::kFlac) s.forget_flac_total(static_cast<char*>(to), count);
    }
    s.position += count;
    return count;
  }
};

SoundFile::SoundFile(std::span<const std::byte> bytes, AudioFormat format)
    : source_(std::make_unique<Source>(Source{bytes, format})) {
  SF_VIRTUAL_IO io = {Source::length, Source::seek, Source::read, Source::write, Source::tell};
  SF_INFO info = {};
  source_->file = sf_open_virtual(&io, SFM_READ, &info, source_.get());
  if (source_->file == nullptr) {
    const std::string why = reason(nullptr);
    const bool is_codec = format == AudioFormat::kWav && why.find("unimplemented") != why.npos;
    fail(is_codec ? ErrorCode::kUnsupported : ErrorCode::kCorruptData,
         "sound cannot be decoded: ", why);
  }
  const auto refuse = [&](ErrorCode code, const auto&... what) {
    sf_close(source_->file);
    source_->file = nullptr;
    fail(code, what...);
  };
  if (!is_expected(info.format, format)) {
    refuse(ErrorCode::kCorruptData, "sound cannot be decoded: its format changes behind the start");
  }
  if (info.samplerate < kMinRateHz || info.samplerate > kMaxRateHz) {
    refuse(ErrorCode::kInvalidArgument, "sample rate: expected ", kMinRateHz, " to ", kMaxRateHz,
           " Hz, got ", info.samplerate);
  }
  if (info.channels < 1 || info.channels > kMaxChannels) {
    refuse(ErrorCode::kInvalidArgument, "channels: expected 1 to ", kMaxChannels, ", got ",
           info.channels);
  }
  if (format == AudioFormat::kFlac) flac_total_ = flac_total(bytes);
  sample_rate_hz_ = info.samplerate;
  channels_ = info.channels;
  interleaved_.resize(static_cast<std::size_t>(kBlockFrames * channels_));
  mono_.resize(static_cast<std::size_t>(kBlockFrames));
}

SoundFile::~SoundFile() {
  if (source_->file != nullptr) sf_close(source_->file);
}

std::span<const float> SoundFile::read_mono() {
  const sf_count_t read = sf_readf_float(source_->file, interleaved_.data(), kBlockFrames);
  const auto frames = static_cast<std::size_t>(std::max<sf_count_t>(read, 0));
  const std::int64_t frames_now = frames_read_ + static_cast<std::int64_t>(frames);
  if (!damage_.empty()) {
    if (frames == 0) return {};  // an end that is cut off, or tags behind it
    fail(ErrorCode::kCorruptData, damage_);
  }
  if (sf_error(source_->file) != SF_ERR_NO_ERROR) {
    damage_ = "sound is damaged behind sample " + std::to_string(frames_now) + ": " +
              reason(source_->file);
    const bool may_be_the_end = source_->format == AudioFormat::kOgg
                                    ? frames_now > 0
                                    : flac_total_ > 0 && frames_now >= flac_total_;
    if (!may_be_the_end) fail(ErrorCode::kCorruptData, damage_);
    if (frames == 0) return read_mono();  // once more: is there sound behind the damage?
  }
  const auto channels = static_cast<std::size_t>(channels_);
  for (std::size_t i = 0; i < frames; ++i) {
    mono_[i] = mean_of_channels(std::span(interleaved_).subspan(i * channels, channels));
    if (!std::isfinite(mono_[i])) {
      fail(ErrorCode::kCorruptData, "sample ", frames_read_ + static_cast<std::int64_t>(i),
           ": expected a finite number, got ", mono_[i]);
    }
  }
  frames_read_ = frames_now;
  return std::span(mono_).first(frames);
}

float mean_of_channels(std::span<const float> frame) {
  constexpr std::size_t kLanes = 8;
  const std::size_t n = frame.size();
  if (n == 1) return frame[0];
  float sum = 0.0f;
  std::size_t i = 0;
  if (n >= kLanes) {
    float lane[kLanes] = {};
    for (; i + kLanes <= n; i += kLanes) {
      for (std::size_t l = 0; l < kLanes; ++l) lane[l] += frame[i + l];
    }
    sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  }
  for (; i < n; ++i) sum += frame[i];
  return sum / static_cast<float>(n);
}

}  // namespace gemma3n
