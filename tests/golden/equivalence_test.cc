// What must be equal bit for bit: prefill and single steps, chunks, batches, threads, caches.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <tuple>

#include "fixture.h"
#include "gemma3n/model.h"
#include "model/loaded_model.h"
#include "model/model_impl.h"

namespace gemma3n::golden {
namespace {

// A checkpoint, how its weights are held, and how keys and values are.
using Subject = std::tuple<std::string, Quantization, CacheStorage>;

class Equivalence : public testing::TestWithParam<Subject> {
 protected:
  Fixture fixture{std::get<0>(GetParam())};
  ForCausalLM model = load(1);
  std::mt19937 rng{3};

  ForCausalLM load(int threads) {
    LoadOptions options;
    options.threads = threads;
    options.quantization = std::get<1>(GetParam());
    return ForCausalLM::from_pretrained(fixture.checkpoint_dir(), options);
  }

  CacheOptions cache_options(std::int64_t fixed_length = 0) const {
    CacheOptions options;
    if (fixed_length > 0) options.implementation = CacheOptions::Implementation::kStatic;
    options.max_cache_len = fixed_length;
    options.storage = std::get<2>(GetParam());
    return options;
  }

  std::vector<std::int32_t> random_tokens(std::size_t n) {
    std::vector<std::int32_t> tokens(n);
    for (auto& t : tokens)
      t = static_cast<std::int32_t>(rng() % static_cast<std::uint32_t>(model.config().vocab_size));
    return tokens;
  }

  // Logits after the last token, the tokens fed in pieces of `chunk`.
  std::vector<float> last_logits(const ForCausalLM& m, std::span<const std::int32_t> tokens,
                                 std::size_t chunk) {
    return last_logits(m, tokens, chunk, cache_options());
  }
  std::vector<float> last_logits(const ForCausalLM& m, std::span<const std::int32_t> tokens,
                                 std::size_t chunk, const CacheOptions& options) {
    const auto cache = m.new_cache(1, options);
    std::vector<float> logits(static_cast<std::size_t>(m.config().vocab_size));
    for (std::size_t first = 0; first < tokens.size(); first += chunk) {
      const SequenceTokens part{0, tokens.subspan(first, std::min(chunk, tokens.size() - first)),
                                true};
      append_tokens(*m.impl(), *cache, std::span(&part, 1), logits);
    }
    return logits;
  }
};

TEST_P(Equivalence, StepsChunksThreadsAndCachesGiveTheSameBits) {
  const ForCausalLM threaded = load(3);
  const auto window = static_cast<std::size_t>(model.config().sliding_window);
  for (const std::size_t n : {std::size_t{1}, std::max<std::size_t>(window, 2) - 1, window,
                              window + 1, 3 * window + 5, std::size_t{90}}) {
    const auto tokens = random_tokens(n);
    const auto whole = last_logits(model, tokens, n);
    for (const std::size_t chunk : {std::size_t{1}, std::size_t{3}, std::size_t{64}}) {
      EXPECT_EQ(last_logits(model, tokens, chunk), whole) << n << " tokens by " << chunk;
    }
    EXPECT_EQ(last_logits(threaded, tokens, n), whole) << n << " tokens, three threads";
    const auto fixed = cache_options(static_cast<std::int64_t>(n));
    EXPECT_EQ(last_logits(model, tokens, n, fixed), whole) << n << " tokens, static cache";
  }
}

// The portable kernels have the bits of the fast ones (kernels_test.cc): long contexts add nothing
// there but time.
bool is_too_slow() { return active_kernels().name == std::string_view("portable"); }

TEST_P(Equivalence, MoreTokensThanOnePassHoldsAreChunkedInside) {
  if (is_too_slow()) GTEST_SKIP() << "with fast kernels only";
  const auto tokens = random_tokens(1100);  // passes of 512
  EXPECT_EQ(last_logits(model, tokens, 1100), last_logits(model, tokens, 77));
}

TEST_P(Equivalence, SequencesInABatchAreAsAlone) {
  const std::size_t V = static_cast<std::size_t>(model.config().vocab_size);
  std::vector<std::vector<std::int32_t>> prompts;
  for (const std::size_t n : {7, 1, 40, 19, 2}) prompts.push_back(random_tokens(n));
  const auto cache = model.new_cache(5, cache_options());
  std::vector<SequenceTokens> batch;
  for (std::size_t s = 0; s < prompts.size(); ++s) batch.push_back({s, prompts[s], true});
  std::vector<float> logits(5 * V);
  append_tokens(*model.impl(), *cache, batch, logits);
  for (std::size_t s = 0; s < prompts.size(); ++s) {
    const auto alone = last_logits(model, prompts[s], prompts[s].size());
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(),
                           logits.begin() + static_cast<std::ptrdiff_t>(s * V)));
  }
  // One step of three of them, out of order.
  const auto next = random_tokens(3);
  const std::size_t order[] = {4, 0, 2};
  batch.clear();
  for (std::size_t i = 0; i < 3; ++i)
    batch.push_back({order[i], std::span(next).subspan(i, 1), true});
  logits.resize(3 * V);
  append_tokens(*model.impl(), *cache, batch, logits);
  for (std::size_t i = 0; i < 3; ++i) {
    auto tokens = prompts[order[i]];
    tokens.push_back(next[i]);
    const auto alone = last_logits(model, tokens, tokens.size());
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(),
                           logits.begin() + static_cast<std::ptrdiff_t>(i * V)));
  }
}

TEST_P(Equivalence, ForwardOfAllPositionsEqualsTheLastOnes) {
  const auto tokens = random_tokens(25);
  std::vector<std::int64_t> ids(tokens.begin(), tokens.end());
  CausalLMInputs in;
  in.input_ids = Tensor::of(ids, {1, 25});
  in.past_key_values = model.new_cache(1, cache_options());
  const auto all = model.forward(in);
  const auto V = static_cast<std::size_t>(model.config().vocab_size);
  for (const std::size_t n : {1, 13, 25}) {
    const auto last = last_logits(model, std::span(tokens).first(n), n);
    EXPECT_TRUE(std::equal(last.begin(), last.end(),
                           all.logits.f32().begin() + static_cast<std::ptrdiff_t>((n - 1) * V)));
  }
  in.output_hidden_states = true;  // runs every layer for every row
  in.past_key_values = model.new_cache(1, cache_options());
  EXPECT_TRUE(std::ranges::equal(model.forward(in).logits.f32(), all.logits.f32()));
}

TEST_P(Equivalence, ACopiedCacheGoesItsOwnWay) {
  const auto tokens = random_tokens(30);
  const auto cache = model.new_cache(1, cache_options());
  std::vector<float> logits(static_cast<std::size_t>(model.config().vocab_size)), other = logits;
  const SequenceTokens prompt{0, std::span(tokens).first(20), true};
  append_tokens(*model.impl(), *cache, std::span(&prompt, 1), logits);
  const auto copy = cache->clone();
  const SequenceTokens rest{0, std::span(tokens).subspan(20), true};
  append_tokens(*model.impl(), *cache, std::span(&rest, 1), logits);
  EXPECT_EQ(copy->get_seq_length(), 20);
  append_tokens(*model.impl(), *copy, std::span(&rest, 1), other);
  EXPECT_EQ(logits, other);
}

TEST_P(Equivalence, AFailedCallLeavesTheCacheAsItWas) {
  const auto tokens = random_tokens(20);
  const auto cache = model.new_cache(1, cache_options());
  std::vector<float> logits(static_cast<std::size_t>(model.config().vocab_size));
  const SequenceTokens prompt{0, std::span(tokens).first(19), true};
  append_tokens(*model.impl(), *cache, std::span(&prompt, 1), logits);
  const std::int32_t bad[] = {1, -1};
  const SequenceTokens wrong{0, bad, true};
  EXPECT_THROW(append_tokens(*model.impl(), *cache, std::span(&wrong, 1), logits), Error);
  const SequenceTokens last{0, std::span(tokens).subspan(19), true};
  append_tokens(*model.impl(), *cache, std::span(&last, 1), logits);
  EXPECT_EQ(logits, last_logits(model, tokens, tokens.size()));
}

// The verification of guessed tokens: logits of several tokens of several sequences in one call.
TEST_P(Equivalence, LogitsOfTheLastTokensAreThoseOfSingleSteps) {
  const auto V = static_cast<std::size_t>(model.config().vocab_size);
  const auto tokens = random_tokens(20), others = random_tokens(9);
  for (const std::size_t n : {0, 1, 2, 7, 20}) {
    const auto cache = model.new_cache(3, cache_options());
    std::vector<float> logits((n + 4) * V);
    const SequenceTokens batch[] = {{2, others, 3}, {0, tokens, n}, {1, others, 1}};
    append_tokens(*model.impl(), *cache, batch, logits);
    const auto row = [&](std::size_t i) {
      return std::vector<float>(logits.begin() + static_cast<std::ptrdiff_t>(i * V),
                                logits.begin() + static_cast<std::ptrdiff_t>((i + 1) * V));
    };
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t length = tokens.size() - n + i + 1;
      EXPECT_EQ(row(3 + i), last_logits(model, std::span(tokens).first(length), length)) << n;
    }
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(row(i), last_logits(model, std::span(others).first(7 + i), 7 + i)) << n;
    }
    EXPECT_EQ(row(n + 3), row(2));
  }
}

// Guesses are appended and forgotten, around windows and pages, with what is said instead.
TEST_P(Equivalence, ARewoundCacheIsAsIfNothingElseHadBeenRead) {
  std::vector<std::size_t> lengths = {1, 511, 512, 513, 1023, 1024, 1025};
  for (const int offset : {-1, 0, 1}) {
    lengths.push_back(static_cast<std::size_t>(model.config().sliding_window + offset));
  }
  if (is_too_slow()) std::erase_if(lengths, [](std::size_t n) { return n > 200; });
  std::erase(lengths, std::size_t{0});
  for (const std::size_t n : lengths) {
    const auto tokens = random_tokens(n + 3), guesses = random_tokens(8);
    const auto whole = last_logits(model, tokens, tokens.size());
    std::vector<float> logits(8 * static_cast<std::size_t>(model.config().vocab_size));
    for (const std::int64_t fixed : {std::int64_t{0}, static_cast<std::int64_t>(n) + 9}) {
      const auto cache = model.new_cache(2, cache_options(fixed));
      const auto append = [&](std::span<const std::int32_t> part, std::size_t wanted) {
        const SequenceTokens next{1, part, wanted};
        const auto rows = wanted * static_cast<std::size_t>(model.config().vocab_size);
        append_tokens(*model.impl(), *cache, std::span(&next, 1), std::span(logits).first(rows));
      };
      append(std::span(tokens).first(n), 0);
      for (std::size_t i = n; i + 1 < tokens.size(); ++i) {
        append(guesses, 8);
        rewind_sequence(*cache, 1, static_cast<std::int64_t>(i));
        EXPECT_EQ(sequence_length(*cache, 1), static_cast<std::int64_t>(i));
        append(std::span(tokens).subspan(i, 1), 1);
      }
      rewind_sequence(*cache, 1, static_cast<std::int64_t>(n) + 5);  // it is not so long
      EXPECT_EQ(sequence_room(*cache, 1), fixed > 0 ? 7 : std::numeric_limits<std::int64_t>::max());
      append(std::span(tokens).last(1), 1);
      EXPECT_TRUE(std::equal(whole.begin(), whole.end(), logits.begin())) << n << " " << fixed;
    }
  }
}

// Random weights make small errors large: what counts is that 8 bits are much closer to the
// checkpoint than 4 bits, and neither is far.
TEST_P(Equivalence, QuantizedLogitsAreNear) {
  const auto quantization = std::get<1>(GetParam());
  if (quantization == Quantization::kNone) GTEST_SKIP() << "not quantised";
  const ForCausalLM exact = ForCausalLM::from_pretrained(fixture.checkpoint_dir(), {.threads = 1});
  const auto tokens = random_tokens(60);
  const auto expected = last_logits(exact, tokens, 60), actual = last_logits(model, tokens, 60);
  const double error = relative_error(actual, expected);
  EXPECT_LT(error, quantization == Quantization::kInt8 ? 0.25 : 1.0);
  EXPECT_GT(error, quantization == Quantization::kInt8 ? 1e-4 : 0.02) << "nothing was quantised";
}

// Tiny heads and random weights make rounding count for more than it does in a real model.
TEST_P(Equivalence, LogitsOfARoundedCacheAreNear) {
  const auto storage = std::get<2>(GetParam());
  if (storage == CacheStorage::kF32) GTEST_SKIP() << "not rounded";
  const auto tokens = random_tokens(60);
  const auto expected = last_logits(model, tokens, 60, {});
  const double error = relative_error(last_logits(model, tokens, 60), expected);
  RecordProperty("relative_error", std::to_string(error));
  EXPECT_LT(error, storage == CacheStorage::kBF16 ? 0.05 : 0.1);
  EXPECT_GT(error, 1e-6) << "nothing was rounded";
}

TEST_P(Equivalence, CopiesAndRewindsOfALongCacheGiveTheSameBits) {
  if (is_too_slow()) GTEST_SKIP() << "with fast kernels only";
  const std::size_t n = 1100, kept = 700;  // pages begin at multiples of 512
  const auto tokens = random_tokens(n);
  const auto whole = last_logits(model, tokens, n);
  const auto append = [&](Cache& cache, std::size_t sequence, std::size_t from, std::size_t to) {
    std::vector<float> logits(static_cast<std::size_t>(model.config().vocab_size));
    const SequenceTokens part{sequence, std::span(tokens).subspan(from, to - from), true};
    append_tokens(*model.impl(), cache, std::span(&part, 1), logits);
    return logits;
  };
  const auto cache = model.new_cache(1, cache_options());
  append(*cache, 0, 0, kept);
  const auto copies = repeat_sequences(*cache, 2);
  EXPECT_EQ(copies->storage(), cache->storage());
  EXPECT_EQ(append(*copies, 1, kept, n), whole);
  append(*cache, 0, kept, 900);
  KvCache& kv = *cache->impl().kv;
  kv.rewind(0, static_cast<Index>(kept), static_cast<Index>(kept));
  EXPECT_EQ(append(*cache, 0, static_cast<std::size_t>(kv.entries(0)), n), whole);
  EXPECT_EQ(append(*copies, 0, kept, n), whole);
}

std::string name_of(const testing::TestParamInfo<Subject>& subject) {
  const auto& [checkpoint, quantization, storage] = subject.param;
  const bool is_plain = quantization == Quantization::kNone;
  return checkpoint +
         (is_plain                              ? ""
          : quantization == Quantization::kInt8 ? "_int8"
                                                : "_int4") +
         (storage == CacheStorage::kF32 ? "" : "_kv_" + std::string(cache_storage_name(storage)));
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Equivalence,
                         testing::Combine(testing::ValuesIn(fixture_names()),
                                          testing::Values(Quantization::kNone),
                                          testing::Values(CacheStorage::kF32)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(
    Caches, Equivalence,
    testing::Combine(testing::Values("chat", "e2b_like"), testing::Values(Quantization::kNone),
                     testing::Values(CacheStorage::kBF16, CacheStorage::kInt8)),
    name_of);
INSTANTIATE_TEST_SUITE_P(Quantized, Equivalence,
                         testing::Combine(testing::Values("chat", "e2b_like"),
                                          testing::Values(Quantization::kInt8, Quantization::kInt4),
                                          testing::Values(CacheStorage::kF32)),
                         name_of);

}  // namespace
}  // namespace gemma3n::golden
