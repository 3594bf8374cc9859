#include "messages.h"

#include <gtest/gtest.h>

namespace gemma3n::cli {
namespace {

TEST(VisibleControls, ShowsWhatWouldCommandTheTerminal) {
  EXPECT_EQ(visible_controls("a\x1b[31mb\x07\r\x7f"), "a^[[31mb^G^M^?");
}

TEST(VisibleControls, ShowsTheC1SetWhichSomeTerminalsObey) {
  EXPECT_EQ(visible_controls("a\xc2\x9b"
                             "31m\xc2\x85"),
            "a<U+009B>31m<U+0085>");
}

TEST(VisibleControls, LeavesTextLineFeedsAndTabsAlone) {
  const std::string text = "é\u00a0▁\n\t😀";
  EXPECT_EQ(visible_controls(text), text);
}

TEST(VisibleLine, ShowsLineFeedsAndTabsToo) { EXPECT_EQ(visible_line("a\nb\tc"), "a^Jb^Ic"); }

}  // namespace
}  // namespace gemma3n::cli
