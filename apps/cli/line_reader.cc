#include "line_reader.h"

#include <histedit.h>
#include <langinfo.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <system_error>

#include "messages.h"

namespace gemma3n::cli {

struct LineEditor {
  std::string prompt;
  std::filesystem::path history_file;
  bool is_interrupted = false;
  EditLine* line = nullptr;
  History* history = nullptr;

  ~LineEditor() {
    if (line != nullptr) ::el_end(line);
    if (history != nullptr) ::history_end(history);
  }
};

namespace {

constexpr int kHistoryLines = 1000;

LineEditor& editor_of(EditLine* line) {
  void* data = nullptr;
  ::el_get(line, EL_CLIENTDATA, &data);
  return *static_cast<LineEditor*>(data);
}

char* prompt_of(EditLine* line) { return editor_of(line).prompt.data(); }

// Bound to Ctrl-C: gives the line up.
unsigned char interrupt_line(EditLine* line, int) {
  editor_of(line).is_interrupted = true;
  return CC_EOF;
}

// Bound to Ctrl-Z: gives the terminal back to the shell until the program is continued.
unsigned char suspend(EditLine* line, int) {
  ::el_set(line, EL_PREP_TERM, 0);
  ::kill(0, SIGTSTP);
  ::el_set(line, EL_PREP_TERM, 1);
  return CC_REDISPLAY;
}

// libedit reads characters, not bytes: without a UTF-8 locale it would refuse all but ASCII.
void use_utf8_locale() {
  const bool is_set = std::setlocale(LC_CTYPE, "") != nullptr;
  if (is_set && std::string_view(::nl_langinfo(CODESET)) == "UTF-8") return;
  std::setlocale(LC_CTYPE, "C.UTF-8");
}

// Without a history the program is still of use, so failures only cost the history.
void load_history(LineEditor& editor) {
  HistEvent event;
  editor.history = ::history_init();
  if (editor.history == nullptr) return;
  ::history(editor.history, &event, H_SETSIZE, kHistoryLines);
  ::history(editor.history, &event, H_SETUNIQUE, 1);
  ::el_set(editor.line, EL_HIST, ::history, editor.history);
  if (editor.history_file.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(editor.history_file.parent_path(), ignored);
  ::history(editor.history, &event, H_LOAD, editor.history_file.c_str());
}

// Saved after every line: a closed terminal must not cost the session's history.
void remember(LineEditor& editor, const std::string& text) {
  if (editor.history == nullptr || text.empty()) return;
  HistEvent event;
  ::history(editor.history, &event, H_ENTER, text.c_str());
  if (editor.history_file.empty()) return;
  const mode_t outer = ::umask(S_IRWXG | S_IRWXO);  // what people ask is nobody else's business
  ::history(editor.history, &event, H_SAVE, editor.history_file.c_str());
  ::umask(outer);
}

std::unique_ptr<LineEditor> open_editor(const std::string& prompt,
                                        const std::filesystem::path& history_file) {
  use_utf8_locale();
  auto editor = std::make_unique<LineEditor>();
  editor->prompt = prompt;
  editor->history_file = history_file;
  // On standard error, because standard output carries only the answers.
  editor->line = ::el_init("gemma3n", stdin, stderr, stderr);
  if (editor->line == nullptr) return nullptr;
  ::el_set(editor->line, EL_CLIENTDATA, editor.get());
  ::el_set(editor->line, EL_PROMPT, prompt_of);
  ::el_set(editor->line, EL_EDITOR, "emacs");
  // While a line is edited, Ctrl-C and Ctrl-Z are keys like any other.
  ::el_set(editor->line, EL_SETTY, "-d", "-isig", nullptr);
  // The wide form, because the narrow one copies the strings and never frees them.
  ::el_wset(editor->line, EL_ADDFN, L"interrupt-line", L"Give up this line", interrupt_line);
  ::el_wset(editor->line, EL_ADDFN, L"suspend", L"Stop the program until fg", suspend);
  ::el_set(editor->line, EL_BIND, "^C", "interrupt-line", nullptr);
  ::el_set(editor->line, EL_BIND, "^Z", "suspend", nullptr);
  ::el_set(editor->line, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  load_history(*editor);
  ::el_source(editor->line, nullptr);  // the person's own key bindings
  return editor;
}

Line read_plain() {
  Line line;
  if (std::getline(std::cin, line.text)) line.kind = Line::Kind::kText;
  return line;
}

}  // namespace

LineReader::LineReader(const std::string& prompt, const std::filesystem::path& history_file) {
  if (::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1) {
    editor_ = open_editor(prompt, history_file);
  }
}

LineReader::~LineReader() = default;

Line LineReader::read() {
  if (!is_interactive()) return read_plain();
  editor_->is_interrupted = false;
  // Before the prompt is shown: what is typed at it are keys already, and Ctrl-C no signal.
  ::el_set(editor_->line, EL_PREP_TERM, 1);
  int length = 0;
  const char* const text = ::el_gets(editor_->line, &length);
  if (editor_->is_interrupted) {
    print_note("^C");
    return {Line::Kind::kInterrupted, ""};
  }
  if (text == nullptr || length <= 0) return {Line::Kind::kEnd, ""};
  Line line = {Line::Kind::kText, std::string(text)};
  while (line.text.ends_with('\n') || line.text.ends_with('\r')) line.text.pop_back();
  remember(*editor_, line.text);
  return line;
}

std::filesystem::path history_path() {
  const auto directory = [](const char* variable) -> std::filesystem::path {
    const char* const value = std::getenv(variable);
    const std::filesystem::path path = value == nullptr ? "" : value;
    return path.is_absolute() ? path : "";
  };
  if (const auto state = directory("XDG_STATE_HOME"); !state.empty()) {
    return state / "gemma3n" / "history";
  }
  const auto home = directory("HOME");
  return home.empty() ? home : home / ".local" / "state" / "gemma3n" / "history";
}

}  // namespace gemma3n::cli
