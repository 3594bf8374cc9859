// audio MODEL_DIR SOUND: writes down what is said. SOUND is a path, an http(s) or data: URL; the
// model hears at most 30 s at once, so a longer one is cut in its pauses.
#include <gemma3n/pipeline.h>

#include <cstdio>

int main(int argc, char** argv) try {
  using namespace gemma3n;
  if (argc != 3) return std::fputs("usage: audio MODEL_DIR SOUND\n", stderr), 2;

  const auto pipe = pipeline("any-to-any", argv[1]);
  auto config = pipe.generation_config();
  config.do_sample = false;
  config.max_new_tokens = 50;

  for (auto& segment : split_audio(load_audio(argv[2]))) {
    const Conversation conversation = {
        {"user",
         {audio_part(std::move(segment.clip)),
          text_part("Transcribe the following speech segment.")}},
    };
    const auto answer = pipe(conversation, {.generation_config = config}).front();
    std::printf("%s\n", answer.generated_text.c_str());
    std::fprintf(stderr, "[from %.1f s: %zu tokens read]\n", segment.start_seconds,
                 answer.prompt_tokens);
  }
} catch (const gemma3n::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
