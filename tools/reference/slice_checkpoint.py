#!/usr/bin/env python3
"""Cuts a smaller size out of a checkpoint, as Google's MatFormer Lab does it, tensor by tensor in memory.

    slice_checkpoint.py MODEL OUT SIZE.json

SIZE.json has columns of Google's table: "FFN Hidden Dims" (one for each kept layer), "Layers Skipped".
Written apart from the program's own slicing, to be compared with it. Layers keep their type and their
sparsity; layer_types is cut, too, which the Lab leaves out and transformers insists on.
"""

import json
import pathlib
import re
import sys

from safetensors.torch import load_file, save_file


def load_all(folder):
    tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(file)
    return tensors


def slice_config(config, widths, kept):
    text = config.get("text_config", config)
    shared_from = text["num_hidden_layers"] - text["num_kv_shared_layers"]
    for key in ("layer_types", "activation_sparsity_pattern"):
        text[key] = [text[key][i] for i in kept]
    text["num_kv_shared_layers"] = sum(i >= shared_from for i in kept)
    text["num_hidden_layers"] = len(kept)
    text["intermediate_size"] = widths
    return config


def slice_tensors(tensors, layers, inputs, widths, kept):
    out = {}
    for name, tensor in tensors.items():
        if name.endswith("per_layer_model_projection.weight"):
            tensor = tensor.view(layers, inputs, -1)[kept].reshape(len(kept) * inputs, -1)
        elif name.endswith("embed_tokens_per_layer.weight"):
            tensor = tensor.view(-1, layers, inputs)[:, kept].reshape(-1, len(kept) * inputs)
        elif match := re.search(r"(?<!\w)layers\.(\d+)\.", name):
            if "tower" in name:
                out[name] = tensor
                continue
            if int(match[1]) not in kept:
                continue
            layer = kept.index(int(match[1]))
            name = name[: match.start()] + f"layers.{layer}." + name[match.end() :]
            if name.endswith(("mlp.gate_proj.weight", "mlp.up_proj.weight")):
                tensor = tensor[: widths[layer]]
            elif name.endswith("mlp.down_proj.weight"):
                tensor = tensor[:, : widths[layer]]
        out[name] = tensor.contiguous()
    return out


def slice_checkpoint(model, out, size):
    model, out = pathlib.Path(model), pathlib.Path(out)
    config = json.loads((model / "config.json").read_text())
    text = config.get("text_config", config)
    layers, inputs = text["num_hidden_layers"], text["hidden_size_per_layer_input"]
    skipped = size.get("Layers Skipped") or []
    kept = [i for i in range(layers) if i not in skipped]
    widths = size["FFN Hidden Dims"]
    out.mkdir(parents=True)
    save_file(slice_tensors(load_all(model), layers, inputs, widths, kept), out / "model.safetensors", metadata={"format": "pt"})
    (out / "config.json").write_text(json.dumps(slice_config(config, widths, kept)))


if __name__ == "__main__":
    slice_checkpoint(sys.argv[1], sys.argv[2], json.loads(pathlib.Path(sys.argv[3]).read_text()))
