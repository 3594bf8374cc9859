#!/usr/bin/env python3
"""Writes what transformers' Gemma3nProcessor makes of texts, pictures and sounds:

    python tools/reference/make_processor_fixtures.py tests/golden/processor/cases.jsonl

One JSON object per line. A medium is stored as its size alone: pixels and samples come from a hash
of their index, so the test makes the same ones. "conversations" are for apply_chat_template, "text"
and the rest for a call; "error" is the message of a ValueError.
"""
import json
import pathlib
import random
import sys
import tempfile
import warnings
import zlib

import numpy as np
from PIL import Image
from transformers import Gemma3nAudioFeatureExtractor, Gemma3nProcessor, GemmaTokenizer, SiglipImageProcessor
from transformers.utils import logging

from make_image_processor_fixtures import generated

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "tests" / "golden" / "fixtures" / "checkpoints" / "chat"
IMAGE, AUDIO = "<image_soft_token>", "<audio_soft_token>"
WORDS = ["the river", "is long", "\n", "\n\n", " ", "a", "caf\u00e9 \u4f60\u597d", "<end_of_turn>", "<start_of_image>",
         "<end_of_image>", "<bos>", "<unused3>", "  x", "<image_soft", "_token>", "\U0001f600"]
SIZES = [(1, 1), (7, 5), (30, 20), (20, 30), (64, 3)]  # width, height
LENGTHS = [0, 1, 512, 513, 600, 2000]  # samples

warnings.simplefilter("ignore")
logging.set_verbosity_error()


def processor(image_seq_length, audio_seq_length):
    tokenizer = GemmaTokenizer.from_pretrained(CHECKPOINT)
    return Gemma3nProcessor(
        feature_extractor=Gemma3nAudioFeatureExtractor(),
        image_processor=SiglipImageProcessor(size={"height": 20, "width": 30}, resample=2, do_normalize=False),
        tokenizer=tokenizer,
        chat_template=(CHECKPOINT / "chat_template.jinja").read_text(),
        image_seq_length=image_seq_length,
        audio_seq_length=audio_seq_length,
    )


def pixels(size):
    width, height = size
    return Image.fromarray(generated(height, width, 3))  # an array of height 1 or 3 would be ambiguous


def samples(length):
    return (generated(max(length, 1))[:length].astype(np.float32) - 128) / 128


def results(output):
    found = {"input_ids": output["input_ids"], "token_type_ids": output["token_type_ids"]}
    if "pixel_values" in output:
        values = np.ascontiguousarray(np.stack([np.asarray(image) for image in output["pixel_values"]]))
        found["pixels"] = {"shape": values.shape, "checksum": f"{zlib.crc32(values):08x}"}
    if "input_features" in output:
        features = np.asarray(output["input_features"], dtype=np.float64)
        mask = np.asarray(output["input_features_mask"])
        found["sound"] = {"shape": features.shape, "frames": mask.sum(axis=1).tolist() if mask.ndim == 2 else [],
                          "mean_magnitude": float(np.abs(features).mean()) if features.size else 0.0}
    return found


def run(case):
    process = processor(case["image_seq_length"], case["audio_seq_length"])
    options = {key: case[key] for key in ["add_special_tokens"] if key in case}
    if "max_length" in case:
        # Outside of text_kwargs it would cut the clips, too.
        options["text_kwargs"] = {"max_length": case["max_length"], "truncation": True}
    try:
        if "conversations" in case:
            conversations = [
                [{"role": message["role"], "content": [content(part) for part in message["content"]]}
                 for message in conversation] for conversation in case["conversations"]]
            output = process.apply_chat_template(
                conversations, tokenize=True, return_dict=True,
                add_generation_prompt=case["add_generation_prompt"], processor_kwargs=options)
        else:
            images = [[pixels(size) for size in sample] for sample in case["images"]] if case["images"] else None
            audio = [samples(length) for length in case["audio"]] if case["audio"] else None
            output = process(text=case["text"] or None, images=images, audio=audio, **options)
        return results(output)
    except ValueError as error:
        return {"error": str(error)}


def content(part):
    if part["type"] == "image":
        return {"type": "image", "image": pixels(part["size"])}
    if part["type"] == "audio":
        return {"type": "audio", "audio": samples(part["samples"])}
    return part


def random_text(rng, images, audio):
    parts = [IMAGE] * images + [AUDIO] * audio + rng.choices(WORDS, k=rng.randint(0, 6))
    rng.shuffle(parts)
    return "".join(parts)


def random_call(rng):
    prompts = rng.randint(1, 4)
    images = [[rng.choice(SIZES) for _ in range(rng.choice([0, 0, 1, 2]))] for _ in range(prompts)]
    clips = [rng.choice([0, 0, 1, 2]) for _ in range(prompts)]
    text = [random_text(rng, len(sample), count) for sample, count in zip(images, clips)]
    wrong = rng.random()
    if wrong < 0.05:
        text[0] += IMAGE
    elif wrong < 0.1:
        text[-1] += AUDIO
    elif wrong < 0.2:
        images = [sample[1:] for sample in images]
    total = sum(clips) + (rng.random() < 0.05)
    case = {"text": text, "images": images if any(images) else [], "audio": [rng.choice(LENGTHS[2:]) for _ in range(total)]}
    if rng.random() < 0.2:
        case["text"] = []
        if rng.random() < 0.7:
            case["audio" if case["images"] else "images"] = []
    if rng.random() < 0.2:
        case["max_length"] = rng.choice([1, 5, 20, 40, 1000])
    if rng.random() < 0.3:
        case["add_special_tokens"] = False
    return case


def random_conversation(rng):
    def part():
        kind = rng.random()
        if kind < 0.25:
            return {"type": "image", "size": rng.choice(SIZES)}
        if kind < 0.5:
            return {"type": "audio", "samples": rng.choice(LENGTHS[2:])}
        return {"type": "text", "text": rng.choice(["What is this?", " the river ", "", "\n\nYes.", "caf\u00e9"])}

    messages = [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}] if rng.random() < 0.3 else []
    for turn in range(rng.choice([1, 1, 3])):
        role = "user" if turn % 2 == 0 else "assistant"
        parts = [part() for _ in range(rng.randint(1, 4))] if role == "user" else [{"type": "text", "text": "Yes."}]
        messages.append({"role": role, "content": parts})
    return messages


def cases():
    rng = random.Random(20260)
    empty = {"text": [], "images": [], "audio": []}
    yield empty
    yield empty | {"text": [""]}
    yield empty | {"images": [[], [(7, 5)]]}
    yield empty | {"images": [[(7, 5)] * 3, [(1, 1)]]}
    yield empty | {"audio": [600, 513]}
    yield empty | {"images": [[(7, 5)]], "audio": [600]}
    yield empty | {"text": [IMAGE + IMAGE], "images": [[(7, 5)], [(1, 1)]]}
    yield empty | {"text": [IMAGE, ""], "images": [[(7, 5)]], "max_length": 12}
    yield empty | {"text": [AUDIO + IMAGE + AUDIO], "images": [[(30, 20)]], "audio": [600, 2000]}
    for _ in range(160):
        yield random_call(rng)
    for _ in range(80):
        yield {"conversations": [random_conversation(rng) for _ in range(rng.choice([1, 1, 2, 3]))],
               "add_generation_prompt": rng.random() < 0.7}


def main():
    lengths = random.Random(7)
    with open(sys.argv[1], "w") as file:
        for case in cases():
            case |= dict(zip(["image_seq_length", "audio_seq_length"], lengths.choice([(3, 2), (1, 1), (4, 7)])))
            file.write(json.dumps(case | {"expected": run(case)}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
