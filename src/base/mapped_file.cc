#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

namespace gemma3n {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

struct OpenFile {
  FileDescriptor fd;
  std::size_t size;
};

std::string reason(int error) { return std::generic_category().message(error); }

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "something else";
}

// Everything is asked of the open descriptor, so the file cannot be swapped between check and use.
OpenFile open_regular_file(const std::filesystem::path& path, SymbolicLinks links) {
  // O_NONBLOCK: opening a pipe without a writer must not wait for one.
  int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  if (links == SymbolicLinks::kRefuse) flags |= O_NOFOLLOW;
  int fd = -1;
  do fd = ::open(path.c_str(), flags);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    const int error = errno;
    const bool is_special = error == ENXIO || (error == ELOOP && links == SymbolicLinks::kRefuse);
    fail(is_special ? ErrorCode::kCorruptData : ErrorCode::kNotFound, path.string(),
         ": cannot open: ", error == ELOOP && is_special ? "it is a symbolic link" : reason(error));
  }
  FileDescriptor descriptor(fd);
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    fail(ErrorCode::kNotFound, path.string(), ": cannot examine: ", reason(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    fail(ErrorCode::kCorruptData, path.string(), ": expected a regular file, got ",
         kind_of(status.st_mode));
  }
  return {std::move(descriptor), static_cast<std::size_t>(status.st_size)};
}

// madvise wants whole pages; the hint may reach beyond the part, which costs nothing.
void advise(std::span<const std::byte> part, int advice) {
  if (part.empty()) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data()) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data()) + part.size();
  // A kernel that does not know the hint loses nothing but speed.
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path, SymbolicLinks links) {
  const OpenFile file = open_regular_file(path, links);
  if (file.size == 0) return;  // nothing to map; mmap refuses length 0
  void* data = ::mmap(nullptr, file.size, PROT_READ, MAP_PRIVATE, file.fd.get(), 0);
  if (data == MAP_FAILED) {
    fail(ErrorCode::kUnsupported, path.string(), ": cannot map ", file.size,
         " bytes: ", reason(errno));
  }
  data_ = static_cast<const std::byte*>(data);
  size_ = file.size;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  MappedFile taken(std::move(other));
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  return *this;
}

void MappedFile::advise_random(std::size_t offset, std::size_t length) const {
  advise(bytes().subspan(offset, length), MADV_RANDOM);
}

void MappedFile::advise_will_need(std::size_t offset, std::size_t length) const {
  advise(bytes().subspan(offset, length), MADV_WILLNEED);
}

std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const OpenFile file = open_regular_file(path, SymbolicLinks::kFollow);
  if (file.size > max_bytes) {
    fail(ErrorCode::kUnsupported, path.string(), ": expected at most ", max_bytes, " bytes, got ",
         file.size);
  }
  std::string text(file.size, '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::read(file.fd.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(ErrorCode::kCorruptData, path.string(), ": cannot read: ", reason(errno));
    if (count == 0) {
      fail(ErrorCode::kCorruptData, path.string(), ": expected ", text.size(),
           " bytes, the file ends after ", done);
    }
    done += static_cast<std::size_t>(count);
  }
  return text;
}

}  // namespace gemma3n
