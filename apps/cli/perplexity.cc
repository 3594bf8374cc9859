#include "perplexity.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gemma3n::cli {
namespace {

// Rows per step: of 262,400 logits each, this is 128 MiB.
constexpr std::size_t kRowsPerStep = 128;

// Appends `ids` to the cache. Returns the logits of the last `rows` of them: [1, rows, V] f32.
Tensor read(const ForCausalLM& model, const std::shared_ptr<Cache>& cache,
            std::span<const std::int64_t> ids, std::size_t rows) {
  CausalLMInputs inputs;
  inputs.input_ids = Tensor::of(ids, {1, static_cast<std::int64_t>(ids.size())});
  inputs.past_key_values = cache;
  inputs.logits_to_keep = static_cast<std::int64_t>(rows);
  return model.forward(inputs).logits;
}

}  // namespace

double negative_log_likelihood(std::span<const float> logits, TokenId token) {
  const auto max = static_cast<double>(*std::ranges::max_element(logits));
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - max);
  return std::log(total) + max - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

std::vector<PerplexityWindow> perplexity_windows(std::size_t tokens, std::size_t context,
                                                 std::size_t stride) {
  std::vector<PerplexityWindow> windows;
  std::size_t scored = 0;
  for (std::size_t begin = 0; scored < tokens; begin += stride) {
    const std::size_t end = std::min(begin + context - 1, tokens);
    windows.push_back({begin, end, scored});
    scored = end;
  }
  return windows;
}

double PerplexitySum::perplexity() const { return std::exp(nats_per_token()); }

double PerplexitySum::bits_per_byte(std::size_t text_bytes) const {
  return nats / std::numbers::ln2 / static_cast<double>(text_bytes);
}

PerplexitySum measure_perplexity(const ForCausalLM& model, TokenId bos,
                                 std::span<const TokenId> tokens,
                                 std::span<const PerplexityWindow> windows,
                                 const std::function<bool(const PerplexitySum&)>& on_progress,
                                 CacheStorage storage) {
  PerplexitySum sum;
  for (const auto& window : windows) {
    // Row i of the inputs, <bos> being the first, predicts token window.begin + i.
    std::vector<std::int64_t> ids = {bos};
    ids.insert(ids.end(), tokens.begin() + static_cast<std::ptrdiff_t>(window.begin),
               tokens.begin() + static_cast<std::ptrdiff_t>(window.end) - 1);
    const std::span<const std::int64_t> inputs(ids);
    const auto cache = model.new_cache(1, {.storage = storage});

    const std::size_t context = window.first_scored - window.begin;  // rows that score nothing
    if (context > 0) read(model, cache, inputs.first(context), 1);
    if (!on_progress(sum)) return sum;
    for (std::size_t i = context; i < ids.size(); i += kRowsPerStep) {
      const std::size_t rows = std::min(kRowsPerStep, ids.size() - i);
      const Tensor logits = read(model, cache, inputs.subspan(i, rows), rows);
      const auto vocabulary = static_cast<std::size_t>(logits.dim(2));
      for (std::size_t row = 0; row < rows; ++row) {
        sum.nats += negative_log_likelihood(logits.f32().subspan(row * vocabulary, vocabulary),
                                            tokens[window.begin + i + row]);
      }
      sum.tokens += rows;
      if (!on_progress(sum)) return sum;
    }
  }
  return sum;
}

}  // namespace gemma3n::cli
