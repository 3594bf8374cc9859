#include "options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <charconv>

#include "gemma3n/error.h"

namespace gemma3n::cli {

struct Options::Impl {
  explicit Impl(const std::string& summary, const std::string& name) : app(summary, name) {}
  CLI::App app;
  std::string group = "Options";
};

namespace {

// How wide the column of option names is in the help.
constexpr std::size_t kHelpColumn = 30;

// `read` stores one argument; it is called once for each time the option is given.
CLI::Option* declare(CLI::App& app, const std::string& names,
                     std::function<void(const std::string&)> read, const std::string& help) {
  const auto store = [read = std::move(read)](const CLI::results_t& arguments) {
    for (const auto& argument : arguments) read(argument);
    return true;
  };
  return app.add_option(names, store, help)->type_size(1)->expected(1);
}

// "--max-tokens,--max-new-tokens" -> "--max-tokens": how messages call the option.
std::string first_name(const std::string& names) { return names.substr(0, names.find(',')); }

template <typename Number>
Number parse_number(std::string_view text, std::string_view what, std::string_view kind) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec == std::errc::result_out_of_range) {
    fail(ErrorCode::kInvalidArgument, what, ": ", text, " is out of range");
  }
  if (result.ec != std::errc() || result.ptr != end) {
    fail(ErrorCode::kInvalidArgument, what, ": expected ", kind, ", got '", text, "'");
  }
  return number;
}

// CLI11's messages are sentences of several forms; ours say what was expected and what was found.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  std::string message = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    const bool is_absent = message.ends_with("missing");
    return message.substr(0, message.find(':')) +
           (is_absent ? ": expected a value" : ": expected one value, got several");
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    for (const auto& argument : app.remaining()) {
      if (argument != "--") return "unexpected argument '" + argument + "'";
    }
  }
  while (message.ends_with('\n') || message.ends_with('.')) message.pop_back();
  if (message.size() > 1 && std::islower(static_cast<unsigned char>(message[1])) != 0) {
    message[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(message[0])));
  }
  return message;
}

}  // namespace

std::int64_t parse_integer(std::string_view text, std::string_view what) {
  return parse_number<std::int64_t>(text, what, "a whole number");
}

std::vector<std::int64_t> parse_integers(std::string_view text, std::string_view what) {
  std::vector<std::int64_t> numbers;
  while (true) {
    const auto comma = text.find(',');
    numbers.push_back(parse_integer(text.substr(0, comma), what));
    if (comma == std::string_view::npos) return numbers;
    text.remove_prefix(comma + 1);
  }
}

std::string command_line_library_version() { return "CLI11 " CLI11_VERSION; }

void Options::positional(const std::string& name, std::string& slot, const std::string& help) {
  declare(
      impl_.app, name, [&slot](const std::string& text) { slot = text; }, help)
      ->required();
}

void Options::positional(const std::string& name, std::optional<std::string>& slot,
                         const std::string& help) {
  declare(
      impl_.app, name, [&slot](const std::string& text) { slot = text; }, help);
}

void Options::positional(const std::string& name, std::vector<std::string>& slot,
                         const std::string& help) {
  declare(
      impl_.app, name, [&slot](const std::string& text) { slot.push_back(text); }, help)
      ->expected(-1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->required();
}

void Options::flag(const std::string& names, bool& slot, const std::string& help) {
  impl_.app.add_flag(names, slot, help)->group(impl_.group);
}

void Options::add(const std::string& names, const std::string& value,
                  std::optional<std::string>& slot, const std::string& help) {
  declare(
      impl_.app, names, [&slot](const std::string& text) { slot = text; }, help)
      ->option_text(value)
      ->group(impl_.group);
}

void Options::add(const std::string& names, const std::string& value,
                  std::optional<std::int64_t>& slot, const std::string& help) {
  const auto read = [&slot, name = first_name(names)](const std::string& text) {
    slot = parse_integer(text, name);
  };
  declare(impl_.app, names, read, help)->option_text(value)->group(impl_.group);
}

void Options::add(const std::string& names, const std::string& value,
                  std::optional<std::uint64_t>& slot, const std::string& help) {
  const auto read = [&slot, name = first_name(names)](const std::string& text) {
    slot = parse_number<std::uint64_t>(text, name, "a whole number, 0 or more");
  };
  declare(impl_.app, names, read, help)->option_text(value)->group(impl_.group);
}

void Options::add(const std::string& names, const std::string& value, std::optional<float>& slot,
                  const std::string& help) {
  const auto read = [&slot, name = first_name(names)](const std::string& text) {
    slot = parse_number<float>(text, name, "a number");
  };
  declare(impl_.app, names, read, help)->option_text(value)->group(impl_.group);
}

void Options::add(const std::string& names, const std::string& value,
                  std::vector<std::string>& slot, const std::string& help) {
  const auto read = [&slot](const std::string& text) { slot.push_back(text); };
  declare(impl_.app, names, read, help)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text(value)
      ->group(impl_.group);
}

void Options::add(const std::string& names, const std::string& value,
                  std::vector<std::int64_t>& slot, const std::string& help) {
  const auto read = [&slot, name = first_name(names)](const std::string& text) {
    slot = parse_integers(text, name);
  };
  declare(impl_.app, names, read, help)->option_text(value)->group(impl_.group);
}

void Options::heading(const std::string& title) { impl_.group = title; }

void Options::footer(const std::string& text) { impl_.app.footer(text); }

namespace {

// The formatter leaves two empty lines between groups; one is enough.
std::string help_text(const CLI::App& app) {
  std::string text = app.help();
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at)) {
    text.erase(at, 1);
  }
  return text;
}

// "--text=" means an empty text; CLI11 would take the next argument for it.
std::vector<std::string> split_empty_values(const std::vector<std::string>& arguments) {
  std::vector<std::string> split;
  bool are_options = true;
  for (const auto& argument : arguments) {
    are_options = are_options && argument != "--";
    if (are_options && argument.starts_with("--") && argument.find('=') + 1 == argument.size()) {
      split.push_back(argument.substr(0, argument.size() - 1));
      split.emplace_back();
    } else {
      split.push_back(argument);
    }
  }
  return split;
}

}  // namespace

Runner parse_options(const Command& command, const std::vector<std::string>& arguments) {
  Options::Impl impl(command.summary, "gemma3n " + command.name);
  impl.app.get_formatter()->column_width(kHelpColumn);
  impl.app.set_help_flag("-h,--help", "print this text");
  Options options(impl);
  Runner runner = command.declare(options);
  try {
    auto reversed = split_empty_values(arguments);
    std::ranges::reverse(reversed);
    impl.app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return [help = help_text(impl.app)](Output& out) {
      out.write(help);
      return 0;
    };
  } catch (const CLI::ParseError& error) {
    fail(ErrorCode::kInvalidArgument, usage_message(impl.app, error), "; see gemma3n ",
         command.name, " --help");
  }
  return runner;
}

}  // namespace gemma3n::cli
