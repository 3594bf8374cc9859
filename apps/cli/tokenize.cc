// gemma3n tokenize MODEL: text -> ids and pieces, or ids -> text.
#include <memory>
#include <span>

#include "commands.h"
#include "gemma3n/tokenizer.h"
#include "input.h"
#include "json.h"
#include "messages.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

struct Arguments {
  std::string model;
  std::optional<std::string> text;
  bool decode = false, no_special_tokens = false, json = false;
};

// Ids separated by spaces, line feeds or commas; brackets around them are allowed.
std::vector<TokenId> read_ids(const std::string& text) {
  constexpr std::string_view kSeparators = " \t\r\n,[]";
  std::vector<TokenId> ids;
  std::size_t begin = text.find_first_not_of(kSeparators);
  while (begin != std::string::npos) {
    const auto end = text.find_first_of(kSeparators, begin);
    const auto word = std::string_view(text).substr(begin, end - begin);
    const auto number = parse_integer(word, "--decode");
    if (number < 0 || number > std::numeric_limits<TokenId>::max()) {
      fail(ErrorCode::kInvalidArgument, "--decode: ", word, " is not a token id");
    }
    ids.push_back(static_cast<TokenId>(number));
    begin = text.find_first_not_of(kSeparators, end);
  }
  return ids;
}

std::vector<std::string> pieces_of(const std::vector<TokenId>& ids, const Tokenizer& tokenizer) {
  std::vector<std::string> pieces;
  for (const TokenId id : ids) pieces.push_back(tokenizer.id_to_token(id).value_or(""));
  return pieces;
}

std::string pieces_table(const std::vector<TokenId>& ids, const Tokenizer& tokenizer) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto piece = tokenizer.id_to_token(ids[i]).value_or("");
    rows.push_back({std::to_string(ids[i]), visible_line(piece)});
  }
  return format_table({Align::kRight, Align::kLeft}, rows);
}

int run(const Arguments& arguments, Output& out) {
  const auto tokenizer = Tokenizer::from_pretrained(arguments.model);
  std::string text = text_or_standard_input(arguments.text);
  std::vector<TokenId> ids;
  if (arguments.decode) {
    ids = read_ids(text);
    text = tokenizer.decode(ids, arguments.no_special_tokens);
  } else {
    ids = tokenizer.encode(text, !arguments.no_special_tokens);
  }

  if (arguments.json) {
    const auto pieces = pieces_of(ids, tokenizer);
    Json json;
    json.begin_object()
        .member("text", text)
        .member("count", ids.size())
        .member("ids", std::span<const TokenId>(ids))
        .member("pieces", std::span<const std::string>(pieces))
        .end_object();
    out.write(json.text() + "\n");
  } else if (arguments.decode) {
    out.write_untrusted(text);
    out.write("\n");
  } else {
    out.write(pieces_table(ids, tokenizer));
  }
  return 0;
}

constexpr const char* kFooter = R"(
Only tokenizer.json (and tokenizer_config.json) of the folder is read. Text is taken byte for byte,
the line feed that ends a file included. The output has one line for each token: its id and its
piece; control characters are shown as ^J and the like.

--json prints one object: text, count, ids, pieces.

Examples:
  gemma3n tokenize gemma-3n-E2B-it --text "Hello, world"
  gemma3n tokenize gemma-3n-E2B-it --decode --text "2 9259 236764 1902"
)";

}  // namespace

Runner declare_tokenize(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model, "folder with tokenizer.json");
  options.add("--text", "TEXT", arguments->text, "the text, or the ids; else standard input");
  options.flag("--decode", arguments->decode, "turn ids, separated by spaces or commas, into text");
  options.flag("--no-special-tokens", arguments->no_special_tokens,
               "add no <bos>; with --decode, leave special tokens out");
  options.flag("--json", arguments->json, "print one JSON object");
  options.footer(kFooter);
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
