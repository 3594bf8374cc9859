// What the program says on standard error, and how text of unknown origin is made safe to show.
#pragma once

#include <string>
#include <string_view>

namespace gemma3n::cli {

// Control characters in caret notation ("^[" for escape, "<U+009B>" for the C1 set), except line
// feed and tab. `text` is UTF-8.
std::string visible_controls(std::string_view text);

// The same for one line: line feeds and tabs are shown too.
std::string visible_line(std::string_view text);

void print_error(std::string_view message);    // "gemma3n: error: ..."
void print_warning(std::string_view message);  // "gemma3n: warning: ..."
void print_note(std::string_view message);     // the message alone, for people at a terminal

}  // namespace gemma3n::cli
