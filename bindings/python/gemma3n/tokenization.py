"""Gemma's tokenizer: text to token ids and back, and chats to prompts."""

from __future__ import annotations

import copy
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from gemma3n import _native
from gemma3n.batch import BatchEncoding, Encoding, Run, Source, tensor_kind
from gemma3n.chat import (
    ChatRenderer,
    ControlTokens,
    plain_conversations,
    read_chat_templates,
    write_chat_templates,
)
from gemma3n.log import logger
from gemma3n.new_tokenizer import new_tokenizer_json
from gemma3n.pretrained import model_dir, read_json, to_folder, write_text
from gemma3n.tensors import is_torch


_NO_LIMIT = int(1e30)  # model_max_length where no one set it
_PRACTICAL_LIMIT = int(1e20)
_PADDINGS = ("longest", "max_length", "do_not_pad")
_TRUNCATIONS = ("longest_first", "only_first", "only_second", "do_not_truncate")
_STANDARD_NAMES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
_CLASS_DEFAULTS = {
    "unk_token": "<unk>",
    "bos_token": "<bos>",
    "eos_token": "<eos>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


class AddedToken:
    """A string that becomes one token wherever it stands in a text."""

    def __init__(
        self,
        content: str = "",
        single_word: bool = False,
        lstrip: bool = False,
        rstrip: bool = False,
        special: bool = False,
        normalized: Optional[bool] = None,
    ):
        self.content = content
        self.single_word = single_word
        self.lstrip = lstrip
        self.rstrip = rstrip
        self.special = special
        self.normalized = (not special) if normalized is None else normalized

    def __str__(self) -> str:
        return self.content

    def __repr__(self) -> str:
        return (
            f'AddedToken("{self.content}", rstrip={self.rstrip}, lstrip={self.lstrip}, '
            f"single_word={self.single_word}, normalized={self.normalized}, "
            f"special={self.special})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddedToken) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(self.content)


def _content(token: Any) -> Any:
    """The string of a token that is a string, an AddedToken or an object of a JSON file."""
    if isinstance(token, Mapping):
        return token.get("content")
    return str(token) if isinstance(token, AddedToken) else token


class _Limits(NamedTuple):
    """How one call pads and truncates."""

    padding: str
    truncation: str
    max_length: Optional[int]


def _is_text(value: Any) -> bool:
    """A string, or lists of strings nested up to three deep; only first items are looked at."""
    for _ in range(4):
        if isinstance(value, str):
            return True
        if not isinstance(value, (list, tuple)):
            return False
        if not value:
            return True
        value = value[0]
    return False


def _round_up(length: int, multiple: Optional[int]) -> int:
    return length if not multiple else -(-length // multiple) * multiple


class GemmaTokenizer:
    """Text to token ids and back, from the files tokenizer.json and tokenizer_config.json.

    Usually made by `from_pretrained`. `vocab` ({piece: id}) with `merges` (["a b"] or [("a", "b")])
    makes one from scratch; `tokenizer_file` reads a tokenizer.json.
    Raises ValueError or NotImplementedError if the files are not those of a Gemma tokenizer.
    """

    vocab_files_names = {"tokenizer_file": "tokenizer.json"}
    model_input_names = ["input_ids", "attention_mask"]
    padding_side = "left"
    truncation_side = "right"
    is_fast = True
    backend = "tokenizers"

    def __init__(
        self,
        vocab: Optional[Dict[str, int]] = None,
        merges: Optional[Sequence[Any]] = None,
        unk_token: Any = "<unk>",
        bos_token: Any = "<bos>",
        eos_token: Any = "<eos>",
        pad_token: Any = "<pad>",
        mask_token: Any = "<mask>",
        **kwargs: Any,
    ):
        options = dict(
            unk_token=unk_token,
            bos_token=bos_token,
            eos_token=eos_token,
            pad_token=pad_token,
            mask_token=mask_token,
            **kwargs,
        )
        file = options.pop("tokenizer_file", None)
        if file is not None:
            tokenizer_json = pathlib.Path(file).read_bytes()
        else:
            names = [str(options[name]) for name in ("pad_token", "eos_token", "bos_token",
                                                     "unk_token", "mask_token")]
            tokenizer_json = new_tokenizer_json(vocab, merges or [], names)
        self._set_up(tokenizer_json, options)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Any, *init_inputs: Any, **kwargs: Any
    ) -> "GemmaTokenizer":
        """Reads a checkpoint's tokenizer: a folder, or a repository in the Hugging Face cache.

        Keywords override tokenizer_config.json, such as padding_side="left".
        """
        folder = model_dir(pretrained_model_name_or_path, kwargs)
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"{folder}: has no tokenizer.json; expected the folder of a Gemma 3n checkpoint "
                "with its tokenizer"
            )
        config = read_json(folder / "tokenizer_config.json") or {}
        for unused in ("tokenizer_class", "add_bos_token", "add_eos_token", "init_inputs"):
            config.pop(unused, None)
        template = read_chat_templates(folder)
        if template is not None:
            config["chat_template"] = template
        if "added_tokens_decoder" not in config:
            for key, value in (read_json(folder / "special_tokens_map.json") or {}).items():
                if key not in kwargs:
                    config[key] = value
        config.update(kwargs)
        config["name_or_path"] = str(pretrained_model_name_or_path)
        self = cls.__new__(cls)
        try:
            self._set_up(path.read_bytes(), {**_CLASS_DEFAULTS, **config})
        except (ValueError, NotImplementedError) as error:
            raise type(error)(f"{folder}: {error}") from None
        return self

    def _set_up(self, tokenizer_json: bytes, options: Dict[str, Any]) -> None:
        """Attributes of keywords and of the entries of tokenizer_config.json."""
        options = dict(options)
        set_attribute = object.__setattr__
        if "additional_special_tokens" in options:
            extra_tokens = options.pop("additional_special_tokens")
            if not options.get("extra_special_tokens"):
                options["extra_special_tokens"] = extra_tokens
        set_attribute(self, "init_kwargs", {k: v for k, v in options.items()})
        set_attribute(self, "_tokenizer_json", tokenizer_json)

        named: Dict[str, Any] = {name: options.pop(name, None) for name in _STANDARD_NAMES}
        own = dict(options.pop("model_specific_special_tokens", None) or {})
        extra = options.pop("extra_special_tokens", None) or []
        if isinstance(extra, Mapping):
            own.update(extra)
            extra = []
        for key in [k for k in options if k.endswith("_token")]:
            if isinstance(options[key], (str, AddedToken, Mapping)):
                own.setdefault(key, options.pop(key))
        named.update(own)
        set_attribute(self, "SPECIAL_TOKENS_ATTRIBUTES", [*_STANDARD_NAMES, *own])
        set_attribute(self, "_special_tokens", {k: _content(v) for k, v in named.items()})
        set_attribute(self, "_extra_special_tokens", [_content(t) for t in extra])

        config: Dict[str, Any] = {k: _as_json(v) for k, v in named.items()}
        config["extra_special_tokens"] = [_as_json(token) for token in extra]
        if options.get("added_tokens_decoder"):
            config["added_tokens_decoder"] = {
                str(k): _as_json(v) for k, v in options["added_tokens_decoder"].items()
            }
        options.pop("added_tokens_decoder", None)
        set_attribute(self, "_native_config", json.dumps(config))
        set_attribute(self, "_native", _native.Tokenizer.from_json(tokenizer_json, self._native_config))

        self._around: Tuple[List[int], List[int]] = (self._native.prefix, self._native.suffix)
        for name in ("add_bos_token", "add_eos_token"):
            if name in options:
                setattr(self, name, options.pop(name))

        length = options.pop("model_max_length", None)
        if length is None:
            length = options.pop("max_len", None)
        self.model_max_length: int = _NO_LIMIT if length is None else length
        self.padding_side = _side("padding_side", options.pop("padding_side", self.padding_side))
        self.truncation_side = _side(
            "truncation_side", options.pop("truncation_side", self.truncation_side)
        )
        self.model_input_names = list(options.pop("model_input_names", self.model_input_names))
        self.clean_up_tokenization_spaces = options.pop("clean_up_tokenization_spaces", False)
        self.split_special_tokens = options.pop("split_special_tokens", False)
        template = options.pop("chat_template", None)
        if isinstance(template, (list, tuple)):
            template = {item["name"]: item["template"] for item in template}
        self.chat_template: Union[str, Dict[str, str], None] = template
        self.name_or_path: str = options.pop("name_or_path", "")
        self.verbose: bool = options.pop("verbose", False)
        self.pad_token_type_id = 0
        self._processor_class: Optional[str] = options.pop("processor_class", None)

    # ---- Special tokens by name: bos_token, bos_token_id, image_token, ...

    def __getattr__(self, name: str) -> Any:
        tokens = self.__dict__.get("_special_tokens")
        if tokens is None:  # while unpickling
            raise AttributeError(name)
        base = _without_id(name)
        if base in tokens:
            token = tokens[base]
            return token if token is None or base == name else self.convert_tokens_to_ids(token)
        if base == "extra_special_tokens":
            extra = list(self._extra_special_tokens)
            return extra if base == name else self.convert_tokens_to_ids(extra)
        raise AttributeError(f"{type(self).__name__} has no attribute {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        base = _without_id(name)
        if base in self.SPECIAL_TOKENS_ATTRIBUTES:
            if base != name and value is not None:
                value = self.convert_ids_to_tokens(value)
            if value is not None and not isinstance(value, (str, AddedToken)):
                raise ValueError(f"{base}: expected a string, got {value!r}")
            self._special_tokens[base] = _content(value)
        elif base == "extra_special_tokens":
            if not isinstance(value, (list, tuple)) and value is not None:
                raise ValueError(f"extra_special_tokens: expected a list, got {value!r}")
            object.__setattr__(self, "_extra_special_tokens", [_content(t) for t in value or []])
        else:
            object.__setattr__(self, name, value)

    @property
    def special_tokens_map(self) -> Dict[str, str]:
        """{"bos_token": "<bos>", ...}: the special tokens that have a name."""
        return {k: v for k, v in self._special_tokens.items() if v is not None}

    @property
    def all_special_tokens(self) -> List[str]:
        """The special tokens that were declared, with a name or without."""
        return list(dict.fromkeys([*self.special_tokens_map.values(), *self._extra_special_tokens]))

    @property
    def all_special_ids(self) -> List[int]:
        ids: List[int] = self.convert_tokens_to_ids(self.all_special_tokens)
        return ids

    @property
    def added_tokens_decoder(self) -> Dict[int, AddedToken]:
        """{id: token} of the strings that become a token wherever they stand."""
        return {
            token.id: AddedToken(
                token.content, False, token.lstrip, token.rstrip, token.special, token.normalized
            )
            for token in self._native.added_tokens
        }

    @property
    def added_tokens_encoder(self) -> Dict[str, int]:
        return {token.content: token.id for token in self._native.added_tokens}

    def get_added_vocab(self) -> Dict[str, int]:
        """{piece: id} of the added tokens."""
        return self.added_tokens_encoder

    def add_tokens(self, new_tokens: Any, special_tokens: bool = False) -> int:
        """Raises NotImplementedError, unless all are added tokens already: then returns 0."""
        tokens = [new_tokens] if isinstance(new_tokens, (str, AddedToken)) else list(new_tokens)
        known = self.added_tokens_encoder
        for token in tokens:
            if str(token) not in known:
                raise NotImplementedError(
                    f"add_tokens: {str(token)!r} is not an added token of this tokenizer, and "
                    "gemma3n does not extend vocabularies; extend the checkpoint where it is trained"
                )
        return 0

    def add_special_tokens(
        self, special_tokens_dict: Dict[str, Any], replace_extra_special_tokens: bool = True
    ) -> int:
        """Names tokens: {"pad_token": "<pad>"}. The tokens must exist; returns 0.

        Raises NotImplementedError for a token that the tokenizer does not have.
        """
        special = dict(special_tokens_dict)
        if "additional_special_tokens" in special:
            special.setdefault("extra_special_tokens", special.pop("additional_special_tokens"))
        for key, value in special.items():
            if key == "extra_special_tokens":
                self.add_tokens(value)
                kept = [] if replace_extra_special_tokens else self._extra_special_tokens
                self.extra_special_tokens = [*kept, *value]
            elif key in self.SPECIAL_TOKENS_ATTRIBUTES:
                self.add_tokens(value)
                setattr(self, key, value)
            else:
                raise ValueError(
                    f"add_special_tokens: unknown name {key!r}; expected one of "
                    f"{[*self.SPECIAL_TOKENS_ATTRIBUTES, 'extra_special_tokens']}"
                )
        return 0

    # ---- The vocabulary

    @property
    def vocab_size(self) -> int:
        """Number of tokens, not counting added tokens beyond the model's."""
        return int(self._native.base_vocab_size)

    def __len__(self) -> int:
        return int(self._native.vocab_size)

    def __bool__(self) -> bool:
        return True

    def get_vocab(self) -> Dict[str, int]:
        """{piece: id} of all tokens. Made anew on each call."""
        vocab: Dict[str, int] = self._native.vocabulary()
        return vocab

    @property
    def vocab(self) -> Dict[str, int]:
        return self.get_vocab()

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The id of a piece, or a list for a list. Unknown pieces have the id of unk_token."""
        if isinstance(tokens, (str, AddedToken)):
            token_id = self._native.token_to_id(str(tokens))
            return self.unk_token_id if token_id is None else token_id
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any, skip_special_tokens: bool = False) -> Any:
        """The piece of an id, or a list for a list. None for an id without a token."""
        if isinstance(ids, (int, np.integer)):
            return self._native.id_to_token(_checked_id(ids))
        skipped = set(self.all_special_ids) if skip_special_tokens else set()
        pieces = self._native.id_to_token
        return [pieces(_checked_id(i)) for i in ids if int(i) not in skipped]

    def convert_tokens_to_string(self, tokens: List[str]) -> str:
        """The text of pieces."""
        text, row = "", b""
        for token in [*tokens, ""]:
            if re.fullmatch("<0x[0-9A-F]{2}>", token):
                row += bytes([int(token[3:5], 16)])
                continue
            text += _text_of_bytes(row) + token.replace("\u2581", " ")
            row = b""
        return text

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many tokens are put around a text, or a pair of texts."""
        prefix, suffix = self._around
        return (1 + pair) * (len(prefix) + len(suffix))

    @property
    def max_len_single_sentence(self) -> int:
        return self.model_max_length - self.num_special_tokens_to_add()

    @property
    def max_len_sentences_pair(self) -> int:
        return self.model_max_length - self.num_special_tokens_to_add(pair=True)

    @property
    def add_bos_token(self) -> bool:
        """Was it switched on? Until one of the two is set, tokenizer.json alone says what stands
        around a text (for Gemma: <bos>); then these two do."""
        return bool(self.__dict__.get("_add_bos_token", False))

    @add_bos_token.setter
    def add_bos_token(self, value: bool) -> None:
        self.__dict__["_add_bos_token"] = value
        self._put_around()

    @property
    def add_eos_token(self) -> bool:
        return bool(self.__dict__.get("_add_eos_token", False))

    @add_eos_token.setter
    def add_eos_token(self, value: bool) -> None:
        self.__dict__["_add_eos_token"] = value
        self._put_around()

    def _put_around(self) -> None:
        has_bos = self.add_bos_token and self.bos_token is not None
        has_eos = self.add_eos_token and self.eos_token is not None
        self._around = (
            [self.bos_token_id] if has_bos else [],
            [self.eos_token_id] if has_eos else [],
        )

    def get_special_tokens_mask(
        self,
        token_ids_0: Sequence[int],
        token_ids_1: Optional[Sequence[int]] = None,
        already_has_special_tokens: bool = False,
    ) -> List[int]:
        """1 for each special token of an encoded text."""
        if not already_has_special_tokens:
            raise NotImplementedError(
                "get_special_tokens_mask: expected ids of an encoded text and "
                "already_has_special_tokens=True"
            )
        if token_ids_1 is not None:
            raise ValueError("get_special_tokens_mask: an encoded text has no second sequence")
        special = set(self.all_special_ids)
        return [int(int(i) in special) for i in token_ids_0]

    # ---- Text to ids

    def __call__(
        self,
        text: Any = None,
        text_pair: Any = None,
        text_target: Any = None,
        text_pair_target: Any = None,
        add_special_tokens: bool = True,
        padding: Any = False,
        truncation: Any = None,
        max_length: Optional[int] = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: Optional[int] = None,
        padding_side: Optional[str] = None,
        return_tensors: Any = None,
        return_token_type_ids: Optional[bool] = None,
        return_attention_mask: Optional[bool] = None,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        verbose: bool = True,
        tokenizer_kwargs: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> BatchEncoding:
        """Encodes a text, a list of texts, or pairs of texts.

        text: a string or a list of them; with is_split_into_words a list of words, or of such
        lists. text_pair: second texts. text_target: encoded to "labels".
        padding: True or "longest", "max_length", False; on `padding_side`, to a multiple of
        pad_to_multiple_of.  truncation: True or "longest_first", "only_first", "only_second",
        False; to max_length tokens.
        Returns lists of ints, or with return_tensors ("pt", "np") arrays [B, T] int64.
        Raises ValueError for anything else, and for rows of different length in a "pt" tensor.
        """
        options: Dict[str, Any] = dict(
            add_special_tokens=add_special_tokens,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            is_split_into_words=is_split_into_words,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            return_tensors=return_tensors,
            return_token_type_ids=return_token_type_ids,
            return_attention_mask=return_attention_mask,
            return_overflowing_tokens=return_overflowing_tokens,
            return_special_tokens_mask=return_special_tokens_mask,
            return_offsets_mapping=return_offsets_mapping,
            return_length=return_length,
            verbose=verbose,
        )
        max_target_length = kwargs.pop("max_target_length", None)
        options.update(tokenizer_kwargs or {})
        options.update(kwargs)
        if text is None and text_target is None:
            raise ValueError("expected `text` or `text_target`, got neither")
        encoded = None if text is None else self._encode(text, text_pair, options)
        if text_target is None:
            assert encoded is not None
            return encoded
        if max_target_length is not None:
            options["max_length"] = max_target_length
        targets = self._encode(text_target, text_pair_target, options)
        if encoded is None:
            return targets
        encoded["labels"] = targets["input_ids"]
        return encoded

    def encode(self, text: Any, text_pair: Any = None, **kwargs: Any) -> Any:
        """The ids of a text, a list for a list of texts; keywords as of a call."""
        return self(text, text_pair, **kwargs)["input_ids"]

    def tokenize(
        self, text: Any, pair: Any = None, add_special_tokens: bool = False, **kwargs: Any
    ) -> List[str]:
        """The pieces of a text."""
        return self(text, pair, add_special_tokens=add_special_tokens, **kwargs).tokens()

    def _limits(
        self,
        padding: Any,
        truncation: Any,
        max_length: Optional[int],
        pad_to_multiple_of: Optional[int],
        verbose: bool,
    ) -> _Limits:
        padding = getattr(padding, "value", padding)
        truncation = getattr(truncation, "value", truncation)
        if max_length is not None and padding is False and truncation is None:
            truncation = "longest_first"
        if padding is False or padding is True:
            padding = "longest" if padding else "do_not_pad"
        if truncation is None or truncation is False or truncation is True:
            truncation = "longest_first" if truncation else "do_not_truncate"
        if padding not in _PADDINGS:
            raise ValueError(f"padding: expected True, False or one of {_PADDINGS}, got {padding!r}")
        if truncation not in _TRUNCATIONS:
            raise ValueError(
                f"truncation: expected True, False or one of {_TRUNCATIONS}, got {truncation!r}"
            )
        if verbose and padding == "longest" and max_length and truncation == "do_not_truncate":
            logger.warning(
                "max_length has no effect with padding=True and no truncation; "
                "padding='max_length' pads to max_length"
            )
        if max_length is None and self.model_max_length > _PRACTICAL_LIMIT:
            padding = "do_not_pad" if padding == "max_length" else padding
            truncation = "do_not_truncate"
        elif max_length is None and (padding == "max_length" or truncation != "do_not_truncate"):
            max_length = self.model_max_length
        pads, cuts = padding != "do_not_pad", truncation != "do_not_truncate"
        if pads and self.pad_token is None:
            raise ValueError(
                "padding: the tokenizer has no pad_token; set one, such as "
                "tokenizer.pad_token = tokenizer.eos_token"
            )
        if pads and cuts and pad_to_multiple_of and max_length and max_length % pad_to_multiple_of:
            raise ValueError(
                f"max_length: {max_length} is no multiple of pad_to_multiple_of "
                f"({pad_to_multiple_of})"
            )
        return _Limits(padding, truncation, max_length)

    def _encode(self, text: Any, text_pair: Any, options: Dict[str, Any]) -> BatchEncoding:
        limits = self._limits(
            options.get("padding", False),
            options.get("truncation"),
            options.get("max_length"),
            options.get("pad_to_multiple_of"),
            options.get("verbose", True),
        )
        is_split = bool(options.get("is_split_into_words"))
        for value in (text, text_pair):
            if value is not None and not _is_text(value):
                raise ValueError(
                    "text: expected a string, a list of strings, or lists of words with "
                    f"is_split_into_words=True; got {type(value).__name__}"
                )
        samples, is_batched = _samples(text, text_pair, is_split)
        if not samples:
            raise IndexError("text: expected at least one text, got an empty list")
        special = bool(options.get("add_special_tokens", True))
        if options.get("sanitize_control_tokens"):
            return self._encode_marked(samples, is_batched, limits, special, options)
        spelled = _native.SpelledTokens.ALL
        if options.get("split_special_tokens", self.split_special_tokens):
            spelled = _native.SpelledTokens.NOT_SPECIAL
        encodings = [
            self._joined(sources, limits, special, options)
            for sources in self._sources(samples, is_split, spelled)
        ]
        overflows = bool(options.get("return_overflowing_tokens"))
        sample_of = [i for i, e in enumerate(encodings) for _ in range(1 + len(e.overflowing))]
        if overflows:
            encodings = [part for e in encodings for part in (e, *e.overflowing)]
        self._pad_encodings(
            encodings, limits, options.get("pad_to_multiple_of"), options.get("padding_side")
        )
        data = self._entries(encodings, options)
        if overflows:
            data["overflow_to_sample_mapping"] = sample_of
        self._warn_if_too_long(encodings, limits, options.get("verbose", True))
        kind = tensor_kind(options.get("return_tensors"))
        if not is_batched and kind is None and not overflows:
            data = {k: v[0] if isinstance(v[0], list) else v for k, v in data.items()}
        return BatchEncoding(data, encodings, tensor_type=kind)

    def _ids(self, texts: List[str], spelled: Any) -> List[List[int]]:
        try:
            ids: List[List[int]] = self._native.encode_batch(texts, spelled)
        except TypeError:
            raise TypeError(
                "text: expected Unicode text, got half a surrogate pair; "
                "text.encode('utf-8', 'replace').decode() replaces it"
            ) from None
        return ids

    def _encode_marked(
        self,
        samples: List[Tuple[Any, ...]],
        is_batched: bool,
        limits: _Limits,
        special: bool,
        options: Dict[str, Any],
    ) -> BatchEncoding:
        """Texts in which marked control tokens are plain text."""
        if special and self.num_special_tokens_to_add():
            raise NotImplementedError(
                "sanitize_control_tokens=True: expected a template that writes the special tokens "
                "itself, and add_special_tokens=False"
            )
        control = ControlTokens(self.added_tokens_encoder)
        rows = []
        for sample in samples:
            row: List[int] = []
            for part, is_marked in control.parts(sample[0]):
                spelled = _native.SpelledTokens.NONE if is_marked else _native.SpelledTokens.ALL
                ids = self._ids([part], spelled)[0]
                if is_marked and self.convert_tokens_to_ids(part) in ids:
                    raise ValueError(
                        f"sanitize_control_tokens: {part!r} is a token of the vocabulary and "
                        "cannot be written as plain text"
                    )
                row += ids
            if limits.truncation != "do_not_truncate" and limits.max_length is not None:
                keeps_end = self.truncation_side == "left"
                cut = slice(-limits.max_length, None) if keeps_end else slice(limits.max_length)
                row = row[cut]
            rows.append(row)
        kind = tensor_kind(options.get("return_tensors"))
        return self.pad(
            {"input_ids": rows if is_batched or kind else rows[0]},
            padding=limits.padding,
            max_length=limits.max_length,
            pad_to_multiple_of=options.get("pad_to_multiple_of"),
            padding_side=options.get("padding_side"),
            return_attention_mask=options.get("return_attention_mask"),
            return_tensors=kind,
        )

    def _sources(
        self, samples: List[Tuple[Any, ...]], is_split: bool, spelled: Any
    ) -> List[List[Source]]:
        """By sample: its one or two texts with their ids."""
        texts: List[str] = []
        for sample in samples:
            for part in sample:
                words = part if is_split else [part]
                for word in words:
                    if not isinstance(word, str):
                        raise TypeError(f"text: expected strings, got {type(word).__name__}")
                texts += words
        encoded = iter(self._ids(texts, spelled))
        sources = []
        for sample in samples:
            row = []
            for part in sample:
                if not is_split:
                    row.append(Source([part], next(encoded), None))
                    continue
                ids: List[int] = []
                word_of: List[int] = []
                for index in range(len(part)):
                    word_ids = next(encoded)
                    ids += word_ids
                    word_of += [index] * len(word_ids)
                row.append(Source(list(part), ids, word_of))
            sources.append(row)
        return sources

    def _joined(
        self, sources: List[Source], limits: _Limits, special: bool, options: Dict[str, Any]
    ) -> Encoding:
        """Texts cut to length, with special tokens around each."""
        around = self.num_special_tokens_to_add(len(sources) == 2) if special else 0
        windows = [(0, len(source.ids)) for source in sources]
        overflowing: List[List[Tuple[int, int]]] = []
        if limits.truncation != "do_not_truncate" and limits.max_length is not None:
            room = limits.max_length - around
            if room >= 0 and limits.max_length > 0:
                stride = options.get("stride") or 0
                if stride and stride >= room:
                    raise ValueError(
                        f"stride: expected less than the {room} tokens that fit, got {stride}"
                    )
                kept = _kept([len(s.ids) for s in sources], room, limits.truncation)
                parts = [
                    _windows(len(s.ids), n, stride, self.truncation_side)
                    for s, n in zip(sources, kept)
                ]
                windows = [part[0] for part in parts]
                overflowing = self._overflowing(parts, options)
        first = self._with_special(sources, windows, special)
        first.overflowing = [self._with_special(sources, w, special) for w in overflowing]
        return first

    @staticmethod
    def _overflowing(
        parts: List[List[Tuple[int, int]]], options: Dict[str, Any]
    ) -> List[List[Tuple[int, int]]]:
        if not options.get("return_overflowing_tokens"):
            return []
        if len(parts) == 2:
            raise NotImplementedError("return_overflowing_tokens is not supported for text pairs")
        return [[window] for window in parts[0][1:]]

    def _with_special(
        self, sources: List[Source], windows: List[Tuple[int, int]], special: bool
    ) -> Encoding:
        runs = []
        for index, (source, (begin, end)) in enumerate(zip(sources, windows)):
            if special:
                runs.append(Run(self._around[0], index))
            runs.append(Run(source.ids[begin:end], index, index, source=source, start=begin))
            if special:
                runs.append(Run(self._around[1], index))
        return Encoding([run for run in runs if run.ids], self)

    def _pad_encodings(
        self,
        encodings: List[Encoding],
        limits: _Limits,
        multiple: Optional[int],
        side: Optional[str],
    ) -> None:
        if limits.padding == "do_not_pad":
            return
        side = _side("padding_side", side or self.padding_side)
        length = limits.max_length if limits.padding == "max_length" else max(map(len, encodings))
        length = _round_up(length or 0, multiple)
        for encoding in encodings:
            missing = length - len(encoding)
            if missing <= 0:
                continue
            fill = Run([self.pad_token_id] * missing, self.pad_token_type_id, attended=False)
            encoding.runs = (
                [fill, *encoding.runs] if side == "left" else [*encoding.runs, fill]
            )

    def _entries(self, encodings: List[Encoding], options: Dict[str, Any]) -> Dict[str, Any]:
        type_ids, mask = options.get("return_token_type_ids"), options.get("return_attention_mask")
        data: Dict[str, Any] = {"input_ids": [e.ids for e in encodings]}
        if "token_type_ids" in self.model_input_names if type_ids is None else type_ids:
            data["token_type_ids"] = [e.type_ids for e in encodings]
        if "attention_mask" in self.model_input_names if mask is None else mask:
            data["attention_mask"] = [e.attention_mask for e in encodings]
        if options.get("return_special_tokens_mask"):
            data["special_tokens_mask"] = [e.special_tokens_mask for e in encodings]
        if options.get("return_offsets_mapping"):
            data["offset_mapping"] = [e.offsets for e in encodings]
        if options.get("return_length"):
            data["length"] = [len(e) for e in encodings]
        return data

    def _warn_if_too_long(
        self, encodings: List[Encoding], limits: _Limits, verbose: bool
    ) -> None:
        longest = max(map(len, encodings))
        if verbose and limits.max_length is None and longest > self.model_max_length > 0:
            logger.warning(
                "the text has %d tokens, more than the %d that the tokenizer's model_max_length "
                "allows", longest, self.model_max_length
            )

    def pad(
        self,
        encoded_inputs: Any,
        padding: Any = True,
        max_length: Optional[int] = None,
        pad_to_multiple_of: Optional[int] = None,
        padding_side: Optional[str] = None,
        return_attention_mask: Optional[bool] = None,
        return_tensors: Any = None,
        verbose: bool = True,
    ) -> BatchEncoding:
        """Fills encoded texts up to one length.

        encoded_inputs: one encoded text, several as a list of dictionaries, or a dictionary of
        lists; "input_ids" with "attention_mask", "token_type_ids", "special_tokens_mask".
        """
        if isinstance(encoded_inputs, (list, tuple)) and encoded_inputs:
            encoded_inputs = {k: [e[k] for e in encoded_inputs] for k in encoded_inputs[0].keys()}
        main = self.model_input_names[0]
        if main not in encoded_inputs:
            raise ValueError(
                f"pad: expected encoded texts with {main!r}, got {list(encoded_inputs)}"
            )
        entries = dict(encoded_inputs)
        rows = entries[main]
        if rows is None or len(rows) == 0:
            if return_attention_mask:
                entries["attention_mask"] = []
            return BatchEncoding(entries)
        kind = tensor_kind(return_tensors)
        if kind is None:
            first = rows[0]
            kind = "pt" if is_torch(first) else "np" if isinstance(first, np.ndarray) else None
        entries = {key: _as_lists(value) for key, value in entries.items()}
        rows = entries[main]
        is_single = not isinstance(rows[0], list)
        if is_single:
            entries = {key: [value] for key, value in entries.items()}
            rows = entries[main]
        if any(len(value) != len(rows) for value in entries.values()):
            raise ValueError("pad: the entries have different numbers of texts")
        limits = self._limits(padding, None, max_length, pad_to_multiple_of, verbose)
        if return_attention_mask is None:
            return_attention_mask = "attention_mask" in self.model_input_names
        if return_attention_mask and "attention_mask" not in entries:
            entries["attention_mask"] = [[1] * len(row) for row in rows]
        if limits.padding != "do_not_pad":
            length = limits.max_length
            if limits.padding == "longest":
                length = max(len(row) for row in rows)
            side = _side("padding_side", padding_side or self.padding_side)
            fills = {
                main: self.pad_token_id,
                "attention_mask": 0,
                "token_type_ids": self.pad_token_type_id,
                "special_tokens_mask": 1,
            }
            missing = [_round_up(length or 0, pad_to_multiple_of) - len(row) for row in rows]
            for key, fill in fills.items():
                if key in entries and (key != "attention_mask" or return_attention_mask):
                    entries[key] = [
                        [fill] * n + row if side == "left" else row + [fill] * n
                        for row, n in zip(entries[key], missing)
                    ]
        if is_single:
            entries = {key: value[0] for key, value in entries.items()}
        return BatchEncoding(entries, tensor_type=kind)

    # ---- Ids to text

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: Optional[bool] = None,
        **kwargs: Any,
    ) -> Any:
        """The text of ids: an int, a list or an array [T]; a list of texts for [B, T].

        Ids without a token vanish; bytes that are no UTF-8 become U+FFFD.
        Raises OverflowError for negative ids, TypeError for anything but numbers.
        """
        if isinstance(token_ids, Mapping):
            token_ids = token_ids["input_ids"]
        ids = _as_lists(token_ids)
        if isinstance(ids, (list, tuple)) and ids and isinstance(ids[0], (list, tuple)):
            return [self._decode(row, skip_special_tokens) for row in ids]
        return self._decode([ids] if isinstance(ids, int) else ids, skip_special_tokens)

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: Optional[bool] = None,
        **kwargs: Any,
    ) -> List[str]:
        """The texts of [B, T]. Always a list."""
        texts = self.decode(sequences, skip_special_tokens, clean_up_tokenization_spaces, **kwargs)
        return [texts] if isinstance(texts, str) else texts

    def _decode(self, ids: Any, skip_special_tokens: bool) -> str:
        if not isinstance(ids, (list, tuple)):
            raise TypeError(f"decode: expected token ids, got {type(ids).__name__}")
        text: str = self._native.decode([_checked_id(i) for i in ids], bool(skip_special_tokens))
        return text

    # ---- Chats

    def get_chat_template(
        self, chat_template: Optional[str] = None, tools: Optional[List[Any]] = None
    ) -> str:
        """The template that apply_chat_template uses: the argument, or the tokenizer's own.

        chat_template: a Jinja template, or the name of one if the tokenizer has several.
        Raises ValueError if there is none.
        """
        own = self.chat_template
        if isinstance(own, dict):
            if chat_template is not None:
                return own.get(chat_template, chat_template)
            for name in ("tool_use", "default"):
                if name in own and (name == "default" or tools is not None):
                    return own[name]
            raise ValueError(f"chat_template: expected the name of one of {sorted(own)}")
        if chat_template is not None:
            return chat_template
        if own is None:
            raise ValueError(
                "apply_chat_template: the tokenizer has no chat_template (base models have none); "
                "pass chat_template=..."
            )
        return own

    def control_tokens(self, chat_template: str, tokenize: bool = True) -> ControlTokens:
        """What steers the model: special tokens, and added ones that the template writes."""
        if not tokenize:
            raise ValueError("sanitize_control_tokens=True: expected tokenize=True")
        return ControlTokens(
            token.content
            for token in self._native.added_tokens
            if token.special or (token.content in chat_template and not token.content.isspace())
        )

    def apply_chat_template(
        self,
        conversation: Any,
        tools: Optional[List[Any]] = None,
        documents: Optional[List[Dict[str, str]]] = None,
        chat_template: Optional[str] = None,
        add_generation_prompt: bool = False,
        continue_final_message: Union[bool, str] = False,
        tokenize: bool = True,
        sanitize_control_tokens: bool = False,
        padding: Any = False,
        truncation: Any = False,
        max_length: Optional[int] = None,
        return_tensors: Any = None,
        return_dict: bool = True,
        return_assistant_tokens_mask: bool = False,
        tokenizer_kwargs: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> Any:
        """A chat, or a list of chats, as prompts.

        conversation: [{"role": ..., "content": ...}], or a list of those. Further keywords are
        variables of the template. sanitize_control_tokens: control tokens in the messages are
        encoded as plain text.
        Returns a text if not `tokenize`, ids if not `return_dict`, else a BatchEncoding.
        Raises ValueError for what the template refuses.
        """
        if return_assistant_tokens_mask:
            raise NotImplementedError(
                "apply_chat_template: return_assistant_tokens_mask=True is not supported"
            )
        source = self.get_chat_template(chat_template, tools)
        conversations, is_batched = plain_conversations(conversation)
        if sanitize_control_tokens:
            control = self.control_tokens(source, tokenize)
            conversations = control.marked(conversations)
            tools, documents, kwargs = (control.marked(v) for v in (tools, documents, kwargs))
        renderer = ChatRenderer(source, self.special_tokens_map)
        prompts = renderer.render(
            conversations,
            tools=tools,
            documents=documents,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            variables=kwargs,
        )
        prompt: Any = prompts if is_batched else prompts[0]
        if not tokenize:
            return prompt
        encoded = self(
            prompt,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            add_special_tokens=False,
            return_tensors=return_tensors,
            sanitize_control_tokens=sanitize_control_tokens,
            **(tokenizer_kwargs or {}),
        )
        return encoded if return_dict else encoded["input_ids"]

    # ---- Files

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> Tuple[str, ...]:
        """Writes tokenizer.json, tokenizer_config.json and the chat template; returns their paths."""
        folder = to_folder(save_directory, kwargs)
        prefix = kwargs.get("filename_prefix")
        prefix = f"{prefix}-" if prefix else ""
        config = {
            k: _as_json(v)
            for k, v in self.init_kwargs.items()
            if k not in ("name_or_path", "added_tokens_decoder", "chat_template", "vocab", "merges",
                         "special_tokens_map_file", "tokenizer_file", "device_map", "files_loaded")
        }
        for key in [*config, "model_max_length"]:
            if hasattr(self, key):
                config[key] = getattr(self, key)
        config.update(self.special_tokens_map)
        if self._extra_special_tokens:
            config["extra_special_tokens"] = self._extra_special_tokens
        config["tokenizer_class"] = "GemmaTokenizer"
        config.setdefault("backend", self.backend)
        if self._processor_class:
            config["processor_class"] = self._processor_class
        config_file = folder / f"{prefix}tokenizer_config.json"
        files = [config_file, *write_chat_templates(folder, self.chat_template, prefix)]
        text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        write_text(config_file, text)
        tokenizer_file = folder / f"{prefix}tokenizer.json"
        tokenizer_file.write_bytes(self._tokenizer_json)
        return tuple(str(file) for file in [*files, tokenizer_file])

    def save_vocabulary(
        self, save_directory: Any, filename_prefix: Optional[str] = None
    ) -> Tuple[str]:
        """Writes tokenizer.json."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        path = pathlib.Path(save_directory) / f"{prefix}tokenizer.json"
        path.write_bytes(self._tokenizer_json)
        return (str(path),)

    # The native part is immutable: copies share it, pickles make it anew.
    def __deepcopy__(self, memo: Dict[int, Any]) -> "GemmaTokenizer":
        other = type(self).__new__(type(self))
        shared = ("_native", "_tokenizer_json")
        for key, value in self.__dict__.items():
            object.__setattr__(other, key, value if key in shared else copy.deepcopy(value, memo))
        return other

    def __getstate__(self) -> Dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_native"}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        native = _native.Tokenizer.from_json(self._tokenizer_json, self._native_config)
        object.__setattr__(self, "_native", native)

    def __repr__(self) -> str:
        added = "\n\t".join(f"{i}: {token!r}," for i, token in self.added_tokens_decoder.items())
        return (
            f"{type(self).__name__}(name_or_path='{self.name_or_path}', "
            f"vocab_size={self.vocab_size}, model_max_length={self.model_max_length}, "
            f"padding_side='{self.padding_side}', truncation_side='{self.truncation_side}', "
            f"special_tokens={self.special_tokens_map}, "
            f"added_tokens_decoder={{\n\t{added}\n}})"
        )


GemmaTokenizerFast = GemmaTokenizer


def _without_id(name: str) -> str:
    for suffix in ("_ids", "_id"):
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def _side(name: str, value: Any) -> str:
    if value not in ("left", "right"):
        raise ValueError(f"{name}: expected 'left' or 'right', got {value!r}")
    return str(value)


def _checked_id(value: Any) -> int:
    try:
        token_id = int(value)
    except (TypeError, ValueError):
        raise TypeError(f"expected a token id, got {value!r}") from None
    if not 0 <= token_id < 2**32:
        raise OverflowError(f"expected a token id from 0 on, got {token_id}")
    return min(token_id, 2**31 - 1)  # no token has an id that large


def _text_of_bytes(row: bytes) -> str:
    """One broken byte makes every byte of the row U+FFFD."""
    try:
        return row.decode("utf-8")
    except UnicodeDecodeError:
        return "\ufffd" * len(row)


def _as_lists(value: Any) -> Any:
    """Arrays, and lists of arrays, as lists of Python numbers."""
    if is_torch(value) or isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_as_lists(item) for item in value]
    return value


def _as_json(value: Any) -> Any:
    """Tokens as the JSON files hold them."""
    if isinstance(value, AddedToken):
        return dict(value.__dict__)
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items() if key != "__type"}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return value


def _samples(
    text: Any, text_pair: Any, is_split: bool
) -> Tuple[List[Tuple[Any, ...]], bool]:
    """(one tuple per sample, of one text or two; is it a batch?)"""
    is_batched = isinstance(text, (list, tuple))
    if is_split:
        is_batched = is_batched and bool(text) and isinstance(text[0], (list, tuple))
    if not is_batched:
        return [(text, text_pair) if text_pair else (text,)], False
    if isinstance(text_pair, str):
        raise TypeError("text_pair: expected a list as long as `text`, got a string")
    if text_pair is not None:
        if len(text) != len(text_pair):
            raise ValueError(
                f"text_pair: expected {len(text)} texts, as many as `text`, got {len(text_pair)}"
            )
        return list(zip(text, text_pair)), True
    samples: List[Tuple[Any, ...]] = []
    for item in text:
        is_pair = isinstance(item, (list, tuple)) and len(item) == 2
        if is_split:
            is_pair = is_pair and not isinstance(item[0], str)
        samples.append(tuple(item) if is_pair else (item,))
    return samples, True


def _kept(lengths: List[int], room: int, strategy: str) -> List[int]:
    """How many tokens of each text fit into `room`."""
    too_many = sum(lengths) - room
    if too_many <= 0:
        return lengths
    if room == 0:
        return [0] * len(lengths)
    if strategy == "only_second" and len(lengths) == 1:
        raise ValueError("truncation='only_second': expected a text_pair")
    if strategy != "longest_first":
        index = 0 if strategy == "only_first" else 1
        if lengths[index] <= too_many:
            raise ValueError(
                f"truncation={strategy!r}: the text has {lengths[index]} tokens, but {too_many} "
                "must go; raise max_length or use 'longest_first'"
            )
        return [n - too_many if i == index else n for i, n in enumerate(lengths)]
    if len(lengths) == 1:
        return [room]
    short, long = min(lengths), max(lengths)
    long = short if short > room else max(short, room - short)
    if short + long > room:
        short, long = room // 2, room // 2 + room % 2
    return [short, long] if lengths[0] <= lengths[1] else [long, short]


def _windows(length: int, kept: int, stride: int, side: str) -> List[Tuple[int, int]]:
    """(begin, end) of the kept tokens, then of the rest in pieces that overlap by `stride`."""
    if kept >= length:
        return [(0, length)]
    if kept == 0:
        return [(0, 0), (0, length)]
    if stride >= kept:  # of a pair
        stride = 0
    windows = []
    if side == "right":
        for begin in range(0, length, kept - stride):
            windows.append((begin, min(begin + kept, length)))
            if begin + kept >= length:
                break
    else:
        for end in range(length, 0, stride - kept):
            windows.append((max(end - kept, 0), end))
            if end <= kept:
                break
    return windows
