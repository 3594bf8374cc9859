"""image_text.py MODEL_DIR IMAGE [QUESTION]: asks about a picture. IMAGE is a path or a URL."""
import sys

from gemma3n import pipeline


def main(model_dir: str, image: str, question: str = "What is shown in this image?") -> None:
    pipe = pipeline("image-text-to-text", model=model_dir)
    messages = [
        {
            "role": "user",
            "content": [{"type": "image", "url": image}, {"type": "text", "text": question}],
        },
    ]
    answers = pipe(
        text=messages,
        return_full_text=False,
        generate_kwargs={"max_new_tokens": 50, "do_sample": False},
    )
    print(answers[0]["generated_text"])


if __name__ == "__main__":
    main(*sys.argv[1:])
