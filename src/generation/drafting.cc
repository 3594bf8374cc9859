#include "generation/drafting.h"

#include <algorithm>
#include <cmath>

#include "generation/portable_exp.h"

namespace gemma3n {

struct Drafter::Work {
  const DraftRequest* request;
  std::vector<TokenId> ids;  // the sequence and the draft
  std::size_t most;          // tokens to propose
};

Drafter::Drafter(const LanguageModel& assistant, const GenerationConfig& config)
    : assistant_(assistant),
      config_(config),
      processors_(make_logits_processors(config, assistant.vocab_size, {})),
      warpers_(make_logits_warpers(config)) {}

void Drafter::read(const std::vector<std::vector<TokenId>>& prompts,
                   std::span<const std::size_t> read) {
  std::vector<SequenceTokens> batch;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto held = static_cast<std::size_t>(assistant_.length(i));
    if (held >= read[i]) continue;
    const auto part = std::span(prompts[i]).subspan(held, read[i] - held);
    batch.push_back({.sequence = i, .tokens = part, .wants_logits = 0});
  }
  if (!batch.empty()) assistant_.append(batch, {});
}

// Ref: HF AssistedCandidateGenerator.update_candidate_strategy, "heuristic".
// Differs: HF knows no most.
std::size_t Drafter::next_length(const Draft& last) const {
  const auto most = static_cast<std::size_t>(config_.num_assistant_tokens);
  if (last.length == 0 || config_.num_assistant_tokens_schedule == "constant") return most;
  if (last.tokens.empty()) return last.length;
  if (last.is_used_up()) return std::min(most, last.length + 2);
  return std::max<std::size_t>(1, last.length - 1);
}

// Empties the drafts, and lists those that may get tokens.
std::vector<Drafter::Work> Drafter::start(std::span<const DraftRequest> requests) {
  std::vector<Work> works;
  for (const DraftRequest& request : requests) {
    const auto ids = request.state.ids;
    Draft& draft = *request.draft;
    draft = {.length = next_length(draft)};
    const auto unread = static_cast<std::int64_t>(ids.size()) - assistant_.length(request.sequence);
    const std::int64_t room = assistant_.room(request.sequence);
    if (room < unread) continue;
    // It does not read the last token of a draft.
    const auto readable = static_cast<std::size_t>(room - unread) + 1;
    const std::size_t most = std::min({draft.length, request.most, readable});
    if (most > 0) works.push_back({&request, {ids.begin(), ids.end()}, most});
  }
  return works;
}

void Drafter::propose(std::span<const DraftRequest> requests) {
  std::vector<Work> works = start(requests);
  std::vector<SequenceTokens> batch;
  std::vector<float> logits;
  while (!works.empty()) {
    batch.clear();
    for (const Work& work : works) {
      const std::size_t sequence = work.request->sequence;
      const auto held = static_cast<std::size_t>(assistant_.length(sequence));
      batch.push_back({.sequence = sequence, .tokens = std::span(work.ids).subspan(held)});
    }
    logits.resize(works.size() * assistant_.vocab_size);
    assistant_.append(batch, logits);
    std::span<float> rest = logits;
    std::erase_if(works, [&](Work& work) {
      const auto row = rest.first(assistant_.vocab_size);
      rest = rest.subspan(assistant_.vocab_size);
      return !add_token(work, row);
    });
  }
}

// False if the draft ends here.
bool Drafter::add_token(Work& work, std::span<float> scores) {
  const auto& [sequence, state, copy, most, draft] = *work.request;
  const SequenceState now{work.ids, state.prompt_length};
  for (const LogitsProcessor& process : processors_) process(now, scores);
  if (!can_choose(scores)) return false;
  for (const LogitsProcessor& process : warpers_) process(now, scores);

  TokenId token = 0;
  if (config_.do_sample) {
    const DrawId id{config_.seed, copy, work.ids.size(), DrawPurpose::kDraft};
    token = sampler_.draw(scores, uniform(id));
    draft->scores.insert(draft->scores.end(), scores.begin(), scores.end());
  } else {
    token = largest(scores);
  }
  work.ids.push_back(token);
  draft->tokens.push_back(token);
  if (draft->tokens.size() == work.most) return false;
  if (std::ranges::count(config_.eos_token_id, token) > 0) return false;
  // The unsure token itself stays: if it went, drafts would no longer be draws from the scores.
  return is_sure(scores, token);
}

// Tokens e^20 times less probable than the first are not counted: 262,144 of them would be 0.0005
// of its probability.
bool Drafter::is_sure(std::span<const float> scores, TokenId token) const {
  const double threshold = config_.assistant_confidence_threshold;
  if (threshold == 0.0) return true;
  constexpr float kCounted = 20.0f;
  const float top = *std::ranges::max_element(scores);
  double total = 0.0;
  for (const float score : scores) {
    if (score > top - kCounted) total += portable_exp(static_cast<double>(score) - top);
  }
  const float own = scores[static_cast<std::size_t>(token)];
  return portable_exp(static_cast<double>(own) - top) >= threshold * total;
}

// What would be an error of the large model's scores is none of the assistant's: after other tokens
// than those proposed here, there may be something to choose.
bool Drafter::can_choose(std::span<const float> scores) const {
  const float top = *std::ranges::max_element(scores);
  const auto temperature = static_cast<float>(config_.do_sample ? config_.temperature : 1.0);
  return std::isfinite(top) && std::isfinite(top / temperature);
}

TokenId draw_verified(CategoricalSampler& sampler, std::span<const float> scores,
                      std::span<const float> proposed, TokenId drafted, DrawId id) {
  id.purpose = DrawPurpose::kAcceptance;
  const double wanted = probability(scores, drafted);
  if (uniform(id) * probability(proposed, drafted) < wanted) return drafted;
  id.purpose = DrawPurpose::kExcess;
  return sampler.draw_excess(scores, proposed, uniform(id));
}

}  // namespace gemma3n
