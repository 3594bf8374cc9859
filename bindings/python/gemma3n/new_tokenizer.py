"""A tokenizer.json made from a vocabulary and merges."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Sequence


def new_tokenizer_json(
    vocab: Optional[Dict[str, int]], merges: Sequence[Any], names: List[str]
) -> bytes:
    """A tokenizer.json of Gemma's kind."""
    if vocab is None:
        vocab = {name: index for index, name in enumerate(names)}
    pairs = [list(m) if isinstance(m, (list, tuple)) else m.split(" ") for m in merges]
    added = [
        {"id": vocab[name], "content": name, "special": True, "normalized": False}
        for name in dict.fromkeys(names)
        if name in vocab
    ]
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"single_word": False, "lstrip": False, "rstrip": False, **t} for t in added],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"String": " "},
            "behavior": "MergedWithPrevious",
            "invert": False,
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": names[3],
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": pairs,
        },
    }
    return json.dumps(content).encode("utf-8")
