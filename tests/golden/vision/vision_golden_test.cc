// The vision tower, its blocks and its head against timm in float32.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "model/vision/vision_tower.h"
#include "stored_cases.h"

namespace gemma3n::golden {
namespace {

using nlohmann::json;

constexpr double kPartTolerance = 1e-5, kTowerTolerance = 1e-4;  // of max |reference|

class VisionGolden : public testing::Test {
 protected:
  static const StoredCases& stored() {
    static const StoredCases cases("vision/fixtures/vision");
    return cases;
  }

  VisionTower make_tower(const json& arguments, FormulaBinder& binder) {
    VisionConfig config;
    config.model_args_json = arguments.dump();
    VisionTower tower;
    binder.module("model.vision_tower.timm_model", tower, config);
    return tower;
  }

  // The error at the values that are stored: each step-th.
  double error_of(View<const float> result, const json& c) {
    const auto step = c["step"].get<std::size_t>();
    if (result.span().size() != c["size"].get<std::size_t>()) return INFINITY;
    const auto expected = stored().floats(c, 0);
    double largest = 0.0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double difference =
          static_cast<double>(result.span()[i * step]) - static_cast<double>(expected[i]);
      if (!std::isfinite(difference)) return INFINITY;
      largest = std::max(largest, std::fabs(difference));
    }
    return largest / c["largest"].get<double>();
  }

  FeatureMap map_of(std::uint32_t seed, Index channels, Index height, Index width) {
    const auto values =
        rows(seed, static_cast<std::size_t>(height * width), static_cast<std::size_t>(channels));
    auto view = arena.tensor({height * width, channels});
    std::ranges::copy(values, view.data());
    return {height, width, view};
  }

  View<float> compute(const json& c, const VisionTower& tower) {
    if (c["part"] == "tower") {
      const Index H = c["height"], W = c["width"];
      const auto seed = c.value("seed", static_cast<std::uint32_t>(H + W));
      input = pixels(seed, c["height"], c["width"]);
      return tower.forward(op, View<const float>(input.data(), {H, W, 3}));
    }
    if (c["part"] == "msfa") {
      const auto &fine = c["fine"], &coarse = c["coarse"], &channels = c["channels"];
      return tower.msfa.forward(op, map_of(1, channels[0], fine[0], fine[1]),
                                map_of(2, channels[1], coarse[0], coarse[1]));
    }
    const auto& block =
        tower.stages.at(c["stage"].get<std::size_t>()).at(c["block"].get<std::size_t>());
    return block.forward(op, map_of(c["seed"], c["channels"], c["height"], c["width"])).pixels;
  }

  Arena arena;
  ThreadPool pool{2};
  Ops op{active_kernels(), arena, pool};
  std::vector<float> input;
};

TEST_F(VisionGolden, TowersBlocksAndHeads) {
  ASSERT_GE(stored().cases().size(), 38u);
  // The portable kernels have the bits of the fast ones (kernels_test.cc): large pictures add
  // nothing there but time.
  const bool is_slow = active_kernels().name == std::string_view("portable");
  double worst_tower = 0.0, worst_part = 0.0;
  for (const json& c : stored().cases()) {
    if (is_slow && c.value("height", 0) * c.value("width", 0) > 4096) continue;
    const ArenaScope scratch(arena);
    FormulaBinder binder;
    const VisionTower tower = make_tower(c["model_args"], binder);
    const bool is_tower = c["part"] == "tower";
    const double error = error_of(compute(c, tower), c);
    EXPECT_LE(error, is_tower ? kTowerTolerance : kPartTolerance) << c.dump();
    double& worst = is_tower ? worst_tower : worst_part;
    worst = std::max(worst, error);
  }
  std::printf("largest error of a tower: %.2g, of a part: %.2g\n", worst_tower, worst_part);
}

TEST_F(VisionGolden, ThreadsChangeNothing) {
  FormulaBinder binder;
  const VisionTower tower = make_tower({{"channel_multiplier", 0.0625}}, binder);
  const auto picture = pixels(3, 70, 45);
  const View<const float> view(picture.data(), {70, 45, 3});
  const auto expected = tower.forward(op, view);
  for (const int threads : {1, 3}) {
    ThreadPool other(threads);
    Ops other_op(active_kernels(), arena, other);
    EXPECT_TRUE(std::ranges::equal(tower.forward(other_op, view).span(), expected.span()));
  }
}

// 8 bits, through all 84 blocks of a tower that was never trained; and 16, which is all these
// values have.
TEST_F(VisionGolden, FewerBitsStayClose) {
  const json width = {{"channel_multiplier", 0.125}};  // with whole groups in most matrices
  const auto picture = pixels(3, 70, 45);
  const View<const float> view(picture.data(), {70, 45, 3});
  FormulaBinder plain;
  const auto expected = make_tower(width, plain).forward(op, view).span();
  for (const auto q : {Quantization::kInt8, Quantization::kInt4, Quantization::kBF16}) {
    FormulaBinder binder(DType::kF32, q);
    const VisionTower tower = make_tower(width, binder);
    const bool is_bf16 = q == Quantization::kBF16;
    EXPECT_EQ(tower.msfa.ffn.pw_proj.has_blocks(), !is_bf16);
    const auto result = tower.forward(op, view).span();
    const double error = relative_error(result, expected);
    std::printf("%s: %.2g\n", std::string(quantization_name(q)).c_str(), error);
    EXPECT_EQ(error == 0.0, is_bf16);
    EXPECT_LT(error, 0.2);
    ThreadPool one(1);
    Ops alone(active_kernels(), arena, one);
    EXPECT_TRUE(std::ranges::equal(tower.forward(alone, view).span(), result));
  }
}

TEST_F(VisionGolden, ProgressGoesUpToTheEnd) {
  FormulaBinder binder;
  const VisionTower tower = make_tower({{"channel_multiplier", 0.0625}}, binder);
  const auto picture = pixels(3, 5, 5);
  double last = 0.0;
  tower.forward(op, View<const float>(picture.data(), {5, 5, 3}), [&](double share) {
    EXPECT_GT(share, last);
    last = share;
  });
  EXPECT_GT(last, 0.9);
  EXPECT_LE(last, 1.0);
}

TEST(VisionLayout, RefusesWhatTheTowerDoesNotHave) {
  const auto refusal = [](const char* arguments) -> std::string {
    VisionConfig config;
    config.model_args_json = arguments;
    try {
      VisionLayout::of(config);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal("{}"), "accepted");
  EXPECT_NE(refusal(R"({"channel_multiplier": 0})").find("channel_multiplier"), std::string::npos);
  EXPECT_NE(refusal(R"({"channel_multiplier": 99})").find("at most 8"), std::string::npos);
  EXPECT_NE(refusal(R"({"msfa_output_resolution": 0})").find("1 to 256"), std::string::npos);
  EXPECT_NE(refusal(R"({"drop_path_rate": 0.1})").find("drop_path_rate"), std::string::npos);
  VisionConfig other;
  other.architecture = "resnet50";
  EXPECT_THROW(VisionLayout::of(other), Error);
}

// The widths of a published tower and of a small one.
TEST(VisionLayout, HasTheWidthsOfTimm) {
  VisionConfig config;
  const auto full = VisionLayout::of(config);
  EXPECT_EQ(full.stages[2].size(), 37u);
  EXPECT_EQ(full.stages[3].size(), 39u);
  EXPECT_EQ(full.stages[1][0].mid, 768);
  EXPECT_EQ(full.stages[3].back().out, 1280);
  config.model_args_json = R"({"channel_multiplier": 0.0625})";
  const auto small = VisionLayout::of(config);
  EXPECT_EQ(small.stem, 64);
  EXPECT_EQ(small.stages[0][0].mid, 256);
  EXPECT_EQ(small.stages[0][1].mid, 32);
  EXPECT_EQ(small.stages[2][8].mid, 40);
  EXPECT_EQ(small.stages[3].back().out, 80);
}

}  // namespace
}  // namespace gemma3n::golden
