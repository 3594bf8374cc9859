// The conformer that turns log-mel features into soft tokens.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "model/audio/conformer_block.h"
#include "model/audio/subsample.h"

namespace gemma3n {

struct AudioTower {
  SubSampleConvProjection subsample_conv_projection;
  std::vector<ConformerBlock> conformer;  // [L]
  Index mel_bins = 0;                     // F
  Index hidden_size = 0;                  // D
  Index time_stride = 1;                  // of both convolutions
  Index reduction = 1;                    // every how many frames one is kept

  struct Output {
    View<float> encodings;             // [tokens, D], 0 where there is only padding
    std::span<const bool> is_padding;  // [tokens]; lives as long as the encodings
  };

  // Tokens of a clip of T frames.
  Index tokens(Index T) const;

  // mel: [T, F]    is_sound: [T], false = padding
  // Frames with sound are computed, and what they depend on: the sub-sampling convolutions look
  // ahead into the features of padding, and their norms count all earlier frames. A token of sound
  // has the value it has in the whole padded clip.
  // on_progress, if set, is called with the share of the work that is done, about.
  // Throws: kInvalidArgument if T is 0.
  // Ref: HF Gemma3nAudioEncoder.forward, with the mask inverted
  Output forward(Ops& op, View<const float> mel, std::span<const bool> is_sound,
                 const std::function<void(double)>& on_progress = {}) const;

 private:
  // The blocks over the frames with sound at `times`; keeps those that become tokens.
  //   x: [T, D], returns [kept, D].
  View<float> encode(Ops& op, View<float> x, std::span<const Index> times,
                     const std::function<void(double)>& on_progress) const;
};

void bind(TensorBinder& b, AudioTower& m, const AudioConfig& c);

}  // namespace gemma3n
