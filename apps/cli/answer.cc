#include "answer.h"

#include <string>
#include <utility>

#include "progress.h"

namespace gemma3n::cli {
namespace {

void show(Output& out, std::string_view text) {
  if (text.empty()) return;
  Progress::clear_line();
  out.write_untrusted(text);
  out.flush();
}

}  // namespace

GenerateOutput make_answer(const AnswerRequest& request, Output* out) {
  const InterruptScope interrupt(request.second_interrupt);
  Progress encoding(request.progress_prefix +
                    (request.media.pixel_values ? "looking" : "listening"));
  Progress reading(request.progress_prefix + "reading the prompt");
  std::string shown;
  bool is_first = true;

  GenerateOptions options;
  options.past_key_values = request.past_key_values;
  options.on_encode = [&](double fraction) {
    encoding.update(fraction);
    return !interrupt.requested();
  };
  options.on_prefill = [&](double fraction) {
    reading.update(fraction);
    return !interrupt.requested();
  };
  options.on_token = [&](const GenerationStep& step) {
    if (std::exchange(is_first, false)) {
      Progress::clear_line();
      if (request.on_prompt_read) request.on_prompt_read();
    }
    if (out != nullptr) {
      show(*out, step.text);
      shown += step.text;
    }
    return !interrupt.requested();
  };

  auto output = request.model.generate(request.prompt, request.media, request.config,
                                       request.tokenizer, options);
  Progress::clear_line();
  // The end of a text is certain only when nothing can follow it.
  const std::string_view text = output.text.at(0);
  if (out != nullptr && text.starts_with(shown)) show(*out, text.substr(shown.size()));
  return output;
}

}  // namespace gemma3n::cli
