// Tensor operations as model code sees them: shapes checked, work split over threads, inner loops
// taken from a KernelTable. Results live in the arena until the enclosing ArenaScope ends.
//
// Work is split over rows and output channels, never over a sum, so no result depends on the
// number of threads or on which rows share a call.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "ops/weight.h"
#include "tensor/arena.h"
#include "tensor/view.h"

namespace gemma3n {

// "hidden_activation". Ref: HF ACT2FN.
enum class Activation { kGeluTanh, kGelu, kSilu, kRelu, kQuickGelu };

// Throws: kUnsupported, naming the known ones.
Activation activation_from_name(std::string_view name);

// Rows of x rounded to 8 bits, as weights in blocks want it: a QuantizedRow after the other.
struct RoundedRows {
  std::span<std::int8_t> values;
  std::span<float> scales;
  std::span<std::int32_t> biases;
};

class Ops {
 public:
  Ops(const KernelTable& kernels, Arena& arena, ThreadPool& pool)
      : k_(kernels), arena_(arena), pool_(pool) {}

  Arena& arena() { return arena_; }
  ThreadPool& pool() { return pool_; }
  const KernelTable& kernels() const { return k_; }

  // y = x W^T.   x: [T, I] f32,  w: [O, I],  returns [T, O] f32.
  // Weights in blocks are multiplied with x rounded to 8 bits: see BlockMatmul.
  View<float> linear(View<const float> x, const Weight& w);
  // The products of one x with several weights, for which x is rounded once.
  template <std::same_as<Weight>... More>
  std::array<View<float>, 2 + sizeof...(More)> linear(View<const float> x, const Weight& w0,
                                                      const Weight& w1, const More&... more) {
    const auto make = [&](const Weight& w) { return arena_.tensor({x.shape()[0], w.shape[0]}); };
    const std::array y = {make(w0), make(w1), make(more)...};
    const std::array w = {&w0, &w1, &more...};
    multiply(x, w, y, 0);
    return y;
  }
  // The same into rows of y, which may be longer than O: y[t, first + o].
  void linear_into(View<const float> x, const Weight& w, View<float> y, Index first);

  // y[t] += bias, in place; nothing if the bias is absent.   y: [T, O]
  void add_bias(View<float> y, const Vector& bias);

  // y = x / sqrt(mean(x^2) + eps) * w over the last dimension.   w: [D], or absent for no scale.
  // Ref: HF Gemma3nRMSNorm (note: scales by w, not by 1 + w as Gemma 1-3 do).
  View<float> rms_norm(View<const float> x, const Vector& w, float eps);

  // The rows `ids` of a table [V, D], times `scale`.   returns [T, D].
  View<float> lookup(const Weight& table, std::span<const Index> ids, float scale);

  View<float> activate(View<const float> x, Activation f);
  // f(gate) * x, same shape.
  View<float> gated(View<const float> gate, Activation f, View<const float> x);
  View<float> tanh(View<const float> x);
  View<float> add(View<const float> a, View<const float> b);  // a + b, same shape
  // (a + b + c) * factor, same shape.
  View<float> scaled_sum(View<const float> a, View<const float> b, View<const float> c,
                         float factor);
  View<float> mul(View<const float> a, View<const float> b);  // a * b, same shape
  View<float> mul(View<const float> x, const Vector& w);      // per row; x: [T, D], w: [D]
  View<float> scale(View<const float> x, float factor);       // factor * x
  View<float> clamp(View<const float> x, float bound);        // into [-bound, bound]; NaN stays
  // a * sigmoid(b) for rows x = [a, b].   x: [T, 2 D], returns [T, D].
  View<float> glu(View<const float> x);
  View<float> copy(View<const float> x);
  void add_to(View<float> y, View<const float> x);  // y += x, same shape

  // Applies body(begin, end) to pieces of T rows, each worth about `work` operations a row.
  template <typename Body>
  void for_rows(Index T, Index work, const Body& body) {
    pool_.parallel_for(T, rows_per_piece(work), body);
  }

 private:
  // y[i] = x w[i]^T, from column `first` of y on.
  void multiply(View<const float> x, std::span<const Weight* const> w,
                std::span<const View<float>> y, Index first);
  RoundedRows round(View<const float> x);
  void apply(Activation f, const float* x, float* y, std::size_t n) const;

  static Index rows_per_piece(Index work) {
    constexpr Index kPieceWork = 16384;  // enough to be worth handing over
    return work >= kPieceWork ? 1 : kPieceWork / (work > 0 ? work : 1);
  }

  const KernelTable& k_;
  Arena& arena_;
  ThreadPool& pool_;
};

}  // namespace gemma3n
