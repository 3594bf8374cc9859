"""The README's Python code runs when pasted."""
import contextlib
import io
import pathlib
import re
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_readme(files, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) == 2
    shutil.copy(files["image2"], tmp_path / "picture.jpg")
    monkeypatch.chdir(tmp_path)
    scope, shown = {}, io.StringIO()
    for block in blocks:
        code = block.replace("path/to/gemma-3n-E2B-it", str(files["model_dir"]))
        assert code != block
        with contextlib.redirect_stdout(shown):
            exec(code.replace("max_new_tokens=200", "max_new_tokens=8"), scope)  # noqa: S102
    assert shown.getvalue().strip()
