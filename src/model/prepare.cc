#include "model/prepare.h"

#include <algorithm>
#include <vector>

#include "checkpoint/binder.h"
#include "model/weight_parts.h"

namespace gemma3n {
namespace {

struct Matrix {
  Weight* weight;
  Access access;
};

// Goes through the tables of a model that is bound already.
class MatrixList : public TensorBinder {
 public:
  std::vector<Matrix> matrices;

 private:
  void bind_tensor(const std::string&, Weight& slot, const Shape&, Access access) override {
    matrices.push_back({&slot, access});
  }
  void bind_top_tensor(const std::string&, Weight& slot, const Shape&, Access access) override {
    matrices.push_back({&slot, access});
  }
  void bind_vector(const std::string&, Vector&, Index) override {}
  bool has_tensor(const std::string&) const override { return true; }
};

// A table stays where it is: few of its rows are ever read.
WeightForm form_in_memory(const Weight& w, Access access, Quantization quantization) {
  const bool is_final = w.storage != Storage::kRows || access == Access::kTable;
  return is_final ? stored_form(w) : form_of(w.shape, w.dtype, access, quantization);
}

bool is_prepared(const Weight& w, Access access, WeightForm form) {
  if (w.storage != Storage::kRows) return true;
  return form == stored_form(w) && lies_as_read(w.shape, access);
}

}  // namespace

Weight prepared(ModelImpl& model, const Weight& w, Access access, Quantization quantization,
                bool is_mapped, const std::function<void(Index values)>& on_values) {
  const WeightForm form = form_in_memory(w, access, quantization);
  if (w.storage != Storage::kRows) return w;
  const Shape shape = shape_as_read(w.shape, access);
  if (is_prepared(w, access, form)) {
    Weight same = w;
    same.shape = shape;
    return same;
  }
  model.resources->extra.push_back(
      std::make_unique_for_overwrite<std::byte[]>(size_bytes(form, shape)));
  std::byte* to = model.resources->extra.back().get();
  for_parts(w, access, form, is_mapped, [&](Index first, Index n) {
    write_rows(model.pool(), w, access, form, first, n, to);
    to += size_bytes(form, {n, shape[1]});
    if (on_values) on_values(n * shape[1]);
  });
  return weight_of(form, model.resources->extra.back().get(), shape);
}

void prepare_model(ModelImpl& model, Multimodal* towers, Quantization quantization,
                   const std::function<void(double)>& on_progress) {
  MatrixList list;
  bind(list, model.decoder, model.config);
  if (towers != nullptr) bind(list, *towers, towers->config);
  double done = 0, all = 0;
  for (const auto& [weight, access] : list.matrices) {
    const WeightForm form = form_in_memory(*weight, access, quantization);
    if (!is_prepared(*weight, access, form)) all += static_cast<double>(weight->shape.size());
  }
  for (const Matrix& m : list.matrices) {
    *m.weight = prepared(model, *m.weight, m.access, quantization, true, [&](Index values) {
      done += static_cast<double>(values);
      if (on_progress) on_progress(done / all);
    });
  }
  if (model.config.tie_word_embeddings) model.decoder.lm_head = model.decoder.embed_tokens;
  if (on_progress) on_progress(1.0);
}

}  // namespace gemma3n
