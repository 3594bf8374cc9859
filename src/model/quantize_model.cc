#include "model/quantize_model.h"

#include <vector>

#include "base/pages.h"
#include "ops/quantize.h"

namespace gemma3n {
namespace {

struct Matrix {
  Weight* weight;
  bool is_read_by_row = false;  // neuron by neuron
};

// In the order in which a checkpoint stores them, about.
std::vector<Matrix> matrices_of(Decoder& decoder) {
  std::vector<Matrix> found = {{&decoder.embed_tokens}, {&decoder.per_layer_model_projection}};
  for (auto& w : decoder.altup_projections) found.push_back({&w});
  for (auto& w : decoder.altup_unembed_projections) found.push_back({&w});
  for (auto& layer : decoder.layers) {
    auto& attention = layer.self_attn;
    for (Weight* w : {&attention.q_proj, &attention.k_proj, &attention.v_proj, &attention.o_proj,
                      &layer.laurel.linear_left, &layer.laurel.linear_right, &layer.mlp.gate_proj,
                      &layer.per_layer_input_gate, &layer.per_layer_projection}) {
      found.push_back({w});
    }
    found.push_back({&layer.mlp.up_proj, layer.mlp.is_sparse});
    found.push_back(layer.mlp.is_sparse ? Matrix{&layer.mlp.down_rows.rows, true}
                                        : Matrix{&layer.mlp.down_proj});
  }
  found.push_back({&decoder.lm_head});
  return found;
}

// Slices for single layers begin with whole blocks.
bool can_be_sliced(const Decoder& decoder) {
  return decoder.P % static_cast<Index>(kBlockRows) == 0;
}

std::size_t stored_bytes(const Weight& w) {
  return static_cast<std::size_t>(w.shape.size()) * size_bytes(w.dtype);
}

}  // namespace

Quantization quantization_from_name(std::string_view name) {
  if (name == "none") return Quantization::kNone;
  if (name == "q8") return Quantization::kInt8;
  if (name == "q4") return Quantization::kInt4;
  fail(ErrorCode::kInvalidArgument, "quantization: expected none, q8 or q4, got '", name, "'");
}

void quantize_model(ModelImpl& model, Quantization quantization, bool is_mapped,
                    const std::function<void(double)>& on_progress) {
  const bool is_int4 = quantization == Quantization::kInt4;
  const Storage blocks = is_int4 ? Storage::kInt4Blocks : Storage::kInt8Blocks;
  const Storage groups = is_int4 ? Storage::kInt4Groups : Storage::kInt8Groups;
  Decoder& decoder = model.decoder;
  const bool is_tied = decoder.lm_head.data == decoder.embed_tokens.data;
  const auto matrices = matrices_of(decoder);
  double done = 0, all = 0;
  for (const auto& [w, is_read_by_row] : matrices) all += static_cast<double>(w->shape.size());
  for (const auto& [w, is_read_by_row] : matrices) {
    done += static_cast<double>(w->shape.size());
    if (w == &decoder.lm_head && is_tied) {
      decoder.lm_head = decoder.embed_tokens;
      continue;
    }
    const bool is_kept = w == &decoder.per_layer_model_projection && !can_be_sliced(decoder);
    if (!*w || !has_whole_groups(w->shape) || is_kept) continue;
    const Weight original = *w;
    const Storage storage = is_read_by_row ? groups : blocks;
    model.extra.push_back(
        std::make_unique_for_overwrite<std::byte[]>(quantized_size(original.shape, storage)));
    *w = quantize(model.pool, original, storage, model.extra.back().get());
    if (is_mapped) release_mapped_pages(original.data, stored_bytes(original));
    if (on_progress) on_progress(done / all);
  }
}

}  // namespace gemma3n
