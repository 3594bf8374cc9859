#include "bench_result.h"

#include <algorithm>

namespace gemma3n::cli {

Spread spread_of(std::vector<double> numbers) {
  std::ranges::sort(numbers);
  const auto middle = numbers.size() / 2;
  const bool is_odd = numbers.size() % 2 == 1;
  return {is_odd ? numbers.at(middle) : (numbers.at(middle - 1) + numbers.at(middle)) / 2,
          numbers.front(), numbers.back()};
}

std::optional<double> BenchResult::share() const {
  if (!limit) return std::nullopt;
  return limit->seconds / seconds.median;
}

}  // namespace gemma3n::cli
