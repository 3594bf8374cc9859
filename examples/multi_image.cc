// multi_image MODEL_DIR IMAGE...: several pictures in one prompt, without a pipeline: processor,
// model and generate() are what a pipeline is made of.
#include <gemma3n/generation.h>
#include <gemma3n/processor.h>

#include <cstdio>

int main(int argc, char** argv) try {
  using namespace gemma3n;
  if (argc < 3) return std::fputs("usage: multi_image MODEL_DIR IMAGE...\n", stderr), 2;

  const auto model = ForConditionalGeneration::from_pretrained(argv[1]);
  const auto processor = Processor::from_pretrained(argv[1]);

  Message message = {"user", {}};
  for (int i = 2; i < argc; ++i) message.parts.push_back(image_part(load_image(argv[i])));
  message.parts.push_back(text_part("What do these images have in common?"));
  const auto inputs = processor.apply_chat_template({message}, {.add_generation_prompt = true});

  auto config = GenerationConfig::from_pretrained(argv[1]);
  config.do_sample = false;
  config.max_new_tokens = 50;
  const auto output =
      generate(model, inputs.input_ids, inputs.media, config, &processor.tokenizer());

  std::printf("%s\n", output.text.front().c_str());
  std::fprintf(stderr, "[%zu tokens read, pictures seen in %.2f s]\n", output.prompt_tokens,
               output.encode_seconds);
} catch (const gemma3n::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
