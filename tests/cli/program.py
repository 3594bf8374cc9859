"""What the tests of the program share: running it, on pipes and on a terminal.

The command line of each test is PROGRAM GOLDEN WRITE_CHECKPOINT [unittest arguments]; GOLDEN is
tests/golden, WRITE_CHECKPOINT the tool of that name. Standard library only.
"""
import fcntl
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

if len(sys.argv) < 4:
    sys.exit(f"{sys.argv[0]} PROGRAM GOLDEN WRITE_CHECKPOINT [unittest arguments]")
PROGRAM, WRITE_CHECKPOINT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[3])
GOLDEN = pathlib.Path(sys.argv[2]).resolve()
CHECKPOINTS = GOLDEN / "fixtures" / "checkpoints"
if not (CHECKPOINTS / "chat" / "tokenizer.json").is_file():
    sys.exit(f"{CHECKPOINTS}: expected the checkpoint 'chat' with a tokenizer")

PATIENCE_SECONDS = 120  # sanitizers on a busy machine are slow

OK, FAILURE, USAGE, INTERRUPTED, CLOSED_PIPE = 0, 1, 2, 130, 141


def gemma3n(*arguments, stdin=b"", environment=None, **popen):
    """Runs the program to its end. stdin: bytes."""
    return subprocess.run(
        [PROGRAM, *map(os.fspath, arguments)],
        input=stdin,
        stdout=popen.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        env=dict(os.environ, **(environment or {})),
        timeout=PATIENCE_SECONDS,
        **popen,
    )


def start(*arguments, **popen):
    return subprocess.Popen(
        [PROGRAM, *map(os.fspath, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, **popen,
    )


def catches_interrupts(pid):
    """Whether the process has installed its own handler for SIGINT."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGINT - 1) & 1)


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited in vain")
        time.sleep(0.01)


def safetensors_header(file):
    with open(file, "rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    return header


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, *arguments, environment=None):
        self.output = b""
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8"} | (environment or {}))
            os.execv(PROGRAM, [PROGRAM, *map(os.fspath, arguments)])

    def read_some(self, seconds=0.1):
        """False at the end of the output."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # Linux reports the end of a pseudo-terminal as an error
            return False
        self.output += data
        return bool(data)

    def expect(self, text, after=0):
        """Reads until `text` appears behind offset `after`; returns the offset behind it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (at := self.output.find(text, after)) < 0:
            if not self.read_some() or time.monotonic() > deadline:
                raise AssertionError(f"expected {text!r} in {self.output[after:]!r}")
        return at + len(text)

    def type(self, data):
        os.write(self.descriptor, data)

    def finish(self):
        """Reads to the end; returns the exit code."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.read_some():
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"does not end: {self.output[-400:]!r}")
        os.close(self.descriptor)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.chat = CHECKPOINTS / "chat"
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="gemma3n-cli-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # An answer that only an interruption ends: plenty of room, and no end token allowed.
        cls.endless = cls.copy_of(cls.chat, "endless", max_position_embeddings=32768)
        cls.endlessly = ["--greedy", "--max-tokens", "32000", "--min-tokens", "32000"]

    @classmethod
    def copy_of(cls, checkpoint, name, **config):
        copy = cls.folder / name
        shutil.copytree(checkpoint, copy)
        file = copy / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | config))
        return copy

    def succeed(self, *arguments, **options):
        """Standard output of a run that must do what it is asked, without a word besides."""
        done = gemma3n(*arguments, **options)
        self.assertEqual(done.returncode, OK, done.stderr.decode(errors="replace"))
        self.assertEqual(done.stderr, b"")
        return done.stdout.decode()

    def succeed_json(self, *arguments, **options):
        text = self.succeed(arguments[0], "--json", *arguments[1:], **options)
        self.assertTrue(text.endswith("}\n"))
        return json.loads(text)

    def refuse(self, code, *arguments, saying=(), **options):
        """A run that must end with this code and one line about the reason."""
        done = gemma3n(*arguments, **options)
        message = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, code, message)
        self.assertRegex(message, r"\Agemma3n: error: [^\n]+\n\Z")
        for word in saying:
            self.assertIn(word, message)
        self.assertEqual(done.stdout or b"", b"")


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
