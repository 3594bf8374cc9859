// What ForCausalLM::matrices() tells: the names of the `bind` functions, the storages of the slots.
#include "checkpoint/binder.h"
#include "model/loaded_model.h"
#include "ops/weight_form.h"

namespace gemma3n {
namespace {

std::string storage_name(const Weight& w) {
  switch (w.storage) {
    case Storage::kInt8Blocks:
    case Storage::kInt8Groups:
      return "q8";
    case Storage::kInt4Blocks:
    case Storage::kInt4Groups:
      return "q4";
    case Storage::kRows:
      break;
  }
  return w.dtype == DType::kF32 ? "f32" : w.dtype == DType::kF16 ? "f16" : "bf16";
}

// Of a slot that holds a matrix `stored` so, or more: a size of the model shares larger ones.
std::int64_t bytes_of(const Weight& w, const Shape& stored, Access access) {
  return static_cast<std::int64_t>(size_bytes({w.storage, w.dtype}, shape_as_read(stored, access)));
}

// Changes no slot.
class ListBinder : public TensorBinder {
 public:
  std::vector<MatrixInfo> found;

 private:
  void bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                   Access access) override {
    MatrixInfo info = {name, {}, storage_name(slot), bytes_of(slot, shape, access)};
    for (int axis = 0; axis < shape.rank(); ++axis) info.shape.push_back(shape[axis]);
    found.push_back(std::move(info));
  }
  void bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape,
                       Access access) override {
    bind_tensor(name, slot, shape, access);
  }
  void bind_vector(const std::string&, Vector&, Index) override {}
  bool has_tensor(const std::string&) const override { return true; }
};

}  // namespace

std::vector<MatrixInfo> ForCausalLM::matrices() const {
  // `bind` also sets what is no tensor, so it works on copies; the weights themselves are shared.
  Decoder decoder = impl_->decoder;
  const Weight head = decoder.lm_head;
  ListBinder binder;
  bind(binder, decoder, impl_->config);
  if (!impl_->config.tie_word_embeddings) {  // `bind` has made it the embedding table first
    binder.found.back().storage = storage_name(head);
    binder.found.back().bytes = bytes_of(head, head.shape, Access::kProduct);
  }
  return std::move(binder.found);
}

}  // namespace gemma3n
