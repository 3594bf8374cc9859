#include "file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void fail_to_read(const std::filesystem::path& file, int error) {
  fail(ErrorCode::kNotFound, file.string(), ": cannot read it: ", std::strerror(error));
}

void for_each_block(const std::filesystem::path& file,
                    const std::function<void(std::string_view block)>& on_block) {
  const std::unique_ptr<std::FILE, Close> stream(std::fopen(file.c_str(), "rb"));
  if (!stream) fail_to_read(file, errno);
  std::array<char, 1 << 16> block;
  while (const std::size_t n = std::fread(block.data(), 1, block.size(), stream.get())) {
    on_block({block.data(), n});
  }
  if (std::ferror(stream.get()) != 0) fail_to_read(file, errno);
}

}  // namespace

std::string read_file(const std::filesystem::path& file, std::size_t max_bytes) {
  std::string text;
  for_each_block(file, [&](std::string_view block) {
    text += block;
    if (text.size() > max_bytes) {
      fail(ErrorCode::kInvalidArgument, file.string(), ": expected at most ", max_bytes,
           " bytes, got more");
    }
  });
  return text;
}

void for_each_line(const std::filesystem::path& file, const OnLine& on_line) {
  std::size_t number = 1;
  std::string line;
  for_each_block(file, [&](std::string_view rest) {
    while (!rest.empty()) {
      const auto end = rest.find('\n');
      line += rest.substr(0, end);
      if (line.size() > kMaxLineBytes) {
        fail(ErrorCode::kCorruptData, file.string(), ":", number, ": expected a line of at most ",
             kMaxLineBytes, " bytes, got more");
      }
      if (end == std::string_view::npos) return;
      on_line(line, number++, true);
      line.clear();
      rest.remove_prefix(end + 1);
    }
  });
  if (!line.empty()) on_line(line, number, false);
}

}  // namespace gemma3n::cli
