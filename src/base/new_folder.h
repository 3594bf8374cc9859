// Files and folders that are written so that a crash, a full disk or an error leaves nothing half
// done under their final name.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "gemma3n/error.h"

namespace gemma3n {

// A new file, written from its beginning to its end.
// Throws: kUnsupported, naming the file and the reason, if it cannot be made or written ("No space
// left on device").
class NewFile {
 public:
  explicit NewFile(std::filesystem::path path);  // must not exist
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Takes the room for so many bytes at once, so that a full disk shows before the work.
  void reserve(std::size_t size);
  void write(std::span<const std::byte> bytes);
  void finish();  // on disk when it returns

 private:
  [[noreturn]] void refuse(const char* verb, int error) const;

  std::filesystem::path path_;
  int fd_ = -1;
};

// A folder that is filled under another name beside its place, .<name>.partial-<number>, and takes
// its name when it is complete.
class NewFolder {
 public:
  // Throws: kInvalidArgument if there is something under the name that is no empty folder, unless
  // `replace` and it is a folder; kUnsupported if the folder beside it cannot be made.
  NewFolder(const std::filesystem::path& target, bool replace);
  ~NewFolder();  // what is not published is removed
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }      // where to write
  const std::filesystem::path& target() const { return target_; }  // its final name, absolute
  bool replaces() const { return replaces_; }

  // Gives it its name. Of a folder that it replaces, the files go when it is in place.
  void publish();

 private:
  std::filesystem::path target_, path_;
  bool replaces_ = false, is_published_ = false;
};

}  // namespace gemma3n
