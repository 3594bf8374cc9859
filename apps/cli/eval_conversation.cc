#include "eval_conversation.h"

#include <system_error>
#include <utility>

#include "gemma3n/error.h"

namespace gemma3n::cli {

EvalConversations::EvalConversations(std::string dataset, std::optional<std::string> system,
                                     const MediaOptions& media)
    : dataset_(std::move(dataset)),
      media_folder_(std::filesystem::path(dataset_).parent_path()),
      system_(std::move(system)),
      media_(media),
      long_audio_(media.long_audio_mode()) {}

std::string EvalConversations::place_of(const EvalItem& item) const {
  return dataset_ + ":" + std::to_string(item.line) + ": ";
}

void EvalConversations::check_media_files(std::span<const EvalItem* const> items) const {
  for (const EvalItem* item : items) {
    for (const auto& message : item->messages) {
      for (const auto& part : message.parts) {
        if (part.kind == Part::Kind::kText || is_url(part.text)) continue;
        const auto source = media_source(media_folder_, part.text);
        std::error_code ignored;
        if (!std::filesystem::exists(source, ignored)) {
          fail(ErrorCode::kNotFound, place_of(*item), source, ": no such file");
        }
      }
    }
  }
}

std::vector<Message> EvalConversations::conversation_of(const EvalItem& item,
                                                        int sample_rate_hz) const {
  std::vector<Message> conversation;
  if (system_ && item.messages.front().role != "system") {
    conversation.push_back(text_message("system", *system_));
  }
  for (const auto& message : item.messages) {
    conversation.push_back({message.role, {}});
    for (const auto& part : message.parts) {
      add_part(part, sample_rate_hz, conversation.back().parts);
    }
  }
  return conversation;
}

ProcessorOutput EvalConversations::answered_prompt(const EvalItem& item,
                                                   const Processor& processor) const {
  auto conversation = conversation_of(item, sample_rate_hz(processor));
  conversation.push_back(text_message("assistant", item.expected.front()));
  return processor.apply_chat_template(conversation);
}

void EvalConversations::add_part(const EvalPart& part, int sample_rate_hz,
                                 std::vector<Part>& parts) const {
  if (part.kind == Part::Kind::kText) {
    parts.push_back(text_part(part.text));
    return;
  }
  const auto limits = media_.limits();
  const auto source = media_source(media_folder_, part.text);
  if (part.kind == Part::Kind::kImage) {
    parts.push_back(load_image_part(source, limits));
    return;
  }
  for (auto& clip : load_sound_parts(source, long_audio_, sample_rate_hz, limits)) {
    parts.push_back(std::move(clip));
  }
}

}  // namespace gemma3n::cli
