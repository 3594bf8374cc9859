#include "ops/input_squares.h"

namespace gemma3n {

void InputSquares::add(View<const float> x) {
  const auto [T, I] = dims<2>(x);
  if (T == 0) return;
  const std::lock_guard lock(mutex_);
  sums_.resize(static_cast<std::size_t>(I));
  rows_ += T;
  for (Index t = 0; t < T; ++t) {
    const float* row = x[t].data();
    for (std::size_t i = 0; i < sums_.size(); ++i) {
      const auto value = static_cast<double>(row[i]);
      sums_[i] += value * value;
    }
  }
}

std::vector<float> InputSquares::means() const {
  const std::lock_guard lock(mutex_);
  std::vector<float> means;
  for (const double sum : sums_) {
    means.push_back(static_cast<float>(sum / static_cast<double>(rows_)));
  }
  return means;
}

}  // namespace gemma3n
