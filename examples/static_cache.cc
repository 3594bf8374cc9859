// static_cache MODEL_DIR TEXT: keys and values in a cache that is allocated at once, as
// cache_implementation="static" in transformers; the answer is the same, bit for bit.
#include <gemma3n/pipeline.h>

#include <cstdio>

int main(int argc, char** argv) try {
  using namespace gemma3n;
  if (argc != 3) return std::fputs("usage: static_cache MODEL_DIR TEXT\n", stderr), 2;

  const auto model = AnyModel::from_pretrained(argv[1]);
  const auto processor = Processor::from_pretrained(argv[1]);
  const Conversation conversation = {text_message("user", argv[2])};
  const auto inputs = processor.apply_chat_template(conversation, {.add_generation_prompt = true});

  auto config = GenerationConfig::from_pretrained(argv[1]);
  config.do_sample = false;
  config.max_new_tokens = 50;
  config.cache_implementation = "static";
  const auto output =
      model.generate(inputs.input_ids, inputs.media, config, &processor.tokenizer());

  std::printf("%s\n", output.text.front().c_str());
  std::fprintf(stderr, "[a cache of %zu kB holds %lld tokens]\n",
               output.past_key_values->size_bytes() / 1000,
               static_cast<long long>(output.past_key_values->get_seq_length()));
} catch (const gemma3n::Error& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
