"""The examples say what the same question gives by another way through the package."""
import pathlib
import subprocess
import sys

import pytest

import gemma3n

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples/python"
GREEDY = {"max_new_tokens": 50, "do_sample": False}


def example(name, *arguments, stdin=""):
    done = subprocess.run([sys.executable, "-W", "error", EXAMPLES / f"{name}.py", *map(str, arguments)], input=stdin,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def ask(model_dir):
    """A conversation's answer by the processor and generate()."""
    model = gemma3n.AutoModelForImageTextToText.from_pretrained(model_dir)
    processor = gemma3n.AutoProcessor.from_pretrained(model_dir)

    def answer(messages):
        inputs = processor.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="np",
                                               add_generation_prompt=True)
        output = model.generate(**inputs, **GREEDY)
        return processor.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True)

    return answer


def user(*content):
    return [{"role": "user", "content": list(content)}]


def text(value):
    return {"type": "text", "text": value}


def test_image_text(model_dir, files, ask):
    shown = example("image_text", model_dir, files["image"], "Which colour?")
    assert shown == ask(user({"type": "image", "path": str(files["image"])}, text("Which colour?"))) + "\n"


def test_multi_image(model_dir, files):
    pipe = gemma3n.pipeline("image-text-to-text", model=model_dir)
    content = [{"type": "image", "path": str(files[name])} for name in ("image", "image2")]
    messages = user(*content, text("What do these images have in common?"))
    expected = pipe(text=messages, return_full_text=False, generate_kwargs=dict(GREEDY))[0]["generated_text"]
    assert example("multi_image", model_dir, files["image"], files["image2"]) == expected + "\n"


def test_audio(model_dir, files, ask):
    expected = ask(user({"type": "audio", "path": str(files["sound"])}, text("Transcribe the following speech segment.")))
    assert example("audio", model_dir, files["sound"]) == expected + "\n"


def test_system_prompt(model_dir, ask):
    shown = example("system_prompt", model_dir, "Answer in one word.", "Which river is long?")
    messages = [{"role": "system", "content": [text("Answer in one word.")]}, *user(text("Which river is long?"))]
    assert shown.startswith(ask(messages) + "\n")
    assert shown[len(ask(messages)):].strip().startswith("In short,")


def test_static_cache(model_dir, ask):
    assert example("static_cache", model_dir, "Which river?") == ask(user(text("Which river?"))) + "\n"


def test_text(model_dir):
    tokenizer = gemma3n.AutoTokenizer.from_pretrained(model_dir)
    model = gemma3n.AutoModelForCausalLM.from_pretrained(model_dir)
    ids = model.generate(**tokenizer("The river is", return_tensors="np"), **GREEDY)[0]
    assert example("text", model_dir, "The river is") == tokenizer.decode(ids, skip_special_tokens=True) + "\n"


def test_chat(model_dir):
    shown = example("chat", model_dir, stdin="hello there\nand the river?\n")
    assert example("chat", model_dir, stdin="hello there\n") in shown
    assert len(shown) > len(example("chat", model_dir, stdin="hello there\n"))
