// Files of text: read as a whole or line by line, with limits.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace gemma3n::cli {

// All of `file`, byte for byte.
// Throws: kNotFound if it cannot be read, kInvalidArgument if it is longer than `max_bytes`.
std::string read_file(const std::filesystem::path& file, std::size_t max_bytes);

// Enough for a picture as a data: URL.
constexpr std::size_t kMaxLineBytes = std::size_t{32} << 20;

// Receives a line without its line feed, and its number from 1. is_whole: there was a line feed,
// which the last line may lack.
using OnLine = std::function<void(std::string_view line, std::size_t number, bool is_whole)>;

// Throws: kNotFound if the file cannot be read, kCorruptData for a line longer than kMaxLineBytes.
void for_each_line(const std::filesystem::path& file, const OnLine& on_line);

}  // namespace gemma3n::cli
