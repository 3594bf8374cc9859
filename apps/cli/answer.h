// One answer, shown while it is being made.
#pragma once

#include <functional>
#include <string>

#include "gemma3n/generation.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

namespace gemma3n::cli {

struct AnswerDisplayOptions {
  Output* out = nullptr;  // takes the text as it comes; null = nothing is shown. One sequence only
  bool has_images = false;                    // "looking" rather than "listening"
  std::function<void()> on_prompt_read = {};  // before the first new token; null = nothing
  std::string progress_prefix = {};           // "part 2 of 5: "
  InterruptScope::Second second_interrupt = InterruptScope::Second::kEndsTheProgram;
};

// Progress while media are encoded and the prompt is read, then the text, without a final line
// feed. Ctrl-C ends the answer early: kCancelled.
class AnswerDisplay {
 public:
  explicit AnswerDisplay(AnswerDisplayOptions options);

  // For one call of generate() or Chat::reply, which the display must outlive. Its callbacks throw
  // what Output::write throws. The caller may set what is no callback.
  GenerateOptions generate_options();

 private:
  AnswerDisplayOptions options_;
  InterruptScope interrupt_;
  Progress encoding_, reading_;
  bool is_first_ = true;
};

// What became of the drafts of some answers.
struct DraftTally {
  std::size_t rounds = 0, drafted = 0, accepted = 0;

  void add(const GenerateOutput& output);
  std::string text() const;  // "drafts 80% accepted, 3.4 tokens at a time"; "" if there were none
};

}  // namespace gemma3n::cli
