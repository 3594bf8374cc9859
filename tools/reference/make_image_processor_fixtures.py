#!/usr/bin/env python3
"""Writes what transformers' SiglipImageProcessor makes of generated pictures:

    python tools/reference/make_image_processor_fixtures.py

tests/golden/media/resize_sweep.tsv    width, height, mode, CRC-32 of pixel_values (768 pictures)
tests/golden/media/processor_cases.tsv arrays and options: name, CRC-32 of pixel_values
tests/golden/media/float_resize.tsv    float arrays: name, pixel_values

Pixels come from a hash of their index, so the tests make the same pictures without reading them.
The sweep needs a CPU with AVX2: elsewhere torchvision resizes in float.
"""
import pathlib
import warnings
import zlib

import numpy as np
import torch
from PIL import Image
from transformers import SiglipImageProcessor

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "media"
SIDES = [1, 2, 3, 15, 16, 17, 255, 256, 257, 511, 512, 513, 767, 768, 769, 4096]
MODES = {"RGB": 3, "L": 1, "RGBA": 4}

warnings.simplefilter("ignore")
processor = SiglipImageProcessor(size={"height": 768, "width": 768}, resample=2, do_normalize=False,
                                 image_mean=[0.5] * 3, image_std=[0.5] * 3)


def generated(*shape):
    """uint8 noise: element i is the top byte of a hash of i."""
    x = np.arange(np.prod(shape), dtype=np.uint32)
    x *= np.uint32(2654435761)
    x ^= x >> np.uint32(15)
    x *= np.uint32(2246822519)
    x ^= x >> np.uint32(13)
    return (x >> np.uint32(24)).astype(np.uint8).reshape(shape)


def pixel_values(images, **options):
    return processor(images, return_tensors="pt", **options)["pixel_values"].float().contiguous()


def checksum(values):
    return f"{zlib.crc32(values.numpy()):08x}"


def sweep():
    for width in SIDES:
        for height in SIDES:
            for mode, channels in MODES.items():
                pixels = generated(height, width, channels)
                image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels, mode)
                yield f"{width}\t{height}\t{mode}\t{checksum(pixel_values([image]))}\n"


def cases():
    small = {"size": {"height": 20, "width": 30}}
    arrays = {
        "first_3": generated(3, 11, 13), "last_3": generated(11, 13, 3),
        "first_1": generated(1, 11, 13), "last_1": generated(11, 13, 1),
        "first_4": generated(4, 11, 13), "last_4": generated(11, 13, 4),
        "ambiguous": generated(3, 11, 3),
    }
    for name, array in arrays.items():
        yield f"{name}\t{checksum(pixel_values([array], **small))}\n"
    rgb = generated(11, 13, 3)
    options = {
        "no_rescale": {"do_rescale": False}, "no_resize": {"do_resize": False},
        "nothing": {"do_resize": False, "do_rescale": False},
        "factor": {"rescale_factor": 1 / 127.5},
        "normalize": {"do_normalize": True},
        "normalize_only": {"do_normalize": True, "do_rescale": False},
        "mean_and_std": {"do_normalize": True, "image_mean": [0.48, 0.45, 0.4], "image_std": [0.22, 0.26, 0.27]},
    }
    for name, option in options.items():
        yield f"{name}\t{checksum(pixel_values([rgb], **{**small, **option}))}\n"


def float_cases():
    for name, array, size in (("up", generated(3, 5, 4), (8, 9)), ("down", generated(3, 37, 50), (6, 7)),
                              ("rgba", generated(4, 9, 9), (5, 6))):
        values = array.astype(np.float32)
        if name == "rgba":
            values /= 255
        out = pixel_values([values], size={"height": size[0], "width": size[1]})
        yield name + "\t" + " ".join(f"{v:.9g}" for v in out.flatten().tolist()) + "\n"


def main():
    torch.set_num_threads(1)
    (FOLDER / "processor_cases.tsv").write_text("".join(cases()))
    (FOLDER / "float_resize.tsv").write_text("".join(float_cases()))
    (FOLDER / "resize_sweep.tsv").write_text("".join(sweep()))


if __name__ == "__main__":
    main()
