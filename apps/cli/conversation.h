// A conversation with a model that reads only what is new in it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gemma3n/processor.h"
#include "loading.h"
#include "output.h"

namespace gemma3n::cli {

// Every prompt is the whole conversation, rendered by the chat template and tokenized, so the
// answers are those of a program that starts afresh each time. Only the tokens that no kept cache
// holds are computed. Not thread-safe.
class Conversation {
 public:
  Conversation(LoadedModel model, Processor processor, GenerationConfig config);

  // Says `message` (text, pictures, sounds), writes the answer to `out` as it comes, and remembers
  // both. An answer cut short by Ctrl-C is remembered as far as it went; if it had not begun,
  // neither is. Throws: as Processor::apply_chat_template, generate and Output::write; the
  // conversation is then as before the call.
  FinishReason reply(std::vector<Part> message, Output& out);

  void reset();                              // forgets all but the system message
  void set_system(const std::string& text);  // forgets the rest too; "" = no system message
  const std::string& system() const { return system_; }

 private:
  // The media of a conversation, in order. Two of them are the same if they are the same object,
  // and sounds only if they were padded to the same length: the tower sees that.
  struct Media {
    std::vector<std::shared_ptr<const void>> objects;
    std::int64_t frames = 0;  // of each clip; 0 = there is none

    bool starts_with(const Media& prefix) const;
  };

  // A cache, the tokens whose keys and values it holds, and the media among them.
  struct Kept {
    std::vector<TokenId> ids;
    Media media;
    std::shared_ptr<Cache> cache;
  };

  static Media media_of(const std::vector<Message>& messages, const MediaInputs& inputs);
  std::shared_ptr<Cache> cache_for(const std::vector<TokenId>& prompt, const Media& media);
  std::shared_ptr<Cache> new_cache() const;
  GenerateOutput answer(const std::vector<Message>& messages, Output& out);

  LoadedModel model_;
  Processor processor_;
  GenerationConfig config_;
  std::string system_;
  std::vector<Message> messages_;
  // The cache after the last answer, and a copy from before it. The copy serves when the answer,
  // read back as text, is not the tokens that were generated: a template that trims it, say.
  std::vector<Kept> kept_;
};

}  // namespace gemma3n::cli
