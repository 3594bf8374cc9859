#include "answer.h"

#include <algorithm>
#include <utility>

#include "table.h"

namespace gemma3n::cli {

AnswerDisplay::AnswerDisplay(AnswerDisplayOptions options)
    : options_(std::move(options)),
      interrupt_(options_.second_interrupt),
      encoding_(options_.progress_prefix + (options_.has_images ? "looking" : "listening")),
      reading_(options_.progress_prefix + "reading the prompt") {}

GenerateOptions AnswerDisplay::generate_options() {
  GenerateOptions options;
  options.on_encode = [this](double fraction) {
    encoding_.update(fraction);
    return !interrupt_.requested();
  };
  options.on_prefill = [this](double fraction) {
    reading_.update(fraction);
    return !interrupt_.requested();
  };
  options.on_token = [this](const GenerationStep&) {
    if (std::exchange(is_first_, false)) {
      Progress::clear_line();
      if (options_.on_prompt_read) options_.on_prompt_read();
    }
    return !interrupt_.requested();
  };
  if (options_.out == nullptr) return options;
  options.on_text = [this](std::size_t, std::string_view text) {
    options_.out->write_untrusted(text);
    options_.out->flush();
    return true;
  };
  return options;
}

void DraftTally::add(const GenerateOutput& output) {
  rounds += output.draft_rounds;
  drafted += output.drafted_tokens;
  accepted += output.accepted_tokens;
}

std::string DraftTally::text() const {
  if (rounds == 0) return "";
  const auto kept = static_cast<double>(accepted);
  const double share = kept / std::max(1.0, static_cast<double>(drafted));
  return "drafts " + fixed(100 * share, 0) + "% accepted, " +
         fixed(1 + kept / static_cast<double>(rounds), 1) + " tokens at a time";
}

}  // namespace gemma3n::cli
