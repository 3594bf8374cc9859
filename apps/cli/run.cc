// gemma3n run [MODEL] [PROMPT]: one answer.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <span>

#include "answer.h"
#include "commands.h"
#include "demo_model.h"
#include "gemma3n/processor.h"
#include "generation_options.h"
#include "input.h"
#include "json.h"
#include "loading.h"
#include "media_options.h"
#include "messages.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::optional<std::string> model;
  std::optional<std::string> prompt;
  std::optional<std::string> system;
  std::optional<std::int64_t> threads;
  std::optional<std::string> quantize, size, draft;
  bool raw = false, json = false, timings = false;
  MediaOptions media;
  GenerationOptions generation;
};

struct Timings {
  double load_seconds = 0;
  double first_token_seconds = 0;  // from the start of the command; 0 if there was none
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double per_second(std::size_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0.0;
}

// The first new token comes out of the prompt's pass, so it is not a decode step.
double decode_tokens_per_second(const GenerateOutput& output) {
  const std::size_t sequences = output.new_tokens.size();
  const std::size_t steps =
      output.generated_tokens > sequences ? output.generated_tokens - sequences : 0;
  return per_second(steps, output.decode_seconds);
}

// Media can stand alone; then a terminal is not waited for.
std::string read_prompt(const Arguments& arguments) {
  const bool is_argument = arguments.prompt && *arguments.prompt != "-";
  const bool has_media = !arguments.media.images.empty() || !arguments.media.sounds.empty();
  const bool plays_input = std::ranges::count(arguments.media.sounds, "-") > 0;
  if (plays_input && arguments.prompt == "-") {
    fail(ErrorCode::kInvalidArgument, "standard input is either the prompt or --audio -, not both");
  }
  if (!arguments.prompt && has_media && (plays_input || standard_input_is_terminal())) return "";
  std::string prompt = text_or_standard_input(arguments.prompt);
  if (!is_argument && prompt.ends_with('\n')) {
    prompt.pop_back();
    if (prompt.ends_with('\r')) prompt.pop_back();
  }
  if (prompt.empty() && !has_media) {
    fail(ErrorCode::kInvalidArgument,
         "the prompt is empty; give it as an argument or on standard input");
  }
  return prompt;
}

// Without a template: the prompt says where the media stand, or they stand in front of it.
ProcessorOutput process_raw(const Processor& processor, const std::vector<Part>& media,
                            const std::string& prompt) {
  ProcessorInputs inputs;
  std::string in_front;
  const auto place = [&](const char* name) {
    const auto token = processor.tokenizer().named_token(name);
    if (token && prompt.find(*token) == std::string::npos) in_front += *token;
  };
  inputs.images.emplace_back();
  for (const auto& part : media) {
    if (part.image) {
      inputs.images.front().push_back(part.image);
      place("image_token");
    }
    if (part.audio) {
      inputs.audio.push_back(part.audio);
      place("audio_token");
    }
  }
  inputs.text = {in_front + prompt};
  return processor(inputs);
}

ProcessorOutput process(const Arguments& arguments, const Processor& processor,
                        std::vector<Part> parts, const std::string& prompt) {
  if (arguments.raw) return process_raw(processor, parts, prompt);
  std::vector<Message> messages;
  if (arguments.system) messages.push_back(text_message("system", *arguments.system));
  if (!prompt.empty()) parts.push_back(text_part(prompt));
  messages.push_back({"user", std::move(parts)});
  return processor.apply_chat_template(messages, {.add_generation_prompt = true});
}

std::size_t peak_resident_bytes() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  constexpr std::size_t kBytesPerUnit = 1024;
  return static_cast<std::size_t>(usage.ru_maxrss) * kBytesPerUnit;
}

std::string json_report(const Arguments& arguments, const GenerationConfig& config, int threads,
                        const GenerateOutput& output, const Timings& timings) {
  Json json;
  json.begin_object()
      .member("model", *arguments.model)
      .member("text", output.text.at(0))
      .member("finish_reason", finish_reason_name(output.finish_reasons.at(0)))
      .member("prompt_tokens", output.prompt_tokens)
      .member("generated_tokens", output.generated_tokens);
  json.key("sequences").begin_array();
  for (std::size_t i = 0; i < output.text.size(); ++i) {
    json.begin_object()
        .member("text", output.text[i])
        .member("finish_reason", finish_reason_name(output.finish_reasons.at(i)))
        .member("token_ids", std::span<const TokenId>(output.new_tokens.at(i)))
        .end_object();
  }
  json.end_array();
  if (arguments.size) json.member("size", *arguments.size);
  if (config.do_sample) json.member("seed", config.seed);
  if (arguments.draft) {
    json.member("draft_rounds", output.draft_rounds)
        .member("drafted_tokens", output.drafted_tokens)
        .member("accepted_tokens", output.accepted_tokens);
  }
  json.key("timings").begin_object();
  json.member("load_seconds", timings.load_seconds)
      .member("first_token_seconds", timings.first_token_seconds)
      .member("encode_seconds", output.encode_seconds)
      .member("prefill_seconds", output.prefill_seconds)
      .member("decode_seconds", output.decode_seconds)
      .member("prefill_tokens_per_second", per_second(output.prompt_tokens, output.prefill_seconds))
      .member("decode_tokens_per_second", decode_tokens_per_second(output))
      .end_object();
  json.member("threads", threads).member("peak_resident_bytes", peak_resident_bytes());
  return json.end_object().text() + "\n";
}

std::string timings_line(const GenerateOutput& output, const Timings& timings) {
  DraftTally drafts;
  drafts.add(output);
  const std::string encoding =
      output.encode_seconds > 0 ? "; media " + fixed(output.encode_seconds, 2) + " s" : "";
  return "load " + fixed(timings.load_seconds, 2) + " s" + encoding + "; prompt " +
         std::to_string(output.prompt_tokens) + " tokens, " +
         fixed(per_second(output.prompt_tokens, output.prefill_seconds), 1) + "/s; answer " +
         std::to_string(output.generated_tokens) + " tokens, " +
         fixed(decode_tokens_per_second(output), 2) + "/s" +
         (drafts.rounds > 0 ? "; " + drafts.text() : "") + "; first token after " +
         fixed(timings.first_token_seconds, 2) + " s";
}

// Plain text: a single answer was streamed already, several are printed now.
void finish_text(const GenerateOutput& output, Output& out) {
  if (output.text.size() == 1) {
    out.write("\n");
    return;
  }
  for (std::size_t i = 0; i < output.text.size(); ++i) {
    out.write("--- " + std::to_string(i + 1) + " ---\n");
    out.write_untrusted(output.text[i]);
    out.write("\n");
  }
}

GenerateOutput make_answer(const AnyModel& model, const std::optional<ForCausalLM>& draft,
                           const Processor& processor, const ProcessorOutput& inputs,
                           const GenerationConfig& config, AnswerDisplayOptions display_options) {
  AnswerDisplay display(std::move(display_options));
  auto options = display.generate_options();
  options.assistant_model = draft;
  return model.generate(inputs.input_ids, inputs.media, config, &processor.tokenizer(), options);
}

int run(Arguments arguments, Output& out) {
  const auto start = Clock::now();
  const auto chosen = model_or_demo(arguments.model, arguments.prompt);
  arguments.model = chosen.dir;
  if (arguments.raw && arguments.system) {
    fail(ErrorCode::kInvalidArgument, "--system needs the chat template, which --raw leaves out");
  }
  const std::string prompt = read_prompt(arguments);
  announce(chosen);
  const auto processor = load_processor(*arguments.model, arguments.media);
  const auto config =
      generation_config(arguments.generation, GenerationConfig::from_pretrained(*arguments.model),
                        processor.tokenizer());
  const auto inputs = process(arguments, processor,
                              load_media_parts(arguments.media, sample_rate_hz(processor)), prompt);

  const auto [model, draft] =
      load_model_and_draft(*arguments.model, thread_count(arguments.threads),
                           quantization(arguments.quantize), arguments.size, arguments.draft);
  Timings timings = {.load_seconds = seconds_since(start)};

  const bool streams = !arguments.json && config.num_return_sequences == 1;
  const auto output =
      make_answer(model, draft, processor, inputs, config,
                  {.out = streams ? &out : nullptr,
                   .has_images = !!inputs.media.pixel_values,
                   .on_prompt_read = [&] { timings.first_token_seconds = seconds_since(start); }});

  if (arguments.json) {
    out.write(json_report(arguments, config, model.text().threads(), output, timings));
  } else {
    finish_text(output, out);
  }
  out.flush();
  if (arguments.timings) print_note(timings_line(output, timings));
  return output.finish_reasons.at(0) == FinishReason::kCancelled ? kExitInterrupted : 0;
}

constexpr const char* kFooter = R"(
Without MODEL, the demonstration model answers: a toy that comes with the program and knows coloured
shapes, short speech and a small world. A single argument is the MODEL if it exists as a folder or
contains a slash and no space; otherwise it is the PROMPT.

The prompt is put into the checkpoint's own chat template, unless --raw is given. From standard
input, one final line feed is dropped. A prompt that begins with "-" needs "--" before it.

Pictures come first, then sounds, then the text; media alone are a prompt, too. With --raw, the
prompt may say where they stand, with the checkpoint's tokens (<image_soft_token>,
<audio_soft_token>). Pictures: JPEG, PNG, WebP, GIF, BMP. Sounds: WAV, FLAC, Ogg Vorbis, Opus, MP3;
on standard input also raw samples, 16 bits, little-endian, mono, 16 kHz. URLs are fetched within
10 s and 20 MB, and not from this machine or private networks unless --allow-private-urls is given.

With --draft a smaller part of the same model proposes some tokens at a time, which the model reads in
one go and keeps as far as it would have said them itself: the answer is the same, or with --sample of
the same distribution, and comes sooner where the proposals are good. --timings tells how many were.

Ctrl-C ends the answer: what there is of it is printed, and the exit code is 130.

--json prints one object when the answer is complete:
  model, text, finish_reason ("eos", "stop_string", "length", "cancelled"),
  prompt_tokens, generated_tokens, sequences (text, finish_reason, token_ids of each),
  size (if given), seed (if sampled), draft_rounds, drafted_tokens, accepted_tokens (with --draft),
  timings (seconds and tokens per second; encode_seconds is for pictures and sounds), threads,
  peak_resident_bytes

Examples:
  gemma3n run "What does a cow say?"
  gemma3n run gemma-3n-E2B-it "Name three rivers." --greedy
  gemma3n run gemma-3n-E2B-it --image a.jpg --image b.png "Which is cuter?"
  gemma3n run gemma-3n-E2B-it --audio speech.flac "Transcribe this."
  arecord -f S16_LE -r 16000 -d 5 | gemma3n run gemma-3n-E2B-it --audio -
  git diff | gemma3n run gemma-3n-E2B-it - --system "Write a commit message."
  gemma3n run gemma-3n-E2B --raw "Once upon a time" --temperature 0.8 --top-p 0.9 --seed 7
)";

}  // namespace

Runner declare_run(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model,
                     "folder of the checkpoint; the demonstration model if absent");
  options.positional("PROMPT", arguments->prompt,
                     "what to say to the model; standard input if absent or \"-\"");
  options.add("--system", "TEXT", arguments->system, "instructions that come before the prompt");
  options.flag("--raw", arguments->raw, "continue the prompt as it is, without a chat template");
  options.flag("--json", arguments->json, "print one JSON object instead of text");
  options.flag("--timings", arguments->timings, "tell the speed on standard error");
  declare_threads(options, arguments->threads);
  declare_quantize(options, arguments->quantize);
  declare_size(options, arguments->size);
  declare_draft(options, arguments->draft);
  declare_media_options(options, arguments->media);
  declare_generation_options(options, arguments->generation);
  declare_num_return_sequences(options, arguments->generation);
  options.footer(kFooter);
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
