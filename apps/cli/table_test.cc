#include "table.h"

#include <gtest/gtest.h>

namespace gemma3n::cli {
namespace {

TEST(Table, MakesColumnsAsWideAsTheirWidestCell) {
  EXPECT_EQ(format_table({Align::kLeft, Align::kRight, Align::kLeft},
                         {{"NAME", "N", "LAST"}, {"a", "100", "x"}}),
            "NAME    N  LAST\n"
            "a     100  x\n");
}

TEST(Table, CountsCharactersNotBytes) {
  EXPECT_EQ(format_table({Align::kLeft, Align::kLeft}, {{"▁é", "x"}, {"abc", "y"}}),
            "▁é   x\nabc  y\n");
}

TEST(Table, WritesLargeNumbersWithAUnit) {
  EXPECT_EQ(with_unit(999), "999");
  EXPECT_EQ(with_unit(5439438272.0), "5.44 G");
  EXPECT_EQ(with_unit(16777216), "16.78 M");
}

TEST(Table, WritesDurationsForPeople) {
  EXPECT_EQ(rough_duration(0.2), "1 s");
  EXPECT_EQ(rough_duration(40), "40 s");
  EXPECT_EQ(rough_duration(150), "3 min");
  EXPECT_EQ(rough_duration(3580), "1 h 0 min");
  EXPECT_EQ(rough_duration(7500), "2 h 5 min");
}

}  // namespace
}  // namespace gemma3n::cli
