// Python's str methods on valid UTF-8. Positions and lengths count code points unless a name says
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemma3n::jinja {

// Byte offset of the character number `position` (text.size() if there are fewer).
std::size_t byte_offset(std::string_view text, std::size_t position);

enum class Side { kLeft = 1, kRight = 2, kBoth = 3 };

// Without `chars` (null): whitespace.
std::string_view strip(std::string_view text, Side side = Side::kBoth,
                       const std::string* chars = nullptr);

// str.split / rsplit; no separator = runs of whitespace; max_splits < 0 = all.
std::vector<std::string_view> split(std::string_view text,
                                    std::optional<std::string_view> separator,
                                    std::int64_t max_splits);
std::vector<std::string_view> split_from_right(std::string_view text,
                                               std::optional<std::string_view> separator,
                                               std::int64_t max_splits);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);

// Byte offset of the first occurrence at or behind `from`, npos if there is none.
std::size_t find_part(std::string_view text, std::string_view needle, std::size_t from = 0);

// Non-overlapping occurrences; an empty `needle` occurs before each character and at the end.
std::size_t count_occurrences(std::string_view text, std::string_view needle);

// str.replace; max_count < 0 = all.
std::string replace(std::string_view text, std::string_view old_part, std::string_view new_part,
                    std::int64_t max_count);

// The characters of `text` one by one.
std::vector<std::string_view> characters(std::string_view text);

// repr(text).
std::string quoted(std::string_view text);

// Numbers as int(text, base) and float(text) read them; nothing if they would raise ValueError.
// Throws: kInvalidArgument for an integer beyond 64 bits, kUnsupported for digits outside ASCII.
std::optional<std::int64_t> parse_int(std::string_view text, int base = 10);
std::optional<double> parse_float(std::string_view text);

// repr(number).
std::string float_text(double number);

}  // namespace gemma3n::jinja
