"""The demonstration model through the program: answers of transformers, and the commands without a model's name.

The command line is PROGRAM PROJECT [unittest arguments]. Standard library only.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM, PROJECT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
MODEL, QUESTIONS, SAMPLES = PROJECT / "models/demo", PROJECT / "tests/demo", PROJECT / "examples/media"


def gemma3n(*arguments, stdin=""):
    return subprocess.run([PROGRAM, *map(os.fspath, arguments)], input=stdin, capture_output=True, text=True, timeout=500)


def questions():
    return [json.loads(line) for line in (QUESTIONS / "dataset.jsonl").read_text().splitlines()]


class Demo(unittest.TestCase):
    def answer(self, *arguments, stdin=""):
        done = gemma3n(*arguments, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_eval_finds_every_answer_as_expected(self):
        report = json.loads(self.answer("eval", MODEL, QUESTIONS / "dataset.jsonl", "--json").stdout)
        wrong = [(r["expected"], r["answer"]) for r in report["results"] if not r["correct"]]
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(report["items"], 30)

    def test_run_answers_each_kind_of_question(self):
        """Questions of one turn, as command lines."""
        asked = 0
        for question in questions():
            if len(question["messages"]) != 1 or asked == 12:
                continue
            parts = question["messages"][0]["content"]
            # `run` puts media before the text; only questions that do so too are the same ones.
            if [p["type"] for p in parts] != sorted((p["type"] for p in parts), key=["image", "audio", "text"].index):
                continue
            options, text = [], []
            for part in parts:
                if part["type"] == "text":
                    text.append(part["text"])
                else:
                    options += [f"--{part['type']}", QUESTIONS / part["path"]]
            done = self.answer("run", MODEL, *([" ".join(text)] if text else []), *options)
            self.assertEqual(done.stdout, question["expected"] + "\n", parts)
            asked += 1
        self.assertEqual(asked, 12)

    def test_a_quantised_checkpoint_answers_much_as_quantising_at_load(self):
        with tempfile.TemporaryDirectory() as folder:
            for kind, most_changed in [("q8", 1), ("q4", 4)]:
                self.answer("quantize", MODEL, os.path.join(folder, kind), "--to", kind)
                stored, at_load = (
                    json.loads(self.answer("eval", *arguments, QUESTIONS / "dataset.jsonl", "--json").stdout)["results"]
                    for arguments in ([os.path.join(folder, kind)], [MODEL, "--quantize", kind]))
                # The per-layer table is rounded on disk only: near ties may fall otherwise.
                other = [(a["answer"], b["answer"]) for a, b in zip(stored, at_load) if a["answer"] != b["answer"]]
                self.assertLessEqual(len(other), 2, (kind, other))
                # Some questions are of those that the model is unsure of.
                self.assertGreaterEqual(sum(r["correct"] for r in stored), len(stored) - most_changed, kind)

    def test_without_a_model_the_toy_answers_and_says_so(self):
        cow = self.answer("run", "What does a cow say?")
        self.assertEqual(cow.stdout, "A cow says moo.\n")
        self.assertIn("a toy", cow.stderr)
        self.assertEqual(self.answer("run", stdin="What does a cow say?").stdout, cow.stdout)
        self.assertEqual(self.answer("run", MODEL, "What does a cow say?").stderr, "")

    def test_one_word(self):
        done = self.answer("run", "What does a cow say?", "--system", "Answer in one word.")
        self.assertEqual(done.stdout, "Moo.\n")

    def test_chat_without_a_model(self):
        done = self.answer("chat", stdin="My name is Tom.\nWhat is my name?\n")
        self.assertEqual(done.stdout.split("\n")[:2], ["Hello, Tom!", "Your name is Tom."])
        self.assertIn("a toy", done.stderr)

    def test_a_missing_folder_is_not_a_prompt(self):
        done = gemma3n("run", "no/such/model", stdin="hello")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no/such/model", done.stderr)

    def test_the_samples_of_the_readme(self):
        """The three answers that the README shows."""
        picture = self.answer("run", "--image", SAMPLES / "star.png", "What is in the picture?")
        self.assertEqual(picture.stdout, "There is a yellow star.\n")
        sound = self.answer("run", "--audio", SAMPLES / "number.flac", "Write down what is said.")
        self.assertEqual(sound.stdout, "forty-two\n")
        both = self.answer("run", "--image", SAMPLES / "shapes.png", "--audio", SAMPLES / "question.flac")
        self.assertEqual(both.stdout, "The star is blue.\n")
        self.assertEqual(self.answer("transcribe", MODEL, SAMPLES / "number.flac").stdout, sound.stdout)

    def test_a_program_far_from_the_model_says_what_to_do(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder) / "gemma3n"
            shutil.copy(PROGRAM, copy)
            done = subprocess.run([copy, "run", "hello"], capture_output=True, text=True, timeout=500)
        self.assertEqual(done.returncode, 1)
        self.assertIn("give the folder of a checkpoint", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
