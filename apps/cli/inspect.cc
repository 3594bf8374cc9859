// gemma3n inspect MODEL: the tensors of a checkpoint and its architecture.
#include <algorithm>
#include <memory>
#include <span>

#include "commands.h"
#include "gemma3n/model.h"
#include "json.h"
#include "messages.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

struct Arguments {
  std::string model;
  bool json = false, summary = false;
};

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const auto dimension : shape) {
    text += (text.empty() ? "" : ", ") + std::to_string(dimension);
  }
  return "[" + text + "]";
}

std::string tensor_table(const std::vector<TensorInfo>& tensors) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "DTYPE", "SHAPE", "USED", "FILE"}};
  for (const auto& tensor : tensors) {
    rows.push_back({visible_line(tensor.name), visible_line(tensor.dtype), shape_text(tensor.shape),
                    tensor.used ? "yes" : "no", visible_line(tensor.file)});
  }
  return format_table(std::vector<Align>(5, Align::kLeft), rows);
}

// "8192", or "8192 to 16384" if layers differ.
template <typename Number>
std::string range_text(const std::vector<Number>& numbers) {
  if (numbers.empty()) return "none";
  const auto [low, high] = std::ranges::minmax(numbers);
  const auto text = [](Number number) {
    std::string digits = std::to_string(number);
    if (digits.find('.') != std::string::npos) {
      digits.erase(digits.find_last_not_of("0.") + 1);
    }
    return digits;
  };
  return low == high ? text(low) : text(low) + " to " + text(high);
}

std::string layers_text(const TextConfig& config) {
  const auto full = std::ranges::count(config.layer_types, AttentionType::kFull);
  return std::to_string(config.num_hidden_layers) + " (" +
         std::to_string(config.num_hidden_layers - full) + " sliding with a window of " +
         std::to_string(config.sliding_window) + ", " + std::to_string(full) + " full)";
}

std::string sharing_text(const TextConfig& config) {
  const auto first = config.first_kv_shared_layer();
  if (first == config.num_hidden_layers) return "none";
  return "layers " + std::to_string(first) + " to " + std::to_string(config.num_hidden_layers - 1) +
         " use the keys and values of earlier ones";
}

std::string sparsity_text(const TextConfig& config) {
  std::vector<double> sparse;
  std::ranges::copy_if(config.activation_sparsity_pattern, std::back_inserter(sparse),
                       [](double share) { return share > 0; });
  if (sparse.empty()) return "none";
  return std::to_string(sparse.size()) + " layers leave out " + range_text(sparse) +
         " of their neurons";
}

std::string weights_text(Quantization quantization) {
  if (quantization == Quantization::kNone) return "as published";
  return std::string(quantization == Quantization::kInt8 ? "8" : "4") + " bits in groups of 32 (" +
         std::string(quantization_name(quantization)) + ")";
}

std::string summary_table(const CheckpointInfo& info) {
  const auto& config = info.text_config;
  const auto used = std::ranges::count(info.tensors, true, &TensorInfo::used);
  return format_table(
      {Align::kLeft, Align::kLeft},
      {{"architecture", visible_line(info.architecture)},
       {"takes", info.has_towers ? "text, pictures and sounds" : "text"},
       {"layers", layers_text(config)},
       {"shared cache", sharing_text(config)},
       {"sparsity", sparsity_text(config)},
       {"widths", "hidden " + std::to_string(config.hidden_size) + ", feed-forward " +
                      range_text(config.intermediate_size) + ", per-layer input " +
                      std::to_string(config.hidden_size_per_layer_input)},
       {"heads", std::to_string(config.num_attention_heads) + " of " +
                     std::to_string(config.head_dim) + ", " +
                     std::to_string(config.num_key_value_heads) + " for keys and values"},
       {"weights", weights_text(info.quantization)},
       {"vocabulary", std::to_string(config.vocab_size)},
       {"context", std::to_string(config.max_position_embeddings) + " tokens"},
       {"parameters", with_unit(static_cast<double>(info.total_parameters)) + " in all, " +
                          with_unit(static_cast<double>(info.text_parameters)) +
                          " of the text model, " +
                          with_unit(static_cast<double>(info.effective_parameters)) +
                          " effective (without the embedding tables)"},
       {"tensors", std::to_string(info.tensors.size()) + ", of which the model uses " +
                       std::to_string(used)}});
}

void write_tensors(Json& json, const std::vector<TensorInfo>& tensors) {
  json.key("tensors").begin_array();
  for (const auto& tensor : tensors) {
    json.begin_object()
        .member("name", tensor.name)
        .member("dtype", tensor.dtype)
        .member("shape", std::span<const std::int64_t>(tensor.shape))
        .member("parameters", tensor.parameters)
        .member("file", tensor.file)
        .member("used", tensor.used)
        .end_object();
  }
  json.end_array();
}

std::string json_report(const CheckpointInfo& info, bool with_tensors) {
  const auto& config = info.text_config;
  Json json;
  json.begin_object()
      .member("architecture", info.architecture)
      .member("has_towers", info.has_towers)
      .member("num_hidden_layers", config.num_hidden_layers)
      .member("first_kv_shared_layer", config.first_kv_shared_layer());
  json.key("layer_types").begin_array();
  for (const auto type : config.layer_types) {
    json.value(type == AttentionType::kFull ? "full_attention" : "sliding_attention");
  }
  json.end_array();
  json.member("sliding_window", config.sliding_window)
      .member("activation_sparsity_pattern",
              std::span<const double>(config.activation_sparsity_pattern))
      .member("hidden_size", config.hidden_size)
      .member("hidden_size_per_layer_input", config.hidden_size_per_layer_input)
      .member("intermediate_size", std::span<const std::int64_t>(config.intermediate_size))
      .member("num_attention_heads", config.num_attention_heads)
      .member("num_key_value_heads", config.num_key_value_heads)
      .member("head_dim", config.head_dim)
      .member("vocab_size", config.vocab_size)
      .member("max_position_embeddings", config.max_position_embeddings)
      .member("quantization", quantization_name(info.quantization))
      .member("total_parameters", info.total_parameters)
      .member("text_parameters", info.text_parameters)
      .member("effective_parameters", info.effective_parameters);
  if (with_tensors) write_tensors(json, info.tensors);
  return json.end_object().text() + "\n";
}

int run(const Arguments& arguments, Output& out) {
  const auto info = inspect_checkpoint(arguments.model);
  if (arguments.json) {
    out.write(json_report(info, !arguments.summary));
    return 0;
  }
  if (!arguments.summary) out.write(tensor_table(info.tensors) + "\n");
  out.write(summary_table(info));
  return 0;
}

constexpr const char* kFooter = R"(
The table lists name, data type as in the file, shape, whether the model uses the tensor, and the
file. No weights are read.

--json prints one object: architecture, has_towers (it takes pictures and sounds), the text model's
dimensions under their names in config.json, quantization (none, q8, q4), total_parameters,
text_parameters, effective_parameters, and tensors (name, dtype, shape, parameters, file, used). A
matrix of 8 or 4 bits has the dtype U8 and the shape of its bytes; parameters is how many values it
stands for.
)";

}  // namespace

Runner declare_inspect(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model, "folder of the checkpoint");
  options.flag("--summary", arguments->summary, "leave the table of tensors out");
  options.flag("--json", arguments->json, "print one JSON object");
  options.footer(kFooter);
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
