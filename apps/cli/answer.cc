#include "answer.h"

#include <utility>

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

}  // namespace gemma3n::cli
