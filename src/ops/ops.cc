#include "ops/ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "kernels/blocks.h"
#include "ops/input_squares.h"

namespace gemma3n {
namespace {

constexpr Index kRowPiece = 128;      // rows of x in one piece of a matmul
constexpr Index kColumnPiece = 96;    // weight rows in one piece, at least
constexpr Index kPieceWork = 262144;  // multiply-adds in one piece of a thin matmul, about
constexpr Index kPieceElements = 32768;

template <typename W>
void matmul_piece(void (*kernel)(const Matmul<W>&), View<const float> x, const Weight& w,
                  View<float> y, Index first, Index t0, Index t1, Index o0, Index o1) {
  const Index I = w.shape[1];
  kernel({.x = x.data() + t0 * I,
          .x_stride = static_cast<std::size_t>(I),
          .T = static_cast<std::size_t>(t1 - t0),
          .w = static_cast<const W*>(rows_of(w, o0, o1 - o0).data),
          .w_stride = row_stride(w) / sizeof(W),
          .O = static_cast<std::size_t>(o1 - o0),
          .K = static_cast<std::size_t>(I),
          .y = y.data() + t0 * y.shape()[1] + first + o0,
          .y_stride = static_cast<std::size_t>(y.shape()[1])});
}

// Divides the product of T rows of I values by O rows of weights among the threads: body(t0, t1,
// o0, o1). Pieces of the same columns follow each other, so that their weights stay in the cache.
template <typename Body>
void for_pieces(ThreadPool& pool, Index T, Index I, Index O, const Body& body) {
  const Index row_piece = std::min(T, kRowPiece);
  const Index column_work = std::max<Index>(1, row_piece * I);
  const Index column_piece =
      std::max<Index>(1, kPieceWork / (column_work * kColumnPiece)) * kColumnPiece;
  const Index row_pieces = T == 0 ? 0 : (T + row_piece - 1) / row_piece;
  const Index column_pieces = (O + column_piece - 1) / column_piece;
  pool.run(row_pieces * column_pieces, [&](Index piece) {
    const Index t0 = piece % row_pieces * row_piece, o0 = piece / row_pieces * column_piece;
    body(t0, std::min(T, t0 + row_piece), o0, std::min(O, o0 + column_piece));
  });
}

// The values of a row, which lies as it is or in groups.
void read_row(const KernelTable& k, const Weight& row, float* y) {
  const auto n = static_cast<std::size_t>(row.shape[1]);
  if (row.storage == Storage::kInt8Groups) {
    return k.widen_int8(static_cast<const Int8Group*>(row.data), y, n / kGroup);
  }
  if (row.storage == Storage::kInt4Groups) {
    return k.widen_int4(static_cast<const Int4Group*>(row.data), y, n / kGroup);
  }
  switch (row.dtype) {
    case DType::kF32:
      std::memcpy(y, row.data, n * sizeof(float));
      break;
    case DType::kBF16:
      k.widen_bf16(static_cast<const Bf16*>(row.data), y, n);
      break;
    case DType::kF16:
      k.widen_f16(static_cast<const F16*>(row.data), y, n);
      break;
    default:
      check(false, "a weight is f32, bf16 or f16");
  }
}

// Row `row` of a table in blocks, times `scale`.
void read_block_row(const KernelTable& k, const Weight& table, Index row, float scale, float* y) {
  const bool is_int4 = table.storage == Storage::kInt4Blocks;
  const auto o = static_cast<std::size_t>(row) % kBlockRows;
  const std::byte* group = static_cast<const std::byte*>(table.data) +
                           static_cast<std::size_t>(row) / kBlockRows * table.stride;
  const auto groups = static_cast<std::size_t>(table.shape[1]) / kGroup;
  for (std::size_t g = 0; g < groups; ++g, y += kGroup) {
    float step = 0;
    k.widen_f16(reinterpret_cast<const F16*>(group) + o, &step, 1);
    step *= scale;
    for (std::size_t i = 0; i < kGroup; ++i) {
      y[i] = static_cast<float>(is_int4 ? read_int4(group, o, i) : read_int8(group, o, i)) * step;
    }
    group += is_int4 ? kInt4GroupBytes : kInt8GroupBytes;
  }
}

float gelu_erf(float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f)); }
float quick_gelu(float x) { return x / (1.0f + std::exp(-1.702f * x)); }
float relu(float x) { return x < 0.0f ? 0.0f : x; }  // NaN stays NaN

}  // namespace

Weight rows_of(const Weight& w, Index first, Index n) {
  Weight part = w;
  part.shape = {n, w.shape[1]};
  const auto* data = static_cast<const std::byte*>(w.data);
  if (w.has_blocks()) {
    check(first % static_cast<Index>(kBlockRows) == 0, "whole blocks");
    part.data = data + static_cast<std::size_t>(first) / kBlockRows * w.stride;
  } else {
    const std::size_t stride = w.storage == Storage::kRows ? row_stride(w) : w.stride;
    part.data = data + static_cast<std::size_t>(first) * stride;
  }
  return part;
}

Weight columns_of(const Weight& w, Index n) {
  check(n <= w.shape[1], "columns that are there");
  Weight part = w;
  part.shape = {w.shape[0], n};
  part.inputs = nullptr;  // of fewer inputs than it counts
  if (w.storage == Storage::kRows) {
    part.stride = row_stride(w);
  } else {
    check(n % static_cast<Index>(kGroup) == 0, "whole groups");
  }
  return part;
}

Activation activation_from_name(std::string_view name) {
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast") {
    return Activation::kGeluTanh;
  }
  if (name == "gelu") return Activation::kGelu;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "relu") return Activation::kRelu;
  if (name == "quick_gelu") return Activation::kQuickGelu;
  fail(ErrorCode::kUnsupported,
       "hidden_activation: expected gelu_pytorch_tanh, gelu_new, gelu_fast, ",
       "gelu, silu, swish, relu or quick_gelu, got '", name, "'");
}

View<float> Ops::linear(View<const float> x, const Weight& w) {
  auto y = arena_.tensor({x.shape()[0], w.shape[0]});
  linear_into(x, w, y, 0);
  return y;
}

void Ops::linear_into(View<const float> x, const Weight& w, View<float> y, Index first) {
  const std::array weights = {&w};
  const std::array results = {y};
  multiply(x, weights, results, first);
}

void Ops::multiply(View<const float> x, std::span<const Weight* const> w,
                   std::span<const View<float>> y, Index first) {
  const Index T = dims<2>(x)[0];
  const ArenaScope scratch(arena_);
  std::optional<RoundedRows> rounded;
  for (std::size_t i = 0; i < w.size(); ++i) {
    check(w[i]->shape.rank() == 2, "a linear weight has two dimensions");
    expect(x, {T, w[i]->shape[1]}, "linear input");
    const auto [rows, width] = dims<2>(y[i]);
    check(rows == T && first >= 0 && first + w[i]->shape[0] <= width, "linear output fits");
    if (w[i]->inputs != nullptr) w[i]->inputs->add(x);
    if (w[i]->has_blocks()) {
      if (!rounded) rounded = round(x);
      multiply_blocks(*rounded, *w[i], y[i], first);
    } else {
      multiply_rows(x, *w[i], y[i], first);
    }
  }
}

void Ops::multiply_rows(View<const float> x, const Weight& w, View<float> y, Index first) {
  const auto [T, I] = dims<2>(x);
  check(w.storage == Storage::kRows, "rows of groups are not multiplied");
  for_pieces(pool_, T, I, w.shape[0], [&](Index t0, Index t1, Index o0, Index o1) {
    switch (w.dtype) {
      case DType::kF32:
        return matmul_piece(k_.matmul_f32, x, w, y, first, t0, t1, o0, o1);
      case DType::kBF16:
        return matmul_piece(k_.matmul_bf16, x, w, y, first, t0, t1, o0, o1);
      case DType::kF16:
        return matmul_piece(k_.matmul_f16, x, w, y, first, t0, t1, o0, o1);
      default:
        check(false, "a weight is f32, bf16 or f16");
    }
  });
}

Ops::RoundedRows Ops::round(View<const float> x) {
  const auto [T, I] = dims<2>(x);
  const Index groups = I / static_cast<Index>(kGroup);
  check(groups * static_cast<Index>(kGroup) == I, "rows of whole groups");
  const auto all = static_cast<std::size_t>(T * groups);
  const RoundedRows rounded = {arena_.array<std::int8_t>(all * kGroup), arena_.array<float>(all),
                               arena_.array<std::int32_t>(all)};
  for_rows(T, 2 * I, [&, I = I](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      k_.quantize_row(x[t].data(), static_cast<std::size_t>(I),
                      {rounded.values.data() + t * I, rounded.scales.data() + t * groups,
                       rounded.biases.data() + t * groups});
    }
  });
  return rounded;
}

void Ops::multiply_blocks(const RoundedRows& x, const Weight& w, View<float> y, Index first) {
  const auto [T, y_stride] = dims<2>(y);
  const Index O = w.shape[0], I = w.shape[1], groups = I / static_cast<Index>(kGroup);
  const auto kernel = w.storage == Storage::kInt4Blocks ? k_.matmul_int4 : k_.matmul_int8;
  for_pieces(pool_, T, I, O, [&, y_stride = y_stride](Index t0, Index t1, Index o0, Index o1) {
    const Weight part = rows_of(w, o0, o1 - o0);
    kernel({.x = x.values.data() + t0 * I,
            .x_scales = x.scales.data() + t0 * groups,
            .x_biases = x.biases.data() + t0 * groups,
            .T = static_cast<std::size_t>(t1 - t0),
            .w = static_cast<const std::byte*>(part.data),
            .block_bytes = w.stride,
            .groups = static_cast<std::size_t>(groups),
            .O = static_cast<std::size_t>(o1 - o0),
            .y = y.data() + t0 * y_stride + first + o0,
            .y_stride = static_cast<std::size_t>(y_stride)});
  });
}

void Ops::add_bias(View<float> y, const Vector& bias) {
  if (bias.data() == nullptr) return;
  const auto [T, O] = dims<2>(y);
  check(bias.size() == O, "a bias has one value per output");
  for_rows(T, O, [&, O = O](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      for (Index o = 0; o < O; ++o) y(t, o) += bias.data()[o];
    }
  });
}

View<float> Ops::rms_norm(View<const float> x, const Vector& w, float eps) {
  const Index D = x.shape()[x.shape().rank() - 1];
  check(w.data() == nullptr || w.size() == D, "a norm has one weight per channel");
  auto y = arena_.tensor(x.shape());
  if (D == 0) return y;
  for_rows(x.size() / D, 2 * D, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      k_.rms_norm(x.data() + i * D, w.data(), eps, y.data() + i * D, static_cast<std::size_t>(D));
    }
  });
  return y;
}

View<float> Ops::lookup(const Weight& table, std::span<const Index> ids, float scale) {
  check(table.shape.rank() == 2, "a table has two dimensions");
  const Index V = table.shape[0], D = table.shape[1];
  auto y = arena_.tensor({static_cast<Index>(ids.size()), D});
  for (std::size_t t = 0; t < ids.size(); ++t) {
    check(ids[t] >= 0 && ids[t] < V, "ids were checked against the table");
    float* row = y[static_cast<Index>(t)].data();
    if (table.has_blocks()) {
      read_block_row(k_, table, ids[t], scale, row);
      continue;
    }
    read_row(k_, rows_of(table, ids[t], 1), row);
    for (Index d = 0; d < D; ++d) row[d] *= scale;
  }
  return y;
}

void Ops::apply(Activation f, const float* x, float* y, std::size_t n) const {
  switch (f) {
    case Activation::kGeluTanh:
      return k_.gelu_tanh(x, y, n);
    case Activation::kSilu:
      return k_.silu(x, y, n);
    case Activation::kGelu:
      std::transform(x, x + n, y, gelu_erf);
      return;
    case Activation::kRelu:
      std::transform(x, x + n, y, relu);
      return;
    case Activation::kQuickGelu:
      std::transform(x, x + n, y, quick_gelu);
      return;
  }
}

View<float> Ops::activate(View<const float> x, Activation f) {
  auto y = arena_.tensor(x.shape());
  pool_.parallel_for(x.size(), kPieceElements / 4, [&](Index begin, Index end) {
    apply(f, x.data() + begin, y.data() + begin, static_cast<std::size_t>(end - begin));
  });
  return y;
}

View<float> Ops::gated(View<const float> gate, Activation f, View<const float> x) {
  expect(x, gate.shape(), "gated");
  auto y = arena_.tensor(x.shape());
  pool_.parallel_for(x.size(), kPieceElements / 8, [&](Index begin, Index end) {
    apply(f, gate.data() + begin, y.data() + begin, static_cast<std::size_t>(end - begin));
    for (Index i = begin; i < end; ++i) y.data()[i] *= x.data()[i];
  });
  return y;
}

View<float> Ops::tanh(View<const float> x) {
  auto y = arena_.tensor(x.shape());
  pool_.parallel_for(x.size(), kPieceElements / 4, [&](Index begin, Index end) {
    k_.tanh(x.data() + begin, y.data() + begin, static_cast<std::size_t>(end - begin));
  });
  return y;
}

View<float> Ops::clamp(View<const float> x, float bound) {
  auto y = arena_.tensor(x.shape());
  pool_.parallel_for(x.size(), kPieceElements, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      const float v = x.data()[i];
      y.data()[i] = v < -bound ? -bound : (v > bound ? bound : v);
    }
  });
  return y;
}

// sigmoid(b) = (1 + tanh(b / 2)) / 2
View<float> Ops::glu(View<const float> x) {
  const auto [T, width] = dims<2>(x);
  check(width % 2 == 0, "glu: rows have two halves");
  const Index D = width / 2;
  auto y = arena_.tensor({T, D});
  for_rows(T, 8 * D, [&](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      const float *a = x[t].data(), *b = a + D;
      float* out = y[t].data();
      for (Index d = 0; d < D; ++d) out[d] = 0.5f * b[d];
      k_.tanh(out, out, static_cast<std::size_t>(D));
      for (Index d = 0; d < D; ++d) out[d] = a[d] * (0.5f + 0.5f * out[d]);
    }
  });
  return y;
}

View<float> Ops::copy(View<const float> x) {
  auto y = arena_.tensor(x.shape());
  std::ranges::copy(x.span(), y.data());
  return y;
}

View<float> Ops::add(View<const float> a, View<const float> b) {
  expect(b, a.shape(), "add");
  auto y = arena_.tensor(a.shape());
  pool_.parallel_for(a.size(), kPieceElements, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) y.data()[i] = a.data()[i] + b.data()[i];
  });
  return y;
}

void Ops::add_to(View<float> y, View<const float> x) {
  expect(x, y.shape(), "add_to");
  pool_.parallel_for(x.size(), kPieceElements, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) y.data()[i] += x.data()[i];
  });
}

View<float> Ops::scaled_sum(View<const float> a, View<const float> b, View<const float> c,
                            float factor) {
  expect(b, a.shape(), "scaled_sum");
  expect(c, a.shape(), "scaled_sum");
  auto y = arena_.tensor(a.shape());
  pool_.parallel_for(a.size(), kPieceElements, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      y.data()[i] = (a.data()[i] + b.data()[i] + c.data()[i]) * factor;
    }
  });
  return y;
}

View<float> Ops::mul(View<const float> a, View<const float> b) {
  expect(b, a.shape(), "mul");
  auto y = arena_.tensor(a.shape());
  pool_.parallel_for(a.size(), kPieceElements, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) y.data()[i] = a.data()[i] * b.data()[i];
  });
  return y;
}

View<float> Ops::mul(View<const float> x, const Vector& w) {
  const auto [T, D] = dims<2>(x);
  check(w.size() == D, "mul: one weight per channel");
  auto y = arena_.tensor({T, D});
  for_rows(T, D, [&, D = D](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      for (Index d = 0; d < D; ++d) y(t, d) = x(t, d) * w.data()[d];
    }
  });
  return y;
}

View<float> Ops::scale(View<const float> x, float factor) {
  auto y = arena_.tensor(x.shape());
  pool_.parallel_for(x.size(), kPieceElements, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) y.data()[i] = factor * x.data()[i];
  });
  return y;
}

}  // namespace gemma3n
