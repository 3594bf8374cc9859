#!/usr/bin/env python3
"""Step 3: writes what training reached as a checkpoint of Hugging Face's form.

    python tools/demo_model/export.py WORK models/demo [--average CHECKPOINT]

--average: the weights are halfway between those of the checkpoint that training went on from and what it reached, so that
what was learnt last takes less away from what had been learnt before.

The model card is written by write_card.py, from what `gemma3n eval` measured.
"""

import argparse
import json
import pathlib
import shutil

import torch

import model as demo
import tokens


def trained_model(work, seed):
    model = demo.new_model(seed)
    state = torch.load(work / "demo.pt")
    sleeping = demo.skip_idle_blocks(model)
    model.load_state_dict(state["model"])
    with torch.no_grad():
        for stage, b, block in sleeping:
            stage[b] = block
            for parameter in block.parameters():  # weights that nothing reads compress to nothing
                parameter.zero_()
    return model.eval()


def average(model, folder):
    from safetensors.torch import load_file

    other = load_file(folder / "model.safetensors")
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name in other and value.is_floating_point():
                value.lerp_(other[name].float(), 0.5)


def processor_configs(folder):
    """In the files of Google's checkpoints: media in preprocessor_config.json, numbers of tokens in processor_config.json."""
    from transformers import Gemma3nAudioFeatureExtractor, SiglipImageProcessor

    size = {"height": demo.PICTURE_SIZE, "width": demo.PICTURE_SIZE}
    images = SiglipImageProcessor(do_normalize=False, do_convert_rgb=True, size=size, resample=2).to_dict()
    sounds = Gemma3nAudioFeatureExtractor().to_dict()
    merged = images | sounds | {"processor_class": "Gemma3nProcessor"}
    for key in ("mel_filters", "window"):  # computed from the rest
        merged.pop(key, None)
    write(folder / "preprocessor_config.json", merged)
    write(folder / "processor_config.json", {"processor_class": "Gemma3nProcessor", "image_seq_length": demo.PICTURE_TOKENS,
                                             "audio_seq_length": demo.CLIP_TOKENS})


def write(path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True, default=lambda v: v.tolist()) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--average", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    model = trained_model(arguments.work, arguments.seed)
    if arguments.average:
        average(model, arguments.average)
    model = model.to(torch.bfloat16)
    model.config.dtype = torch.bfloat16
    model.config.audio_soft_tokens_per_image = demo.CLIP_TOKENS
    model.generation_config.update(bos_token_id=2, eos_token_id=[1, 6], pad_token_id=0, do_sample=False,
                                   max_new_tokens=100)
    model.save_pretrained(arguments.out)
    (arguments.out / "model.safetensors").chmod(0o644)
    generation = json.loads((arguments.out / "generation_config.json").read_text())
    generation.pop("_from_model_config", None)  # these are choices, not defaults
    write(arguments.out / "generation_config.json", generation)
    for name in tokens.FILES:
        shutil.copy(arguments.work / "tokenizer" / name, arguments.out / name)
    processor_configs(arguments.out)


if __name__ == "__main__":
    main()
