#include "gemma3n/tokenizer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/mapped_file.h"
#include "base/utf8.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_json.h"

namespace gemma3n {
namespace {

// Positions inside a text are 32 bits wide, and normalisation may make it three times as long.
constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;

// What transformers' GemmaTokenizer names if tokenizer_config.json does not.
constexpr std::pair<const char*, const char*> kDefaultNames[] = {{"bos_token", "<bos>"},
                                                                 {"eos_token", "<eos>"},
                                                                 {"unk_token", "<unk>"},
                                                                 {"pad_token", "<pad>"},
                                                                 {"mask_token", "<mask>"}};

// Gemma's tokenizer.json has 33 MB.
constexpr std::size_t kMaxFileBytes = std::size_t{1} << 28;

std::string read_optional_file(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return {};
  return read_text_file(path, kMaxFileBytes);
}

// Finds added tokens in a text.
struct Finders {
  AddedTokenFinder raw;         // in the text as it is
  AddedTokenFinder normalized;  // in what stands between, normalised

  void add(const AddedToken& token) { (token.normalized ? normalized : raw).add(token); }
};

}  // namespace

struct Tokenizer::Impl {
  Impl(TokenizerJson file, const TokenizerConfig& config);

  void declare_tokens(std::vector<AddedToken> from_file, const TokenizerConfig& config);
  void name_token(const std::string& name, AddedToken token, std::map<TokenId, AddedToken>& added);
  std::optional<TokenId> id_of_name(std::string_view name) const;
  void encode(std::string_view text, SpelledTokens spelled, std::vector<TokenId>& ids) const;
  // Whether decode() leaves the token out.
  bool is_dropped(TokenId id, bool skip_special_tokens) const {
    return vocabulary.piece(id).empty() ||
           (skip_special_tokens && is_special[static_cast<std::size_t>(id)]);
  }

  Vocabulary vocabulary;
  std::size_t base_vocab_size;
  Bpe bpe;
  Finders finders, finders_of_not_special, no_finders;
  std::vector<AddedToken> added_tokens;  // by id
  std::vector<bool> is_special;          // by id
  std::map<std::string, TokenId, std::less<>> named_tokens;
  std::vector<TokenId> prefix, suffix;  // around a text encoded with special tokens
};

Tokenizer::Impl::Impl(TokenizerJson file, const TokenizerConfig& config)
    : vocabulary(std::move(file.vocabulary)),
      base_vocab_size(file.base_vocab_size),
      bpe(vocabulary, file.merges),
      is_special(vocabulary.id_limit()),
      prefix(std::move(file.prefix)),
      suffix(std::move(file.suffix)) {
  declare_tokens(std::move(file.added_tokens), config);
}

// Differs: transformers forgets the added tokens of tokenizer.json if tokenizer_config.json lists
// some; here they stay, and the list changes their flags.
// Differs: a token that tokenizer.json does not have is refused; transformers invents an id.
// Ref: transformers TokenizersBackend.__init__.
void Tokenizer::Impl::declare_tokens(std::vector<AddedToken> from_file,
                                     const TokenizerConfig& config) {
  std::map<TokenId, AddedToken> added;
  for (AddedToken& token : from_file) added[token.id] = std::move(token);
  for (const AddedToken& token : config.added_tokens_decoder) {
    if (vocabulary.find(token.content) != token.id) {
      fail(ErrorCode::kCorruptData, "tokenizer_config.json: added_tokens_decoder.", token.id,
           ": tokenizer.json has no token ", quoted_text(token.content), " with this id");
    }
    added[token.id] = token;
  }
  for (const auto& [name, token] : config.named_tokens) {
    if (token) name_token(name, *token, added);
  }
  for (const auto& [name, content] : kDefaultNames) {
    const bool is_default = config.has_gemma_defaults && !config.named_tokens.contains(name);
    if (!is_default || vocabulary.find(content) == kNoToken) continue;
    name_token(name, {.content = content, .special = true}, added);
  }
  for (AddedToken token : config.extra_special_tokens) {
    token.id = vocabulary.find(token.content);
    if (token.id == kNoToken) {
      fail(ErrorCode::kCorruptData, "tokenizer_config.json: extra special token ",
           quoted_text(token.content), " is not in tokenizer.json");
    }
    added.emplace(token.id, token);
  }
  for (const auto& [id, token] : added) {
    is_special[static_cast<std::size_t>(id)] = token.special;
    finders.add(token);
    if (!token.special) finders_of_not_special.add(token);
    added_tokens.push_back(token);
  }
}

void Tokenizer::Impl::name_token(const std::string& name, AddedToken token,
                                 std::map<TokenId, AddedToken>& added) {
  token.id = vocabulary.find(token.content);
  if (token.id == kNoToken) {
    fail(ErrorCode::kCorruptData, "tokenizer_config.json: ", name, ": ", quoted_text(token.content),
         " is not in tokenizer.json");
  }
  added.emplace(token.id, token).first->second.special = true;
  named_tokens[name] = token.id;
}

std::optional<TokenId> Tokenizer::Impl::id_of_name(std::string_view name) const {
  const auto found = named_tokens.find(name);
  if (found == named_tokens.end()) return std::nullopt;
  return found->second;
}

void Tokenizer::Impl::encode(std::string_view text, SpelledTokens spelled,
                             std::vector<TokenId>& ids) const {
  const Finders& found = spelled == SpelledTokens::kAll          ? finders
                         : spelled == SpelledTokens::kNotSpecial ? finders_of_not_special
                                                                 : no_finders;
  const auto spaces = static_cast<std::size_t>(std::count(text.begin(), text.end(), ' '));
  std::string normalized;
  normalized.reserve(text.size() + spaces * (kSpaceMark.size() - 1));  // never moves: see below
  BpeEncoder encoder(bpe, ids, text.size());

  const auto encode_part = [&](const AddedTokenFinder::Split& part) {
    if (part.id != kNoToken) {
      ids.push_back(part.id);
    } else {
      encoder.encode(part.text);
    }
  };
  found.raw.split(text, [&](const AddedTokenFinder::Split& part) {
    if (part.id != kNoToken) {
      ids.push_back(part.id);
      return;
    }
    // The encoder remembers words where they stand in `normalized`.
    const std::size_t begin = normalized.size();
    append_normalized(part.text, normalized);
    found.normalized.split(std::string_view(normalized).substr(begin), encode_part);
  });
}

Tokenizer Tokenizer::from_pretrained(const std::filesystem::path& model_dir) {
  const auto path = model_dir / "tokenizer.json";
  const std::string json = read_text_file(path, kMaxFileBytes);
  const auto config =
      parse_tokenizer_config(read_optional_file(model_dir / "tokenizer_config.json"),
                             read_optional_file(model_dir / "special_tokens_map.json"));
  try {
    return Tokenizer(std::make_shared<const Impl>(parse_tokenizer_json(json), config));
  } catch (const Error& error) {
    fail(error.code(), path.string(), ": ", error.what());
  }
}

Tokenizer Tokenizer::from_json(std::string_view tokenizer_json, std::string_view tokenizer_config) {
  const auto config = parse_tokenizer_config(std::string(tokenizer_config), {});
  return Tokenizer(
      std::make_shared<const Impl>(parse_tokenizer_json(std::string(tokenizer_json)), config));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool add_special_tokens,
                                       SpelledTokens spelled) const {
  if (text.size() > kMaxTextBytes) {
    fail(ErrorCode::kInvalidArgument, "encode: the text has ", text.size(),
         " bytes, supported are up to ", kMaxTextBytes);
  }
  if (const std::size_t valid = valid_utf8_prefix(text); valid != text.size()) {
    fail(ErrorCode::kInvalidArgument, "encode: the text is not valid UTF-8 at byte ", valid);
  }
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 4 + 8);
  if (add_special_tokens) ids = impl_->prefix;
  impl_->encode(text, spelled, ids);
  if (add_special_tokens) ids.insert(ids.end(), impl_->suffix.begin(), impl_->suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special_tokens) const {
  std::string text, bytes;
  for (const TokenId id : ids) {
    if (!impl_->is_dropped(id, skip_special_tokens)) {
      decode_piece(impl_->vocabulary.piece(id), bytes, text);
    }
  }
  end_byte_row(bytes, text);
  return text;
}

std::optional<TokenId> Tokenizer::token_to_id(std::string_view token) const {
  const TokenId id = impl_->vocabulary.find(token);
  return id == kNoToken ? std::nullopt : std::optional(id);
}

std::optional<std::string> Tokenizer::id_to_token(TokenId id) const {
  const std::string_view piece = impl_->vocabulary.piece(id);
  return piece.empty() ? std::nullopt : std::optional<std::string>(piece);
}

std::size_t Tokenizer::vocab_size() const { return impl_->vocabulary.size(); }

std::size_t Tokenizer::base_vocab_size() const { return impl_->base_vocab_size; }

TokenId Tokenizer::id_limit() const { return static_cast<TokenId>(impl_->vocabulary.id_limit()); }

const std::vector<AddedToken>& Tokenizer::added_tokens() const { return impl_->added_tokens; }

std::span<const TokenId> Tokenizer::prefix() const { return impl_->prefix; }
std::span<const TokenId> Tokenizer::suffix() const { return impl_->suffix; }

bool Tokenizer::is_special(TokenId id) const {
  const auto i = static_cast<std::size_t>(id);
  return i < impl_->is_special.size() && impl_->is_special[i];
}

std::optional<TokenId> Tokenizer::bos_token_id() const { return impl_->id_of_name("bos_token"); }
std::optional<TokenId> Tokenizer::eos_token_id() const { return impl_->id_of_name("eos_token"); }
std::optional<TokenId> Tokenizer::pad_token_id() const { return impl_->id_of_name("pad_token"); }
std::optional<TokenId> Tokenizer::unk_token_id() const { return impl_->id_of_name("unk_token"); }

std::optional<std::string> Tokenizer::named_token(std::string_view name) const {
  const auto id = impl_->id_of_name(name);
  return id ? id_to_token(*id) : std::nullopt;
}

StreamingDecoder::StreamingDecoder(Tokenizer tokenizer, bool skip_special_tokens)
    : tokenizer_(std::move(tokenizer)), skip_special_tokens_(skip_special_tokens) {}

std::string StreamingDecoder::push(TokenId id) {
  std::string text;
  if (!tokenizer_.impl_->is_dropped(id, skip_special_tokens_)) {
    decode_piece(tokenizer_.impl_->vocabulary.piece(id), pending_, text);
  }
  return text;
}

std::string StreamingDecoder::finish() {
  std::string text;
  end_byte_row(pending_, text);
  return text;
}

}  // namespace gemma3n
