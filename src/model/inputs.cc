#include "model/inputs.h"

#include <string>

namespace gemma3n {
namespace {

constexpr std::int64_t kMaxPosition = std::int64_t{1} << 24;  // above, f32 angles are guesses

std::string shape_of(const Tensor& tensor) {
  std::string text = "[";
  for (std::size_t i = 0; i < tensor.rank(); ++i) {
    text.append(i ? ", " : "").append(std::to_string(tensor.dim(i)));
  }
  return text + "]";
}

void expect_shape(const Tensor& tensor, const std::vector<std::int64_t>& shape, const char* name) {
  if (tensor.shape() == shape) return;
  std::string wanted;
  for (const std::int64_t dim : shape)
    wanted.append(wanted.empty() ? "" : ", ").append(std::to_string(dim));
  fail(ErrorCode::kInvalidArgument, name, ": expected shape [", wanted, "], got ",
       shape_of(tensor));
}

void check_arguments(const TextInputs& in) {
  if (static_cast<bool>(in.input_ids) == static_cast<bool>(in.inputs_embeds)) {
    fail(ErrorCode::kInvalidArgument, "you must specify exactly one of input_ids or inputs_embeds");
  }
  if (in.per_layer_inputs && !in.inputs_embeds) {
    fail(ErrorCode::kInvalidArgument,
         "per_layer_inputs: expected only together with inputs_embeds");
  }
  const Tensor& main = in.input_ids ? in.input_ids : in.inputs_embeds;
  const std::size_t rank = in.input_ids ? 2 : 3;
  if (main.rank() != rank || main.dim(0) < 1 || main.dim(1) < 1) {
    fail(ErrorCode::kInvalidArgument,
         in.input_ids ? "input_ids: expected shape [batch, tokens]"
                      : "inputs_embeds: expected shape [batch, tokens, hidden_size]",
         " with at least one token, got ", shape_of(main));
  }
}

// attention_mask against what the cache holds: the past is as it was computed.
void check_past_mask(const Tensor& mask, Index b, const KvCache& past, Index past_slots) {
  const auto values = mask.i64();
  Index tokens = 0;
  for (Index s = 0; s < past_slots; ++s)
    tokens += values[static_cast<std::size_t>(b * mask.dim(1) + s)] != 0;
  if (tokens != past.entries(static_cast<std::size_t>(b))) {
    fail(ErrorCode::kUnsupported, "attention_mask: row ", b, ": expected ",
         past.entries(static_cast<std::size_t>(b)), " tokens among the cached positions, got ",
         tokens, "; what was computed as a token or as padding stays so");
  }
}

class Preparation {
 public:
  Preparation(const TextInputs& inputs, const TextConfig& config, const KvCache* past)
      : in_(inputs), config_(config), past_(past) {}

  PreparedInputs run() {
    check_arguments(in_);
    const Tensor& main = in_.input_ids ? in_.input_ids : in_.inputs_embeds;
    out_.B = main.dim(0);
    out_.T = main.dim(1);
    check_shapes();
    for (Index b = 0; b < out_.B; ++b) add_sequence(b);
    out_.sequences = next_sequence_;
    return std::move(out_);
  }

 private:
  void check_shapes() {
    const Index B = out_.B, T = out_.T;
    if (in_.inputs_embeds)
      expect_shape(in_.inputs_embeds, {B, T, config_.hidden_size}, "inputs_embeds");
    if (in_.per_layer_inputs) {
      expect_shape(in_.per_layer_inputs,
                   {B, T, config_.num_hidden_layers, config_.hidden_size_per_layer_input},
                   "per_layer_inputs");
    }
    if (past_ && past_->sequences() != static_cast<std::size_t>(B)) {
      fail(ErrorCode::kInvalidArgument, "past_key_values: expected a cache of batch size ", B,
           ", got ", past_->sequences());
    }
    past_slots_ = past_ ? past_->next_slot(0) : 0;
    if (in_.attention_mask)
      expect_shape(in_.attention_mask, {B, past_slots_ + T}, "attention_mask");
    if (in_.position_ids && in_.position_ids.shape() != std::vector<std::int64_t>{1, T}) {
      expect_shape(in_.position_ids, {B, T}, "position_ids");
    }
    // HF find_packed_sequence_indices: positions that jump separate packed texts.
    may_be_packed_ = in_.position_ids && !in_.attention_mask && !past_ && !in_.use_cache;
  }

  bool is_token(Index b, Index t) const {
    if (!in_.attention_mask) return true;
    const Index width = past_slots_ + out_.T;
    return in_.attention_mask.i64()[static_cast<std::size_t>(b * width + past_slots_ + t)] != 0;
  }

  Index position(Index b, Index t) const {
    if (!in_.position_ids) return past_slots_ + t;
    const Index row = in_.position_ids.dim(0) == 1 ? 0 : b;
    const std::int64_t value = in_.position_ids.i64()[static_cast<std::size_t>(row * out_.T + t)];
    if (value < 0 || value >= kMaxPosition) {
      fail(ErrorCode::kInvalidArgument, "position_ids: expected values from 0 to ",
           kMaxPosition - 1, ", got ", value);
    }
    return value;
  }

  void add_sequence(Index b) {
    if (past_ && in_.attention_mask) check_past_mask(in_.attention_mask, b, *past_, past_slots_);
    std::size_t sequence = next_sequence_++;
    Index first_slot = past_slots_;
    for (Index t = 0; t < out_.T; ++t) {
      const Index place = position(b, t);
      if (may_be_packed_ && t > 0 && place != position(b, t - 1) + 1) {
        sequence = next_sequence_++;
        first_slot = -t;
      }
      if (is_token(b, t)) add_row(sequence, b, t, first_slot + t, place);
    }
    out_.next_slots.push_back(past_slots_ + out_.T);
  }

  void add_row(std::size_t sequence, Index b, Index t, Index slot, Index place) {
    const auto index = static_cast<std::size_t>(b * out_.T + t);
    BatchRow row;
    row.sequence = sequence;
    row.slot = slot;
    row.position = place;
    row.is_wanted = true;
    if (in_.input_ids) {
      row.token = in_.input_ids.i64()[index];
      if (row.token < 0 || row.token >= config_.vocab_size) {
        fail(ErrorCode::kInvalidArgument, "input_ids: row ", b, ", token ", t,
             ": expected an id from 0 to ", config_.vocab_size - 1, ", got ", row.token);
      }
    } else {
      row.embedding =
          in_.inputs_embeds.f32().data() + index * static_cast<std::size_t>(config_.hidden_size);
      row.has_per_layer_lookup = static_cast<bool>(in_.per_layer_inputs);
      if (in_.per_layer_inputs) {
        const auto width = static_cast<std::size_t>(config_.num_hidden_layers *
                                                    config_.hidden_size_per_layer_input);
        row.per_layer_input = in_.per_layer_inputs.f32().data() + index * width;
      }
    }
    out_.rows.push_back(row);
    out_.origins.push_back({b, t});
  }

  const TextInputs& in_;
  const TextConfig& config_;
  const KvCache* past_;
  PreparedInputs out_;
  std::size_t next_sequence_ = 0;
  Index past_slots_ = 0;
  bool may_be_packed_ = false;
};

}  // namespace

PreparedInputs prepare_inputs(const TextInputs& inputs, const TextConfig& config,
                              const KvCache* past) {
  return Preparation(inputs, config, past).run();
}

}  // namespace gemma3n
