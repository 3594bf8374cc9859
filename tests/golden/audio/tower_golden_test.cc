// The audio tower, its parts and the embedder against transformers in float32.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "model/audio/audio_tower.h"
#include "model/multimodal_embedder.h"
#include "stored_cases.h"

namespace gemma3n::golden {
namespace {

using nlohmann::json;

constexpr double kPartTolerance = 1e-5, kTowerTolerance = 1e-4;  // of max |reference|

// A bool array that can be viewed as a span.
struct Flags {
  std::unique_ptr<bool[]> data;
  std::size_t size;

  explicit Flags(const std::vector<bool>& values)
      : data(new bool[values.size()]), size(values.size()) {
    std::ranges::copy(values, data.get());
  }
  operator std::span<const bool>() const { return {data.get(), size}; }
};

class TowerGolden : public testing::Test {
 protected:
  AudioTower make_tower(const AudioConfig& config, FormulaBinder& binder) {
    AudioTower tower;
    binder.module("model.audio_tower", tower, config);
    return tower;
  }

  Arena arena;
  ThreadPool pool{2};
  Ops op{active_kernels(), arena, pool};
};

View<const float> view(const std::vector<float>& values, Index rows) {
  return {values.data(), {rows, static_cast<Index>(values.size()) / rows}};
}

TEST_F(TowerGolden, EveryStoredTower) {
  const StoredCases stored("audio/fixtures/towers");
  ASSERT_GE(stored.cases().size(), 200u);
  double worst = 0.0;
  for (const json& c : stored.cases()) {
    const ArenaScope scratch(arena);
    const auto config = AudioConfig::from_json(c["config"].dump());
    FormulaBinder binder;
    const AudioTower tower = make_tower(config, binder);
    const auto T = c["frames"].get<std::size_t>();
    const auto mel = features(static_cast<std::uint32_t>(T), T,
                              static_cast<std::size_t>(config.input_feat_size));
    const auto mask = sounding(c["mask"], T);
    const auto out = tower.forward(op, view(mel, static_cast<Index>(T)), Flags(mask));
    const std::string what =
        c["name"].get<std::string>() + " " + std::to_string(T) + " " + c["mask"].get<std::string>();
    ASSERT_EQ(out.encodings.shape()[0], tower.tokens(static_cast<Index>(T))) << what;
    const double error = relative_error(out.encodings.span(), stored.floats(c, 0));
    EXPECT_LE(error, kTowerTolerance) << what;
    EXPECT_TRUE(std::ranges::equal(out.is_padding, stored.flags(c, 1))) << what;
    worst = std::max(worst, error);
  }
  std::printf("largest error of a tower: %.2g\n", worst);
}

// A part's result at the frames with sound, in HF's form [T, ...] or ours.
class PartsGolden : public TowerGolden {
 protected:
  void run(const json& c) {
    config_ = AudioConfig::from_json(c["config"].dump());
    tower_ = make_tower(config_, binder_);
    T_ = c["frames"];
    const auto x =
        rows(6, static_cast<std::size_t>(T_), static_cast<std::size_t>(config_.hidden_size));
    const auto mask = sounding(c["mask"], static_cast<std::size_t>(T_));
    times_.clear();
    sound_.clear();
    for (Index t = 0; t < T_; ++t) {
      if (!mask[static_cast<std::size_t>(t)]) continue;
      times_.push_back(t);
      const auto row = view(x, T_)[t].span();
      sound_.insert(sound_.end(), row.begin(), row.end());
    }
    const auto result = compute(c["part"], c);
    actual_.assign(result.span().begin(), result.span().end());
  }

  // The reference has rows for padding too.
  std::vector<float> at_sound(const std::vector<float>& all) const {
    const auto width = all.size() / static_cast<std::size_t>(T_);
    std::vector<float> kept;
    for (const Index t : times_) {
      const auto first = all.begin() + t * static_cast<Index>(width);
      kept.insert(kept.end(), first, first + static_cast<Index>(width));
    }
    return kept;
  }

  View<float> compute(const std::string& part, const json& c) {
    const auto& entry = tower_.subsample_conv_projection;
    const Index F = config_.input_feat_size;
    mel_ = features(5, static_cast<std::size_t>(T_), static_cast<std::size_t>(F));
    const View<const float> mel(mel_.data(), {T_, F, 1});
    const Index half_frames = entry.conv_0.frames(T_);
    if (part == "conv_0") return entry.conv_0.forward(op, mel, half_frames);
    if (part == "conv_1") {
      const auto half = entry.conv_0.forward(op, mel, half_frames);
      return entry.conv_1.forward(op, half, entry.conv_1.frames(half_frames));
    }
    if (part == "subsample") return entry.forward(op, mel.reshape({T_, F}), entry.frames(T_));
    if (part.starts_with("embed")) return embed(part, c["text_hidden_size"]);

    const ConformerBlock& block = tower_.conformer[1];
    const View<float> x(sound_.data(), {static_cast<Index>(times_.size()), config_.hidden_size});
    if (part == "feed_forward") block.ffw_layer_start.forward(op, x);
    if (part == "attn") return block.attention.attn.forward(op, x, times_);
    if (part == "attention") block.attention.forward(op, x, times_);
    if (part == "lconv1d") block.lconv1d.forward(op, x, times_);
    if (part == "block") {
      block.mix(op, x, times_);
      block.finish(op, x);
    }
    return x;  // changed in place
  }

  View<float> embed(const std::string& part, Index text_hidden_size) {
    MultimodalEmbedder embedder;
    binder_.module("model.embed_audio", embedder,
                   MultimodalEmbedderConfig::of(config_, text_hidden_size));
    if (part == "embed_soft")
      return embedder.soft(op, View<const float>(sound_.data(), {T_, config_.hidden_size}));
    std::vector<Index> ids;
    for (Index i = 0; i < config_.vocab_size; ++i) ids.push_back(config_.vocab_offset + i);
    EXPECT_THROW(embedder.hard(op, std::vector<Index>{config_.vocab_offset - 1}), Error);
    EXPECT_THROW(embedder.hard(op, std::vector<Index>{ids.back() + 1}), Error);
    return embedder.hard(op, ids);
  }

  AudioConfig config_;
  FormulaBinder binder_;
  AudioTower tower_;
  Index T_ = 0;
  std::vector<Index> times_;
  std::vector<float> sound_, mel_, actual_;
};

TEST_F(PartsGolden, EveryStoredPart) {
  const StoredCases stored("audio/fixtures/parts");
  ASSERT_GE(stored.cases().size(), 80u);
  std::map<std::string, double> worst;
  for (const json& c : stored.cases()) {
    const ArenaScope scratch(arena);
    run(c);
    const bool all = c["mask"] == "all";
    const auto expected = all ? stored.floats(c, 0) : at_sound(stored.floats(c, 0));
    const double error = relative_error(actual_, expected);
    const std::string part = c["part"];
    EXPECT_LE(error, kPartTolerance) << c["name"] << " " << part << " " << c["mask"];
    worst[part] = std::max(worst[part], error);
  }
  for (const auto& [part, error] : worst) {
    std::printf("largest error of %-12s %.2g\n", part.c_str(), error);
  }
}

TEST_F(TowerGolden, WeightsOfSixteenBitsGiveTheSameBits) {
  const auto config = AudioConfig::from_json(R"({"input_feat_size": 16, "hidden_size": 16,
      "conf_num_attention_heads": 2, "conf_num_hidden_layers": 2, "sscp_conv_channel_size": [8, 4]})");
  const auto mel = features(1, 50, 16);
  const Flags mask(sounding("first41", 50));
  std::vector<float> expected;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    FormulaBinder binder(dtype);
    const AudioTower tower = make_tower(config, binder);
    const auto out = tower.forward(op, view(mel, 50), mask).encodings.span();
    if (dtype == DType::kF32) expected.assign(out.begin(), out.end());
    EXPECT_TRUE(std::ranges::equal(out, expected));
  }
}

// What a clip gives depends neither on how far it is padded nor on the number of threads.
TEST_F(TowerGolden, PaddingAndThreadsChangeNoBit) {
  const auto config = AudioConfig::from_json(R"({"input_feat_size": 16, "hidden_size": 16,
      "conf_num_attention_heads": 2, "conf_num_hidden_layers": 3, "sscp_conv_channel_size": [8, 4]})");
  FormulaBinder binder;
  const AudioTower tower = make_tower(config, binder);
  const auto mel = features(1, 400, 16);
  for (const std::size_t sound : {1u, 4u, 5u, 97u, 200u}) {
    const Flags long_mask(sounding("first" + std::to_string(sound), 400));
    const auto expected = tower.forward(op, view(mel, 400), long_mask);
    ThreadPool one(1);
    Ops alone(active_kernels(), arena, one);
    // The convolutions look six frames ahead of a token's first frame, so seven are enough.
    const std::size_t shorter = (sound + 3) / 4 * 4 - 4 + 7;
    const std::vector<float> head(mel.begin(), mel.begin() + static_cast<Index>(16 * shorter));
    const Flags mask(sounding("first" + std::to_string(sound), shorter));
    const auto actual = tower.forward(alone, view(head, static_cast<Index>(shorter)), mask);
    const Index tokens = (static_cast<Index>(sound) + 15) / 16;
    for (Index t = 0; t < tokens; ++t) {
      EXPECT_TRUE(std::ranges::equal(actual.encodings[t].span(), expected.encodings[t].span()));
      EXPECT_FALSE(actual.is_padding[static_cast<std::size_t>(t)]);
    }
  }
}

TEST_F(TowerGolden, FewerBitsStayClose) {
  const auto config = AudioConfig::from_json(R"({"input_feat_size": 32, "hidden_size": 64,
      "conf_num_attention_heads": 2, "conf_num_hidden_layers": 3, "sscp_conv_channel_size": [32, 16]})");
  const auto mel = features(1, 200, 32);
  const Flags mask(sounding("first150", 200));
  FormulaBinder plain;
  const auto expected = make_tower(config, plain).forward(op, view(mel, 200), mask).encodings;
  for (const auto q : {Quantization::kInt8, Quantization::kInt4, Quantization::kBF16}) {
    FormulaBinder binder(DType::kF32, q);
    const AudioTower tower = make_tower(config, binder);
    EXPECT_EQ(tower.subsample_conv_projection.conv_1.conv.has_blocks(), q != Quantization::kBF16);
    EXPECT_EQ(tower.conformer[0].lconv1d.linear_end.has_blocks(), q != Quantization::kBF16);
    const auto result = tower.forward(op, view(mel, 200), mask).encodings;
    const double error = relative_error(result.span(), expected.span());
    std::printf("%s: %.2g\n", std::string(quantization_name(q)).c_str(), error);
    EXPECT_EQ(error == 0.0, q == Quantization::kBF16);  // 16 bits are all these values have
    EXPECT_LT(error, 0.1);
    // Padding changes nothing here either.
    const std::vector<float> head(mel.begin(), mel.begin() + 32 * 160);
    const Flags shorter(sounding("first150", 160));
    const auto again = tower.forward(op, view(head, 160), shorter).encodings;
    for (Index t = 0; t < 9; ++t) {
      EXPECT_TRUE(std::ranges::equal(again[t].span(), result[t].span()));
    }
  }
}

TEST_F(TowerGolden, RefusesWhatDoesNotFit) {
  const auto config = AudioConfig::from_json(R"({"input_feat_size": 16, "hidden_size": 16,
      "conf_num_attention_heads": 2, "conf_num_hidden_layers": 1, "sscp_conv_channel_size": [8, 4]})");
  FormulaBinder binder;
  const AudioTower tower = make_tower(config, binder);
  const std::vector<float> mel(32);
  EXPECT_THROW(tower.forward(op, View<const float>(mel.data(), {0, 16}), {}), Error);
  EXPECT_THROW(tower.forward(op, View<const float>(mel.data(), {2, 16}), {}), Error);
  EXPECT_THROW(tower.forward(op, View<const float>(mel.data(), {4, 8}), {}), Error);

  AudioConfig wide_kernel = config;
  wide_kernel.sscp_conv_kernel_size = {{3, 3}, {3, 11}};  // 8 bins and their zeros after the first
  EXPECT_THROW(make_tower(wide_kernel, binder), Error);
}

}  // namespace
}  // namespace gemma3n::golden
