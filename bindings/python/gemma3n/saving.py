"""The weights of a checkpoint by class: which tensors a class has, how they are called, writing them.

Tensors are copied from file to file as they are; nothing is held in memory.
"""

from __future__ import annotations

import enum
import json
import pathlib
import struct
from typing import Any, Iterator, NamedTuple

from gemma3n import _native

_BLOCK = 16 << 20  # bytes copied at a time
_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
          "F8_E4M3": 1, "F8_E5M2": 1}  # fmt: skip


class Part(enum.Enum):
    """The class that weights belong to, by the names that transformers gives them in it."""

    TEXT = "Gemma3nTextModel"
    CAUSAL = "Gemma3nForCausalLM"
    MODEL = "Gemma3nModel"
    WHOLE = "Gemma3nForConditionalGeneration"


class Stored(NamedTuple):
    name: str  # in the class
    stored_name: str  # in the file
    dtype: str
    shape: list[int]
    file: str
    size: int  # elements, as the file has them
    parameters: int  # values; of quantised matrices more than elements


def tensors_of(folder: pathlib.Path, part: Part) -> list[Stored]:
    """The tensors of `part` in a checkpoint. Those that no class uses are left out."""
    tensors = []
    for name, dtype, shape, file, used, of_text_model, parameters in _native.inspect_checkpoint(folder)["tensors"]:
        if not used or (part in (Part.TEXT, Part.CAUSAL) and not of_text_model):
            continue
        new_name = _name_in(part, name)
        if new_name is not None:
            size = 1
            for dimension in shape:
                size *= dimension
            tensors.append(Stored(new_name, name, dtype, list(shape), file, size, parameters))
    return tensors


def _name_in(part: Part, name: str) -> Any:
    """The name of a stored tensor in `part`; None if it has no such tensor."""
    if name.endswith("lm_head.weight"):
        return "lm_head.weight" if part in (Part.CAUSAL, Part.WHOLE) else None
    # Whatever class wrote the file: language_model.layers..., vision_tower..., audio_tower..., embed_...
    while name.startswith("model."):
        name = name[len("model.") :]
    if not name.startswith(("language_model.", "vision_tower.", "audio_tower.", "embed_vision.", "embed_audio.")):
        name = "language_model." + name
    while name.startswith("language_model.model."):
        name = "language_model." + name[len("language_model.model.") :]
    if part in (Part.MODEL, Part.WHOLE):
        return name if part is Part.MODEL else "model." + name
    text = name[len("language_model.") :]
    return text if part is Part.TEXT else "model." + text


def dtype_of(folder: pathlib.Path) -> str:
    """The dtype of the weights, by torch's name: that of the first one."""
    names = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    return next((names[t.dtype] for t in tensors_of(folder, Part.WHOLE) if t.dtype in names), "float32")


def count_parameters(folder: pathlib.Path, part: Part, exclude_embeddings: bool) -> int:
    tables = ("embed_tokens.weight", "embed_tokens_per_layer.weight", "embedding.weight")
    return sum(t.parameters for t in tensors_of(folder, part) if not (exclude_embeddings and t.name.endswith(tables)))


def count_bytes(folder: pathlib.Path, part: Part) -> int:
    return sum(t.size * _BYTES[t.dtype] for t in tensors_of(folder, part))


def refuse_quantized(source: pathlib.Path) -> None:
    """Raises NotImplementedError for a quantised checkpoint."""
    if _native.inspect_checkpoint(source)["quantization"] != "none":
        raise NotImplementedError(f"save_pretrained: {source} is quantised; copy the folder, or save the original checkpoint")


def save_weights(source: pathlib.Path, target: pathlib.Path, part: Part) -> None:
    """Writes model.safetensors with the tensors of `part`. Raises OSError, ValueError."""
    path = target / "model.safetensors"
    tensors = sorted(tensors_of(source, part), key=lambda t: t.name)
    for file in {t.file for t in tensors}:
        if path.exists() and path.samefile(source / file):
            raise ValueError(f"save_pretrained: {path} is the file that the weights are read from; choose another folder")
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.size * _BYTES[tensor.dtype]
        header[tensor.name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    places = {file: _data_places(source / file) for file in {t.file for t in tensors}}
    unfinished = target / "model.safetensors.unfinished"
    with open(unfinished, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors:
            begin, end = places[tensor.file][tensor.stored_name]
            for block in _blocks(source / tensor.file, begin, end):
                out.write(block)
    unfinished.replace(path)


def _data_places(path: pathlib.Path) -> dict[str, tuple[int, int]]:
    """Where each tensor's bytes are in the file. The engine checked the header when it opened the file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    start = 8 + length
    return {
        name: (start + entry["data_offsets"][0], start + entry["data_offsets"][1])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def _blocks(path: pathlib.Path, begin: int, end: int) -> Iterator[bytes]:
    with open(path, "rb") as file:
        file.seek(begin)
        while begin < end:
            block = file.read(min(_BLOCK, end - begin))
            if not block:
                raise ValueError(f"{path}: the file became shorter while it was copied")
            begin += len(block)
            yield block
