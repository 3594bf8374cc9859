#include "divergence.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gemma3n::cli {
namespace {

constexpr std::int64_t kText = 0, kPicture = 1;  // other types are sounds

// log(sum(exp(x)))
double log_sum_exp(std::span<const float> x) {
  const auto most = static_cast<double>(*std::ranges::max_element(x));
  double total = 0;
  for (const float v : x) total += std::exp(static_cast<double>(v) - most);
  return std::log(total) + most;
}

// Rows [begin, begin + count) of the first axis; absent if there are none.
Tensor rows(const Tensor& tensor, std::size_t begin, std::size_t count) {
  if (count == 0) return {};
  auto shape = tensor.shape();
  const std::size_t row_bytes =
      static_cast<std::size_t>(tensor.size() / shape.at(0)) * size_bytes(tensor.dtype());
  shape[0] = static_cast<std::int64_t>(count);
  Tensor part(tensor.dtype(), shape);
  std::memcpy(part.bytes(), tensor.bytes() + begin * row_bytes, count * row_bytes);
  return part;
}

}  // namespace

TokenDivergence token_divergence(std::span<const float> p, std::span<const float> q) {
  const double p_total = log_sum_exp(p), difference = p_total - log_sum_exp(q);
  double nats = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto a = static_cast<double>(p[i]), b = static_cast<double>(q[i]);
    nats += std::exp(a - p_total) * (a - b - difference);
  }
  const auto top = [](std::span<const float> x) { return std::ranges::max_element(x) - x.begin(); };
  return {std::max(nats, 0.0), top(p) == top(q)};
}

void DivergenceSum::add(const TokenDivergence& token) {
  nats_.push_back(token.nats);
  sum_ += token.nats;
  if (token.is_same_top) ++same_top_;
}

double DivergenceSum::mean() const { return sum_ / static_cast<double>(tokens()); }

double DivergenceSum::percentile(double share) const {
  auto sorted = nats_;
  const auto rank =
      static_cast<std::ptrdiff_t>(std::ceil(share * static_cast<double>(sorted.size()) - 1e-9) - 1);
  std::nth_element(sorted.begin(), sorted.begin() + rank, sorted.end());
  return sorted.at(static_cast<std::size_t>(rank));
}

double DivergenceSum::top_agreement() const {
  return static_cast<double>(same_top_) / static_cast<double>(tokens());
}

std::vector<PromptPart> prompt_parts(std::span<const std::int64_t> token_type_ids,
                                     std::size_t most_scored) {
  std::vector<PromptPart> parts;
  for (std::size_t i = 0; i < token_type_ids.size(); ++i) {
    const auto type = token_type_ids[i];
    const bool begins = i == 0 || type != token_type_ids[i - 1];
    const bool is_scored = i + 1 < token_type_ids.size() && token_type_ids[i + 1] == kText;
    const bool is_within_medium = type != kText && !begins;
    if (parts.empty() || (parts.back().scored.size() >= most_scored && !is_within_medium)) {
      parts.push_back({i, i, {}, 0, 0});
    }
    PromptPart& part = parts.back();
    part.end = i + 1;
    if (is_scored) part.scored.push_back(static_cast<std::int64_t>(i - part.begin));
    if (begins && type == kPicture) ++part.images;
    if (begins && type != kPicture && type != kText) ++part.sounds;
  }
  return parts;
}

MediaInputs media_of_part(const MediaInputs& media, const PromptPart& part, std::size_t image,
                          std::size_t sound) {
  return {.pixel_values = rows(media.pixel_values, image, part.images),
          .input_features = rows(media.input_features, sound, part.sounds),
          .input_features_mask = rows(media.input_features_mask, sound, part.sounds)};
}

}  // namespace gemma3n::cli
