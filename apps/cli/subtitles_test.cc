#include "subtitles.h"

#include <gtest/gtest.h>

namespace gemma3n::cli {
namespace {

TEST(Subtitles, HaveTimesAndText) {
  const Subtitle subtitle = {3723.0042, 3750.9996, " one\n\n  two --> <b> & \r\n"};
  EXPECT_EQ(srt_entry(7, subtitle), "7\n01:02:03,004 --> 01:02:31,000\none\ntwo --> <b> &\n\n");
  EXPECT_EQ(vtt_entry(subtitle),
            "01:02:03.004 --> 01:02:31.000\none\ntwo --&gt; &lt;b&gt; &amp;\n\n");
}

TEST(Subtitles, WithoutTextAreEntriesToo) {
  EXPECT_EQ(srt_entry(1, {0, 0.5, ""}), "1\n00:00:00,000 --> 00:00:00,500\n\n\n");
  EXPECT_EQ(vtt_entry({0, 0.5, "\n \n"}), "00:00:00.000 --> 00:00:00.500\n\n\n");
}

TEST(Subtitles, LongSoundsHaveMoreThanTwoDigitsOfHours) {
  EXPECT_EQ(vtt_entry({360000, 360001, "x"}), "100:00:00.000 --> 100:00:01.000\nx\n\n");
}

}  // namespace
}  // namespace gemma3n::cli
