// system_prompt MODEL_DIR SYSTEM QUESTION: instructions that come before a conversation, and an
// answer that was begun for the model.
#include <gemma3n/pipeline.h>

#include <cstdio>

int main(int argc, char** argv) try {
  using namespace gemma3n;
  if (argc != 4) return std::fputs("usage: system_prompt MODEL_DIR SYSTEM QUESTION\n", stderr), 2;

  const auto pipe = pipeline("text-generation", argv[1]);
  PipelineOptions options;
  options.generation_config = pipe.generation_config();
  options.generation_config->do_sample = false;
  options.max_new_tokens = 50;

  Conversation conversation = {
      text_message("system", argv[2]),
      text_message("user", argv[3]),
  };
  std::printf("%s\n", pipe(conversation, options).front().generated_text.c_str());

  // A final message of the assistant is continued.
  conversation.push_back(text_message("assistant", "In short,"));
  const auto continued = pipe(conversation, options).front();
  std::printf("%s\n", continued.conversation.back().parts.front().text.c_str());
} catch (const gemma3n::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
