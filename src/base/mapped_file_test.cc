#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>

#include "base/expect_error.h"

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

class MappedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "mapped_file_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  fs::path folder_;
};

std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(MappedFileTest, ShowsTheBytesOfTheFile) {
  const MappedFile file(write("a", "twelve bytes"));
  EXPECT_EQ(file.size(), 12u);
  EXPECT_EQ(as_text(file.bytes()), "twelve bytes");
}

TEST_F(MappedFileTest, AnEmptyFileHasNoBytes) {
  const MappedFile file(write("empty", ""));
  EXPECT_EQ(file.size(), 0u);
  file.advise_random(0, 0);
}

TEST_F(MappedFileTest, MovesItsMap) {
  MappedFile first(write("a", "first"));
  MappedFile second(write("b", "second"));
  second = std::move(first);
  EXPECT_EQ(as_text(second.bytes()), "first");
  const MappedFile third(std::move(second));
  EXPECT_EQ(as_text(third.bytes()), "first");
  EXPECT_EQ(second.size(), 0u);  // NOLINT: a moved-from map is empty by contract
}

TEST_F(MappedFileTest, AdviceLeavesTheBytesAlone) {
  const MappedFile file(write("a", std::string(100'000, 'x')));
  file.advise_random(4097, 50'000);
  file.advise_will_need(1, 99'999);
  EXPECT_EQ(as_text(file.bytes()), std::string(100'000, 'x'));
}

TEST_F(MappedFileTest, StaysReadableWhenTheNameIsGone) {
  const fs::path path = write("a", "still here");
  const MappedFile file(path);
  fs::remove(path);
  EXPECT_EQ(as_text(file.bytes()), "still here");
}

TEST_F(MappedFileTest, RefusesWhatIsMissing) {
  expect_error(ErrorCode::kNotFound, (folder_ / "none").string() + ": cannot open",
               [&] { MappedFile(folder_ / "none"); });
}

TEST_F(MappedFileTest, RefusesADirectory) {
  expect_error(ErrorCode::kCorruptData, "expected a regular file, got a directory",
               [&] { MappedFile{folder_}; });
}

TEST_F(MappedFileTest, RefusesAPipeWithoutWaitingForAWriter) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  expect_error(ErrorCode::kCorruptData, "got a pipe", [&] { MappedFile(folder_ / "pipe"); });
  expect_error(ErrorCode::kCorruptData, "got a pipe",
               [&] { read_text_file(folder_ / "pipe", 10); });
}

TEST_F(MappedFileTest, RefusesADevice) {
  expect_error(ErrorCode::kCorruptData, "got a device", [] { MappedFile("/dev/zero"); });
  expect_error(ErrorCode::kCorruptData, "got a device", [] { read_text_file("/dev/zero", 10); });
}

TEST_F(MappedFileTest, RefusesASocket) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_GE(fd, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = (folder_ / "socket").string();
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  expect_error(ErrorCode::kCorruptData, path, [&] { MappedFile{path}; });
  ::close(fd);
}

TEST_F(MappedFileTest, FollowsLinksOnlyIfAllowed) {
  write("target", "content");
  fs::create_symlink("target", folder_ / "link");
  EXPECT_EQ(as_text(MappedFile(folder_ / "link").bytes()), "content");
  expect_error(ErrorCode::kCorruptData, "symbolic link",
               [&] { MappedFile(folder_ / "link", SymbolicLinks::kRefuse); });
}

TEST_F(MappedFileTest, RefusesALoopOfLinks) {
  fs::create_symlink("b", folder_ / "a");
  fs::create_symlink("a", folder_ / "b");
  expect_error(ErrorCode::kNotFound, "cannot open", [&] { MappedFile(folder_ / "a"); });
}

TEST_F(MappedFileTest, ReadsATextFileUpToItsLimit) {
  const fs::path path = write("a.json", "{\"a\":1}");
  EXPECT_EQ(read_text_file(path, 7), "{\"a\":1}");
  expect_error(ErrorCode::kUnsupported, "expected at most 6 bytes, got 7",
               [&] { read_text_file(path, 6); });
}

}  // namespace
}  // namespace gemma3n
