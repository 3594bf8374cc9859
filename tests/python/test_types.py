"""The package says its types, and says them of everything."""
import ast
import pathlib
import subprocess
import sys

import gemma3n
from gemma3n import _native

PACKAGE = pathlib.Path(gemma3n.__file__).parent
ROOT = pathlib.Path(__file__).resolve().parents[2]


def names_of(body):
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
        elif isinstance(node, ast.AnnAssign):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets)


def test_the_stub_names_all_of_the_extension_module():
    tree = ast.parse((PACKAGE / "_native.pyi").read_text())
    public = {name for name in dir(_native) if not name.startswith("_")}
    assert set(names_of(tree.body)) == public, "run tools/make_python_stub.py"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not issubclass(getattr(_native, node.name), Exception):
            members = {n for n in vars(getattr(_native, node.name)) if not n.startswith("_")}
            assert {n for n in names_of(node.body) if not n.startswith("_")} == members, node.name


def test_the_package_is_marked_as_typed():
    assert (PACKAGE / "py.typed").exists()


def test_mypy_strict():
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml", "-p", "gemma3n"],
        cwd=ROOT / "bindings/python", capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout


def test_every_public_name_has_a_docstring():
    lacking = []
    for name in dir(gemma3n):
        value = getattr(gemma3n, name)
        if name.startswith("_") or not isinstance(value, type) or not value.__module__.startswith("gemma3n"):
            continue
        if not (value.__doc__ or any(b.__doc__ for b in value.__mro__[1:] if b.__module__.startswith("gemma3n"))):
            lacking.append(name)
    assert not lacking
