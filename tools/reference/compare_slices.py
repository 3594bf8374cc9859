#!/usr/bin/env python3
"""Compares sizes of nested models with transformers, on new random models of E4B's proportions by seed.

    compare_slices.py --tool build/release/tests/golden/forward_tool --program build/release/apps/cli/gemma3n --seeds 1 20

For each seed a checkpoint is made and cut by slice_checkpoint.py. transformers computes the logits of the
cut; gemma3n those of the cut, of the whole model with that size at load and per request, and of the
checkpoint that `gemma3n slice` writes. The last three must have the bits of the first; all must be within
1e-4 x max|reference| of transformers, whose own loading of the program's slice must give its logits again.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers
from compare_text import TOLERANCE, WELL_CONDITIONED, Tool
from fixture_configs import BASE, F, Fixture, S
from random_configs import between, pick
from reference_model import load, relative_error, rounding_error
from slice_checkpoint import slice_checkpoint
from tiny_checkpoints import write_checkpoint


def random_nested(rng, seed):
    """A model of blocks of sliding layers and a full one, the last blocks sharing keys; and a size of it."""
    period, blocks = between(rng, 2, 5), between(rng, 3, 6)
    layers, shared_blocks = period * blocks, between(rng, 1, blocks - 2)
    first_shared = layers - period * shared_blocks
    widths = [32 * between(rng, 2, 4) for _ in range(layers)]
    text = BASE | {
        "num_hidden_layers": layers,
        "layer_types": ([S] * (period - 1) + [F]) * blocks,
        "num_kv_shared_layers": layers - first_shared,
        "intermediate_size": widths,
        "activation_sparsity_pattern": [0.95 if i < 2 * period else 0.0 for i in range(layers)],
        "hidden_size_per_layer_input": pick(rng, 8, 16, 32),
        "sliding_window": between(rng, 4, 16),
    }
    may_go = [b for b in range(blocks) if period * (b + 1) != first_shared]
    skipped = sorted(i for b in may_go if rng.random() < 0.4 for i in range(period * b, period * (b + 1)))
    kept = [i for i in range(layers) if i not in skipped]
    size = {"FFN Hidden Dims": [32 * between(rng, 1, widths[i] // 32) for i in kept], "Layers Skipped": skipped or None}
    fixture = Fixture(text=text, about=f"seed {seed}", form=pick(rng, "CausalLM", "TextModel", "ConditionalGeneration"),
                      dtype=pick(rng, "bfloat16", "float16", "float32"), shards=pick(rng, 1, 2), unused_kv=bool(rng.random() < 0.5),
                      stored_lm_head=False, seed=seed)
    return fixture, size


def reference_logits(folder, ids):
    with torch.no_grad():
        return load(folder)(input_ids=ids).logits


def write_well_conditioned(rng, root):
    """`whole` and `cut`, whose logits float32 can compute well, so that the tolerance is a fair one."""
    while True:
        fixture, size = random_nested(rng, int(rng.integers(2**31)))
        for name in ("whole", "cut"):
            shutil.rmtree(root / name, ignore_errors=True)
        write_checkpoint(root / "whole", fixture)
        slice_checkpoint(root / "whole", root / "cut", size)
        if rounding_error(load(root / "cut"), torch.from_numpy(rng.integers(0, 50, (2, 40)))) < WELL_CONDITIONED:
            return size


def run_seed(seed, tool_path, program):
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        size = write_well_conditioned(rng, root)
        (root / "size.json").write_text(json.dumps(size))
        subprocess.run([program, "slice", root / "whole", root / "slice", "--size", root / "size.json"], check=True, capture_output=True)
        ids = torch.from_numpy(rng.integers(0, 50, (2, between(rng, 1, 40))))
        expected = reference_logits(root / "cut", ids)
        again = reference_logits(root / "slice", ids)
        results = {}
        for case, model, flags in [("cut", "cut", []), ("on disk", "slice", []), ("at load", "whole", ["--load-size", root / "size.json"]),
                                   ("per request", "whole", ["--size", root / "size.json"])]:
            (root / "model").symlink_to(root / model)
            results[case] = Tool(tool_path, root).run({"input_ids": ids}, *flags)["logits"]
            (root / "model").unlink()
        error = max(relative_error(value, expected) for value in results.values())
        same = all(torch.equal(results["cut"], value) for value in results.values()) and torch.equal(expected, again)
        whole = reference_logits(root / "whole", ids)
        assert not torch.allclose(whole, expected, atol=1e-3), "the size changes nothing"
    return error, same, len(size["Layers Skipped"] or [])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--seeds", nargs=2, type=int, default=[1, 20], metavar=("FIRST", "LAST"))
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    failed = 0
    for seed in range(arguments.seeds[0], arguments.seeds[1] + 1):
        error, same, skipped = run_seed(seed, arguments.tool, arguments.program)
        good = same and error <= TOLERANCE
        failed += not good
        print(f"seed {seed}: {skipped} layers left out, error {error:.1e}, bits {'equal' if same else 'DIFFER'}{'' if good else '   FAILED'}", flush=True)
    print(f"{arguments.seeds[1] - arguments.seeds[0] + 1} models, {failed} differ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
