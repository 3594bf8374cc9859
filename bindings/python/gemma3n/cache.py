"""Keys and values of past tokens, handed from call to call as `past_key_values`."""

from __future__ import annotations

import copy
from typing import Any, Optional

from gemma3n import _native

STORAGES = ("f32", "bf16", "int8")


class Cache:
    """The keys and values of a batch of sequences. It gets its size at its first use.

    Not to be used by two calls at once. Belongs to the weights of the model that filled it.
    `storage` is "f32", or "bf16" or "int8": keys and values in 16 or 8 bits.
    """

    def __init__(self, storage: str = "f32") -> None:
        if storage not in STORAGES:
            raise ValueError(f"storage: expected {', '.join(STORAGES)}, got {storage!r}")
        self._native: Optional[_native.Cache] = None
        self._storage = storage

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Positions seen, padding included; the same for every layer."""
        return 0 if self._native is None else int(self._native.get_seq_length())

    def get_max_cache_shape(self, layer_idx: int = 0) -> int:
        """The most positions it can hold; -1 = no limit."""
        return -1

    @property
    def max_cache_len(self) -> int:
        return self.get_max_cache_shape()

    @property
    def batch_size(self) -> Optional[int]:
        """Number of sequences; None before the first use."""
        return None if self._native is None else int(self._native.batch_size)

    max_batch_size = batch_size

    @property
    def is_initialized(self) -> bool:
        return self._native is not None

    def reset(self) -> None:
        """Forgets everything."""
        self._native = None

    def clone(self) -> "Cache":
        """An independent copy."""
        other = copy.copy(self)
        if self._native is not None:
            other._native = self._native.clone()
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> "Cache":
        return self.clone()

    def __len__(self) -> int:
        raise TypeError("the layers of a cache are not accessible; use get_seq_length()")

    def __bool__(self) -> bool:
        return True

    def crop(self, max_length: int) -> None:
        raise NotImplementedError("crop: keys and values that left the sliding window cannot come back; clone() first")

    def _start(self, model: Any, batch_size: int) -> Optional[_native.Cache]:
        """What to hand to a native model."""
        if self._native is None and self._storage != "f32":
            self._native = model.new_cache(batch_size, storage=self._storage)
        return self._native

    def __repr__(self) -> str:
        return f"{type(self).__name__}(seq_length={self.get_seq_length()}, batch_size={self.batch_size})"


class DynamicCache(Cache):
    """A cache that grows. The arguments that transformers takes are accepted and not needed."""

    def __init__(
        self,
        ddp_cache_data: Any = None,
        config: Any = None,
        offloading: bool = False,
        storage: str = "f32",
        **kwargs: Any,
    ):
        super().__init__(storage)
        if ddp_cache_data is not None:
            raise NotImplementedError("DynamicCache: making a cache of given keys and values is not supported")


class StaticCache(Cache):
    """A cache of `max_cache_len` positions per sequence, allocated at its first use.

    Raises gemma3n.ContextFullError (a ValueError) when more are asked of it.
    """

    def __init__(
        self, config: Any = None, max_cache_len: int = 0, offloading: bool = False, storage: str = "f32", **kwargs: Any
    ):
        super().__init__(storage)
        if not isinstance(max_cache_len, int) or max_cache_len < 1:
            raise ValueError(f"max_cache_len: expected at least 1, got {max_cache_len!r}")
        self._max_cache_len = max_cache_len

    def get_max_cache_shape(self, layer_idx: int = 0) -> int:
        return self._max_cache_len

    def _start(self, model: Any, batch_size: int) -> Optional[_native.Cache]:
        if self._native is None:
            self._native = model.new_cache(
                batch_size, static=True, max_cache_len=self._max_cache_len, storage=self._storage
            )
        return self._native


def native_cache(cache: Any, model: Any, batch_size: int) -> Optional[_native.Cache]:
    """What to hand to a native model for `past_key_values`."""
    if cache is None:
        return None
    if not isinstance(cache, Cache):
        raise TypeError(f"past_key_values: expected a DynamicCache or StaticCache, got {type(cache).__name__}")
    return cache._start(model, batch_size)


def wrap_cache(cache: Optional[Cache], native: Optional[_native.Cache]) -> Optional[Cache]:
    """The caller's cache, or a new one, over what the native model returned."""
    if native is None:
        return cache
    cache = DynamicCache() if cache is None else cache
    cache._native = native
    return cache
