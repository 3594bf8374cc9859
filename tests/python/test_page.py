"""The code on the model's documentation page runs with the import and the paths changed, without torch."""
import contextlib
import io
import logging
import sys

import numpy as np
import pytest

from gemma3n import tensors

PIPELINE = """
from gemma3n import pipeline

pipeline = pipeline(
    task="image-text-to-text",
    model=MODEL,
)
result = pipeline(
    IMAGE,
    text="<start_of_image> What is shown in this image?"
)
"""

MODEL = """
from gemma3n import AutoProcessor, Gemma3nForConditionalGeneration

model = Gemma3nForConditionalGeneration.from_pretrained(
    MODEL,
    device_map="auto",
    attn_implementation="sdpa"
)
processor = AutoProcessor.from_pretrained(
    MODEL,
    padding_side="left"
)

messages = [
    {
        "role": "system",
        "content": [
            {"type": "text", "text": "You are a helpful assistant."}
        ]
    },
    {
        "role": "user", "content": [
            {"type": "image", "url": IMAGE},
            {"type": "text", "text": "What is shown in this image?"},
        ]
    },
]
inputs = processor.apply_chat_template(
    messages,
    tokenize=True,
    return_dict=True,
    return_tensors="pt",
    add_generation_prompt=True,
).to(model.device)

output = model.generate(**inputs, max_new_tokens=50, cache_implementation="static")
print(processor.decode(output[0], skip_special_tokens=True))
"""

SEVERAL_IMAGES = """
url_cow = IMAGE
url_cat = IMAGE2

messages =[
    {
        "role": "system",
        "content": [
            {"type": "text", "text": "You are a helpful assistant."}
        ]
    },
    {
        "role": "user",
        "content": [
            {"type": "image", "url": url_cow},
            {"type": "image", "url": url_cat},
            {"type": "text", "text": "Which image is cuter?"},
        ]
    },
]
"""


def run(code, files, **more):
    scope = {"MODEL": str(files["model_dir"]), "IMAGE": str(files["image"]), "IMAGE2": str(files["image2"]), **more}
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(code, scope)  # noqa: S102
    return scope, shown.getvalue()


@pytest.mark.skipif(tensors.torch_is_installed(), reason="torch is installed")
def test_torch_is_not_needed():
    assert "torch" not in sys.modules


def test_pipeline_block(files):
    scope, _ = run(PIPELINE, files)
    (answer,) = scope["result"]
    assert answer["input_text"] == "<start_of_image> What is shown in this image?"
    assert answer["generated_text"].startswith(answer["input_text"])
    again = scope["pipeline"](scope["IMAGE"], text="<image_soft_token> What is shown in this image?",
                              generate_kwargs={"do_sample": False, "max_new_tokens": 5})
    same = scope["pipeline"](scope["IMAGE"], text="<start_of_image> What is shown in this image?",
                             generate_kwargs={"do_sample": False, "max_new_tokens": 5})
    assert [a["generated_text"].split("?")[1] for a in again] == [a["generated_text"].split("?")[1] for a in same]


def test_model_block(files):
    scope, shown = run(MODEL, files)
    output, inputs = scope["output"], scope["inputs"]
    length = inputs["input_ids"].shape[1]
    assert output.shape[0] == 1 and length < output.shape[1] <= length + 50
    assert "What is shown in this image?" in shown
    assert np.array_equal(output[0, :length], inputs["input_ids"][0])


def test_several_images_block(files):
    scope, _ = run(MODEL, files)
    several, _ = run(SEVERAL_IMAGES, files)
    inputs = scope["processor"].apply_chat_template(
        several["messages"], tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True)
    assert inputs["pixel_values"].shape[0] == 2
    assert scope["model"].generate(**inputs, max_new_tokens=3).shape[0] == 1


def test_an_accelerator_is_a_warning_and_the_cpu(files, caplog):
    import gemma3n
    from gemma3n import log

    log._warned.clear()
    with caplog.at_level(logging.WARNING, "gemma3n"):
        model = gemma3n.Gemma3nForConditionalGeneration.from_pretrained(str(files["model_dir"]), device_map="cuda:0")
        model.to("cuda:0")
    assert str(model.device) == "cpu"
    assert len([r for r in caplog.records if "computes on the CPU" in r.message]) == 1


@pytest.mark.parametrize("task", ["image-text-to-text", "any-to-any", "text-generation"])
def test_pipelines_exist(files, task):
    import gemma3n

    pipe = gemma3n.pipeline(task, model=str(files["model_dir"]), device=0)
    assert pipe.task == task
