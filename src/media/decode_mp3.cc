// MP3 through libmpg123, as libsndfile has it decode, which would let it write to standard error.
// Differs: what is no frame is passed over at any length; a change of rate or channels is an error.
#include <mpg123.h>

#include <algorithm>
#include <cstring>

#include "media/sound_decoders.h"

namespace gemma3n {
namespace {

// libmpg123's view of bytes in memory.
struct Source {
  std::span<const std::byte> bytes;
  off_t position = 0;

  off_t size() const { return static_cast<off_t>(bytes.size()); }

  static off_t seek(void* self, off_t offset, int whence) {
    auto& s = *static_cast<Source*>(self);
    const off_t base = whence == SEEK_SET ? 0 : (whence == SEEK_CUR ? s.position : s.size());
    s.position = base + std::clamp(offset, -base, s.size() - base);
    return s.position;
  }
  static ssize_t read(void* self, void* to, std::size_t count) {
    auto& s = *static_cast<Source*>(self);
    count = std::min(count, static_cast<std::size_t>(s.size() - s.position));
    if (count > 0) std::memcpy(to, s.bytes.data() + s.position, count);
    s.position += static_cast<off_t>(count);
    return static_cast<ssize_t>(count);
  }
};

struct Delete {
  void operator()(mpg123_handle* handle) const { mpg123_delete(handle); }
};

class Mp3Decoder : public SoundDecoder {
 public:
  explicit Mp3Decoder(std::span<const std::byte> bytes) : source_{bytes} {
    int code = MPG123_OK;
    handle_.reset(mpg123_new(nullptr, &code));
    if (!handle_) throw std::bad_alloc();
    mpg123_handle* handle = handle_.get();
    mpg123_param(handle, MPG123_REMOVE_FLAGS, MPG123_AUTO_RESAMPLE, 0);
    mpg123_param(handle, MPG123_ADD_FLAGS, MPG123_QUIET | MPG123_FORCE_FLOAT | MPG123_GAPLESS, 0);
    mpg123_param(handle, MPG123_RESYNC_LIMIT, -1, 0);  // tags between frames may be of any size
    mpg123_replace_reader_handle(handle, Source::read, Source::seek, nullptr);
    long rate = 0;
    int encoding = 0;
    const bool is_open = mpg123_open_handle(handle, &source_) == MPG123_OK &&
                         mpg123_getformat(handle, &rate, &channels, &encoding) == MPG123_OK;
    if (!is_open || encoding != MPG123_ENC_FLOAT_32) {
      fail(ErrorCode::kCorruptData, "MP3: expected frames of sound: ", reason());
    }
    sample_rate_hz = static_cast<int>(rate);
  }

  SoundBlock read(std::span<float> interleaved) override {
    std::size_t bytes = 0;
    const int code =
        mpg123_read(handle_.get(), interleaved.data(), interleaved.size_bytes(), &bytes);
    SoundBlock block = {bytes / sizeof(float) / static_cast<std::size_t>(channels), {}};
    if (code == MPG123_NEW_FORMAT) {
      block.damage = "its rate or its number of channels changes";
    } else if (code != MPG123_OK && code != MPG123_DONE) {
      block.damage = reason();
    }
    return block;
  }

 private:
  std::string reason() const {
    std::string text = mpg123_strerror(handle_.get());
    while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
    return text;
  }

  Source source_;
  std::unique_ptr<mpg123_handle, Delete> handle_;
};

}  // namespace

std::unique_ptr<SoundDecoder> open_mp3(std::span<const std::byte> bytes) {
  static const int once = mpg123_init();
  check(once == MPG123_OK, "libmpg123 starts");
  return std::make_unique<Mp3Decoder>(bytes);
}

}  // namespace gemma3n
