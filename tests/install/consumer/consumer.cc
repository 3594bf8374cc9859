// A program of somebody else's: loads a checkpoint and generates five tokens.
#include <gemma3n/chat.h>
#include <gemma3n/generation.h>
#include <gemma3n/model.h>
#include <gemma3n/tokenizer.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: consumer MODEL_DIR\n"), 2;
  try {
    const auto model = gemma3n::ForCausalLM::from_pretrained(argv[1]);
    const auto tokenizer = gemma3n::Tokenizer::from_pretrained(argv[1]);
    gemma3n::GenerationConfig config;
    config.max_new_tokens = 5;
    const auto output = gemma3n::generate(model, {tokenizer.encode("hello")}, config, &tokenizer);
    std::printf("generated %zu tokens\n", output.generated_tokens);
  } catch (const gemma3n::Error& error) {
    return std::fprintf(stderr, "%s\n", error.what()), 1;
  }
}
