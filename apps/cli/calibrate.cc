#include "calibrate.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "eval_conversation.h"
#include "gemma3n/processor.h"
#include "loading.h"
#include "messages.h"
#include "progress.h"
#include "prompt_reader.h"
#include "table.h"
#include "text_tokens.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kWindow = 512;  // tokens of a text that are read together

void check_tokens(const std::string& file, std::size_t tokens) {
  if (tokens >= kLeastCalibrationTokens) return;
  fail(ErrorCode::kInvalidArgument, file, ": expected ", kLeastCalibrationTokens,
       " tokens or more to calibrate with, got ", tokens);
}

class Reading {
 public:
  Reading(const std::string& model, int threads, const InterruptScope& interrupt)
      : calibration_(std::make_shared<Calibration>()),
        reader_(model, threads, Quantization::kNone, {}, calibration_),
        interrupt_(interrupt) {}

  const TextConfig& config() const { return reader_.text().config(); }
  std::size_t tokens() const { return tokens_; }
  std::shared_ptr<Calibration> result() const { return calibration_; }

  // done: the share of the file that was read before.   types: as token_type_ids of ProcessorOutput
  // Returns false if it was interrupted.
  bool read(double done, std::span<const TokenId> tokens, std::span<const std::int64_t> types,
            const MediaInputs& media) {
    const std::vector<std::int64_t> ids(tokens.begin(), tokens.end());
    reader_.start(ids.size());
    std::size_t image = 0, sound = 0;
    for (const auto& part : prompt_parts(types, kMostScored)) {
      if (interrupt_.requested()) return false;
      show_progress(done);
      reader_.read(ids, part, media_of_part(media, part, image, sound));
      image += part.images;
      sound += part.sounds;
    }
    tokens_ += ids.size();
    return true;
  }

 private:
  void show_progress(double done) {
    std::string details;
    if (done > 0) {
      const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
      details = rough_duration(seconds / done * (1 - done)) + " left";
    }
    progress_.update(done, details);
  }

  const std::shared_ptr<Calibration> calibration_;
  PromptReader reader_;
  const InterruptScope& interrupt_;
  Progress progress_{"calibrating"};
  const Clock::time_point start_ = Clock::now();
  std::size_t tokens_ = 0;
};

std::shared_ptr<Calibration> read_text(const std::string& model, const std::string& file,
                                       int threads, const InterruptScope& interrupt) {
  const auto tokenizer = Tokenizer::from_pretrained(model);
  const auto tokens = read_text_tokens(file, tokenizer).tokens;
  check_tokens(file, tokens.size());
  Reading reading(model, threads, interrupt);
  const auto context = static_cast<std::size_t>(reading.config().max_position_embeddings);
  const auto bos = tokenizer.bos_token_id();
  for (std::size_t first = 0; first < tokens.size();) {
    std::vector<TokenId> window;
    if (bos) window.push_back(*bos);
    const std::size_t most = std::max<std::size_t>(1, std::min(kWindow, context) - window.size());
    const std::size_t last = std::min(tokens.size(), first + most);
    window.insert(window.end(), tokens.begin() + static_cast<std::ptrdiff_t>(first),
                  tokens.begin() + static_cast<std::ptrdiff_t>(last));
    const double done = static_cast<double>(first) / static_cast<double>(tokens.size());
    const std::vector<std::int64_t> types(window.size());
    if (!reading.read(done, window, types, {})) return nullptr;
    first = last;
  }
  return reading.result();
}

std::shared_ptr<Calibration> read_conversations(const std::string& model, const std::string& file,
                                                int threads, const InterruptScope& interrupt) {
  const auto items = read_dataset(file, {.transcribe_prompt = kTranscribePrompt});
  const EvalConversations conversations(file, {}, {});
  conversations.check_media_files(choose_items(items, {}, {}));
  const auto processor = load_processor(model, {});
  processor.chat_template();  // throws if there is none
  Reading reading(model, threads, interrupt);
  for (const EvalItem& item : items) {
    const double done = static_cast<double>(item.index) / static_cast<double>(items.size());
    try {
      const auto prompt = conversations.answered_prompt(item, processor);
      if (!reading.read(done, prompt.input_ids.at(0), prompt.token_type_ids.at(0), prompt.media)) {
        return nullptr;
      }
    } catch (const Error& error) {
      fail(error.code(), conversations.place_of(item), error.what());
    }
  }
  check_tokens(file, reading.tokens());
  return reading.result();
}

}  // namespace

std::shared_ptr<Calibration> calibrate(const std::string& model, const std::string& file,
                                       int threads, const InterruptScope& interrupt) {
  return file.ends_with(".jsonl") ? read_conversations(model, file, threads, interrupt)
                                  : read_text(model, file, threads, interrupt);
}

}  // namespace gemma3n::cli
