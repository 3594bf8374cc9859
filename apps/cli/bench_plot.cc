#include "bench_plot.h"

#include <algorithm>

#include "svg_plot.h"

namespace gemma3n::cli {
namespace {

// Of the cases whose names begin with `prefix`.
Plot plot_of(const BenchReport& report, const std::string& prefix, std::string title) {
  Plot plot = {std::move(title), "context before (tokens)", "tokens per second", {}};
  for (const auto& result : report.results) {
    if (!result.name.starts_with(prefix)) continue;
    const std::string name = result.storage + ", " + std::to_string(result.threads) +
                             (result.threads == 1 ? " thread" : " threads");
    auto series = std::ranges::find(plot.series, name, &PlotSeries::name);
    if (series == plot.series.end()) series = plot.series.insert(series, {name, {}});
    series->points.emplace_back(static_cast<double>(result.context), result.tokens_per_second());
  }
  for (auto& series : plot.series) std::ranges::sort(series.points);
  return plot;
}

}  // namespace

std::string bench_svg(const BenchReport& report) {
  Plot prefill = plot_of(report, "prefill ", "Prefill");
  prefill.x_label = "length of the prompt (tokens)";
  const Plot plots[] = {std::move(prefill), plot_of(report, "decode ", "Decode")};
  return svg_of(report.model + " on " + report.system.cpu + ", gemma3n " + report.system.version,
                plots);
}

}  // namespace gemma3n::cli
