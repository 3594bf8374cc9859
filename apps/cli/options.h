// The command line: options are declared once, with their help, and stored where the declaration
// says. The only file that knows the command line library is options.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "output.h"

namespace gemma3n::cli {

// The options of one subcommand. Each slot must live until the subcommand has run.
// `names` is a comma-separated list: "--max-tokens,--max-new-tokens".   `value` is what the help
// calls the argument: "N".
// A value that cannot be read is kInvalidArgument: "--top-k: expected a whole number, got 'abc'".
class Options {
 public:
  struct Impl;
  explicit Options(Impl& impl) : impl_(impl) {}

  void positional(const std::string& name, std::string& slot, const std::string& help);
  void positional(const std::string& name, std::optional<std::string>& slot,
                  const std::string& help);
  // One or more, the last of all.
  void positional(const std::string& name, std::vector<std::string>& slot, const std::string& help);
  void flag(const std::string& names, bool& slot, const std::string& help);
  void add(const std::string& names, const std::string& value, std::optional<std::string>& slot,
           const std::string& help);
  void add(const std::string& names, const std::string& value, std::optional<std::int64_t>& slot,
           const std::string& help);
  void add(const std::string& names, const std::string& value, std::optional<std::uint64_t>& slot,
           const std::string& help);
  void add(const std::string& names, const std::string& value, std::optional<float>& slot,
           const std::string& help);
  // May be given several times.
  void add(const std::string& names, const std::string& value, std::vector<std::string>& slot,
           const std::string& help);
  // Numbers separated by commas.
  void add(const std::string& names, const std::string& value, std::vector<std::int64_t>& slot,
           const std::string& help);
  // The options that follow are listed under this heading.
  void heading(const std::string& title);
  void footer(const std::string& text);  // printed below the options

 private:
  Impl& impl_;
};

// Runs the subcommand with the values parsed; returns the exit code.
using Runner = std::function<int(Output&)>;

// A subcommand of `gemma3n`. Each lives in its own file and is listed once, in main.cc.
struct Command {
  std::string name;
  std::string summary;
  Runner (*declare)(Options& options);
};

// Declares the options of `command`, reads `arguments` (those after its name) and returns what is
// to be done. A request for help is a Runner too: it prints the help. Throws: kInvalidArgument for
// a command line that does not fit the declarations.
Runner parse_options(const Command& command, const std::vector<std::string>& arguments);

// The whole of `text` as a number.   what: how messages call it, "--top-k".
// Throws: kInvalidArgument.
std::int64_t parse_integer(std::string_view text, std::string_view what);
std::vector<std::int64_t> parse_integers(std::string_view text, std::string_view what);

std::string command_line_library_version();  // "CLI11 2.1.2"

}  // namespace gemma3n::cli
