// Whole models against transformers in float32, on every tiny checkpoint and every stored case.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "fixture.h"
#include "gemma3n/generation.h"
#include "gemma3n/model.h"

namespace gemma3n::golden {
namespace {

constexpr double kTolerance = 1e-4;  // of max |reference|

class ModelGolden : public testing::TestWithParam<std::string> {
 protected:
  Fixture fixture{GetParam()};
  ForCausalLM model = ForCausalLM::from_pretrained(fixture.checkpoint_dir());
  double worst = 0;

  void compare(const Tensor& actual, const Tensor& expected, const Tensor& mask = {}) {
    ASSERT_EQ(actual.shape(), expected.shape());
    std::vector<float> a(actual.f32().begin(), actual.f32().end());
    std::vector<float> e(expected.f32().begin(), expected.f32().end());
    if (mask) keep_tokens(a, e, mask, actual);
    const double error = relative_error(a, e);
    worst = std::max(worst, error);
    EXPECT_LE(error, kTolerance);
  }

  // What stands at padding is nobody's business: [B, T, n] without the positions masked out.
  static void keep_tokens(std::vector<float>& a, std::vector<float>& e, const Tensor& mask,
                          const Tensor& like) {
    const auto n = static_cast<std::size_t>(like.dim(2));
    std::vector<float> kept_a, kept_e;
    for (std::size_t i = 0; i < mask.i64().size(); ++i) {
      if (mask.i64()[i] == 0) continue;
      kept_a.insert(kept_a.end(), a.begin() + static_cast<std::ptrdiff_t>(i * n),
                    a.begin() + static_cast<std::ptrdiff_t>((i + 1) * n));
      kept_e.insert(kept_e.end(), e.begin() + static_cast<std::ptrdiff_t>(i * n),
                    e.begin() + static_cast<std::ptrdiff_t>((i + 1) * n));
    }
    a = kept_a;
    e = kept_e;
  }

  TextInputs text_inputs(const Case& c) const {
    TextInputs in;
    in.input_ids = fixture.input(c, "input_ids");
    in.inputs_embeds = fixture.input(c, "inputs_embeds");
    in.per_layer_inputs = fixture.input(c, "per_layer_inputs");
    in.attention_mask = fixture.input(c, "attention_mask");
    in.position_ids = fixture.input(c, "position_ids");
    in.use_cache = c.options.value("use_cache", true);
    in.output_hidden_states = c.options.value("output_hidden_states", false);
    return in;
  }

  // Columns [first, last) of a [B, T] tensor, or of a [B, T, n] one.
  static Tensor columns(const Tensor& x, std::int64_t first, std::int64_t last) {
    if (!x) return {};
    const std::int64_t B = x.dim(0), T = x.dim(1), n = x.rank() == 3 ? x.dim(2) : 1;
    std::vector<std::int64_t> shape = {B, last - first};
    if (x.rank() == 3) shape.push_back(n);
    Tensor out(x.dtype(), shape);
    const std::size_t element = size_bytes(x.dtype());
    for (std::int64_t b = 0; b < B; ++b) {
      std::copy_n(x.bytes() + static_cast<std::size_t>((b * T + first) * n) * element,
                  static_cast<std::size_t>((last - first) * n) * element,
                  out.bytes() + static_cast<std::size_t>(b * (last - first) * n) * element);
    }
    return out;
  }

  void forward(const Case& c) {
    CausalLMInputs in;
    static_cast<TextInputs&>(in) = text_inputs(c);
    in.logits_to_keep = c.options.value("logits_to_keep", 0);
    in.logits_indices = fixture.input(c, "logits_indices");
    in.labels = fixture.input(c, "labels");
    Tensor expected = fixture.output(c, "logits");
    if (c.options.contains("prefix")) {
      in.input_ids = columns(in.input_ids, 0, c.options["prefix"]);
      expected = columns(expected, 0, c.options["prefix"]);
    }
    const auto out = model.forward(in);
    if (expected) compare(out.logits, expected, in.attention_mask);
    if (const Tensor loss = fixture.output(c, "loss")) compare(out.loss, loss);
  }

  void text_forward(const Case& c) {
    const TextInputs in = text_inputs(c);
    const auto out = model.model().forward(in);
    compare(out.last_hidden_state, fixture.output(c, "last_hidden_state"), in.attention_mask);
    if (!in.output_hidden_states) return;
    const auto& names = c.outputs["hidden_states"];
    ASSERT_EQ(out.hidden_states.size(), names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      const Tensor expected = fixture.tensor(names[i]);
      const double error = relative_error(out.hidden_states[i].f32(), expected.f32());
      worst = std::max(worst, error);
      EXPECT_LE(error, kTolerance) << "hidden state " << i;
    }
  }

  void chunked(const Case& c) {
    const Tensor ids = fixture.input(c, "input_ids"), mask = fixture.input(c, "attention_mask");
    CacheOptions options;
    if (c.options["cache"] == "static") {
      options = {CacheOptions::Implementation::kStatic, ids.dim(1)};
    }
    const auto cache = model.new_cache(ids.dim(0), options);
    const Tensor expected = fixture.output(c, "logits");
    std::int64_t done = 0;
    for (const std::int64_t length : c.options["chunks"]) {
      CausalLMInputs in;
      in.input_ids = columns(ids, done, done + length);
      if (mask) in.attention_mask = columns(mask, 0, done + length);
      in.past_key_values = cache;
      const auto out = model.forward(in);
      Tensor part;
      if (mask) part = columns(mask, done, done + length);
      compare(out.logits, columns(expected, done, done + length), part);
      done += length;
      EXPECT_EQ(cache->get_seq_length(), done);
    }
    if (c.options["cache"] == "static") {
      CausalLMInputs more;
      more.input_ids = columns(ids, 0, 1);
      more.past_key_values = cache;
      EXPECT_THROW(model.forward(more), Error) << "one more token than fits";
    }
  }

  void greedy(const Case& c) {
    const Tensor ids = fixture.input(c, "input_ids"), mask = fixture.input(c, "attention_mask");
    const std::int64_t B = ids.dim(0), T = ids.dim(1);
    std::vector<std::vector<TokenId>> prompts(static_cast<std::size_t>(B));
    for (std::int64_t i = 0; i < B * T; ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (mask && mask.i64()[at] == 0) continue;
      prompts[static_cast<std::size_t>(i / T)].push_back(static_cast<TokenId>(ids.i64()[at]));
    }
    GenerationConfig config = GenerationConfig::from_json(c.options.dump());
    config.do_sample = false;
    const auto out = generate(model, prompts, config);
    const Tensor expected = fixture.output(c, "sequences");
    const std::int64_t length = expected.dim(1);
    for (std::int64_t b = 0; b < B; ++b) {
      const auto& tokens = out.new_tokens[static_cast<std::size_t>(b)];
      for (std::int64_t i = T; i < length; ++i) {
        const auto at = static_cast<std::size_t>(i - T);
        const std::int64_t token =
            at < tokens.size() ? tokens[at] : config.pad_token_id.value_or(0);
        EXPECT_EQ(token, expected.i64()[static_cast<std::size_t>(b * length + i)])
            << "row " << b << ", new token " << at;
      }
    }
  }
};

TEST_P(ModelGolden, EveryCaseMatchesTransformers) {
  int count = 0;
  for (const Case& c : fixture.cases()) {
    SCOPED_TRACE(c.name);
    if (c.kind == "module") continue;  // modules_golden_test.cc
    ++count;
    if (c.kind == "forward")
      forward(c);
    else if (c.kind == "text_forward")
      text_forward(c);
    else if (c.kind == "chunked")
      chunked(c);
    else if (c.kind == "greedy")
      greedy(c);
    else
      ADD_FAILURE() << "unknown kind " << c.kind;
  }
  EXPECT_GT(count, 20);
  std::printf("%s: %d cases, largest error %.2g of the reference's maximum\n", GetParam().c_str(),
              count, worst);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ModelGolden, testing::ValuesIn(fixture_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace gemma3n::golden
