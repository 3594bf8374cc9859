// Subtitles in their two common formats.
#pragma once

#include <cstddef>
#include <string>

namespace gemma3n::cli {

struct Subtitle {
  double start_seconds = 0, end_seconds = 0;
  std::string text;
};

// One entry and the empty line after it. Line breaks in the text stay, empty lines go, because they
// would end the entry.
std::string srt_entry(std::size_t number, const Subtitle& subtitle);
// Ref: WebVTT, W3C 2019: "&", "<" and ">" are escaped. The file begins with "WEBVTT\n\n".
std::string vtt_entry(const Subtitle& subtitle);

}  // namespace gemma3n::cli
