"""system_prompt.py MODEL_DIR SYSTEM QUESTION: instructions that come before a conversation."""
import sys

from gemma3n import pipeline


def main(model_dir: str, system: str, question: str) -> None:
    pipe = pipeline("text-generation", model=model_dir)
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    answer = pipe(messages, max_new_tokens=50, do_sample=False)
    print(answer[0]["generated_text"][-1]["content"])

    # A final message of the assistant is continued.
    messages.append({"role": "assistant", "content": "In short,"})
    continued = pipe(messages, max_new_tokens=50, do_sample=False)
    print(continued[0]["generated_text"][-1]["content"])


if __name__ == "__main__":
    main(*sys.argv[1:])
