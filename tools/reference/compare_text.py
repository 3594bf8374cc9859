#!/usr/bin/env python3
"""Compares gemma3n with transformers on new random models: shapes, weights and inputs by seed.

    compare_text.py --tool build/dev/tests/golden/forward_tool --seeds 1 50

runs, for each seed, the tool over a checkpoint made for it, and prints the largest relative error of
each case. Exit code 1 if any is beyond 1e-4 x max|reference| or a greedy id differs. --keep leaves the
checkpoints and tensors of failed seeds in a folder, to be looked at.

The tool:  forward_tool CHECKPOINT INPUTS OUTPUTS [--chunk N] [--static] [--greedy N]
INPUTS and OUTPUTS are safetensors files. In: input_ids [B, T] i64 or inputs_embeds [B, T, D] f32;
perhaps attention_mask, position_ids, labels [B, T] i64, per_layer_inputs [B, T, L, P] f32. Out: logits,
last_hidden_state, hidden_states.0 .. hidden_states.L, loss (with labels); with --greedy N only
sequences [B, T + N] i64: the prompts as given, N new tokens, no end token. --chunk N feeds N columns at a
time through a cache, --static through a static one.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
from dump_generation import MIN_GAP, NEW_TOKENS, generate, left_padded, smallest_gap
from dump_golden import Inputs, zero_at_padding
from random_configs import random_fixture
from reference_model import load, relative_error, rounding_error
from safetensors.torch import load_file, save_file
from tiny_checkpoints import write_checkpoint

TOLERANCE = 1e-4
WELL_CONDITIONED = 1e-5  # float32 against float64 within the reference itself


class Tool:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, inputs, *flags):
        files = [str(self.folder / f"{n}.safetensors") for n in ("inputs", "outputs")]
        save_file({k: v.contiguous() for k, v in inputs.items()}, files[0])
        command = [str(self.path), str(self.folder / "model"), *files, *map(str, flags)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit code {result.returncode}: {result.stderr.strip()}")
        return load_file(files[1])


def well_conditioned_model(seed, folder):
    """A checkpoint whose logits float32 can compute well, so that the tolerance is a fair one."""
    rng = np.random.default_rng(seed)
    while True:
        fixture = random_fixture(rng, seed=int(rng.integers(2**31)))
        write_checkpoint(folder, fixture)
        model = load(folder)
        limit = model.config.vocab_size_per_layer_input if fixture.form == "ConditionalGeneration" else model.config.vocab_size
        inputs = Inputs(model.config, limit, seed)
        if rounding_error(model, inputs.ids(2, 40)) < WELL_CONDITIONED:
            return model, inputs, rng, fixture


@torch.no_grad()
def reference(model, given):
    """What the tool writes, by transformers; rows of padding are 0 in what is compared."""
    mask = given.get("attention_mask")
    stack = model.model(**{k: v for k, v in given.items() if k != "labels"}, output_hidden_states=True)
    output = model(**given)
    values = {"logits": output.logits, "last_hidden_state": stack.last_hidden_state}
    values |= {f"hidden_states.{i}": h for i, h in enumerate(stack.hidden_states)}
    if mask is not None:
        values = {k: zero_at_padding(v, mask) for k, v in values.items()}
    if output.loss is not None:
        values["loss"] = output.loss
    return values


def differences(actual, expected):
    errors = {}
    for name, tensor in expected.items():
        if name not in actual or actual[name].shape != tensor.shape:
            errors[name] = float("inf")
        elif not torch.isfinite(actual[name]).all():
            errors[name] = float("nan")
        else:
            errors[name] = relative_error(actual[name], tensor)
    return errors


def forward_inputs(model, inputs, rng):
    """(name, inputs of the tool) of one model."""
    W, T = model.config.sliding_window, int(rng.integers(1, 3 * model.config.sliding_window + 5))
    yield "ids", {"input_ids": inputs.ids(1, T)}
    batch = [inputs.ids(1, int(n))[0] for n in rng.integers(1, 2 * W + 3, 3)]
    ids, mask = left_padded(batch)
    yield "left padding", {"input_ids": ids, "attention_mask": mask}
    yield "right padding", {"input_ids": ids.flip(1), "attention_mask": mask.flip(1)}
    ids = inputs.ids(2, T + 1)
    labels = torch.where(torch.rand(ids.shape, generator=inputs.generator) < 0.3, -100, ids)
    labels[:, -1] = ids[:, -1]  # at least one counts
    yield "labels", {"input_ids": ids, "labels": labels}
    yield "positions", {"input_ids": ids, "position_ids": torch.cumsum(1 + (ids % 3), dim=1)}
    config = model.config
    embeds = inputs.normal(2, T, config.hidden_size)
    yield "embeds", {"inputs_embeds": embeds}
    per_layer = inputs.normal(2, T, config.num_hidden_layers, config.hidden_size_per_layer_input)
    yield "per-layer inputs", {"inputs_embeds": embeds, "per_layer_inputs": per_layer}


def compare_forward(tool, model, inputs, rng):
    """Yields (case, errors by tensor)."""
    for name, given in forward_inputs(model, inputs, rng):
        expected = reference(model, given)
        yield name, differences(tool.run(given), expected)
        if name in ("ids", "left padding"):
            logits = {"logits": expected["logits"]}
            for flags in (["--chunk", 1], ["--chunk", int(rng.integers(2, 24))], ["--chunk", 5, "--static"]):
                yield f"{name} {' '.join(map(str, flags))}", differences(tool.run(given, *flags), logits)


def compare_greedy(tool, model, inputs, rng):
    """Ids must be equal, where the reference's own choice is clear."""
    lengths = rng.integers(2, 2 * model.config.sliding_window + 3, 3)
    ids, mask = left_padded([inputs.ids(1, int(n))[0] for n in lengths])
    output = generate(model, ids, mask)
    if smallest_gap(output, ids.shape[1]) < MIN_GAP:
        return
    for flags in ([], ["--static"]):
        actual = tool.run({"input_ids": ids, "attention_mask": mask}, "--greedy", NEW_TOKENS, *flags)["sequences"]
        same = actual.shape == output.sequences.shape and torch.equal(actual, output.sequences)
        yield " ".join(["greedy", *flags]), {"sequences": 0.0 if same else float("inf")}


def compare_seed(seed, path, folder):
    """The largest error of a seed; prints what is beyond the tolerance."""
    model, inputs, rng, fixture = well_conditioned_model(seed, folder / "model")
    tool, worst, failed = Tool(path, folder), ("", 0.0), False
    cases = 0
    for compare in (compare_forward, compare_greedy):
        for case, errors in compare(tool, model, inputs, rng):
            cases += 1
            name, error = max(errors.items(), key=lambda e: float("inf") if e[1] != e[1] else e[1])
            if not error <= TOLERANCE:
                failed = True
                print(f"seed {seed}: {case}: {name}: relative error {error:.2e}")
            worst = max(worst, (case, error), key=lambda w: w[1])
    D, L = model.config.hidden_size, model.config.num_hidden_layers
    print(f"seed {seed:5} {cases:3} cases  {fixture.form:22} {fixture.dtype:8} D {D:3} L {L}  worst {worst[1]:.1e} ({worst[0]})",
          flush=True)
    return worst[1], failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs=2, default=(1, 20), metavar=("FIRST", "LAST"))
    parser.add_argument("--keep", type=pathlib.Path, help="where to leave the files of failed seeds")
    args = parser.parse_args()
    torch.set_num_threads(1)
    failures, worst = [], 0.0
    for seed in range(args.seeds[0], args.seeds[1] + 1):
        with tempfile.TemporaryDirectory() as name:
            error, failed = compare_seed(seed, args.tool.resolve(), pathlib.Path(name))
            worst = max(worst, error)
            if failed:
                failures.append(seed)
                if args.keep:
                    shutil.copytree(name, args.keep / str(seed), dirs_exist_ok=True)
    print(f"largest relative error {worst:.1e}; failed seeds: {failures or 'none'}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
