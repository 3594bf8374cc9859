#include "svg_plot.h"

#include <gtest/gtest.h>

namespace gemma3n::cli {
namespace {

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(XmlEscaped, LeavesNothingThatXmlWouldTakeForMarkupOrRefuse) {
  EXPECT_EQ(xml_escaped("a<b>&\"c\" \xc3\xa9"), "a&lt;b&gt;&amp;&quot;c&quot; \xc3\xa9");
  EXPECT_EQ(xml_escaped("\x1b[0m\xff"), "\xef\xbf\xbd[0m\xef\xbf\xbd");
  EXPECT_EQ(xml_escaped("\xef\xbf\xbf\t"), "\xef\xbf\xbd\t");
}

TEST(Svg, DrawsEachSeriesOnceInEachPlotAndOnceInTheLegend) {
  const PlotSeries a = {"first & only", {{512, 10}, {2048, 7}, {32768, 3}}}, b = {"b", {{512, 4}}};
  const Plot plots[] = {{"Prefill", "tokens", "tok/s", {a, b}}, {"Decode", "tokens", "tok/s", {b}}};
  const auto svg = svg_of("a title", plots);
  EXPECT_EQ(count(svg, "<polyline"), 3u);
  EXPECT_EQ(count(svg, "<circle"), 5u + 2u);
  EXPECT_EQ(count(svg, ">first &amp; only<"), 1u);
  EXPECT_EQ(count(svg, ">b<"), 1u);
  EXPECT_EQ(count(svg, ">2048<"), 1u);
  EXPECT_EQ(count(svg, ">512<"), 2u);
  EXPECT_EQ(count(svg, ">tok/s<"), 2u);
  EXPECT_EQ(count(svg, "nan"), 0u);
  // Powers of four lie evenly: 512 and 32768 at the margins, 2048 at a third of the way.
  EXPECT_NE(svg.find("points=\"100.00,"), std::string::npos) << svg;
  EXPECT_NE(svg.find(" 273.33,"), std::string::npos) << svg;
  EXPECT_NE(svg.find(" 620.00,"), std::string::npos) << svg;
}

TEST(Svg, TakesSpeedsOfAnySize) {
  for (const double most : {0.0, 1e-3, 0.7, 1.0, 99.0, 123456789.0}) {
    const Plot plot = {"t", "x", "y", {{"s", {{1, most}, {2, most / 2}}}}};
    const auto svg = svg_of("", std::span(&plot, 1));
    EXPECT_EQ(count(svg, "nan") + count(svg, "inf"), 0u) << most;
    EXPECT_LE(count(svg, "text-anchor=\"end\""), 8u) << most;  // ticks of y
  }
}

}  // namespace
}  // namespace gemma3n::cli
