// A template and a conversation, separated by a line of "----"; without that line, a template only.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "gemma3n/chat.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = input.find("\n----\n");
  const std::string_view source = input.substr(0, cut);
  const std::string_view messages =
      cut == std::string_view::npos
          ? R"([{"role": "user", "content": "Hi é"}, {"role": "assistant", "content": [{"type": "text", "text": " ok "}]}])"
          : input.substr(cut + 6);
  try {
    const gemma3n::ChatTemplate chat_template(source, R"({"bos_token": "<bos>"})");
    gemma3n::RenderOptions options;
    options.add_generation_prompt = size % 2 == 0;
    options.continue_final_message = size % 2 == 1;
    options.variables_json = R"({"tools": [{"name": "f", "arguments": {"x": [1, 2.5, null]}}]})";
    chat_template.render_json(messages, options);
  } catch (const gemma3n::Error& error) {
    if (error.code() == gemma3n::ErrorCode::kInternal) std::abort();  // our own bug
  }
  return 0;
}
