"""The demonstration model from Python: the answers of transformers, word for word."""
import json
import pathlib

import gemma3n
import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]
QUESTIONS = PROJECT / "tests/demo"


@pytest.fixture(scope="module")
def pipe():
    return gemma3n.pipeline("any-to-any", model=str(PROJECT / "models/demo"))


def questions():
    return [json.loads(line) for line in (QUESTIONS / "dataset.jsonl").read_text().splitlines()]


def with_paths(messages):
    """The conversation with its media where they are."""
    return [dict(m, content=[dict(p, path=str(QUESTIONS / p["path"])) if "path" in p else p for p in m["content"]])
            for m in messages]


def test_there_are_questions_of_all_kinds():
    kinds = {p["type"] for q in questions() for m in q["messages"] for p in m["content"]}
    assert kinds == {"text", "image", "audio"}
    assert len(questions()) >= 30


@pytest.mark.parametrize("question", questions(), ids=lambda q: q["category"])
def test_answers_as_transformers_does(pipe, question):
    answer = pipe(text=with_paths(question["messages"]), return_full_text=False)
    assert answer[0]["generated_text"] == question["expected"]


def test_model_and_processor_give_the_same(pipe):
    """The long way: AutoProcessor and Gemma3nForConditionalGeneration."""
    folder = str(PROJECT / "models/demo")
    model = gemma3n.Gemma3nForConditionalGeneration.from_pretrained(folder)
    processor = gemma3n.AutoProcessor.from_pretrained(folder)
    for question in questions()[::6]:
        inputs = processor.apply_chat_template(
            with_paths(question["messages"]), tokenize=True, return_dict=True, return_tensors="np", add_generation_prompt=True)
        out = model.generate(**inputs, max_new_tokens=100)
        new = out[0][inputs["input_ids"].shape[1]:]
        assert processor.decode(new, skip_special_tokens=True) == question["expected"]


@pytest.mark.parametrize("quantization", ["q8", "q4", "bf16", "f32"])
def test_weights_of_other_bits(quantization):
    folder = str(PROJECT / "models/demo")
    model = gemma3n.Gemma3nForConditionalGeneration.from_pretrained(folder, quantization=quantization)
    processor = gemma3n.AutoProcessor.from_pretrained(folder)
    messages = [{"role": "user", "content": [{"type": "text", "text": "What does a cow say?"}]}]
    inputs = processor.apply_chat_template(
        messages, tokenize=True, return_dict=True, return_tensors="np", add_generation_prompt=True)
    out = model.generate(**inputs, max_new_tokens=100)
    assert processor.decode(out[0][inputs["input_ids"].shape[1]:], skip_special_tokens=True) == "A cow says moo."


def test_an_unknown_quantization_is_refused():
    with pytest.raises(ValueError, match="none, q8, q4, bf16 or f32, got 'q3'"):
        gemma3n.Gemma3nForConditionalGeneration.from_pretrained(str(PROJECT / "models/demo"), quantization="q3")
