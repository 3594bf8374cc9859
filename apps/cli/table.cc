#include "table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace gemma3n::cli {
namespace {

std::size_t width_of(const std::string& cell) {
  return static_cast<std::size_t>(std::ranges::count_if(
      cell, [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) != 0x80u; }));
}

}  // namespace

std::string format_table(const std::vector<Align>& columns,
                         const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      widths[c] = std::max(widths[c], width_of(row.at(c)));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const std::string padding(widths[c] - width_of(row[c]), ' ');
      const bool is_last = c + 1 == columns.size();
      if (columns[c] == Align::kRight) text += padding;
      text += row[c];
      if (columns[c] == Align::kLeft && !is_last) text += padding;
      text += is_last ? "\n" : "  ";
    }
  }
  return text;
}

std::string fixed(double number, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, number);
  return text;
}

std::string with_unit(double number) {
  constexpr std::pair<double, const char*> kUnits[] = {
      {1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e3, " k"}};
  for (const auto& [size, name] : kUnits) {
    if (std::abs(number) >= size) return fixed(number / size, 2) + name;
  }
  return fixed(number, 0);
}

std::string rough_duration(double seconds) {
  constexpr double kMinute = 60, kMinutesPerHour = 60;
  if (seconds < kMinute) return fixed(std::ceil(seconds), 0) + " s";
  const double minutes = std::round(seconds / kMinute);
  if (minutes < kMinutesPerHour) return fixed(minutes, 0) + " min";
  return fixed(std::floor(minutes / kMinutesPerHour), 0) + " h " +
         fixed(std::fmod(minutes, kMinutesPerHour), 0) + " min";
}

}  // namespace gemma3n::cli
