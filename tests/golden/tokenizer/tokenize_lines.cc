// Answers requests for a tokenizer, one a line, so that a script can compare it with another:
//   tokenize_lines MODEL_DIR < requests > answers
// Texts are in hexadecimal, so that a line can hold any bytes.
//   E TEXT    encode with special tokens      -> ids
//   e TEXT    encode without special tokens   -> ids
//   d IDS     decode                          -> text
//   D IDS     decode, special tokens skipped  -> text
//   s IDS     as d, S IDS as D, one token at a time through the streaming decoder
// A request that fails is answered with "!" and the message.
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "gemma3n/tokenizer.h"

namespace {

using gemma3n::TokenId;
using gemma3n::Tokenizer;

constexpr char kDigits[] = "0123456789abcdef";

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::string to_hex(const std::string& bytes) {
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return hex;
}

std::vector<TokenId> read_ids(std::istringstream& line) {
  std::vector<TokenId> ids;
  for (TokenId id; line >> id;) ids.push_back(id);
  return ids;
}

std::string stream(const Tokenizer& tokenizer, const std::vector<TokenId>& ids, bool skip) {
  gemma3n::StreamingDecoder decoder(tokenizer, skip);
  std::string text;
  for (const TokenId id : ids) text += decoder.push(id);
  return text + decoder.finish();
}

std::string answer(const Tokenizer& tokenizer, const std::string& request) {
  std::istringstream line(request);
  char kind = 0;
  line >> kind;
  if (kind == 'E' || kind == 'e') {
    std::string hex, ids;
    line >> hex;
    for (const TokenId id : tokenizer.encode(from_hex(hex), kind == 'E')) {
      ids += (ids.empty() ? "" : " ") + std::to_string(id);
    }
    return ids;
  }
  const auto ids = read_ids(line);
  if (kind == 'd' || kind == 'D') return to_hex(tokenizer.decode(ids, kind == 'D'));
  if (kind == 's' || kind == 'S') return to_hex(stream(tokenizer, ids, kind == 'S'));
  return "! unknown request";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: " << argv[0] << " MODEL_DIR\n", 2;
  std::ios::sync_with_stdio(false);
  try {
    const Tokenizer tokenizer = Tokenizer::from_pretrained(argv[1]);
    for (std::string request; std::getline(std::cin, request);) {
      try {
        std::cout << answer(tokenizer, request) << '\n';
      } catch (const gemma3n::Error& error) {
        std::cout << "! " << error.what() << '\n';
      }
    }
  } catch (const gemma3n::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
