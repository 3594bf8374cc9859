// How large the inputs of a matrix are: what an error of its weights is worth.
#pragma once

#include <mutex>
#include <vector>

#include "tensor/view.h"

namespace gemma3n {

// Adds up the squares of each input, over all rows that a matrix is multiplied with. Thread-safe.
class InputSquares {
 public:
  void add(View<const float> x);  // [T, I]
  // The mean square of each input, [I]; empty if there was no row.
  std::vector<float> means() const;

 private:
  mutable std::mutex mutex_;
  std::vector<double> sums_;
  Index rows_ = 0;
};

}  // namespace gemma3n
