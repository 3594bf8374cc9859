"""Where the files of a checkpoint are, and reading them."""

from __future__ import annotations

import pathlib
from typing import Any, Dict, Optional

from . import hub

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
