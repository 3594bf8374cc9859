#!/usr/bin/env python3
"""Writes what transformers' pipelines answer, greedily, on two small checkpoints:

    python tools/reference/make_pipeline_fixtures.py WRITE_CHECKPOINT tests/golden/pipeline/cases.jsonl

WRITE_CHECKPOINT is the built tool of that name. One JSON object per line: "task", "conversation" or
"prompt" (text, images, audio: files of tests/golden), "options" of the call, and "expected": the
"generated_text" and for conversations the roles and texts of all messages.
"""
import json
import pathlib
import sys
import tempfile
import warnings

import torch
from transformers import pipeline
from transformers.utils import logging

from reference_model import double_precision_norms

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
sys.path.insert(0, str(ROOT / "tests" / "python"))
import checkpoint_of_tests  # noqa: E402

PICTURE, OTHER, SOUND = "media/type6_depth8_33x18.png", "media/rgb_64x48_444.jpg", "audio/fixtures/sounds/rate_16000.wav"
IMAGE, AUDIO = "<image_soft_token>", "<audio_soft_token>"

warnings.simplefilter("ignore")
logging.set_verbosity_error()


def says(role, *parts):
    kinds = {"media": "image", "audio": "audio"}
    content = []
    for part in parts:
        kind = kinds.get(part.split("/")[0]) if part in (PICTURE, OTHER, SOUND) else None
        content.append({"type": kind, "file": part} if kind else {"type": "text", "text": part})
    return {"role": role, "content": content}


def cases():
    brief = says("system", "be brief")
    for task in ["image-text-to-text", "any-to-any"]:
        yield {"task": task, "conversation": [says("user", PICTURE, "what is this?")]}
        yield {"task": task, "conversation": [brief, says("user", PICTURE, OTHER, "which is it?")]}
        yield {"task": task, "conversation": [says("user", "hello")], "options": {"return_full_text": False}}
        yield {"task": task, "conversation": [says("user", OTHER), says("assistant", "well,"), says("user", "and?")]}
        yield {"task": task, "conversation": [says("user", PICTURE, "what?"), says("assistant", "it is")]}
        yield {"task": task, "conversation": [says("user", "what?"), says("assistant", "it is")],
               "options": {"continue_final_message": True, "return_full_text": False}}
        yield {"task": task, "prompt": {"text": f"a {IMAGE} and {IMAGE}:", "images": [PICTURE, OTHER]}}
        yield {"task": task, "prompt": {"text": "no picture"}, "options": {"return_full_text": False}}
        yield {"task": task, "prompt": {"text": IMAGE, "images": [OTHER]}, "options": {"skip_special_tokens": False}}
    yield {"task": "any-to-any", "conversation": [says("user", SOUND, "what is said?")]}
    yield {"task": "any-to-any", "conversation": [says("user", PICTURE, SOUND, "both")]}
    yield {"task": "any-to-any", "prompt": {"text": f"hear {AUDIO}", "audio": [SOUND]}}
    yield {"task": "text-generation", "conversation": [brief, says("user", "hello")]}
    yield {"task": "text-generation", "conversation": [says("user", "hello"), says("assistant", "well")]}
    yield {"task": "text-generation", "prompt": {"text": "once upon a time"}}
    yield {"task": "text-generation", "prompt": {"text": ""}, "options": {"return_full_text": False}}
    yield {"task": "text-generation", "prompt": {"text": "once"}, "options": {"skip_special_tokens": False}}
    yield {"task": "text-generation", "prompt": {"text": "once"}, "options": {"stop_strings": ["e"]}}


def for_transformers(message, task):
    content = [{"type": part["type"], "path": str(GOLDEN / part["file"])} if "file" in part else part
               for part in message["content"]]
    if task == "text-generation":
        content = content[0]["text"]
    return {"role": message["role"], "content": content}


def shown(message):
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return {"role": message["role"], "texts": [part["text"] for part in content if part["type"] == "text"]}


def run(pipe, case):
    task, options = case["task"], dict(case["options"])
    generate = {"do_sample": False, "max_new_tokens": 12}
    if "stop_strings" in options:
        generate |= {"stop_strings": options.pop("stop_strings"), "tokenizer": pipe.tokenizer}
    # Beside it, the pipelines with media take options of generate() for options of the processor.
    options |= generate if task == "text-generation" else {"generate_kwargs": generate}
    if "conversation" in case:
        given, media = [for_transformers(message, task) for message in case["conversation"]], {}
    else:
        given, prompt = case["prompt"]["text"], case["prompt"]
        media = {name: [str(GOLDEN / file) for file in prompt[name]] for name in ("images", "audio") if name in prompt}
    out = pipe(given, **options) if task == "text-generation" else pipe(text=given, **media, **options)
    text = out[0]["generated_text"]
    if isinstance(text, str):
        return {"generated_text": text}
    return {"conversation": [shown(message) for message in text]}


def main():
    tool, output = sys.argv[1:]
    lines = []
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), double_precision_norms():
        files = checkpoint_of_tests.write(tool, pathlib.Path(folder))
        pipes = {}
        for case in cases():
            case = {"options": {}, **case}
            task = case["task"]
            if task not in pipes:
                folder_of = files["text_model_dir" if task == "text-generation" else "model_dir"]
                pipes[task] = pipeline(task, model=str(folder_of), dtype=torch.float32)
            lines.append(json.dumps({**case, "expected": run(pipes[task], case)}))
    pathlib.Path(output).write_text("\n".join(lines) + "\n")
    print(len(lines), "cases")


main()
