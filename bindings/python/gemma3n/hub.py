"""Where a model's files are: a folder, or a repository that is in the Hugging Face cache.

The cache is read, never written: `hf download` fills it.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
from typing import Any, Optional, Union

PathLike = Union[str, "os.PathLike[str]"]

CONFIG_NAME = "config.json"
GENERATION_CONFIG_NAME = "generation_config.json"

_NAME = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
)  # of an owner or repository
_COMMIT = re.compile(r"[0-9a-f]{40}")
_MAX_REVISION_BYTES = 255


def cache_folder(cache_dir: Optional[PathLike] = None) -> pathlib.Path:
    """The cache's folder: `cache_dir`, $HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub."""
    if cache_dir is not None:
        return pathlib.Path(cache_dir).expanduser()
    if os.environ.get("HF_HUB_CACHE"):
        return pathlib.Path(os.environ["HF_HUB_CACHE"]).expanduser()
    if os.environ.get("HF_HOME"):
        return pathlib.Path(os.environ["HF_HOME"]).expanduser() / "hub"
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(home).expanduser() / "huggingface" / "hub"


def resolve_model_dir(
    name_or_path: PathLike,
    revision: Optional[str] = None,
    cache_dir: Optional[PathLike] = None,
    subfolder: str = "",
    local_files_only: bool = False,
    *,
    required: str = CONFIG_NAME,
) -> pathlib.Path:
    """The folder of a model's files.

    name_or_path: a folder, or a repository id such as "google/gemma-3n-E2B-it" that has been
    downloaded. `revision` (a branch, a tag or a full commit hash) and `cache_dir` apply to
    repository ids only. The folder holds `required`; "" asks for no file. `local_files_only` changes
    nothing, as nothing is ever downloaded.

    Raises FileNotFoundError if there is no such folder or file, or the repository is not in the
    cache; ValueError if `revision` or `subfolder` leads outside of the repository.
    """
    del local_files_only
    name = os.fspath(name_or_path)
    if not isinstance(name, str):
        raise TypeError(f"model: expected a folder or a repository id, got {name_or_path!r}")
    inner = _relative_path(subfolder)
    try:
        is_folder = "\0" not in name and os.path.isdir(name)
    except ValueError:  # a name the file system cannot hold
        is_folder = False
    if is_folder:
        folder = pathlib.Path(name) / inner
        if required and not (folder / required).is_file():
            raise FileNotFoundError(
                f"{folder} holds no {required}: expected the folder of a model in the Hugging Face format"
            )
        return folder
    return _cached_snapshot(name, revision, cache_dir, inner, required)


def resolve_file(
    name_or_path: PathLike,
    file_name: str,
    revision: Optional[str] = None,
    cache_dir: Optional[PathLike] = None,
    subfolder: str = "",
) -> pathlib.Path:
    """A model's file; `name_or_path` may also be the file itself. Raises as resolve_model_dir."""
    name = os.fspath(name_or_path)
    if isinstance(name, str) and "\0" not in name and os.path.isfile(name):
        return pathlib.Path(name)
    folder = resolve_model_dir(name_or_path, revision, cache_dir, subfolder, required=file_name)
    return folder / file_name


def read_json(path: PathLike) -> dict[str, Any]:
    """A JSON file that holds an object. Raises OSError if it does not."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except (ValueError, RecursionError) as error:
        raise OSError(f"{os.fspath(path)} is not a valid JSON file: {error}") from None
    if not isinstance(value, dict):
        raise OSError(f"{os.fspath(path)}: expected a JSON object, got {type(value).__name__}")
    return value


def _relative_path(subfolder: Optional[str]) -> str:
    if not subfolder:
        return ""
    path = pathlib.PurePosixPath(str(subfolder).replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\0" in str(path):
        raise ValueError(f"subfolder: expected a path inside the model's folder, got {subfolder!r}")
    return str(path)


def _cached_snapshot(
    name: str, revision: Optional[str], cache_dir: Optional[PathLike], inner: str, required: str
) -> pathlib.Path:
    parts = name.split("/")
    if len(parts) > 2 or not all(
        _NAME.fullmatch(p) and ".." not in p and "--" not in p for p in parts
    ):
        raise FileNotFoundError(
            f"{_shortened(name)} is neither a folder nor a repository id: expected a path that exists or "
            "'owner/name', such as 'google/gemma-3n-E2B-it'"
        )
    revision = "main" if revision is None else revision
    repository = cache_folder(cache_dir) / ("models--" + "--".join(parts))
    commit = _commit_of(repository, revision)
    folder = repository / "snapshots" / commit / inner if commit else None
    if folder is not None and folder.is_dir() and (not required or (folder / required).is_file()):
        return folder
    where = f"revision {revision!r} of {name}" if revision != "main" else name
    what = f"{where} is not in the cache {cache_folder(cache_dir)}"
    if folder is not None and folder.is_dir():
        what = f"{where} in the cache {cache_folder(cache_dir)} holds no {required}"
    option = f" --revision {revision}" if revision != "main" else ""
    raise FileNotFoundError(
        f"{what}, and downloading is not supported yet. Get its files with `hf download {name}{option}` "
        f"(gated models first ask you to accept their licence at https://huggingface.co/{name}), "
        "or name a folder that holds them"
    )


def _commit_of(repository: pathlib.Path, revision: str) -> Optional[str]:
    """The commit a branch or tag stands for, by the cache; None if the cache does not know."""
    if not isinstance(revision, str):
        raise TypeError(f"revision: expected a branch, tag or commit hash, got {revision!r}")
    parts = revision.split("/")
    if (
        not revision
        or len(revision.encode("utf-8", "surrogatepass")) > _MAX_REVISION_BYTES
        or not revision.isprintable()
        or "\\" in revision
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise ValueError(
            f"revision: expected a branch, tag or full commit hash, got {_shortened(revision)}"
        )
    if _COMMIT.fullmatch(revision):
        return revision
    try:
        commit = (repository / "refs" / revision).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return commit if _COMMIT.fullmatch(commit) else None


def _shortened(text: str) -> str:
    return repr(text) if len(text) <= 120 else f"{text[:100]!r}... ({len(text)} characters)"
