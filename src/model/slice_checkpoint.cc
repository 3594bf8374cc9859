// A checkpoint of a smaller size, cut out of a larger one tensor by tensor.
#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/new_folder.h"
#include "base/pages.h"
#include "checkpoint/checkpoint_binder.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/quantization_config.h"
#include "checkpoint/safetensors_writer.h"
#include "model/checkpoint_folder.h"
#include "model/loaded_model.h"
#include "ops/quantize.h"

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

struct Stopped {};  // on_progress said so

struct Span {
  std::int64_t first = 0, count = 0;
};

// A tensor of the new checkpoint: parts of one of the old. As both lie in files, a tensor is [rows,
// columns] of equal items; whatever dimensions follow belong to the items.
struct Planned {
  const CheckpointTensor* tensor;
  std::string name;
  std::vector<Span> rows = {}, columns = {};  // that are kept; none: all
};

std::int64_t total(const std::vector<Span>& spans) {
  std::int64_t sum = 0;
  for (const Span& span : spans) sum += span.count;
  return sum;
}

std::vector<std::int64_t> new_shape(const Planned& planned) {
  auto shape = planned.tensor->entry->shape;
  if (!planned.rows.empty()) shape.at(0) = total(planned.rows);
  if (!planned.columns.empty()) shape.at(1) = total(planned.columns);
  return shape;
}

class Plan {
 public:
  Plan(const Checkpoint& checkpoint, const TextConfig& config, const MatFormerConfig& size,
       Quantization stored)
      : is_quantized_(stored != Quantization::kNone),
        prefix_(text_prefix(checkpoint)),
        config_(config),
        new_layer_(layers_of(config)) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < new_layer_.size(); ++i) {
      const bool is_skipped = std::ranges::binary_search(size.skipped_layers, signed_of(i));
      new_layer_[i] = is_skipped ? kLeftOut : signed_of(kept);
      width_.push_back(is_skipped ? 0 : size.intermediate_size.at(kept++));
    }
    for (const CheckpointTensor& tensor : checkpoint.tensors()) add(tensor);
    // As they lie, so that files are read in order and what was aligned stays so.
    std::ranges::stable_sort(planned_, [](const Planned& a, const Planned& b) {
      const auto key = [](const Planned& p) {
        return std::pair(p.tensor->file_name(), p.tensor->entry->offset);
      };
      return key(a) < key(b);
    });
  }

  const std::vector<Planned>& tensors() const { return planned_; }

 private:
  static constexpr std::int64_t kLeftOut = -1;
  static std::size_t layers_of(const TextConfig& c) {
    return static_cast<std::size_t>(c.num_hidden_layers);
  }
  static std::int64_t signed_of(std::size_t i) { return static_cast<std::int64_t>(i); }

  void add(const CheckpointTensor& tensor) {
    const std::string& name = tensor.name();
    const auto rest = name.starts_with(prefix_) ? std::string_view(name).substr(prefix_.size())
                                                : std::string_view();
    constexpr std::string_view kLayers = "layers.";
    if (rest.starts_with(kLayers)) return add_layer_tensor(tensor, rest.substr(kLayers.size()));
    Planned planned = {&tensor, name};
    if (rest == "per_layer_model_projection.weight") planned.rows = kept_parts(tensor, 0);
    if (rest == "embed_tokens_per_layer.weight") planned.columns = kept_parts(tensor, 1);
    planned_.push_back(std::move(planned));
  }

  // rest: "20.mlp.up_proj.weight"
  void add_layer_tensor(const CheckpointTensor& tensor, std::string_view rest) {
    std::size_t layer = new_layer_.size();
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    if (error != std::errc() || layer >= new_layer_.size()) {  // none of this model
      planned_.push_back({&tensor, tensor.name()});
      return;
    }
    if (new_layer_[layer] == kLeftOut) return;
    const std::string_view part(end, rest.data() + rest.size());
    Planned planned = {&tensor,
                       prefix_ + "layers." + std::to_string(new_layer_[layer]) + std::string(part)};
    const double sparsity = config_.activation_sparsity_pattern[layer];
    // A sparse layer's down_proj of a quantised checkpoint lies neuron by neuron.
    const bool is_by_neuron =
        tensor.entry->dtype == StoredDType::kU8 && sparsity > 0.0 && sparsity < 1.0;
    if (part == ".mlp.gate_proj.weight" || part == ".mlp.up_proj.weight") {
      planned.rows = first_neurons(tensor, layer, 0);
    } else if (part == ".mlp.down_proj.weight") {
      (is_by_neuron ? planned.rows : planned.columns) =
          first_neurons(tensor, layer, is_by_neuron ? 0 : 1);
    }
    planned_.push_back(std::move(planned));
  }

  // A dimension of F neurons that lie one by one or in blocks and groups of equal size.
  std::vector<Span> first_neurons(const CheckpointTensor& tensor, std::size_t layer, int axis) {
    const std::int64_t F = config_.intermediate_size[layer];
    return {{0, scaled(tensor, axis, width_[layer], F)}};
  }
  // A dimension of L times P values.
  std::vector<Span> kept_parts(const CheckpointTensor& tensor, int axis) {
    const std::int64_t P = config_.hidden_size_per_layer_input, L = config_.num_hidden_layers;
    const std::int64_t kept = L - std::ranges::count(new_layer_, kLeftOut);
    const auto is_grouped = [&](std::int64_t layers) {
      return has_whole_groups({1, std::max<std::int64_t>(1, layers * P)});
    };
    if (axis == 1 && is_quantized_ && is_grouped(L) != is_grouped(kept)) refuse(tensor);
    std::vector<Span> parts;
    for (std::int64_t i = 0; i < L; ++i) {
      if (new_layer_[static_cast<std::size_t>(i)] == kLeftOut) continue;
      parts.push_back({scaled(tensor, axis, i * P, L * P), scaled(tensor, axis, P, L * P)});
    }
    return parts;
  }
  // `values` of `all`, counted in the items of a dimension.
  std::int64_t scaled(const CheckpointTensor& tensor, int axis, std::int64_t values,
                      std::int64_t all) {
    const std::int64_t items = tensor.entry->shape.at(static_cast<std::size_t>(axis));
    const std::int64_t group = items == 0 ? 1 : std::max<std::int64_t>(1, all / items);
    if (values % group != 0) refuse(tensor);
    return values / group;
  }
  [[noreturn]] static void refuse(const CheckpointTensor& tensor) {
    fail(ErrorCode::kUnsupported, tensor.name(), ": its groups of values do not end where the ",
         "size does; slice the original checkpoint and quantise the result");
  }

  bool is_quantized_;
  std::string prefix_;
  const TextConfig& config_;
  std::vector<std::int64_t> new_layer_;  // [L]
  std::vector<std::int64_t> width_;      // [L]
  std::vector<Planned> planned_;
};

class Work {
 public:
  Work(const std::vector<Planned>& plan, const SliceOptions& options)
      : on_progress_(options.on_progress) {
    for (const Planned& planned : plan) all_ += static_cast<double>(planned.tensor->bytes().size());
  }

  void write(SafetensorsWriter& writer, const Planned& planned) {
    const auto bytes = planned.tensor->bytes();
    const auto& shape = planned.tensor->entry->shape;
    if (planned.rows.empty() && planned.columns.empty()) {
      write_span(writer, bytes);
    } else {
      const auto rows = static_cast<std::size_t>(std::max<std::int64_t>(1, shape.at(0)));
      const std::size_t row = bytes.size() / rows;
      if (planned.columns.empty()) {
        for (const Span& span : planned.rows) {
          write_span(writer, bytes.subspan(static_cast<std::size_t>(span.first) * row,
                                           static_cast<std::size_t>(span.count) * row));
        }
      } else {
        write_columns(writer, bytes, row, static_cast<std::size_t>(shape.at(1)), planned.columns);
      }
    }
    release_mapped_pages(bytes.data(), bytes.size());
    done_ += static_cast<double>(bytes.size());
    report(0);
  }

 private:
  static constexpr std::size_t kPart = 16 << 20;

  void write_span(SafetensorsWriter& writer, std::span<const std::byte> bytes) {
    for (std::size_t written = 0; written < bytes.size();) {
      const auto part = bytes.subspan(written, std::min(kPart, bytes.size() - written));
      writer.write(part);
      release_mapped_pages(part.data(), part.size());
      written += part.size();
      report(static_cast<double>(written));
    }
  }

  void write_columns(SafetensorsWriter& writer, std::span<const std::byte> bytes, std::size_t row,
                     std::size_t items, const std::vector<Span>& columns) {
    const std::size_t item = row / std::max<std::size_t>(1, items);
    const std::size_t rows_at_once =
        std::max<std::size_t>(1, kPart / std::max<std::size_t>(1, row));
    std::vector<std::byte> buffer;
    for (std::size_t first = 0; first < bytes.size(); first += rows_at_once * row) {
      const auto part = bytes.subspan(first, std::min(rows_at_once * row, bytes.size() - first));
      buffer.clear();
      for (std::size_t at = 0; at < part.size(); at += row) {
        for (const Span& span : columns) {
          const auto kept = part.subspan(at + static_cast<std::size_t>(span.first) * item,
                                         static_cast<std::size_t>(span.count) * item);
          buffer.insert(buffer.end(), kept.begin(), kept.end());
        }
      }
      writer.write(buffer);
      release_mapped_pages(part.data(), part.size());
      report(static_cast<double>(first + part.size()));
    }
  }

  // bytes: of the tensor at hand, so far.
  void report(double bytes) {
    if (on_progress_ && !on_progress_(std::min(1.0, (done_ + bytes) / all_))) throw Stopped();
  }

  const std::function<bool(double)>& on_progress_;
  double done_ = 0, all_ = 0;  // bytes of the old checkpoint
};

// config.json of the slice: what the size says is replaced, all else stays as it was written.
std::string sliced_config_json(std::string_view json, const TextConfig& sliced) {
  constexpr std::string_view kChanged[] = {"num_hidden_layers", "intermediate_size", "layer_types",
                                           "num_kv_shared_layers", "activation_sparsity_pattern"};
  Json::Object root = parse_json_object(json);
  const auto outer = std::ranges::find(root, "text_config", &JsonMember::key);
  Json::Object& text = outer == root.end() ? root : std::get<Json::Object>(outer->value.value);
  const Json::Object changed = parse_json_object(sliced.to_json());
  for (const auto key : kChanged) {
    std::erase_if(text, [&](const JsonMember& member) { return member.key == key; });
    text.push_back({std::string(key), *find(changed, key)});
  }
  return to_text(root) + "\n";
}

// Throws if the checkpoint is not what its configuration says.
void check_tensors(const Checkpoint& checkpoint, const TextConfig& config, Quantization stored) {
  CheckpointBinder binder(checkpoint, text_prefix(checkpoint), stored);
  Decoder decoder;
  bind(binder, decoder, config);
}

void write_slice(const Checkpoint& checkpoint, const TextConfig& config, Quantization stored,
                 const SliceOptions& options, const fs::path& to) {
  const Plan plan(checkpoint, config, options.size, stored);
  const fs::path& from = checkpoint.directory();
  copy_files_beside_weights(from, to);
  write_text_file(to / "config.json",
                  sliced_config_json(read_text_file(from / "config.json", kMaxConfigBytes),
                                     options.size.sliced(config)));
  std::vector<NewTensor> tensors;
  for (const Planned& planned : plan.tensors()) {
    tensors.push_back({planned.name, planned.tensor->entry->dtype, new_shape(planned)});
  }
  SafetensorsWriter writer(to / "model.safetensors", tensors);
  Work work(plan.tensors(), options);
  for (const Planned& planned : plan.tensors()) work.write(writer, planned);
  writer.finish();
}

}  // namespace

bool slice_checkpoint(const fs::path& model_dir, const fs::path& out_dir,
                      const SliceOptions& options) {
  const TextConfig config = TextConfig::from_pretrained(model_dir);
  options.size.sliced(config);
  const Quantization stored = stored_quantization(model_dir);
  const Checkpoint checkpoint = Checkpoint::open(model_dir);
  check_tensors(checkpoint, config, stored);
  NewFolder folder(out_dir, false);
  try {
    write_slice(checkpoint, config, stored, options, folder.path());
  } catch (const Stopped&) {
    return false;
  }
  folder.publish();
  return true;
}

}  // namespace gemma3n
