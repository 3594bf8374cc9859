// Curves as a self-contained SVG: axes with their units, a legend, no script, font or style from
// elsewhere.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma3n::cli {

struct PlotSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  // x ascending, above 0; y 0 or more; finite
};

// x is logarithmic, with a tick at each value that occurs; y begins at 0.
struct Plot {
  std::string title, x_label, y_label;
  std::vector<PlotSeries> series;
};

// The plots one below the other, under a common title. One point or more in each plot. The legend
// has each name once: series of the same name look the same in all plots.
std::string svg_of(std::string_view title, std::span<const Plot> plots);

// `text` as the content of an element or a quoted attribute: markup is escaped; what XML does not
// allow, even escaped, becomes U+FFFD.
std::string xml_escaped(std::string_view text);

}  // namespace gemma3n::cli
