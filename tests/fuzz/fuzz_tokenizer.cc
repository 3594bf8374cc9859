// Input: a letter, then what it says.
//   t  text for a fixed tokenizer     i  two bytes for each id to decode with it
//   j  a tokenizer.json               c  a tokenizer_config.json for the fixed tokenizer
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/tokenizer.h"

namespace {

using gemma3n::Error;
using gemma3n::ErrorCode;
using gemma3n::TokenId;
using gemma3n::Tokenizer;

std::string fixed_json() {
  std::string vocab;
  int id = 0;
  const auto add = [&](const std::string& piece) {
    vocab += (id == 0 ? "\"" : ",\"") + piece + "\":" + std::to_string(id);
    ++id;
  };
  for (const char* name : {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>"}) add(name);
  for (unsigned byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    add(name);
  }
  for (const char* piece : {"▁", "a", "b", "é", "ab", "▁▁", "aa", "aaa", "▁a", "aab"}) add(piece);
  return R"({"version":"1.0","added_tokens":[)"
         R"({"id":2,"content":"<bos>","normalized":false,"special":true},)"
         R"({"id":4,"content":"<mask>","lstrip":true,"normalized":false},)"
         R"({"id":266,"content":"▁▁","normalized":true}],)"
         R"("normalizer":{"type":"Replace","pattern":{"String":" "},"content":"▁"},)"
         R"("decoder":{"type":"Sequence","decoders":[)"
         R"({"type":"Replace","pattern":{"String":"▁"},"content":" "},)"
         R"({"type":"ByteFallback"},{"type":"Fuse"}]},)"
         R"("model":{"type":"BPE","byte_fallback":true,"vocab":{)" +
         vocab + R"(},"merges":["aa b","a b","▁ a","a a","aa a"]}})";
}

const Tokenizer& fixed_tokenizer() {
  static const Tokenizer tokenizer = Tokenizer::from_json(fixed_json());
  return tokenizer;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

void check_ids(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  for (const bool skip : {false, true}) {
    gemma3n::StreamingDecoder decoder(tokenizer, skip);
    std::string streamed;
    for (const TokenId id : ids) streamed += decoder.push(id);
    streamed += decoder.finish();
    require(streamed == tokenizer.decode(ids, skip), "streaming decoder equals decode");
  }
}

void check_text(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text);
  for (const TokenId id : ids) require(tokenizer.id_to_token(id).has_value(), "ids have pieces");
  check_ids(tokenizer, ids);
}

void run(char kind, std::string_view rest) {
  if (kind == 't') return check_text(fixed_tokenizer(), rest);
  if (kind == 'i') {
    std::vector<TokenId> ids;
    for (std::size_t i = 0; i + 1 < rest.size(); i += 2) {
      ids.push_back(static_cast<TokenId>(static_cast<unsigned char>(rest[i]) << 8 |
                                         static_cast<unsigned char>(rest[i + 1])) -
                    8);
    }
    return check_ids(fixed_tokenizer(), ids);
  }
  constexpr std::string_view kText = "aab  aé<bos> <mask>\n▁😀 hello aaaab";
  if (kind == 'j') return check_text(Tokenizer::from_json(rest), kText);
  if (kind == 'c' && !rest.empty()) {
    check_text(Tokenizer::from_json(fixed_json(), rest), kText);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    run(input[0], input.substr(1));
  } catch (const Error& error) {
    require(error.code() != ErrorCode::kInternal, error.what());
  }
  return 0;
}
