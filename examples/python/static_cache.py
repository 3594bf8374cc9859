"""static_cache.py MODEL_DIR TEXT: keys and values in a cache that is allocated at once."""
import sys

from gemma3n import AutoModelForCausalLM, AutoTokenizer


def main(model_dir: str, text: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}],
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
    )
    output = model.generate(
        **inputs, max_new_tokens=50, do_sample=False, cache_implementation="static"
    )
    answer = output[0, inputs["input_ids"].shape[1]:]
    print(tokenizer.decode(answer, skip_special_tokens=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
