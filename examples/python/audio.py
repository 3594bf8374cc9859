"""audio.py MODEL_DIR SOUND: writes down what is said in the first 30 s of a sound."""
import sys

from gemma3n import pipeline


def main(model_dir: str, sound: str) -> None:
    pipe = pipeline("any-to-any", model=model_dir)
    messages = [
        {
            "role": "user",
            "content": [
                {"type": "audio", "url": sound},
                {"type": "text", "text": "Transcribe the following speech segment."},
            ],
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
