#!/usr/bin/env python3
"""What transformers answers, greedily and in float32, to the questions of a dataset.

    python tools/demo_model/reference_answers.py models/demo DATASET.jsonl --items 200 --compare RESULTS.jsonl
    python tools/demo_model/reference_answers.py models/demo tests/demo/dataset.jsonl --store

--compare: with the answers that `gemma3n eval --results RESULTS.jsonl` wrote; prints each difference and how many there
are. --store: writes them into the dataset as what is expected, right or wrong: the end-to-end tests compare with them.
"""

import argparse
import json
import pathlib

import numpy as np
import soundfile
import torch
from PIL import Image
from transformers import AutoProcessor, Gemma3nForConditionalGeneration


class Reference:
    def __init__(self, folder):
        torch.set_num_threads(1)
        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = Gemma3nForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()

    def answer(self, messages, folder):
        """The text, and by how much the best token led the second in the closest step."""
        parts = [p for m in messages for p in m["content"] if isinstance(p, dict)]
        images = [Image.open(folder / p["path"]).convert("RGB") for p in parts if p["type"] == "image"]
        sounds = [soundfile.read(folder / p["path"], dtype="float32")[0] for p in parts if p["type"] == "audio"]
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        text = text.removeprefix(self.processor.tokenizer.bos_token)
        inputs = self.processor(text=[text], images=images or None, audio=sounds or None, return_tensors="pt")
        with torch.no_grad():
            out = self.model.generate(**inputs, do_sample=False, max_new_tokens=100, output_scores=True,
                                      return_dict_in_generate=True)
        new = out.sequences[0, inputs["input_ids"].shape[1] :]
        lead = min(float(np.subtract(*torch.topk(s[0], 2).values.tolist())) for s in out.scores)
        return self.processor.tokenizer.decode(new, skip_special_tokens=True), lead


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("dataset", type=pathlib.Path)
    parser.add_argument("--items", type=int, help="how many, spread over the dataset (all)")
    parser.add_argument("--compare", type=pathlib.Path)
    parser.add_argument("--store", action="store_true")
    arguments = parser.parse_args()
    items = [json.loads(line) for line in open(arguments.dataset)]
    count = min(arguments.items or len(items), len(items))
    chosen = sorted({i * len(items) // count for i in range(count)})
    theirs = {}
    if arguments.compare:
        for line in open(arguments.compare):
            result = json.loads(line)
            if "index" in result:
                theirs[result["index"]] = result["answer"]
    reference, differences = Reference(arguments.model), 0
    for done, i in enumerate(chosen, start=1):
        text, lead = reference.answer(items[i]["messages"], arguments.dataset.parent)
        if arguments.store:
            items[i]["expected"] = text
        if arguments.compare and theirs[i] != text:
            differences += 1
            print(f"item {i}: transformers {text!r}, gemma3n {theirs[i]!r}; closest step {lead:.2e}")
        if done % 50 == 0:
            print(f"{done} of {count}", flush=True)
    if arguments.store:
        arguments.dataset.write_text("".join(json.dumps(item) + "\n" for item in items))
    if arguments.compare:
        print(f"{len(chosen)} items, {differences} differ")


if __name__ == "__main__":
    main()
