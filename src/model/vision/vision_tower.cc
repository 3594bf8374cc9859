#include "model/vision/vision_tower.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace gemma3n {
namespace {

// Two arenas in turn: a block writes its map into one while it reads its input from the other, so
// no map lives longer than it is needed. Their memory serves the next blocks, which saves fetching
// it from the system again.
class MapArenas {
 public:
  explicit MapArenas(Ops& op) : op_(op) {}

  template <typename Block>
  FeatureMap run(const Block& block, const FeatureMap& x) {
    auto& [arena, scope] = arenas_[next_];
    scope.reset();
    scope.emplace(arena);
    Ops op(op_.kernels(), arena, op_.pool());
    next_ = 1 - next_;
    return block(op, x);
  }

 private:
  struct MapArena {
    Arena arena;
    std::optional<ArenaScope> scope;  // of the map and what it was made with
  };

  Ops& op_;
  MapArena arenas_[2];
  int next_ = 0;
};

FeatureMap copied(Ops& op, const FeatureMap& x) { return {x.H, x.W, op.copy(x.pixels)}; }

}  // namespace

FeatureMap VisionTower::stem(Ops& op, View<const float> pixels) const {
  const auto [H, W, C] = dims<3>(pixels);
  const Index kernel = conv_stem.kernel, stride = conv_stem.stride;
  const SamePadding rows(H, kernel, stride), columns(W, kernel, stride);
  const Index O = conv_stem.conv.shape[0], n = rows.size * columns.size;
  FeatureMap y{rows.size, columns.size, op.arena().tensor({n, O})};
  const ArenaScope scratch(op.arena());
  const auto flat = pixels.reshape({H * W, C});
  for (Index first = 0; first < n; first += kTilePixels) {
    const ArenaScope tile(op.arena());
    const Index count = std::min(kTilePixels, n - first);
    std::ranges::copy(conv_stem.forward(op, H, W, flat, first, count).span(),
                      y.pixels[first].data());
  }
  return y;
}

View<float> VisionTower::forward(Ops& op, View<const float> pixels,
                                 const std::function<void(double)>& on_progress) const {
  check(pixels.size() > 0, "a picture has pixels");
  MapArenas maps(op);
  std::size_t blocks = 0, done = 0;
  for (const auto& stage : stages) blocks += stage.size();
  FeatureMap x = maps.run([&](Ops& o, const FeatureMap&) { return stem(o, pixels); }, {});
  FeatureMap fine;  // of the last stage but one
  for (std::size_t s = 0; s < stages.size(); ++s) {
    for (const VisionBlock& block : stages[s]) {
      x = maps.run([&](Ops& o, const FeatureMap& in) { return block.forward(o, in); }, x);
      if (on_progress) on_progress(static_cast<double>(++done) / static_cast<double>(blocks + 1));
    }
    if (s + 2 == stages.size()) fine = copied(op, x);
  }
  return msfa.forward(op, fine, copied(op, x));
}

void bind(TensorBinder& b, VisionTower& m, const VisionConfig& c) {
  const VisionLayout layout = VisionLayout::of(c);
  m.conv_stem.kernel = 3;
  b.tensor("conv_stem.conv.weight", m.conv_stem.conv, {layout.stem, 3, 3, 3}, Access::kTower);
  if (b.has("conv_stem.conv.bias")) b.vector("conv_stem.conv.bias", m.conv_stem.bias, layout.stem);
  b.vector("conv_stem.bn.weight", m.conv_stem.bn, layout.stem);
  m.conv_stem.stride = 2;
  m.stages.resize(layout.stages.size());
  for (std::size_t s = 0; s < layout.stages.size(); ++s) {
    m.stages[s].resize(layout.stages[s].size());
    for (std::size_t i = 0; i < layout.stages[s].size(); ++i) {
      b.module("blocks." + std::to_string(s) + "." + std::to_string(i), m.stages[s][i],
               layout.stages[s][i]);
    }
  }
  const Index in = layout.stages[2].back().out + layout.stages[3].back().out;
  b.module("msfa", m.msfa, MsfaLayout{in, layout.features, layout.resolution});
}

}  // namespace gemma3n
