// Sound files of every format against transformers' load_audio (soundfile and soxr).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "gemma3n/media.h"
#include "stored_cases.h"

namespace gemma3n::golden {
namespace {

TEST(SoundsGolden, EveryStoredFile) {
  const StoredCases stored("audio/fixtures/sounds");
  ASSERT_GE(stored.cases().size(), 17u);
  for (const nlohmann::json& c : stored.cases()) {
    const std::string name = c["file"];
    const AudioClip clip =
        load_audio(std::string(GEMMA3N_GOLDEN) + "/audio/fixtures/sounds/" + name);
    const auto expected = stored.floats(c, 0);
    EXPECT_EQ(clip.sample_rate_hz, 16000);
    ASSERT_EQ(clip.samples.size(), expected.size()) << name;
    const double error = relative_error(clip.samples, expected);
    std::printf("%-20s %.2g\n", name.c_str(), error);
    // Lossless sounds differ by the arithmetic of other versions of libsoxr only; the decoders of
    // lossy ones may round otherwise, too.
    EXPECT_LE(error, c["is_lossless"].get<bool>() ? 1e-6 : 1e-4) << name;
  }
}

}  // namespace
}  // namespace gemma3n::golden
