"""Collects tensors and cases of one checkpoint; see tests/golden/README.md for the layout."""

import json

import torch
from safetensors.torch import save_file


class Golden:
    def __init__(self):
        self.tensors, self.cases = {}, []

    def store(self, name, tensor):
        """Keeps a tensor under `name`; an equal one that is already there is used instead."""
        tensor = tensor.detach().contiguous().clone()
        assert tensor.dtype in (torch.float32, torch.int64), (name, tensor.dtype)
        assert tensor.dtype == torch.int64 or torch.isfinite(tensor).all(), name
        for known, other in self.tensors.items():
            if other.dtype == tensor.dtype and other.shape == tensor.shape and torch.equal(other, tensor):
                return known
        assert name not in self.tensors, name
        self.tensors[name] = tensor
        return name

    def case(self, name, kind, inputs, outputs, **options):
        """inputs, outputs: {argument: tensor, list of tensors, or the name of a stored tensor}."""
        entry = {"name": name, "kind": kind, "options": options}
        for role, values in (("inputs", inputs), ("outputs", outputs)):
            entry[role] = {k: self._names(f"{name}.{k}", v) for k, v in values.items()}
        self.cases.append(entry)

    def _names(self, name, value):
        if isinstance(value, str):
            assert value in self.tensors, value
            return value
        if isinstance(value, (list, tuple)):
            return [self._names(f"{name}.{i}", v) for i, v in enumerate(value)]
        return self.store(name, value)

    def save(self, path):
        save_file(self.tensors, path)
        path.chmod(0o644)


def manifest_text(checkpoints):
    """JSON with one case a line, so that a diff shows cases."""
    parts = []
    for entry in checkpoints:
        head = json.dumps({k: v for k, v in entry.items() if k != "cases"})[:-1]
        cases = ",\n".join("  " + json.dumps(case) for case in entry["cases"])
        parts.append(f'{head}, "cases": [\n{cases}\n]}}')
    return '{"checkpoints": [\n' + ",\n".join(parts) + "\n]}\n"
