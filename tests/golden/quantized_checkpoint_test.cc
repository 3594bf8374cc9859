// Checkpoints of 8 and 4 bits on disk: what they compute, what they hold, what is refused.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/mapped_file.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"
#include "gemma3n/model.h"
#include "model/loaded_model.h"
#include "model/model_impl.h"
#include "ops/ops.h"
#include "random_checkpoint.h"

namespace gemma3n::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kWeights = "model.safetensors";

// Every way a matrix can lie: products in blocks, sparse layers and the table in groups, and with
// odd widths some that cannot be quantised.
json small_config(bool is_odd) {
  return {{"model_type", "gemma3n_text"},
          {"architectures", {"Gemma3nForCausalLM"}},
          {"vocab_size", 100},
          {"vocab_size_per_layer_input", 90},
          {"hidden_size", is_odd ? 48 : 64},
          {"hidden_size_per_layer_input", is_odd ? 8 : 32},
          {"num_hidden_layers", 4},
          {"intermediate_size", {96, 96, 64, is_odd ? 72 : 64}},
          {"activation_sparsity_pattern", {0.8, 0.5, 0.0, 0.0}},
          {"layer_types",
           {"sliding_attention", "full_attention", "sliding_attention", "full_attention"}},
          {"num_kv_shared_layers", 1},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"head_dim", 16},
          {"laurel_rank", 32},
          {"sliding_window", 8},
          {"max_position_embeddings", 256},
          {"tie_word_embeddings", !is_odd}};
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Where the tensors begin in a safetensors file.
std::size_t data_begin(const std::string& file) {
  std::uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof header);
  return sizeof header + header;
}

class QuantizedCheckpoint : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "quantized_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = fs::canonical(pattern);
    write_original(root_ / "original", false);
  }
  void TearDown() override { fs::remove_all(root_); }

  static void write_original(const fs::path& folder, bool is_odd) {
    fs::create_directory(folder);
    const json config = small_config(is_odd);
    write(folder / "config.json", config.dump());
    write(folder / "generation_config.json", "{\"max_new_tokens\": 3}");
    write_tensors(folder / kWeights, random_tensors(TextConfig::from_pretrained(folder), 17));
  }

  fs::path quantized(const fs::path& original, Quantization to, const std::string& name) const {
    EXPECT_TRUE(quantize_checkpoint(original, root_ / name, {.to = to, .threads = 2}));
    return root_ / name;
  }
  static std::vector<float> logits(const ForCausalLM& model) {
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 30; ++i) tokens.push_back((i * 37 + 5) % 95);
    std::vector<float> result(static_cast<std::size_t>(model.config().vocab_size));
    const auto cache = model.new_cache(1);
    const SequenceTokens part{0, tokens, true};
    append_tokens(*model.impl(), *cache, std::span(&part, 1), result);
    return result;
  }
  static ForCausalLM load(const fs::path& folder, Quantization quantization = Quantization::kNone) {
    return ForCausalLM::from_pretrained(folder, {.threads = 1, .quantization = quantization});
  }

  static void expect_error(ErrorCode code, const std::string& message,
                           const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "accepted; expected an error: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos)
          << error.what() << "\nexpected: " << message;
    }
  }
  std::vector<std::string> names_in(const fs::path& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) {
      names.push_back(entry.path().filename().string());
    }
    std::ranges::sort(names);
    return names;
  }

  fs::path root_;
};

// The original with its per-layer table rounded as the quantised checkpoint has it: at load, the
// table stays in the map as it is; in everything else the two must agree.
void round_table(const fs::path& original, const fs::path& quantized, const fs::path& out) {
  const auto model = ForCausalLM::from_pretrained(quantized, {.threads = 1});
  const Weight& table = model.impl()->decoder.embed_tokens_per_layer;
  Arena arena;
  ThreadPool pool(1);
  Ops op(active_kernels(), arena, pool);
  std::vector<Index> ids(static_cast<std::size_t>(table.shape[0]));
  std::iota(ids.begin(), ids.end(), Index{0});
  const auto rows = op.lookup(table, ids, 1.0f);

  fs::copy(original, out);
  fs::remove(out / kWeights);
  const SafetensorsFile file(MappedFile(original / kWeights), kWeights);
  std::vector<NewTensor> tensors;
  const auto is_table = [](const std::string& name) {
    return name.ends_with("embed_tokens_per_layer.weight");
  };
  for (const auto& entry : file.entries()) {
    tensors.push_back(
        {entry.name, is_table(entry.name) ? StoredDType::kF32 : entry.dtype, entry.shape});
  }
  SafetensorsWriter writer(out / kWeights, tensors);
  for (const auto& entry : file.entries()) {
    writer.write(is_table(entry.name) ? std::as_bytes(rows.span()) : file.bytes(entry));
  }
  writer.finish();
}

TEST_F(QuantizedCheckpoint, HasTheLogitsOfQuantisingAtLoad) {
  write_original(root_ / "odd", true);
  for (const char* original : {"original", "odd"}) {
    for (const auto to : {Quantization::kInt8, Quantization::kInt4}) {
      const std::string name = original + std::string(quantization_name(to));
      const auto folder = quantized(root_ / original, to, name);
      round_table(root_ / original, folder, root_ / (name + "_table"));
      const auto expected = logits(load(root_ / (name + "_table"), to));
      EXPECT_EQ(logits(load(folder)), expected) << name;
      EXPECT_EQ(logits(load(folder, to)), expected) << name;  // asking for what it has
      EXPECT_NE(logits(load(root_ / original)), expected) << name << ": nothing was quantised";
    }
  }
}

TEST_F(QuantizedCheckpoint, WeightsAreUsedWhereTheyLie) {
  const auto model = load(quantized(root_ / "original", Quantization::kInt4, "q4"));
  EXPECT_TRUE(model.impl()->resources->extra.empty());
  const Decoder& decoder = model.impl()->decoder;
  EXPECT_EQ(decoder.embed_tokens.storage, Storage::kInt4Blocks);
  EXPECT_EQ(decoder.lm_head.data, decoder.embed_tokens.data);
  EXPECT_EQ(decoder.embed_tokens_per_layer.storage, Storage::kInt4Groups);
  EXPECT_EQ(decoder.layers[0].mlp.up_proj.storage, Storage::kInt4Groups);
  EXPECT_EQ(decoder.layers[0].mlp.down_rows.rows.storage, Storage::kInt4Groups);
  EXPECT_EQ(decoder.layers[0].mlp.down_rows.rows.shape, (Shape{96, 64}));
  EXPECT_EQ(decoder.layers[2].mlp.down_proj.storage, Storage::kInt4Blocks);
  for (const auto& layer : decoder.layers) {  // blocks are aligned
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(layer.mlp.gate_proj.data) % 32, 0u);
  }
}

TEST_F(QuantizedCheckpoint, IsDescribedAsWhatItStandsFor) {
  const auto before = inspect_checkpoint(root_ / "original");
  const auto after = inspect_checkpoint(quantized(root_ / "original", Quantization::kInt4, "q4"));
  EXPECT_EQ(before.quantization, Quantization::kNone);
  EXPECT_EQ(after.quantization, Quantization::kInt4);
  EXPECT_EQ(after.text_parameters, before.text_parameters);
  EXPECT_EQ(after.effective_parameters, before.effective_parameters);
  EXPECT_EQ(after.tensors.size(), before.tensors.size());
}

// A calibration with 30 tokens.
std::shared_ptr<Calibration> calibrated(const fs::path& original) {
  auto calibration = std::make_shared<Calibration>();
  const auto model =
      ForCausalLM::from_pretrained(original, {.threads = 1, .calibration = calibration});
  EXPECT_TRUE(calibration->is_empty());
  CausalLMInputs inputs;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 30; ++i) ids.push_back((i * 37 + 5) % 95);
  inputs.input_ids = Tensor::of(std::span<const std::int64_t>(ids), {1, 30});
  model.forward(inputs);
  return calibration;
}

TEST_F(QuantizedCheckpoint, ACalibrationHasTheMeanSquaresOfInputs) {
  const auto calibration = calibrated(root_ / "original");
  TextInputs inputs;
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 30; ++i) ids.push_back((i * 37 + 5) % 95);
  inputs.input_ids = Tensor::of(std::span<const std::int64_t>(ids), {1, 30});
  const auto hidden = load(root_ / "original").model().forward(inputs).last_hidden_state;
  // The table of embeddings is the head, which is multiplied with the last hidden states.
  const auto head = calibration->mean_squares("model.embed_tokens.weight");
  ASSERT_EQ(head.size(), 64u);
  for (std::size_t d = 0; d < head.size(); ++d) {
    double sum = 0;
    for (std::size_t t = 0; t < 30; ++t) sum += std::pow(hidden.f32()[t * 64 + d], 2);
    EXPECT_NEAR(head[d], sum / 30, 1e-6 * sum) << d;
  }
  const std::string layer = "model.layers.";
  const auto size = [&](const std::string& name) {
    return calibration->mean_squares(layer + name + ".weight").size();
  };
  EXPECT_EQ(size("0.mlp.gate_proj"), 64u);
  EXPECT_EQ(size("0.mlp.up_proj"), 64u);
  EXPECT_EQ(size("0.mlp.down_proj"), 0u);  // by neuron: one input for a whole group
  EXPECT_EQ(size("2.mlp.down_proj"), 64u);
  EXPECT_EQ(size("3.self_attn.o_proj"), 64u);
  EXPECT_EQ(calibration->mean_squares("model.embed_tokens_per_layer.weight").size(), 0u);
  EXPECT_EQ(calibration->mean_squares("no.such.weight").size(), 0u);
}

TEST_F(QuantizedCheckpoint, ACalibrationChangesWhatItMeasured) {
  const auto plain = quantized(root_ / "original", Quantization::kInt4, "q4");
  const auto calibration = calibrated(root_ / "original");
  std::vector<std::string> files;
  for (const int threads : {1, 3}) {
    const fs::path folder = root_ / ("calibrated" + std::to_string(threads));
    QuantizeOptions options;
    options.threads = threads;
    options.calibrate = [&] { return calibration; };
    EXPECT_TRUE(quantize_checkpoint(root_ / "original", folder, options));
    files.push_back(read(folder / kWeights));
    EXPECT_NE(logits(load(folder)), logits(load(plain)));
  }
  EXPECT_EQ(files[0], files[1]);
  const SafetensorsFile before(MappedFile(plain / kWeights), kWeights);
  const SafetensorsFile after(MappedFile(root_ / "calibrated1" / kWeights), kWeights);
  for (const auto& entry : before.entries()) {
    const auto* same = after.find(entry.name);
    ASSERT_NE(same, nullptr) << entry.name;
    const bool is_equal = std::ranges::equal(before.bytes(entry), after.bytes(*same));
    const bool is_measured =
        entry.dtype == StoredDType::kU8 && !calibration->mean_squares(entry.name).empty();
    EXPECT_EQ(is_equal, !is_measured) << entry.name;
  }
}

TEST_F(QuantizedCheckpoint, ACalibrationHasToFit) {
  QuantizeOptions options;
  std::shared_ptr<const Calibration> calibration = std::make_shared<Calibration>();
  options.calibrate = [&] { return calibration; };
  const auto refused = [&](const std::string& message) {
    expect_error(ErrorCode::kInvalidArgument, message,
                 [&] { quantize_checkpoint(root_ / "original", root_ / "q4", options); });
  };
  refused("nothing was measured");
  write_original(root_ / "odd", true);
  calibration = calibrated(root_ / "odd");
  refused("expected 64 inputs, got 48; it is of another model");
  calibration = calibrated(root_ / "original");
  options.to = Quantization::kInt8;
  refused("goes with q4");
  options.to = Quantization::kInt4;
  calibration = nullptr;  // stopped
  EXPECT_FALSE(quantize_checkpoint(root_ / "original", root_ / "q4", options));
  EXPECT_EQ(names_in(root_), (std::vector<std::string>{"odd", "original"}));
}

TEST_F(QuantizedCheckpoint, OtherFilesComeAlongAndNothingElse) {
  const fs::path original = root_ / "original";
  write(original / "tokenizer.json", "{}");
  write(original / "consolidated.pth", "weights of another kind");
  write(original / ".hidden", "");
  fs::create_directory(original / "subfolder");
  fs::create_directory(original / "additional_chat_templates");
  write(original / "additional_chat_templates" / "tools.jinja", "x");
  const auto folder = quantized(original, Quantization::kInt8, "q8");
  EXPECT_EQ(names_in(folder),
            (std::vector<std::string>{"additional_chat_templates", "config.json",
                                      "generation_config.json", kWeights, "tokenizer.json"}));
  EXPECT_EQ(read(folder / "additional_chat_templates" / "tools.jinja"), "x");
  auto config = json::parse(read(folder / "config.json"));
  EXPECT_EQ(
      config["quantization_config"],
      json::parse(R"({"quant_method": "gemma3n", "bits": 8, "group_size": 32, "version": 2})"));
  config.erase("quantization_config");
  EXPECT_EQ(config, json::parse(read(original / "config.json")));
  EXPECT_EQ(names_in(root_), (std::vector<std::string>{"original", "q8"}));  // no leftovers
}

TEST_F(QuantizedCheckpoint, ALinkOutOfTheFolderIsNotFollowed) {
  write(root_ / "secret", "s");
  fs::create_symlink(root_ / "secret", root_ / "original" / "notes.txt");
  expect_error(ErrorCode::kCorruptData, "notes.txt: the link leads out of the model folder",
               [&] { quantize_checkpoint(root_ / "original", root_ / "q4"); });
  EXPECT_EQ(names_in(root_), (std::vector<std::string>{"original", "secret"}));
}

TEST_F(QuantizedCheckpoint, ReplacesOnlyItsOwn) {
  const fs::path original = root_ / "original", q4 = root_ / "q4";
  QuantizeOptions options;
  fs::create_directory(q4);  // empty: nothing is lost
  EXPECT_TRUE(quantize_checkpoint(original, q4, options));
  expect_error(ErrorCode::kInvalidArgument, "expected a new folder",
               [&] { quantize_checkpoint(original, q4, options); });
  options.replace = true;
  options.to = Quantization::kInt8;
  EXPECT_TRUE(quantize_checkpoint(original, q4 / "", options));  // "q4/"
  EXPECT_EQ(inspect_checkpoint(q4).quantization, Quantization::kInt8);
  expect_error(ErrorCode::kInvalidArgument, "is no quantised checkpoint",
               [&] { quantize_checkpoint(original, original, options); });
  fs::create_directory(q4 / "photographs");
  expect_error(ErrorCode::kInvalidArgument, "is no quantised checkpoint",
               [&] { quantize_checkpoint(original, q4, options); });
  write(root_ / "file", "");
  expect_error(ErrorCode::kInvalidArgument, "no folder",
               [&] { quantize_checkpoint(original, root_ / "file", options); });
  expect_error(ErrorCode::kUnsupported, "cannot make the folder",
               [&] { quantize_checkpoint(original, root_ / "none" / "q4", options); });
  expect_error(ErrorCode::kUnsupported, "is quantised already, as q8",
               [&] { quantize_checkpoint(q4, root_ / "q8", {}); });
  expect_error(ErrorCode::kInvalidArgument, "expected q8 or q4, got bf16",
               [&] { quantize_checkpoint(original, root_ / "q8", {.to = Quantization::kBF16}); });
  EXPECT_EQ(names_in(root_), (std::vector<std::string>{"file", "original", "q4"}));
}

TEST_F(QuantizedCheckpoint, WhatIsStoppedLeavesNothing) {
  std::vector<double> seen;
  QuantizeOptions options;
  options.on_progress = [&](double fraction) {
    seen.push_back(fraction);
    return true;
  };
  EXPECT_TRUE(quantize_checkpoint(root_ / "original", root_ / "q4", options));
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(seen.back(), 1.0);
  options.on_progress = [&](double fraction) { return fraction < 0.5; };
  EXPECT_FALSE(quantize_checkpoint(root_ / "original", root_ / "stopped", options));
  EXPECT_EQ(names_in(root_), (std::vector<std::string>{"original", "q4"}));
}

TEST_F(QuantizedCheckpoint, AFullDiskLeavesNothing) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {20'000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  expect_error(ErrorCode::kUnsupported, "model.safetensors: cannot write the file: File too large",
               [&] { quantize_checkpoint(root_ / "original", root_ / "q4"); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(names_in(root_), (std::vector<std::string>{"original"}));
}

TEST_F(QuantizedCheckpoint, WeightsThatHaveNoScaleAreNamed) {
  auto bytes = read(root_ / "original" / kWeights);
  bytes[bytes.size() - 1] = '\x7F';  // of the last norm: infinity
  bytes[bytes.size() - 2] = '\x80';
  write(root_ / "original" / kWeights, bytes);
  expect_error(ErrorCode::kCorruptData, "norm.weight",
               [&] { quantize_checkpoint(root_ / "original", root_ / "q4"); });
  const std::size_t first = data_begin(bytes);
  bytes[first] = '\x80';  // of the first matrix, embed_tokens: infinity
  bytes[first + 1] = '\x7F';
  bytes[bytes.size() - 1] = '\x3F';
  write(root_ / "original" / kWeights, bytes);
  expect_error(ErrorCode::kUnsupported,
               "model.embed_tokens.weight: weights that are not finite cannot be quantised",
               [&] { quantize_checkpoint(root_ / "original", root_ / "q4"); });
  EXPECT_EQ(names_in(root_), (std::vector<std::string>{"original"}));
}

// ---- hostile files

// A safetensors file taken apart, to be put together otherwise.
struct Parts {
  struct Entry {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::string bytes;
  };
  std::map<std::string, Entry> entries;
  std::string front;  // bytes of a tensor before all others

  explicit Parts(const fs::path& path) {
    const SafetensorsFile stored(MappedFile(path), kWeights);
    for (const auto& entry : stored.entries()) {
      const auto bytes = stored.bytes(entry);
      entries[entry.name] = {std::string(gemma3n::name(entry.dtype)),
                             entry.shape,
                             {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
    }
  }
  std::string file() const {
    json header = json::object();
    std::string data = front;
    if (!front.empty()) {
      header["front"] = {
          {"dtype", "U8"}, {"shape", {front.size()}}, {"data_offsets", {0, front.size()}}};
    }
    for (const auto& [name, entry] : entries) {
      header[name] = {{"dtype", entry.dtype},
                      {"shape", entry.shape},
                      {"data_offsets", {data.size(), data.size() + entry.bytes.size()}}};
      data += entry.bytes;
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string length(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) {
      length[i] = static_cast<char>(text.size() >> (8 * i) & 0xFFu);
    }
    return length + text + data;
  }
  // Gives a tensor another shape and as many bytes as that needs.
  void reshape(const std::string& name, std::vector<std::int64_t> shape) {
    std::int64_t size = 1;
    for (const auto dimension : shape) size *= dimension;
    entries.at(name).bytes.resize(static_cast<std::size_t>(size));
    entries.at(name).shape = std::move(shape);
  }
};

const std::string kLayer0 = "model.layers.0.";  // sparse
const std::string kLayer2 = "model.layers.2.";  // dense

class HostileQuantizedCheckpoint : public QuantizedCheckpoint {
 protected:
  void SetUp() override {
    QuantizedCheckpoint::SetUp();
    folder_ = quantized(root_ / "original", Quantization::kInt4, "q4");
    weights_ = read(folder_ / kWeights);
  }
  // Loading must end in an Error that names `part`.
  void refused(const std::string& part) {
    ++cases_;
    try {
      load(folder_);
      ADD_FAILURE() << "accepted; expected an error about " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << error.what() << "\nexpected: " << part;
      EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
    }
  }
  void refused_tensor(const std::string& name, const std::string& part,
                      const std::function<void(Parts&)>& change) {
    Parts parts(root_ / "q4" / kWeights);
    change(parts);
    write(folder_ / kWeights, parts.file());
    refused(name);
    refused(part);
    --cases_;  // one file
    write(folder_ / kWeights, weights_);
  }

  fs::path folder_;
  std::string weights_;
  int cases_ = 0;
};

TEST_F(HostileQuantizedCheckpoint, ConfigsAreRefused) {
  const auto config = json::parse(read(folder_ / "config.json"));
  const json good = config["quantization_config"];
  const auto refused_config = [&](const json& value, const std::string& part) {
    json changed = config;
    changed["quantization_config"] = value;
    write(folder_ / "config.json", changed.dump());
    refused(part);
    EXPECT_THROW(inspect_checkpoint(folder_), Error);
  };
  const auto with = [&](const std::string& key, const json& value) {
    json changed = good;
    changed[key] = value;
    return changed;
  };
  const auto without = [&](const std::string& key) {
    json changed = good;
    changed.erase(key);
    return changed;
  };
  for (const json& value : {json("gemma3n"), json(4), json(true), json::array(), json(1.5)}) {
    refused_config(value, "quantization_config: expected an object");
  }
  for (const char* key : {"quant_method", "bits", "group_size", "version"}) {
    refused_config(without(key), std::string("quantization_config.") + key);
    for (const json& value : {json(), json::array(), json::object(), json(4.0), json(false)}) {
      refused_config(with(key, value), std::string("quantization_config.") + key);
    }
  }
  for (const char* method : {"", "bitsandbytes", "GEMMA3N", "gemma3n "}) {
    refused_config(with("quant_method", method), "load the original checkpoint");
  }
  for (const json& bits : {json(0), json(-4), json(3), json(16), json(1LL << 60)}) {
    refused_config(with("bits", bits), "bits: expected 8 or 4");
  }
  for (const json& size : {json(0), json(16), json(64), json(-32)}) {
    refused_config(with("group_size", size), "group_size: expected 32");
  }
  for (const json& version : {json(0), json(1), json(3), json(-1)}) {
    refused_config(with("version", version), "version: expected 2");
  }
  refused_config(with("modules_to_not_convert", json::array()), "unknown keys");
  refused_config(with("bits", 8), "expected shape");  // of what the file does not have
  refused_config(json(), "expected shape");           // null: a checkpoint as published
  auto twins = config.dump();
  twins.insert(1, R"("quantization_config": {"bits": 8},)");
  write(folder_ / "config.json", twins);
  refused("quantization_config");
  EXPECT_GE(cases_, 40);
}

TEST_F(HostileQuantizedCheckpoint, TensorsAreRefused) {
  const std::vector<std::string> matrices = {
      "model.embed_tokens.weight",        "model.embed_tokens_per_layer.weight",
      kLayer0 + "mlp.gate_proj.weight",   kLayer0 + "mlp.up_proj.weight",
      kLayer0 + "mlp.down_proj.weight",   kLayer2 + "mlp.down_proj.weight",
      kLayer2 + "self_attn.q_proj.weight"};
  const Parts original(root_ / "original" / kWeights);
  for (const std::string& name : matrices) {
    const auto refused_shape = [&](const std::function<void(std::vector<std::int64_t>&)>& change) {
      refused_tensor(name, "expected shape", [&](Parts& parts) {
        auto shape = parts.entries.at(name).shape;
        change(shape);
        parts.reshape(name, shape);
      });
    };
    refused_shape([](auto& shape) { --shape[0]; });
    refused_shape([](auto& shape) { ++shape[0]; });
    refused_shape([](auto& shape) { --shape[1]; });
    refused_shape([](auto& shape) { shape[2] -= 2; });
    refused_shape([](auto& shape) { shape[2] = 0; });
    refused_shape([](auto& shape) { std::swap(shape[0], shape[2]); });
    refused_shape([](auto& shape) { shape = {shape[0] * shape[1] * shape[2]}; });
    refused_shape([](auto& shape) { shape = {shape[0], shape[1] * shape[2]}; });
    refused_shape([](auto& shape) { shape.push_back(1); });
    refused_shape([](auto& shape) { shape = {2}; });
    for (const char* dtype : {"I8", "BOOL", "F8_E4M3"}) {
      refused_tensor(name, "expected dtype U8",
                     [&](Parts& parts) { parts.entries.at(name).dtype = dtype; });
    }
    refused_tensor(name, "expected shape",
                   [&](Parts& parts) { parts.entries[name] = original.entries.at(name); });
    // The embedding is also what a Gemma 3n checkpoint is known by.
    const bool is_mark = name == "model.embed_tokens.weight";
    refused_tensor(is_mark ? "no tensor embed_tokens.weight" : name,
                   is_mark ? "this is no Gemma 3n checkpoint" : "is missing",
                   [&](Parts& parts) { parts.entries.erase(name); });
  }
  for (const char* norm : {"model.norm.weight", "model.layers.1.laurel.post_laurel_norm.weight"}) {
    refused_tensor(norm, "expected dtype BF16, F16 or F32",
                   [&](Parts& parts) { parts.entries.at(norm).dtype = "I16"; });
    refused_tensor(norm, "expected a finite number", [&](Parts& parts) {
      parts.entries.at(norm).bytes[1] = '\x7F';
      parts.entries.at(norm).bytes[0] = '\xC0';
    });
  }
  // Small matrices are not quantised, and may not pretend to be.
  const std::string small = kLayer0 + "altup.prediction_coefs.weight";
  refused_tensor(small, "expected dtype BF16, F16 or F32",
                 [&](Parts& parts) { parts.entries.at(small).dtype = "U16"; });
  // Scales must be where 16 bits can be read.
  refused_tensor("model.embed_tokens.weight", "expected a multiple of 2",
                 [&](Parts& parts) { parts.front = "x"; });
  EXPECT_GE(cases_, 60);
}

// Scales are any 16 bits, so they may be infinite or no number at all: then so is the result.
TEST_F(HostileQuantizedCheckpoint, ScalesThatAreNotFiniteShowInTheResult) {
  for (const std::string& name :
       {std::string("model.embed_tokens.weight"),
        std::string("model.embed_tokens_per_layer.weight"), kLayer0 + "mlp.gate_proj.weight",
        kLayer0 + "mlp.up_proj.weight", kLayer0 + "mlp.down_proj.weight",
        kLayer2 + "mlp.down_proj.weight", kLayer2 + "self_attn.o_proj.weight",
        std::string("model.altup_projections.0.weight")}) {
    for (const char high : {'\x7C', '\xFC', '\x7E', '\xFF'}) {  // inf, -inf, NaNs
      Parts parts(root_ / "q4" / kWeights);
      auto& entry = parts.entries.at(name);
      const auto group = static_cast<std::size_t>(entry.shape[2]);
      const std::size_t scales = group > 100 ? 16 : 1;
      for (std::size_t at = 0; at < entry.bytes.size(); at += group) {
        for (std::size_t i = 0; i < scales; ++i) {
          entry.bytes[at + 2 * i] = high == '\x7C' || high == '\xFC' ? '\0' : '\x01';
          entry.bytes[at + 2 * i + 1] = high;
        }
      }
      write(folder_ / kWeights, parts.file());
      const auto model = load(folder_);
      expect_error(ErrorCode::kCorruptData, "not finite", [&] { logits(model); });
      write(folder_ / kWeights, weights_);
    }
  }
}

TEST_F(HostileQuantizedCheckpoint, DamagedFilesNeverCrash) {
  const std::size_t header = data_begin(weights_);
  std::mt19937 rng(23);
  int accepted = 0;
  const auto try_file = [&](const std::string& bytes) {
    write(folder_ / kWeights, bytes);
    try {
      logits(load(folder_));
      ++accepted;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
    }
  };
  for (int i = 0; i < 150; ++i) {
    try_file(weights_.substr(0, rng() % weights_.size()));  // cut off
  }
  EXPECT_EQ(accepted, 0);
  for (int i = 0; i < 400; ++i) {
    auto bytes = weights_;
    char& byte = bytes[rng() % header];
    byte = static_cast<char>(byte ^ (1 << rng() % 8));
    try_file(bytes);
  }
  accepted = 0;
  for (int i = 0; i < 150; ++i) {
    auto bytes = weights_;  // data of any kind is weights of some kind
    for (int j = 0; j < 50; ++j)
      bytes[header + rng() % (bytes.size() - header)] = static_cast<char>(rng());
    try_file(bytes);
  }
  EXPECT_GT(accepted, 0);
}

TEST_F(HostileQuantizedCheckpoint, AnotherQuantizationIsRefused) {
  for (const auto asked : {Quantization::kInt8, Quantization::kBF16, Quantization::kF32}) {
    expect_error(ErrorCode::kUnsupported, "is quantised already, as q4; for",
                 [&] { load(folder_, asked); });
  }
}

}  // namespace
}  // namespace gemma3n::golden
