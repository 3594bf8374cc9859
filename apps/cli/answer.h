// One answer, shown while it is being made.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gemma3n/generation.h"
#include "interrupt.h"
#include "loading.h"
#include "output.h"

namespace gemma3n::cli {

struct AnswerRequest {
  const LoadedModel& model;
  const Tokenizer& tokenizer;
  std::vector<TokenId> prompt;
  MediaInputs media = {};  // of the whole prompt
  GenerationConfig config;
  std::shared_ptr<Cache> past_key_values = {};  // null = none
  std::function<void()> on_prompt_read = {};    // before the first new token; null = nothing
  std::string progress_prefix = {};             // "part 2 of 5: "
  InterruptScope::Second second_interrupt = InterruptScope::Second::kEndsTheProgram;
};

// Generates, with progress while media are encoded and the prompt is read. Ctrl-C ends it early:
// kCancelled.
//   out: takes the text as it comes, without a final line feed; null = nothing is shown. Only for
//        one returned sequence.
// Throws: as generate(), and as Output::write.
GenerateOutput make_answer(const AnswerRequest& request, Output* out);

}  // namespace gemma3n::cli
