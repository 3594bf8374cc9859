"""Numbers in and out: NumPy arrays, torch tensors where the caller has them, nested lists.

The engine computes on NumPy arrays. torch is never needed; where the caller's inputs are torch
tensors, or `return_tensors="pt"` asks for them and torch is installed, results are torch tensors.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any, Literal, Optional, Union

import numpy as np

Kind = Literal["np", "pt"]


class Tensor(np.ndarray):
    """A NumPy array with the few methods of a torch tensor that inference code calls.

    What `return_tensors="pt"` gives where torch is not installed, and what models return.
    """

    def to(self, *args: Any, **kwargs: Any) -> "Tensor":
        """To a dtype. A device changes nothing: there is only the CPU.

        Floating dtypes below 32 bits are kept as float32, which is what the engine computes in.
        Integers stay integers if the dtype is a floating one of BatchFeature.to.
        """
        for value in (*args, *kwargs.values()):
            dtype = numpy_dtype(value)
            if dtype is not None:
                return self._as(dtype)
            if isinstance(value, np.ndarray):
                return self._as(value.dtype)
        return self

    def _as(self, dtype: Any) -> "Tensor":
        return self.astype(dtype, copy=False).view(Tensor)

    def cpu(self) -> "Tensor":
        return self

    def detach(self) -> "Tensor":
        return self

    def clone(self) -> "Tensor":
        result: Tensor = self.copy()
        return result

    def contiguous(self) -> "Tensor":
        return np.asarray(self, order="C").view(Tensor)

    def numpy(self) -> np.ndarray:
        return self.view(np.ndarray)

    def float(self) -> "Tensor":
        return self._as(np.float32)

    def long(self) -> "Tensor":
        return self._as(np.int64)

    def bool(self) -> "Tensor":
        return self._as(np.bool_)

    def dim(self) -> int:
        return self.ndim

    def numel(self) -> int:
        return int(np.prod(self.shape))

    def unsqueeze(self, dim: int) -> "Tensor":
        return np.expand_dims(self, dim).view(Tensor)

    @property
    def device(self) -> Any:
        return Device("cpu")


class Device:
    """Where a model or tensor is: always the CPU."""

    def __init__(self, type: str = "cpu", index: Optional[int] = None):
        self.type = str(type).split(":")[0]
        self.index = index

    def __str__(self) -> str:
        return self.type

    def __repr__(self) -> str:
        return f"device(type='{self.type}')"

    def __eq__(self, other: object) -> bool:
        return str(other).split(":")[0] == self.type

    def __hash__(self) -> int:
        return hash(self.type)


class DType:
    """A dtype by torch's name, for code that runs without torch: gemma3n.bfloat16, ..."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"gemma3n.{self.name}"

    def __eq__(self, other: object) -> bool:
        return dtype_name(other) == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def is_floating_point(self) -> bool:
        return "float" in self.name


float32 = DType("float32")
bfloat16 = DType("bfloat16")
float16 = DType("float16")

# How a dtype that callers name is held in NumPy.
_HELD_AS = {
    "float32": np.float32,
    "float": np.float32,
    "bfloat16": np.float32,
    "float16": np.float32,
    "half": np.float32,
    "float64": np.float64,
    "double": np.float64,
    "int64": np.int64,
    "long": np.int64,
    "int32": np.int32,
    "int": np.int32,
    "uint8": np.uint8,
    "int8": np.int8,
    "bool": np.bool_,
}


def dtype_name(value: object) -> Optional[str]:
    """"bfloat16" of torch.bfloat16, gemma3n.bfloat16, "bfloat16", np.float32, ...; else None."""
    if isinstance(value, DType):
        return value.name
    if isinstance(value, np.dtype):
        return str(value.name)
    if isinstance(value, type) and issubclass(value, np.generic):
        return str(np.dtype(value).name)
    if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
        return str(value).split(".")[-1]
    if isinstance(value, str) and value.split(".")[-1] in _HELD_AS:
        return value.split(".")[-1]
    return None


def numpy_dtype(value: object) -> Optional[type]:
    """The NumPy dtype in which values of this dtype are held; None if it is no dtype."""
    name = dtype_name(value)
    return None if name is None else _HELD_AS.get(name)


def is_torch(value: object) -> bool:
    """Is it a torch tensor? torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def torch_is_installed() -> bool:
    if "torch" in sys.modules:
        return sys.modules["torch"] is not None  # None: hidden on purpose
    return importlib.util.find_spec("torch") is not None


def kind_of(*values: object) -> Kind:
    """"pt" if one of them is a torch tensor."""
    return "pt" if any(is_torch(value) for value in values) else "np"


def to_numpy(value: Any, dtype: Any = None, name: str = "array") -> np.ndarray:
    """A C-contiguous array. Torch tensors (bfloat16 too), arrays, nested lists of either, numbers.

    Raises ValueError if rows differ in length, TypeError if it holds no numbers.
    """
    if is_torch(value):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        array = value.numpy()
    elif isinstance(value, np.ndarray):
        array = value.view(np.ndarray)
    elif isinstance(value, (list, tuple)) and any(is_torch(item) for item in value):
        array = np.stack([to_numpy(item, name=name) for item in value])
    elif hasattr(value, "__dlpack__"):
        array = np.from_dlpack(value)
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"{name}: expected rows of equal length; pad them ({error})") from None
    if array.dtype == object or array.dtype.kind in "US":
        raise TypeError(f"{name}: expected numbers, got {type(value).__name__}")
    return np.asarray(array, dtype=dtype, order="C")


def wrap(array: Optional[np.ndarray], kind: Kind) -> Any:
    """The array as this kind of tensor, sharing its elements. None stays None."""
    if array is None:
        return None
    if kind == "pt":
        import torch

        return torch.from_numpy(np.asarray(array, order="C"))
    return array.view(Tensor)


def as_tensor_type(array: np.ndarray, return_tensors: Union[str, None]) -> Any:
    """What `return_tensors` asks for: "pt" (torch, or Tensor without it) or "np" (plain NumPy)."""
    name = getattr(return_tensors, "value", return_tensors)
    if name == "np":
        return array
    if name == "pt":
        return wrap(array, "pt" if torch_is_installed() else "np")
    raise ValueError(f"return_tensors: expected 'pt' or 'np', got {return_tensors!r}")
