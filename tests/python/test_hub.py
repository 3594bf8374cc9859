import os

import pytest
from gemma3n import hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache that holds main and the branch refs/pr/1 of google/tiny."""
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "hub"
    repository = root / "models--google--tiny"
    for commit in (COMMIT, OTHER):
        (repository / "snapshots" / commit / "inner").mkdir(parents=True)
        (repository / "blobs").mkdir(exist_ok=True)
        blob = repository / "blobs" / commit
        blob.write_text("{}")
        for name in ("config.json", "inner/config.json"):
            os.symlink(blob, repository / "snapshots" / commit / name)
    (repository / "refs" / "refs" / "pr").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "refs" / "refs" / "pr" / "1").write_text(OTHER + "\n")
    monkeypatch.setenv("HF_HUB_CACHE", str(root))
    return root


def test_a_folder(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "config.json").write_text("{}")
    assert hub.resolve_model_dir(tmp_path) == tmp_path
    assert hub.resolve_model_dir(str(tmp_path), subfolder="part") == tmp_path / "part"


def test_a_folder_without_config(tmp_path):
    with pytest.raises(FileNotFoundError, match="config.json"):
        hub.resolve_model_dir(tmp_path)
    assert hub.resolve_model_dir(tmp_path, required="") == tmp_path


def test_a_repository_in_the_cache(cache):
    snapshots = cache / "models--google--tiny" / "snapshots"
    assert hub.resolve_model_dir("google/tiny") == snapshots / COMMIT
    assert hub.resolve_model_dir("google/tiny", revision="refs/pr/1") == snapshots / OTHER
    assert hub.resolve_model_dir("google/tiny", revision=OTHER) == snapshots / OTHER
    assert hub.resolve_model_dir("google/tiny", subfolder="inner") == snapshots / COMMIT / "inner"
    assert hub.resolve_file("google/tiny", "config.json") == snapshots / COMMIT / "config.json"


def test_where_the_cache_is(cache, tmp_path, monkeypatch):
    assert hub.cache_folder() == cache
    assert hub.cache_folder(tmp_path / "mine") == tmp_path / "mine"
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", "/a")
    assert hub.cache_folder().as_posix() == "/a/hub"
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert hub.cache_folder().as_posix() == "/b/huggingface/hub"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/c")
    assert hub.cache_folder().as_posix() == "/c/.cache/huggingface/hub"


def test_cache_dir_comes_before_the_environment(cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    assert hub.resolve_model_dir("google/tiny", cache_dir=cache).name == COMMIT


@pytest.mark.parametrize("name", ["google/gemma-3n-E2B-it", "gemma"])
def test_not_downloaded(cache, name):
    with pytest.raises(FileNotFoundError) as caught:
        hub.resolve_model_dir(name)
    text = str(caught.value)
    assert f"hf download {name}" in text and f"https://huggingface.co/{name}" in text and str(cache) in text


def test_revision_not_downloaded(cache):
    with pytest.raises(FileNotFoundError, match=f"hf download google/tiny --revision {'a' * 40}"):
        hub.resolve_model_dir("google/tiny", revision="a" * 40)
    with pytest.raises(FileNotFoundError, match="--revision v2"):
        hub.resolve_model_dir("google/tiny", revision="v2")


def test_snapshot_without_config(cache):
    os.remove(cache / "models--google--tiny" / "snapshots" / COMMIT / "config.json")
    with pytest.raises(FileNotFoundError, match="holds no config.json"):
        hub.resolve_model_dir("google/tiny")


@pytest.mark.parametrize("ref", ["../../..", "abc", "", "F" * 40, "\u00e9" * 40, COMMIT + "/.."])
def test_a_ref_that_is_no_commit(cache, ref):
    (cache / "models--google--tiny" / "refs" / "main").write_text(ref)
    with pytest.raises(FileNotFoundError):
        hub.resolve_model_dir("google/tiny")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../..", "../../etc", "/nonexistent", "/etc", "a/b/c", "a//b", "a/..", "../a", "a/b\0c", "\0",
     "a" * 100_000, "a/" + "b" * 97, "-a/b", "a/b-", "a--b/c", "a b/c", "a/b\n", "caf\u00e9/x", "models--google--tiny",
     "google/tiny/", "google\\tiny", "~", "https://huggingface.co/google/tiny", "google/ti..ny", "C:\\model"],
)  # fmt: skip
def test_hostile_names(cache, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        hub.resolve_model_dir(name)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("revision", ["", "..", "../main", "refs/../main", "/etc/passwd", "a\0b", "a\nb", "a//b", "x" * 300, "a\\b", "./main"])
def test_hostile_revisions(cache, revision):
    with pytest.raises(ValueError, match="revision"):
        hub.resolve_model_dir("google/tiny", revision=revision)


@pytest.mark.parametrize("subfolder", ["..", "../x", "a/../..", "/etc", "a\\..\\..", "C:/x", "a\0"])
def test_hostile_subfolders(cache, subfolder):
    for name in ("google/tiny", str(cache)):
        with pytest.raises(ValueError, match="subfolder"):
            hub.resolve_model_dir(name, subfolder=subfolder)


@pytest.mark.parametrize("name", [5, None, b"google/tiny"])
def test_names_of_another_type(cache, name):
    with pytest.raises(TypeError):
        hub.resolve_model_dir(name)


@pytest.mark.parametrize("text", ["", "{", "[]", "\ufeff{}", "[" * 100_000, "nul"])
def test_files_that_are_no_json_objects(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OSError, match="config.json"):
        hub.read_json(path)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(OSError, match="JSON"):
        hub.read_json(path)
