// What the model refuses, and how it says so.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "fixture.h"
#include "gemma3n/generation.h"
#include "gemma3n/model.h"

namespace gemma3n::golden {
namespace {

class Refusals : public testing::Test {
 protected:
  Fixture fixture{"plain"};
  ForCausalLM model = ForCausalLM::from_pretrained(fixture.checkpoint_dir());

  static Tensor ids(std::vector<std::int64_t> values, std::vector<std::int64_t> shape) {
    return Tensor::of(std::span<const std::int64_t>(values), std::move(shape));
  }

  // Runs a call that must fail; its message must hold `part`.
  static void refused(ErrorCode code, const std::string& part, const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "accepted; expected an error about " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
  void forward_refused(const std::string& part, const CausalLMInputs& in,
                       ErrorCode code = ErrorCode::kInvalidArgument) {
    refused(code, part, [&] { model.forward(in); });
  }
};

TEST_F(Refusals, IdsOutsideTheVocabulary) {
  CausalLMInputs in;
  in.input_ids = ids({1, -1}, {1, 2});
  forward_refused("input_ids: row 0, token 1: expected an id from 0 to", in);
  in.input_ids = ids({model.config().vocab_size}, {1, 1});
  forward_refused("input_ids", in);
  refused(ErrorCode::kInvalidArgument, "input_ids",
          [&] { model.model().get_per_layer_inputs(in.input_ids); });
  refused(ErrorCode::kInvalidArgument, "input_ids",
          [&] { model.model().get_input_embeddings(in.input_ids); });
}

TEST_F(Refusals, InputsThatContradictEachOther) {
  CausalLMInputs none;
  forward_refused("exactly one of input_ids or inputs_embeds", none);
  CausalLMInputs both;
  both.input_ids = ids({1}, {1, 1});
  both.inputs_embeds = Tensor(DType::kF32, {1, 1, model.config().hidden_size});
  forward_refused("exactly one of input_ids or inputs_embeds", both);
  CausalLMInputs lookup;
  lookup.input_ids = ids({1}, {1, 1});
  lookup.per_layer_inputs = Tensor(DType::kF32, {1, 1, 1, 1});
  forward_refused("per_layer_inputs", lookup);
  CausalLMInputs labels;
  labels.input_ids = ids({1, 2}, {1, 2});
  labels.labels = ids({1, 2}, {1, 2});
  labels.logits_to_keep = 1;
  forward_refused("labels", labels);
}

TEST_F(Refusals, ShapesThatDoNotFit) {
  CausalLMInputs in;
  in.input_ids = ids({1, 2}, {2});
  forward_refused("input_ids: expected shape [batch, tokens]", in);
  in.input_ids = Tensor(DType::kI64, {1, 0});
  forward_refused("at least one token", in);
  in.input_ids = ids({1, 2}, {1, 2});
  in.attention_mask = ids({1}, {1, 1});
  forward_refused("attention_mask: expected shape [1, 2], got [1, 1]", in);
  in.attention_mask = {};
  in.position_ids = ids({1}, {1, 1});
  forward_refused("position_ids", in);
  in.position_ids = ids({0, -5}, {1, 2});
  forward_refused("position_ids: expected values from 0", in);
  in.position_ids = {};
  in.labels = ids({1}, {1, 1});
  forward_refused("labels", in);
  in.labels = ids({1, 100000}, {1, 2});
  forward_refused("labels", in);
  in.labels = {};
  in.logits_to_keep = -1;
  forward_refused("logits_to_keep", in);
  in.logits_to_keep = 0;
  in.logits_indices = ids({2}, {1});
  forward_refused("logits_indices", in);
  CausalLMInputs embeds;
  embeds.inputs_embeds = Tensor(DType::kF32, {1, 1, model.config().hidden_size + 1});
  forward_refused("inputs_embeds", embeds);
}

TEST_F(Refusals, CachesThatDoNotFit) {
  refused(ErrorCode::kInvalidArgument, "batch_size", [&] { model.new_cache(0); });
  refused(ErrorCode::kInvalidArgument, "max_cache_len", [&] {
    model.new_cache(1, {CacheOptions::Implementation::kStatic, 0});
  });
  CausalLMInputs in;
  in.input_ids = ids({1, 2}, {1, 2});
  in.past_key_values = model.new_cache(2);
  forward_refused("past_key_values: expected a cache of batch size 1, got 2", in);

  in.past_key_values = model.new_cache(1, {CacheOptions::Implementation::kStatic, 3});
  model.forward(in);
  forward_refused("static cache", in, ErrorCode::kContextFull);
  EXPECT_EQ(in.past_key_values->get_seq_length(), 2);  // as before the call

  in.past_key_values = model.new_cache(1);
  model.forward(in);
  in.attention_mask = ids({0, 1, 1, 1}, {1, 4});  // the first was computed as a token
  forward_refused("attention_mask", in, ErrorCode::kUnsupported);
}

TEST_F(Refusals, ThreadsBeyondReason) {
  refused(ErrorCode::kInvalidArgument, "threads",
          [&] { ForCausalLM::from_pretrained(fixture.checkpoint_dir(), {.threads = -1}); });
}

// A copy of the checkpoint in which one matrix begins with NaN.
class CheckpointWithNaN {
 public:
  CheckpointWithNaN(const std::filesystem::path& original, const std::string& tensor)
      : folder_(std::filesystem::path(testing::TempDir()) /
                ("gemma3n_nan_" + std::to_string(getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::copy(original, folder_);
    const auto path = folder_ / "model.safetensors";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    const SafetensorsFile file(MappedFile(path), "copy");
    const auto* entry = file.find(tensor);
    if (entry == nullptr) fail(ErrorCode::kNotFound, "no tensor ", tensor);
    std::fstream stream(path, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(static_cast<std::streamoff>(entry->offset));
    const unsigned char nan[] = {0xC0, 0x7F, 0xC0, 0x7F};  // in bf16, and in f32
    stream.write(reinterpret_cast<const char*>(nan), sizeof nan);
  }
  ~CheckpointWithNaN() { std::filesystem::remove_all(folder_); }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

TEST_F(Refusals, WeightsThatAreNotFinite) {
  const SafetensorsFile file(MappedFile(fixture.checkpoint_dir() / "model.safetensors"),
                             "original");
  int tried = 0;
  for (const SafetensorsEntry& entry : file.entries()) {
    const bool is_used =
        entry.name.find("layers.0.") != std::string::npos && entry.shape.size() == 2;
    if (!is_used || entry.dtype == StoredDType::kF16) continue;
    SCOPED_TRACE(entry.name);
    const CheckpointWithNaN copy(fixture.checkpoint_dir(), entry.name);
    const auto broken = ForCausalLM::from_pretrained(copy.folder());
    CausalLMInputs in;
    in.input_ids = ids({5, 6, 7}, {1, 3});
    refused(ErrorCode::kCorruptData, "not finite", [&] { broken.forward(in); });
    refused(ErrorCode::kCorruptData, "not finite", [&] { generate(broken, {{5, 6, 7}}, {}); });
    ++tried;
  }
  EXPECT_GE(tried, 10);
}

}  // namespace
}  // namespace gemma3n::golden
