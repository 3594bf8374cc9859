#!/usr/bin/env python3
"""The pictures and sounds of the README and the examples: examples/media.

    python tools/demo_model/make_samples.py examples/media

Pictures are drawn at 384 x 384; the processor scales them down.
"""

import argparse
import pathlib

import numpy as np
import soundfile
from PIL import Image

import pictures
import speech

SIZE = 384


def shape(kind, colour, size, x, y, angle=0.0):
    return pictures.Shape(kind, colour, size, x, y, sum(pictures.RADII[size]) / 2, angle)


PICTURES = {
    "shapes": ("gradient", 8, [shape("circle", "red", "large", 34, 42), shape("star", "blue", "large", 90, 84, 0.1)]),
    "star": ("plain", 3, [shape("star", "yellow", "large", 64, 60, -0.1)]),
}
SOUNDS = {
    "number": ("forty-two", "en-gb+m2", 150, 50),
    "question": ("what colour is the star", "en-us+f4", 150, 50),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, (background, seed, shapes) in PICTURES.items():
        scene = pictures.Scene(tuple(shapes), background, seed)
        # Fewer colours than noise makes: a small file.
        Image.fromarray(pictures.draw(scene, SIZE, noise=0)).save(out / f"{name}.png", optimize=True)
    for name, (text, voice, speed, pitch) in SOUNDS.items():
        random = np.random.default_rng([7, len(text)])
        samples = speech.finish(speech.synthesize(text.replace("-", " "), voice, speed, pitch), random)
        soundfile.write(out / f"{name}.flac", samples, speech.RATE, "PCM_16")


if __name__ == "__main__":
    main()
