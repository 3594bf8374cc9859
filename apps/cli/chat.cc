// gemma3n chat [MODEL]: a conversation, line by line.
#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "answer.h"
#include "commands.h"
#include "demo_model.h"
#include "generation_options.h"
#include "input.h"
#include "line_reader.h"
#include "loading.h"
#include "media_options.h"
#include "messages.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

struct Arguments {
  std::optional<std::string> model;
  std::optional<std::string> system;
  std::optional<std::int64_t> threads;
  std::optional<std::string> quantize, size, draft;
  bool no_history = false;
  MediaOptions media;
  GenerationOptions generation;
};

// Shown by /help, and by --help.
constexpr std::string_view kChatHelp =
    R"(  /image SOURCE  show a picture with the next message: a path or a URL
  /audio SOURCE  play a sound with the next message
  /size NAME     answer with a part of the model: full, half, e2b, ... or a JSON file
  /reset         forget the conversation
  /system TEXT   set the system message and start again; without TEXT, show it
  /system ""     take the system message away and start again
  /help          list these commands
  /exit          leave, as does Ctrl-D
  //TEXT         say TEXT with one slash in front
  Ctrl-C         end the answer that is being written
)";

void print_notes(std::string_view lines) {
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    print_note(lines.substr(0, end));
    lines.remove_prefix(end + 1);
  }
}

void change_system(Chat& chat, const std::string& text) {
  if (text.empty()) {
    const auto& system = chat.system();
    print_note(system.empty() ? "there is no system message" : system);
    return;
  }
  chat.set_system(text == "\"\"" ? "" : text);
  print_note("the system message is set; the conversation starts again");
}

// config: of the whole model. A wrong name ends a script; a person gets the message.
void change_size(Chat& chat, const std::string& text, const TextConfig& config,
                 bool is_interactive) {
  try {
    if (text.empty()) {
      fail(ErrorCode::kInvalidArgument, "/size: expected a name or a JSON file");
    }
    chat.set_size(MatFormerConfig::from_text(text, config));
    print_note("from now on " + text + " answers");
  } catch (const Error& error) {
    if (!is_interactive || error.code() == ErrorCode::kInternal) throw;
    print_error(error.what());
  }
}

// What is to be said next, beside its text, and how it is loaded.
class PendingMedia {
 public:
  // `sample_rate_hz`: of the sounds; 0 if the checkpoint takes none.
  PendingMedia(const MediaOptions& options, int sample_rate_hz)
      : options_(options),
        sample_rate_hz_(sample_rate_hz),
        parts_(load_media_parts(options, sample_rate_hz)) {}

  void add_image(const std::string& source) {
    parts_.push_back(load_image_part(source, options_.limits()));
    const Image& image = *parts_.back().image;
    print_note("a picture of " + std::to_string(image.width) + " x " +
               std::to_string(image.height) + " goes with the next message");
  }

  void add_sound(const std::string& source) {
    if (source == "-") {
      fail(ErrorCode::kInvalidArgument, "/audio: standard input is the conversation; name a file");
    }
    double seconds = 0;
    for (auto& part :
         load_sound_parts(source, options_.long_audio_mode(), sample_rate_hz_, options_.limits())) {
      seconds += seconds_of(*part.audio);
      parts_.push_back(std::move(part));
    }
    print_note("a sound of " + fixed(seconds, 1) + " s goes with the next message");
  }

  void clear() { parts_.clear(); }
  // All of them, then the text; none is left.
  std::vector<Part> take_with(const std::string& text) {
    auto parts = std::exchange(parts_, {});
    parts.push_back(text_part(text));
    return parts;
  }

 private:
  const MediaOptions& options_;
  int sample_rate_hz_;
  std::vector<Part> parts_;
};

// A refused medium ends a script; a person gets the message.
void add_medium(const std::string& command, const std::string& source, bool is_interactive,
                PendingMedia& pending) {
  try {
    if (source.empty()) {
      fail(ErrorCode::kInvalidArgument, command, ": expected a path or a URL");
    }
    command == "/image" ? pending.add_image(source) : pending.add_sound(source);
  } catch (const Error& error) {
    if (!is_interactive || error.code() == ErrorCode::kInternal) throw;
    print_error(error.what());
  }
}

// Returns false to leave.
bool run_chat_command(const std::string& line, bool is_interactive, const TextConfig& config,
                      Chat& chat, PendingMedia& pending) {
  const auto space = line.find(' ');
  const auto name = line.substr(0, space);
  const auto rest = space == std::string::npos ? "" : without_surrounding_space(line.substr(space));
  if (name == "/exit" || name == "/quit") return false;
  if (name == "/image" || name == "/audio") {
    add_medium(name, rest, is_interactive, pending);
  } else if (name == "/reset") {
    chat.reset();
    pending.clear();
    print_note("the conversation starts again");
  } else if (name == "/size") {
    change_size(chat, rest, config, is_interactive);
  } else if (name == "/system") {
    change_system(chat, rest);
  } else if (name == "/help") {
    print_notes(kChatHelp);
  } else {
    print_error("no such command: '" + name + "'; /help lists them");
  }
  return true;
}

FinishReason answer(Chat& chat, const std::optional<ForCausalLM>& draft, std::vector<Part> message,
                    Output& out) {
  const bool has_images =
      std::ranges::any_of(message, [](const Part& part) { return !!part.image; });
  AnswerDisplay display({.out = &out,
                         .has_images = has_images,
                         .second_interrupt = InterruptScope::Second::kIsIgnored});
  auto options = display.generate_options();
  options.assistant_model = draft;
  return chat.reply(std::move(message), options).finish_reason;
}

// A refused message ends the answer, not the conversation; a script must not go on unaware.
void reply(Chat& chat, const std::optional<ForCausalLM>& draft, std::vector<Part> message,
           bool is_interactive, Output& out) {
  try {
    const auto reason = answer(chat, draft, std::move(message), out);
    out.write("\n");
    out.flush();
    if (!is_interactive) return;
    if (reason == FinishReason::kLength) print_note("[cut off at the length limit]");
    if (reason == FinishReason::kCancelled) print_note("[stopped]");
  } catch (const Error& error) {
    if (!is_interactive || error.code() == ErrorCode::kInternal) throw;
    if (!out.at_line_start()) out.write("\n");
    out.flush();
    print_error(error.what());
    if (error.code() == ErrorCode::kContextFull) print_note("(/reset starts a new conversation)");
  }
}

// config: of the whole model.
void converse(Chat& chat, const TextConfig& config, const std::optional<ForCausalLM>& draft,
              PendingMedia& pending, LineReader& lines, Output& out) {
  while (true) {
    const Line line = lines.read();
    if (line.kind == Line::Kind::kEnd) {
      if (lines.is_interactive()) print_note("");
      return;
    }
    if (line.kind == Line::Kind::kInterrupted) {
      print_note("(to leave: /exit or Ctrl-D)");
      continue;
    }
    std::string message = without_surrounding_space(line.text);
    if (message.empty()) continue;
    if (message.starts_with("//")) {
      message.erase(0, 1);
    } else if (message.starts_with('/')) {
      if (!run_chat_command(message, lines.is_interactive(), config, chat, pending)) return;
      continue;
    }
    reply(chat, draft, pending.take_with(message), lines.is_interactive(), out);
  }
}

int run(const Arguments& arguments, Output& out) {
  const auto chosen = model_or_demo(arguments.model);
  announce(chosen);
  const std::string& model_dir = chosen.dir;
  const auto processor = load_processor(model_dir, arguments.media);
  processor.chat_template();  // without one there is no conversation
  auto config = generation_config(
      arguments.generation, GenerationConfig::from_pretrained(model_dir), processor.tokenizer());
  config.num_return_sequences = 1;  // whatever the checkpoint says: there is one conversation
  const auto model =
      load_model(model_dir, thread_count(arguments.threads), quantization(arguments.quantize));

  PendingMedia pending(arguments.media, sample_rate_hz(processor));
  Chat chat(model, processor, config);
  if (arguments.size) chat.set_size(model_size(model_dir, arguments.size));
  if (arguments.system) chat.set_system(*arguments.system);
  LineReader lines("> ", arguments.no_history ? std::filesystem::path() : history_path());
  if (lines.is_interactive()) {
    print_note("Ctrl-C ends an answer, Ctrl-D or /exit leaves, /help lists the commands");
  }
  converse(chat, model.text().config(), draft_model(model.text(), arguments.draft), pending, lines,
           out);
  return 0;
}

constexpr std::string_view kAbout = R"(
Each line is one message. On a terminal, lines can be edited and earlier ones called back with the
arrow keys; the history is kept in $XDG_STATE_HOME/gemma3n/history (~/.local/state if not set) and
key bindings come from ~/.editrc. From a pipe or file, lines are read until the end, each answer is
printed and followed by a line feed, and an error ends the program.

The model keeps what it has read and seen, so only new messages are computed, up to the model's
context; after that, /reset. --image and --audio go with the first message.

Commands of the conversation:
)";

constexpr std::string_view kExample = R"(
Examples:
  gemma3n chat
  gemma3n chat gemma-3n-E2B-it --system "You are a patient teacher." --temperature 0.7
  gemma3n chat gemma-3n-E2B-it --image holiday.jpg
)";

}  // namespace

Runner declare_chat(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model,
                     "folder of the checkpoint; the demonstration model if absent");
  options.add("--system", "TEXT", arguments->system, "instructions that come before all messages");
  options.flag("--no-history", arguments->no_history, "neither read nor write the history file");
  declare_threads(options, arguments->threads);
  declare_quantize(options, arguments->quantize);
  declare_size(options, arguments->size);
  declare_draft(options, arguments->draft);
  declare_media_options(options, arguments->media);
  declare_generation_options(options, arguments->generation);
  options.footer(std::string(kAbout).append(kChatHelp).append(kExample));
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
