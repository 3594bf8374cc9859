// A conversation with a model that reads only what is new in it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gemma3n/chat.h"
#include "gemma3n/generation.h"
#include "output.h"

namespace gemma3n::cli {

// Every prompt is the whole conversation, rendered by the chat template and tokenized, so the
// answers are those of a program that starts afresh each time. Only the tokens that no kept cache
// holds are computed. Not thread-safe.
class Conversation {
 public:
  Conversation(ForCausalLM model, Tokenizer tokenizer, ChatTemplate chat_template,
               GenerationConfig config);

  // Says `message`, writes the answer to `out` as it comes, and remembers both. An answer cut short
  // by Ctrl-C is remembered as far as it went; if it had not begun, neither is.
  // Throws: as ChatTemplate::render, Tokenizer::encode, generate and Output::write; the
  // conversation is then as before the call.
  FinishReason reply(const std::string& message, Output& out);

  void reset();                              // forgets all but the system message
  void set_system(const std::string& text);  // forgets the rest too; "" = no system message
  const std::string& system() const { return system_; }

 private:
  // A cache and the tokens whose keys and values it holds.
  struct Kept {
    std::vector<TokenId> ids;
    std::shared_ptr<Cache> cache;
  };

  std::shared_ptr<Cache> cache_for(const std::vector<TokenId>& prompt);
  std::shared_ptr<Cache> new_cache() const;
  GenerateOutput answer(const std::vector<TokenId>& prompt, Output& out);

  ForCausalLM model_;
  Tokenizer tokenizer_;
  ChatTemplate chat_template_;
  GenerationConfig config_;
  std::string system_;
  std::vector<Message> messages_;
  // The cache after the last answer, and a copy from before it. The copy serves when the answer,
  // read back as text, is not the tokens that were generated: a template that trims it, say.
  std::vector<Kept> kept_;
};

}  // namespace gemma3n::cli
