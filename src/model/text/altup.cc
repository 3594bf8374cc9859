#include "model/text/altup.h"

#include <array>

namespace gemma3n {
namespace {

// Row t of each stream.
std::array<float*, kMaxAltUpStreams> rows(View<float> streams, Index t) {
  std::array<float*, kMaxAltUpStreams> row{};
  for (Index i = 0; i < streams.shape()[0]; ++i)
    row[static_cast<std::size_t>(i)] = streams[i][t].data();
  return row;
}

}  // namespace

View<float> AltUp::route(Ops& op, View<const float> x) const {
  const auto [T, D] = dims<2>(x);
  const auto modalities = op.linear(op.rms_norm(x, router_norm, eps), modality_router);
  return op.tanh(op.scale(modalities, 1.0f / static_cast<float>(D)));
}

void AltUp::predict(Ops& op, View<float> streams) const {
  const auto [A, T, D] = dims<3>(streams);
  const ArenaScope scratch(op.arena());
  const auto C = op.linear(route(op, streams[active]), prediction_coefs);  // [T, A * A]
  op.for_rows(T, A * A * D, [&, A = A, D = D](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      op.kernels().altup_predict(rows(streams, t).data(), static_cast<std::size_t>(A), C[t].data(),
                                 static_cast<std::size_t>(D));
    }
  });
}

void AltUp::correct(Ops& op, View<float> predicted, View<const float> activated) const {
  const auto [A, T, D] = dims<3>(predicted);
  expect(activated, {T, D}, "AltUp::correct activated");
  const ArenaScope scratch(op.arena());
  auto k = op.linear(route(op, activated), correction_coefs);  // [T, A]
  for (float& coefficient : k.span()) coefficient += 1.0f;
  op.for_rows(T, A * D, [&, A = A, D = D](Index begin, Index end) {
    for (Index t = begin; t < end; ++t) {
      op.kernels().altup_correct(rows(predicted, t).data(), static_cast<std::size_t>(A),
                                 static_cast<std::size_t>(active), activated[t].data(), k[t].data(),
                                 static_cast<std::size_t>(D));
    }
  });
}

void bind(TensorBinder& b, AltUp& m, const TextConfig& c) {
  const Index D = c.hidden_size, A = c.altup_num_inputs;
  check(A <= static_cast<Index>(kMaxAltUpStreams), "the number of streams was validated");
  b.vector("router_norm.weight", m.router_norm, D);
  b.tensor("modality_router.weight", m.modality_router, {A, D});
  b.tensor("prediction_coefs.weight", m.prediction_coefs, {A * A, A});
  b.tensor("correction_coefs.weight", m.correction_coefs, {A, A});
  b.vector("correct_output_scale", m.correct_output_scale, D);
  m.active = c.altup_active_idx;
  m.eps = static_cast<float>(c.rms_norm_eps);
}

}  // namespace gemma3n
