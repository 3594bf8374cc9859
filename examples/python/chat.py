"""chat.py MODEL_DIR: a conversation, a line from standard input for each message."""
import sys

from gemma3n import AutoModelForCausalLM, AutoTokenizer, TextStreamer


def main(model_dir: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    messages = []
    for line in sys.stdin:
        messages.append({"role": "user", "content": line.strip()})
        inputs = tokenizer.apply_chat_template(
            messages, return_dict=True, return_tensors="pt", add_generation_prompt=True
        )
        output = model.generate(**inputs, max_new_tokens=50, do_sample=False, streamer=streamer)
        answer = output[0, inputs["input_ids"].shape[1]:]
        messages.append(
            {"role": "assistant", "content": tokenizer.decode(answer, skip_special_tokens=True)}
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
