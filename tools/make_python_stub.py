#!/usr/bin/env python3
"""Writes the type stub of the extension module:   python tools/make_python_stub.py [FILE]

Run in an environment where gemma3n and nanobind are installed. FILE is
bindings/python/gemma3n/_native.pyi unless given.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

STUB = pathlib.Path(__file__).resolve().parents[1] / "bindings/python/gemma3n/_native.pyi"
ERRORS = """class Error(Exception): ...
class InvalidArgumentError(Error, ValueError): ...
class NotFoundError(Error, FileNotFoundError): ...
class CorruptDataError(Error, ValueError): ...
class UnsupportedError(Error, NotImplementedError): ...
class ContextFullError(Error, ValueError): ...
class InternalError(Error, RuntimeError): ...
"""


def make():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "stub.pyi"
        subprocess.run([sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "gemma3n._native", "-o", path], check=True)
        text = path.read_text()
    # The errors are made by hand in module.cc, where the generator cannot see their bases.
    text = re.sub(r"from gemma3n import \([^)]*\)\n", "", text)
    text = re.sub(r"from typing import [^\n]*\n", "", text)
    text = text.replace("import os\n", "import os\nfrom typing import Any, Optional, Union, overload\n", 1)
    # Values whose types the binding leaves open.
    text = re.sub(r"\bdict\b(?!\[)", "dict[str, Any]", text)
    text = re.sub(r"\blist\b(?!\[)", "list[Any]", text)
    text = re.sub(r"\btuple\b(?!\[)", "tuple[Any, ...]", text)
    text = re.sub(r"\bos\.PathLike\b(?!\[)", "os.PathLike[str]", text)
    text = text.replace("-> object:", "-> Any:").replace("**kwargs)", "**kwargs: Any)")
    head, _, body = text.partition("def version")
    header = "# Written by tools/make_python_stub.py.\n"
    return header + head.rstrip() + "\n\n" + ERRORS + "\ndef version" + body


if __name__ == "__main__":
    pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else STUB).write_text(make())
