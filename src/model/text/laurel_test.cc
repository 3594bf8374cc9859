#include "model/text/laurel.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace gemma3n {
namespace {

// Fills every slot with small distinct values, in the shape the table asks for.
class FillBinder : public TensorBinder {
 public:
  std::map<std::string, std::vector<float>> tensors;

 protected:
  void bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                   Access = Access::kAsStored) override {
    auto& values = tensors[name];
    for (Index i = 0; i < shape.size(); ++i) values.push_back(0.1f * static_cast<float>(i + 1));
    slot = {values.data(), DType::kF32, shape};
  }
  void bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape,
                       Access access) override {
    bind_tensor(name, slot, shape, access);
  }
  void bind_vector(const std::string& name, Vector& slot, Index n) override {
    Weight weight;
    bind_tensor(name, weight, {n});
    slot.values = tensors[name];
  }
  bool has_tensor(const std::string&) const override { return true; }
};

TextConfig tiny_config() {
  TextConfig c;
  c.hidden_size = 2;
  c.laurel_rank = 1;
  c.rms_norm_eps = 0.0;
  return c;
}

class LaurelTest : public testing::Test {
 protected:
  LaurelTest() { binder.module("layers.0.laurel", laurel, tiny_config()); }
  FillBinder binder;
  Laurel laurel;
  Arena arena;
  ThreadPool pool{1};
  Ops op{portable_kernels(), arena, pool};
};

TEST_F(LaurelTest, AddsTheNormalisedLowRankBranch) {
  EXPECT_TRUE(binder.tensors.contains("layers.0.laurel.linear_left.weight"));
  std::vector<float> x = {3.0f, 4.0f};
  const auto y = laurel.forward(op, View<const float>(x.data(), {1, 2}));

  // left = 0.1*3 + 0.2*4 = 1.1;  right = [0.11, 0.22];  rms = sqrt((0.11^2 + 0.22^2) / 2);
  // normed = [0.632456, 1.264911];  times the norm's weight [0.1, 0.2];  plus x.
  EXPECT_NEAR(y.span()[0], 3.0632456f, 1e-6f);
  EXPECT_NEAR(y.span()[1], 4.2529822f, 1e-6f);
}

TEST_F(LaurelTest, RejectsAnInputOfTheWrongWidth) {
  std::vector<float> x(3);
  EXPECT_THROW(laurel.forward(op, View<const float>(x.data(), {1, 3})), Error);
}

}  // namespace
}  // namespace gemma3n
