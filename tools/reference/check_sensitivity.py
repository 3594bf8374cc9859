#!/usr/bin/env python3
"""Shows that no parameter of the tiny checkpoints is idle: a golden test that cannot notice a wrong
tensor is none.

Each tensor in turn is replaced by another draw; the logits must then move by far more than the
tolerance. Tensors that really have no influence are named in expected_idle().
"""

import argparse
import pathlib
import sys

import torch
from fixture_configs import FIXTURES
from reference_model import load, relative_error
from tiny_checkpoints import draw

VISIBLE = 5e-3  # 50 times the tolerance


def expected_idle(name, config):
    """Tensors that cannot matter, by the model's own rules."""
    no_injection = config.altup_num_inputs == 1 or config.hidden_size_per_layer_input == 0
    if not name.startswith("model.layers."):
        return no_injection and "per_layer" in name  # it goes to streams 1 and up
    layer, leaf = int(name.split(".")[2]), name.split(".", 3)[3]
    if leaf.startswith(("per_layer_", "post_per_layer_")):
        return no_injection
    if leaf == "altup.correct_output_scale":
        return no_injection or not config.altup_correct_scale
    if config.activation_sparsity_pattern[layer] >= 1.0 and (leaf.startswith("mlp.") or "feedforward" in leaf):
        return True  # the gate is all zero
    one_key = config.layer_types[layer] == "sliding_attention" and config.sliding_window == 1
    return one_key and leaf.startswith(("self_attn.q_", "self_attn.k_"))  # a softmax over one score


@torch.no_grad()
def idle_tensors(folder):
    model = load(folder)
    config = model.config
    ids = torch.randint(4, config.vocab_size_per_layer_input, (2, 24), generator=torch.Generator().manual_seed(5))
    logits = model(input_ids=ids).logits
    changes = {}
    for name, parameter in model.named_parameters():
        original = parameter.clone()
        parameter.copy_(draw(name, parameter.shape, config, 987, torch.float32))
        changes[name] = relative_error(model(input_ids=ids).logits, logits) if parameter.numel() else 0.0
        parameter.copy_(original)
    idle = [n for n, c in changes.items() if c < VISIBLE and not expected_idle(n, config)]
    alive = [n for n, c in changes.items() if c > 0 and expected_idle(n, config)]
    counted = [c for n, c in changes.items() if not expected_idle(n, config)]
    return idle, alive, min(counted), changes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fixtures", type=pathlib.Path, default=pathlib.Path("tests/golden/fixtures"))
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    failed = False
    for name in args.names or FIXTURES:
        idle, alive, least, changes = idle_tensors(args.fixtures / "checkpoints" / name)
        print(f"{name:22} {len(changes):4} tensors, smallest visible change {least:.2g}", flush=True)
        for tensor in idle:
            print(f"  idle: {tensor} moves the logits by {changes[tensor]:.2g} only")
        for tensor in alive:
            print(f"  not idle: {tensor} moves the logits by {changes[tensor]:.2g}")
        failed |= bool(idle or alive)
    sys.exit(failed)


if __name__ == "__main__":
    main()
