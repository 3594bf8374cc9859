// Weights of fewer bits: made while a model loads, or once and for all in a checkpoint of their
// own.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "gemma3n/error.h"

namespace gemma3n {

// How the weights of linear layers and of convolutions over all channels are held in memory.
//   kInt8, kInt4: groups of 32 values share a 16-bit scale, 8.5 or 4.5 bits a weight; the inputs of
//   these layers are rounded to 8 bits. Several times faster, at a small loss of quality. The
//   towers for pictures and sounds have 8 bits in both. kBF16, kF32: converted.
enum class Quantization {
  kNone,
  kInt8,
  kInt4,
  kBF16,
  kF32
};  // kNone: as the checkpoint stores them

// Of "none", "q8", "q4", "bf16" and "f32".   Throws: kInvalidArgument for another name.
Quantization quantization_from_name(std::string_view name);
std::string_view quantization_name(Quantization quantization);

struct QuantizeOptions {
  Quantization to = Quantization::kInt4;  // or kInt8
  bool replace = false;                   // a quantised checkpoint that is there already
  int threads = 0;                        // 0 = one per core this process may use
  std::function<bool(double fraction)> on_progress = {};  // 0 to 1; false stops
};

// Writes the checkpoint in `model_dir` to the folder `out_dir` with weights of 8 or 4 bits, in the
// form that the kernels read: it is mapped and used as it is. MODEL.md, "A quantised checkpoint on
// disk", has the format. Tokenizer, processor and other files are copied; tensors that the model
// has no use for are left out.
//
// Tensor by tensor: memory does not grow with the model. The folder appears under its name when
// everything is on disk, or not at all. What a stopped machine leaves is called
// .<name>.partial-<number>.
// Returns false if on_progress stopped it; nothing is left then.
// Throws: as TextModel::from_pretrained; kInvalidArgument if out_dir exists, is not empty and shall
// not be replaced, or is no quantised checkpoint; kUnsupported if the checkpoint is quantised
// already, has weights that are not finite or too large for 16-bit scales, or cannot be written
// (the disk is full).
bool quantize_checkpoint(const std::filesystem::path& model_dir,
                         const std::filesystem::path& out_dir, const QuantizeOptions& options = {});

}  // namespace gemma3n
