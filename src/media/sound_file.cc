#include "media/sound_file.h"

#include <cmath>

namespace gemma3n {
namespace {

constexpr int kBlockFrames = 16384;

std::int64_t flac_total(std::span<const std::byte> bytes) {
  if (bytes.size() < kFlacTotalAt + kFlacTotalBytes) return 0;
  std::int64_t total = 0;
  for (const std::byte b : bytes.subspan(kFlacTotalAt, kFlacTotalBytes)) {
    total = total << 8 | std::to_integer<int>(b);
  }
  return total & 0xF'FFFF'FFFF;
}

std::unique_ptr<SoundDecoder> open(std::span<const std::byte> bytes, AudioFormat format) {
  return format == AudioFormat::kMp3 ? open_mp3(bytes) : open_with_sndfile(bytes, format);
}

}  // namespace

SoundFile::SoundFile(std::span<const std::byte> bytes, AudioFormat format)
    : decoder_(open(bytes, format)), format_(format) {
  const int rate_hz = decoder_->sample_rate_hz, channels = decoder_->channels;
  if (rate_hz < kMinRateHz || rate_hz > kMaxRateHz) {
    fail(ErrorCode::kInvalidArgument, "sample rate: expected ", kMinRateHz, " to ", kMaxRateHz,
         " Hz, got ", rate_hz);
  }
  if (channels < 1 || channels > kMaxChannels) {
    fail(ErrorCode::kInvalidArgument, "channels: expected 1 to ", kMaxChannels, ", got ", channels);
  }
  if (format == AudioFormat::kFlac) flac_total_ = flac_total(bytes);
  interleaved_.resize(static_cast<std::size_t>(kBlockFrames * channels));
  mono_.resize(static_cast<std::size_t>(kBlockFrames));
}

// Is there only an end that was cut off, or tags, behind this many samples?
bool SoundFile::may_end_at(std::int64_t frames) const {
  switch (format_) {
    case AudioFormat::kWav:
    case AudioFormat::kMp3:
      return false;
    case AudioFormat::kFlac:
      return flac_total_ > 0 && frames >= flac_total_;
    case AudioFormat::kOgg:
      return frames > 0;
  }
  return false;
}

std::span<const float> SoundFile::read_mono() {
  const SoundBlock block = decoder_->read(interleaved_);
  const std::int64_t frames_now = frames_read_ + static_cast<std::int64_t>(block.frames);
  if (!damage_.empty()) {
    if (block.frames == 0) return {};
    fail(ErrorCode::kCorruptData, damage_);  // between samples
  }
  if (!block.damage.empty()) {
    damage_ = "sound is damaged behind sample " + std::to_string(frames_now) + ": " + block.damage;
    if (!may_end_at(frames_now)) fail(ErrorCode::kCorruptData, damage_);
    if (block.frames == 0) return read_mono();  // once more: is there sound behind the damage?
  }
  const auto channels = static_cast<std::size_t>(decoder_->channels);
  for (std::size_t i = 0; i < block.frames; ++i) {
    mono_[i] = mean_of_channels(std::span(interleaved_).subspan(i * channels, channels));
    if (!std::isfinite(mono_[i])) {
      fail(ErrorCode::kCorruptData, "sample ", frames_read_ + static_cast<std::int64_t>(i),
           ": expected a finite number, got ", mono_[i]);
    }
  }
  frames_read_ = frames_now;
  return std::span(mono_).first(block.frames);
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
