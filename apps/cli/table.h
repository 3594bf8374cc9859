// Columns of text, as wide as they need to be.
#pragma once

#include <string>
#include <vector>

namespace gemma3n::cli {

enum class Align { kLeft, kRight };

// rows: each as long as `columns`; the first is the heading. Cells are one line each. Widths count
// characters, not bytes. The last column is not padded.
std::string format_table(const std::vector<Align>& columns,
                         const std::vector<std::vector<std::string>>& rows);

std::string fixed(double number, int decimals);  // 3.14159, 2 -> "3.14"
std::string with_unit(double number);            // 5439438272 -> "5.44 G"

std::string rough_duration(double seconds);  // "40 s", "7 min", "2 h 5 min"

}  // namespace gemma3n::cli
