// tokenizer_config.json and special_tokens_map.json: which tokens have names and are special.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/added_tokens.h"

namespace gemma3n {

// Not here: "add_bos_token" and "add_eos_token". Beside a tokenizer.json, whose post-processor says
// what stands around a text, transformers ignores both.
struct TokenizerConfig {
  // "bos_token" -> <bos>, ...; nothing where the file says null.
  std::map<std::string, std::optional<AddedToken>, std::less<>> named_tokens;
  std::vector<AddedToken> extra_special_tokens;  // those without a name
  std::vector<AddedToken> added_tokens_decoder;  // with their ids
  bool has_gemma_defaults = true;  // the class is Gemma's, which names <bos>, <eos>, ... itself
};

// Either text may be empty: then there is no such file. The map counts only where the config has
// no "added_tokens_decoder".   Ref: transformers PreTrainedTokenizerBase._from_pretrained.
// Throws: kCorruptData. Messages begin with the file and the field.
TokenizerConfig parse_tokenizer_config(const std::string& config, const std::string& special_map);

}  // namespace gemma3n
