// Conversations, and the checkpoint's own template that turns them into a prompt.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/error.h"
#include "gemma3n/media.h"

namespace gemma3n {

// One item of a message's content. A template shows pictures and sounds as placeholders; Processor
// puts the media themselves in their places.
struct Part {
  enum class Kind { kText, kImage, kAudio };
  Kind kind = Kind::kText;
  std::string text = {};                        // for kText
  std::shared_ptr<const Image> image = {};      // for kImage; null where only text is rendered
  std::shared_ptr<const AudioClip> audio = {};  // for kAudio; null where only text is rendered
};

Part text_part(std::string text);
Part image_part(Image image);
Part audio_part(AudioClip clip);

struct Message {
  std::string role;         // "system", "user", "assistant"
  std::vector<Part> parts;  // in the order the model should see them
};

// A message of one text part.
Message text_message(std::string role, std::string text);

struct RenderOptions {
  bool add_generation_prompt = false;
  bool continue_final_message = false;  // leave the last turn open; not with the one above
  std::string variables_json = "{}";    // further template variables: "tools", "date_string", ...
};

// A Jinja chat template, executed as transformers' apply_chat_template executes it (byte-equal to
// Python's jinja2 with trim_blocks and lstrip_blocks). Immutable; safe to use from many threads.
class ChatTemplate {
 public:
  // chat_template.jinja, or "chat_template" of tokenizer_config.json (a string, or a list of named
  // templates of which "default" is taken). Special tokens (bos_token, ...) come from
  // tokenizer_config.json.
  // Throws: kNotFound if the checkpoint has no template (base models), kCorruptData for a template
  // that does not parse.
  static ChatTemplate from_pretrained(const std::filesystem::path& model_dir);

  // `special_tokens_json`: object of names the template may use, e.g. {"bos_token": "<bos>"}.
  explicit ChatTemplate(std::string_view source, std::string_view special_tokens_json = "{}");

  // A message of one text part has that text as its "content"; any other has a list of
  // {"type": "text" | "image" | "audio", "text": ...}.
  // Throws: kInvalidArgument with the template's own message (raise_exception), kUnsupported or
  // kInvalidArgument for what the template does wrong, naming its line; kInvalidArgument when a
  // limit on steps, depth or output is exceeded, or for no messages.
  std::string render(std::span<const Message> messages, const RenderOptions& options = {}) const;

  // The same with messages as JSON (any keys the template reads). As apply_chat_template does it,
  // keys whose value is null are dropped and reasoning is found under each of its three names.
  // Throws: also kInvalidArgument for malformed JSON, repeated keys or integers beyond 64 bits.
  std::string render_json(std::string_view messages_json, const RenderOptions& options = {}) const;

  const std::string& source() const;

 private:
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace gemma3n
