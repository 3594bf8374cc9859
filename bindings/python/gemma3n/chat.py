"""Chats: their messages as plain data, and the template that makes a prompt of them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

import numpy as np

from gemma3n import _native
from gemma3n.pretrained import read_text, write_text


def plain(value: Any) -> Any:
    """Data that JSON can hold. Other objects, such as pictures, become their type's name."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if callable(getattr(value, "model_dump", None)):
        return plain(value.model_dump())
    return f"<{type(value).__name__}>"


def plain_conversations(conversation: Any) -> Tuple[List[List[Dict[str, Any]]], bool]:
    """(chats, whether it was a batch). Messages are copies without keys whose value is None.

    Raises ValueError if there is no message, TypeError for a message that is no dictionary.
    """
    conversation = getattr(conversation, "messages", conversation)
    if not isinstance(conversation, (list, tuple)):
        raise TypeError(
            "chat: expected a list of messages {'role': ..., 'content': ...}, got "
            f"{type(conversation).__name__}"
        )
    if len(conversation) == 0:
        raise ValueError("chat: expected at least one message, got none")
    first = conversation[0]
    is_batched = isinstance(first, (list, tuple)) or hasattr(first, "messages")
    chats = conversation if is_batched else [conversation]
    return [[_message(m) for m in getattr(chat, "messages", chat)] for chat in chats], is_batched


def _message(message: Any) -> Dict[str, Any]:
    if not isinstance(message, Mapping):
        if dataclasses.is_dataclass(message) and not isinstance(message, type):
            message = {f.name: getattr(message, f.name) for f in dataclasses.fields(message)}
        elif callable(getattr(message, "model_dump", None)):
            message = message.model_dump()
        else:
            raise TypeError(
                "chat: expected messages {'role': ..., 'content': ...}, got "
                f"{type(message).__name__}"
            )
    return {key: value for key, value in message.items() if value is not None}


@lru_cache(maxsize=16)
def _template(source: str, special_tokens_json: str) -> Any:
    return _native.ChatTemplate(source, special_tokens_json)


# Stand around control tokens that come from the caller's data, until it is encoded.
_BEGIN, _END = "\U000f0000", "\U000f0001"
# Before a token: it is not marked.
NOT_MARKED = f"(?<!{_BEGIN})"


class ControlTokens:
    """Strings that steer the model, such as <end_of_turn>. In data they are marked, so that they
    are encoded as plain text and nobody can end a turn by writing so."""

    def __init__(self, tokens: Iterable[str]):
        longest_first = sorted((re.escape(token) for token in tokens), key=len, reverse=True)
        self._any = re.compile("|".join(longest_first) or "(?!)")
        self._marked = re.compile(f"{_BEGIN}({self._any.pattern}){_END}|[{_BEGIN}{_END}]")

    def marked(self, value: Any) -> Any:
        """The data with marks around each control token in its texts."""
        if isinstance(value, str):
            value = value.replace(_BEGIN, "").replace(_END, "")
            return self._any.sub(f"{_BEGIN}\\g<0>{_END}", value)
        if isinstance(value, Mapping):
            return {key: self.marked(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.marked(item) for item in value]
        return value

    def parts(self, text: str) -> List[Tuple[str, bool]]:
        """(part, is it a marked token?) of a text with marks. No part is empty."""
        pieces = self._marked.split(text)
        return [(piece, i % 2 == 1) for i, piece in enumerate(pieces) if piece]


def without_marked(text: str) -> str:
    """The text without its marked tokens."""
    return re.sub(f"{_BEGIN}.*?{_END}", "", text)


class ChatRenderer:
    """A Jinja chat template.  special_tokens: names that it may use, {"bos_token": "<bos>"}.

    Raises ValueError if it does not parse.
    """

    def __init__(self, source: str, special_tokens: Dict[str, str]):
        self._source = source
        self._template = _template(source, json.dumps(special_tokens))

    def uses(self, name: str) -> bool:
        """May the name be a variable of the template?"""
        return re.search(rf"\b{re.escape(name)}\b", self._source) is not None

    def render(
        self,
        conversations: List[List[Dict[str, Any]]],
        tools: Optional[List[Any]] = None,
        documents: Optional[List[Any]] = None,
        add_generation_prompt: bool = False,
        continue_final_message: Union[bool, str] = False,
        variables: Optional[Dict[str, Any]] = None,
    ) -> List[str]:
        """The prompt of each chat.  Raises ValueError with what the template says is wrong."""
        if continue_final_message and add_generation_prompt:
            raise ValueError(
                "continue_final_message leaves the last message open and add_generation_prompt "
                "opens a new one; expected at most one of them"
            )
        if isinstance(continue_final_message, str) and continue_final_message != "content":
            raise NotImplementedError(
                f"continue_final_message={continue_final_message!r}: only True or 'content'"
            )
        for tool in tools or []:
            if callable(tool):
                raise NotImplementedError(
                    "tools: functions are not supported; pass their JSON schemas"
                )
            if not isinstance(tool, Mapping):
                raise ValueError(f"tools: expected JSON schemas, got {type(tool).__name__}")
        for document in documents or []:
            if not isinstance(document, Mapping):
                raise TypeError(
                    "documents: expected {'title': ..., 'text': ...}, got "
                    f"{type(document).__name__}"
                )
        names = {**(variables or {}), "tools": tools, "documents": documents}
        variables_json = json.dumps(plain(names))
        return [
            self._template.render_json(
                json.dumps(plain(chat)),
                bool(add_generation_prompt),
                bool(continue_final_message),
                variables_json,
            )
            for chat in conversations
        ]


def read_chat_templates(folder: pathlib.Path) -> Union[str, Dict[str, str], None]:
    """chat_template.jinja, with those of additional_chat_templates/ by name if there are any."""
    templates = {}
    default = read_text(folder / "chat_template.jinja")
    if default is not None:
        templates["default"] = default
    for path in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        templates[path.stem] = path.read_text(encoding="utf-8")
    return templates.get("default") if set(templates) <= {"default"} else templates


def write_chat_templates(
    folder: pathlib.Path, templates: Union[str, Dict[str, str], None], prefix: str = ""
) -> List[pathlib.Path]:
    """The files that read_chat_templates reads."""
    if templates is None:
        return []
    files = []
    for name, text in ({"default": templates} if isinstance(templates, str) else templates).items():
        path = folder / f"{prefix}chat_template.jinja"
        if name != "default":
            if not re.fullmatch(r"[^/\\\0]+", name) or name in (".", ".."):
                raise ValueError(f"chat_template: {name!r} cannot be the name of a file")
            path = folder / f"{prefix}additional_chat_templates" / f"{name}.jinja"
            path.parent.mkdir(exist_ok=True)
        write_text(path, text)
        files.append(path)
    return files
