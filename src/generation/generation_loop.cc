// The generation loop: prefill, then one token per step for every sequence that is not finished.
// With an assistant, a pass of the model reads a draft too; the steps after it need no pass while
// they choose what was drafted.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "generation/drafting.h"
#include "generation/language_model.h"
#include "generation/logits_processors.h"
#include "generation/sampler.h"
#include "generation/text_stream.h"

namespace gemma3n {
namespace {

constexpr std::int64_t kDefaultNewTokens = 20;
constexpr std::size_t kProgressChunk = 256;  // tokens between two calls of on_prefill

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void check_cached(const LanguageModel& model, const std::vector<std::vector<TokenId>>& prompts,
                  const char* name) {
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::int64_t cached = model.length(i);
    if (cached < static_cast<std::int64_t>(prompts[i].size())) continue;
    fail(ErrorCode::kInvalidArgument, "generate: ", name, ": sequence ", i,
         ": expected at most all but the last of the prompt's ", prompts[i].size(), " tokens, got ",
         cached);
  }
}

struct Sequence {
  std::size_t prompt_length = 0;
  std::size_t limit = 0;          // of its ids
  std::uint64_t copy = 0;         // DrawId::copy
  Draft draft{};                  // none without an assistant
  std::vector<float> logits{};    // [draft + 1, V] for its next token and after each drafted one
  bool has_logits = false;        // for its next token: in row draft.accepted
  std::vector<TokenId> unread{};  // by the model: its last token and the draft
  std::optional<TextStream> stream{};
  std::string text{};
  std::optional<FinishReason> finish_reason{};
};

class Generation {
 public:
  Generation(const LanguageModel& model, const std::vector<std::vector<TokenId>>& prompts,
             const GenerationConfig& config, const Tokenizer* tokenizer,
             const GenerateOptions& options, const LanguageModel* assistant);
  // Also after a throw, the caches hold nothing that was only drafted.
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;
  GenerateOutput run();

 private:
  bool prefill();
  std::size_t count_uncached();
  template <typename Take>
  void run_pass(const Take& take);
  void take_logits(std::size_t i, std::span<const float> rows);
  void choose_tokens();
  // The scores of all active sequences, before the warpers.   [sequences, V]
  void compute_scores();
  void run_batch_logits_processor();
  TokenId choose(std::size_t i, std::span<float> scores);
  void apply(LogitsProcessors& processors, std::size_t i, std::span<float> scores);
  void deliver_tokens();
  void apply_stopping_criteria();
  void add_text(std::size_t i, std::string_view text);
  void cancel_unfinished();
  void read_on();
  void draft(std::span<const std::size_t> sequences);
  void drop_draft(std::size_t i);
  std::optional<FinishReason> reason_to_finish(std::size_t i) const;
  void collect_sequences();

  // For the next token.
  std::span<const float> logits(std::size_t i) const {
    const Sequence& sequence = sequences_[i];
    return std::span(sequence.logits)
        .subspan(sequence.draft.accepted * model_.vocab_size, model_.vocab_size);
  }
  Tensor new_scores() const;  // [sequences, V] zeros
  std::span<float> row(Tensor& scores, std::size_t i) const;

  const LanguageModel& model_;
  const std::vector<std::vector<TokenId>>& prompts_;
  const GenerationConfig& config_;
  const GenerateOptions& options_;
  LogitsProcessors processors_, warpers_;
  CategoricalSampler sampler_;
  std::optional<Drafter> drafter_;
  std::vector<Sequence> sequences_;
  std::vector<std::vector<TokenId>> ids_;  // of each sequence: prompt and new tokens
  std::vector<std::size_t> active_;        // sequences without a finish reason
  Tensor scores_;                      // [sequences, V] of the step at hand; rows of finished are 0
  std::vector<SequenceTokens> batch_;  // of the pass at hand
  std::vector<float> pass_logits_;     // its rows, in the order they were asked for
  GenerateOutput out_;
  bool cancelled_ = false;
  bool text_refused_ = false;  // by on_text
};

Generation::Generation(const LanguageModel& model, const std::vector<std::vector<TokenId>>& prompts,
                       const GenerationConfig& config, const Tokenizer* tokenizer,
                       const GenerateOptions& options, const LanguageModel* assistant)
    : model_(model),
      prompts_(prompts),
      config_(config),
      options_(options),
      processors_(make_logits_processors(config, model.vocab_size, options.logits_processors)),
      warpers_(make_logits_warpers(config)) {
  check_cached(model, prompts, "past_key_values");
  if (assistant) {
    check_cached(*assistant, prompts, "assistant_past_key_values");
    drafter_.emplace(*assistant, config);
  }
  const auto copies = static_cast<std::size_t>(config.num_return_sequences);
  std::map<std::span<const TokenId>, std::uint64_t,
           decltype([](std::span<const TokenId> a, std::span<const TokenId> b) {
             return std::ranges::lexicographical_compare(a, b);
           })>
      copies_so_far;
  for (const auto& prompt : prompts) {
    for (std::size_t i = 0; i < copies; ++i) {
      Sequence sequence{.prompt_length = prompt.size()};
      sequence.limit = length_limit(config, prompt.size(), model.max_position_embeddings);
      sequence.copy = copies_so_far[prompt]++;
      if (tokenizer) sequence.stream.emplace(*tokenizer, config.stop_strings, prompt);
      sequences_.push_back(std::move(sequence));
      ids_.push_back(prompt);
    }
  }
  scores_ = new_scores();
  active_.resize(sequences_.size());
  std::iota(active_.begin(), active_.end(), 0u);
}

Generation::~Generation() {
  for (std::size_t i = 0; i < sequences_.size(); ++i) drop_draft(i);
}

GenerateOutput Generation::run() {
  const Stopwatch prefill_time;
  cancelled_ = !prefill();
  out_.prefill_seconds = prefill_time.seconds();

  const Stopwatch decode_time;
  while (!cancelled_) {
    choose_tokens();
    deliver_tokens();
    std::erase_if(active_, [&](std::size_t i) { return sequences_[i].finish_reason.has_value(); });
    if (cancelled_ || active_.empty()) break;
    read_on();
  }
  out_.decode_seconds = decode_time.seconds();
  cancel_unfinished();
  collect_sequences();
  return std::move(out_);
}

// Reads the prompts, all at once or chunk by chunk. False if on_prefill cancelled.
bool Generation::prefill() {
  const std::size_t total = count_uncached();
  const auto copies = static_cast<std::size_t>(config_.num_return_sequences);
  std::size_t chunk = static_cast<std::size_t>(config_.prefill_chunk_size);
  if (chunk == 0) {
    chunk = options_.on_prefill ? kProgressChunk : std::numeric_limits<std::size_t>::max();
  }
  std::vector<std::size_t> done(prompts_.size());
  for (std::size_t i = 0; i < done.size(); ++i) {
    done[i] = static_cast<std::size_t>(model_.length(i));
  }

  for (std::size_t read = 0; read < total;) {
    batch_.clear();
    for (std::size_t i = 0; i < prompts_.size(); ++i) {
      const auto rest = std::span(prompts_[i]).subspan(done[i]);
      if (rest.empty()) continue;
      const auto part = rest.first(std::min(chunk, rest.size()));
      const bool is_last = part.size() == rest.size();
      batch_.push_back({.sequence = i, .tokens = part, .wants_logits = is_last});
      done[i] += part.size();
      read += part.size();
    }
    run_pass([&](std::size_t i, std::span<const float> rows) {
      for (std::size_t j = 0; j < copies; ++j) take_logits(i * copies + j, rows);
    });
    if (drafter_) drafter_->read(prompts_, done);
    const double share = static_cast<double>(read) / static_cast<double>(total);
    if (options_.on_prefill && !options_.on_prefill(share)) return false;
  }
  if (copies > 1) {
    model_.repeat(copies);
    if (drafter_) drafter_->repeat(copies);
  }
  return true;
}

// Reads the batch; take(sequence, its rows of logits) sees what was asked for.
template <typename Take>
void Generation::run_pass(const Take& take) {
  std::size_t rows = 0;
  for (const SequenceTokens& part : batch_) rows += part.wants_logits;
  pass_logits_.resize(rows * model_.vocab_size);
  model_.append(batch_, pass_logits_);
  std::span<const float> rest = pass_logits_;
  for (const SequenceTokens& part : batch_) {
    const std::size_t size = part.wants_logits * model_.vocab_size;
    if (size > 0) take(part.sequence, rest.first(size));
    rest = rest.subspan(size);
  }
}

void Generation::take_logits(std::size_t i, std::span<const float> rows) {
  sequences_[i].logits.assign(rows.begin(), rows.end());
  sequences_[i].has_logits = true;
}

std::size_t Generation::count_uncached() {
  std::size_t total = 0;
  for (std::size_t i = 0; i < prompts_.size(); ++i) {
    const std::int64_t cached = model_.length(i);
    out_.prompt_tokens += prompts_[i].size();
    out_.cached_tokens += static_cast<std::size_t>(cached);
    total += prompts_[i].size() - static_cast<std::size_t>(cached);
  }
  return total;
}

// For all sequences before any is delivered: so a cancelled batch, too, is at the same step in
// every sequence, and the cache lacks exactly the last token of each.
void Generation::choose_tokens() {
  compute_scores();
  if (options_.batch_logits_processor) run_batch_logits_processor();
  Tensor raw;
  if (config_.output_logits) raw = out_.logits.emplace_back(new_scores());
  for (const std::size_t i : active_) {
    const auto scores = row(scores_, i);
    if (raw) std::ranges::copy(logits(i), row(raw, i).begin());
    ids_[i].push_back(choose(i, scores));
  }
  if (config_.output_scores) out_.scores.push_back(std::exchange(scores_, new_scores()));
}

void Generation::compute_scores() {
  std::ranges::fill(scores_.f32(), 0.0f);
  for (const std::size_t i : active_) {
    const auto scores = row(scores_, i);
    std::ranges::copy(logits(i), scores.begin());
    apply(processors_, i, scores);
  }
}

void Generation::run_batch_logits_processor() {
  const auto shape = scores_.shape();
  options_.batch_logits_processor(ids_, scores_);
  if (!scores_ || scores_.shape() != shape || scores_.dtype() != DType::kF32) {
    fail(ErrorCode::kInvalidArgument, "batch_logits_processor: expected float32 scores of shape [",
         shape[0], ", ", shape[1], "]");
  }
  for (const std::size_t i : active_) {
    if (std::ranges::none_of(row(scores_, i), [](float v) { return std::isnan(v); })) continue;
    fail(ErrorCode::kInvalidArgument, "batch_logits_processor: a score of sequence ", i,
         " is not a number");
  }
}

void Generation::apply(LogitsProcessors& processors, std::size_t i, std::span<float> scores) {
  const SequenceState state{ids_[i], sequences_[i].prompt_length};
  for (const LogitsProcessor& process : processors) process(state, scores);
}

TokenId Generation::choose(std::size_t i, std::span<float> scores) {
  apply(warpers_, i, scores);
  Sequence& sequence = sequences_[i];
  Draft& draft = sequence.draft;
  const std::optional<TokenId> drafted = draft.next();
  const DrawId id{config_.seed, sequence.copy, ids_[i].size()};
  TokenId token = 0;
  if (!config_.do_sample) {
    token = largest(scores);
  } else if (drafted) {
    token = draw_verified(sampler_, scores, draft.next_scores(), *drafted, id);
  } else {
    token = sampler_.draw(scores, uniform(id));
  }
  sequence.has_logits = token == drafted;  // what was read after the draft is for the next token
  if (token == drafted) {
    ++draft.accepted;
    ++out_.accepted_tokens;
  }
  return token;
}

void Generation::deliver_tokens() {
  for (const std::size_t i : active_) {
    Sequence& sequence = sequences_[i];
    const TokenId token = ids_[i].back();
    std::string text{};
    if (sequence.stream) text = sequence.stream->push(token);
    sequence.finish_reason = reason_to_finish(i);
    if (sequence.stream && sequence.finish_reason) text += sequence.stream->finish();
    if (!cancelled_ && options_.on_token) {
      cancelled_ = !options_.on_token({.sequence = i, .token = token, .text = text});
    }
    add_text(i, text);
  }
  if (!cancelled_ && options_.stopping_criteria) apply_stopping_criteria();
}

void Generation::apply_stopping_criteria() {
  std::vector<bool> stop(sequences_.size());
  options_.stopping_criteria(ids_, out_.scores, stop);
  if (stop.size() != sequences_.size()) {
    fail(ErrorCode::kInvalidArgument, "stopping_criteria: expected an answer for each of ",
         sequences_.size(), " sequences, got ", stop.size());
  }
  for (const std::size_t i : active_) {
    Sequence& sequence = sequences_[i];
    if (!stop[i] || sequence.finish_reason) continue;
    sequence.finish_reason = FinishReason::kStoppingCriteria;
    if (sequence.stream) add_text(i, sequence.stream->finish());
  }
}

void Generation::add_text(std::size_t i, std::string_view text) {
  sequences_[i].text += text;
  if (text.empty() || !options_.on_text || text_refused_) return;
  text_refused_ = !options_.on_text(i, text);
  if (text_refused_) cancelled_ = true;
}

std::optional<FinishReason> Generation::reason_to_finish(std::size_t i) const {
  const auto& eos = config_.eos_token_id;
  if (std::ranges::find(eos, ids_[i].back()) != eos.end()) return FinishReason::kEos;
  if (sequences_[i].stream && sequences_[i].stream->stopped()) return FinishReason::kStopString;
  if (ids_[i].size() >= sequences_[i].limit) return FinishReason::kLength;
  return std::nullopt;
}

// Reads the last tokens of the sequences that have no logits for their next one, and what is
// drafted after them. The others wait: so steps are the same with an assistant as without.
void Generation::read_on() {
  std::vector<std::size_t> reading;
  for (const std::size_t i : active_) {
    if (!sequences_[i].has_logits) reading.push_back(i);
  }
  if (reading.empty()) return;
  if (drafter_) draft(reading);
  batch_.clear();
  for (const std::size_t i : reading) {
    Sequence& sequence = sequences_[i];
    const auto& drafted = sequence.draft.tokens;
    sequence.unread.assign(ids_[i].begin() + model_.length(i), ids_[i].end());
    sequence.unread.insert(sequence.unread.end(), drafted.begin(), drafted.end());
    batch_.push_back(
        {.sequence = i, .tokens = sequence.unread, .wants_logits = drafted.size() + 1});
  }
  run_pass([&](std::size_t i, std::span<const float> rows) { take_logits(i, rows); });
}

void Generation::draft(std::span<const std::size_t> sequences) {
  std::vector<DraftRequest> requests;
  for (const std::size_t i : sequences) {
    Sequence& sequence = sequences_[i];
    drop_draft(i);
    // A pass gives one token more than was drafted; none of them may be beyond the end.
    const std::size_t wanted = sequence.limit - ids_[i].size() - 1;
    const auto unread = static_cast<std::int64_t>(ids_[i].size()) - model_.length(i);
    const auto room = static_cast<std::size_t>(std::max<std::int64_t>(0, model_.room(i) - unread));
    requests.push_back({.sequence = i,
                        .state = {ids_[i], sequence.prompt_length},
                        .copy = sequence.copy,
                        .most = std::min(wanted, room),
                        .draft = &sequence.draft});
  }
  drafter_->propose(requests);
  for (const std::size_t i : sequences) {
    const std::size_t drafted = sequences_[i].draft.tokens.size();
    out_.drafted_tokens += drafted;
    out_.draft_rounds += drafted > 0;
  }
}

// The caches forget what was drafted; the model's is as if there had been no draft.
void Generation::drop_draft(std::size_t i) {
  if (sequences_[i].draft.tokens.empty()) return;
  const auto known = static_cast<std::int64_t>(ids_[i].size()) - 1;
  model_.rewind(i, known);
  drafter_->forget(i, known);
}

void Generation::cancel_unfinished() {
  for (const std::size_t i : active_) {
    sequences_[i].finish_reason = FinishReason::kCancelled;
    if (sequences_[i].stream) add_text(i, sequences_[i].stream->finish());
  }
}

void Generation::collect_sequences() {
  for (std::size_t i = 0; i < sequences_.size(); ++i) {
    const auto fresh = std::span(ids_[i]).subspan(sequences_[i].prompt_length);
    out_.new_tokens.emplace_back(fresh.begin(), fresh.end());
    out_.generated_tokens += fresh.size();
    out_.text.push_back(std::move(sequences_[i].text));
    out_.finish_reasons.push_back(sequences_[i].finish_reason.value());
  }
  out_.sequences = ids_;
}

Tensor Generation::new_scores() const {
  return Tensor(DType::kF32, {static_cast<std::int64_t>(sequences_.size()),
                              static_cast<std::int64_t>(model_.vocab_size)});
}

std::span<float> Generation::row(Tensor& scores, std::size_t i) const {
  return scores.f32().subspan(i * model_.vocab_size, model_.vocab_size);
}

}  // namespace

std::size_t length_limit(const GenerationConfig& config, std::size_t prompt_length,
                         std::int64_t max_position_embeddings) {
  const auto prompt = static_cast<std::int64_t>(prompt_length);
  if (prompt > max_position_embeddings) {
    fail(ErrorCode::kContextFull, "generate: expected a prompt of at most ",
         max_position_embeddings, " tokens (max_position_embeddings), got ", prompt,
         "; shorten it");
  }
  const std::int64_t readable = max_position_embeddings + 1;  // the last token is never read
  std::int64_t limit = 0;
  if (config.max_new_tokens) {
    limit = prompt + std::min(*config.max_new_tokens, readable - prompt);
  } else if (config.max_length) {
    limit = std::min(*config.max_length, readable);
  } else {
    // Ref: HF GenerationMixin._prepare_generated_length stops at max_position_embeddings here.
    limit = std::max(prompt + 1, std::min(prompt + kDefaultNewTokens, max_position_embeddings));
  }
  if (limit <= prompt) {
    fail(ErrorCode::kInvalidArgument, "generate: max_length: expected more than the prompt's ",
         prompt, " tokens, got ", *config.max_length, "; set max_new_tokens instead");
  }
  return static_cast<std::size_t>(limit);
}

void check_request(const std::vector<std::vector<TokenId>>& prompts, const GenerationConfig& config,
                   std::size_t vocab_size, std::int64_t max_position_embeddings,
                   const Tokenizer* tokenizer) {
  config.validate();
  if (!config.stop_strings.empty() && !tokenizer) {
    fail(ErrorCode::kInvalidArgument, "generate: stop_strings need a tokenizer; pass one");
  }
  if (prompts.empty()) fail(ErrorCode::kInvalidArgument, "generate: expected a prompt, got none");
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty()) {
      fail(ErrorCode::kInvalidArgument, "generate: prompt ", i,
           ": expected at least one token, got none; begin with bos_token_id");
    }
    for (std::size_t j = 0; j < prompts[i].size(); ++j) {
      const TokenId id = prompts[i][j];
      if (id < 0 || static_cast<std::size_t>(id) >= vocab_size) {
        fail(ErrorCode::kInvalidArgument, "generate: prompt ", i, ": token ", j,
             ": expected an id from 0 to ", vocab_size - 1, ", got ", id);
      }
    }
    length_limit(config, prompts[i].size(), max_position_embeddings);
  }
}

GenerateOutput run_generation(const LanguageModel& model,
                              const std::vector<std::vector<TokenId>>& prompts,
                              const GenerationConfig& config, const Tokenizer* tokenizer,
                              const GenerateOptions& options, const LanguageModel* assistant) {
  check_request(prompts, config, model.vocab_size, model.max_position_embeddings, tokenizer);
  return Generation(model, prompts, config, tokenizer, options, assistant).run();
}

}  // namespace gemma3n
