// Weights of fewer bits: made while a model loads, or once and for all in a checkpoint of their
// own.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

// How large the inputs of a model's matrices are while it reads texts like those it will be used
// for. An error of a weight matters as much as what it is multiplied with, so 4 bits can be spent
// where they count. One is filled by a model that was loaded with it (LoadOptions::calibration);
// some ten thousand tokens tell enough. Thread-safe.
class Calibration {
 public:
  Calibration();
  ~Calibration();
  Calibration(const Calibration&) = delete;
  Calibration& operator=(const Calibration&) = delete;

  bool is_empty() const;  // nothing has been measured
  // The mean square of each input of a matrix, by its name in the checkpoint; empty if it was not
  // measured.
  std::vector<float> mean_squares(const std::string& tensor) const;

  struct Impl;
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

struct QuantizeOptions {
  Quantization to = Quantization::kInt4;  // or kInt8
  bool replace = false;                   // a quantised checkpoint that is there already
  int threads = 0;                        // 0 = one per core this process may use
  std::function<bool(double fraction)> on_progress = {};  // 0 to 1; false stops
  // kInt4: matrices that were measured lose less of their products, rather than of themselves.
  // Called when all else has been checked, since measuring takes time; null stops.
  std::function<std::shared_ptr<const Calibration>()> calibrate = {};
};

// Writes the checkpoint in `model_dir` to the folder `out_dir` with weights of 8 or 4 bits, in the
// form that the kernels read: it is mapped and used as it is. MODEL.md, "A quantised checkpoint on
// disk", has the format. Tokenizer, processor and other files are copied; tensors that the model
// has no use for are left out.
//
// Tensor by tensor: memory does not grow with the model. The folder appears under its name when
// everything is on disk, or not at all. What a stopped machine leaves is called
// .<name>.partial-<number>.
// Returns false if on_progress or calibrate stopped it; nothing is left then.
// Throws: as TextModel::from_pretrained; kInvalidArgument if out_dir exists, is not empty and shall
// not be replaced, or is no quantised checkpoint, or the calibration is empty, of another model, or
// for 8 bits, which have no scales to choose from; kUnsupported if the checkpoint is quantised
// already, has weights that are not finite or too large for 16-bit scales, or cannot be written
// (the disk is full).
bool quantize_checkpoint(const std::filesystem::path& model_dir,
                         const std::filesystem::path& out_dir, const QuantizeOptions& options = {});

}  // namespace gemma3n
