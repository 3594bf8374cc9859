"""multi_image.py MODEL_DIR IMAGE...: several pictures in one prompt, without a pipeline."""
import sys

from gemma3n import AutoProcessor, Gemma3nForConditionalGeneration


def main(model_dir: str, *images: str) -> None:
    model = Gemma3nForConditionalGeneration.from_pretrained(model_dir)
    processor = AutoProcessor.from_pretrained(model_dir, padding_side="left")

    content = [{"type": "image", "url": image} for image in images]
    content.append({"type": "text", "text": "What do these images have in common?"})
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
    )
    output = model.generate(**inputs, max_new_tokens=50, do_sample=False)
    answer = output[0, inputs["input_ids"].shape[1]:]
    print(processor.decode(answer, skip_special_tokens=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
