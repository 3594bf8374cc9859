#!/usr/bin/env python3
"""Compares the program with transformers, from the picture's file to the answer:

    python tools/reference/compare_program.py build/release/apps/cli/gemma3n [--models 8] [--seed 0]

Writes small whole models with random weights as save_pretrained writes them, asks both about the
pictures and sounds of tests/golden, and compares the greedy tokens. Where the reference's best two
tokens are too close for float32 to tell, the rest of that answer is not compared.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

import torch
from transformers import (AutoProcessor, Gemma3nAudioFeatureExtractor, Gemma3nConfig, Gemma3nForConditionalGeneration,
                          Gemma3nProcessor, GemmaTokenizer, SiglipImageProcessor)
from transformers.utils import logging

from reference_model import double_precision_norms
from tiny_tokenizer import write_tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Not those with an orientation: torchvision overlooks some, where load_image turns them all.
PICTURES = ["rgb_64x48_444.jpg", "grey.jpg", "cmyk.jpg", "type6_depth8_33x18.png", "lossless_rgb_33x18.webp"]
SOUNDS = ["stereo.flac", "rate_16000.wav", "rate_96000.wav"]
TEXT_IDS, NEW_TOKENS, NEEDED_LEAD = 400, 8, 1e-3

warnings.simplefilter("ignore")
logging.set_verbosity_error()


def random_config(rng):
    heads, kv_heads, head_dim = rng.choice([(4, 2, 8), (2, 1, 16), (4, 4, 8)])
    layers = rng.randint(2, 5)
    resolution = rng.choice([1, 2, 3])
    text = dict(
        vocab_size=TEXT_IDS + 8, vocab_size_per_layer_input=TEXT_IDS, hidden_size=rng.choice([32, 48]),
        hidden_size_per_layer_input=8, intermediate_size=[64] * layers, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim, sliding_window=rng.choice([4, 16, 64]),
        layer_types=[["sliding_attention", "full_attention"][i % 2] for i in range(layers)],
        num_kv_shared_layers=rng.choice([0, 1]) if layers > 3 else 0, laurel_rank=8,
        activation_sparsity_pattern=[rng.choice([0.0, 0.5, 0.95]) for _ in range(layers)], max_position_embeddings=2048)
    return Gemma3nConfig(
        text_config=text,
        vision_config=dict(vocab_size=4, vocab_offset=TEXT_IDS, hidden_size=2048,
                           model_args={"channel_multiplier": 0.0625, "msfa_output_resolution": resolution}),
        audio_config=dict(vocab_size=4, vocab_offset=TEXT_IDS + 4, hidden_size=32, conf_num_attention_heads=4,
                          conf_num_hidden_layers=2, sscp_conv_channel_size=[8, 4]),
        vision_soft_tokens_per_image=resolution**2, audio_soft_tokens_per_image=188, boi_token_id=11, boa_token_id=12,
        eoi_token_id=TEXT_IDS, image_token_id=TEXT_IDS + 1, eoa_token_id=TEXT_IDS + 4, audio_token_id=TEXT_IDS + 5)


def write_checkpoint(rng, folder):
    config = random_config(rng)
    torch.manual_seed(rng.getrandbits(31))
    model = Gemma3nForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5)
            else:
                parameter.normal_(1, 0.1)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    model.to(torch.bfloat16).save_pretrained(folder)
    with tempfile.TemporaryDirectory() as plain:
        write_tokenizer(pathlib.Path(plain), TEXT_IDS, 4, template_in_config=False)
        tokenizer = GemmaTokenizer.from_pretrained(plain)
        template = (pathlib.Path(plain) / "chat_template.jinja").read_text()
    size = rng.choice([48, 64, 96])
    Gemma3nProcessor(
        feature_extractor=Gemma3nAudioFeatureExtractor(),
        image_processor=SiglipImageProcessor(size={"height": size, "width": size}, resample=2, do_normalize=False),
        tokenizer=tokenizer, chat_template=template, image_seq_length=config.vision_soft_tokens_per_image,
        audio_seq_length=188).save_pretrained(folder)


def random_request(rng):
    pictures = [ROOT / "tests/golden/media" / name for name in rng.choices(PICTURES, k=rng.choice([0, 1, 1, 2]))]
    sounds = [ROOT / "tests/golden/audio/fixtures/sounds" / name for name in rng.choices(SOUNDS, k=rng.choice([0, 0, 1, 2]))]
    text = rng.choice(["What is this?", "hello there", "", "The river is long; which one?"])
    return pictures, sounds, text if text or pictures or sounds else "hello"


def reference_tokens(model, processor, pictures, sounds, text):
    content = [{"type": "image", "path": str(p)} for p in pictures] + [{"type": "audio", "path": str(s)} for s in sounds]
    if text:
        content.append({"type": "text", "text": text})
    inputs = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=True, return_dict=True,
                                           return_tensors="pt", add_generation_prompt=True)
    output = model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False, return_dict_in_generate=True,
                            output_logits=True)
    tokens = output.sequences[0, inputs["input_ids"].shape[1]:].tolist()
    certain = 0
    for logits in output.logits:
        best = logits[0].topk(2).values
        if best[0] - best[1] < NEEDED_LEAD * logits.abs().max():
            break
        certain += 1
    return inputs["input_ids"].shape[1], tokens, certain


def program_tokens(program, folder, pictures, sounds, text):
    command = [program, "run", folder, text, "--json", "--greedy", "--max-tokens", str(NEW_TOKENS)]
    for picture in pictures:
        command += ["--image", picture]
    for sound in sounds:
        command += ["--audio", sound]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return report["prompt_tokens"], report["sequences"][0]["token_ids"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--requests", type=int, default=6, help="of each model")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    rng = random.Random(arguments.seed)
    compared = differences = 0
    for index in range(arguments.models):
        with tempfile.TemporaryDirectory() as folder:
            write_checkpoint(rng, folder)
            model = Gemma3nForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
            processor = AutoProcessor.from_pretrained(folder)
            for _ in range(arguments.requests):
                request = random_request(rng)
                with torch.no_grad(), double_precision_norms():
                    length, expected, certain = reference_tokens(model, processor, *request)
                got_length, got = program_tokens(arguments.program, folder, *request)
                compared += certain
                if got_length != length or got[:certain] != expected[:certain]:
                    differences += 1
                    print(f"model {index}: {request}: expected {length} + {expected[:certain]}, got {got_length} + {got}")
        print(f"{index + 1} of {arguments.models} models", file=sys.stderr)
    print(f"{arguments.models} models, {arguments.models * arguments.requests} answers, {compared} tokens, "
          f"{differences} answers differ")
    sys.exit(differences > 0)


if __name__ == "__main__":
    main()
