// text MODEL_DIR TEXT: continues a text, shown as it is written.
#include <gemma3n/pipeline.h>

#include <cstdio>

int main(int argc, char** argv) try {
  if (argc != 3) return std::fputs("usage: text MODEL_DIR TEXT\n", stderr), 2;
  const auto pipe = gemma3n::pipeline("text-generation", argv[1]);

  // What the checkpoint recommends, but always the most probable token.
  auto config = pipe.generation_config();
  config.do_sample = false;
  config.max_new_tokens = 50;

  gemma3n::PipelineOptions options;
  options.generation_config = config;
  options.generate.on_text = [](std::size_t, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    return std::fflush(stdout) == 0;  // false ends it early
  };
  std::fputs(argv[2], stdout);
  const auto answer = pipe(argv[2], options).front();
  std::fprintf(stderr, "\n[%zu tokens read, %zu written, ended by %s]\n", answer.prompt_tokens,
               answer.new_tokens.size(),
               std::string(finish_reason_name(answer.finish_reason)).c_str());
} catch (const gemma3n::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
