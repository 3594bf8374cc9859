"""Where the files of a checkpoint are, reading and writing them."""

from __future__ import annotations

import json
import pathlib
from typing import Any, Callable, ClassVar, Dict, List, Optional

import numpy as np

from gemma3n import hub

PREPROCESSOR_FILE = "preprocessor_config.json"
_HUB_OPTIONS = ("cache_dir", "revision", "subfolder", "local_files_only")
# Options of from_pretrained that need no action here: nothing is downloaded, no code is run.
_IGNORED_OPTIONS = (
    "force_download",
    "proxies",
    "token",
    "use_auth_token",
    "trust_remote_code",
    "use_fast",
    "backend",
    "resume_download",
    "user_agent",
    "_from_auto",
    "_from_pipeline",
    "_commit_hash",
    "device_map",
    "dtype",
    "torch_dtype",
    "_from_processor",
)


def model_dir(name_or_path: Any, options: Dict[str, Any]) -> pathlib.Path:
    """The folder of a checkpoint: a folder, or a repository in the Hugging Face cache.

    Takes what concerns finding it out of `options`.  Raises FileNotFoundError.
    """
    hub_options = {k: options.pop(k) for k in _HUB_OPTIONS if options.get(k) is not None}
    for key in (*_HUB_OPTIONS, *_IGNORED_OPTIONS):
        options.pop(key, None)
    return hub.resolve_model_dir(name_or_path, required="", **hub_options)


def read_json(path: pathlib.Path) -> Optional[Dict[str, Any]]:
    """The object in a file; None if there is no such file.  Raises OSError for anything else."""
    return hub.read_json(path) if path.is_file() else None


def read_text(path: pathlib.Path) -> Optional[str]:
    """A file's text; None if there is no such file."""
    return path.read_text(encoding="utf-8") if path.is_file() else None


def write_text(path: pathlib.Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def to_folder(save_directory: Any, options: Dict[str, Any]) -> pathlib.Path:
    """The folder to save in, made if it is not there.  Raises ValueError if it is a file."""
    if options.get("push_to_hub"):
        raise NotImplementedError(
            "push_to_hub: gemma3n does not upload; save to a folder and use `hf upload`"
        )
    folder = pathlib.Path(save_directory)
    if folder.is_file():
        raise ValueError(f"save_pretrained: {folder} is a file; expected a folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def part_of_config(folder: pathlib.Path, part: str) -> Dict[str, Any]:
    """The entry `part` of processor_config.json, or else preprocessor_config.json.

    folder: a checkpoint's, or one of those files.  Raises FileNotFoundError if neither is there.
    """
    if folder.is_file():
        return read_json(folder) or {}
    found = (read_json(folder / "processor_config.json") or {}).get(part)
    if found is None:
        found = read_json(folder / PREPROCESSOR_FILE)
    if found is None:
        raise FileNotFoundError(
            f"{folder}: has no {part.replace('_', ' ')}; expected processor_config.json with "
            f"{part!r}, or {PREPROCESSOR_FILE}"
        )
    return dict(found)


class StoredParameters:
    """A processor whose parameters are in preprocessor_config.json: reading and writing them."""

    _part: ClassVar[str]  # its entry in processor_config.json

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        """Reads processor_config.json or preprocessor_config.json. Keywords override entries.

        return_unused_kwargs=True: also returns the keywords that are no parameters.
        """
        unused = bool(kwargs.pop("return_unused_kwargs", False))
        folder = pathlib.Path(pretrained_model_name_or_path)
        if not folder.is_file():
            folder = model_dir(pretrained_model_name_or_path, kwargs)
        config = part_of_config(folder, cls._part)
        return cls.from_dict(config, return_unused_kwargs=unused, **kwargs)

    from_dict: ClassVar[Callable[..., Any]]  # of each class: the entries, keywords that override them

    def to_dict(self) -> Dict[str, Any]:
        raise NotImplementedError

    def to_json_string(self) -> str:
        config = {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in self.to_dict().items()
        }
        return json.dumps(config, indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: Any) -> None:
        write_text(pathlib.Path(json_file_path), self.to_json_string())

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> List[str]:
        """Writes preprocessor_config.json; returns its path in a list."""
        folder = to_folder(save_directory, kwargs)
        return [write_text(folder / PREPROCESSOR_FILE, self.to_json_string())]

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"
