#include "base/new_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <random>
#include <string>
#include <system_error>
#include <utility>

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

std::string reason(int error) { return std::generic_category().message(error); }

// Names in a folder are on disk only when the folder itself is.
void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);  // some file systems cannot, and need it not
  ::close(fd);
}

void remove_folder(const fs::path& folder) {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

// A folder of a name that nobody has yet.
fs::path make_beside(const fs::path& target) {
  std::random_device random;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const fs::path path = target.parent_path() / ("." + target.filename().string() + ".partial-" +
                                                  std::to_string(random() % 1'000'000));
    if (::mkdir(path.c_str(), 0777) == 0) return path;
    if (errno == EEXIST) continue;
    fail(ErrorCode::kUnsupported, path.string(), ": cannot make the folder: ", reason(errno));
  }
  fail(ErrorCode::kUnsupported, target.parent_path().string(), ": no free name for a new folder");
}

}  // namespace

NewFile::NewFile(fs::path path) : path_(std::move(path)) {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd_ < 0) refuse("make", errno);
}

NewFile::~NewFile() {
  if (fd_ >= 0) ::close(fd_);
}

void NewFile::refuse(const char* verb, int error) const {
  fail(ErrorCode::kUnsupported, path_.string(), ": cannot ", verb, " the file: ", reason(error));
}

void NewFile::reserve(std::size_t size) {
  int result = 0;
  do result = ::fallocate(fd_, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size));
  while (result != 0 && errno == EINTR);
  // Where it is not known, writing will tell.
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) refuse("write", errno);
}

void NewFile::write(std::span<const std::byte> bytes) {
  constexpr std::size_t kMost = 1 << 30;  // one call takes less than 2 GB
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), std::min(bytes.size(), kMost));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) refuse("write", count < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void NewFile::finish() {
  if (::fsync(fd_) != 0) refuse("write", errno);
  if (::close(std::exchange(fd_, -1)) != 0) refuse("write", errno);
}

NewFolder::NewFolder(const fs::path& target, bool replace) {
  target_ = fs::absolute(target).lexically_normal();
  if (!target_.has_filename()) target_ = target_.parent_path();  // "name/"
  if (!target_.has_filename()) {
    fail(ErrorCode::kInvalidArgument, target.string(), ": expected the name of a new folder");
  }
  std::error_code error;
  const auto status = fs::symlink_status(target_, error);
  if (fs::exists(status)) {
    const bool is_folder = fs::is_directory(status);
    const bool is_empty = is_folder && fs::is_empty(target_, error) && !error;
    if (!is_folder || (!is_empty && !replace)) {
      fail(ErrorCode::kInvalidArgument, target.string(), ": expected a new folder, it is there ",
           is_folder ? "already and not empty" : "and no folder");
    }
    replaces_ = !is_empty;
  }
  path_ = make_beside(target_);
}

NewFolder::~NewFolder() {
  if (!is_published_) remove_folder(path_);
}

void NewFolder::publish() {
  sync_folder(path_);
  if (replaces_) {
    // One step where the file system can exchange names, else two.
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
      is_published_ = true;
      sync_folder(target_.parent_path());
      remove_folder(path_);
      return;
    }
    const fs::path old = path_.string() + "-old";
    if (::rename(target_.c_str(), old.c_str()) != 0) {
      fail(ErrorCode::kUnsupported, target_.string(), ": cannot replace it: ", reason(errno));
    }
    if (::rename(path_.c_str(), target_.c_str()) != 0) {
      const int error = errno;
      (void)::rename(old.c_str(), target_.c_str());
      fail(ErrorCode::kUnsupported, target_.string(), ": cannot replace it: ", reason(error));
    }
    is_published_ = true;
    sync_folder(target_.parent_path());
    remove_folder(old);
    return;
  }
  if (::rename(path_.c_str(), target_.c_str()) != 0) {  // over an empty folder at most
    fail(ErrorCode::kUnsupported, target_.string(),
         ": cannot name the new folder: ", reason(errno));
  }
  is_published_ = true;
  sync_folder(target_.parent_path());
}

}  // namespace gemma3n
