// A small tokenizer.json in Gemma's form, for tests: a base that each test changes.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma3n {

using Json = nlohmann::ordered_json;

inline Json added_token_json(int id, std::string_view content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

// Ids: 0-4 named tokens, 5 <turn> (added, not special), 6-261 bytes, then characters and merges.
inline Json test_tokenizer_json() {
  const std::vector<std::pair<const char*, const char*>> merges = {
      {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"▁", "hello"},
      {"▁", "▁"}, {"a", "b"}, {"b", "c"},   {"ab", "c"},   {"▁▁", "▁▁"}};
  Json vocab = Json::object(), added = Json::array(), pairs = Json::array();
  int id = 0;
  for (const char* name : {"<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<turn>"}) {
    added.push_back(added_token_json(id, name, id < 4));
    vocab[name] = id++;
  }
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", static_cast<unsigned>(byte));
    vocab[name] = id++;
  }
  for (const char* piece : {"▁", "h", "e", "l", "o", "a", "b", "c", "d", "é"}) vocab[piece] = id++;
  for (const auto& [left, right] : merges) {
    pairs.push_back({left, right});
    const std::string result = std::string(left) + right;
    if (!vocab.contains(result)) vocab[result] = id++;
  }
  Json file = Json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                      "behavior": "MergedWithPrevious", "invert": false},
    "post_processor": {
      "type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [],
      "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}}},
    "decoder": {"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
      {"type": "ByteFallback"}, {"type": "Fuse"}]},
    "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>",
              "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true,
              "byte_fallback": true, "ignore_merges": false}})");
  file["added_tokens"] = added;
  file["model"]["vocab"] = vocab;
  file["model"]["merges"] = pairs;
  return file;
}

}  // namespace gemma3n
