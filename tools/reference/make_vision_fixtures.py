#!/usr/bin/env python3
"""Writes tests/golden/vision/fixtures: what timm's vision tower and its blocks make of pictures.

    python tools/reference/make_vision_fixtures.py tests/golden/vision/fixtures

Weights and inputs follow formulas that the tests compute too, so only settings and results are
stored, and of a large result only some of its values.
"""

import json
import pathlib
import sys

import numpy as np
import timm
import torch
from safetensors.numpy import save_file

from make_audio_fixtures import noise, rows, weight

KEPT = 4000  # values of a result, about
TOWERS = [(m, size) for m in (0.0625, 0.125, 0.25) for size in ((1, 1), (64, 64), (97, 33), (130, 256))]
TOWERS += [(0.0625, (256, 256)), (0.0625, (31, 300))]
# stage, block, height, width
BLOCKS = [(0, 0, 9, 14), (0, 0, 8, 8), (0, 1, 7, 5), (1, 0, 12, 9), (1, 0, 7, 16), (1, 1, 6, 11), (1, 2, 5, 5),
          (2, 0, 10, 7), (2, 1, 6, 6), (2, 8, 5, 3), (2, 9, 8, 6), (2, 9, 7, 5), (2, 9, 1, 1), (2, 10, 4, 4),
          (3, 0, 9, 6), (3, 1, 5, 4), (3, 1, 1, 2), (3, 2, 3, 3)]
# resolution; sizes of the two maps
HEADS = [(16, (16, 32), (8, 16)), (16, (17, 16), (9, 8)), (16, (3, 5), (2, 3)), (4, (8, 12), (4, 6)),
         (5, (7, 9), (4, 5)), (16, (1, 1), (1, 1))]


def tower(**arguments):
    model = timm.create_model("mobilenetv5_300m_enc", pretrained=False, **arguments).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(weight(f"model.vision_tower.timm_model.{name}", tuple(parameter.shape))))
    return model


def pixels(seed, height, width):
    x = noise(seed, 3 * height * width) >> np.uint32(24)
    return torch.from_numpy((x / 256).astype(np.float32).reshape(1, 3, height, width))


def feature_map(seed, channels, height, width):
    """[1, C, H, W] of values that stand [H * W, C] in memory."""
    x = torch.from_numpy(rows(seed, height * width, channels))
    return x.reshape(1, height, width, channels).permute(0, 3, 1, 2).contiguous()


def last(x):
    """[1, C, H, W] to [H * W, C]."""
    return x[0].permute(1, 2, 0).reshape(-1, x.shape[1])


class Stored:
    def __init__(self):
        self.tensors, self.cases = {}, []

    def add(self, result, **description):
        values = result.detach().numpy().ravel()
        step = max(1, len(values) // KEPT) | 1
        key = str(len(self.cases))
        self.tensors[key] = values[::step].copy()
        largest = float(np.abs(values).max())
        self.cases.append({**description, "results": [key], "step": step, "size": len(values), "largest": largest})
        print(key, description, "largest", largest, flush=True)


@torch.no_grad()
def main(folder):
    torch.set_num_threads(2)
    folder.mkdir(parents=True, exist_ok=True)
    stored = Stored()
    for multiplier, (height, width) in TOWERS:
        model = tower(channel_multiplier=multiplier)
        y = last(model.forward_features(pixels(height + width, height, width)))
        stored.add(y, part="tower", model_args={"channel_multiplier": multiplier}, height=height, width=width)
    arguments = {"channel_multiplier": 0.0625, "fix_stem": False, "msfa_output_resolution": 3}
    stored.add(last(tower(**arguments).forward_features(pixels(7, 50, 61))), part="tower", model_args=arguments,
               height=50, width=61, seed=7)

    arguments = {"channel_multiplier": 0.0625}
    model = tower(**arguments)
    for stage, index, height, width in BLOCKS:
        block = model.blocks[stage][index]
        channels = next(p for n, p in block.named_parameters() if n.endswith(("conv_exp.weight", "pw_exp.conv.weight",
                                                                              "query.proj.weight"))).shape[1]
        y = block(feature_map(stage + index, channels, height, width))
        stored.add(last(y), part="block", model_args=arguments, stage=stage, block=index, height=height, width=width,
                   channels=channels, seed=stage + index)
    for resolution, fine, coarse in HEADS:
        arguments = {"channel_multiplier": 0.0625, "msfa_output_resolution": resolution}
        model = tower(**arguments)
        c = [model.feature_info[i]["num_chs"] for i in model.msfa_indices]
        y = model.msfa([feature_map(1, c[0], *fine), feature_map(2, c[1], *coarse)])
        stored.add(last(y), part="msfa", model_args=arguments, fine=fine, coarse=coarse, channels=c)
    save_file(stored.tensors, folder / "vision.safetensors")
    (folder / "vision.json").write_text(json.dumps({"cases": stored.cases}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
