#!/usr/bin/env python3
"""The example programs say what the program says to the same input.

Command line as for tests/cli; GEMMA3N_EXAMPLES is the folder of the built examples.
"""
import os
import pathlib
import re
import struct
import subprocess
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "cli"), str(HERE.parent / "python")]

from media_test import wav  # noqa: E402
from program import CliTest, FAILURE, OK, PATIENCE_SECONDS, USAGE, WRITE_CHECKPOINT, gemma3n, main  # noqa: E402

import checkpoint_of_tests  # noqa: E402

EXAMPLES = pathlib.Path(os.environ["GEMMA3N_EXAMPLES"])
AS_EXAMPLES = ["--greedy", "--max-tokens", "50"]


def png(color, width=24, height=16):
    """A picture of one colour."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(color) * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class ExamplesTest(CliTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = checkpoint_of_tests.write(WRITE_CHECKPOINT, cls.folder)["model_dir"]
        cls.red, cls.blue, cls.tone, cls.long = (cls.folder / f for f in ["red.png", "blue.png", "tone.wav", "long.wav"])
        cls.red.write_bytes(png((200, 30, 20)))
        cls.blue.write_bytes(png((10, 30, 250)))
        cls.tone.write_bytes(wav(0.5))
        cls.long.write_bytes(wav(40))

    def example(self, name, *arguments, stdin=b"", code=OK):
        """Standard output and standard error."""
        done = subprocess.run([EXAMPLES / name, *map(os.fspath, arguments)], input=stdin, capture_output=True,
                              timeout=PATIENCE_SECONDS)
        errors = done.stderr.decode()
        self.assertEqual(done.returncode, code, errors)
        return done.stdout.decode(errors="replace"), errors

    def program(self, *arguments):
        return self.succeed_json("run", *arguments, *AS_EXAMPLES)

    def assert_says(self, example, report):
        """The answer, and how many tokens were read."""
        answer, note = example
        self.assertEqual(answer, report["text"] + "\n")
        self.assertGreater(report["generated_tokens"], 1)
        self.assertIn(f"{report['prompt_tokens']} tokens read", note)

    def test_text(self):
        report = self.program(self.chat, "--raw", "once upon")
        answer, note = self.example("text", self.chat, "once upon")
        self.assertEqual(answer, "once upon" + report["text"])
        self.assertIn(f"[{report['prompt_tokens']} tokens read, {report['generated_tokens']} written, ended by "
                      f"{report['finish_reason']}]", note)

    def test_image_text(self):
        for picture in [self.red, self.blue]:
            report = self.program(self.whole, "--image", picture, "What is shown in this image?")
            self.assert_says(self.example("image_text", self.whole, picture), report)
        other = self.program(self.whole, "--image", self.red, "Which colour?")
        self.assert_says(self.example("image_text", self.whole, self.red, "Which colour?"), other)

    def test_multi_image(self):
        question = "What do these images have in common?"
        one = self.program(self.whole, "--image", self.red, question)
        two = self.program(self.whole, "--image", self.red, "--image", self.blue, question)
        self.assertGreater(two["prompt_tokens"], one["prompt_tokens"])
        self.assert_says(self.example("multi_image", self.whole, self.red), one)
        self.assert_says(self.example("multi_image", self.whole, self.red, self.blue), two)

    def test_audio(self):
        question = "Transcribe the following speech segment."
        report = self.program(self.whole, "--audio", self.tone, question)
        self.assert_says(self.example("audio", self.whole, self.tone), report)
        answer, note = self.example("audio", self.whole, self.long)
        # Nothing ends an answer of this model but the limit, of which the program warns.
        done = gemma3n("transcribe", self.whole, self.long, *AS_EXAMPLES)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(answer, done.stdout.decode())
        self.assertEqual(len(re.findall(r"\[from [0-9.]+ s: [0-9]+ tokens read\]", note)), 2)

    def test_system_prompt(self):
        report = self.program(self.chat, "--system", "be brief", "hello")
        answer, _ = self.example("system_prompt", self.chat, "be brief", "hello")
        self.assertTrue(answer.startswith(report["text"] + "\nIn short,"), answer)
        self.assertGreater(len(answer), len(report["text"] + "\nIn short,\n"))
        self.assertNotEqual(report["text"], self.program(self.chat, "hello")["text"])

    def test_static_cache(self):
        for model in [self.chat, self.whole]:
            report = self.program(model, "hello")
            answer, note = self.example("static_cache", model, "hello")
            self.assertEqual(answer, report["text"] + "\n")
            held = report["prompt_tokens"] + report["generated_tokens"] - 1
            self.assertRegex(note, rf"\[a cache of [1-9][0-9]* kB holds {held} tokens\]")

    def test_chat(self):
        messages = b"hello\nand then?\n"
        answer, note = self.example("chat", self.chat, stdin=messages)
        self.assertEqual(answer, self.succeed("chat", self.chat, *AS_EXAMPLES, stdin=messages))
        first, second = re.findall(r"\[(\d+) tokens, of which (\d+) were read before\]", note)
        self.assertEqual(first[1], "0")
        self.assertGreaterEqual(int(second[1]), int(first[0]))
        self.assertLess(int(second[1]), int(second[0]))

    def test_mistakes_are_told(self):
        for name in ["text", "image_text", "multi_image", "audio", "system_prompt", "static_cache", "chat"]:
            self.assertIn(f"usage: {name} MODEL_DIR", self.example(name, code=USAGE)[1])
        self.assertIn("no-such-model", self.example("text", "no-such-model", "x", code=FAILURE)[1])
        self.assertIn("no.png", self.example("image_text", self.whole, "no.png", code=FAILURE)[1])


if __name__ == "__main__":
    main()
