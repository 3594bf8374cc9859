// What one rendering may spend: steps, bytes and depth; and the objects it has made.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n::jinja {

enum class Type {
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kDictView,
  kRange,
  kIterator,
  kUndefined,
  kNamespace,
  kFunction,
  kCycler,
  kJoiner,
  kMacro,
  kLoop,
  kFrame
};

class Runtime;

// Something a value refers to. Counted references; belongs to the Runtime that made it.
class Object {
 public:
  explicit Object(Type type) : type_(type) {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
  virtual void clear() {}  // drops its references, so that cycles end
  Type type() const { return type_; }

 private:
  friend class Runtime;
  friend class ObjectRef;
  Type type_;
  Runtime* owner_ = nullptr;
  std::size_t references_ = 0;
  std::size_t size_bytes_ = 0;
  Object* previous_ = nullptr;
  Object* next_ = nullptr;
};

class ObjectRef {
 public:
  ObjectRef() = default;
  explicit ObjectRef(Object* object) : object_(object) { retain(); }
  ObjectRef(const ObjectRef& other) : object_(other.object_) { retain(); }
  ObjectRef(ObjectRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  ObjectRef& operator=(ObjectRef other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~ObjectRef() { release(); }
  Object* get() const { return object_; }
  Object& operator*() const { return *object_; }
  Object* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  void retain() {
    if (object_) ++object_->references_;
  }
  void release();
  Object* object_ = nullptr;
};

// Limits. A prompt of 32k tokens needs a few hundred kilobytes and some ten thousand steps.
inline constexpr std::size_t kMaxSteps = 300'000;
inline constexpr std::size_t kMaxBytes = 5u
                                         << 20;  // live objects and output; temporaries double it
inline constexpr int kMaxDepth = 1000;           // of native recursion while rendering
inline constexpr int kMaxMacroDepth = 100;
inline constexpr int kMaxDataDepth = 100;  // of lists in lists
inline constexpr std::size_t kBytesPerStep = 32;

class Runtime {
 public:
  Runtime() = default;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  // Makes an object that accounts for its own size and `extra_bytes`.
  template <typename T, typename... Args>
  ObjectRef make(std::size_t extra_bytes, Args&&... args) {
    const std::size_t size_bytes = sizeof(T) + extra_bytes;
    reserve(size_bytes);
    auto* object = new T(std::forward<Args>(args)...);
    adopt(object, size_bytes);
    return ObjectRef(object);
  }

  // Throws: kInvalidArgument when the limit is passed.
  void spend(std::size_t steps) {
    if (steps > steps_left_) fail_out_of_steps();
    steps_left_ -= steps;
  }
  void spend_bytes(std::size_t bytes) { spend(1 + bytes / kBytesPerStep); }
  // A search for a text in a text is about to be made; backwards it may be quadratic.
  void spend_search(std::size_t text_bytes, std::size_t needle_bytes, bool is_backward = false) {
    const std::size_t per_byte =
        is_backward ? needle_bytes : std::min<std::size_t>(needle_bytes, 256);
    spend_bytes(text_bytes * (4 + per_byte / 4));
  }
  // That `bytes` more would be within the limit; for results about to be built.
  void reserve(std::size_t bytes) const {
    if (bytes > kMaxBytes || live_bytes_ + bytes > allowed_bytes_) fail_out_of_bytes();
  }
  // A string of `count` times `size` bytes is about to be built.
  void reserve_product(std::size_t count, std::size_t size) {
    if (size != 0 && count > kMaxBytes / size) fail_out_of_bytes();
    reserve(count * size);
    spend_bytes(count * size);
  }
  void charge(Object& object, std::size_t bytes);
  void charge(std::size_t bytes) { reserve(bytes), live_bytes_ += bytes; }
  void refund(std::size_t bytes) { live_bytes_ -= bytes; }

  // From here on, limits count. What was made before (the caller's data) is not the template's
  // cost.
  void start_limits();

  int line = 1;  // of the template, for error messages
  int depth = 0;
  int macro_depth = 0;

 private:
  friend class ObjectRef;
  void adopt(Object* object, std::size_t size_bytes);
  void retire(Object* object);
  [[noreturn]] void fail_out_of_steps() const;
  [[noreturn]] void fail_out_of_bytes() const;

  std::size_t steps_left_ = SIZE_MAX;
  std::size_t live_bytes_ = 0;
  std::size_t allowed_bytes_ = SIZE_MAX / 2;
  Object* first_ = nullptr;
  std::vector<Object*> retired_;  // freed one after the other: long chains need no stack
  bool is_freeing_ = false;
};

// Counts native recursion. Throws: kInvalidArgument beyond the limit.
class DepthGuard {
 public:
  DepthGuard(int& depth, int limit, const char* what) : depth_(depth) {
    if (depth >= limit) fail(ErrorCode::kInvalidArgument, what, " is nested deeper than ", limit);
    ++depth_;
  }
  DepthGuard(const DepthGuard&) = delete;
  ~DepthGuard() { --depth_; }

 private:
  int& depth_;
};

inline void ObjectRef::release() {
  if (object_ && --object_->references_ == 0) object_->owner_->retire(object_);
}

}  // namespace gemma3n::jinja
