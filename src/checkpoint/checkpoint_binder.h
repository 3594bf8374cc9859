// Fills weight structs from a checkpoint and keeps account of the tensors nobody asked for.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/binder.h"
#include "checkpoint/checkpoint.h"
#include "gemma3n/config.h"
#include "gemma3n/quantization.h"

namespace gemma3n {

// What stands before "embed_tokens.weight" and all other names of the text model:
// "model.language_model." (Gemma3nForConditionalGeneration), "model." (Gemma3nForCausalLM) or ""
// (Gemma3nTextModel).
// Throws: kNotFound if the checkpoint has none of them.
std::string text_prefix(const Checkpoint& checkpoint);

class CheckpointBinder : public TensorBinder {
 public:
  // `prefix` stands before every name but those of top_tensor(). Bound weights point into the maps
  // of `checkpoint`: keep a copy of it as long as them.
  // Binding throws, naming file, tensor and both shapes: kNotFound for a missing tensor;
  // kCorruptData for one of another shape, or a vector with a value that is not finite;
  // kUnsupported for a dtype other than F32, F16 and BF16.
  //   quantization: of the checkpoint, kInt8 or kInt4; its matrices are then bytes in the form of
  //   ops/weight_form.h, bound as what they stand for. Their values need no check: any bytes are
  //   numbers, and what is not finite shows in the results.
  CheckpointBinder(Checkpoint checkpoint, std::string prefix,
                   Quantization quantization = Quantization::kNone)
      : checkpoint_(std::move(checkpoint)),
        prefix_(std::move(prefix)),
        quantization_(quantization) {}

  bool is_used(std::string_view full_name) const { return used_.contains(full_name); }
  // How many values a tensor stands for that was bound; 0 for others.
  Index values_of(std::string_view full_name) const;

  // Tensors of the checkpoint that were not bound, except those which a Gemma 3n checkpoint may
  // carry for other parts or for nothing: the towers, a tied lm_head.weight, keys and values of
  // layers that share another layer's. In order of name.
  std::vector<std::string> unexpected_tensors(const TextConfig& config) const;

 protected:
  void bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                   Access access) override;
  void bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape,
                       Access access) override;
  void bind_vector(const std::string& name, Vector& slot, Index n) override;
  bool has_tensor(const std::string& name) const override;

  const Checkpoint& checkpoint() const { return checkpoint_; }
  const std::string& prefix() const { return prefix_; }

 private:
  const CheckpointTensor& require(const std::string& full_name, const Shape& shape);
  void bind_quantized(const std::string& full_name, Weight& slot, const Shape& shape,
                      Storage storage);

  Checkpoint checkpoint_;
  std::string prefix_;
  Quantization quantization_;
  std::map<std::string, Index, std::less<>> used_;  // how many values each stands for
};

// One line for a person: how many tensors the model has no use for and the first few names.
// Empty if there are none.
std::string unexpected_tensors_warning(const std::vector<std::string>& names);

}  // namespace gemma3n
