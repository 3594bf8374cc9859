#include "media/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <memory>

namespace gemma3n {
namespace {

constexpr std::size_t kMaxUrlBytes = 8192;
constexpr std::size_t kMaxShownBytes = 160;

struct UrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

// One network: the first `bits` bits of `prefix`.
struct Network {
  std::array<std::uint8_t, 16> prefix;
  int bits;
};

bool contains(const Network& network, std::span<const std::uint8_t> address) {
  for (int bit = 0; bit < network.bits; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int mask = 0x80 >> (bit % 8);
    if ((network.prefix[byte] & mask) != (address[byte] & mask)) return false;
  }
  return true;
}

constexpr Network kNotPublic4[] = {
    {{0}, 8},              // "this" network
    {{10}, 8},             // private
    {{100, 64}, 10},       // shared address space of carriers
    {{127}, 8},            // loopback
    {{169, 254}, 16},      // link-local; cloud metadata services live here
    {{172, 16}, 12},       // private
    {{192, 0, 0}, 24},     // protocol assignments
    {{192, 0, 2}, 24},     // documentation
    {{192, 31, 196}, 24},  // AS112
    {{192, 52, 193}, 24},  // AMT
    {{192, 88, 99}, 24},   // 6to4 relays
    {{192, 168}, 16},      // private
    {{192, 175, 48}, 24},  // AS112
    {{198, 18}, 15},       // benchmarks
    {{198, 51, 100}, 24},  // documentation
    {{203, 0, 113}, 24},   // documentation
    {{224}, 4},            // multicast
    {{240}, 4},            // reserved, and broadcast
};

// Only 2000::/3 is handed out for the public internet; within it these are not.
constexpr Network kGlobalUnicast6 = {{0x20}, 3};
constexpr Network kNotPublic6[] = {
    {{0x20, 0x01, 0x00}, 23},              // protocol assignments, Teredo, ORCHID
    {{0x20, 0x01, 0x0d, 0xb8}, 32},        // documentation
    {{0x26, 0x20, 0, 0x4f, 0x80, 0}, 48},  // AS112
    {{0x3f, 0xff, 0x00}, 20},              // documentation
    {{0x3f, 0xfe}, 16},                    // the old test network
};
constexpr Network kSixToFour = {{0x20, 0x02}, 16};

bool in_any(std::span<const Network> networks, std::span<const std::uint8_t> address) {
  return std::ranges::any_of(networks, [&](const Network& n) { return contains(n, address); });
}

void expect_plain(std::string_view text) {
  if (text.size() > kMaxUrlBytes) {
    fail(ErrorCode::kInvalidArgument, "url: expected at most ", kMaxUrlBytes, " bytes, got ",
         text.size());
  }
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7f || c == '\\') {
      fail(ErrorCode::kInvalidArgument, "url ", shown(text),
           ": expected printable ASCII without spaces and backslashes; percent-encode the path and "
           "write the host in its xn-- form");
    }
  }
}

}  // namespace

std::string shown(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, kMaxShownBytes)) {
    if (c >= ' ' && c < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += kHex[(static_cast<unsigned char>(c) >> 4) & 15];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return text.size() > kMaxShownBytes ? out + "..." : out;
}

Url parse_url(std::string_view text) {
  expect_plain(text);
  const std::unique_ptr<CURLU, UrlCleanup> url(curl_url());
  if (!url) throw std::bad_alloc();
  // No "guess the scheme", no "path as is", no unsupported schemes: the strictest reading.
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), 0);
  if (code == CURLUE_UNSUPPORTED_SCHEME) {
    fail(ErrorCode::kInvalidArgument, "url ", shown(text), ": expected http or https");
  }
  if (code != CURLUE_OK) {
    fail(ErrorCode::kInvalidArgument, "url ", shown(text),
         ": expected an absolute http or https url: ", curl_url_strerror(code));
  }
  const std::string scheme = part(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    fail(ErrorCode::kInvalidArgument, "url ", shown(text), ": expected http or https, got ",
         shown(scheme));
  }
  if (!part(url.get(), CURLUPART_USER).empty() || !part(url.get(), CURLUPART_PASSWORD).empty()) {
    fail(ErrorCode::kInvalidArgument, "url of host ", shown(part(url.get(), CURLUPART_HOST)),
         ": expected no user name or password in it");
  }
  Url parsed;
  curl_url_set(url.get(), CURLUPART_FRAGMENT, nullptr, 0);
  parsed.href = part(url.get(), CURLUPART_URL);
  parsed.host = part(url.get(), CURLUPART_HOST);
  if (parsed.host.starts_with('[') && parsed.host.ends_with(']')) {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  }
  const std::string port = part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  parsed.port = port.empty() || port.size() > 5 ? 0 : std::stoi(port);
  if (parsed.host.empty() || parsed.port < 1 || parsed.port > 65535) {
    fail(ErrorCode::kInvalidArgument, "url ", shown(text),
         ": expected a host and a port between 1 and 65535");
  }
  return parsed;
}

bool is_public_address(std::span<const std::uint8_t> address) {
  if (address.size() == 4) return !in_any(kNotPublic4, address);
  if (address.size() != 16) return false;
  if (!contains(kGlobalUnicast6, address) || in_any(kNotPublic6, address)) return false;
  // 2002:AABB:CCDD::/48 is the IPv4 host AA.BB.CC.DD behind a 6to4 router.
  return !contains(kSixToFour, address) || is_public_address(address.subspan(2, 4));
}

}  // namespace gemma3n
