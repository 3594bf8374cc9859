#include "gemma3n/tokenizer.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/chat.h"
#include "module.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace gemma3n::python {
namespace {

using Ids = std::vector<TokenId>;

Ids to_vector(std::span<const TokenId> ids) { return {ids.begin(), ids.end()}; }

std::string_view view(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

std::vector<Ids> encode_batch(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                              SpelledTokens spelled) {
  const nb::gil_scoped_release release;
  std::vector<Ids> batch;
  for (const std::string& text : texts) batch.push_back(tokenizer.encode(text, false, spelled));
  return batch;
}

std::string decode(const Tokenizer& tokenizer, const Ids& ids, bool skip_special_tokens) {
  const nb::gil_scoped_release release;
  return tokenizer.decode(ids, skip_special_tokens);
}

nb::dict vocabulary(const Tokenizer& tokenizer) {
  nb::dict ids;
  for (TokenId id = 0; id < tokenizer.id_limit(); ++id) {
    const auto piece = tokenizer.id_to_token(id);
    if (piece) ids[nb::cast(*piece)] = id;
  }
  return ids;
}

void bind_encoding(nb::module_& m) {
  nb::class_<AddedToken>(m, "AddedToken")
      .def_ro("content", &AddedToken::content)
      .def_ro("id", &AddedToken::id)
      .def_ro("lstrip", &AddedToken::lstrip)
      .def_ro("rstrip", &AddedToken::rstrip)
      .def_ro("normalized", &AddedToken::normalized)
      .def_ro("special", &AddedToken::special);

  nb::enum_<SpelledTokens>(m, "SpelledTokens")
      .value("ALL", SpelledTokens::kAll)
      .value("NOT_SPECIAL", SpelledTokens::kNotSpecial)
      .value("NONE", SpelledTokens::kNone);

  nb::class_<Tokenizer>(m, "Tokenizer")
      .def_static(
          "from_json",
          [](const nb::bytes& tokenizer_json, const std::string& tokenizer_config) {
            const auto json = view(tokenizer_json);
            const nb::gil_scoped_release release;
            return Tokenizer::from_json(json, tokenizer_config);
          },
          "tokenizer_json"_a, "tokenizer_config"_a = "")
      // Without the prefix and suffix; the Python layer adds them after truncation.
      .def("encode_batch", &encode_batch, "texts"_a, "spelled"_a = SpelledTokens::kAll)
      .def("decode", &decode, "ids"_a, "skip_special_tokens"_a = false)
      .def("token_to_id", &Tokenizer::token_to_id, "token"_a)
      .def("id_to_token", &Tokenizer::id_to_token, "id"_a)
      .def("vocabulary", &vocabulary)
      .def_prop_ro("vocab_size", &Tokenizer::vocab_size)
      .def_prop_ro("base_vocab_size", &Tokenizer::base_vocab_size)
      .def_prop_ro("added_tokens", [](const Tokenizer& t) { return t.added_tokens(); })
      .def_prop_ro("prefix", [](const Tokenizer& t) { return to_vector(t.prefix()); })
      .def_prop_ro("suffix", [](const Tokenizer& t) { return to_vector(t.suffix()); });
}

void bind_chat(nb::module_& m) {
  nb::class_<ChatTemplate>(m, "ChatTemplate")
      .def(nb::init<std::string_view, std::string_view>(), "source"_a,
           "special_tokens_json"_a = "{}")
      .def(
          "render_json",
          [](const ChatTemplate& chat_template, const std::string& messages_json,
             bool add_generation_prompt, bool continue_final_message,
             const std::string& variables_json) {
            const nb::gil_scoped_release release;
            return chat_template.render_json(
                messages_json, {add_generation_prompt, continue_final_message, variables_json});
          },
          "messages_json"_a, "add_generation_prompt"_a = false, "continue_final_message"_a = false,
          "variables_json"_a = "{}");
}

}  // namespace

void bind_tokenizer(nb::module_& m) {
  bind_encoding(m);
  bind_chat(m);
}

}  // namespace gemma3n::python
