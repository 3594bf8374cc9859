#include "svg_plot.h"

#include <algorithm>
#include <cmath>

#include "table.h"
#include "unicode.h"

namespace gemma3n::cli {
namespace {

// Pixels.
constexpr double kWidth = 860, kPanelHeight = 320;
constexpr double kLeft = 80, kRight = 640;  // of the axes; the legend is beyond
constexpr double kTitleHeight = 50, kPanelTop = 34, kPanelBottom = 60;
constexpr double kTickLength = 5, kLeastTickDistance = 44;
constexpr double kLegendLine = 22;

// Ref: Okabe and Ito, "Color Universal Design", colours that all people can tell apart.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                    "#e69f00", "#56b4e9", "#000000"};
constexpr const char* kDashes[] = {"none", "7 4", "2 3"};  // when the colours are used up

std::string number(double value) { return fixed(value, 2); }

std::string text_at(double x, double y, const char* anchor, const std::string& text,
                    const std::string& more = "") {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\"" +
         more + ">" + xml_escaped(text) + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const char* colour) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) +
         "\" y2=\"" + number(y2) + "\" stroke=\"" + colour + "\"/>\n";
}

std::string style_of(std::size_t series) {
  const auto colours = std::size(kColours);
  return std::string("stroke=\"") + kColours[series % colours] + "\" stroke-dasharray=\"" +
         kDashes[series / colours % std::size(kDashes)] + "\"";
}

std::string marker(double x, double y, std::size_t series) {
  return "<circle cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" r=\"3.5\" fill=\"" +
         kColours[series % std::size(kColours)] + "\"/>\n";
}

// 1, 2 or 5 times a power of ten, so that about five steps reach `most`.
double step_to(double most) {
  const double rough = std::max(most, 1e-9) / 5;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  }
  return 10 * power;
}

class Panel {
 public:
  Panel(const Plot& plot, double top) : plot_(plot), top_(top + kPanelTop) {
    for (const auto& series : plot.series) {
      for (const auto& [x, y] : series.points) {
        xs_.push_back(x);
        most_ = std::max(most_, y);
      }
    }
    std::ranges::sort(xs_);
    xs_.erase(std::unique(xs_.begin(), xs_.end()), xs_.end());
    step_ = step_to(most_);
    most_ = std::max(1.0, std::ceil(most_ / step_ - 1e-9)) * step_;
  }

  std::string axes() const {
    std::string svg = text_at(kLeft, top_ - 14, "start", plot_.title, " font-weight=\"bold\"");
    const int decimals = static_cast<int>(std::max(0.0, -std::floor(std::log10(step_) + 1e-9)));
    for (int tick = 0; step_ * tick <= most_ * (1 + 1e-9); ++tick) {
      const double value = step_ * tick, y = y_of(value);
      if (tick > 0) svg += line(kLeft, y, kRight, y, "#dddddd");
      svg += text_at(kLeft - 8, y + 4, "end", fixed(value, decimals));
    }
    double last = -kLeastTickDistance;
    for (const double x : xs_) {
      if (x_of(x) - last < kLeastTickDistance) continue;
      last = x_of(x);
      svg += line(last, bottom(), last, bottom() + kTickLength, "#333333");
      svg += text_at(last, bottom() + 20, "middle", fixed(x, 0));
    }
    svg += line(kLeft, bottom(), kRight, bottom(), "#333333");
    svg += line(kLeft, top_, kLeft, bottom(), "#333333");
    svg += text_at((kLeft + kRight) / 2, bottom() + 40, "middle", plot_.x_label);
    const double middle = (top_ + bottom()) / 2;
    return svg + text_at(22, middle, "middle", plot_.y_label,
                         " transform=\"rotate(-90 22 " + number(middle) + ")\"");
  }

  std::string curve(const PlotSeries& series, std::size_t style) const {
    std::string points, markers;
    for (const auto& [x, y] : series.points) {
      points += (points.empty() ? "" : " ") + number(x_of(x)) + "," + number(y_of(y));
      markers += marker(x_of(x), y_of(y), style);
    }
    return "<polyline fill=\"none\" stroke-width=\"2\" " + style_of(style) + " points=\"" + points +
           "\"/>\n" + markers;
  }

 private:
  double bottom() const { return top_ + kPanelHeight - kPanelTop - kPanelBottom; }
  double x_of(double x) const {
    const double range = std::log(xs_.back() / xs_.front());
    const double share = range > 0 ? std::log(x / xs_.front()) / range : 0.5;
    constexpr double kMargin = 20;
    return kLeft + kMargin + share * (kRight - kLeft - 2 * kMargin);
  }
  double y_of(double y) const { return bottom() - y / most_ * (bottom() - top_); }

  const Plot& plot_;
  double top_;
  std::vector<double> xs_;
  double most_ = 0, step_ = 1;
};

std::size_t index_of(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::ranges::find(names, name);
  if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
  names.push_back(name);
  return names.size() - 1;
}

std::string legend(const std::vector<std::string>& names) {
  constexpr double kX = kRight + 24, kSample = 30;
  std::string svg;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const double y = kTitleHeight + kPanelTop + 8 + kLegendLine * static_cast<double>(i);
    svg += "<line x1=\"" + number(kX) + "\" y1=\"" + number(y) + "\" x2=\"" + number(kX + kSample) +
           "\" y2=\"" + number(y) + "\" stroke-width=\"2\" " + style_of(i) + "/>\n" +
           marker(kX + kSample / 2, y, i) + text_at(kX + kSample + 8, y + 4, "start", names[i]);
  }
  return svg;
}

bool is_forbidden(std::string_view character) {
  const auto first = static_cast<unsigned char>(character.front());
  if (first < 0x20) return first != '\t' && first != '\n' && first != '\r';
  return character == "\xef\xbf\xbe" || character == "\xef\xbf\xbf";  // U+FFFE, U+FFFF
}

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto character = text.substr(0, std::max<std::size_t>(length, 1));
    if (length == 0 || is_forbidden(character)) {
      escaped += "\xef\xbf\xbd";
    } else if (character == "&") {
      escaped += "&amp;";
    } else if (character == "<") {
      escaped += "&lt;";
    } else if (character == ">") {
      escaped += "&gt;";
    } else if (character == "\"") {
      escaped += "&quot;";
    } else {
      escaped += character;
    }
    text.remove_prefix(character.size());
  }
  return escaped;
}

std::string svg_of(std::string_view title, std::span<const Plot> plots) {
  std::vector<std::string> names;
  std::string panels;
  double top = kTitleHeight;
  for (const auto& plot : plots) {
    const Panel panel(plot, top);
    panels += panel.axes();
    for (const auto& series : plot.series) {
      panels += panel.curve(series, index_of(names, series.name));
    }
    top += kPanelHeight;
  }
  const double legend_height =
      kTitleHeight + kPanelTop + kLegendLine * static_cast<double>(names.size() + 1);
  const std::string width = number(kWidth), height = number(std::max(top, legend_height));
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" +
         width + "\" height=\"" + height + "\" viewBox=\"0 0 " + width + " " + height +
         "\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222222\">\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n" +
         text_at(kLeft, 28, "start", std::string(title), " font-size=\"16\"") + panels +
         legend(names) + "</svg>\n";
}

}  // namespace gemma3n::cli
