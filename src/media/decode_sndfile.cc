// WAV, FLAC, Ogg Vorbis and Opus through libsndfile.
#include <sndfile.h>

#include <algorithm>
#include <cstring>

#include "media/sound_decoders.h"

namespace gemma3n {
namespace {

// A message of libsndfile as one line without its full stop.
std::string reason(SNDFILE* file) {
  std::string text = sf_strerror(file);
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c > 0x7E; }, ' ');
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  // What it says of headers whose numbers are zero, negative in 32 bits or at odds with the data.
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
      break;
  }
  return false;
}

// libsndfile's view of bytes in memory.
struct Source {
  std::span<const std::byte> bytes;
  AudioFormat format;
  sf_count_t position = 0;

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

struct Close {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

class SndfileDecoder : public SoundDecoder {
 public:
  SndfileDecoder(std::span<const std::byte> bytes, AudioFormat format) : source_{bytes, format} {
    SF_VIRTUAL_IO io = {Source::length, Source::seek, Source::read, Source::write, Source::tell};
    SF_INFO info = {};
    file_.reset(sf_open_virtual(&io, SFM_READ, &info, &source_));
    if (!file_) {
      const std::string why = reason(nullptr);
      const bool is_codec = format == AudioFormat::kWav && why.find("unimplemented") != why.npos;
      fail(is_codec ? ErrorCode::kUnsupported : ErrorCode::kCorruptData,
           "sound cannot be decoded: ", why);
    }
    if (!is_expected(info.format, format)) {
      fail(ErrorCode::kCorruptData, "sound cannot be decoded: its format changes behind the start");
    }
    sample_rate_hz = info.samplerate;
    channels = info.channels;
  }

  SoundBlock read(std::span<float> interleaved) override {
    const auto frames = static_cast<sf_count_t>(interleaved.size()) / channels;
    const sf_count_t read = sf_readf_float(file_.get(), interleaved.data(), frames);
    SoundBlock block = {static_cast<std::size_t>(std::max<sf_count_t>(read, 0)), {}};
    if (sf_error(file_.get()) != SF_ERR_NO_ERROR) block.damage = reason(file_.get());
    return block;
  }

 private:
  Source source_;
  std::unique_ptr<SNDFILE, Close> file_;
};

}  // namespace

std::unique_ptr<SoundDecoder> open_with_sndfile(std::span<const std::byte> bytes,
                                                AudioFormat format) {
  return std::make_unique<SndfileDecoder>(bytes, format);
}

}  // namespace gemma3n
