#!/usr/bin/env python3
"""Writes tests/golden/multimodal/fixtures: whole small models with pictures and sounds.

    python tools/reference/make_multimodal_fixtures.py tests/golden/multimodal/fixtures

Weights, pixels and features follow formulas that the test computes too, so only configurations,
token ids and results are stored.
"""

import copy
import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.numpy import save_file
from transformers import Gemma3nConfig, Gemma3nForConditionalGeneration

from make_audio_fixtures import features, noise, weight
from reference_model import double_precision_norms, relative_error

NEW_TOKENS = 8
FLOAT32_ERROR = 2e-5  # of the reference against itself in float64, at most
NEEDED_LEAD = 1e-3  # of the best token before the second, of max |logits|

# text ids, text sizes, msfa resolution, picture size, audio sizes
MODELS = [
    dict(V=60, D=48, P=8, L=4, shared=2, window=6, heads=(4, 2, 16), altup=4, sparsity=[0.95, 0.0, 0.5, 0.0],
         resolution=2, picture=(64, 64), bins=16, width=32, chunk=4, left=5, right=0, reduction=4, clip=5),
    dict(V=70, D=32, P=16, L=5, shared=0, window=9, heads=(2, 1, 24), altup=3, sparsity=[0.0] * 5,
         resolution=3, picture=(57, 90), bins=24, width=48, chunk=6, left=4, right=2, reduction=2, clip=9),
    dict(V=64, D=64, P=4, L=4, shared=1, window=4, heads=(4, 4, 8), altup=2, sparsity=[0.9, 0.9, 0.0, 0.0],
         resolution=1, picture=(33, 1), bins=20, width=24, chunk=12, left=13, right=0, reduction=1, clip=12),
    dict(V=90, D=40, P=12, L=6, shared=3, window=32, heads=(4, 1, 8), altup=4, sparsity=[0.95] * 3 + [0.0] * 3,
         resolution=4, picture=(128, 96), bins=32, width=40, chunk=5, left=1, right=1, reduction=3, clip=8),
    dict(V=52, D=24, P=8, L=3, shared=1, window=512, heads=(2, 2, 12), altup=4, sparsity=[0.0] * 3,
         resolution=16, picture=(80, 80), bins=16, width=16, chunk=4, left=3, right=0, reduction=4, clip=4),
    dict(V=61, D=56, P=10, L=4, shared=2, window=3, heads=(8, 2, 4), altup=4, sparsity=[0.5, 0.0, 0.95, 0.0],
         resolution=2, picture=(47, 47), bins=18, width=56, chunk=7, left=9, right=3, reduction=4, clip=6),
    dict(V=66, D=32, P=8, L=4, shared=2, window=8, heads=(2, 2, 16), altup=4, sparsity=[0.95, 0.0, 0.0, 0.0],
         resolution=3, picture=(1, 1), bins=16, width=32, chunk=16, left=2, right=0, reduction=2, clip=7),
]


def config_of(m):
    V, (heads, kv_heads, head_dim) = m["V"], m["heads"]
    kinds = ["sliding_attention", "full_attention"]
    types = [kinds[i % 2] for i in range(m["L"])]
    text = dict(
        vocab_size=V + 8, vocab_size_per_layer_input=V, hidden_size=m["D"], hidden_size_per_layer_input=m["P"],
        intermediate_size=[3 * m["D"] + 8 * i for i in range(m["L"])], num_hidden_layers=m["L"],
        num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim, sliding_window=m["window"],
        layer_types=types, num_kv_shared_layers=m["shared"], altup_num_inputs=m["altup"], laurel_rank=8,
        activation_sparsity_pattern=m["sparsity"], max_position_embeddings=1024)
    vision = dict(vocab_size=4, vocab_offset=V, hidden_size=2048,
                  model_args={"channel_multiplier": 0.0625, "msfa_output_resolution": m["resolution"]})
    audio = dict(
        vocab_size=4, vocab_offset=V + 4, input_feat_size=m["bins"], hidden_size=m["width"],
        conf_attention_chunk_size=m["chunk"], conf_attention_context_left=m["left"],
        conf_attention_context_right=m["right"], conf_num_attention_heads=4, conf_num_hidden_layers=2,
        conf_reduction_factor=m["reduction"], sscp_conv_channel_size=[8, 4])
    return Gemma3nConfig(
        text_config=text, vision_config=vision, audio_config=audio, vision_soft_tokens_per_image=m["resolution"] ** 2,
        audio_soft_tokens_per_image=m["clip"], boi_token_id=V - 2, boa_token_id=V - 1, eoi_token_id=V,
        image_token_id=V + 1, eoa_token_id=V + 4, audio_token_id=V + 5)


def build(config):
    with torch.no_grad():
        model = Gemma3nForConditionalGeneration(config).eval().to(torch.float32)
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(weight(name, tuple(parameter.shape))))
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


def pixels(seed, count, size):
    height, width = size
    x = noise(seed, count * 3 * height * width) >> np.uint32(24)
    return torch.from_numpy((x / 256).astype(np.float32).reshape(count, 3, height, width))


class Prompts:
    """Rows of ids with placeholders expanded."""

    def __init__(self, m, config, seed):
        self.m, self.config, self.random = m, config, np.random.default_rng(seed)

    def text(self, count):
        return [int(i) for i in self.random.integers(3, self.m["V"] - 2, count)]

    def image(self):
        c = self.config
        return [c.boi_token_id] + [c.image_token_id] * c.vision_soft_tokens_per_image + [c.eoi_token_id]

    def clip(self):
        c = self.config
        return [c.boa_token_id] + [c.audio_token_id] * c.audio_soft_tokens_per_image + [c.eoa_token_id]

    def rows(self):
        """name -> (rows, pictures, clips)"""
        t = self.text
        return {
            "one picture": ([[2] + t(3) + self.image() + t(4)], 1, 0),
            "picture alone": ([self.image()], 1, 0),
            "unequal pictures": ([[2] + self.image() + t(2) + self.image() + t(1), [2] + t(5),
                                  [2] + t(1) + self.image() + t(3)], 3, 0),
            "one clip": ([[2] + t(2) + self.clip() + t(3)], 0, 1),
            "picture and clip": ([[2] + self.image() + t(1) + self.clip() + t(2),
                                  [2] + self.clip() + t(3) + self.clip() + self.image() + t(2)], 2, 3),
            "no media": ([[2] + t(4) + [self.config.eoi_token_id, self.config.image_token_id, self.config.eoa_token_id,
                                        self.config.audio_token_id] + t(2)], 0, 0),
        }


def padded(rows):
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def media_of(m, seed, pictures, clips):
    media = {}
    if pictures:
        media["pixel_values"] = pixels(seed, pictures, m["picture"])
    if clips:
        frames = 4 * m["reduction"] * (m["clip"] - 2)  # fewer tokens than the prompt has room for
        media["input_features"] = torch.from_numpy(
            np.stack([features(seed + i, frames, m["bins"]).reshape(frames, m["bins"]) for i in range(clips)]))
        # Clips of unequal length, the first one whole.
        lengths = [max(1, frames - 7 * i) for i in range(clips)]
        media["input_features_mask"] = torch.tensor([[t < n for t in range(frames)] for n in lengths])
    return media


def lead(scores):
    """How far the best token is ahead, in the worst step."""
    worst = float("inf")
    for step in scores:
        best = torch.topk(step, 2, dim=-1).values
        worst = min(worst, float(((best[:, 0] - best[:, 1]) / step.abs().amax(-1)).min()))
    return worst


def rounding_error(model, logits, ids, mask, media):
    """How far the reference's own float32 is from float64, padding left out."""
    double = copy.deepcopy(model).double()
    media = {name: value.double() if value.is_floating_point() else value for name, value in media.items()}
    with double_precision_norms():
        exact = double(input_ids=ids, attention_mask=mask, **media).logits
    return relative_error(logits[mask == 1], exact[mask == 1])


def sensitivity(model, logits, ids, mask, media):
    """Where float64 gives NaN, as for clips with padding: how far a millionth of the media moves the logits."""
    random = torch.Generator().manual_seed(0)
    near = {name: value * (1 + 1e-6 * torch.randn(value.shape, generator=random)) if value.is_floating_point() else value
            for name, value in media.items()}
    return relative_error(model(input_ids=ids, attention_mask=mask, **near).logits[mask == 1], logits[mask == 1])


def make_call(model, m, config, index, number, name):
    for attempt in range(20):  # until float32 can tell
        rows, pictures, clips = Prompts(m, config, 10 * index + attempt).rows()[name]
        seed = 1000 * index + 50 * number + 10 * attempt
        ids, mask = padded(rows)
        media = media_of(m, seed, pictures, clips)
        logits = model(input_ids=ids, attention_mask=mask, **media).logits
        rounding = rounding_error(model, logits, ids, mask, media)
        if np.isnan(rounding):
            rounding = sensitivity(model, logits, ids, mask, media)
        if rounding <= FLOAT32_ERROR:
            break
    out = model.generate(input_ids=ids, attention_mask=mask, **media, do_sample=False,
                         max_new_tokens=NEW_TOKENS, output_scores=True, return_dict_in_generate=True)
    key = f"{index}.{number}"
    ahead = lead(out.scores)
    steps = NEW_TOKENS if ahead >= NEEDED_LEAD else 0
    print(f"{key} {name}: {tuple(ids.shape)}, lead {ahead:.2g}, float32 error {rounding:.2g}", flush=True)
    return {
        "name": name, "results": [key], "rows": rows, "pictures": pictures, "picture_size": m["picture"],
        "clips": clips, "frames": media["input_features"].shape[1] if clips else 0,
        "lengths": media["input_features_mask"].sum(1).tolist() if clips else [], "seed": seed,
        "new_tokens": out.sequences[:, ids.shape[1]:][:, :steps].tolist()}, logits


@torch.no_grad()
def main(folder):
    torch.set_num_threads(2)
    folder.mkdir(parents=True, exist_ok=True)
    tensors, models = {}, []
    for index, m in enumerate(MODELS):
        config = config_of(m)
        model = build(config)
        calls = []
        for number, name in enumerate(Prompts(m, config, 0).rows()):
            call, logits = make_call(model, m, config, index, number, name)
            tensors[f"{index}.{number}"] = logits.numpy()
            calls.append(call)
        models.append({"config": json.loads(config.to_json_string(use_diff=False)), "calls": calls})
    compared = sum(bool(c["new_tokens"][0]) for model in models for c in model["calls"])
    print(f"greedy texts with a clear lead: {compared} of {sum(len(model['calls']) for model in models)}")
    save_file(tensors, folder / "multimodal.safetensors")
    (folder / "multimodal.json").write_text(json.dumps({"cases": models}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
