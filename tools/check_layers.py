#!/usr/bin/env python3
"""Fails if a file includes a header that its own layer may not use.

Layers point downwards only; front ends, examples and bindings see include/gemma3n and nothing else;
public headers include no header of a third party.
"""
import pathlib
import re
import sys

# Each layer, bottom to top, and the layers it may include.
MAY_USE = {
    "base": set(),
    "tensor": {"base"},
    "kernels": {"tensor"},
    "ops": {"base", "tensor", "kernels"},
    "checkpoint": {"base", "tensor", "ops"},
    "tokenizer": {"base"},
    "media": {"base"},
    "processors": {"base", "tensor", "tokenizer", "media"},
    "model": {"base", "tensor", "ops", "checkpoint"},
    "generation": {"base", "tensor", "ops", "checkpoint", "tokenizer", "processors", "model"},
    "pipeline": {"base", "tokenizer", "processors", "model", "generation"},
}
MODEL_PARTS = {"text", "vision", "audio"}  # model/text, ... do not include each other
STANDARD_HEADER = re.compile(r"^[a-z_]+$")


def includes(path):
    return re.findall(r'#include ["<]([^">]+)[">]', path.read_text())


def sources(*folders):
    for folder in folders:
        yield from sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix in (".h", ".cc", ".inc"))


errors = []
for path in sources("src"):
    layer = path.parts[1]
    allowed = MAY_USE[layer] | {layer}
    if path.name.endswith("_test.cc"):
        allowed |= {"base", "kernels"}  # tests name a kernel table
    for header in includes(path):
        top = header.split("/")[0]
        if top in MAY_USE and top not in allowed:
            errors.append(f"{path}: {layer} may not include {header}")
        parts = header.split("/")
        if layer == "model" and parts[0] == "model" and len(parts) > 2 and len(path.parts) > 3:
            if parts[1] in MODEL_PARTS and path.parts[2] in MODEL_PARTS and parts[1] != path.parts[2]:
                errors.append(f"{path}: model/{path.parts[2]} may not include {header}")
for path in sources("apps", "examples", "bindings"):
    for header in includes(path):
        if header.split("/")[0] in MAY_USE:
            errors.append(f"{path}: a front end may include gemma3n/*.h only, not {header}")
for path in sources("include"):
    for header in includes(path):
        if not header.startswith("gemma3n/") and not STANDARD_HEADER.match(header):
            errors.append(f"{path}: a public header may not include {header}")
print("\n".join(errors) or "layers ok")
sys.exit(bool(errors))
