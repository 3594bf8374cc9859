#include "media/source.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/mapped_file.h"
#include "media/fetch.h"
#include "media/url.h"

namespace gemma3n {
namespace {

bool has_scheme(std::string_view source, std::string_view scheme) {
  return source.size() > scheme.size() && source[scheme.size()] == ':' &&
         std::ranges::equal(source.substr(0, scheme.size()), scheme, [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

bool is_data_url(std::string_view source) { return has_scheme(source, "data"); }

// "scheme://..." with any scheme: a URL, or the attempt at one, never a path.
bool is_remote_url(std::string_view source) {
  const std::size_t colon = source.find("://");
  if (has_scheme(source, "http") || has_scheme(source, "https")) return true;
  return colon != std::string_view::npos && colon > 0 &&
         std::ranges::all_of(source.substr(0, colon), [](unsigned char c) {
           return std::isalnum(c) || c == '+' || c == '-' || c == '.';
         });
}

[[noreturn]] void fail_data_url(const char* what) {
  fail(ErrorCode::kCorruptData, "data url: ", what);
}

constexpr int kNotBase64 = -1;
constexpr auto kBase64Values = [] {
  std::array<int, 256> values{};
  values.fill(kNotBase64);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int>(i);
  }
  values['-'] = 62;  // the alphabet of URLs
  values['_'] = 63;
  return values;
}();

std::string decode_base64(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  unsigned bits = 0;
  std::size_t digits = 0, padding = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int value = kBase64Values[static_cast<unsigned char>(c)];
    if (value == kNotBase64 || padding > 0) fail_data_url("expected base64");
    bits = (bits << 6) | static_cast<unsigned>(value);
    if (++digits % 4 != 1) {
      const unsigned shift = 6 - 2 * ((digits + 3) % 4);
      bytes += static_cast<char>((bits >> shift) & 0xff);
    }
  }
  if (digits % 4 == 1 || padding > 2) fail_data_url("the base64 text is incomplete");
  return bytes;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode_percent(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    if (low < 0) fail_data_url("expected two hexadecimal digits after %");
    bytes += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return bytes;
}

std::string read_file(const std::string& path, const MediaLimits& limits) {
  // Read, not mapped: the file may shrink while it is decoded.
  try {
    return read_text_file(path, limits.max_file_bytes);
  } catch (const Error& error) {
    // A limit of the caller's, so not a matter of what this build supports.
    if (error.code() != ErrorCode::kUnsupported) throw;
    fail(ErrorCode::kInvalidArgument, error.what());
  }
}

}  // namespace

std::string source_name(std::string_view source) {
  return shown(is_data_url(source) ? source.substr(0, source.find(',')) : source);
}

std::string decode_data_url(std::string_view url) {
  const std::size_t comma = url.find(',');
  if (comma == std::string_view::npos) fail_data_url("expected a comma before the data");
  std::string_view head = url.substr(0, comma);
  const std::string_view data = url.substr(comma + 1);
  constexpr std::string_view kBase64 = ";base64";
  const bool base64 =
      head.size() >= kBase64.size() &&
      std::ranges::equal(head.substr(head.size() - kBase64.size()), kBase64, [](char a, char b) {
        return std::tolower(static_cast<unsigned char>(a)) == b;
      });
  if (!base64) return decode_percent(data);
  // Base64 may itself be percent-encoded ("%2B" for "+").
  return data.find('%') == std::string_view::npos ? decode_base64(data)
                                                  : decode_base64(decode_percent(data));
}

std::string read_source(const std::string& source, const MediaLimits& limits) {
  if (is_data_url(source)) {
    if (source.size() / 4 * 3 > limits.max_file_bytes) {
      fail(ErrorCode::kInvalidArgument, "data url: expected at most ", limits.max_file_bytes,
           " bytes, got about ", source.size() / 4 * 3);
    }
    return decode_data_url(source);
  }
  if (is_remote_url(source)) return fetch(source, limits);
  return read_file(source, limits);
}

}  // namespace gemma3n
