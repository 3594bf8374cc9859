#include "processors/jinja/runtime.h"

namespace gemma3n::jinja {

Runtime::~Runtime() {
  is_freeing_ = true;
  for (Object* object = first_; object; object = object->next_) ++object->references_;
  for (Object* object = first_; object; object = object->next_) object->clear();
  while (first_) delete std::exchange(first_, first_->next_);
}

void Runtime::adopt(Object* object, std::size_t size_bytes) {
  object->owner_ = this;
  object->size_bytes_ = size_bytes;
  object->next_ = first_;
  if (first_) first_->previous_ = object;
  first_ = object;
  live_bytes_ += size_bytes;
}

void Runtime::retire(Object* object) {
  retired_.push_back(object);
  if (is_freeing_) return;
  is_freeing_ = true;
  while (!retired_.empty()) {
    Object* last = retired_.back();
    retired_.pop_back();
    live_bytes_ -= last->size_bytes_;
    if (last->previous_) last->previous_->next_ = last->next_;
    if (last->next_) last->next_->previous_ = last->previous_;
    if (first_ == last) first_ = last->next_;
    delete last;
  }
  is_freeing_ = false;
}

void Runtime::charge(Object& object, std::size_t bytes) {
  charge(bytes);
  object.size_bytes_ += bytes;
}

void Runtime::start_limits() {
  steps_left_ = kMaxSteps;
  allowed_bytes_ = live_bytes_ + kMaxBytes;
}

void Runtime::fail_out_of_steps() const {
  fail(ErrorCode::kInvalidArgument, "the template takes more than ", kMaxSteps, " steps");
}

void Runtime::fail_out_of_bytes() const {
  fail(ErrorCode::kInvalidArgument, "the template needs more than ", kMaxBytes, " bytes");
}

}  // namespace gemma3n::jinja
