#!/usr/bin/env python3
"""Runs transformers over the tiny checkpoints and writes what gemma3n must compute.

For each checkpoint golden/<name>.safetensors holds inputs and outputs, and manifest.json lists the
cases. Everything runs in float32 with eager attention; sdpa attention, runs through caches and runs
of prefixes are checked to agree here, so they can share one stored output.
"""

import argparse
import pathlib

import torch
from dump_generation import greedy_cases
from dump_modules import module_cases
from fixture_configs import FIXTURES
from golden_writer import Golden, manifest_text
from reference_model import attention_kinds_differ_by, load, require_close, rounding_error
from transformers import DynamicCache, StaticCache

LONG = 36  # tokens of the longest case; every window fits twice


class Inputs:
    """Random inputs for one model; ids stay below `limit`."""

    def __init__(self, config, limit, seed):
        self.config, self.limit = config, limit
        self.generator = torch.Generator().manual_seed(seed)

    def ids(self, *shape):
        ids = torch.randint(4, self.limit, shape, generator=self.generator)
        ids[:, 0] = self.config.bos_token_id
        return ids

    def normal(self, *shape):
        return torch.randn(shape, generator=self.generator)


def zero_at_padding(tensor, mask):
    """[..., B, T, n] with the rows of padding set to 0: nothing may depend on them."""
    return tensor * (mask != 0)[..., None]



# ---- One row


def long_case(golden, model, inputs):
    """All logits of 36 tokens; shorter runs and runs through caches must give the same rows."""
    ids = inputs.ids(1, LONG)
    text_ids = model.config.vocab_size_per_layer_input
    if inputs.limit > text_ids:  # rows without per-layer embeddings of their own
        ids[0, 5], ids[0, 23] = text_ids, inputs.limit - 1
    output = model(input_ids=ids)
    text = model.model(input_ids=ids)
    golden.case("long", "forward", {"input_ids": ids}, {"logits": output.logits})
    golden.case("long_hidden", "text_forward", {"input_ids": "long.input_ids"}, {"last_hidden_state": text.last_hidden_state})
    prefix_cases(golden, model, ids, output.logits)
    chunked_cases(golden, model, ids, output.logits)
    return ids


def prefix_cases(golden, model, ids, logits):
    W = model.config.sliding_window
    for n in sorted({1, W - 1, W, W + 1, 2 * W + 3} - {0}):
        require_close(model(input_ids=ids[:, :n]).logits, logits[:, :n], f"prefix {n}")
        golden.case(f"prefix_{n}", "forward", {"input_ids": "long.input_ids"}, {"logits": "long.logits"}, prefix=n)


def run_in_chunks(model, cache, chunks, input_ids, attention_mask=None):
    parts, past = [], 0
    for n in chunks:
        mask = None if attention_mask is None else attention_mask[:, : past + n]
        output = model(input_ids=input_ids[:, past : past + n], attention_mask=mask, past_key_values=cache)
        parts.append(output.logits)
        past += n
    assert past == input_ids.shape[1]
    return torch.cat(parts, dim=1)


def chunked_cases(golden, model, ids, logits):
    W = model.config.sliding_window
    rest = LONG - (W + 2) - 3
    plans = {
        "steps": [1] * LONG,
        "prefill_then_steps": [W + 2] + [1] * (LONG - W - 2),
        "uneven": [3, W + 2, rest - rest // 2, rest // 2],
        "windows": [W] * (LONG // W) + ([LONG % W] if LONG % W else []),
    }
    for plan, chunks in plans.items():
        for kind in ("dynamic", "static"):
            if kind == "static" and plan == "windows":
                continue
            if cache_works(model):
                cache = new_cache(model, kind)
                require_close(run_in_chunks(model, cache, chunks, ids), logits, f"{plan} {kind}")
            golden.case(f"{plan}_{kind}", "chunked", {"input_ids": "long.input_ids"}, {"logits": "long.logits"},
                        chunks=chunks, cache=kind)


def cache_works(model):
    """Not with a window of one key: transformers' sliding caches keep the last W-1 positions as
    [-(W - 1):], which for W = 1 is all of them. What must come out is clear from the whole run."""
    return model.config.sliding_window > 1


def new_cache(model, kind):
    if kind == "dynamic":
        return DynamicCache(config=model.config)
    return StaticCache(config=model.config, max_cache_len=LONG + 8)


def hidden_states_case(golden, model, ids):
    short = ids[:, :6]
    states = model.model(input_ids=short, output_hidden_states=True)
    golden.case("hidden_states", "text_forward", {"input_ids": short},
                {"last_hidden_state": states.last_hidden_state, "hidden_states": list(states.hidden_states)},
                output_hidden_states=True)


def keep_cases(golden, model, ids):
    short = ids[:, :8]
    for n in (1, 3):
        golden.case(f"logits_to_keep_{n}", "forward", {"input_ids": short},
                    {"logits": model(input_ids=short, logits_to_keep=n).logits}, logits_to_keep=n)
    picked = torch.tensor([0, 7, 2])
    golden.case("logits_indices", "forward", {"input_ids": short, "logits_indices": picked},
                {"logits": model(input_ids=short, logits_to_keep=picked).logits})


def embeds_cases(golden, model, inputs):
    config = model.config
    embeds = 1.2 * inputs.normal(1, 7, config.hidden_size)
    per_layer = inputs.normal(1, 7, config.num_hidden_layers, config.hidden_size_per_layer_input)
    golden.case("inputs_embeds", "forward", {"inputs_embeds": embeds}, {"logits": model(inputs_embeds=embeds).logits})
    golden.case("per_layer_inputs", "forward", {"inputs_embeds": embeds, "per_layer_inputs": per_layer},
                {"logits": model(inputs_embeds=embeds, per_layer_inputs=per_layer).logits})


def position_cases(golden, model, inputs):
    ids = inputs.ids(2, 6)
    gaps = torch.tensor([[3, 4, 9, 10, 50, 90]])
    output = model(input_ids=ids, position_ids=gaps)
    golden.case("positions_with_gaps", "forward", {"input_ids": ids, "position_ids": gaps}, {"logits": output.logits})
    rows = torch.stack([torch.arange(6) + 5, torch.arange(6) * 3])
    output = model(input_ids=ids, position_ids=rows)
    golden.case("positions_by_row", "forward", {"input_ids": ids, "position_ids": rows}, {"logits": output.logits})
    packed = torch.tensor([[0, 1, 2, 0, 1, 2]])
    output = model(input_ids=ids[:1], position_ids=packed, use_cache=False)
    golden.case("packed", "forward", {"input_ids": ids[:1], "position_ids": packed}, {"logits": output.logits}, use_cache=False)


# ---- Batches


def batch_cases(golden, model, inputs):
    T, lengths = 9, [9, 5, 2]
    ids = inputs.ids(3, T)
    index = torch.arange(T)[None]
    count = torch.tensor(lengths)[:, None]
    left, right = (index >= T - count).long(), (index < count).long()
    holes = torch.ones(3, T, dtype=torch.long)
    holes[0, 4], holes[1, 5:7], holes[2, [1, 7]] = 0, 0, 0
    for name, mask in (("left_padding", left), ("right_padding", right), ("mask_with_holes", holes)):
        padded = ids * mask
        arguments = {"input_ids": padded, "attention_mask": mask}
        difference = attention_kinds_differ_by(model, **arguments)
        assert difference < 2e-5, (name, difference)
        logits = zero_at_padding(model(**arguments).logits, mask)
        golden.case(name, "forward", arguments, {"logits": logits})
    chunked_batch_case(golden, model, ids * left, left)
    ids, left = (ids * left)[1:], left[1:]  # one padded row less, and shorter rows, are enough below
    positions = (left.cumsum(-1) - 1).clamp(min=0)  # as generate() numbers them
    output = model(input_ids=ids, attention_mask=left, position_ids=positions)
    golden.case("left_padding_positions", "forward", {"input_ids": ids, "attention_mask": left, "position_ids": positions},
                {"logits": zero_at_padding(output.logits, left)})
    hidden = model.model(input_ids=ids, attention_mask=left).last_hidden_state
    golden.case("left_padding_hidden", "text_forward", {"input_ids": ids, "attention_mask": left},
                {"last_hidden_state": zero_at_padding(hidden, left)})


def chunked_batch_case(golden, model, ids, mask):
    chunks = [5, 2, 1, 1]
    for kind in ("dynamic", "static"):
        if cache_works(model):
            logits = zero_at_padding(run_in_chunks(model, new_cache(model, kind), chunks, ids, mask), mask)
            require_close(logits, golden.tensors["left_padding.logits"], f"left padding in chunks, {kind}")
        golden.case(f"left_padding_chunked_{kind}", "chunked",
                    {"input_ids": "left_padding.input_ids", "attention_mask": "left_padding.attention_mask"},
                    {"logits": "left_padding.logits"}, chunks=chunks, cache=kind)


def loss_cases(golden, model, inputs):
    ids = inputs.ids(2, 9)
    labels = ids.clone()
    golden.case("loss", "forward", {"input_ids": ids, "labels": labels}, {"loss": model(input_ids=ids, labels=labels).loss})
    labels = labels.clone()
    labels[0, :4], labels[1, 6:] = -100, -100
    golden.case("loss_ignoring", "forward", {"input_ids": ids, "labels": labels},
                {"loss": model(input_ids=ids, labels=labels).loss})
    # Position 3 predicts 4, so the first label after the padding is ignored too.
    mask = torch.ones(2, 9, dtype=torch.long)
    mask[1, :4] = 0
    padded, labels = ids * mask, ids.clone()
    labels[1, :5] = -100
    arguments = {"input_ids": padded, "attention_mask": mask, "labels": labels}
    golden.case("loss_left_padding", "forward", arguments, {"loss": model(**arguments).loss})


# ---- All


@torch.no_grad()
def dump(folder, fixture):
    model = load(folder)
    config = model.config
    # A gemma3n model embeds ids beyond the text vocabulary with its towers, not with the table.
    limit = config.vocab_size_per_layer_input if fixture.form == "ConditionalGeneration" else config.vocab_size
    golden, inputs = Golden(), Inputs(config, limit, seed=fixture.seed)
    ids = long_case(golden, model, inputs)
    hidden_states_case(golden, model, ids)
    if not fixture.tokenizer:  # with a vocabulary that large these only cost room
        keep_cases(golden, model, ids)
        embeds_cases(golden, model, inputs)
        position_cases(golden, model, inputs)
        loss_cases(golden, model, inputs)
    batch_cases(golden, model, inputs)
    greedy_cases(golden, model, inputs)
    if fixture.modules:
        module_cases(golden, model, inputs)
    return golden, report(model, ids)


def report(model, ids):
    """What tells whether the random model is a fair test; kept in the manifest."""
    logits = model(input_ids=ids).logits
    values = {
        "logits_max": logits.abs().max().item(),
        "logits_deviation": logits.std().item(),
        "float32_error": rounding_error(model, ids),
        "sdpa_difference": attention_kinds_differ_by(model, input_ids=ids),
    }
    assert values["float32_error"] < 2e-5 and values["sdpa_difference"] < 2e-5, values
    return {k: float(f"{v:.3g}") for k, v in values.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fixtures", type=pathlib.Path, default=pathlib.Path("tests/golden/fixtures"))
    parser.add_argument("names", nargs="*", help="checkpoints to dump; default all (only then the manifest is written)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    (args.fixtures / "golden").mkdir(exist_ok=True)
    entries = []
    for name in args.names or FIXTURES:
        fixture = FIXTURES[name]
        golden, facts = dump(args.fixtures / "checkpoints" / name, fixture)
        file = f"golden/{name}.safetensors"
        golden.save(args.fixtures / file)
        entries.append({"name": name, "about": fixture.about, "folder": f"checkpoints/{name}", "golden": file,
                        "facts": facts, "cases": golden.cases})
        size = (args.fixtures / file).stat().st_size
        print(f"{name:22} {len(golden.cases):3} cases {size / 1024:7.1f} KiB  {facts}", flush=True)
    if not args.names:
        (args.fixtures / "manifest.json").write_text(manifest_text(entries))


if __name__ == "__main__":
    main()
