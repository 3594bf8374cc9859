#include "model/vision/blocks.h"

#include <cmath>
#include <limits>
#include <vector>

namespace gemma3n {
namespace {

View<float> rows(View<float> x, Index first, Index n) {
  return {x[first].data(), {n, x.shape()[1]}};
}

// body(first, n) for pieces of `pixels` pixels.
template <typename Body>
void for_tiles(Ops& op, Index pixels, const Body& body) {
  for (Index first = 0; first < pixels; first += kTilePixels) {
    const ArenaScope scratch(op.arena());
    body(first, std::min(kTilePixels, pixels - first));
  }
}

// y[e, n] = x[n, e]
View<const float> transposed(Ops& op, View<const float> x) {
  const auto [N, E] = dims<2>(x);
  auto y = op.arena().tensor({E, N});
  for (Index n = 0; n < N; ++n) {
    for (Index e = 0; e < E; ++e) y(e, n) = x(n, e);
  }
  return y;
}

// y *= gamma, in place; nothing if gamma is absent. Ref: timm LayerScale2d
void scale_channels(Ops& op, View<float> y, const Vector& gamma) {
  if (gamma.data() == nullptr) return;
  const auto [n, C] = dims<2>(y);
  op.for_rows(n, C, [&, C = C](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      for (Index c = 0; c < C; ++c) y(i, c) *= gamma.data()[c];
    }
  });
}

}  // namespace

FeatureMap EdgeResidual::forward(Ops& op, const FeatureMap& x) const {
  const Index O = conv_pwl.shape[0], kernel = conv_exp.kernel, stride = conv_exp.stride;
  const SamePadding height(x.H, kernel, stride), width(x.W, kernel, stride);
  FeatureMap y{height.size, width.size, op.arena().tensor({height.size * width.size, O})};
  const ArenaScope scratch(op.arena());
  for_tiles(op, y.H * y.W, [&](Index first, Index n) {
    const auto expanded = conv_exp.forward(op, x.H, x.W, x.pixels, first, n);
    auto out = rows(y.pixels, first, n);
    op.linear_into(expanded, conv_pwl, out, 0);
    norm(op, out, bn2);
    if (stride == 1 && x.C() == O) op.add_to(out, rows(x.pixels, first, n));
  });
  return y;
}

FeatureMap InvertedResidual::expanded(Ops& op, const FeatureMap& x) const {
  FeatureMap wide{x.H, x.W, op.linear(x.pixels, pw_exp)};
  norm_gelu(op, wide.pixels, pw_exp_bn);
  FeatureMap y = dw_mid.forward(op, wide);
  norm_gelu(op, y.pixels, dw_mid_bn);
  return y;
}

void InvertedResidual::project(Ops& op, View<const float> expanded, View<float> y) const {
  op.linear_into(expanded, pw_proj, y, 0);
  norm(op, y, pw_proj_bn);
  scale_channels(op, y, layer_scale);
}

FeatureMap InvertedResidual::forward(Ops& op, const FeatureMap& x) const {
  const Index O = pw_proj.shape[0];
  const Index stride = dw_mid ? dw_mid.stride : 1;
  const Index H = SamePadding(x.H, 1, stride).size, W = SamePadding(x.W, 1, stride).size;
  FeatureMap y{H, W, op.arena().tensor({H * W, O})};
  const ArenaScope scratch(op.arena());
  FeatureMap start = x;
  if (dw_start) {
    start = dw_start.forward(op, x);
    norm(op, start.pixels, dw_start_bn);
  }
  if (dw_mid) {
    project(op, expanded(op, start).pixels, y.pixels);
  } else {
    for_tiles(op, H * W, [&](Index first, Index n) {
      auto wide = op.linear(rows(start.pixels, first, n), pw_exp);
      norm_gelu(op, wide, pw_exp_bn);
      project(op, wide, rows(y.pixels, first, n));
    });
  }
  if (stride == 1 && x.C() == O) op.add_to(y.pixels, x.pixels);
  return y;
}

View<float> MobileAttention::Source::forward(Ops& op, const FeatureMap& x) const {
  if (!down_conv) return op.linear(x.pixels, proj);
  const FeatureMap small = down_conv.forward(op, x);
  gemma3n::norm(op, small.pixels, norm);
  return op.linear(small.pixels, proj);
}

// softmax(q k / sqrt(E)) v.   q: [T, H * E], k and v: [N, E], returns [T, H * E].
// All heads of a few pixels are one matrix against the keys, and their weights one against the
// values, so no more scores exist than those of the pixels at hand. Heads are short: scores are
// sums of whole columns of keys, which leaves no lanes to add up.
View<float> MobileAttention::attend(Ops& op, View<float> q, View<const float> k,
                                    View<const float> v) const {
  constexpr Index kPixels = 4;
  const Index T = q.shape()[0], N = k.shape()[0];
  auto out = op.arena().tensor({T, H * E});
  const auto k_columns = transposed(op, k), v_columns = transposed(op, v);
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(E)));
  const auto dim = static_cast<std::size_t>(E), keys = static_cast<std::size_t>(N);
  const KernelTable& kernels = op.kernels();
  op.pool().parallel_for(T, kPixels, [&](Index begin, Index end) {
    const auto count = static_cast<std::size_t>((end - begin) * H);
    std::vector<float> scores(count * keys), sums(count), ones(count, 1.0f);
    float* asked = q[begin].data();
    for (std::size_t i = 0; i < count * dim; ++i) asked[i] *= scale;
    kernels.attend_values_f32(
        {asked, dim, ones.data(), count, k_columns.data(), keys, dim, scores.data(), keys});
    for (std::size_t i = 0; i < count; ++i) {
      float max = -std::numeric_limits<float>::infinity();
      kernels.softmax_block(scores.data() + i * keys, keys, &max, &sums[i]);
    }
    float* result = out[begin].data();
    kernels.matmul_f32(
        {scores.data(), keys, count, v_columns.data(), keys, dim, keys, result, dim});
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t e = 0; e < dim; ++e) result[i * dim + e] /= sums[i];
    }
  });
  return out;
}

FeatureMap MobileAttention::forward(Ops& op, const FeatureMap& x) const {
  FeatureMap y{x.H, x.W, op.arena().tensor(x.pixels.shape())};
  const ArenaScope scratch(op.arena());
  const FeatureMap normed{x.H, x.W, op.rms_norm(x.pixels, norm, kVisionEps)};
  const auto k = key.forward(op, normed), v = value.forward(op, normed);
  const auto attended = attend(op, op.linear(normed.pixels, query), k, v);
  op.linear_into(attended, output, y.pixels, 0);
  scale_channels(op, y.pixels, layer_scale);
  op.add_to(y.pixels, x.pixels);
  return y;
}

FeatureMap VisionBlock::forward(Ops& op, const FeatureMap& x) const {
  switch (kind) {
    case BlockKind::kEdgeResidual:
      return edge_residual.forward(op, x);
    case BlockKind::kInvertedResidual:
      return inverted_residual.forward(op, x);
    case BlockKind::kAttention:
      return attention.forward(op, x);
  }
  fail(ErrorCode::kInternal, "a block of no kind");
}

void bind(TensorBinder& b, EdgeResidual& m, const BlockLayout& l) {
  b.tensor("conv_exp.weight", m.conv_exp.conv, {l.mid, l.in, l.kernel, l.kernel}, Access::kTower);
  m.conv_exp.kernel = l.kernel;
  b.vector("bn1.weight", m.conv_exp.bn, l.mid);
  m.conv_exp.stride = l.stride;
  bind_pointwise(b, "conv_pwl.weight", m.conv_pwl, l.out, l.mid);
  b.vector("bn2.weight", m.bn2, l.out);
}

void bind(TensorBinder& b, InvertedResidual& m, const BlockLayout& l) {
  if (l.start_kernel > 0) {
    b.tensor("dw_start.conv.weight", m.dw_start.conv, {l.in, 1, l.start_kernel, l.start_kernel});
    b.vector("dw_start.bn.weight", m.dw_start_bn, l.in);
  }
  bind_pointwise(b, "pw_exp.conv.weight", m.pw_exp, l.mid, l.in);
  b.vector("pw_exp.bn.weight", m.pw_exp_bn, l.mid);
  if (l.mid_kernel > 0) {
    b.tensor("dw_mid.conv.weight", m.dw_mid.conv, {l.mid, 1, l.mid_kernel, l.mid_kernel});
    b.vector("dw_mid.bn.weight", m.dw_mid_bn, l.mid);
    m.dw_mid.stride = l.stride;
  }
  bind_pointwise(b, "pw_proj.conv.weight", m.pw_proj, l.out, l.mid);
  b.vector("pw_proj.bn.weight", m.pw_proj_bn, l.out);
  b.vector("layer_scale.gamma", m.layer_scale, l.out);
}

static void bind_source(TensorBinder& b, const std::string& name, MobileAttention::Source& m,
                        const BlockLayout& l) {
  if (l.key_stride > 1) {
    b.tensor(name + "down_conv.weight", m.down_conv.conv, {l.in, 1, 3, 3});
    m.down_conv.stride = l.key_stride;
    b.vector(name + "norm.weight", m.norm, l.in);
  }
  bind_pointwise(b, name + "proj.weight", m.proj, l.head_dim, l.in);
}

void bind(TensorBinder& b, MobileAttention& m, const BlockLayout& l) {
  m.H = l.heads;
  m.E = l.head_dim;
  b.vector("norm.weight", m.norm, l.in);
  bind_pointwise(b, "attn.query.proj.weight", m.query, m.H * m.E, l.in);
  bind_source(b, "attn.key.", m.key, l);
  bind_source(b, "attn.value.", m.value, l);
  bind_pointwise(b, "attn.output.proj.weight", m.output, l.out, m.H * m.E);
  b.vector("layer_scale.gamma", m.layer_scale, l.out);
}

void bind(TensorBinder& b, VisionBlock& m, const BlockLayout& l) {
  m.kind = l.kind;
  switch (l.kind) {
    case BlockKind::kEdgeResidual:
      return bind(b, m.edge_residual, l);
    case BlockKind::kInvertedResidual:
      return bind(b, m.inverted_residual, l);
    case BlockKind::kAttention:
      return bind(b, m.attention, l);
  }
}

}  // namespace gemma3n
