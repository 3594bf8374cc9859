"""Snippets: short programs that must give the same results under transformers and under gemma3n.

A file snippets/NAME.py holds blocks, each beginning with a line `# --- title`. A block runs on its
own, sees the variables of `variables()` and sets `result`. An exception is a result, too: the name
of the nearest built-in class.
"""
import builtins
import collections.abc
import io
import json
import math
import pathlib
import tempfile

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "snippets"
TOLERANCE = 1e-4  # of the largest magnitude of an array
MOST_STORED = 256  # elements of an array that are stored one by one


def read_blocks(folder=FOLDER):
    """{"file: title": code}"""
    blocks = {}
    for path in sorted(folder.glob("*.py")):
        parts = path.read_text(encoding="utf-8").split("\n# --- ")
        parts = [parts[0][len("# --- "):]] + parts[1:] if parts[0].startswith("# --- ") else parts[1:]
        for part in parts:
            title, _, code = part.partition("\n")
            name = f"{path.stem}: {title.strip()}"
            assert name not in blocks, f"two blocks are called {name}"
            blocks[name] = code
    return blocks


def as_array(value):
    """Any tensor as a NumPy array; bfloat16 as float32."""
    if type(value).__module__ == "torch":
        value = value.detach().float() if str(value.dtype) == "torch.bfloat16" else value.detach()
        return value.numpy()
    return np.asarray(value)


def run_block(code, module, files):
    """What the block's `result` is, encoded. `files`: model_dir, text_model_dir, image, image2, sound."""
    with tempfile.TemporaryDirectory() as tmp:
        scope = {"hf": module, "np": np, "as_array": as_array, "tmp": tmp, "__name__": "snippet"}
        scope.update({name: str(path) for name, path in files.items()})
        try:
            exec(compile(code, "snippet", "exec"), scope)  # noqa: S102
        except Exception as error:  # noqa: BLE001
            built_in = next(c for c in type(error).__mro__ if getattr(builtins, c.__name__, None) is c)
            return {"raises": built_in.__name__, "text": str(error)}
        return without_paths(encode(scope["result"]), {**files, "tmp": tmp})


def without_paths(encoded, files):
    """The same with the paths of `files` as their names, <image>: results are the same on all machines."""
    if isinstance(encoded, str):
        for name, path in files.items():
            encoded = encoded.replace(str(path), f"<{name}>")
        return encoded
    if isinstance(encoded, list):
        return [without_paths(item, files) for item in encoded]
    if isinstance(encoded, dict) and "array" not in encoded:
        return {key: without_paths(item, files) for key, item in encoded.items()}
    return encoded


def encode(value):
    """As JSON: arrays become {"array": shape, "kind": "f", "values": [...]}."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return {"float": repr(float(value))}
    if type(value).__module__ == "torch" and type(value).__name__ == "Tensor" or isinstance(value, np.ndarray):
        array = as_array(value)
        kind = {"u": "i"}.get(array.dtype.kind, array.dtype.kind)
        flat = array.reshape(-1)
        return {"array": list(array.shape), "kind": kind, "values": flat.tolist()}
    if isinstance(value, collections.abc.Mapping) or hasattr(value, "items"):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [encode(item) for item in value]
    raise TypeError(f"a snippet's result holds a {type(value)}; turn it into text or numbers")


def summarize(encoded):
    """The same with large arrays cut down to evenly spaced samples and their mean magnitude."""
    if isinstance(encoded, list):
        return [summarize(item) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    if "array" not in encoded:
        return {key: summarize(item) for key, item in encoded.items() if key != "text" or "raises" not in encoded}
    values = encoded["values"]
    if len(values) <= MOST_STORED:
        return encoded
    magnitude = float(np.mean(np.abs(np.asarray(values, dtype=np.float64))))
    step = len(values) // 64
    return {"array": encoded["array"], "kind": encoded["kind"], "values": values[::step],
            "magnitude": {"float": repr(magnitude)}}


def differences(expected, actual, where="result", tolerance=TOLERANCE):
    """What differs between two encoded results, one line each."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if "raises" in expected or "raises" in actual:
            if expected.get("raises") == actual.get("raises"):
                return []
            return [f"{where}: expected {summary(expected)}, got {summary(actual)}"]
        if "array" in expected and "array" in actual:
            return array_differences(expected, actual, where, tolerance)
        if set(expected) == {"float"} == set(actual):
            a, b = float(expected["float"]), float(actual["float"])
            if a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= tolerance * max(abs(a), abs(b)):
                return []
            return [f"{where}: expected {a}, got {b}"]
        if list(expected) != list(actual):
            return [f"{where}: expected keys {list(expected)}, got {list(actual)}"]
        return [line for key in expected
                for line in differences(expected[key], actual[key], f"{where}.{key}", tolerance)]
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            return [f"{where}: expected {len(expected)} items, got {len(actual)}: {summary(expected)}, {summary(actual)}"]
        return [line for i, (a, b) in enumerate(zip(expected, actual))
                for line in differences(a, b, f"{where}[{i}]", tolerance)]
    if type(expected) is type(actual) and expected == actual:
        return []
    return [f"{where}: expected {summary(expected)}, got {summary(actual)}"]


def array_differences(expected, actual, where, tolerance):
    for key in ("array", "kind"):
        if expected[key] != actual[key]:
            return [f"{where}: expected {key} {expected[key]}, got {actual[key]}"]
    a, b = (np.asarray(e["values"], dtype=np.float64) for e in (expected, actual))
    if expected["kind"] != "f":
        return [] if np.array_equal(a, b) else [f"{where}: expected {summary(a.tolist())}, got {summary(b.tolist())}"]
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)):
        return [f"{where}: infinities stand elsewhere"]
    a, b = a[finite], b[finite]
    error, scale = np.max(np.abs(a - b), initial=0), np.max(np.abs(a), initial=0)
    lines = [] if error <= tolerance * scale else [f"{where}: differs by {error:.2e}, largest value {scale:.2e}"]
    if "magnitude" in expected:
        lines += differences(expected["magnitude"], actual["magnitude"], f"{where}.magnitude", tolerance)
    return lines


def summary(value):
    text = json.dumps(value)
    return text if len(text) < 300 else text[:300] + " ..."


def load_results(path):
    with io.open(path, encoding="utf-8") as file:
        return json.load(file)
