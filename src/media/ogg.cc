#include "media/ogg.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "media/vorbis_setup.h"

namespace gemma3n {
namespace {

using namespace std::string_view_literals;
using Bytes = std::span<const std::byte>;

constexpr auto kCapture = "OggS"sv;
constexpr std::size_t kHeaderBytes = 27, kChecksumAt = 22;
constexpr std::size_t kVorbisHeaders = 3, kOtherHeaders = 2;  // packets

struct Page {
  std::size_t at = 0;  // in the file
  bool is_continued = false, is_first = false;
  std::int64_t granule = 0;  // samples up to the last packet that ends here
  std::uint32_t serial = 0, sequence = 0;
  std::string_view lacing, body;

  std::size_t end() const { return at + kHeaderBytes + lacing.size() + body.size(); }
};

template <typename... Parts>
[[noreturn]] void fail_page(const Page& page, const Parts&... what) {
  fail(ErrorCode::kCorruptData, "Ogg: the page at byte ", page.at, what...);
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

constexpr auto kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i << 24;
    for (int bit = 0; bit < 8; ++bit) crc = crc << 1 ^ (crc >> 31) * 0x04C11DB7u;
    table[i] = crc;
  }
  return table;
}();

// Nothing where no whole page stands.
std::optional<Page> page_at(std::string_view file, std::size_t at) {
  const std::string_view rest = file.substr(at);
  if (!rest.starts_with(kCapture) || rest.size() < kHeaderBytes) return std::nullopt;
  const auto number = [&](std::size_t begin, std::size_t size) {
    return little_endian(rest.substr(begin, size));
  };
  const std::size_t segments = number(26, 1);
  Page page = {
      .at = at, .granule = static_cast<std::int64_t>(number(6, 8)), .lacing = {}, .body = {}};
  page.is_continued = (number(5, 1) & 1u) != 0;
  page.is_first = (number(5, 1) & 2u) != 0;
  page.serial = static_cast<std::uint32_t>(number(14, 4));
  page.sequence = static_cast<std::uint32_t>(number(18, 4));
  if (rest.size() < kHeaderBytes + segments) return std::nullopt;
  page.lacing = rest.substr(kHeaderBytes, segments);
  std::size_t body = 0;
  for (const char c : page.lacing) body += static_cast<unsigned char>(c);
  if (rest.size() < kHeaderBytes + segments + body) return std::nullopt;
  page.body = rest.substr(kHeaderBytes + segments, body);

  if (ogg_checksum(rest.substr(0, page.end() - at)) != number(kChecksumAt, 4)) {
    fail_page(page, " fails its checksum");
  }
  if (number(4, 1) != 0) fail_page(page, ": expected version 0, got ", number(4, 1));
  return page;
}

struct Codec {
  std::string_view magic;  // of its first packet
  const char* name;
};
constexpr Codec kRefused[] = {{"Speex   "sv, "Speex"},
                              {"\x80theora"sv, "Theora"},
                              {"\x7F"
                               "FLAC"sv,
                               "FLAC in Ogg"},
                              {"PCM     "sv, "OggPCM"},
                              {"OVP80"sv, "VP8"},
                              {"BBCD"sv, "Dirac"},
                              {"CELT    "sv, "CELT"},
                              {"fishead\0"sv, "Skeleton"},
                              {"Annodex\0"sv, "Annodex"}};

// The packets of one stream, as libogg puts them together.
class Stream {
 public:
  void add(const Page& page) {
    expect_in_order(page);
    if (page.is_continued != is_within_packet_) {
      fail_page(page, page.is_continued ? " continues a packet that has not begun"
                                        : " does not continue the packet before");
    }
    std::size_t at = 0;
    const std::size_t packets_before = packets_;
    for (const char c : page.lacing) {
      const std::size_t size = static_cast<unsigned char>(c);
      extend(page, page.body.substr(at, size));
      at += size;
      is_within_packet_ = size == 255;
      if (!is_within_packet_) finish();
    }
    if (packets_ > packets_before) move_to(page, packets_ - packets_before);
    next_sequence_ = page.sequence + 1;
  }

 private:
  bool has_headers() const { return packets_ >= (is_vorbis_ ? kVorbisHeaders : kOtherHeaders); }

  // Recordings of broadcasts begin with the headers and go on anywhere.
  void expect_in_order(const Page& page) const {
    const bool may_jump = has_headers() && granule_ == 0 && !is_within_packet_;
    if (page.is_first || page.sequence == next_sequence_) return;
    if (may_jump && page.sequence > next_sequence_) return;
    fail_page(page, ": expected page ", next_sequence_, " of its stream, got ", page.sequence);
  }

  // Decoders fill gaps, or never end.
  void move_to(const Page& page, std::size_t packets) {
    constexpr std::int64_t kMaxPacketSamples = 5760;  // Opus; Vorbis has at most 4096
    if (page.granule < granule_) {
      fail_page(page, " goes back from sample ", granule_, " to ", page.granule);
    }
    const auto most = static_cast<std::int64_t>(packets) * kMaxPacketSamples;
    if (granule_ > 0 && page.granule - granule_ > most) {
      fail_page(page, ": expected at most ", most, " samples in ", packets, " packets, got ",
                page.granule - granule_);
    }
    granule_ = page.granule;
  }

  void extend(const Page& page, std::string_view part) {
    packet_bytes_ += part.size();
    if (packet_bytes_ > kMaxOggPacketBytes) {
      fail_page(page, ": expected packets of at most ", kMaxOggPacketBytes, " bytes, got more");
    }
    if (packets_ == 0 || (is_vorbis_ && packets_ < kVorbisHeaders)) header_ += part;
  }

  void finish() {
    ++packets_;
    if (packets_ == 1) {
      for (const Codec& codec : kRefused) {
        if (!header_.starts_with(codec.magic)) continue;
        fail(ErrorCode::kUnsupported, "expected Vorbis or Opus in Ogg, got ", codec.name);
      }
      is_vorbis_ = header_.starts_with("\1vorbis");
    }
    if (is_vorbis_ && packets_ == kVorbisHeaders) expect_small_codebooks(header_);
    header_.clear();
    packet_bytes_ = 0;
  }

  std::string header_;  // the header packet that is being put together
  std::size_t packets_ = 0, packet_bytes_ = 0;
  bool is_vorbis_ = false, is_within_packet_ = false;
  std::int64_t granule_ = 0;
  std::uint32_t next_sequence_ = 0;
};

}  // namespace

std::uint32_t ogg_checksum(std::string_view page) {
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < page.size(); ++i) {
    const bool is_checksum = i >= kChecksumAt && i < kChecksumAt + 4;  // counts as zeros
    const auto byte = is_checksum ? 0u : static_cast<unsigned char>(page[i]);
    crc = crc << 8 ^ kCrcTable[crc >> 24 ^ byte];
  }
  return crc;
}

std::vector<Bytes> ogg_links(Bytes file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  std::vector<std::size_t> starts = {0};
  std::map<std::uint32_t, Stream> streams;  // of this link
  bool in_first_pages = true;
  std::size_t at = 0;
  for (auto page = page_at(text, 0); page; page = page_at(text, at)) {
    // A link starts with the first pages of its streams; so one of those behind another page starts
    // the next link.
    if (page->is_first && !in_first_pages) {
      starts.push_back(at);
      streams.clear();
    }
    in_first_pages = page->is_first;
    if (page->is_first == streams.contains(page->serial)) {
      fail_page(*page, page->is_first ? " begins a stream again" : " belongs to no stream");
    }
    streams[page->serial].add(*page);
    at = page->end();
    if (starts.size() > kMaxOggLinks) {
      fail(ErrorCode::kCorruptData, "Ogg: expected at most ", kMaxOggLinks,
           " streams one after the other, got more");
    }
  }
  if (at == 0) fail(ErrorCode::kCorruptData, "Ogg: the first page is cut off");
  if (text.find(kCapture, at + 1) != text.npos) {
    fail(ErrorCode::kCorruptData, "Ogg: expected a page at byte ", at, ", got other bytes");
  }
  std::vector<Bytes> links;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::size_t end = i + 1 < starts.size() ? starts[i + 1] : file.size();
    links.push_back(file.subspan(starts[i], end - starts[i]));
  }
  return links;
}

}  // namespace gemma3n
