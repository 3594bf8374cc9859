// Runs one checkpoint on given inputs, for comparison with the reference by tools/reference:
//   forward_tool CHECKPOINT INPUTS.safetensors OUTPUTS.safetensors [--chunk N] [--static]
//                [--greedy N] [--size FILE.json] [--load-size FILE.json]
// Inputs:  input_ids [B, T] (or inputs_embeds), attention_mask, position_ids, per_layer_inputs,
// labels. Outputs: logits, last_hidden_state, hidden_states.0 .. L, loss; with --chunk the logits
// alone, with
// --greedy the sequences [B, T + N], ended by length only. --size: with a part of the model;
// --load-size: with that part loaded alone.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "checkpoint/safetensors.h"
#include "gemma3n/generation.h"
#include "gemma3n/model.h"

namespace gemma3n {
namespace {

struct Options {
  std::string checkpoint, inputs, outputs;
  std::int64_t chunk = 0, greedy = 0;
  bool is_static = false;
  std::string size, load_size;
};

using Tensors = std::map<std::string, Tensor>;

Tensors read(const std::string& path) {
  const SafetensorsFile file(MappedFile(path), path);
  Tensors tensors;
  for (const SafetensorsEntry& entry : file.entries()) {
    const auto bytes = file.bytes(entry);
    Tensor tensor(entry.dtype == StoredDType::kF32 ? DType::kF32 : DType::kI64, entry.shape);
    if (!bytes.empty()) std::memcpy(tensor.bytes(), bytes.data(), bytes.size());
    tensors[entry.name] = tensor;
  }
  return tensors;
}

void write(const std::string& path, const Tensors& tensors) {
  nlohmann::json header;
  std::size_t offset = 0;
  const auto size = [](const Tensor& t) {
    return static_cast<std::size_t>(t.size()) * size_bytes(t.dtype());
  };
  for (const auto& [name, tensor] : tensors) {
    header[name] = {{"dtype", tensor.dtype() == DType::kF32 ? "F32" : "I64"},
                    {"shape", tensor.shape()},
                    {"data_offsets", {offset, offset + size(tensor)}}};
    offset += size(tensor);
  }
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << text;
  for (const auto& [name, tensor] : tensors) {
    file.write(reinterpret_cast<const char*>(tensor.bytes()),
               static_cast<std::streamsize>(size(tensor)));
  }
  if (!file.flush()) fail(ErrorCode::kNotFound, path, ": cannot be written");
}

// Columns [first, last) of [B, T] ids.
Tensor columns(const Tensor& x, std::int64_t first, std::int64_t last) {
  if (!x) return {};
  Tensor out(DType::kI64, {x.dim(0), last - first});
  for (std::int64_t b = 0; b < x.dim(0); ++b) {
    std::copy_n(x.i64().data() + b * x.dim(1) + first, last - first,
                out.i64().data() + b * (last - first));
  }
  return out;
}

Tensors run_whole(const ForCausalLM& model, const CausalLMInputs& inputs) {
  Tensors out;
  CausalLMInputs in = inputs;
  in.output_hidden_states = true;
  const auto result = model.forward(in);
  out["logits"] = result.logits;
  if (result.loss) out["loss"] = result.loss;
  for (std::size_t i = 0; i < result.hidden_states.size(); ++i) {
    out["hidden_states." + std::to_string(i)] = result.hidden_states[i];
  }
  out["last_hidden_state"] = model.model().forward(in).last_hidden_state;
  return out;
}

Tensors run_chunked(const ForCausalLM& model, const CausalLMInputs& inputs,
                    const Options& options) {
  const std::int64_t B = inputs.input_ids.dim(0), T = inputs.input_ids.dim(1),
                     V = model.config().vocab_size;
  CacheOptions cache_options;
  if (options.is_static) cache_options = {CacheOptions::Implementation::kStatic, T};
  const auto cache = model.new_cache(B, cache_options);
  Tensor logits(DType::kF32, {B, T, V});
  for (std::int64_t first = 0; first < T; first += options.chunk) {
    const std::int64_t last = std::min(T, first + options.chunk);
    CausalLMInputs in;
    in.input_ids = columns(inputs.input_ids, first, last);
    in.attention_mask = columns(inputs.attention_mask, 0, last);
    in.position_ids = columns(inputs.position_ids, first, last);
    in.past_key_values = cache;
    const auto part = model.forward(in);
    for (std::int64_t b = 0; b < B; ++b) {
      std::copy_n(part.logits.f32().data() + b * (last - first) * V, (last - first) * V,
                  logits.f32().data() + (b * T + first) * V);
    }
  }
  return {{"logits", logits}};
}

Tensors run_greedy(const ForCausalLM& model, const CausalLMInputs& inputs, const Options& options) {
  const Tensor &ids = inputs.input_ids, &mask = inputs.attention_mask;
  const std::int64_t B = ids.dim(0), T = ids.dim(1);
  std::vector<std::vector<TokenId>> prompts(static_cast<std::size_t>(B));
  for (std::int64_t i = 0; i < B * T; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (!mask || mask.i64()[at] != 0)
      prompts[static_cast<std::size_t>(i / T)].push_back(static_cast<TokenId>(ids.i64()[at]));
  }
  GenerationConfig config;
  config.max_new_tokens = options.greedy;
  if (options.is_static) config.cache_implementation = "static";
  const auto result = generate(model, prompts, config);
  Tensor sequences(DType::kI64, {B, T + options.greedy});
  for (std::int64_t b = 0; b < B; ++b) {
    std::int64_t* row = sequences.i64().data() + b * (T + options.greedy);
    std::copy_n(ids.i64().data() + b * T, T, row);
    std::ranges::copy(result.new_tokens[static_cast<std::size_t>(b)], row + T);
  }
  return {{"sequences", sequences}};
}

Options parse(int argc, char** argv) {
  Options options;
  std::vector<std::string> words(argv + 1, argv + argc), files;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--static") {
      options.is_static = true;
    } else if (words[i] == "--chunk") {
      options.chunk = std::stoll(words.at(++i));
    } else if (words[i] == "--greedy") {
      options.greedy = std::stoll(words.at(++i));
    } else if (words[i] == "--size") {
      options.size = words.at(++i);
    } else if (words[i] == "--load-size") {
      options.load_size = words.at(++i);
    } else {
      files.push_back(words[i]);
    }
  }
  if (files.size() != 3)
    fail(ErrorCode::kInvalidArgument, "usage: forward_tool CHECKPOINT INPUTS OUTPUTS [options]");
  options.checkpoint = files[0];
  options.inputs = files[1];
  options.outputs = files[2];
  return options;
}

ForCausalLM load(const Options& options) {
  const auto size = [config =
                         TextConfig::from_pretrained(options.checkpoint)](const std::string& file) {
    return MatFormerConfig::from_text(file, config);
  };
  LoadOptions load_options;
  if (!options.load_size.empty()) load_options.matformer = size(options.load_size);
  const auto model = ForCausalLM::from_pretrained(options.checkpoint, load_options);
  return options.size.empty() ? model : model.sliced(size(options.size));
}

void run(const Options& options) {
  const ForCausalLM model = load(options);
  Tensors given = read(options.inputs);
  CausalLMInputs inputs;
  inputs.input_ids = given["input_ids"];
  inputs.inputs_embeds = given["inputs_embeds"];
  inputs.per_layer_inputs = given["per_layer_inputs"];
  inputs.attention_mask = given["attention_mask"];
  inputs.position_ids = given["position_ids"];
  inputs.labels = given["labels"];
  if (options.greedy > 0) return write(options.outputs, run_greedy(model, inputs, options));
  if (options.chunk > 0) return write(options.outputs, run_chunked(model, inputs, options));
  write(options.outputs, run_whole(model, inputs));
}

}  // namespace
}  // namespace gemma3n

int main(int argc, char** argv) {
  try {
    gemma3n::run(gemma3n::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "forward_tool: %s\n", error.what());
    return 1;
  }
}
