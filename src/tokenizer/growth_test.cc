// Time on hostile text: one word of megabytes, characters that are nearly tokens, and the like.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <string_view>

#include "gemma3n/tokenizer.h"
#include "tokenizer/test_tokenizer.h"

namespace gemma3n {
namespace {

// Runs of up to 64 letters and marks are tokens, so that long runs merge many times over.
Tokenizer run_tokenizer() {
  Json file = test_tokenizer_json();
  Json& vocab = file["model"]["vocab"];
  auto id = static_cast<int>(vocab.size());
  for (const std::string unit : {"a", "▁", "o", "b"}) {
    std::string run = unit;
    for (int length = 2; length <= 64; length *= 2) {
      file["model"]["merges"].push_back({run, run});
      run += run;
      if (!vocab.contains(run)) vocab[run] = id++;
    }
  }
  file["added_tokens"].push_back(added_token_json(id, "<" + std::string(200, 'h') + ">", true));
  return Tokenizer::from_json(file.dump());
}

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

// Processor time of this thread, so that other work on the machine counts as little as possible.
double seconds_to_encode(const Tokenizer& tokenizer, const std::string& text) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  double best = 1e9;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const double start = now();
    tokenizer.encode(text);
    best = std::min(best, now() - start);
  }
  return best;
}

// Quadratic time would be 256 times as long for 16 times the text. Sanitizers and a busy machine
// blur the time of a single doubling too much to test it.
TEST(Growth, TimeIsNearlyProportionalToTheText) {
  const Tokenizer tokenizer = run_tokenizer();
  for (const std::string_view unit :
       {"a", " ", "▁", "😀", "e\u0301\u0302", "ab", "aab ", "\n", "<", "<hhhhhhhh", "<bos", "o b"}) {
    const double shorter = seconds_to_encode(tokenizer, repeated(unit, 1 << 14));
    const double longer = seconds_to_encode(tokenizer, repeated(unit, 1 << 18));
    EXPECT_LT(longer, 16 * 3 * shorter + 0.02) << "unit " << unit;
  }
}

TEST(Growth, InvalidUtf8IsRefusedInOnePass) {
  const Tokenizer tokenizer = run_tokenizer();
  const std::string text = repeated("a", 1 << 20) + "\xFF";
  EXPECT_THROW(tokenizer.encode(text), Error);
}

TEST(Growth, TextsBeyondOneGibibyteAreRefusedUnread) {
  const Tokenizer tokenizer = run_tokenizer();
  const char nothing = 0;  // the size alone decides
  EXPECT_THROW(tokenizer.encode(std::string_view(&nothing, (std::size_t{1} << 30) + 1)), Error);
}

}  // namespace
}  // namespace gemma3n
