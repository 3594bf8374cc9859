// What load_image and load_audio are given: the path of a file, a data: URL, an http(s) URL.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "gemma3n/media.h"

namespace gemma3n {

// All bytes of the file that `source` names.
// Throws: kNotFound (no such file, host or page), kCorruptData (not a regular file, a damaged
// data: URL), kInvalidArgument (a limit, a refused URL).
std::string read_source(const std::string& source, const MediaLimits& limits);

// `source` for an error message: one line, a data: URL without its data.
std::string source_name(std::string_view source);

// Runs `read()`; its errors get the name of `source` in front.
template <typename Read>
auto naming_source(std::string_view source, const Read& read) {
  try {
    return read();
  } catch (const Error& error) {
    fail(error.code(), source_name(source), ": ", error.what());
  }
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// The data of a data: URL, base64 or percent-encoded. White space and missing padding in base64 are
// accepted, other bytes outside the alphabet are not.
// Throws: kCorruptData if it is malformed.   Ref: RFC 2397, RFC 4648
std::string decode_data_url(std::string_view url);

}  // namespace gemma3n
