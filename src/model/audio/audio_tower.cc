#include "model/audio/audio_tower.h"

#include <algorithm>

namespace gemma3n {
namespace {

// The rows of x that `keep` says.   x: [T, D]
template <typename Predicate>
View<float> select_rows(Ops& op, View<const float> x, const Predicate& keep) {
  const auto [T, D] = dims<2>(x);
  auto y = op.arena().tensor({T, D});
  Index kept = 0;
  for (Index t = 0; t < T; ++t) {
    if (keep(t)) std::ranges::copy(x[t].span(), y[kept++].data());
  }
  return {y.data(), {kept, D}};
}

}  // namespace

Index AudioTower::tokens(Index T) const {
  return (subsample_conv_projection.frames(T) + reduction - 1) / reduction;
}

AudioTower::Output AudioTower::forward(Ops& op, View<const float> mel,
                                       std::span<const bool> is_sound,
                                       const std::function<void(double)>& on_progress) const {
  const Index T = dims<2>(mel)[0];
  expect(mel, {T, mel_bins}, "audio features");
  check(static_cast<Index>(is_sound.size()) == T, "one flag per frame");
  if (T == 0) {
    fail(ErrorCode::kInvalidArgument,
         "audio features: expected at least one frame, got none; the clip is too short");
  }
  const auto padding = op.arena().array<bool>(static_cast<std::size_t>(tokens(T)));
  Output out = {op.arena().tensor({tokens(T), hidden_size}), padding};
  std::ranges::fill(out.encodings.span(), 0.0f);
  std::ranges::fill(padding, true);

  const ArenaScope scratch(op.arena());
  const Index T_sub = subsample_conv_projection.frames(T);
  const auto times = op.arena().array<Index>(static_cast<std::size_t>(T_sub));
  std::size_t sounding = 0;
  for (Index t = 0; t < T_sub; ++t) {
    if (is_sound[std::min(t * time_stride, T - 1)]) times[sounding++] = t;
  }
  if (sounding == 0) return out;
  const auto sound = times.first(sounding);

  const auto entry = subsample_conv_projection.forward(op, mel, sound.back() + 1);
  const auto x =
      select_rows(op, entry, [&](Index t) { return std::ranges::binary_search(sound, t); });
  const auto encoded = encode(op, x, sound, on_progress);
  Index row = 0;
  for (const Index t : sound) {
    if (t % reduction != 0) continue;
    std::ranges::copy(encoded[row++].span(), out.encodings[t / reduction].data());
    padding[t / reduction] = false;
  }
  return out;
}

View<float> AudioTower::encode(Ops& op, View<float> x, std::span<const Index> times,
                               const std::function<void(double)>& on_progress) const {
  for (std::size_t i = 0; i + 1 < conformer.size(); ++i) {
    conformer[i].mix(op, x, times);
    conformer[i].finish(op, x);
    if (on_progress) {
      on_progress(static_cast<double>(i + 1) / static_cast<double>(conformer.size()));
    }
  }
  // After the last mixing, only frames that become tokens matter.
  conformer.back().mix(op, x, times);
  const auto kept = select_rows(op, x, [&](Index t) { return times[t] % reduction == 0; });
  conformer.back().finish(op, kept);
  return kept;
}

void bind(TensorBinder& b, AudioTower& m, const AudioConfig& c) {
  m.mel_bins = c.input_feat_size;
  m.hidden_size = c.hidden_size;
  m.time_stride = c.sscp_conv_stride_size[0][0] * c.sscp_conv_stride_size[1][0];
  m.reduction = std::max<Index>(1, c.conf_reduction_factor);
  b.module("subsample_conv_projection", m.subsample_conv_projection, c);
  m.conformer.resize(static_cast<std::size_t>(c.conf_num_hidden_layers));
  b.modules("conformer", m.conformer, c);
}

}  // namespace gemma3n
