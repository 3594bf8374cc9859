#include "model/audio/subsample.h"

#include <algorithm>
#include <cmath>

namespace gemma3n {
namespace {

constexpr Index kFrequencyPadding = 1;  // bins on each side, whatever the kernel
constexpr Index kFramesAtOnce = 16;     // of a convolution's results

}  // namespace

// x with its zeros around: [T, F + 2, I], where T may reach beyond the end of x.
View<float> SscpConvBlock::padded(Ops& op, View<const float> x, Index T) const {
  const auto [frames_there, F, I] = dims<3>(x);
  auto y = op.arena().tensor({T, F + 2 * kFrequencyPadding, I});
  std::ranges::fill(y.span(), 0.0f);
  for (Index t = 0; t < std::min(T, frames_there); ++t) {
    std::ranges::copy(x[t].span(), y[t].data() + kFrequencyPadding * I);
  }
  return y;
}

View<float> SscpConvBlock::forward(Ops& op, View<const float> x, Index count) const {
  const auto [T, F, I] = dims<3>(x);
  const Index O = conv.shape[0], row = frequency_kernel * I;
  const Index F_out = bins(F);
  check(count >= 1 && count <= frames(T), "results of the frames that are there");
  auto y = op.arena().tensor({count, F_out, O});
  const ArenaScope scratch(op.arena());
  const auto in = padded(op, x, (count - 1) * time_stride + time_kernel);
  auto windows = op.arena().tensor({kFramesAtOnce * F_out, time_kernel * row});
  for (Index first = 0; first < count; first += kFramesAtOnce) {
    const Index n = std::min(kFramesAtOnce, count - first);
    op.for_rows(n * F_out, time_kernel * row, [&, I = I](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) {
        const Index t = (first + i / F_out) * time_stride, f = i % F_out * frequency_stride;
        for (Index k = 0; k < time_kernel; ++k) {
          std::copy_n(in[t + k].data() + f * I, row, windows[i].data() + k * row);
        }
      }
    });
    op.linear_into(View<const float>(windows.data(), {n * F_out, time_kernel * row}), conv,
                   View<float>(y[first].data(), {n * F_out, O}), 0);
  }
  norm.forward_relu(op, y);
  return y;
}

void CumulativeGroupNorm::forward_relu(Ops& op, View<float> x) const {
  const auto [T, F, C] = dims<3>(x);
  const Index n = F * C;
  const auto frames = static_cast<std::size_t>(T);
  const auto sum = op.arena().array<double>(frames), squares = op.arena().array<double>(frames);
  const auto mean = op.arena().array<float>(frames);
  const auto each_frame = [&, T = T](const auto& body) {
    op.for_rows(T, 2 * n, [&](Index begin, Index end) {
      for (Index t = begin; t < end; ++t) body(t, x[t].span());
    });
  };
  const auto count = [&](Index t) { return static_cast<double>(t + 1) * static_cast<double>(n); };

  each_frame([&](Index t, std::span<const float> frame) {
    double total = 0.0;
    for (const float v : frame) total += static_cast<double>(v);
    sum[t] = total;
  });
  double running = 0.0;
  for (Index t = 0; t < T; ++t) mean[t] = static_cast<float>((running += sum[t]) / count(t));
  each_frame([&](Index t, std::span<const float> frame) {
    double total = 0.0;
    for (const float v : frame) {
      const float deviation = v - mean[t];
      total += static_cast<double>(deviation * deviation);
    }
    squares[t] = total;
  });
  running = 0.0;
  for (Index t = 0; t < T; ++t) squares[t] = (running += squares[t]) / count(t);  // now var_t
  each_frame([&, C = C](Index t, std::span<float> frame) {
    const float scale = 1.0f / std::sqrt(static_cast<float>(squares[t]) + eps);
    for (Index i = 0; i < n; ++i) {
      const float y = (frame[i] - mean[t]) * scale * weight.values[i % C];
      frame[i] = y < 0.0f ? 0.0f : y;  // NaN stays NaN
    }
  });
}

View<float> SubSampleConvProjection::forward(Ops& op, View<const float> x, Index count) const {
  const auto [T, F] = dims<2>(x);
  auto y = op.arena().tensor({count, input_proj_linear.shape[0]});
  const ArenaScope scratch(op.arena());
  const Index halfway = conv_1.frames_read(conv_0.frames(T), count);
  const auto half = conv_0.forward(op, x.reshape({T, F, 1}), halfway);
  const auto quarter = conv_1.forward(op, half, count);
  op.linear_into(quarter.reshape({count, quarter.size() / count}), input_proj_linear, y, 0);
  return y;
}

namespace {

struct SscpConvShape {
  const AudioConfig& config;
  std::size_t layer;
  Index in_channels;
};

void bind(TensorBinder& b, SscpConvBlock& m, const SscpConvShape& s) {
  const AudioConfig& c = s.config;
  const Index O = c.sscp_conv_channel_size[s.layer];
  const auto& kernel = c.sscp_conv_kernel_size[s.layer];
  b.tensor("conv.weight", m.conv, {O, s.in_channels, kernel[0], kernel[1]}, Access::kTower);
  b.vector("norm.weight", m.norm.weight, O);
  m.norm.eps = static_cast<float>(c.sscp_conv_group_norm_eps);
  m.time_kernel = kernel[0];
  m.frequency_kernel = kernel[1];
  m.time_stride = c.sscp_conv_stride_size[s.layer][0];
  m.frequency_stride = c.sscp_conv_stride_size[s.layer][1];
}

// Bins after a convolution, known before its weights are.
Index bins_after(const AudioConfig& c, std::size_t layer, Index F) {
  const Index kernel = c.sscp_conv_kernel_size[layer][1];
  if (F + 2 * kFrequencyPadding < kernel) {
    fail(ErrorCode::kUnsupported, "audio_config.sscp_conv_kernel_size: expected at most ",
         F + 2 * kFrequencyPadding, " bins of frequency in convolution ", layer, ", got ", kernel);
  }
  return (F + 2 * kFrequencyPadding - kernel) / c.sscp_conv_stride_size[layer][1] + 1;
}

}  // namespace

void bind(TensorBinder& b, SubSampleConvProjection& m, const AudioConfig& c) {
  const Index F = bins_after(c, 1, bins_after(c, 0, c.input_feat_size));
  b.module("conv_0", m.conv_0, SscpConvShape{c, 0, 1});
  b.module("conv_1", m.conv_1, SscpConvShape{c, 1, c.sscp_conv_channel_size[0]});
  b.tensor("input_proj_linear.weight", m.input_proj_linear,
           {c.hidden_size, F * c.sscp_conv_channel_size[1]}, Access::kTower);
}

}  // namespace gemma3n
