#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "base/utf8.h"

namespace gemma3n {
namespace {

// Unicode's White_Space property, which is \s of the regular expressions in `tokenizers`.
bool is_whitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// Where the whitespace that ends at `end` begins, at or behind `floor`.
std::size_t whitespace_begin(std::string_view text, std::size_t floor, std::size_t end) {
  while (end > floor) {
    std::size_t begin = end - 1;
    while (begin > floor && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    std::size_t pos = begin;
    if (!is_whitespace(next_code_point(text, pos))) break;
    end = begin;
  }
  return end;
}

std::size_t whitespace_end(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    std::size_t pos = begin;
    if (!is_whitespace(next_code_point(text, pos))) break;
    begin = pos;
  }
  return begin;
}

std::uint64_t edge_key(std::uint32_t node, char byte) {
  return (std::uint64_t{node} << 8) | static_cast<unsigned char>(byte);
}

}  // namespace

void expect_supported(const AddedToken& token, bool single_word, const std::string& where) {
  // Bounds the work per byte of text that a hostile file can cause.
  constexpr std::size_t kMaxContentBytes = 256;
  if (token.content.empty()) fail(ErrorCode::kCorruptData, where, ".content: is empty");
  if (token.content.size() > kMaxContentBytes) {
    fail(ErrorCode::kUnsupported, where, ".content: has ", token.content.size(),
         " bytes, supported are up to ", kMaxContentBytes);
  }
  if (single_word) {
    fail(ErrorCode::kUnsupported, where, ".single_word: expected false, got true");
  }
  if (token.normalized && token.content.find(' ') != std::string::npos) {
    fail(ErrorCode::kUnsupported, where, ": ", quoted_text(token.content),
         " has a space and is normalized, supported is one of the two");
  }
}

AddedTokenFinder::AddedTokenFinder() : ends_(1) {}

void AddedTokenFinder::add(const AddedToken& token) {
  starts_[static_cast<unsigned char>(token.content.at(0))] = true;
  std::uint32_t node = 0;
  for (const char byte : token.content) {
    const std::uint32_t* next = edges_.find(edge_key(node, byte));
    if (next != nullptr) {
      node = *next;
      continue;
    }
    const auto fresh = static_cast<std::uint32_t>(ends_.size());
    edges_.assign(edge_key(node, byte), fresh);
    ends_.emplace_back();
    node = fresh;
  }
  ends_[node] = {token.id, token.lstrip, token.rstrip};
}

AddedTokenFinder::Match AddedTokenFinder::longest_match(std::string_view text,
                                                        std::size_t begin) const {
  Match match;
  std::uint32_t node = 0;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const std::uint32_t* next = edges_.find(edge_key(node, text[i]));
    if (next == nullptr) break;
    node = *next;
    if (ends_[node].id != kNoToken) match = {ends_[node], i + 1 - begin};
  }
  return match;
}

void AddedTokenFinder::split(std::string_view text,
                             const std::function<void(const Split&)>& visit) const {
  std::size_t rest = 0;          // begin of the text that no split covers yet
  std::size_t stripped_end = 0;  // end of the last whitespace that an rstrip token took
  for (std::size_t i = 0; i < text.size();) {
    if (!starts_[static_cast<unsigned char>(text[i])]) {
      ++i;
      continue;
    }
    const Match match = longest_match(text, i);
    if (match.length == 0) {
      ++i;
      continue;
    }
    std::size_t begin = i, end = i + match.length;
    i = end;
    if (match.token.left)
      begin = std::max(rest, whitespace_begin(text, std::min(rest, begin), begin));
    if (match.token.right) {
      // Whitespace inside whitespace that was measured already ends where that ended.
      if (end >= stripped_end) stripped_end = whitespace_end(text, end);
      end = stripped_end;
    }
    if (rest < begin) visit({kNoToken, text.substr(rest, begin - rest)});
    visit({match.token.id, text.substr(i - match.length, match.length)});
    // A token made of whitespace may stand inside what an rstrip token took: then this goes back.
    rest = end;
  }
  if (rest < text.size()) visit({kNoToken, text.substr(rest)});
}

}  // namespace gemma3n
