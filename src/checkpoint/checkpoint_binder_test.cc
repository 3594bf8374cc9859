#include "checkpoint/checkpoint_binder.h"

#include <cmath>
#include <initializer_list>

#include "checkpoint/checkpoint_test_folder.h"

namespace gemma3n {
namespace {

struct Norm {
  Vector weight;
};
struct Block {
  Weight proj;
  Norm norm;
};
struct Sizes {
  Index width;
};
void bind(TensorBinder& b, Norm& m, const Sizes& c) { b.vector("weight", m.weight, c.width); }
void bind(TensorBinder& b, Block& m, const Sizes& c) {
  b.tensor("proj.weight", m.proj, {2, c.width});
  b.module("norm", m.norm, c);
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}
std::string bytes_of(const std::vector<std::uint16_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::uint16_t)};
}

class BinderTest : public CheckpointFolder {
 protected:
  Checkpoint open(const std::vector<Tensor>& tensors) const {
    write(folder_ / "model.safetensors", safetensors(tensors));
    return Checkpoint::open(folder_);
  }
  static Vector bound_vector(const Checkpoint& checkpoint, const char* name, Index n) {
    CheckpointBinder binder(checkpoint, "");
    TensorBinder& b = binder;
    Vector v;
    b.vector(name, v, n);
    return v;
  }
};

TEST_F(BinderTest, FindsTensorsByTheNamesOfTheirModules) {
  // One byte in front makes all that follows unaligned.
  const Checkpoint checkpoint =
      open({{"a", "U8", {1}, "x"},
            {"m.layers.0.proj.weight", "BF16", {2, 3}, std::string(12, 'p')},
            {"m.layers.0.norm.weight", "F32", {3}, bytes_of(std::vector<float>{1.0f, -2.5f, 0.0f})},
            {"m.layers.1.proj.weight", "F16", {2, 3}, std::string(12, 'q')},
            {"m.layers.1.norm.weight", "F32", {3}, bytes_of(std::vector<float>{4, 5, 6})}});
  std::vector<Block> blocks(2);
  CheckpointBinder binder(checkpoint, "m.");
  binder.modules("layers", blocks, Sizes{3});
  EXPECT_EQ(blocks[0].norm.weight.values, (std::vector<float>{1.0f, -2.5f, 0.0f}));
  EXPECT_EQ(blocks[1].norm.weight.values, (std::vector<float>{4, 5, 6}));
  EXPECT_EQ(blocks[0].proj.dtype, DType::kBF16);
  EXPECT_EQ(blocks[1].proj.dtype, DType::kF16);
  EXPECT_EQ(blocks[1].proj.shape, (Shape{2, 3}));
  EXPECT_EQ(*static_cast<const char*>(blocks[1].proj.data), 'q');
  EXPECT_TRUE(binder.is_used("m.layers.1.norm.weight"));
  EXPECT_FALSE(binder.is_used("a"));
  EXPECT_TRUE(binder.has("layers.0.proj.weight"));
  EXPECT_FALSE(binder.has("layers.0.proj.bias"));
}

// Every half is converted exactly: the expected values are powers of two and their sums.
TEST_F(BinderTest, ConvertsHalvesExactly) {
  const std::vector<std::uint16_t> f16 = {0x3c00, 0xc100, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x8000};
  const std::vector<std::uint16_t> bf16 = {0x3f80, 0xc020, 0x0001, 0x7f7f};
  const Checkpoint checkpoint =
      open({{"f16", "F16", {7}, bytes_of(f16)}, {"bf16", "BF16", {4}, bytes_of(bf16)}});
  EXPECT_EQ(bound_vector(checkpoint, "f16", 7).values,
            (std::vector<float>{1.0f, -2.5f, std::ldexp(1.0f, -24), std::ldexp(1023.0f, -24),
                                std::ldexp(1.0f, -14), 65504.0f, -0.0f}));
  EXPECT_EQ(bound_vector(checkpoint, "bf16", 4).values,
            (std::vector<float>{1.0f, -2.5f, std::ldexp(1.0f, -133), std::ldexp(255.0f, 120)}));
}

TEST_F(BinderTest, AWrongShapeNamesFileTensorAndBothShapes) {
  const Checkpoint checkpoint = open({{"m.w", "BF16", {2, 3}, std::string(12, 'p')}});
  CheckpointBinder binder(checkpoint, "m.");
  TensorBinder& b = binder;
  Weight w;
  expect_error(ErrorCode::kCorruptData, "model.safetensors: m.w: expected shape [3, 2], got [2, 3]",
               [&] {
                 b.tensor("w", w, {3, 2});
               });
  expect_error(ErrorCode::kCorruptData, "expected shape [6], got [2, 3]",
               [&] { b.tensor("w", w, {6}); });
  EXPECT_FALSE(w);
}

TEST_F(BinderTest, AMissingTensorNamesFolderAndTensor) {
  CheckpointBinder binder(open({}), "m.");
  TensorBinder& b = binder;
  Weight w;
  expect_error(ErrorCode::kNotFound,
               folder_.string() + ": the tensor m.w is missing; expected shape [3]",
               [&] { b.tensor("w", w, {3}); });
  expect_error(ErrorCode::kNotFound, "the tensor lm_head.weight is missing",
               [&] { b.top_tensor("lm_head.weight", w, {3}); });
}

TEST_F(BinderTest, OtherDtypesAreUnsupported) {
  const Checkpoint checkpoint =
      open({{"w", "F64", {1}, std::string(8, 'x')}, {"v", "I8", {1}, "x"}});
  CheckpointBinder binder(checkpoint, "");
  TensorBinder& b = binder;
  Weight w;
  expect_error(ErrorCode::kUnsupported, "w: expected dtype BF16, F16 or F32, got F64",
               [&] { b.tensor("w", w, {1}); });
  expect_error(ErrorCode::kUnsupported, "got I8", [&] { bound_vector(checkpoint, "v", 1); });
}

TEST_F(BinderTest, VectorsMustBeFinite) {
  const Checkpoint checkpoint =
      open({{"nan", "F32", {2}, bytes_of(std::vector<float>{1.0f, NAN})},
            {"inf", "F32", {1}, bytes_of(std::vector<float>{-INFINITY})},
            {"half_nan", "F16", {1}, bytes_of(std::vector<std::uint16_t>{0x7e00})},
            {"half_inf", "BF16", {1}, bytes_of(std::vector<std::uint16_t>{0x7f80})}});
  expect_error(ErrorCode::kCorruptData, "nan: element 1: expected a finite number",
               [&] { bound_vector(checkpoint, "nan", 2); });
  for (const char* name : {"inf", "half_nan", "half_inf"}) {
    expect_error(ErrorCode::kCorruptData, "element 0: expected a finite number",
                 [&] { bound_vector(checkpoint, name, 1); });
  }
}

TEST_F(BinderTest, FindsThePrefixOfEachKindOfCheckpoint) {
  for (const std::string& prefix : std::initializer_list<std::string>{
           "model.language_model.", "model.", "language_model.", ""}) {
    EXPECT_EQ(text_prefix(open({{prefix + "embed_tokens.weight", "U8", {1}, "x"}})), prefix);
  }
  expect_error(ErrorCode::kNotFound, "this is no Gemma 3n checkpoint", [&] {
    text_prefix(open({{"transformer.wte.weight", "U8", {1}, "x"}}));
  });
}

TEST_F(BinderTest, ReportsOnlyTensorsNobodyKnows) {
  std::vector<Tensor> tensors;
  const std::string p = "model.language_model.";
  for (const std::string& name : std::initializer_list<std::string>{
           p + "layers.20.self_attn.k_proj.weight", p + "layers.34.self_attn.v_proj.weight",
           p + "layers.29.self_attn.k_norm.weight", p + "layers.20.self_attn.k_proj.bias",
           std::string("lm_head.weight"), std::string("model.vision_tower.x"),
           std::string("model.audio_tower.x"), std::string("model.embed_vision.x"),
           std::string("model.embed_audio.x"), p + "used",
           // what follows is unexpected
           p + "layers.19.self_attn.k_proj.weight", p + "layers.35.self_attn.k_proj.weight",
           p + "layers.20.self_attn.q_proj.lora_A", p + "adapter"}) {
    tensors.push_back({name, "F32", {1}, std::string(4, '\0')});
  }
  CheckpointBinder binder(open(tensors), p);
  TensorBinder& b = binder;
  Vector v;
  b.vector("used", v, 1);
  TextConfig config = TextConfig::from_json("{}");  // 35 layers, sharing from 20
  const auto names = binder.unexpected_tensors(config);
  EXPECT_EQ(names, (std::vector<std::string>{p + "adapter", p + "layers.19.self_attn.k_proj.weight",
                                             p + "layers.20.self_attn.q_proj.lora_A",
                                             p + "layers.35.self_attn.k_proj.weight"}));
  EXPECT_EQ(unexpected_tensors_warning(names),
            "the checkpoint has 4 tensors the model has no use for: " + p + "adapter, " + p +
                "layers.19.self_attn.k_proj.weight, " + p +
                "layers.20.self_attn.q_proj.lora_A, ...");
  EXPECT_EQ(unexpected_tensors_warning({"x"}),
            "the checkpoint has 1 tensor the model has no use for: x");
  EXPECT_EQ(unexpected_tensors_warning({}), "");
  config.tie_word_embeddings = false;
  EXPECT_EQ(binder.unexpected_tensors(config).front(), "lm_head.weight");
}

}  // namespace
}  // namespace gemma3n
