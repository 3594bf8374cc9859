#include "media/vorbis_setup.h"

#include <bit>
#include <cstdint>

namespace gemma3n {
namespace {

// The lowest bit of a byte comes first.
class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : bytes_(bytes) {}

  std::uint32_t take(int bits) {
    std::uint32_t value = 0;
    for (int i = 0; i < bits; ++i, ++at_) value |= bit() << i;
    return value;
  }
  void skip(std::size_t bits) {
    if (bits > 8 * bytes_.size() - at_) fail_cut_off();
    at_ += bits;
  }

 private:
  [[noreturn]] static void fail_cut_off() {
    fail(ErrorCode::kCorruptData, "Vorbis: the setup header is cut off");
  }
  std::uint32_t bit() const {
    if (at_ / 8 >= bytes_.size()) fail_cut_off();
    return static_cast<unsigned char>(bytes_[at_ / 8]) >> at_ % 8 & 1u;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

int ilog(std::uint32_t x) { return static_cast<int>(std::bit_width(x)); }

void skip_word_lengths(BitReader& in, std::uint32_t words) {
  const bool is_ordered = in.take(1) != 0;
  if (is_ordered) {
    in.take(5);
    for (std::uint32_t i = 0; i < words;) {
      const std::uint32_t run = in.take(ilog(words - i));
      if (run > words - i) fail(ErrorCode::kCorruptData, "Vorbis: a codebook has too many words");
      i += run;
    }
    return;
  }
  const bool is_sparse = in.take(1) != 0;
  for (std::uint32_t i = 0; i < words; ++i) {
    if (!is_sparse || in.take(1) != 0) in.take(5);
  }
}

// The largest n whose power `dimensions` is at most `words`.
std::uint32_t lookup1_values(std::uint32_t words, std::uint32_t dimensions) {
  const auto power_fits = [&](std::uint32_t n) {
    std::uint64_t power = 1;
    for (std::uint32_t d = 0; d < dimensions && power <= words; ++d) power *= n;
    return power <= words;
  };
  std::uint32_t n = 1;
  while (power_fits(n + 1)) ++n;
  return n;
}

void skip_lookup(BitReader& in, std::uint32_t words, std::uint32_t dimensions) {
  const std::uint32_t type = in.take(4);
  if (type == 0) return;
  if (type > 2)
    fail(ErrorCode::kCorruptData, "Vorbis: expected a lookup of type 0 to 2, got ", type);
  in.take(32);  // the least value
  in.take(32);  // their distance
  const std::uint32_t value_bits = in.take(4) + 1;
  in.take(1);
  const std::size_t values =
      type == 1 ? lookup1_values(words, dimensions) : std::size_t{words} * dimensions;
  in.skip(values * value_bits);
}

}  // namespace

void expect_small_codebooks(std::string_view packet) {
  constexpr std::string_view kMagic = "\5vorbis";
  constexpr std::uint32_t kSync = 0x564342;
  if (!packet.starts_with(kMagic)) {
    fail(ErrorCode::kCorruptData, "Vorbis: expected a setup header, got another packet");
  }
  BitReader in(packet.substr(kMagic.size()));
  const std::uint32_t books = in.take(8) + 1;
  std::size_t values = 0;
  for (std::uint32_t i = 0; i < books; ++i) {
    if (in.take(24) != kSync) fail(ErrorCode::kCorruptData, "Vorbis: expected a codebook");
    const std::uint32_t dimensions = in.take(16), words = in.take(24);
    values += std::size_t{words} * (dimensions + 8);
    if (words == 0 || dimensions == 0 || words > kMaxVorbisWords || values > kMaxVorbisValues) {
      fail(ErrorCode::kCorruptData, "Vorbis: expected codebooks of 1 to ", kMaxVorbisWords,
           " words and ", kMaxVorbisValues, " values in all, got ", words, " words of ",
           dimensions);
    }
    skip_word_lengths(in, words);
    skip_lookup(in, words, dimensions);
  }
}

}  // namespace gemma3n
