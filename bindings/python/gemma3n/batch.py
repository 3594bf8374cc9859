"""What tokenizers and processors return: dictionaries whose entries are attributes, too."""

from __future__ import annotations

import sys
from collections import UserDict
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np

from gemma3n.log import logger
from gemma3n.tensors import Tensor, as_tensor_type, dtype_name, is_torch, to_numpy



def tensor_kind(return_tensors: Any) -> Optional[str]:
    """"pt", "np" or None of what `return_tensors` may be. Raises ValueError for anything else."""
    name = getattr(return_tensors, "value", return_tensors)
    if name is None or name in ("pt", "np"):
        return None if name is None else str(name)
    raise ValueError(f"return_tensors: expected 'pt', 'np' or None, got {return_tensors!r}")


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or is_torch(value)


def _holds_numbers(value: Any) -> bool:
    """Arrays, numbers and nested lists of them; not strings, dictionaries, None."""
    while isinstance(value, (list, tuple)):
        if not value:
            return True
        value = value[0]
    return _is_array(value) or isinstance(value, (bool, int, float, np.generic))


def _to_array(value: Any, kind: str) -> np.ndarray:
    """A list as an array. Rows of different length are an array of arrays for "np"."""
    if isinstance(value, (list, tuple)) and value and not np.isscalar(value[0]):
        rows = [to_numpy(row) if _is_array(row) else row for row in value]
        if kind == "np" and len({len(row) for row in rows}) > 1:
            ragged = np.empty(len(rows), dtype=object)
            ragged[:] = [np.asarray(row) for row in rows]
            return ragged
        value = rows
    array = np.asarray(value)
    if array.size == 0 and not _is_array(value) and array.dtype == np.float64:
        return array.astype(np.int64)
    if kind == "pt" and array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == object:
        raise ValueError("rows differ in length")
    return array


def _converted(value: Any, kind: str) -> Any:
    if is_torch(value):
        return value if kind == "pt" else to_numpy(value)
    if isinstance(value, np.ndarray):
        array: np.ndarray = value.view(np.ndarray)
    else:
        array = _to_array(value, kind)
    return as_tensor_type(array, kind)


def _cast(value: Any, dtype: Any) -> Any:
    """A floating tensor in another dtype; anything else as it is, lists item by item."""
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(item, dtype) for item in value)
    if is_torch(value) and value.is_floating_point():
        return value.to(getattr(sys.modules["torch"], str(dtype_name(dtype))))
    if isinstance(value, Tensor) and value.dtype.kind == "f":
        return value.to(dtype)
    return value


class _Batch(UserDict):  # type: ignore[type-arg]
    """A dictionary whose entries are also attributes."""

    def __getattr__(self, name: str) -> Any:
        if name == "data":  # while unpickling
            raise AttributeError(name)
        try:
            return self.data[name]
        except KeyError:
            raise AttributeError(
                f"{type(self).__name__} has no entry {name!r}; it has {list(self.data)}"
            ) from None

    def __getstate__(self) -> Dict[str, Any]:
        return {"data": self.data}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.data = state["data"]

    def keys(self) -> Any:
        return self.data.keys()

    def values(self) -> Any:
        return self.data.values()

    def items(self) -> Any:
        return self.data.items()


class BatchFeature(_Batch):
    """Inputs of a model by name.

    data: arrays or lists.  tensor_type: "pt", "np" or None, see `convert_to_tensors`.
    skip_tensor_conversion: names of entries that stay as they are.
    """

    def __init__(
        self,
        data: Optional[Dict[str, Any]] = None,
        tensor_type: Any = None,
        skip_tensor_conversion: Optional[Iterable[str]] = None,
    ):
        super().__init__(data)
        self.skip_tensor_conversion = skip_tensor_conversion
        self.convert_to_tensors(tensor_type)

    def __getitem__(self, item: Any) -> Any:
        if not isinstance(item, str):
            raise KeyError(f"BatchFeature: expected the name of an entry, got {item!r}")
        return self.data[item]

    def convert_to_tensors(
        self, tensor_type: Any = None, skip_tensor_conversion: Optional[Iterable[str]] = None
    ) -> "BatchFeature":
        """Makes arrays of lists, in place: NumPy for "np"; for "pt" torch's if it is installed,
        else gemma3n's Tensor. Entries that hold no numbers stay.

        Raises ValueError if rows differ in length.
        """
        kind = tensor_kind(tensor_type)
        if kind is None:
            return self
        skipped = skip_tensor_conversion
        if skipped is None:
            skipped = self.skip_tensor_conversion
        for key, value in self.data.items():
            if (skipped and key in skipped) or not _holds_numbers(value):
                continue
            try:
                self.data[key] = _converted(value, kind)
            except ValueError as error:
                raise ValueError(
                    f"{key}: the rows have different lengths and make no tensor ({error}); ask for "
                    "padding=True, or leave out return_tensors to get lists"
                ) from None
        return self

    def to(self, *args: Any, **kwargs: Any) -> "BatchFeature":
        """Casts floating entries to a dtype, in place. A device changes nothing: all is on the CPU.

        Raises ValueError for an argument that is neither.
        """
        dtype = kwargs.get("dtype")
        for value in args:
            if dtype_name(value) is not None:
                dtype = value
            elif not (isinstance(value, (str, int)) or type(value).__name__.lower() == "device"):
                raise ValueError(f"BatchFeature.to: expected a device or a dtype, got {value!r}")
        if dtype is not None:
            self.data = {key: _cast(value, dtype) for key, value in self.data.items()}
        return self


class Run:
    """Neighbouring tokens of one origin: a text, or what was put around it."""

    __slots__ = ("ids", "type_id", "sequence", "attended", "source", "start")

    def __init__(
        self,
        ids: List[int],
        type_id: int = 0,
        sequence: Optional[int] = None,  # 0 or 1: a text of the pair; None: special or padding
        attended: bool = True,
        source: Optional["Source"] = None,
        start: int = 0,  # of ids[0] in `source`
    ):
        self.ids = ids
        self.type_id = type_id
        self.sequence = sequence
        self.attended = attended
        self.source = source
        self.start = start


class Source:
    """A text and its tokens. spans: (begin, end) of each token, in characters of its word."""

    def __init__(self, words: Sequence[str], ids: List[int], word_of: Optional[List[int]]):
        self.words = words
        self.ids = ids
        self.word_of = word_of  # by token; None: the text was not split into words
        self._spans: Optional[List[Tuple[int, int]]] = None

    def spans(self, tokenizer: Any) -> List[Tuple[int, int]]:
        if self._spans is None:
            self._spans = []
            if self.word_of is None:
                self._spans = token_spans(self.words[0], tokenizer.convert_ids_to_tokens(self.ids))
            else:
                for index, word in enumerate(self.words):
                    ids = [i for i, w in zip(self.ids, self.word_of) if w == index]
                    self._spans += token_spans(word, tokenizer.convert_ids_to_tokens(ids))
        return self._spans

    def word_ids(self, tokenizer: Any) -> List[int]:
        """By token: the number of its word, or of the part between added tokens it stands in."""
        if self.word_of is not None:
            return self.word_of
        added = set(tokenizer.added_tokens_encoder.values())
        numbers: List[int] = []
        number, inside = -1, False
        for token_id in self.ids:
            is_added = token_id in added
            number += is_added or not inside
            inside = not is_added
            numbers.append(number)
        return numbers


def token_spans(text: str, tokens: List[str]) -> List[Tuple[int, int]]:
    """Where each token stands in the text, in characters.

    A token has as many characters as what it stands for. The bytes of a character that has no
    token of its own share its place.
    """
    spans: List[Tuple[int, int]] = []
    at = 0
    missing = 0  # bytes of text[at] that are still to come
    for token in tokens:
        is_byte = len(token) == 6 and token.startswith("<0x") and token.endswith(">")
        if is_byte and not text.startswith(token, at):
            if missing == 0:
                missing = len(text[at].encode("utf-8")) if at < len(text) else 1
            spans.append((at, at + 1))
            missing -= 1
            at += missing == 0
            continue
        spans.append((at, at + len(token)))
        at += len(token)
    return spans


class Encoding:
    """One encoded text, or pair of texts."""

    def __init__(self, runs: List[Run], tokenizer: Any):
        self.runs = runs
        self._tokenizer = tokenizer
        self.overflowing: List["Encoding"] = []

    def __len__(self) -> int:
        return sum(len(run.ids) for run in self.runs)

    @property
    def ids(self) -> List[int]:
        return [i for run in self.runs for i in run.ids]

    @property
    def type_ids(self) -> List[int]:
        return [run.type_id for run in self.runs for _ in run.ids]

    @property
    def attention_mask(self) -> List[int]:
        return [int(run.attended) for run in self.runs for _ in run.ids]

    @property
    def special_tokens_mask(self) -> List[int]:
        return [int(run.sequence is None) for run in self.runs for _ in run.ids]

    @property
    def sequence_ids(self) -> List[Optional[int]]:
        return [run.sequence for run in self.runs for _ in run.ids]

    @property
    def n_sequences(self) -> int:
        return max([1] + [run.sequence + 1 for run in self.runs if run.sequence is not None])

    @property
    def tokens(self) -> List[str]:
        tokens: List[str] = self._tokenizer.convert_ids_to_tokens(self.ids)
        return tokens

    @property
    def offsets(self) -> List[Tuple[int, int]]:
        spans: List[Tuple[int, int]] = []
        for run in self.runs:
            if run.source is None:
                spans += [(0, 0)] * len(run.ids)
            else:
                all_spans = run.source.spans(self._tokenizer)
                spans += all_spans[run.start : run.start + len(run.ids)]
        return spans

    @property
    def word_ids(self) -> List[Optional[int]]:
        words: List[Optional[int]] = []
        for run in self.runs:
            if run.source is None:
                words += [None] * len(run.ids)
            else:
                words += run.source.word_ids(self._tokenizer)[run.start : run.start + len(run.ids)]
        return words

    def char_to_token(self, char: int, sequence: int = 0) -> Optional[int]:
        """The first token that covers a character of the text; None if none does."""
        for index, (span, owner) in enumerate(zip(self.offsets, self.sequence_ids)):
            if owner == sequence and span[0] <= char < span[1]:
                return index
        return None

    def token_to_chars(self, token: int) -> Optional[Tuple[int, int]]:
        """(begin, end) of the characters a token stands for; None for special tokens."""
        return self.offsets[token] if self.sequence_ids[token] is not None else None


class BatchEncoding(_Batch):
    """Token ids and masks by name, as a tokenizer returns them.

    data: lists or arrays.  encoding: one Encoding per text.  tensor_type: "pt", "np" or None.
    prepend_batch_axis: entries become the only row of a batch.
    """

    def __init__(
        self,
        data: Optional[Dict[str, Any]] = None,
        encoding: Union[Encoding, Sequence[Encoding], None] = None,
        tensor_type: Any = None,
        prepend_batch_axis: bool = False,
        n_sequences: Optional[int] = None,
    ):
        super().__init__(data)
        self._encodings = [encoding] if isinstance(encoding, Encoding) else encoding
        if n_sequences is None and self._encodings:
            n_sequences = self._encodings[0].n_sequences
        self._n_sequences = n_sequences
        self.convert_to_tensors(tensor_type, prepend_batch_axis)

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.data = state["data"]
        self._encodings = None
        self._n_sequences = None

    def __getitem__(self, item: Any) -> Any:
        """An entry by name; the Encoding of a text by number; all entries of a slice of texts."""
        if isinstance(item, str):
            return self.data[item]
        if self._encodings is not None:
            return self._encodings[item]
        if isinstance(item, slice):
            return {key: value[item] for key, value in self.data.items()}
        raise KeyError(f"BatchEncoding: expected the name of an entry or a slice, got {item!r}")

    @property
    def encodings(self) -> Optional[Sequence[Encoding]]:
        return self._encodings

    @property
    def n_sequences(self) -> Optional[int]:
        """2 if the texts are pairs."""
        return self._n_sequences

    @property
    def is_fast(self) -> bool:
        return self._encodings is not None

    def _encoding(self, batch_index: int) -> Encoding:
        if self._encodings is None:
            raise ValueError("this BatchEncoding was not made by a tokenizer and knows no texts")
        return self._encodings[batch_index]

    def tokens(self, batch_index: int = 0) -> List[str]:
        """The pieces of a text."""
        return self._encoding(batch_index).tokens

    def sequence_ids(self, batch_index: int = 0) -> List[Optional[int]]:
        """By token: 0 or 1 for the text of a pair it belongs to, None for special tokens."""
        return self._encoding(batch_index).sequence_ids

    def word_ids(self, batch_index: int = 0) -> List[Optional[int]]:
        """By token: its word, None for special tokens. Words are those of is_split_into_words,
        else the parts of the text between added tokens."""
        return self._encoding(batch_index).word_ids

    def char_to_token(
        self, batch_or_char_index: int, char_index: Optional[int] = None, sequence_index: int = 0
    ) -> Optional[int]:
        """The token that covers a character: (char) of the only text, or (text, char)."""
        if char_index is None:
            return self._encoding(0).char_to_token(batch_or_char_index, sequence_index)
        return self._encoding(batch_or_char_index).char_to_token(char_index, sequence_index)

    def token_to_chars(
        self, batch_or_token_index: int, token_index: Optional[int] = None
    ) -> Optional[Tuple[int, int]]:
        """(begin, end) of the characters of a token: (token) of the only text, or (text, token)."""
        if token_index is None:
            return self._encoding(0).token_to_chars(batch_or_token_index)
        return self._encoding(batch_or_token_index).token_to_chars(token_index)

    def convert_to_tensors(
        self, tensor_type: Any = None, prepend_batch_axis: bool = False
    ) -> "BatchEncoding":
        """Makes arrays of lists, in place, as BatchFeature.convert_to_tensors.

        Raises ValueError if rows differ in length, or hold no numbers.
        """
        kind = tensor_kind(tensor_type)
        if kind is None:
            return self
        for key, value in self.data.items():
            rows = [value] if prepend_batch_axis else value
            try:
                if not _holds_numbers(rows):
                    raise ValueError("no numbers")
                self.data[key] = _converted(rows, kind)
            except ValueError as error:
                raise ValueError(
                    f"{key}: the rows make no tensor ({error}); ask for padding=True and "
                    "truncation=True to get rows of one length, or leave out return_tensors"
                ) from None
        return self

    def to(self, device: Any, *, non_blocking: bool = False) -> "BatchEncoding":
        """Changes nothing: all is on the CPU. Token ids are not cast to a dtype."""
        if dtype_name(device) is not None and not isinstance(device, str):
            logger.warning("BatchEncoding.to: token ids are not cast to %s", device)
        return self
