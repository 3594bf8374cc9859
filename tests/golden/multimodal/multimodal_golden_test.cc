// Logits and greedy text of models that see and hear, against transformers in float32.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "formula_checkpoint.h"
#include "gemma3n/generation.h"
#include "model/multimodal.h"
#include "stored_cases.h"

namespace gemma3n::golden {
namespace {

using nlohmann::json;
using Rows = std::vector<std::vector<TokenId>>;

constexpr double kTolerance = 1e-4;  // of max |reference|

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("gemma3n-multimodal-" + std::to_string(::getpid()))) {}
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

Tensor pixels(std::uint32_t seed, std::int64_t count, const std::vector<std::int64_t>& size) {
  std::vector<float> values;
  for (const std::uint32_t v : noise(seed, static_cast<std::size_t>(count * 3 * size[0] * size[1])))
    values.push_back(static_cast<float>(v >> 24) / 256.0f);
  return Tensor::of(values, {count, 3, size[0], size[1]});
}

MediaInputs media_of(const json& call, std::int64_t bins) {
  MediaInputs media;
  const auto seed = call["seed"].get<std::uint32_t>();
  const auto pictures = call["pictures"].get<std::int64_t>();
  if (pictures > 0) media.pixel_values = pixels(seed, pictures, call["picture_size"]);
  const auto clips = call["clips"].get<std::int64_t>(), frames = call["frames"].get<std::int64_t>();
  if (clips == 0) return media;
  std::vector<float> values;
  media.input_features_mask = Tensor(DType::kBool, {clips, frames});
  auto* mask = reinterpret_cast<bool*>(media.input_features_mask.bytes());
  for (std::int64_t i = 0; i < clips; ++i) {
    const auto clip = features(seed + static_cast<std::uint32_t>(i),
                               static_cast<std::size_t>(frames), static_cast<std::size_t>(bins));
    values.insert(values.end(), clip.begin(), clip.end());
    const auto length = call["lengths"][static_cast<std::size_t>(i)].get<std::int64_t>();
    for (std::int64_t t = 0; t < frames; ++t) mask[i * frames + t] = t < length;
  }
  media.input_features = Tensor::of(values, {clips, frames, bins});
  return media;
}

// Rows padded on the left.
MultimodalInputs padded(const Rows& rows) {
  std::size_t longest = 0;
  for (const auto& row : rows) longest = std::max(longest, row.size());
  std::vector<std::int64_t> ids, mask;
  for (const auto& row : rows) {
    ids.insert(ids.end(), longest - row.size(), 0);
    mask.insert(mask.end(), longest - row.size(), 0);
    ids.insert(ids.end(), row.begin(), row.end());
    mask.insert(mask.end(), row.size(), 1);
  }
  const std::vector<std::int64_t> shape = {static_cast<std::int64_t>(rows.size()),
                                           static_cast<std::int64_t>(longest)};
  MultimodalInputs inputs;
  inputs.input_ids = Tensor::of(ids, shape);
  inputs.attention_mask = Tensor::of(mask, shape);
  return inputs;
}

GenerationConfig greedy(std::size_t new_tokens) {
  GenerationConfig config;
  config.max_new_tokens = static_cast<std::int64_t>(new_tokens);
  return config;
}

// A model of the stored cases, from a folder.
struct StoredModel {
  const json& stored;
  Folder folder;
  ForConditionalGeneration model;

  explicit StoredModel(const json& c) : stored(c), model(load(c, folder.path())) {}
  static ForConditionalGeneration load(const json& c, const std::filesystem::path& folder) {
    write_formula_checkpoint(c["config"], folder);
    return ForConditionalGeneration::from_pretrained(folder, {.threads = 2});
  }
  MediaInputs media(const json& call) const {
    return media_of(call, model.config().audio_config.input_feat_size);
  }
  const json& call(std::string_view name) const {
    return *std::ranges::find_if(stored["calls"], [&](const json& c) { return c["name"] == name; });
  }
};

const StoredCases& stored_models() {
  static const StoredCases models("multimodal/fixtures/multimodal");
  return models;
}

// max |actual - expected| / max |expected| over positions that are not padding.
double logits_error(const Tensor& logits, std::vector<float> expected, const Tensor& mask) {
  const auto V = static_cast<std::size_t>(logits.dim(2));
  if (logits.f32().size() != expected.size()) return INFINITY;
  for (std::size_t i = 0; i < mask.i64().size(); ++i) {
    if (mask.i64()[i] == 0)
      std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(i * V), V, 0.0f);
  }
  return relative_error(logits.f32(), expected);
}

TEST(Multimodal, LogitsAndGreedyTextOfEveryStoredCall) {
  ASSERT_GE(stored_models().cases().size(), 6u);
  double worst = 0.0;
  std::size_t texts = 0;
  for (const json& c : stored_models().cases()) {
    const StoredModel m(c);
    for (const json& call : c["calls"]) {
      const auto what =
          call["results"][0].get<std::string>() + " " + call["name"].get<std::string>();
      const Rows rows = call["rows"];
      MultimodalInputs inputs = padded(rows);
      inputs.media = m.media(call);
      const auto out = m.model.forward(inputs);
      const double error =
          logits_error(out.logits, stored_models().floats(call, 0), inputs.attention_mask);
      EXPECT_LE(error, kTolerance) << what;
      worst = std::max(worst, error);

      const Rows expected = call["new_tokens"];
      if (expected[0].empty()) continue;  // the best two are too close to tell
      ++texts;
      const auto generated = generate(m.model, rows, inputs.media, greedy(expected[0].size()));
      EXPECT_EQ(generated.new_tokens, expected) << what;
    }
  }
  EXPECT_GE(texts, 36u);
  std::printf("largest error of a model with media: %.2g; greedy texts: %zu\n", worst, texts);
}

TEST(Multimodal, ABatchIsItsRowsAlone) {
  const StoredModel m(stored_models().cases()[0]);
  const json& call = m.call("unequal pictures");
  const Rows rows = call["rows"];
  const MediaInputs media = m.media(call);
  const auto together = generate(m.model, rows, media, greedy(8));
  const std::int64_t of_row[] = {2, 0, 1};
  std::int64_t first = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    MediaInputs own;
    if (of_row[i] > 0) {
      const auto size = media.pixel_values.size() / media.pixel_values.dim(0);
      own.pixel_values =
          Tensor::of(media.pixel_values.f32().subspan(static_cast<std::size_t>(first * size),
                                                      static_cast<std::size_t>(of_row[i] * size)),
                     {of_row[i], 3, media.pixel_values.dim(2), media.pixel_values.dim(3)});
    }
    first += of_row[i];
    EXPECT_EQ(generate(m.model, {rows[i]}, own, greedy(8)).new_tokens[0], together.new_tokens[i]);
  }
}

TEST(Multimodal, ChunksCachesAndCopiesGiveTheSameTokens) {
  const StoredModel m(stored_models().cases()[5]);
  const json& call = m.call("picture and clip");
  const Rows rows = call["rows"];
  const MediaInputs media = m.media(call);
  const auto plain = generate(m.model, rows, media, greedy(8));
  GenerationConfig config = greedy(8);
  config.prefill_chunk_size = 3;  // borders inside of pictures and clips
  config.cache_implementation = "static";
  EXPECT_EQ(generate(m.model, rows, media, config).new_tokens, plain.new_tokens);

  config = greedy(8);
  config.do_sample = true;
  config.top_k = 1;
  config.num_return_sequences = 2;
  const auto copies = generate(m.model, rows, media, config);
  ASSERT_EQ(copies.new_tokens.size(), 2 * rows.size());
  for (std::size_t i = 0; i < copies.new_tokens.size(); ++i) {
    EXPECT_EQ(copies.new_tokens[i], plain.new_tokens[i / 2]);
  }
}

TEST(Multimodal, AConversationGoesOnFromItsCache) {
  const StoredModel m(stored_models().cases()[3]);
  const json& call = m.call("one picture");
  Rows rows = call["rows"];
  const MediaInputs media = m.media(call);
  const auto first = generate(m.model, rows, media, greedy(4));
  rows[0] = first.sequences[0];
  rows[0].insert(rows[0].end(), {5, 9, 7});
  GenerateOptions options;
  int encodings = 0;
  options.on_encode = [&](double share) {
    encodings += share < 1.0;
    return true;
  };
  const auto fresh = generate(m.model, rows, media, greedy(6), nullptr, options);
  options.past_key_values = first.past_key_values;
  EXPECT_EQ(generate(m.model, rows, media, greedy(6), nullptr, options).new_tokens,
            fresh.new_tokens);
  EXPECT_EQ(encodings, 0) << "the picture was encoded again";
}

// The assistant sees and hears the same soft tokens: the model itself says what it would say.
TEST(Multimodal, AnAssistantChangesNoGreedyToken) {
  std::size_t drafted = 0, accepted = 0, own_drafted = 0;
  for (const json& c : stored_models().cases()) {
    const StoredModel m(c);
    LoadOptions four_bits;
    four_bits.quantization = Quantization::kInt4;
    const auto sketch = ForCausalLM::from_pretrained(m.folder.path(), four_bits);
    for (const json& call : c["calls"]) {
      const Rows rows = call["rows"];
      const MediaInputs media = m.media(call);
      GenerationConfig config = greedy(9);
      config.assistant_confidence_threshold = 0.0;
      // Said by the model, they would ask for more media in the next turn.
      const Config& ids = m.model.config();
      config.bad_words_ids = {{static_cast<TokenId>(ids.image_token_id)},
                              {static_cast<TokenId>(ids.audio_token_id)}};
      const auto expected = generate(m.model, rows, media, config);
      GenerateOptions options;
      options.assistant_model = m.model.language_model();
      const auto own = generate(m.model, rows, media, config, nullptr, options);
      EXPECT_EQ(own.sequences, expected.sequences) << call["name"];
      EXPECT_EQ(own.accepted_tokens, own.drafted_tokens) << call["name"];
      own_drafted += own.drafted_tokens;

      options.assistant_model = sketch;
      config.prefill_chunk_size = 3;
      auto out = generate(m.model, rows, media, config, nullptr, options);
      EXPECT_EQ(out.sequences, expected.sequences) << call["name"];
      drafted += out.drafted_tokens;
      accepted += out.accepted_tokens;

      // Another turn; the assistant goes on from its cache, or reads all of it, media included.
      const Rows next = out.sequences;
      options.past_key_values = out.past_key_values;
      options.assistant_past_key_values = out.assistant_past_key_values->clone();
      out = generate(m.model, next, media, config, nullptr, options);
      const auto continued = out.new_tokens;
      options.past_key_values = expected.past_key_values;
      options.assistant_past_key_values = nullptr;
      EXPECT_EQ(generate(m.model, next, media, config, nullptr, options).new_tokens, continued);
    }
  }
  EXPECT_GT(own_drafted, 100u);
  EXPECT_GT(accepted, drafted / 10);
  EXPECT_LT(accepted, drafted);
}

TEST(Multimodal, RefusesAnAssistantOfAnotherWidthForMedia) {
  const StoredModel m(stored_models().cases()[3]);
  TextConfig wide = m.model.config().text_config;
  wide.hidden_size *= 2;
  GenerateOptions options;
  options.assistant_model = ForCausalLM::synthetic(wide, 1);
  const json& call = m.call("one picture");
  try {
    generate(m.model, call["rows"].get<Rows>(), m.media(call), greedy(2), nullptr, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(
        std::string(error.what())
            .starts_with(
                "generate: assistant_model: hidden_size with pictures and sounds: expected "))
        << error.what();
  }
  // Without media any width will do.
  const auto alone = generate(m.model, {{2, 3}}, {}, greedy(5));
  EXPECT_EQ(generate(m.model, {{2, 3}}, {}, greedy(5), nullptr, options).new_tokens,
            alone.new_tokens);
}

TEST(Multimodal, EncodingCanBeCancelled) {
  const StoredModel m(stored_models().cases()[3]);
  const json& call = m.call("picture and clip");
  const Rows rows = call["rows"];
  GenerateOptions options;
  double last = -1;
  options.on_encode = [&](double share) {
    EXPECT_GE(share, last);
    last = share;
    return share < 0.5;
  };
  const auto out = generate(m.model, rows, m.media(call), greedy(4), nullptr, options);
  EXPECT_GE(last, 0.5);
  EXPECT_LT(last, 1.0);
  EXPECT_EQ(out.sequences, rows);
  EXPECT_EQ(out.finish_reasons, std::vector<FinishReason>(rows.size(), FinishReason::kCancelled));
  EXPECT_EQ(out.past_key_values->get_seq_length(), 0);
  // What comes after is not affected.
  options.on_encode = nullptr;
  options.past_key_values = out.past_key_values;
  EXPECT_EQ(generate(m.model, rows, m.media(call), greedy(4), nullptr, options).new_tokens,
            generate(m.model, rows, m.media(call), greedy(4)).new_tokens);
}

TEST(Multimodal, FeaturesStandInForwardAsTheyAreReturned) {
  const StoredModel m(stored_models().cases()[1]);
  const json& call = m.call("picture and clip");
  const MediaInputs media = m.media(call);
  const Config& c = m.model.config();
  const Model model = m.model.model();
  const auto images = model.get_image_features(media.pixel_values);
  const std::int64_t n = c.vision_soft_tokens_per_image, D = c.text_config.hidden_size;
  EXPECT_EQ(images.pooler_output.shape(), (std::vector<std::int64_t>{2, n, D}));
  EXPECT_EQ(images.last_hidden_state.dim(1), c.vision_config.hidden_size);
  EXPECT_EQ(images.last_hidden_state.dim(2) * images.last_hidden_state.dim(3), n);
  const auto sounds = model.get_audio_features(media.input_features, media.input_features_mask);
  const std::int64_t tokens = sounds.pooler_output.dim(1);
  EXPECT_EQ(sounds.pooler_output.dim(0), 3);
  EXPECT_EQ(sounds.audio_mel_mask.shape(), (std::vector<std::int64_t>{3, tokens}));
  EXPECT_EQ(sounds.last_hidden_state.shape(),
            (std::vector<std::int64_t>{3, tokens, c.audio_config.hidden_size}));

  MultimodalInputs inputs = padded(call["rows"].get<Rows>());
  inputs.media = media;
  const auto out = model.forward(inputs, media);
  const auto with_head = m.model.forward(inputs);
  for (const Tensor& states : {out.image_hidden_states, with_head.image_hidden_states}) {
    EXPECT_TRUE(std::ranges::equal(states.f32(), images.pooler_output.f32()));
  }
  // Of a clip, what is sound; padding has an embedding of its own there.
  for (std::int64_t t = 0; t < tokens; ++t) {
    if (reinterpret_cast<const bool*>(sounds.audio_mel_mask.bytes())[t]) continue;
    const auto at = static_cast<std::size_t>(t * D), size = static_cast<std::size_t>(D);
    EXPECT_TRUE(std::ranges::equal(out.audio_hidden_states.f32().subspan(at, size),
                                   sounds.pooler_output.f32().subspan(at, size)));
  }
  EXPECT_EQ(out.last_hidden_state.dim(2), D);
  EXPECT_TRUE(out.past_key_values);
  EXPECT_THROW(model.get_image_features({}), Error);
  EXPECT_THROW(model.get_audio_features({}, {}), Error);
}

std::string refusal(const ForConditionalGeneration& model, const MultimodalInputs& inputs) {
  try {
    model.forward(inputs);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Multimodal, PlaceholdersAndMediaMustMatch) {
  const StoredModel m(stored_models().cases()[2]);
  const json& call = m.call("picture and clip");
  MultimodalInputs inputs = padded(call["rows"].get<Rows>());
  inputs.media = m.media(call);

  MultimodalInputs more = inputs;
  more.media.pixel_values = pixels(1, 3, call["picture_size"]);
  EXPECT_NE(refusal(m.model, more)
                .find("Image features and image tokens do not match, tokens: 2, features: 3"),
            std::string::npos)
      << refusal(m.model, more);

  MultimodalInputs none = padded({{2, 3, 4}});
  none.media = inputs.media;
  none.media.pixel_values = {};
  EXPECT_NE(refusal(m.model, none).find("Audio features and audio tokens do not match, tokens: 0"),
            std::string::npos)
      << refusal(m.model, none);

  MultimodalInputs no_mask = inputs;
  no_mask.media.input_features_mask = {};
  EXPECT_NE(refusal(m.model, no_mask).find("input_features_mask"), std::string::npos);

  MultimodalInputs embeds = inputs;
  embeds.input_ids = {};
  embeds.inputs_embeds = Tensor(DType::kF32, {1, 3, m.model.config().text_config.hidden_size});
  EXPECT_NE(refusal(m.model, embeds).find("input_ids"), std::string::npos);

  MultimodalInputs wrong_bins = inputs;
  wrong_bins.media.input_features = Tensor(DType::kF32, {3, 40, 3});
  EXPECT_NE(refusal(m.model, wrong_bins).find("input_features"), std::string::npos);
}

TEST(EncodingCache, KeepsTheNewestWithinItsBytes) {
  EncodingCache cache;
  const auto medium = [](unsigned i) {
    return std::vector<std::byte>(EncodingCache::kMaxBytes / 4, static_cast<std::byte>(i));
  };
  const auto encoding = std::make_shared<const std::vector<float>>(10, 1.0f);
  for (unsigned i = 0; i < 3; ++i) cache.insert(medium(i), encoding);
  EXPECT_EQ(cache.find(medium(0)), encoding);  // now the newest
  cache.insert(medium(3), encoding);
  EXPECT_EQ(cache.find(medium(1)), nullptr);  // the oldest
  EXPECT_EQ(cache.find(medium(0)), encoding);
  EXPECT_EQ(cache.find(medium(3)), encoding);
}

}  // namespace
}  // namespace gemma3n::golden
