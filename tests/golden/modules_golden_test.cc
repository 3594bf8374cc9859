// Each module of the decoder against transformers in float32.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "fixture.h"
#include "model/loaded_model.h"

namespace gemma3n::golden {
namespace {

constexpr double kTolerance = 1e-5;  // of max |reference|

View<float> view(Tensor& tensor) {
  Shape shape;
  const auto& d = tensor.shape();
  if (d.size() == 1) shape = {d[0]};
  if (d.size() == 2) shape = {d[0], d[1]};
  if (d.size() == 3) shape = {d[0], d[1], d[2]};
  return {tensor.f32().data(), shape};
}

class ModulesGolden : public testing::TestWithParam<std::string> {
 public:
  Fixture fixture{GetParam()};
  std::shared_ptr<const ModelImpl> model = load_model(fixture.checkpoint_dir(), {});
  Arena arena;
  ThreadPool pool{2};
  Ops op{active_kernels(), arena, pool};
  std::map<std::string, double> worst;
  Case c;  // the one at hand

  const DecoderLayer& layer() const {
    return model->decoder.layers[c.options["layer"].get<std::size_t>()];
  }
  Tensor in(const char* name) const { return fixture.input(c, name); }

  void compare(std::span<const float> actual, const char* result) {
    const double error = relative_error(actual, fixture.output(c, result).f32());
    const std::string module = c.options["module"];
    worst[module] = std::max(worst[module], error);
    EXPECT_LE(error, kTolerance);
  }

  AttentionContext context(KvCache& cache, std::span<const BatchRow> rows,
                           std::span<const Index> entries) {
    auto positions = arena.array<Index>(rows.size());
    for (std::size_t t = 0; t < rows.size(); ++t) positions[t] = rows[t].position;
    return {rows, entries, model->decoder.rope_sliding.tables(op, positions),
            model->decoder.rope_full.tables(op, positions), &cache};
  }

  // Rows at positions 0 .. T-1 of one sequence, entered in the cache.
  struct Sequence {
    std::vector<BatchRow> rows;
    std::vector<Index> entries;
  };
  static Sequence enter(KvCache& cache, Index T) {
    Sequence s;
    for (Index t = 0; t < T; ++t) {
      BatchRow row;
      row.slot = row.position = t;
      s.rows.push_back(row);
      s.entries.push_back(cache.append(0, t));
    }
    return s;
  }

  void rms_norm() {
    Tensor x = in("x");
    const Vector weight =
        c.options["weight"].is_null() ? Vector{} : model->decoder.layers[0].input_layernorm;
    compare(op.rms_norm(view(x), weight, model->decoder.eps).span(), "y");
  }

  void rope() {
    const Tensor positions = in("positions");
    const std::vector<Index> p(positions.i64().begin(), positions.i64().end());
    const auto& rope = c.options["layer_type"] == "full_attention" ? model->decoder.rope_full
                                                                   : model->decoder.rope_sliding;
    const auto tables = rope.tables(op, p);
    const auto twice = [&](View<const float> half) {  // HF stores the half once more
      std::vector<float> both;
      for (Index t = 0; t < half.shape()[0]; ++t) {
        for (int i = 0; i < 2; ++i)
          both.insert(both.end(), half[t].span().begin(), half[t].span().end());
      }
      return both;
    };
    compare(twice(tables.cos), "cos");
    compare(twice(tables.sin), "sin");
  }

  std::vector<Index> ids() const {
    const Tensor tensor = in("input_ids");
    return {tensor.i64().begin(), tensor.i64().end()};
  }
  void embed() { compare(model->decoder.embed(op, ids()).span(), "inputs_embeds"); }
  void get_per_layer_inputs() {
    compare(model->decoder.per_layer_lookup(op, ids()).span(), "per_layer_inputs");
  }

  void project_per_layer_inputs() {
    Tensor embedded = in("inputs_embeds"), lookup = in("per_layer_inputs");
    const Index T = embedded.dim(0), L = model->decoder.L, P = model->decoder.P;
    std::vector<BatchRow> rows(static_cast<std::size_t>(T));
    for (std::size_t t = 0; t < rows.size(); ++t) {
      rows[t].has_per_layer_lookup = static_cast<bool>(lookup);
      if (lookup)
        rows[t].per_layer_input = lookup.f32().data() + t * static_cast<std::size_t>(L * P);
    }
    const auto whole = model->decoder.per_layer_inputs(op, rows, view(embedded), 0, L);
    std::vector<float> by_token;
    for (Index t = 0; t < T; ++t) {
      for (Index i = 0; i < L; ++i)
        by_token.insert(by_token.end(), whole[i][t].span().begin(), whole[i][t].span().end());
    }
    compare(by_token, "projected");
    const auto upper = model->decoder.per_layer_inputs(op, rows, view(embedded), 1,
                                                       L);  // a part has the same bits
    EXPECT_TRUE(std::ranges::equal(
        upper.span(), whole.span().subspan(whole.span().size() / static_cast<std::size_t>(L))));
  }

  void altup_predict() {
    Tensor streams = in("streams");
    layer().altup.predict(op, view(streams));
    compare(streams.f32(), "predicted");
  }
  void altup_correct() {
    Tensor predicted = in("predicted"), activated = in("activated");
    layer().altup.correct(op, view(predicted), view(activated));
    compare(predicted.f32(), "corrected");
  }
  void laurel() {
    Tensor x = in("x");
    compare(layer().laurel.forward(op, view(x)).span(), "y");
  }
  void mlp() {
    Tensor x = in("x");
    compare(layer().mlp.forward(op, view(x)).span(), "y");
  }

  void attention() {
    Tensor x = in("x"), from = in("x_producer");
    KvCache cache(model->config, 1);
    const auto s = enter(cache, x.dim(0));
    if (from) {
      const auto producer = c.options["producer"].get<std::size_t>();
      model->decoder.layers[producer].self_attn.forward(op, view(from),
                                                        context(cache, s.rows, s.entries));
    }
    compare(layer().self_attn.forward(op, view(x), context(cache, s.rows, s.entries)).span(), "y");
  }

  void altup_init() {
    Tensor embedded = in("inputs_embeds");
    compare(model->decoder.start_streams(op, view(embedded)).span(), "streams");
  }
  void decoder_layer() {
    Tensor streams = in("streams"), lookup = in("per_layer_inputs");
    streams = streams.reshape(
        {streams.dim(0), streams.dim(streams.rank() - 2), streams.dim(streams.rank() - 1)});
    const Index T = streams.dim(1), P = model->decoder.P, L = model->decoder.L;
    auto per_layer = arena.tensor({T, P});
    for (Index t = 0; t < T; ++t) {
      std::copy_n(lookup.f32().data() + (t * L + layer().layer) * P, P, per_layer[t].data());
    }
    KvCache cache(model->config, 1);
    const auto s = enter(cache, T);
    layer().forward(op, view(streams), per_layer, context(cache, s.rows, s.entries));
    compare(streams.f32(), "streams");
  }
  void altup_merge() {
    Tensor streams = in("streams");
    streams = streams.reshape(
        {streams.dim(0), streams.dim(streams.rank() - 2), streams.dim(streams.rank() - 1)});
    const auto merged = model->decoder.merge_streams(op, view(streams));
    compare(op.rms_norm(merged, model->decoder.norm, model->decoder.eps).span(),
            "last_hidden_state");
  }
};

TEST_P(ModulesGolden, EveryModuleMatchesTransformers) {
  const std::map<std::string, void (ModulesGolden::*)()> modules = {
      {"rms_norm", &ModulesGolden::rms_norm},
      {"rope", &ModulesGolden::rope},
      {"embed", &ModulesGolden::embed},
      {"get_per_layer_inputs", &ModulesGolden::get_per_layer_inputs},
      {"project_per_layer_inputs", &ModulesGolden::project_per_layer_inputs},
      {"altup_predict", &ModulesGolden::altup_predict},
      {"altup_correct", &ModulesGolden::altup_correct},
      {"laurel", &ModulesGolden::laurel},
      {"mlp", &ModulesGolden::mlp},
      {"attention", &ModulesGolden::attention},
      {"altup_init", &ModulesGolden::altup_init},
      {"decoder_layer", &ModulesGolden::decoder_layer},
      {"altup_merge", &ModulesGolden::altup_merge}};
  for (const Case& stored : fixture.cases()) {
    if (stored.kind != "module") continue;
    SCOPED_TRACE(stored.name);
    const ArenaScope scope(arena);
    c = stored;
    (this->*modules.at(stored.options["module"].get<std::string>()))();
  }
  if (worst.empty()) GTEST_SKIP() << "no module cases are stored for this checkpoint";
  for (const auto& [module, error] : worst)
    std::printf("%s %s: largest error %.2g\n", GetParam().c_str(), module.c_str(), error);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ModulesGolden, testing::ValuesIn(fixture_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace gemma3n::golden
