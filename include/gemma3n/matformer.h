// Smaller models inside a model: narrower feed-forward parts, fewer layers, the same weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/config.h"

namespace gemma3n {

// A size of a Gemma 3n model (a MatFormer): a feed-forward part of each layer that is kept, its
// first neurons, and layers that are left out. E2B is such a part of E4B.
// Ref: Devvrit et al. 2023, "MatFormer: Nested Transformer for Elastic Inference"; Google's
// "MatFormer Lab" and its table gemma3n-slicing-configs.
struct MatFormerConfig {
  std::string name = {};                             // of a person's choice; compares nothing
  std::vector<std::int64_t> intermediate_size = {};  // F of each kept layer
  std::vector<std::int64_t> skipped_layers = {};     // ascending, counted in the whole model

  // "full" (nothing is cut off), "half" (half of each width) and, for models of E4B's 35 layers,
  // the rows of Google's table: "e2b" (the official one), "e1.96b", "e2.54b", ..., and those that
  // change whole blocks of layers: "e2.49b-block", ...   config: of the whole model.
  // Throws: kInvalidArgument for another name, or one that does not fit the model.
  static MatFormerConfig named(std::string_view name, const TextConfig& config);
  // The names that fit a model.
  static std::vector<std::string> names(const TextConfig& config);

  // An object with columns of Google's table: "FFN Hidden Dims" (integers, or text such as
  // "[2_048 * 4, 16384]"), and if wanted "name", "Layers Skipped" (such a list, or null),
  // "# Layers", "# Effective Params (B)" and "MMLU PT accuracy"; the last two say nothing here.
  // Throws: kCorruptData (not JSON, too long), kInvalidArgument (a key or a value).
  static MatFormerConfig from_json(std::string_view json);
  std::string to_json(const TextConfig& config) const;  // config: of the whole model

  // What a person writes to say a size: a name, or the path of a JSON file (which ends in ".json").
  // Throws: as named() and from_json(), naming the file; kNotFound without such a file.
  static MatFormerConfig from_text(std::string_view name_or_file, const TextConfig& config);

  // The configuration of the model of this size: of `config`, the layers that are kept, their types
  // and sparsities, and as many shared layers fewer as are left out.
  // Throws: kInvalidArgument unless
  //   the layers left out are whole blocks (sliding layers and the full one that ends them),
  //   no layer is left out whose keys and values another one reads,
  //   every kept layer has a width, at most its own, and a multiple of kWidthStep unless whole.
  TextConfig sliced(const TextConfig& config) const;

  // The same model, whatever the name.
  bool is_same_size(const MatFormerConfig& other) const {
    return intermediate_size == other.intermediate_size && skipped_layers == other.skipped_layers;
  }

  static constexpr std::int64_t kWidthStep = 32;  // neurons that share a scale in 8 and 4 bits
};

// Parameters of the text model without both embedding tables, as Google counts them: keys and
// values of layers that share another one's, which checkpoints carry, included.
std::int64_t effective_parameters(const TextConfig& config);

struct SliceOptions {
  MatFormerConfig size;
  std::function<bool(double fraction)> on_progress = {};  // 0 to 1; false stops
};

// Writes a smaller size of the checkpoint in `model_dir` to the folder `out_dir`: a checkpoint of
// its own, which transformers loads too. Tensors keep their dtype, towers and all other files are
// copied. Of a quantised checkpoint the slice is quantised, with the same bytes.
//
// Part by part: memory does not grow with the model. The folder appears under its name when
// everything is on disk, or not at all.
// Returns false if on_progress stopped it; nothing is left then.
// Throws: as TextModel::from_pretrained and MatFormerConfig::sliced; kInvalidArgument if out_dir
// exists and is not empty; kUnsupported if it cannot be written (the disk is full), or for
// quantised layers whose parts are no whole groups.
bool slice_checkpoint(const std::filesystem::path& model_dir, const std::filesystem::path& out_dir,
                      const SliceOptions& options);

}  // namespace gemma3n
