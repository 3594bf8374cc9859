#!/usr/bin/env python3
"""`gemma3n eval` from outside: datasets, results that a run goes on from, perplexity."""
import json
import math
import os
import pathlib
import resource
import signal
import tempfile

from program import (CliTest, FAILURE, GOLDEN, INTERRUPTED, OK, PATIENCE_SECONDS, Terminal, USAGE,
                     catches_interrupts, gemma3n, main, start, wait_until)
from whole_model import SmallWholeModel

SHORT = ["--max-tokens", "6"]


def asking(text, **more):
    return {"messages": [{"role": "user", "content": text}], "expected": "nothing of the kind"} | more


def without_times(report):
    """What two runs of the same evaluation must share."""
    report = {key: value for key, value in report.items() if key not in ("timings", "threads")}
    report["results"] = [{key: value for key, value in result.items() if key != "seconds"}
                         for result in report["results"]]
    return report


class EvalCase(CliTest):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def dataset(self, *lines, name="items.jsonl"):
        """A file of these lines: objects, or text as it is."""
        file = self.place / name
        file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return file

    def said(self, text, *options, model=None):
        return self.succeed_json("run", model or self.chat, text, "--greedy", *SHORT, *options)["text"]

    def evaluate(self, file, *options, model=None):
        return self.succeed_json("eval", model or self.chat, file, *SHORT, *options)


class EvalTest(EvalCase):
    def test_answers_are_those_of_run(self):
        texts = ["hello", "and then?", "name a river"]
        report = self.evaluate(self.dataset(*map(asking, texts)))
        self.assertEqual([result["answer"] for result in report["results"]], [self.said(text) for text in texts])
        self.assertEqual((report["items"], report["correct"], report["accuracy"]), (3, 0, 0))

    def test_right_answers_are_counted_for_each_category(self):
        right = self.said("hello")
        file = self.dataset(
            asking("hello", expected=f" {right}\n", category="greetings", id="a"),
            asking("bye", category="greetings"),
            "",
            asking("hello", expected=["wrong", right]),
            name="data.jsonl")
        report = self.evaluate(file)
        self.assertEqual([result["correct"] for result in report["results"]], [True, False, True])
        self.assertEqual([(c["category"], c["items"], c["correct"]) for c in report["categories"]],
                         [("greetings", 2, 1), ("", 1, 1)])
        self.assertEqual((report["items"], report["chosen_items"], report["correct"]), (3, 3, 2))
        self.assertAlmostEqual(report["accuracy"], 2 / 3)
        self.assertAlmostEqual(report["interval"][0], 0.20766, 4)  # Wilson, 2 of 3
        self.assertAlmostEqual(report["interval"][1], 0.93851, 4)
        self.assertNotIn("wer", report)
        first = report["results"][0]
        self.assertEqual((first["index"], first["line"], first["id"], first["category"], first["metric"]),
                         (0, 1, "a", "greetings", "exact"))
        self.assertEqual((report["results"][2]["index"], report["results"][2]["line"]), (2, 4))
        lines = self.succeed("eval", self.chat, file, *SHORT).splitlines()
        self.assertEqual([line.split()[:4] for line in lines[:4]],
                         [["CATEGORY", "ITEMS", "CORRECT", "ACCURACY"], ["greetings", "2", "1", "50.0%"],
                          ["(none)", "1", "1", "100.0%"], ["all", "3", "2", "66.7%"]])
        self.assertIn("20.8 to 93.9%", lines[3])

    def test_items_are_chosen_by_category_and_number(self):
        file = self.dataset(*(asking(f"item {i}", category="abc"[i % 3]) for i in range(9)))
        def chosen(*options):
            return [result["index"] for result in self.evaluate(file, *options)["results"]]
        self.assertEqual(chosen("--limit", "2"), [0, 1])
        self.assertEqual(chosen("--category", "b"), [1, 4, 7])
        self.assertEqual(chosen("--category", "c", "--category", "a", "--limit", "3"), [0, 2, 3])
        self.refuse(USAGE, "eval", self.chat, file, "--category", "d", saying=["--category", "'d'"])

    def test_the_conversation_is_the_one_of_run(self):
        messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"},
                    {"role": "user", "content": [{"type": "text", "text": "and?"}]}]
        turns = "<start_of_turn>user\n{}hello<end_of_turn>\n<start_of_turn>model\nhi<end_of_turn>\n" \
                "<start_of_turn>user\nand?<end_of_turn>\n<start_of_turn>model\n"
        briefed = [{"role": "system", "content": "be brief"}, *messages]
        item = {"messages": messages, "expected": "x"}
        file = self.dataset(item, item | {"messages": briefed})
        plain, with_system = self.said(turns.format(""), "--raw"), self.said(turns.format("be brief\n\n"), "--raw")
        def answers(*options):
            return [result["answer"] for result in self.evaluate(file, *options)["results"]]
        self.assertEqual(answers(), [plain, with_system])
        self.assertEqual(answers("--system", "be brief"), [with_system, with_system])
        self.assertEqual(answers("--system", "be long")[1], with_system)  # it has its own

    def test_an_item_may_say_how_long_and_how_it_is_judged(self):
        file = self.dataset(asking("hello"), asking("hello", max_tokens=2),
                            asking("hello", metric="wer", expected="three words here"))
        report = self.evaluate(file, "--metric", "contains")
        self.assertEqual([result["metric"] for result in report["results"]], ["contains", "contains", "wer"])
        self.assertEqual([result["generated_tokens"] for result in report["results"]], [6, 2, 6])
        self.assertEqual(report["cut_off"], 3)
        self.assertEqual((report["wer"]["items"], report["wer"]["words"], report["wer"]["characters"]), (1, 3, 16))
        edits = report["results"][2]["edits"]
        self.assertEqual((report["wer"]["edits"], report["wer"]["rate"]), (edits, edits / 3))
        lines = self.succeed("eval", self.chat, file, *SHORT).splitlines()
        self.assertEqual(lines[0].split()[-2:], ["WER", "CER"])
        self.assertIn(f"{100 * edits / 3:.2f}%", lines[1])
        self.assertEqual(lines[2], "cut off at the length limit: 3 of 3 answers")

    def test_an_answer_ends_with_the_turn_whatever_the_checkpoint_says(self):
        model = self.copy_of(self.chat, "one-end")
        config = model / "generation_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"eos_token_id": 1}))
        # Prompts after which the model's greedy answer has an end of turn.
        file = self.dataset(*(asking(f"item {i}") for i in [76, 265, 299]))
        reports = [self.succeed_json("eval", folder, file, "--max-tokens", "60") for folder in [self.chat, model]]
        ends = [[result["finish_reason"] for result in report["results"]] for report in reports]
        self.assertIn("eos", ends[0])
        self.assertEqual(ends[0], ends[1])
        self.assertLess(reports[0]["cut_off"], 3)

    def test_wrong_answers_are_shown(self):
        right = self.said("hello")
        file = self.dataset(asking("hello", expected=right), asking("one\x1b[31m", expected=["a", "b"], id="first"),
                            asking("two"), asking("three " * 100))
        text = self.succeed("eval", self.chat, file, *SHORT, "--errors", "2")
        self.assertIn("\nline 2, first\n  question: one^[[31m\n  expected: a | b\n  answer:   ", text)
        self.assertIn("\nline 3\n  question: two\n", text)
        self.assertNotIn("line 4", text)
        self.assertIn("three thre...\n", self.succeed("eval", self.chat, file, *SHORT, "--errors", "9"))
        self.refuse(USAGE, "eval", self.chat, file, "--errors", "2", "--json", saying=["--errors"])
        self.refuse(USAGE, "eval", self.chat, file, "--errors", "0", saying=["--errors"])

    def test_threads_change_nothing(self):
        file = self.dataset(*(asking(f"item {i}") for i in range(3)))
        reports = [self.evaluate(file, "--threads", threads) for threads in "12"]
        self.assertEqual(without_times(reports[0]), without_times(reports[1]))

    def test_progress_is_shown_on_a_terminal(self):
        terminal = Terminal("eval", self.chat, self.dataset(*(asking(f"item {i}") for i in range(3))), *SHORT)
        self.assertEqual(terminal.finish(), OK)
        self.assertIn(b"\ranswering [                    ]   0%  0 of 3\x1b[K", terminal.output)
        self.assertRegex(terminal.output, rb"\ranswering \[#{13} {7}\]  66%  2 of 3, 0\.0% right, \d+ s left\x1b\[K")


class RefusedDatasetTest(EvalCase):
    def test_a_malformed_line_is_named(self):
        """parse_item's own test has every kind."""
        good = asking("hello")
        for line, words in [("{", ["no JSON"]), ('{"a": NaN}', ["no JSON"]), ("3", ["JSON object"]),
                            ({"text": "hi"}, ['"messages"', '"query"', '"transcription"']),
                            (asking("a", expected=[]), ['"expected"']),
                            (asking("a", metric="bleu"), ["exact, relaxed, contains or wer", "'bleu'"]),
                            ("[" * 100000, ["levels"])]:
            with self.subTest(line=line):
                file = self.dataset(good, line, good)
                self.refuse(FAILURE, "eval", self.chat, file, saying=[f"{file}:2: ", *words])

    def test_bytes_that_are_not_utf8_are_refused(self):
        file = self.dataset(asking("hello"))
        file.write_bytes(file.read_bytes() + b'{"messages": "\xff"}\n')
        self.refuse(FAILURE, "eval", self.chat, file, saying=["items.jsonl:2: ", "no JSON at byte"])

    def test_a_line_without_end_is_refused(self):
        self.refuse(FAILURE, "eval", self.chat, "/dev/zero", saying=["/dev/zero:1: ", "at most 33554432 bytes"])

    def test_a_file_without_items_is_refused(self):
        self.refuse(FAILURE, "eval", self.chat, self.dataset(), saying=["no item"])
        self.refuse(FAILURE, "eval", self.chat, self.dataset("", "  "), saying=["no item"])
        self.refuse(FAILURE, "eval", self.chat, self.place / "none.jsonl", saying=["none.jsonl", "No such file"])
        self.refuse(FAILURE, "eval", self.chat, self.place, saying=["Is a directory"])

    def test_windows_line_ends_and_a_byte_order_mark_are_taken(self):
        file = self.dataset(asking("hello"), asking("bye"))
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n").rstrip())
        self.assertEqual(self.evaluate(file)["items"], 2)

    def test_a_missing_medium_is_named_before_anything_is_computed(self):
        file = self.dataset(asking("hello"), {"image": "none.png", "query": "a", "label": "b"})
        self.refuse(FAILURE, "eval", self.chat, file, saying=[f"{file}:2: ", f"{self.place}/none.png"])
        self.evaluate(file, "--limit", "1")

    def test_an_item_that_the_model_cannot_take_is_named(self):
        file = self.dataset(asking("hello"), asking("long " * 1000))
        self.refuse(FAILURE, "eval", self.chat, file, *SHORT, saying=[f"{file}:2: ", "512"])
        file = self.dataset({"messages": [{"role": "user", "content": "a"}] * 2, "expected": "b"})
        self.refuse(USAGE, "eval", self.chat, file, saying=[f"{file}:1: ", "alternate"])

    def test_weights_that_are_not_numbers_are_refused(self):
        model = self.copy_of(self.chat, "nan")
        weights = model / "model.safetensors"
        data = weights.read_bytes()
        begin = 8 + int.from_bytes(data[:8], "little")
        weights.write_bytes(data[:begin] + b"\xff" * (len(data) - begin))
        file = self.dataset(asking("hello"))
        self.refuse(FAILURE, "eval", model, file, saying=["finite"])
        self.refuse(FAILURE, "eval", model, "--perplexity", file, saying=["finite"])

    def test_options_that_do_not_fit_are_refused(self):
        file = self.dataset(asking("hello"))
        self.refuse(USAGE, "eval", self.chat, saying=["DATASET", "--perplexity"])
        self.refuse(USAGE, "eval", self.chat, file, "--perplexity", file, saying=["DATASET", "--perplexity"])
        self.refuse(USAGE, "eval", self.chat, file, "--stride", "5", saying=["--stride goes with --perplexity"])
        self.refuse(USAGE, "eval", self.chat, "--perplexity", file, "--limit", "5", saying=["--limit goes with DATASET"])
        self.refuse(USAGE, "eval", self.chat, file, "--overwrite", saying=["--results"])
        self.refuse(USAGE, "eval", self.chat, file, "--metric", "bleu", saying=["--metric", "'bleu'"])
        self.refuse(USAGE, "eval", self.chat, file, "--limit", "0", saying=["--limit"])
        self.refuse(USAGE, "eval", self.chat, file, "--max-tokens", "0", saying=["max_new_tokens"])
        self.refuse(USAGE, "eval", self.chat, file, "--long-audio", "shorten", saying=["cut or split"])
        self.refuse(FAILURE, "eval", self.place / "nowhere", file, saying=["nowhere"])


class ResultsTest(EvalCase):
    def setUp(self):
        super().setUp()
        self.file = self.dataset(*(asking(f"item {i}", category="ab"[i % 2]) for i in range(6)))
        self.results = self.place / "results.jsonl"

    def go_on(self, *options):
        return self.evaluate(self.file, "--results", self.results, *options)

    def rows(self):
        return [json.loads(line) for line in self.results.read_text().splitlines()]

    def test_a_second_run_goes_on_where_the_first_stopped(self):
        whole = self.evaluate(self.file)
        self.assertEqual(whole["timings"]["answered_items"], 6)
        self.assertEqual(self.go_on("--limit", "2")["timings"]["answered_items"], 2)
        first = self.results.read_bytes()
        self.assertEqual(self.go_on("--category", "b")["timings"]["answered_items"], 2)
        report = self.go_on()
        self.assertEqual(report["timings"]["answered_items"], 2)
        self.assertEqual(without_times(report), without_times(whole))
        self.assertEqual(sorted(row["index"] for row in self.rows()), list(range(6)))
        self.assertTrue(self.results.read_bytes().startswith(first))
        self.assertEqual(sorted(self.rows(), key=lambda row: row["index"]), report["results"])
        table = self.succeed("eval", self.chat, self.file, *SHORT)
        self.assertEqual(self.succeed("eval", self.chat, self.file, *SHORT, "--results", self.results), table)

    def test_without_items_left_the_model_is_not_even_loaded(self):
        model = self.copy_of(self.chat, "soon-gone")
        options = [model, self.file, *SHORT, "--results", self.results]
        table = self.succeed("eval", *options)
        weights = model / "model.safetensors"
        times = weights.stat()
        weights.write_bytes(b"\0" * times.st_size)
        os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
        self.assertEqual(self.succeed("eval", *options), table)

    def test_a_torn_last_line_is_computed_again(self):
        whole = self.go_on()
        lines = self.results.read_bytes().splitlines(keepends=True)
        for kept in [len(lines[3]) - 1, 40, 5]:
            with self.subTest(kept=kept):
                self.results.write_bytes(b"".join(lines[:3]) + lines[3][:kept])
                report = self.go_on()
                self.assertEqual(report["timings"]["answered_items"], 3)
                self.assertEqual(without_times(report), without_times(whole))
                self.assertEqual([row["index"] for row in self.rows()], list(range(6)))

    def test_answers_of_another_run_are_refused_and_kept(self):
        self.go_on("--limit", "2")
        before = self.results.read_bytes()
        command = ["eval", self.chat, self.file, "--results", self.results]
        for more in [["--max-tokens", "7"], [*SHORT, "--system", "be brief"], [*SHORT, "--metric", "contains"],
                     [*SHORT, "--long-audio", "split"]]:
            self.refuse(USAGE, *command, *more, saying=["results.jsonl:1: ", "--overwrite"])
        self.refuse(USAGE, "eval", self.copy_of(self.chat, "other-model"), *command[2:], *SHORT, saying=["item 0"])
        self.dataset(asking("item 0", category="a"), asking("another item"))
        self.refuse(USAGE, *command, *SHORT, saying=["results.jsonl:2: ", "item 1"])
        self.dataset(asking("item 0", category="a"))
        self.refuse(USAGE, *command, *SHORT, saying=["results.jsonl:2: "])
        self.assertEqual(self.results.read_bytes(), before)
        self.assertEqual(self.go_on("--overwrite")["timings"]["answered_items"], 1)
        self.assertEqual(len(self.rows()), 1)

    def test_new_weights_in_the_same_folder_are_another_model(self):
        model = self.copy_of(self.chat, "trained-further")
        options = ["eval", model, self.file, *SHORT, "--results", self.results]
        self.succeed(*options)
        os.utime(model / "model.safetensors", (1, 1))
        self.refuse(USAGE, *options, saying=["another dataset, model or options"])

    def test_a_file_of_something_else_is_refused_and_kept(self):
        for content in ["hello\n", "hello", '{"index": 0}\n', '[1, 2]\n', '{"messages": []}', "\n"]:
            with self.subTest(content=content):
                self.results.write_text(content)
                self.refuse(FAILURE, "eval", self.chat, self.file, "--results", self.results,
                            saying=["results.jsonl:1: ", "--overwrite"])
                self.assertEqual(self.results.read_text(), content)
        self.refuse(USAGE, "eval", self.chat, self.file, "--results", self.file, "--overwrite", saying=["dataset"])
        self.refuse(FAILURE, "eval", self.chat, self.file, "--results", self.place / "no" / "where",
                    saying=["No such file"])
        self.refuse(FAILURE, "eval", self.chat, self.file, "--results", self.place, saying=["Is a directory"])

    def test_a_full_disk_is_an_error_and_what_was_written_serves(self):
        self.go_on("--limit", "1")
        room = self.results.stat().st_size * 5 // 2
        def allow():
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        self.refuse(FAILURE, "eval", self.chat, self.file, *SHORT, "--results", self.results,
                    saying=["cannot write to", "results.jsonl"], preexec_fn=allow, restore_signals=False)
        self.assertEqual(self.results.stat().st_size, room)
        self.assertEqual(self.go_on()["timings"]["answered_items"], 4)

    def test_a_killed_run_loses_nothing(self):
        file = self.dataset(*(asking(f"item {i}") for i in range(200)), name="many.jsonl")
        options = [self.chat, file, "--max-tokens", "40", "--results", self.results]
        process = start("eval", *options)
        wait_until(lambda: self.results.exists() and self.results.read_bytes().count(b"\n") >= 3)
        process.kill()
        process.communicate(timeout=PATIENCE_SECONDS)
        kept = self.results.read_bytes().count(b"\n")
        self.assertLess(kept, 200)
        report = self.succeed_json("eval", *options)
        self.assertEqual(report["timings"]["answered_items"], 200 - kept)
        self.assertEqual([row["index"] for row in self.rows()], list(range(200)))
        self.assertEqual(without_times(report),
                         without_times(self.succeed_json("eval", *options[:4])))

    def interrupt(self, *options, after=lambda: True):
        file = self.dataset(asking("hello", max_tokens=3), asking("hello"), name="endless.jsonl")
        model = self.copy_of(self.chat, f"endless-{len(list(self.folder.iterdir()))}", max_position_embeddings=32768)
        config = model / "generation_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"min_new_tokens": 30000}))
        process = start("eval", model, file, "--max-tokens", "30000", *options)
        wait_until(lambda: catches_interrupts(process.pid) and after())
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual(process.returncode, INTERRUPTED, errors)
        return out.decode(), errors.decode()

    def test_ctrl_c_keeps_what_there_is(self):
        out, errors = self.interrupt("--results", self.results, after=lambda: b"\n" in self.results.read_bytes())
        self.assertEqual(errors, "interrupted after 1 of 2 items; the same command goes on from there\n")
        self.assertRegex(out, r"\ACATEGORY[^\n]*\nall +1 +0 ")
        self.assertEqual([row["index"] for row in self.rows()], [0])

    def test_ctrl_c_still_gives_a_whole_json_object(self):
        out, errors = self.interrupt("--json", "--results", self.results,
                                     after=lambda: b"\n" in self.results.read_bytes())
        report = json.loads(out)
        self.assertEqual((report["items"], report["chosen_items"]), (1, 2))

    def test_ctrl_c_before_the_first_answer_says_how_to_do_better(self):
        out, errors = self.interrupt()
        self.assertIn("of 2 items; with --results FILE a run can go on where it stopped\n", errors)


class EvalMediaTest(EvalCase, SmallWholeModel):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_whole_model()

    def test_pictures_and_sounds_are_seen_and_heard(self):
        os.symlink(self.picture, self.place / "a picture.jpg")
        (self.place / "sounds").mkdir()
        os.symlink(self.tone, self.place / "sounds" / "tone.wav")
        tone, picture = {"type": "audio", "path": "sounds/tone.wav"}, {"type": "image", "image": "a picture.jpg"}
        text = {"type": "text", "text": "hello"}
        file = self.dataset(
            {"image": "a picture.jpg", "query": "hello", "label": "1"},
            {"audio": "sounds/tone.wav", "transcription": "well said"},
            {"messages": [{"role": "user", "content": [picture, tone, text]}], "expected": "x"},
            {"messages": [{"role": "user", "content": [tone, text]}, {"role": "assistant", "content": "a"},
                          {"role": "user", "content": [{"type": "image", "url": str(self.picture)}]}], "expected": "x"})
        report = self.evaluate(file, model=self.whole)
        seen = lambda *arguments: self.said(*arguments, model=self.whole)
        turns = "<start_of_turn>user\n<audio_soft_token>hello<end_of_turn>\n<start_of_turn>model\na<end_of_turn>\n" \
                "<start_of_turn>user\n<image_soft_token><end_of_turn>\n<start_of_turn>model\n"
        self.assertEqual([result["answer"] for result in report["results"]], [
            seen("hello", "--image", self.picture),
            seen("Transcribe the following speech segment.", "--audio", self.tone),
            seen("hello", "--image", self.picture, "--audio", self.tone),
            seen(turns, "--raw", "--image", self.picture, "--audio", self.tone)])
        self.assertEqual([result["metric"] for result in report["results"]], ["relaxed", "wer", "exact", "exact"])
        self.assertEqual((report["wer"]["items"], report["wer"]["words"]), (1, 2))
        prompt = self.evaluate(file, "--transcribe-prompt", "What is said?", model=self.whole)["results"][1]
        self.assertEqual(prompt["answer"], seen("What is said?", "--audio", self.tone))

    def test_answers_about_pictures_of_another_size_are_another_runs(self):
        file = self.dataset({"image": str(self.picture), "query": "hello", "label": "1"})
        results = self.place / "results.jsonl"
        report = self.evaluate(file, "--results", results, "--image-size", "32", model=self.whole)
        self.assertEqual(report["results"][0]["answer"],
                         self.said("hello", "--image", self.picture, "--image-size", "32", model=self.whole))
        self.refuse(USAGE, "eval", self.whole, file, *SHORT, "--results", results,
                    saying=["results.jsonl:1: ", "--overwrite"])
        self.refuse(USAGE, "eval", self.whole, "--perplexity", file, "--image-size", "32",
                    saying=["--image-size goes with DATASET"])

    def test_paths_are_relative_to_the_dataset_wherever_one_stands(self):
        os.symlink(self.picture, self.place / "-")
        file = self.dataset({"image": "-", "query": "hello", "label": "1"})
        expected = without_times(self.evaluate(file, model=self.whole))["results"]
        here = self.succeed_json("eval", self.whole, file.name, *SHORT, cwd=self.place)
        self.assertEqual(without_times(here)["results"], expected)
        os.symlink(self.tone, self.place / "tone")
        self.dataset({"audio": "-", "text": "a"})
        self.refuse(FAILURE, "eval", self.whole, file.name, cwd=self.place, stdin=self.tone.read_bytes(),
                    saying=["items.jsonl:1: "])

    def test_long_sounds_are_cut_or_split(self):
        file = self.dataset({"audio": str(self.long), "text": "a"})
        done = gemma3n("eval", self.whole, file, *SHORT, "--json")
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertRegex(done.stderr.decode(), r"\Agemma3n: warning: [^\n]*long\.wav: of its 65\.0 s [^\n]*\n\Z")
        split = self.evaluate(file, "--long-audio", "split", model=self.whole)
        self.assertEqual(split["results"][0]["answer"],
                         self.said("Transcribe the following speech segment.", "--audio", self.long, "--long-audio",
                                   "split", model=self.whole))

    def test_a_damaged_medium_is_named_with_its_line(self):
        (self.place / "bad.png").write_bytes(b"not a picture")
        file = self.dataset({"image": str(self.picture), "query": "a", "label": "b"},
                            {"image": "bad.png", "query": "a", "label": "b"})
        results = self.place / "results.jsonl"
        self.refuse(FAILURE, "eval", self.whole, file, *SHORT, "--results", results,
                    saying=[f"{file}:2: ", "bad.png"])
        self.assertEqual(results.read_text().count("\n"), 1)  # the first is not lost
        self.dataset({"image": "http://127.0.0.1:1/a.png", "query": "a", "label": "b"})
        self.refuse(USAGE, "eval", self.whole, file, saying=[f"{file}:1: ", "127.0.0.1"])

    def test_a_text_model_takes_no_media(self):
        file = self.dataset({"image": str(self.picture), "query": "a", "label": "b"})
        self.refuse(FAILURE, "eval", self.chat, file, saying=[f"{file}:1: ", "image processor"])


class DivergenceTest(EvalCase, SmallWholeModel):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_whole_model()

    def divergence(self, file, *options, model=None):
        return self.succeed_json("eval", model or self.chat, file, "--divergence", *options)

    def tokens_of(self, text):
        return self.succeed_json("tokenize", self.chat, "--no-special-tokens", stdin=text.encode())["count"]

    def test_a_model_and_itself_agree_exactly(self):
        words = "many words " * 60  # more rows than are computed at a time
        file = self.dataset(asking("hello", expected=["an answer", "another"], category="a"), asking(words))
        turns = "<bos><start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n{}<end_of_turn>\n"
        counts = [self.tokens_of(turns.format(*turn)) - 1  # the first is not predicted
                  for turn in [("hello", "an answer"), (words.strip(), "nothing of the kind")]]
        self.assertGreater(counts[1], 128)
        report = self.divergence(file, "--quantize", "none")
        self.assertEqual((report["items"], report["tokens"]), (2, sum(counts)))
        self.assertEqual([(c["category"], c["items"], c["tokens"]) for c in report["categories"]],
                         [("a", 1, counts[0]), ("", 1, counts[1])])
        for part in [report, *report["categories"]]:
            self.assertEqual((part["mean_kl"], part["p99_kl"], part["max_kl"], part["top1_agreement"]), (0, 0, 0, 1))
        lines = self.succeed("eval", self.chat, file, "--divergence", "--quantize", "none").splitlines()
        self.assertEqual(lines[0].split()[:4], ["CATEGORY", "ITEMS", "TOKENS", "MEAN"])
        self.assertEqual(lines[3].split(), ["all", "2", str(sum(counts)), "0.000000", "0.000000", "100.00%"])

    def test_pictures_and_sounds_are_read_by_both_and_not_scored(self):
        tone, picture = {"type": "audio", "path": str(self.tone)}, {"type": "image", "path": str(self.picture)}
        text = {"type": "text", "text": "a question"}
        user = lambda *parts: {"messages": [{"role": "user", "content": list(parts)}], "expected": "x"}
        of_text, of_both, twice = (self.divergence(self.dataset(item), "--quantize", "none", model=self.whole)
                                   for item in [user(text), user(picture, tone, text), user(picture, picture, text)])
        self.assertLess(of_text["tokens"], of_both["tokens"])  # the marks around them
        self.assertLess(of_both["tokens"], of_text["tokens"] + 16)  # but not the 4 + 188 soft tokens
        self.assertEqual((of_both["mean_kl"], twice["mean_kl"]), (0, 0))
        self.refuse(FAILURE, "eval", self.chat, self.dataset(user(picture)), "--divergence", "--quantize", "q8",
                    saying=["items.jsonl:1: "])

    def test_fewer_bits_of_the_demonstration_model_change_little(self):
        demo = GOLDEN.parent / "demo" / "dataset.jsonl"
        model = GOLDEN.parent.parent / "models" / "demo"
        q8, q4 = (self.divergence(demo, "--quantize", kind, model=model) for kind in ["q8", "q4"])
        self.assertEqual(q8["items"], 36)
        self.assertTrue(0 < q8["mean_kl"] < 1e-3, q8["mean_kl"])
        self.assertTrue(q8["mean_kl"] < q4["mean_kl"] < 0.1, q4["mean_kl"])
        self.assertGreater(q8["top1_agreement"], 0.98)
        self.assertLessEqual(q8["p99_kl"], q8["max_kl"])

    def test_threads_change_nothing(self):
        file = self.dataset(asking("hello"), asking("and then?"))
        one, two = (self.divergence(file, "--quantize", "q4", "--threads", count) for count in "12")
        self.assertEqual(one["mean_kl"], two["mean_kl"])
        self.assertGreater(one["mean_kl"], 0)

    def test_the_reference_may_be_another_checkpoint(self):
        file = self.dataset(asking("hello"))
        same = self.divergence(file, "--reference", self.copy_of(self.chat, "same"))
        self.assertEqual((same["mean_kl"], same["quantize"]), (0, "none"))
        other = self.divergence(file, "--reference", self.copy_of(self.chat, "soft", final_logit_softcapping=10.0))
        self.assertGreater(other["mean_kl"], 0)
        demo = GOLDEN.parent.parent / "models" / "demo"
        self.refuse(USAGE, "eval", self.chat, file, "--divergence", "--reference", demo, saying=["vocabulary"])

    def test_what_does_not_go_together_is_refused(self):
        file = self.dataset(asking("hello"))
        self.refuse(USAGE, "eval", self.chat, file, "--divergence", saying=["--quantize"])
        self.refuse(USAGE, "eval", self.chat, file, "--reference", self.chat, saying=["--divergence"])
        self.refuse(USAGE, "eval", self.chat, "--divergence", "--quantize", "q8", saying=["DATASET"])
        for options in [["--perplexity", file], ["--results", file], ["--metric", "exact"], ["--max-tokens", "3"],
                        ["--errors", "1"]]:
            self.refuse(USAGE, "eval", self.chat, file, "--divergence", "--quantize", "q8", *options,
                        saying=[options[0], "exclude"])
        long = self.dataset(asking("many words " * 500))
        self.refuse(FAILURE, "eval", self.chat, long, "--divergence", "--quantize", "q8",
                    saying=["items.jsonl:1: ", "at most 512 tokens"])

    def test_progress_is_shown_on_a_terminal(self):
        file = self.dataset(asking("hello"), asking("bye"))
        terminal = Terminal("eval", self.chat, file, "--divergence", "--quantize", "q8")
        terminal.expect(b"comparing [")
        terminal.expect(b"1 of 2, mean KL 0.")
        self.assertEqual(terminal.finish(), OK)


class PerplexityTest(EvalCase):
    def text(self, content, name="text.txt"):
        file = self.place / name
        file.write_bytes(content)
        return file

    def perplexity(self, file, *options):
        return self.succeed_json("eval", self.chat, "--perplexity", file, *options)

    def test_numbers_agree_with_one_another(self):
        text = ("Grüße, 世界. " * 40).encode()
        report = self.perplexity(self.text(text))
        tokens = self.succeed_json("tokenize", self.chat, "--no-special-tokens", stdin=text)["count"]
        self.assertEqual((report["bytes"], report["tokens"], report["scored_tokens"]), (len(text), tokens, tokens))
        self.assertEqual((report["context"], report["stride"]), (512, 256))  # the model has no more
        self.assertAlmostEqual(report["perplexity"], math.exp(report["nats_per_token"]), 9)
        self.assertAlmostEqual(report["bits_per_byte"],
                               report["nats_per_token"] * tokens / math.log(2) / len(text), 9)
        lines = dict(line.split(None, 1) for line in
                     self.succeed("eval", self.chat, "--perplexity", self.place / "text.txt").splitlines())
        self.assertEqual(lines["tokens"], str(tokens))
        self.assertEqual(lines["perplexity"], f"{report['perplexity']:.4f}")
        self.assertEqual(lines["bits"].split()[-1], f"{report['bits_per_byte']:.4f}")

    def test_windows_and_threads(self):
        file = self.text(b"a little text that is read in windows " * 20)
        sizes = ["--context", "64", "--stride", "16"]
        report = self.perplexity(file, *sizes)
        self.assertEqual(report["windows"], 1 + math.ceil((report["tokens"] - 63) / 16))
        for threads in "12":
            self.assertEqual(self.perplexity(file, *sizes, "--threads", threads)["nats_per_token"],
                             report["nats_per_token"])
        self.assertEqual(self.perplexity(file, "--context", "64")["stride"], 32)

    def test_a_text_shorter_than_the_window_is_one_window(self):
        short = self.perplexity(self.text(b"hello there"))
        self.assertEqual(short["windows"], 1)
        self.assertEqual(self.perplexity(self.text(b"hello there"), "--context", "300")["nats_per_token"],
                         short["nats_per_token"])

    def test_one_token_is_enough(self):
        report = self.perplexity(self.text(b"a"))
        self.assertEqual(report["tokens"], 1)
        self.assertGreater(report["nats_per_token"], 0)

    def test_what_cannot_be_scored_is_refused(self):
        file = self.text(b"hello")
        command = ["eval", self.chat, "--perplexity"]
        self.refuse(USAGE, *command, self.text(b"", "empty.txt"), saying=["empty.txt", "no text"])
        self.refuse(USAGE, *command, self.text(b"ab\xff", "bad.txt"), saying=["bad.txt", "UTF-8"])
        self.refuse(FAILURE, *command, self.place / "none.txt", saying=["none.txt", "No such file"])
        self.refuse(USAGE, *command, "/dev/zero", saying=["/dev/zero", "at most"])
        for option, value in [("--context", "1"), ("--context", "513"), ("--stride", "0"), ("--stride", "512"),
                              ("--stride", "-1")]:
            self.refuse(USAGE, *command, file, f"{option}={value}", saying=[option])

    def test_ctrl_c_tells_what_was_scored(self):
        process = start("eval", self.chat, "--perplexity", self.text(b"a long text " * 20000), "--stride", "1")
        wait_until(lambda: catches_interrupts(process.pid))
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual(process.returncode, INTERRUPTED)
        self.assertRegex(errors.decode(), r"\Ainterrupted after \d+ of \d+ tokens\n\Z")
        self.assertNotIn(b"bits per byte", out)


if __name__ == "__main__":
    main()
