#include "media/resampler.h"

#include <soxr.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace gemma3n {

struct Resampler::State {
  soxr_t soxr = nullptr;
  std::array<float, 16384> block;
};

Resampler::Resampler(int from_hz, int to_hz) : from_hz_(from_hz), to_hz_(to_hz) {
  if (from_hz == to_hz) return;
  state_ = std::make_unique<State>();
  const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  const soxr_runtime_spec_t one_thread = soxr_runtime_spec(1);
  soxr_error_t error = nullptr;
  state_->soxr = soxr_create(from_hz, to_hz, 1, &error, &io, &quality, &one_thread);
  if (error != nullptr) {
    soxr_delete(state_->soxr);
    fail(ErrorCode::kInvalidArgument, "resampling from ", from_hz, " to ", to_hz, " Hz: ", error);
  }
}

Resampler::~Resampler() {
  if (state_) soxr_delete(state_->soxr);
}

std::int64_t Resampler::length_of(std::int64_t samples) const {
  return (samples * to_hz_ + from_hz_ - 1) / from_hz_;
}

// Between samples near the largest float there may be larger ones.
void Resampler::expect_finite(std::span<const float> samples) const {
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (std::isfinite(samples[i])) continue;
    fail(ErrorCode::kInvalidArgument, "sample ", given_ + static_cast<std::int64_t>(i),
         " after resampling: expected a finite number, got ", samples[i]);
  }
}

void Resampler::process(std::span<const float> samples, std::int64_t limit) {
  std::size_t begin = 0;
  for (;;) {
    std::size_t used = 0, made = 0;
    const float* in = samples.empty() ? nullptr : samples.data() + begin;
    const soxr_error_t error = soxr_process(state_->soxr, in, samples.size() - begin, &used,
                                            state_->block.data(), state_->block.size(), &made);
    check(error == nullptr, "libsoxr resamples finite samples");
    begin += used;
    const auto room = static_cast<std::size_t>(std::max<std::int64_t>(limit - given_, 0));
    const std::size_t kept = std::min(made, room);
    expect_finite(std::span(state_->block).first(kept));
    out_.insert(out_.end(), state_->block.begin(),
                state_->block.begin() + static_cast<std::ptrdiff_t>(kept));
    given_ += static_cast<std::int64_t>(kept);
    if (made < state_->block.size() && begin == samples.size()) return;
  }
}

std::span<const float> Resampler::add(std::span<const float> samples) {
  if (!state_) return samples;
  out_.clear();
  taken_ += static_cast<std::int64_t>(samples.size());
  if (!samples.empty()) process(samples, std::numeric_limits<std::int64_t>::max());
  return out_;
}

std::span<const float> Resampler::finish() {
  out_.clear();
  if (!state_ || taken_ == 0) return out_;
  const std::int64_t wanted = length_of(taken_);
  process({}, wanted);
  out_.resize(out_.size() + static_cast<std::size_t>(std::max<std::int64_t>(wanted - given_, 0)));
  return out_;
}

}  // namespace gemma3n
