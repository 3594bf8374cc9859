"""text.py MODEL_DIR TEXT: continues a text, shown as it is written."""
import sys

from gemma3n import AutoModelForCausalLM, AutoTokenizer, TextStreamer


def main(model_dir: str, text: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    inputs = tokenizer(text, return_tensors="pt")
    streamer = TextStreamer(tokenizer, skip_special_tokens=True)
    model.generate(**inputs, max_new_tokens=50, do_sample=False, streamer=streamer)


if __name__ == "__main__":
    main(*sys.argv[1:])
