// Connects named tensors to the weight structs of the model.
//
// Each module lists its tensors once, in a function `bind`. The same list loads a checkpoint, fills
// a model with random numbers, and tells which tensors of a file are used.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ops/weight.h"
#include "tensor/view.h"

namespace gemma3n {

class TensorBinder {
 public:
  virtual ~TensorBinder() = default;

  // One row of the table: the tensor's name in the checkpoint, its slot, its expected shape.
  // A Weight stays where it is stored, in its own dtype; how it is read decides what becomes of it
  // in a model of fewer bits (ops/weight_form.h).
  void tensor(std::string_view name, Weight& slot, const Shape& shape,
              Access access = Access::kAsStored) {
    bind_tensor(prefix_ + std::string(name), slot, shape, access);
  }
  // The same for a tensor outside the model's prefix: "lm_head.weight".
  void top_tensor(std::string_view name, Weight& slot, const Shape& shape,
                  Access access = Access::kAsStored) {
    bind_top_tensor(std::string(name), slot, shape, access);
  }
  // A tensor of shape [n], converted to f32.
  void vector(std::string_view name, Vector& slot, Index n) {
    bind_vector(prefix_ + std::string(name), slot, n);
  }
  // Is there such a tensor? For those that a checkpoint may leave out.
  bool has(std::string_view name) const { return has_tensor(prefix_ + std::string(name)); }

  // A named part. Finds bind(TensorBinder&, Module&, const Config&) beside the module.
  template <typename Module, typename Config>
  void module(std::string_view name, Module& part, const Config& config) {
    const auto outer = prefix_.size();
    prefix_.append(name).append(".");
    bind(*this, part, config);
    prefix_.resize(outer);
  }

  // A numbered list of parts: "layers.0.", "layers.1.", ...
  template <typename Module, typename Config>
  void modules(std::string_view name, std::vector<Module>& parts, const Config& config) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      module(std::string(name) + "." + std::to_string(i), parts[i], config);
    }
  }

 protected:
  virtual void bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                           Access access) = 0;
  virtual void bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape,
                               Access access) = 0;
  virtual void bind_vector(const std::string& name, Vector& slot, Index n) = 0;
  virtual bool has_tensor(const std::string& name) const = 0;

 private:
  std::string prefix_;  // of the module being bound, e.g. "layers.3.laurel."
};

}  // namespace gemma3n
