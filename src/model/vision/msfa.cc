#include "model/vision/msfa.h"

#include <algorithm>

namespace gemma3n {
namespace {

// Two neighbours on an axis and how much the second one counts.
struct Neighbours {
  Index low = 0, high = 0;
  float share = 0.0f;

  // Ref: torch area_pixel_compute_source_index with align_corners false
  Neighbours(Index i, Index in, Index out) {
    const float ratio = static_cast<float>(in) / static_cast<float>(out);
    const float at = std::max(ratio * (static_cast<float>(i) + 0.5f) - 0.5f, 0.0f);
    low = std::min(static_cast<Index>(at), in - 1);
    high = std::min(low + 1, in - 1);
    share = std::min(std::max(at - static_cast<float>(low), 0.0f), 1.0f);
  }
};

void mean_of_cell(const FeatureMap& x, Index top, Index left, Index height, Index width,
                  std::span<float> y) {
  std::ranges::fill(y, 0.0f);
  for (Index r = top; r < top + height; ++r) {
    for (Index c = left; c < left + width; ++c) {
      const auto pixel = x.pixels[r * x.W + c].span();
      for (std::size_t d = 0; d < y.size(); ++d) y[d] += pixel[d];
    }
  }
  for (float& v : y) v /= static_cast<float>(height * width);
}

void bilinear(const FeatureMap& x, const Neighbours& row, const Neighbours& column,
              std::span<float> y) {
  const auto at = [&](Index r, Index c) { return x.pixels[r * x.W + c].data(); };
  const float *a = at(row.low, column.low), *b = at(row.low, column.high);
  const float *c = at(row.high, column.low), *d = at(row.high, column.high);
  const float right = column.share, left = 1.0f - right, down = row.share, up = 1.0f - down;
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] = up * (left * a[i] + right * b[i]) + down * (left * c[i] + right * d[i]);
  }
}

// [fine, coarse] at each pixel of `fine`.
FeatureMap side_by_side(Ops& op, const FeatureMap& fine, const FeatureMap& coarse) {
  FeatureMap y{fine.H, fine.W, op.arena().tensor({fine.H * fine.W, fine.C() + coarse.C()})};
  for (Index r = 0; r < fine.H; ++r) {
    for (Index c = 0; c < fine.W; ++c) {
      const Index nearest = r * coarse.H / fine.H * coarse.W + c * coarse.W / fine.W;
      float* to = y.pixels[r * fine.W + c].data();
      to = std::ranges::copy(fine.pixels[r * fine.W + c].span(), to).out;
      std::ranges::copy(coarse.pixels[nearest].span(), to);
    }
  }
  return y;
}

}  // namespace

View<float> MultiScaleFusionAdapter::resized(Ops& op, const FeatureMap& x) const {
  const Index R = resolution;
  auto y = op.arena().tensor({R * R, x.C()});
  const bool has_cells = x.H % R == 0 && x.W % R == 0;
  op.for_rows(R * R, 4 * x.C(), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index r = i / R, c = i % R;
      if (has_cells) {
        const Index height = x.H / R, width = x.W / R;
        mean_of_cell(x, r * height, c * width, height, width, y[i].span());
      } else {
        bilinear(x, Neighbours(r, x.H, R), Neighbours(c, x.W, R), y[i].span());
      }
    }
  });
  return y;
}

View<float> MultiScaleFusionAdapter::forward(Ops& op, const FeatureMap& fine,
                                             const FeatureMap& coarse) const {
  const auto mixed = ffn.forward(op, side_by_side(op, fine, coarse));
  auto y = resized(op, mixed);
  gemma3n::norm(op, y, norm);
  return y;
}

void bind(TensorBinder& b, MultiScaleFusionAdapter& m, const MsfaLayout& layout) {
  const Index mid = 2 * layout.in;
  bind_pointwise(b, "ffn.pw_exp.conv.weight", m.ffn.pw_exp, mid, layout.in);
  b.vector("ffn.pw_exp.bn.weight", m.ffn.pw_exp_bn, mid);
  bind_pointwise(b, "ffn.pw_proj.conv.weight", m.ffn.pw_proj, layout.features, mid);
  b.vector("ffn.pw_proj.bn.weight", m.ffn.pw_proj_bn, layout.features);
  b.vector("norm.weight", m.norm, layout.features);
  m.resolution = layout.resolution;
}

}  // namespace gemma3n
