// image_text MODEL_DIR IMAGE [QUESTION]: asks about a picture. IMAGE is a path, an http(s) or data:
// URL.
#include <gemma3n/pipeline.h>

#include <cstdio>

int main(int argc, char** argv) try {
  using namespace gemma3n;
  if (argc < 3) return std::fputs("usage: image_text MODEL_DIR IMAGE [QUESTION]\n", stderr), 2;
  const char* question = argc > 3 ? argv[3] : "What is shown in this image?";

  const auto pipe = pipeline("image-text-to-text", argv[1]);
  const Conversation conversation = {
      {"user", {image_part(load_image(argv[2])), text_part(question)}},
  };
  auto config = pipe.generation_config();
  config.do_sample = false;
  config.max_new_tokens = 50;
  const auto answer = pipe(conversation, {.generation_config = config}).front();

  std::printf("%s\n", answer.generated_text.c_str());
  std::fprintf(stderr, "[%zu tokens read]\n", answer.prompt_tokens);
} catch (const gemma3n::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
