// Text <-> token ids, as Hugging Face `tokenizers` does it for Gemma's tokenizer.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/error.h"

namespace gemma3n {

using TokenId = std::int32_t;

// A string that becomes one token wherever it stands in a text. Names are those of tokenizer.json.
// No `single_word`: Gemma has none, and it is refused.
struct AddedToken {
  std::string content;
  TokenId id = -1;
  bool lstrip = false;      // takes the whitespace before it
  bool rstrip = false;      // takes the whitespace behind it
  bool normalized = false;  // looked for after normalisation instead of before
  bool special = false;     // dropped by skip_special_tokens
};

// Which added tokens become their ids where they are spelled in a text.
enum class SpelledTokens {
  kAll,
  kNotSpecial,  // special ones are plain text, as with HF's split_special_tokens
  kNone,
};

// Immutable after construction; copies share the tables; safe to use from many threads.
class Tokenizer {
 public:
  // Reads tokenizer.json (required), tokenizer_config.json and special_tokens_map.json (optional).
  // Throws: kNotFound (no tokenizer.json), kCorruptData, kUnsupported (a model, normalizer,
  // pre-tokenizer, decoder or post-processor other than Gemma's). The message names file and field.
  // "truncation" and "padding" are ignored, as transformers does for a single text.
  static Tokenizer from_pretrained(const std::filesystem::path& model_dir);
  // The same from memory. `tokenizer_config` may be empty.
  static Tokenizer from_json(std::string_view tokenizer_json,
                             std::string_view tokenizer_config = {});

  // Added tokens spelled in `text` become their ids, as in HF, unless `spelled` says otherwise.
  // Bytes that are not valid UTF-8 are refused. `add_special_tokens` runs the post-processor (for
  // Gemma: <bos> in front); as in transformers 5, "add_bos_token" and "add_eos_token" of
  // tokenizer_config.json change nothing. Time is linear in the text. Throws: kInvalidArgument
  // naming the byte offset of invalid UTF-8, or for a text of more than 1 GiB.
  std::vector<TokenId> encode(std::string_view text, bool add_special_tokens = true,
                              SpelledTokens spelled = SpelledTokens::kAll) const;

  // Ids that have no token are skipped; broken byte sequences become U+FFFD, as in HF.
  std::string decode(std::span<const TokenId> ids, bool skip_special_tokens = false) const;

  std::optional<TokenId> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(TokenId id) const;  // the piece, e.g. "▁hello", "<0x0A>"
  std::size_t vocab_size() const;                            // tokens, added ones included
  std::size_t base_vocab_size() const;                       // tokens of tokenizer.json's model
  TokenId id_limit() const;                                  // all ids are below; there may be gaps
  bool is_special(TokenId id) const;                         // dropped by skip_special_tokens
  const std::vector<AddedToken>& added_tokens() const;       // by id

  // What add_special_tokens puts before and behind a text.
  std::span<const TokenId> prefix() const;
  std::span<const TokenId> suffix() const;

  // The named tokens of tokenizer_config.json; absent if the checkpoint does not declare them.
  std::optional<TokenId> bos_token_id() const;
  std::optional<TokenId> eos_token_id() const;
  std::optional<TokenId> pad_token_id() const;
  std::optional<TokenId> unk_token_id() const;
  // Any other declared name: "mask_token", "boi_token", "image_token", "audio_token", ...
  std::optional<std::string> named_token(std::string_view name) const;

 private:
  friend class StreamingDecoder;
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// Decodes one token at a time. The concatenation of all push() results and finish() equals
// Tokenizer::decode of all ids; no result ever ends inside a UTF-8 character. Byte tokens in a row
// wait for the row to end, since one broken byte turns the whole row into U+FFFD. Not thread-safe.
class StreamingDecoder {
 public:
  explicit StreamingDecoder(Tokenizer tokenizer, bool skip_special_tokens = true);
  std::string push(TokenId id);  // the text that has become certain; may be empty
  std::string finish();          // what is left; the decoder is then as new

 private:
  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  std::string pending_;  // the row of byte tokens that has not ended yet
};

}  // namespace gemma3n
