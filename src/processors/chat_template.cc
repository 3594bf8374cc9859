#include <algorithm>
#include <array>

#include "base/mapped_file.h"
#include "base/utf8.h"
#include "gemma3n/chat.h"
#include "processors/jinja/interpreter.h"
#include "processors/jinja/json.h"
#include "processors/jinja/operations.h"
#include "processors/jinja/text.h"

namespace gemma3n {

using jinja::Dict;
using jinja::List;
using jinja::Runtime;
using jinja::Type;
using jinja::Value;
using jinja::Values;

struct ChatTemplate::Impl {
  std::string source;
  std::string special_tokens_json;
  jinja::Body body;
};

namespace {

constexpr std::size_t kMaxTemplateBytes = 256u << 10;
constexpr std::size_t kMaxConfigBytes = 64u << 20;  // Gemma's tokenizer_config.json has 1.2 MB
constexpr std::size_t kMaxRequestBytes = 64u << 20;

// Marks where the open message ends; the space shows whether the template trims.
constexpr std::string_view kContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";
constexpr std::string_view kReasoningFields[] = {"reasoning_content", "thinking", "reasoning"};

[[noreturn]] void fail_request(std::string_view what) {
  fail(ErrorCode::kInvalidArgument, "chat template: ", what);
}

void put(Runtime& runtime, Value& dict, std::string_view key, Value value) {
  set_entry(runtime, dict, make_string(runtime, std::string(key)), std::move(value));
}

const Value* find(const Value& dict, std::string_view key) { return dict.as<Dict>().find(key); }

// ---- messages

Value part_value(Runtime& runtime, const Part& part) {
  static constexpr std::string_view kTypes[] = {"text", "image", "audio"};
  Value dict = make_dict(runtime);
  put(runtime, dict, "type",
      make_string(runtime, std::string(kTypes[static_cast<std::size_t>(part.kind)])));
  if (part.kind == Part::Kind::kText) put(runtime, dict, "text", make_string(runtime, part.text));
  return dict;
}

Value message_value(Runtime& runtime, const Message& message) {
  bool is_valid = is_valid_utf8(message.role);
  for (const Part& part : message.parts) is_valid = is_valid && is_valid_utf8(part.text);
  if (!is_valid) fail_request("a message is not valid UTF-8");
  Value dict = make_dict(runtime);
  put(runtime, dict, "role", make_string(runtime, message.role));
  if (message.parts.size() == 1 && message.parts[0].kind == Part::Kind::kText) {
    put(runtime, dict, "content", make_string(runtime, message.parts[0].text));
    return dict;
  }
  Values parts;
  for (const Part& part : message.parts) parts.push_back(part_value(runtime, part));
  put(runtime, dict, "content", make_list(runtime, std::move(parts)));
  return dict;
}

// Without null values, and with a reasoning under the names that templates read.
// Ref: HF apply_chat_template, _alias_reasoning_fields
Value normalized(Runtime& runtime, const Value& message) {
  if (!message.is(Type::kDict)) fail_request("each message must be an object");
  const Value* reasoning = nullptr;
  for (const std::string_view field : kReasoningFields) {
    const Value* found = find(message, field);
    if (!reasoning && found && !found->is_none()) reasoning = found;
  }
  Value out = make_dict(runtime);
  if (reasoning) put(runtime, out, "thinking", *reasoning);
  for (const auto& [key, value] : message.as<Dict>().entries)
    if (!value.is_none()) set_entry(runtime, out, key, value);
  if (reasoning) put(runtime, out, "reasoning_content", *reasoning);
  return out;
}

// ---- continue_final_message   Ref: HF render_jinja_template

std::string text_of(const Value& value) {
  if (!value.is_string()) fail_request("continue_final_message needs a text to continue");
  return value.string();
}

Value with_tag(Runtime& runtime, const Value& text) {
  return make_string(runtime, text_of(text) + std::string(kContinueTag));
}

// Tags the text at the end of the last message; returns that text.
std::string tag_final_message(Runtime& runtime, Value& message) {
  const Value* content = find(message, "content");
  if (!content) fail_request("continue_final_message is set but the final message has no content");
  if (!content->is(Type::kList)) {
    std::string text = text_of(*content);
    put(runtime, message, "content", with_tag(runtime, *content));
    return text;
  }
  Values parts = content->as<List>().items;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const Value* text = part->is(Type::kDict) ? find(*part, "text") : nullptr;
    if (!text) continue;
    std::string final_text = text_of(*text);
    put(runtime, *part, "text", with_tag(runtime, *text));
    return final_text;
  }
  fail_request("continue_final_message is set but the final message has no text to continue");
}

std::string cut_at_tag(std::string rendered, const std::string& final_text) {
  const std::string_view bare_tag = jinja::strip(kContinueTag);
  const std::size_t at = rendered.rfind(bare_tag);
  if (at == std::string::npos || rendered.find(jinja::strip(final_text)) == std::string::npos)
    fail_request(
        "continue_final_message is set but the final message does not appear in the rendered chat; "
        "the template changes or drops it");
  const bool keeps_spacing = std::string_view(rendered).substr(at).starts_with(kContinueTag);
  rendered.resize(at);
  if (!keeps_spacing) rendered = std::string(jinja::strip(rendered, jinja::Side::kRight));
  return rendered;
}

// ---- variables

void check_list_of_objects(const Value& value, std::string_view name) {
  if (value.is_none()) return;
  const bool is_list = value.is(Type::kList);
  if (!is_list || !std::all_of(value.as<List>().items.begin(), value.as<List>().items.end(),
                               [](const Value& item) { return item.is(Type::kDict); }))
    fail(ErrorCode::kInvalidArgument, "chat template: \"", name, "\" must be a list of objects");
}

Value make_variables(Runtime& runtime, const std::string& special_tokens_json,
                     const RenderOptions& options, const Value& messages) {
  Value variables = parse_json(runtime, special_tokens_json, "special tokens");
  const Value given = parse_json(runtime, options.variables_json, "template variables");
  if (!given.is(Type::kDict)) fail_request("the template variables must be an object");
  for (const std::string_view name : {"tools", "documents"}) {
    put(runtime, variables, name, Value());
    if (const Value* value = find(given, name)) check_list_of_objects(*value, name);
  }
  for (const std::string_view name : {"messages", "add_generation_prompt"})
    if (find(given, name))
      fail(ErrorCode::kInvalidArgument, "chat template: the variable \"", name,
           "\" is set by the call itself");
  for (const auto& [key, value] : given.as<Dict>().entries)
    set_entry(runtime, variables, key, value);
  put(runtime, variables, "messages", messages);
  put(runtime, variables, "add_generation_prompt", Value(options.add_generation_prompt));
  return variables;
}

std::string render_messages(const jinja::Body& body, const std::string& source,
                            const std::string& special_tokens_json, Runtime& runtime,
                            const Values& given, const RenderOptions& options) {
  if (given.empty()) fail_request("the conversation is empty; provide at least one message");
  if (options.continue_final_message && options.add_generation_prompt)
    fail_request("continue_final_message and add_generation_prompt exclude each other");
  Values messages;
  for (const Value& message : given) messages.push_back(normalized(runtime, message));
  std::string final_text;
  if (options.continue_final_message) {
    if (source.find("content") == std::string::npos)
      fail_request("continue_final_message needs a template that reads \"content\"");
    final_text = tag_final_message(runtime, messages.back());
  }
  const Value variables = make_variables(runtime, special_tokens_json, options,
                                         make_list(runtime, std::move(messages)));
  runtime.start_limits();
  std::string rendered = interpret(body, runtime, variables);
  return options.continue_final_message ? cut_at_tag(std::move(rendered), final_text) : rendered;
}

// ---- files

// A token in tokenizer_config.json is a string or an object with its text as "content".
const Value* token_text(const Value& token) {
  if (token.is_string()) return &token;
  const Value* content = token.is(Type::kDict) ? find(token, "content") : nullptr;
  return content && content->is_string() ? content : nullptr;
}

std::string special_tokens(Runtime& runtime, const Value& config) {
  static constexpr std::string_view kNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                "pad_token", "cls_token", "mask_token"};
  Value tokens = make_dict(runtime);
  const auto add = [&](std::string_view name, const Value* token) {
    if (const Value* text = token ? token_text(*token) : nullptr) put(runtime, tokens, name, *text);
  };
  for (const std::string_view name : kNames) add(name, find(config, name));
  for (const std::string_view group : {"extra_special_tokens", "model_specific_special_tokens"}) {
    const Value* more = find(config, group);
    if (!more || !more->is(Type::kDict)) continue;
    for (const auto& [name, token] : more->as<Dict>().entries) add(name.string(), &token);
  }
  return to_json(runtime, tokens);
}

// The "chat_template" of tokenizer_config.json; null if there is none.
const Value* configured_template(const Value& config, const std::string& path) {
  const Value* entry = find(config, "chat_template");
  if (!entry || entry->is_none()) return nullptr;
  if (entry->is_string()) return entry;
  if (entry->is(Type::kList)) {
    for (const Value& named : entry->as<List>().items) {
      if (!named.is(Type::kDict)) break;
      const Value* name = find(named, "name");
      const Value* source = find(named, "template");
      if (name && name->is_string() && name->string() == "default" && source && source->is_string())
        return source;
    }
  }
  fail(ErrorCode::kCorruptData, path,
       ": chat_template: expected a string, or a list with a template named \"default\"");
}

}  // namespace

Part text_part(std::string text) { return {.kind = Part::Kind::kText, .text = std::move(text)}; }

Part image_part(Image image) {
  return {.kind = Part::Kind::kImage, .image = std::make_shared<const Image>(std::move(image))};
}

Part audio_part(AudioClip clip) {
  return {.kind = Part::Kind::kAudio, .audio = std::make_shared<const AudioClip>(std::move(clip))};
}

Message text_message(std::string role, std::string text) {
  return {std::move(role), {text_part(std::move(text))}};
}

ChatTemplate::ChatTemplate(std::string_view source, std::string_view special_tokens_json) {
  if (source.size() > kMaxTemplateBytes)
    fail(ErrorCode::kCorruptData, "chat template: larger than ", kMaxTemplateBytes, " bytes");
  if (!is_valid_utf8(source)) fail(ErrorCode::kCorruptData, "chat template: not valid UTF-8");
  Runtime runtime;
  const Value tokens = jinja::parse_json(runtime, special_tokens_json, "special tokens");
  if (!tokens.is(Type::kDict)) fail_request("the special tokens must be an object");
  auto impl = std::make_shared<Impl>();
  impl->source = source;
  impl->special_tokens_json = special_tokens_json;
  try {
    impl->body = jinja::parse(source);
  } catch (const Error& error) {
    // To whoever loads it, a template beyond a limit is as bad as one that does not parse.
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    fail(ErrorCode::kCorruptData, error.what());
  }
  impl_ = std::move(impl);
}

ChatTemplate ChatTemplate::from_pretrained(const std::filesystem::path& model_dir) {
  const auto template_path = model_dir / "chat_template.jinja";
  const auto config_path = model_dir / "tokenizer_config.json";
  const bool has_file = std::filesystem::exists(template_path);
  Runtime runtime;
  Value config = make_dict(runtime);
  if (std::filesystem::exists(config_path)) {
    config = jinja::parse_json(runtime, read_text_file(config_path, kMaxConfigBytes),
                               config_path.string(), ErrorCode::kCorruptData,
                               jinja::BigIntegers::kAsFloat);
    if (!config.is(Type::kDict))
      fail(ErrorCode::kCorruptData, config_path.string(), ": expected an object");
  }
  const std::string tokens = special_tokens(runtime, config);
  if (has_file) return ChatTemplate(read_text_file(template_path, kMaxTemplateBytes), tokens);
  const Value* source = configured_template(config, config_path.string());
  if (!source)
    fail(ErrorCode::kNotFound, model_dir.string(),
         ": no chat_template.jinja and no chat_template in tokenizer_config.json; a base model has "
         "none, use a plain prompt");
  return ChatTemplate(source->string(), tokens);
}

std::string ChatTemplate::render(std::span<const Message> messages,
                                 const RenderOptions& options) const {
  Runtime runtime;
  Values values;
  for (const Message& message : messages) values.push_back(message_value(runtime, message));
  return render_messages(impl_->body, impl_->source, impl_->special_tokens_json, runtime, values,
                         options);
}

std::string ChatTemplate::render_json(std::string_view messages_json,
                                      const RenderOptions& options) const {
  if (messages_json.size() > kMaxRequestBytes || options.variables_json.size() > kMaxRequestBytes)
    fail(ErrorCode::kInvalidArgument, "chat template: messages or variables larger than ",
         kMaxRequestBytes, " bytes");
  Runtime runtime;
  const Value messages = jinja::parse_json(runtime, messages_json, "messages");
  if (!messages.is(Type::kList)) fail_request("the messages must be a list");
  return render_messages(impl_->body, impl_->source, impl_->special_tokens_json, runtime,
                         messages.as<List>().items, options);
}

const std::string& ChatTemplate::source() const { return impl_->source; }

}  // namespace gemma3n
