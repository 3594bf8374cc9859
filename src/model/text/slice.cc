// A smaller size of a decoder: parts of its matrices, some of its layers.
#include <algorithm>

#include "model/text/decoder.h"

namespace gemma3n {
namespace {

// Lets `bind` set what follows from a configuration, and leaves every tensor as it is.
class NoTensors : public TensorBinder {
  void bind_tensor(const std::string&, Weight&, const Shape&, Access) override {}
  void bind_top_tensor(const std::string&, Weight&, const Shape&, Access) override {}
  void bind_vector(const std::string&, Vector&, Index) override {}
  bool has_tensor(const std::string&) const override { return true; }
};

// Keeps the first F neurons.
void narrow(Mlp& mlp, Index F, bool is_prepared) {
  mlp.gate_proj = rows_of(mlp.gate_proj, 0, F);
  mlp.up_proj = rows_of(mlp.up_proj, 0, F);
  if (!mlp.is_sparse) {
    mlp.down_proj = columns_of(mlp.down_proj, F);
    return;
  }
  Weight& rows = mlp.down_rows.rows;  // [F, D], but [D, F] in an unquantised checkpoint
  const bool lies_by_neuron = is_prepared || rows.storage != Storage::kRows;
  rows = lies_by_neuron ? rows_of(rows, 0, F) : columns_of(rows, F);
}

}  // namespace

Decoder sliced(const Decoder& whole, const TextConfig& c, const MatFormerConfig& size,
               bool is_prepared) {
  const TextConfig config = size.sliced(c);
  Decoder m = whole;
  std::vector<DecoderLayer> layers;
  std::vector<Index> places;
  for (std::size_t i = 0; i < m.layers.size(); ++i) {
    if (std::ranges::binary_search(size.skipped_layers, static_cast<std::int64_t>(i))) continue;
    narrow(m.layers[i].mlp, size.intermediate_size[layers.size()], is_prepared);
    layers.push_back(std::move(m.layers[i]));
    places.push_back(m.stored_layer[i]);
  }
  m.layers = std::move(layers);
  m.stored_layer = std::move(places);
  NoTensors none;
  bind(none, m, config);
  return m;
}

}  // namespace gemma3n
