// chat MODEL_DIR: a conversation, a line from standard input for each message. What the model has
// read stays in its cache; only the new message is computed.
#include <gemma3n/pipeline.h>

#include <cstdio>
#include <iostream>
#include <string>

int main(int argc, char** argv) try {
  using namespace gemma3n;
  if (argc != 2) return std::fputs("usage: chat MODEL_DIR < messages\n", stderr), 2;

  auto config = GenerationConfig::from_pretrained(argv[1]);
  config.do_sample = false;
  config.max_new_tokens = 50;
  Chat chat(AnyModel::from_pretrained(argv[1]), Processor::from_pretrained(argv[1]), config);

  GenerateOptions options;
  options.on_text = [](std::size_t, std::string_view text) {
    std::cout << text << std::flush;
    return true;
  };
  for (std::string line; std::getline(std::cin, line);) {
    const auto answer = chat.reply(line, options);
    std::cout << '\n';
    std::cerr << "[" << answer.prompt_tokens << " tokens, of which " << answer.cached_tokens
              << " were read before]\n";
  }
} catch (const gemma3n::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
