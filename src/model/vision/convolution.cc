#include "model/vision/convolution.h"

#include <algorithm>

#include "model/convolution_weights.h"

namespace gemma3n {

View<float> ConvNormAct::forward(Ops& op, Index H, Index W, View<const float> x, Index first,
                                 Index n) const {
  const Index O = conv.shape[0], I = dims<2>(x)[1];
  const SamePadding rows(H, kernel, stride), columns(W, kernel, stride);
  auto y = op.arena().tensor({n, O});
  const ArenaScope scratch(op.arena());
  auto windows = op.arena().tensor({n, kernel * kernel * I});
  op.for_rows(n, kernel * kernel * I, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index top = (first + i) / columns.size * stride - rows.before;
      const Index left = (first + i) % columns.size * stride - columns.before;
      float* to = windows[i].data();
      for (Index r = top; r < top + kernel; ++r) {
        for (Index c = left; c < left + kernel; ++c, to += I) {
          if (r < 0 || r >= H || c < 0 || c >= W) {
            std::fill_n(to, I, 0.0f);
          } else {
            std::copy_n(x.data() + (r * W + c) * I, I, to);
          }
        }
      }
    }
  });
  op.linear_into(windows, conv, y, 0);
  op.add_bias(y, bias);
  norm_gelu(op, y, bn);
  return y;
}

// Taps are added in order of rows, then columns; those outside of the map are left out.
FeatureMap DepthwiseConv::forward(Ops& op, const FeatureMap& x) const {
  const Index C = x.C(), kernel = conv.shape[2], H = x.H, W = x.W;
  check(conv.shape[0] == C, "a depthwise convolution has one filter per channel");
  const SamePadding rows(H, kernel, stride), columns(W, kernel, stride);
  FeatureMap y{rows.size, columns.size, op.arena().tensor({rows.size * columns.size, C})};
  const ArenaScope scratch(op.arena());
  const auto by_channel = weight_rows(op, conv);  // [C, k * k]
  auto taps = op.arena().tensor({kernel * kernel, C});
  for (Index c = 0; c < C; ++c) {
    for (Index tap = 0; tap < kernel * kernel; ++tap) taps(tap, c) = by_channel(c, tap);
  }
  op.for_rows(y.H * y.W, 2 * kernel * kernel * C, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const Index top = i / columns.size * stride - rows.before;
      const Index left = i % columns.size * stride - columns.before;
      float* out = y.pixels[i].data();
      std::fill_n(out, C, 0.0f);
      for (Index r = std::max<Index>(0, top); r < std::min(H, top + kernel); ++r) {
        for (Index c = std::max<Index>(0, left); c < std::min(W, left + kernel); ++c) {
          const float* in = x.pixels[r * W + c].data();
          const float* tap = taps[(r - top) * kernel + c - left].data();
          for (Index channel = 0; channel < C; ++channel)
            out[channel] += in[channel] * tap[channel];
        }
      }
    }
  });
  return y;
}

void norm(Ops& op, View<float> x, const Vector& w) {
  const auto [n, C] = dims<2>(x);
  op.for_rows(n, 2 * C, [&, C = C](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      float* row = x[i].data();
      op.kernels().rms_norm(row, w.data(), kVisionEps, row, static_cast<std::size_t>(C));
    }
  });
}

void norm_gelu(Ops& op, View<float> x, const Vector& w) {
  const auto [n, C] = dims<2>(x);
  op.for_rows(n, 10 * C, [&, C = C](Index begin, Index end) {
    const auto channels = static_cast<std::size_t>(C);
    for (Index i = begin; i < end; ++i) {
      float* row = x[i].data();
      op.kernels().rms_norm(row, w.data(), kVisionEps, row, channels);
      op.kernels().gelu_tanh(row, row, channels);
    }
  });
}

void bind_pointwise(TensorBinder& b, std::string_view name, Weight& slot, Index O, Index I) {
  b.tensor(name, slot, {O, I, 1, 1}, Access::kTower);
}

}  // namespace gemma3n
