#include "ops/ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/blocks.h"
#include "ops/input_squares.h"

namespace gemma3n {
namespace {

constexpr Index kPieceElements = 32768;

Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

// Rows t0, ..., t1 - 1 of x by rows o0, ..., o1 - 1 of a weight.
struct ProductPart {
  Index t0, t1, o0, o1;
};

// How a product of T rows of I values by O rows of weights is divided among threads.
class ProductParts {
 public:
  ProductParts(Index T, Index I, Index O, Index threads) : T_(T), O_(O) {
    rows_ = std::max<Index>(1, std::min(T, kMostRows));
    row_parts_ = divide_up(T, rows_);
    const Index work = divide_up(rows_ * I * O, kWork);
    const Index even = divide_up(O, divide_up(std::max<Index>(1, work), threads) * threads);
    columns_ = std::max(kFewestColumns, divide_up(even, kColumnStep) * kColumnStep);
    column_parts_ = divide_up(O, columns_);
  }

  Index size() const { return row_parts_ * column_parts_; }
  // Parts of the same columns follow each other, so that their weights stay in the cache.
  ProductPart operator[](Index i) const {
    const Index t0 = i % row_parts_ * rows_, o0 = i / row_parts_ * columns_;
    return {t0, std::min(T_, t0 + rows_), o0, std::min(O_, o0 + columns_)};
  }

 private:
  static constexpr Index kMostRows = 128;
  static constexpr Index kWork = 1 << 20;  // multiply-adds in a part of few rows, about
  static constexpr Index kFewestColumns = 96;
  static constexpr Index kColumnStep = 48;  // what kernels take at once divides it

  Index T_, O_, rows_, row_parts_, columns_, column_parts_;
};

template <typename W>
void multiply_rows(void (*kernel)(const Matmul<W>&), View<const float> x, const Weight& w,
                   View<float> y, Index first, const ProductPart& part) {
  const Index I = w.shape[1];
  kernel({.x = x.data() + part.t0 * I,
          .x_stride = static_cast<std::size_t>(I),
          .T = static_cast<std::size_t>(part.t1 - part.t0),
          .w = static_cast<const W*>(rows_of(w, part.o0, part.o1 - part.o0).data),
          .w_stride = row_stride(w) / sizeof(W),
          .O = static_cast<std::size_t>(part.o1 - part.o0),
          .K = static_cast<std::size_t>(I),
          .y = y.data() + part.t0 * y.shape()[1] + first + part.o0,
          .y_stride = static_cast<std::size_t>(y.shape()[1])});
}

// The same where a weight is no matrix of blocks, by its dtype.
void multiply_rows(const KernelTable& k, View<const float> x, const Weight& w, View<float> y,
                   Index first, const ProductPart& part) {
  switch (w.dtype) {
    case DType::kF32:
      return multiply_rows(k.matmul_f32, x, w, y, first, part);
    case DType::kBF16:
      return multiply_rows(k.matmul_bf16, x, w, y, first, part);
    case DType::kF16:
      return multiply_rows(k.matmul_f16, x, w, y, first, part);
    default:
      check(false, "a weight is f32, bf16 or f16");
  }
}

void multiply_blocks(const KernelTable& k, const RoundedRows& x, const Weight& w, View<float> y,
                     Index first, const ProductPart& part) {
  const auto kernel = w.storage == Storage::kInt4Blocks ? k.matmul_int4 : k.matmul_int8;
  const Index I = w.shape[1], groups = I / static_cast<Index>(kGroup);
  kernel({.x = x.values.data() + part.t0 * I,
          .x_scales = x.scales.data() + part.t0 * groups,
          .x_biases = x.biases.data() + part.t0 * groups,
          .T = static_cast<std::size_t>(part.t1 - part.t0),
          .w = static_cast<const std::byte*>(rows_of(w, part.o0, part.o1 - part.o0).data),
          .block_bytes = w.stride,
          .groups = static_cast<std::size_t>(groups),
          .O = static_cast<std::size_t>(part.o1 - part.o0),
          .y = y.data() + part.t0 * y.shape()[1] + first + part.o0,
          .y_stride = static_cast<std::size_t>(y.shape()[1])});
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
  const auto [T, I] = dims<2>(x);
  const ArenaScope scratch(arena_);
  const auto parts = arena_.array<ProductParts>(w.size());
  Index all_parts = 0;
  bool has_blocks = false;
  for (std::size_t i = 0; i < w.size(); ++i) {
    check(w[i]->shape.rank() == 2, "a linear weight has two dimensions");
    check(w[i]->has_blocks() || w[i]->storage == Storage::kRows,
          "rows of groups are not multiplied");
    expect(x, {T, w[i]->shape[1]}, "linear input");
    const auto [rows, width] = dims<2>(y[i]);
    check(rows == T && first >= 0 && first + w[i]->shape[0] <= width, "linear output fits");
    if (w[i]->inputs != nullptr) w[i]->inputs->add(x);
    has_blocks |= w[i]->has_blocks();
    parts[i] = ProductParts(T, I, w[i]->shape[0], pool_.size());
    all_parts += parts[i].size();
  }
  const RoundedRows rounded = has_blocks ? round(x) : RoundedRows();
  pool_.run(all_parts, [&](Index part) {
    std::size_t i = 0;
    for (; part >= parts[i].size(); ++i) part -= parts[i].size();
    if (w[i]->has_blocks()) {
      multiply_blocks(k_, rounded, *w[i], y[i], first, parts[i][part]);
    } else {
      multiply_rows(k_, x, *w[i], y[i], first, parts[i][part]);
    }
  });
}

RoundedRows Ops::round(View<const float> x) {
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
