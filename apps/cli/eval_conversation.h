// The items of a dataset as the conversations that a model reads, their media loaded.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval_dataset.h"
#include "gemma3n/processor.h"
#include "media_options.h"

namespace gemma3n::cli {

class EvalConversations {
 public:
  // system: for items without a system message.   Throws: as MediaOptions::long_audio_mode.
  EvalConversations(std::string dataset, std::optional<std::string> system,
                    const MediaOptions& media);

  // "questions.jsonl:12: ", for messages.
  std::string place_of(const EvalItem& item) const;
  // Now, rather than after hours of work.   Throws: kNotFound, naming the line.
  void check_media_files(std::span<const EvalItem* const> items) const;
  // A long sound may become several parts.   sample_rate_hz: of the sounds the model takes.
  std::vector<Message> conversation_of(const EvalItem& item, int sample_rate_hz) const;

  // The same, answered with what is expected first, as tokens.
  ProcessorOutput answered_prompt(const EvalItem& item, const Processor& processor) const;

  bool splits_audio() const { return long_audio_ == LongAudio::kSplit; }

 private:
  void add_part(const EvalPart& part, int sample_rate_hz, std::vector<Part>& parts) const;

  const std::string dataset_;
  const std::filesystem::path media_folder_;
  const std::optional<std::string> system_;
  const MediaOptions media_;
  const LongAudio long_audio_;
};

}  // namespace gemma3n::cli
