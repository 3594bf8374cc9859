#!/usr/bin/env python3
"""Compares the towers at their full size with timm's MobileNetV5 and transformers' audio encoder.

    compare_towers.py --tool build/release/tests/golden/tower_tool [--parts vision audio] [--rounds 2]

prints, for each picture and clip, the largest error, what it is of max |reference|, and the best time
of both, run in turn on as many threads. Exit code 1 if an error is beyond 1e-4 x max |reference|.
Weights and inputs follow the formulas of the fixtures; the tool (tests/golden/tower_tool.cc) knows
them too. Needs 8 GB of memory.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from make_audio_fixtures import features, fill
from make_vision_fixtures import last, pixels, tower
from transformers import Gemma3nAudioConfig
from transformers.models.gemma3n import modeling_gemma3n as modeling

TOLERANCE = 1e-4
PICTURES = [(768, 768), (512, 512), (256, 256), (300, 500)]
CLIPS = [3000, 200]  # frames of 10 ms


class Tool:
    def __init__(self, path, part, threads, output):
        self.output = output
        command = [str(path), part, str(threads), str(output)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()  # the weights are there

    def run(self, *size):
        """(result, seconds)"""
        self.process.stdin.write(" ".join(map(str, size)) + "\n")
        self.process.stdin.flush()
        seconds = float(self.process.stdout.readline())
        return np.fromfile(self.output, dtype=np.float32), seconds

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def vision():
    """(name, size, function of no argument that gives the reference's result) of each picture."""
    model = tower()
    for height, width in PICTURES:
        x = pixels(height + width, height, width)
        yield f"picture {height} x {width}", (height, width), lambda x=x: last(model.forward_features(x))


def audio():
    config = Gemma3nAudioConfig()
    model = fill(modeling.Gemma3nAudioEncoder(config), "model.audio_tower")
    for frames in CLIPS:
        mel = torch.from_numpy(features(frames, frames, config.input_feat_size))[None]
        padding = torch.zeros(1, frames, dtype=torch.bool)
        yield f"clip of {frames / 100:g} s", (frames,), lambda m=mel, p=padding: model(m, p).last_hidden_state[0]


@torch.no_grad()
def compare(tool, name, size, reference, rounds):
    """The relative error."""
    ours, theirs = [], []
    for _ in range(rounds):
        actual, seconds = tool.run(*size)
        ours.append(seconds)
        start = time.perf_counter()
        expected = reference()
        theirs.append(time.perf_counter() - start)
    expected = expected.numpy().ravel()
    if actual.shape != expected.shape or not np.isfinite(actual).all():
        error = relative = float("inf")
    else:
        error = float(np.abs(actual - expected).max())
        relative = error / float(np.abs(expected).max())
    print(f"{name:18} largest error {error:.1e}, relative {relative:.1e}   gemma3n {min(ours):.2f} s, PyTorch {min(theirs):.2f} s",
          flush=True)
    return relative


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=("vision", "audio"), default=("vision", "audio"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    worst = 0.0
    for part in args.parts:
        with tempfile.TemporaryDirectory() as folder:
            tool = Tool(args.tool.resolve(), part, args.threads, pathlib.Path(folder) / "result")
            for name, size, reference in {"vision": vision, "audio": audio}[part]():
                worst = max(worst, compare(tool, name, size, reference, args.rounds))
            tool.close()
    sys.exit(not worst <= TOLERANCE)


if __name__ == "__main__":
    main()
