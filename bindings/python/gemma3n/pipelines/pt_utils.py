"""Columns of datasets as inputs of pipelines: pipe(KeyDataset(dataset, "text"))."""

from __future__ import annotations

from typing import Any

from gemma3n.pipelines.base import KeyDataset as KeyDataset, PipelineIterator as PipelineIterator


class KeyPairDataset:
    """Two columns of a dataset, as {"text": ..., "text_pair": ...}."""

    def __init__(self, dataset: Any, key1: str, key2: str):
        self.dataset = dataset
        self.key1 = key1
        self.key2 = key2

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = self.dataset[index]
        return {"text": item[self.key1], "text_pair": item[self.key2]}
