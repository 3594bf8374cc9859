#include "subtitles.h"

#include <cmath>
#include <cstdio>
#include <string_view>

#include "input.h"

namespace gemma3n::cli {
namespace {

// "01:02:03,004"
std::string time_stamp(double seconds, char before_milliseconds) {
  const auto all = static_cast<long long>(std::llround(seconds * 1000.0));
  char text[40];
  std::snprintf(text, sizeof text, "%02lld:%02lld:%02lld%c%03lld", all / 3600000, all / 60000 % 60,
                all / 1000 % 60, before_milliseconds, all % 1000);
  return text;
}

// Each line that says something, followed by a line feed; at least one line.
std::string lines_of(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = without_surrounding_space(text.substr(0, end));
    if (!line.empty()) lines += line + "\n";
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines.empty() ? "\n" : lines;
}

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else {
      result += c;
    }
  }
  return result;
}

std::string entry(const Subtitle& subtitle, char before_milliseconds, const std::string& lines) {
  return time_stamp(subtitle.start_seconds, before_milliseconds) + " --> " +
         time_stamp(subtitle.end_seconds, before_milliseconds) + "\n" + lines + "\n";
}

}  // namespace

std::string srt_entry(std::size_t number, const Subtitle& subtitle) {
  return std::to_string(number) + "\n" + entry(subtitle, ',', lines_of(subtitle.text));
}

std::string vtt_entry(const Subtitle& subtitle) {
  return entry(subtitle, '.', escaped(lines_of(subtitle.text)));
}

}  // namespace gemma3n::cli
