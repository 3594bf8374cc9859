// gemma3n chat MODEL: a conversation, line by line.
#include <memory>
#include <string_view>

#include "commands.h"
#include "conversation.h"
#include "generation_options.h"
#include "line_reader.h"
#include "loading.h"
#include "messages.h"

namespace gemma3n::cli {
namespace {

struct Arguments {
  std::string model;
  std::optional<std::string> system;
  std::optional<std::int64_t> threads;
  bool no_history = false;
  GenerationOptions generation;
};

// Shown by /help, and by --help.
constexpr std::string_view kChatHelp =
    R"(  /reset         forget the conversation
  /system TEXT   set the system message and start again; without TEXT, show it
  /system ""     take the system message away and start again
  /help          list these commands
  /exit          leave, as does Ctrl-D
  //TEXT         say TEXT with one slash in front
  Ctrl-C         end the answer that is being written
)";

std::string without_surrounding_space(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

void print_notes(std::string_view lines) {
  while (!lines.empty()) {
    const auto end = lines.find('\n');
    print_note(lines.substr(0, end));
    lines.remove_prefix(end + 1);
  }
}

void change_system(Conversation& conversation, const std::string& text) {
  if (text.empty()) {
    const auto& system = conversation.system();
    print_note(system.empty() ? "there is no system message" : system);
    return;
  }
  conversation.set_system(text == "\"\"" ? "" : text);
  print_note("the system message is set; the conversation starts again");
}

// Returns false to leave.
bool run_chat_command(const std::string& line, Conversation& conversation) {
  const auto space = line.find(' ');
  const auto name = line.substr(0, space);
  const auto rest = space == std::string::npos ? "" : without_surrounding_space(line.substr(space));
  if (name == "/exit" || name == "/quit") return false;
  if (name == "/reset") {
    conversation.reset();
    print_note("the conversation starts again");
  } else if (name == "/system") {
    change_system(conversation, rest);
  } else if (name == "/help") {
    print_notes(kChatHelp);
  } else {
    print_error("no such command: '" + name + "'; /help lists them");
  }
  return true;
}

// A refused message ends the answer, not the conversation; a script must not go on unaware.
void reply(Conversation& conversation, const std::string& message, bool is_interactive,
           Output& out) {
  try {
    const auto reason = conversation.reply(message, out);
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

void converse(Conversation& conversation, LineReader& lines, Output& out) {
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
      if (!run_chat_command(message, conversation)) return;
      continue;
    }
    reply(conversation, message, lines.is_interactive(), out);
  }
}

int run(const Arguments& arguments, Output& out) {
  const auto tokenizer = Tokenizer::from_pretrained(arguments.model);
  const auto chat_template = ChatTemplate::from_pretrained(arguments.model);
  auto config = generation_config(arguments.generation,
                                  GenerationConfig::from_pretrained(arguments.model), tokenizer);
  config.num_return_sequences = 1;  // whatever the checkpoint says: there is one conversation
  const auto model = load_model(arguments.model, thread_count(arguments.threads));

  Conversation conversation(model, tokenizer, chat_template, config);
  if (arguments.system) conversation.set_system(*arguments.system);
  LineReader lines("> ", arguments.no_history ? std::filesystem::path() : history_path());
  if (lines.is_interactive()) {
    print_note("Ctrl-C ends an answer, Ctrl-D or /exit leaves, /help lists the commands");
  }
  converse(conversation, lines, out);
  return 0;
}

constexpr std::string_view kAbout = R"(
Each line is one message. On a terminal, lines can be edited and earlier ones called back with the
arrow keys; the history is kept in $XDG_STATE_HOME/gemma3n/history (~/.local/state if not set) and
key bindings come from ~/.editrc. From a pipe or file, lines are read until the end, each answer is
printed and followed by a line feed, and an error ends the program.

The model keeps what it has read, so only new messages are computed, up to the model's context;
after that, /reset.

Commands of the conversation:
)";

constexpr std::string_view kExample = R"(
Example:
  gemma3n chat gemma-3n-E2B-it --system "You are a patient teacher." --temperature 0.7
)";

}  // namespace

Runner declare_chat(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model, "folder of the checkpoint");
  options.add("--system", "TEXT", arguments->system, "instructions that come before all messages");
  options.flag("--no-history", arguments->no_history, "neither read nor write the history file");
  declare_threads(options, arguments->threads);
  declare_generation_options(options, arguments->generation);
  options.footer(std::string(kAbout).append(kChatHelp).append(kExample));
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
