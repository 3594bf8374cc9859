#!/usr/bin/env python3
"""The program from outside: cli_test.py PROGRAM GOLDEN WRITE_CHECKPOINT [unittest arguments].

GOLDEN is tests/golden, WRITE_CHECKPOINT the tool of that name. Standard library only.
"""
import base64
import fcntl
import functools
import http.server
import json
import math
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
import threading
import time
import unittest

PROGRAM = CHECKPOINTS = PICTURES = SOUNDS = WRITE_CHECKPOINT = None  # set from the command line
PATIENCE_SECONDS = 120  # sanitizers on a busy machine are slow

OK, FAILURE, USAGE, INTERRUPTED, CLOSED_PIPE = 0, 1, 2, 130, 141
COMMANDS = ["run", "chat", "transcribe", "tokenize", "inspect", "info", "bench"]


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


class HelpTest(CliTest):
    def test_help_lists_every_command_and_every_exit_code(self):
        text = self.succeed("--help")
        for word in COMMANDS + ["0 ", "1 ", "2 ", "70 ", "130 ", "141 "]:
            self.assertIn("\n  " + word, text)

    def test_every_command_explains_itself(self):
        for command in COMMANDS:
            text = self.succeed(command, "--help")
            self.assertIn(f"Usage: gemma3n {command}", text)
            self.assertLessEqual(max(map(len, text.splitlines())), 110, command)

    def test_the_version_is_a_line(self):
        self.assertRegex(self.succeed("--version"), r"\Agemma3n \d+\.\d+\.\d+\n\Z")

    def test_a_wrong_command_line_is_refused_with_a_hint(self):
        self.refuse(USAGE, saying=["--help"])
        self.refuse(USAGE, "walk", saying=["'walk'", "--help"])
        self.refuse(USAGE, "run", saying=["MODEL", "gemma3n run --help"])
        self.refuse(USAGE, "run", self.chat, "hi", "--colour", saying=["--colour"])
        self.refuse(USAGE, "run", self.chat, "one", "two", saying=["'two'"])
        self.refuse(USAGE, "run", self.chat, "hi", "--seed", "1", "--seed", "2", saying=["--seed", "several"])
        self.refuse(USAGE, "run", self.chat, "hi", "--seed", saying=["--seed", "expected a value"])

    def test_an_empty_value_is_not_the_next_argument(self):
        self.refuse(USAGE, "run", self.chat, "hi", "--seed=", "3", saying=["--seed", "got ''"])


class RunTest(CliTest):
    def answer(self, *arguments, **options):
        return self.succeed_json("run", self.chat, *arguments, **options)

    def test_the_text_and_the_json_text_are_the_same(self):
        options = ["hello there", "--greedy", "--max-tokens", "16"]
        report = self.answer(*options)
        self.assertEqual(self.succeed("run", self.chat, *options), report["text"] + "\n")
        self.assertEqual(report["generated_tokens"], len(report["sequences"][0]["token_ids"]))
        self.assertIn(report["finish_reason"], ["eos", "length"])
        for key in ["load", "first_token", "prefill", "decode"]:
            self.assertGreaterEqual(report["timings"][key + "_seconds"], 0)
        self.assertGreater(report["peak_resident_bytes"], 1 << 20)
        self.assertGreaterEqual(report["threads"], 1)

    def test_the_prompt_comes_from_the_argument_or_from_standard_input(self):
        options = ["--greedy", "--max-tokens", "8"]
        expected = self.answer("hello", *options)["sequences"]
        self.assertEqual(self.answer(*options, stdin=b"hello")["sequences"], expected)
        self.assertEqual(self.answer("-", *options, stdin=b"hello\n")["sequences"], expected)
        self.assertEqual(self.answer(*options, "--", "hello")["sequences"], expected)

    def test_of_standard_input_one_line_feed_is_dropped_and_no_more(self):
        def prompt_tokens(stdin):
            return self.answer("--raw", "--max-tokens", "1", stdin=stdin)["prompt_tokens"]
        self.assertEqual(prompt_tokens(b"a\n"), prompt_tokens(b"a"))
        self.assertEqual(prompt_tokens(b"a\r\n"), prompt_tokens(b"a"))
        self.assertGreater(prompt_tokens(b"a\n\n"), prompt_tokens(b"a"))

    def test_raw_leaves_the_template_out(self):
        templated = "<start_of_turn>user\nhello<end_of_turn>\n<start_of_turn>model\n"
        options = ["--greedy", "--max-tokens", "8"]
        with_template, by_hand, bare = (
            self.answer(*options, *more) for more in (["hello"], ["--raw", templated], ["--raw", "hello"]))
        self.assertEqual(with_template["sequences"], by_hand["sequences"])
        self.assertEqual(with_template["prompt_tokens"], by_hand["prompt_tokens"])
        self.assertLess(bare["prompt_tokens"], by_hand["prompt_tokens"])

    def test_the_system_message_is_part_of_the_prompt(self):
        plain = self.answer("hello", "--max-tokens", "1")["prompt_tokens"]
        self.assertGreater(
            self.answer("hello", "--max-tokens", "1", "--system", "be brief")["prompt_tokens"], plain)
        self.refuse(USAGE, "run", self.chat, "hello", "--raw", "--system", "x", saying=["--raw"])

    def test_lengths_bound_the_answer(self):
        options = ["hello", "--greedy", "--min-tokens", "5"]
        report = self.answer(*options, "--max-tokens", "5")
        self.assertEqual((report["generated_tokens"], report["finish_reason"]), (5, "length"))
        room = report["prompt_tokens"] + 7
        self.assertEqual(self.answer("hello", "--greedy", "--min-tokens", "7",
                                     "--max-length", str(room))["generated_tokens"], 7)
        self.assertEqual(self.answer("hello", "--greedy", "--min-length", str(room),
                                     "--max-length", str(room))["generated_tokens"], 7)

    def test_an_end_token_ends_the_answer(self):
        ids = self.answer("hello", "--greedy", "--max-tokens", "4", "--min-tokens", "4")["sequences"][0]["token_ids"]
        report = self.answer("hello", "--greedy", "--max-tokens", "4", "--eos-token-id", f"1,{ids[0]}")
        self.assertEqual(report["finish_reason"], "eos")
        self.assertEqual(report["sequences"][0]["token_ids"], ids[:1])

    def test_a_stop_string_ends_the_answer_and_is_not_part_of_it(self):
        options = ["hello", "--greedy", "--min-tokens", "24", "--max-tokens", "24"]
        text = self.answer(*options)["text"]
        stop = next(c for c in text[len(text) // 2:] if c != "\ufffd")
        report = self.answer(*options, "--stop", "never said \x01", "--stop", stop)
        self.assertEqual(report["finish_reason"], "stop_string")
        self.assertEqual(report["text"], text[:text.index(stop)])

    def test_a_bad_word_is_never_said(self):
        options = ["hello", "--greedy", "--min-tokens", "8", "--max-tokens", "8"]
        pieces = self.answer(*options)["sequences"][0]["token_ids"]
        for token in pieces:  # the first whose text encodes to itself alone
            word = self.succeed_json("tokenize", self.chat, "--decode", "--text", str(token))["text"]
            back = self.succeed_json("tokenize", self.chat, "--no-special-tokens", "--text", word)
            if back["ids"] == [token]:
                report = self.answer(*options, "--bad-word", word)
                self.assertNotIn(token, report["sequences"][0]["token_ids"])
                return
        self.skipTest("no token of the answer encodes to itself")

    def test_a_seed_repeats_a_sampled_answer(self):
        options = ["hello", "--sample", "--temperature", "1.5", "--top-k", "0", "--max-tokens", "12",
                   "--min-tokens", "12"]
        first = self.answer(*options, "--seed", "7")
        self.assertEqual(first["seed"], 7)
        self.assertEqual(self.answer(*options, "--seed", "7")["sequences"], first["sequences"])
        self.assertNotEqual(self.answer(*options, "--seed", "8")["sequences"], first["sequences"])
        fresh = self.answer(*options)
        self.assertEqual(self.answer(*options, "--seed", str(fresh["seed"]))["sequences"], fresh["sequences"])

    def test_a_sampling_option_switches_sampling_on_and_greedy_wins(self):
        self.assertIn("seed", self.answer("hello", "--top-k", "3", "--max-tokens", "1"))
        self.assertNotIn("seed", self.answer("hello", "--top-k", "3", "--greedy", "--max-tokens", "1"))
        one = self.answer("hello", "--top-k", "1", "--max-tokens", "8")["sequences"]
        self.assertEqual(self.answer("hello", "--greedy", "--max-tokens", "8")["sequences"], one)

    def test_every_sampling_option_is_accepted(self):
        report = self.answer(
            "hello", "--max-tokens", "4", "--temperature", "0.9", "--top-k", "20", "--top-p", "0.9",
            "--min-p", "0.01", "--typical-p", "0.95", "--repetition-penalty", "1.2",
            "--no-repeat-ngram-size", "2", "--pad-token-id", "0", "--seed", "1")
        self.assertLessEqual(report["generated_tokens"], 4)

    def test_several_answers_are_printed_one_after_the_other(self):
        options = ["hello", "--sample", "--seed", "3", "--num-return-sequences", "3", "--max-tokens", "6"]
        texts = [sequence["text"] for sequence in self.answer(*options)["sequences"]]
        self.assertEqual(len(texts), 3)
        self.assertEqual(self.succeed("run", self.chat, *options),
                         "".join(f"--- {i} ---\n{text}\n" for i, text in enumerate(texts, 1)))

    def test_threads_chunks_and_kinds_of_cache_change_nothing(self):
        options = ["a prompt that is a little longer than the others", "--greedy", "--max-tokens", "12"]
        expected = self.answer(*options)["sequences"]
        for more in (["--threads", "1"], ["--prefill-chunk-size", "3"], ["--prefill-chunk-size", "0"],
                     ["--cache-implementation", "static"]):
            self.assertEqual(self.answer(*options, *more)["sequences"], expected, more)

    def test_a_sharded_checkpoint_of_the_whole_model_answers(self):
        report = self.succeed_json("run", CHECKPOINTS / "e2b_like", "hello", "--greedy", "--max-tokens", "4")
        self.assertGreater(report["generated_tokens"], 0)

    def test_timings_are_told_on_standard_error(self):
        done = gemma3n("run", self.chat, "hello", "--greedy", "--max-tokens", "2", "--timings")
        self.assertEqual(done.returncode, OK)
        self.assertRegex(done.stderr.decode(), r"\Aload .* first token after [0-9.]+ s\n\Z")


class RefusalTest(CliTest):
    def test_bad_values_are_named(self):
        for option, value in [("--top-k", "abc"), ("--top-k", ""), ("--top-k", "1.5"), ("--top-k", "-1"),
                              ("--temperature", "0"), ("--temperature", "nan"), ("--temperature", "hot"),
                              ("--top-p", "1.5"), ("--top-p", "-1"), ("--min-p", "2"), ("--typical-p", "-1"),
                              ("--repetition-penalty", "0"), ("--max-tokens", "0"), ("--max-tokens", "1e3"),
                              ("--max-tokens", "99999999999999999999"), ("--seed", "-1"),
                              ("--no-repeat-ngram-size", "-1"), ("--threads", "0"), ("--threads", "99999"),
                              ("--eos-token-id", "1,,2"), ("--eos-token-id", "-5"),
                              ("--prefill-chunk-size", "-1")]:
            with self.subTest(option=option, value=value):
                # The library's messages use its own names: temperature, top_k.
                done = gemma3n("run", self.chat, "hello", option, value)
                message = done.stderr.decode()
                self.assertEqual(done.returncode, USAGE, message)
                self.assertRegex(message, r"\Agemma3n: error: [^\n]+\n\Z")
                word = {"max-tokens": "max"}.get(option[2:], option[2:])
                self.assertIn(word.replace("-", "_"), message.replace("-", "_"))

    def test_options_that_exclude_each_other_are_refused(self):
        self.refuse(USAGE, "run", self.chat, "hi", "--sample", "--greedy", saying=["--greedy"])
        self.refuse(USAGE, "run", self.chat, "hi", "--greedy", "--num-return-sequences", "2")

    def test_a_cache_of_an_unknown_kind_is_refused(self):
        self.refuse(FAILURE, "run", self.chat, "hi", "--cache-implementation", "magnetic", saying=["magnetic"])

    def test_a_missing_folder_is_named(self):
        for command in ["run", "chat", "tokenize", "inspect", "bench"]:
            with self.subTest(command=command):
                self.refuse(FAILURE, command, self.folder / "nowhere", saying=["nowhere"], stdin=b"hi")

    def test_a_checkpoint_without_a_tokenizer_is_refused(self):
        model = self.copy_of(self.chat, "no-tokenizer")
        (model / "tokenizer.json").unlink()
        for command in ["run", "chat", "tokenize"]:
            self.refuse(FAILURE, command, model, saying=["tokenizer.json"], stdin=b"hi")
        self.succeed("inspect", model)

    def test_a_checkpoint_without_a_template_needs_raw(self):
        model = self.copy_of(self.chat, "no-template")
        (model / "chat_template.jinja").unlink()
        self.refuse(FAILURE, "run", model, "hi", saying=["template"])
        self.refuse(FAILURE, "chat", model, saying=["template"])
        self.succeed("run", model, "hi", "--raw", "--max-tokens", "1")

    def test_a_truncated_checkpoint_is_refused(self):
        model = self.copy_of(self.chat, "truncated")
        with open(model / "model.safetensors", "r+b") as file:
            file.truncate(1000)
        for command in [["run", model, "hi"], ["inspect", model], ["bench", model]]:
            self.refuse(FAILURE, *command, saying=["model.safetensors"])

    def test_weights_that_are_not_numbers_are_refused(self):
        model = self.copy_of(self.chat, "nan")
        file = model / "model.safetensors"
        (length,) = struct.unpack("<Q", file.read_bytes()[:8])
        header = file.read_bytes()[:8 + length]
        file.write_bytes(header + b"\xff" * (file.stat().st_size - len(header)))
        self.refuse(FAILURE, "run", model, "hi", "--json")

    def test_another_kind_of_model_is_refused(self):
        model = self.copy_of(self.chat, "llama", model_type="llama")
        self.refuse(FAILURE, "run", model, "hi", saying=["model_type", "llama"])

    def test_an_empty_prompt_is_refused(self):
        self.refuse(USAGE, "run", self.chat, "", saying=["empty"])
        self.refuse(USAGE, "run", self.chat, stdin=b"\n", saying=["empty"])

    def test_a_prompt_that_is_not_utf8_is_refused(self):
        self.refuse(USAGE, "run", self.chat, stdin=b"abc\xff", saying=["UTF-8"])
        self.refuse(USAGE, "run", self.chat, "--raw", stdin=b"abc\xc3", saying=["UTF-8"])
        self.refuse(USAGE, "tokenize", self.chat, stdin=b"\xed\xa0\x80", saying=["UTF-8"])

    def test_a_prompt_longer_than_the_context_is_refused(self):
        self.refuse(FAILURE, "run", self.chat, stdin=b"long " * 1000, saying=["512"])

    def test_messages_stay_on_one_line_whatever_a_name_contains(self):
        self.refuse(FAILURE, "run", self.folder / "a\nb\x1b[31m", "hi", saying=["a^Jb^[[31m"])


class OutputTest(CliTest):
    def results(self):
        """One way to call each command that prints a result."""
        short = ["hello", "--greedy", "--max-tokens", "2"]
        return [["--help"], ["--version"], ["run", "--help"], ["run", self.chat, *short],
                ["run", self.chat, *short, "--json"], ["tokenize", self.chat, "--text", "hello"],
                ["tokenize", self.chat, "--text", "hello", "--json"], ["inspect", self.chat],
                ["inspect", self.chat, "--json"], ["info"], ["info", "--json"]]

    def test_a_full_disk_is_an_error(self):
        for arguments in self.results():
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                self.refuse(FAILURE, *arguments, stdout=full, saying=["No space left on device"])

    def test_a_full_disk_ends_a_chat(self):
        with open("/dev/full", "wb") as full:
            self.refuse(FAILURE, "chat", self.chat, "--greedy", "--max-tokens", "2", stdin=b"hello\n",
                        stdout=full, saying=["No space left on device"])

    def test_a_closed_standard_output_is_an_error(self):
        done = subprocess.run(["sh", "-c", '"$0" info >&-', PROGRAM], stderr=subprocess.PIPE,
                              timeout=PATIENCE_SECONDS)
        self.assertEqual(done.returncode, FAILURE)
        self.assertIn(b"cannot write", done.stderr)

    def test_a_closed_pipe_ends_the_program_quietly(self):
        for arguments in self.results():
            with self.subTest(arguments=arguments):
                reader, writer = os.pipe()
                os.close(reader)
                with os.fdopen(writer, "wb") as pipe:
                    done = gemma3n(*arguments, stdout=pipe)
                self.assertEqual((done.returncode, done.stderr), (CLOSED_PIPE, b""))

    def test_a_reader_that_leaves_ends_the_answer(self):
        process = start("run", self.endless, "hello", *self.endlessly)
        process.stdout.read(1)
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE_SECONDS), CLOSED_PIPE)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()

    def test_nothing_is_said_about_loading_when_nobody_watches(self):
        done = gemma3n("run", self.chat, "hello", "--greedy", "--max-tokens", "1")
        self.assertEqual(done.stderr, b"")

    def test_loading_shows_progress_on_a_terminal(self):
        terminal = Terminal("run", self.chat, "hello", "--greedy", "--max-tokens", "1")
        self.assertEqual(terminal.finish(), OK)
        self.assertIn(b"\rloading", terminal.output)
        self.assertIn(b"\r\x1b[K", terminal.output)  # and takes it away again

    def test_control_characters_are_shown_on_a_terminal_and_kept_in_a_pipe(self):
        ids = self.succeed_json("tokenize", self.chat, "--no-special-tokens", "--text", "\x1b[31m\x07")["ids"]
        decode = ["tokenize", self.chat, "--decode", "--text", ",".join(map(str, ids))]
        self.assertEqual(self.succeed(*decode), "\x1b[31m\x07\n")
        terminal = Terminal(*decode)
        self.assertEqual(terminal.finish(), OK)
        self.assertEqual(terminal.output, b"^[[31m^G\r\n")


class InterruptTest(CliTest):
    def test_ctrl_c_keeps_what_was_said(self):
        process = start("run", self.endless, "hello", *self.endlessly)
        begin = process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual((process.returncode, errors), (INTERRUPTED, b""))
        text = (begin + rest).decode()
        self.assertTrue(text.endswith("\n"))
        self.assertGreater(len(text), 1)

    def test_ctrl_c_still_gives_a_whole_json_object(self):
        process = start("run", self.endless, "hello", "--json", *self.endlessly)
        wait_until(lambda: catches_interrupts(process.pid))
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual((process.returncode, errors), (INTERRUPTED, b""))
        report = json.loads(out)
        self.assertEqual(report["finish_reason"], "cancelled")
        self.assertLess(report["generated_tokens"], 32000)


class ChatTest(CliTest):
    short = ["--greedy", "--max-tokens", "6"]

    def conversation(self, *messages, system=""):
        """What `run` answers to each message, every time from the beginning."""
        answers, prompt = [], ""
        for message in messages:
            opening = system + "\n\n" if system and not answers else ""
            prompt += f"<start_of_turn>user\n{opening}{message}<end_of_turn>\n<start_of_turn>model\n"
            answers.append(self.succeed_json("run", self.chat, "--raw", *self.short, "--", prompt)["text"])
            prompt += f"{answers[-1].strip()}<end_of_turn>\n"
        return answers

    def transcript(self, *lines, options=()):
        stdin = "".join(line + "\n" for line in lines).encode()
        return gemma3n("chat", self.chat, *self.short, *options, stdin=stdin)

    def test_the_kept_cache_gives_the_answers_of_a_fresh_start(self):
        messages = ["hello", "and then?", "tell me more", "really"]
        done = self.transcript(*messages)
        self.assertEqual((done.returncode, done.stderr), (OK, b""))
        self.assertEqual(done.stdout.decode(),
                         "".join(answer + "\n" for answer in self.conversation(*messages)))

    def test_a_static_cache_gives_the_same_answers(self):
        messages = ["hello", "and then?", "tell me more"]
        self.assertEqual(self.transcript(*messages, options=["--cache-implementation", "static"]).stdout,
                         self.transcript(*messages).stdout)

    def test_the_system_message_opens_the_conversation(self):
        done = self.transcript("hello", "again", options=["--system", "be brief"])
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(done.stdout.decode().rstrip("\n"),
                         "\n".join(self.conversation("hello", "again", system="be brief")).rstrip("\n"))

    def test_reset_and_system_start_again(self):
        done = self.transcript("hello", "/reset", "hello", "/system be brief", "hello", '/system ""', "hello")
        self.assertEqual(done.returncode, OK)
        plain, briefed = self.conversation("hello")[0], self.conversation("hello", system="be brief")[0]
        self.assertEqual(done.stdout.decode(), f"{plain}\n{plain}\n{briefed}\n{plain}\n")

    def test_exit_leaves_and_empty_lines_are_passed_over(self):
        done = self.transcript("", "  ", "/exit", "hello")
        self.assertEqual((done.returncode, done.stdout), (OK, b""))

    def test_an_unknown_command_is_not_sent_to_the_model(self):
        done = self.transcript("/rset", "/help")
        self.assertEqual((done.returncode, done.stdout), (OK, b""))
        self.assertIn(b"'/rset'", done.stderr)
        self.assertIn(b"/system TEXT", done.stderr)

    def test_a_doubled_slash_sends_one(self):
        self.assertEqual(self.transcript("//exit").stdout.decode(), self.conversation("/exit")[0] + "\n")

    def test_an_error_in_a_script_ends_the_program(self):
        done = self.transcript("hello", "long " * 1000, "hello")
        self.assertEqual(done.returncode, FAILURE)
        self.assertEqual(done.stdout.decode(), self.conversation("hello")[0] + "\n")
        self.assertRegex(done.stderr.decode(), r"\Agemma3n: error: [^\n]*512[^\n]*\n\Z")


class TerminalChatTest(CliTest):
    def terminal(self, model, *options):
        self.state = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        return Terminal("chat", model, *options, environment={"XDG_STATE_HOME": str(self.state)})

    def test_ctrl_c_ends_the_answer_and_not_the_program(self):
        terminal = self.terminal(self.endless, *self.endlessly)
        at = terminal.expect(b"> ")
        terminal.type(b"hello\r")
        at = terminal.expect(b"hello\r\n", at)
        wait_until(lambda: terminal.read_some() and len(terminal.output) > at)  # the answer has begun
        terminal.type(b"\x03")
        at = terminal.expect(b"[stopped]", at)
        at = terminal.expect(b"> ", at)
        terminal.type(b"/exit\r")
        self.assertEqual(terminal.finish(), OK)

    def test_ctrl_c_at_the_prompt_gives_the_line_up(self):
        terminal = self.terminal(self.chat)
        at = terminal.expect(b"> ")
        terminal.type(b"half a line")
        at = terminal.expect(b"half a line", at)
        terminal.type(b"\x03")
        at = terminal.expect(b"> ", terminal.expect(b"/exit or Ctrl-D", at))
        terminal.type(b"\x04")
        self.assertEqual(terminal.finish(), OK)

    def test_lines_are_edited_and_remembered(self):
        terminal = self.terminal(self.chat, "--greedy", "--max-tokens", "1")
        at = terminal.expect(b"> ")
        terminal.type("grüßex\x7f\r".encode())
        at = terminal.expect(b"> ", terminal.expect(b"\n", at))
        terminal.type(b"\x04")
        self.assertEqual(terminal.finish(), OK)
        history = self.state / "gemma3n" / "history"
        self.assertEqual(history.stat().st_mode & 0o077, 0)  # nobody else's business
        terminal = Terminal("chat", self.chat, environment={"XDG_STATE_HOME": str(self.state)})
        at = terminal.expect(b"> ")
        terminal.type(b"\x1b[A")  # the line before
        terminal.expect("grüße".encode(), at)
        terminal.type(b"\x15\x04")
        self.assertEqual(terminal.finish(), OK)

    def test_no_history_leaves_no_trace(self):
        terminal = self.terminal(self.chat, "--greedy", "--max-tokens", "1", "--no-history")
        at = terminal.expect(b"> ")
        terminal.type(b"hello\r")
        terminal.expect(b"> ", terminal.expect(b"hello\r\n", at))
        terminal.type(b"\x04")
        self.assertEqual(terminal.finish(), OK)
        self.assertEqual(list(self.state.iterdir()), [])

    def test_a_message_too_long_does_not_end_a_conversation(self):
        small = self.copy_of(self.chat, "small", max_position_embeddings=64)
        terminal = self.terminal(small, "--greedy", "--max-tokens", "2")
        at = terminal.expect(b"> ")
        terminal.type(b"long " * 40 + b"\r")
        at = terminal.expect(b"> ", terminal.expect(b"gemma3n: error: ", at))
        terminal.type(b"/exit\r")
        self.assertEqual(terminal.finish(), OK)


class TokenizeTest(CliTest):
    def test_ids_and_pieces_stand_side_by_side(self):
        report = self.succeed_json("tokenize", self.chat, "--text", "hello there")
        self.assertEqual(report["count"], len(report["ids"]))
        self.assertEqual(report["pieces"][0], "<bos>")
        rows = [line.split(None, 1) for line in
                self.succeed("tokenize", self.chat, "--text", "hello there").splitlines()]
        self.assertEqual(rows, [[str(i), p] for i, p in zip(report["ids"], report["pieces"])])

    def test_text_comes_back(self):
        text = "Grüße, 世界 🙂\n\ttabs  and   spaces\x1b"
        report = self.succeed_json("tokenize", self.chat, "--no-special-tokens", stdin=text.encode())
        self.assertEqual(report["text"], text)
        for ids in (" ".join(map(str, report["ids"])), json.dumps(report["ids"])):
            self.assertEqual(self.succeed("tokenize", self.chat, "--decode", stdin=ids.encode()), text + "\n")

    def test_special_tokens_are_left_out_on_request(self):
        with_them = self.succeed_json("tokenize", self.chat, "--text", "a<end_of_turn>")["ids"]
        ids = ",".join(map(str, with_them))
        self.assertEqual(self.succeed("tokenize", self.chat, "--decode", "--text", ids), "<bos>a<end_of_turn>\n")
        self.assertEqual(
            self.succeed("tokenize", self.chat, "--decode", "--no-special-tokens", "--text", ids), "a\n")
        self.assertEqual(
            self.succeed_json("tokenize", self.chat, "--no-special-tokens", "--text", "a<end_of_turn>")["ids"],
            with_them[1:])

    def test_ids_that_are_none_are_refused(self):
        for ids in ["1 x", "-1", "99999999999", "1.5"]:
            self.refuse(USAGE, "tokenize", self.chat, "--decode", "--text", ids, saying=["--decode"])

    def test_empty_text_has_no_tokens_of_its_own(self):
        for empty in (["--text", ""], ["--text="]):
            self.assertEqual(self.succeed_json("tokenize", self.chat, *empty)["pieces"], ["<bos>"])


class InspectTest(CliTest):
    def test_every_tensor_of_every_file_is_listed(self):
        for name in ["chat", "e2b_like", "active_two"]:
            with self.subTest(checkpoint=name):
                model = CHECKPOINTS / name
                report = self.succeed_json("inspect", model)
                expected = {
                    (tensor, entry["dtype"], tuple(entry["shape"]), file.name)
                    for file in model.glob("*.safetensors")
                    for tensor, entry in safetensors_header(file).items()
                }
                self.assertEqual({(t["name"], t["dtype"], tuple(t["shape"]), t["file"])
                                  for t in report["tensors"]}, expected)
                self.assertEqual(report["total_parameters"],
                                 sum(math.prod(shape) for _, _, shape, _ in expected))
                table = self.succeed("inspect", model)
                for tensor, *_ in expected:
                    self.assertIn("\n" + tensor + " ", table)

    def test_what_the_model_has_no_use_for_is_marked(self):
        tensors = self.succeed_json("inspect", CHECKPOINTS / "e2b_like")["tensors"]
        unused = {tensor["name"] for tensor in tensors if not tensor["used"]}
        prefix = "model.language_model.layers."
        self.assertIn(prefix + "9.self_attn.k_proj.weight", unused)  # layer 9 shares its keys
        self.assertNotIn(prefix + "4.self_attn.k_proj.weight", unused)

    def test_the_architecture_is_told(self):
        report = self.succeed_json("inspect", CHECKPOINTS / "e2b_like", "--summary")
        self.assertNotIn("tensors", report)
        self.assertEqual(report["architecture"], "Gemma3nForConditionalGeneration")
        self.assertEqual((report["num_hidden_layers"], report["first_kv_shared_layer"]), (10, 5))
        self.assertEqual(report["layer_types"].count("full_attention"), 2)
        text = self.succeed("inspect", CHECKPOINTS / "e2b_like", "--summary")
        for line in ["layers        10 (8 sliding with a window of 16, 2 full)",
                     "shared cache  layers 5 to 9 use the keys and values of earlier ones",
                     "sparsity      3 layers leave out 0.95 of their neurons"]:
            self.assertIn(line, text.splitlines())


class InfoTest(CliTest):
    def test_the_machine_and_the_kernels_are_told(self):
        report = self.succeed_json("info")
        self.assertIn("portable", report["instruction_sets"])
        self.assertIn(report["active_instruction_set"], report["instruction_sets"])
        self.assertGreaterEqual(report["threads"], 1)
        self.assertIn(report["cpu"], self.succeed("info"))

    def test_the_environment_chooses_the_kernels(self):
        for name in self.succeed_json("info")["instruction_sets"]:
            report = self.succeed_json("info", environment={"GEMMA3N_ISA": name})
            self.assertEqual(report["active_instruction_set"], name)

    def test_kernels_that_do_not_exist_are_refused(self):
        done = gemma3n("info", environment={"GEMMA3N_ISA": "abacus"})
        self.assertIn(done.returncode, [FAILURE, USAGE])
        self.assertRegex(done.stderr.decode(), r"\Agemma3n: error: [^\n]*GEMMA3N_ISA[^\n]*\n\Z")


# A whole model that fits the tokenizer of the checkpoint "chat", with 4 positions for a picture.
WHOLE_MODEL = {
    "model_type": "gemma3n", "architectures": ["Gemma3nForConditionalGeneration"],
    "text_config": {
        "vocab_size": 408, "vocab_size_per_layer_input": 400, "hidden_size": 32, "hidden_size_per_layer_input": 8,
        "intermediate_size": [48, 48, 48], "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 8, "num_kv_shared_layers": 1,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "laurel_rank": 8,
        "activation_sparsity_pattern": [0.95, 0.0, 0.0], "max_position_embeddings": 1024,
    },
    "vision_config": {"vocab_size": 4, "vocab_offset": 400, "hidden_size": 2048,
                      "model_args": {"channel_multiplier": 0.0625, "msfa_output_resolution": 2}},
    "audio_config": {"vocab_size": 4, "vocab_offset": 404, "hidden_size": 32, "conf_num_attention_heads": 4,
                     "conf_num_hidden_layers": 2, "sscp_conv_channel_size": [8, 4]},
    "vision_soft_tokens_per_image": 4, "audio_soft_tokens_per_image": 188, "boi_token_id": 11, "boa_token_id": 12,
    "eoi_token_id": 400, "image_token_id": 401, "eoa_token_id": 404, "audio_token_id": 405,
}


def wav(seconds, rate=16000, frequency=440.0):
    """A tone, 16 bits, mono."""
    count = round(seconds * rate)
    samples = [round(8000 * math.sin(2 * math.pi * frequency * i / rate)) for i in range(count)]
    data = struct.pack(f"<{count}h", *samples)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) + b"data" + struct.pack("<I", len(data)) + data)


class MediaTest(CliTest):
    """Pictures and sounds, shown to a small whole model with weights of a formula."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.whole = cls.folder / "whole"
        config = cls.folder / "whole.json"
        config.write_text(json.dumps(WHOLE_MODEL))
        subprocess.run([WRITE_CHECKPOINT, config, cls.whole], check=True, timeout=PATIENCE_SECONDS)
        for file in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"]:
            shutil.copy(cls.chat / file, cls.whole)
        (cls.whole / "preprocessor_config.json").write_text(json.dumps(
            {"size": {"height": 64, "width": 64}, "resample": 2, "do_normalize": False}))
        (cls.whole / "processor_config.json").write_text(json.dumps({"image_seq_length": 4, "audio_seq_length": 188}))
        cls.picture = PICTURES / "rgb_64x48_444.jpg"
        cls.other_picture = PICTURES / "written_by_pillow.gif"
        cls.tone, cls.long = cls.folder / "tone.wav", cls.folder / "long.wav"
        cls.tone.write_bytes(wav(0.5))
        cls.long.write_bytes(wav(65, rate=8000))
        cls.short = ["--greedy", "--max-tokens", "6"]

    def see(self, *arguments, **options):
        return self.succeed_json("run", self.whole, *self.short, *arguments, **options)

    def test_pictures_and_sounds_change_the_answer(self):
        plain = self.see("hello")
        answers = {plain["text"]}
        for media, positions in [(["--image", self.picture], 4), (["--image", self.other_picture], 4),
                                 (["--audio", self.tone], 188)]:
            report = self.see("hello", *media)
            # start, end, and the line feeds after it; those in front join the template's own
            self.assertEqual(report["prompt_tokens"], plain["prompt_tokens"] + positions + 3)
            self.assertGreater(report["timings"]["encode_seconds"], 0)
            answers.add(report["text"])
        self.assertEqual(plain["timings"]["encode_seconds"], 0)
        self.assertEqual(len(answers), 4, answers)

    def test_several_media_stand_in_one_prompt(self):
        plain = self.see("hello")
        report = self.see("hello", "--image", self.picture, "--audio", self.tone, "--image", self.other_picture)
        self.assertEqual(report["prompt_tokens"], plain["prompt_tokens"] + 4 + 4 + 188 + 3 * 3)
        pictures = ["--image", self.picture, "--image", self.other_picture]
        self.assertNotEqual(self.see("hello", *pictures)["text"], self.see("hello", *pictures[2:], *pictures[:2])["text"])

    def test_media_alone_are_a_prompt(self):
        report = self.see("--image", self.picture)
        self.assertEqual(report["text"], self.see("", "--image", self.picture)["text"])
        self.assertEqual(report["text"], self.see("-", "--image", self.picture)["text"])

    def test_a_picture_comes_as_a_data_url_too(self):
        data = base64.b64encode(self.picture.read_bytes()).decode()
        self.assertEqual(self.see("hello", "--image", f"data:image/jpeg;base64,{data}")["text"],
                         self.see("hello", "--image", self.picture)["text"])

    def test_urls_of_this_machine_need_leave(self):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        handler = functools.partial(Quiet, directory=PICTURES)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}/{self.picture.name}"
        environment = {"no_proxy": "*", "NO_PROXY": "*"}
        self.refuse(USAGE, "run", self.whole, "hello", "--image", url, saying=["127.0.0.1"], environment=environment)
        report = self.see("hello", "--image", url, "--allow-private-urls", environment=environment)
        self.assertEqual(report["text"], self.see("hello", "--image", self.picture)["text"])

    def test_sound_comes_through_a_pipe(self):
        expected = self.see("hello", "--audio", self.tone)["text"]
        data = self.tone.read_bytes()
        self.assertEqual(self.see("hello", "--audio", "-", stdin=data)["text"], expected)
        self.assertEqual(self.see("hello", "--audio", "-", stdin=data[44:])["text"], expected, "raw samples")
        self.refuse(FAILURE, "run", self.whole, "hello", "--audio", "-", stdin=data[45:], saying=["16-bit"])
        self.refuse(USAGE, "run", self.whole, "hello", "--audio", "-", stdin=b"", saying=["no sound"])
        self.refuse(USAGE, "run", self.whole, "-", "--audio", "-", stdin=data, saying=["not both"])
        self.refuse(USAGE, "run", self.whole, "hello", "--audio", "-", "--audio", "-", saying=["only once"])

    def test_long_sound_is_cut_or_split(self):
        done = gemma3n("run", self.whole, "hello", "--json", *self.short, "--audio", self.long)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertRegex(done.stderr.decode(), r"\Agemma3n: warning: [^\n]*long\.wav: of its 65\.0 s [^\n]*split[^\n]*\n\Z")
        cut = json.loads(done.stdout)
        split = self.see("hello", "--audio", self.long, "--long-audio", "split")
        self.assertEqual(split["prompt_tokens"] - cut["prompt_tokens"], 2 * (188 + 3))
        self.refuse(USAGE, "run", self.whole, "hello", "--audio", self.long, "--long-audio", "shorten",
                    saying=["cut or split", "'shorten'"])

    def test_raw_prompts_say_where_media_stand(self):
        in_front = self.see("--raw", "hello", "--image", self.picture)
        self.assertEqual(in_front["text"], self.see("--raw", "<image_soft_token>hello", "--image", self.picture)["text"])
        self.assertNotEqual(in_front["text"],
                            self.see("--raw", "hello<image_soft_token>", "--image", self.picture)["text"])
        self.refuse(USAGE, "run", self.whole, "--raw", "<image_soft_token><image_soft_token>", "--image", self.picture,
                    saying=["Found total 2 <image_soft_token> tokens and 1 images"])
        self.refuse(USAGE, "run", self.whole, "a <audio_soft_token>",
                    saying=["Found 1 <audio_soft_token> tokens in the text but no audio inputs"])

    def test_what_is_no_picture_or_sound_is_refused(self):
        self.refuse(FAILURE, "run", self.whole, "hi", "--image", self.folder / "no.png", saying=["no.png"])
        self.refuse(FAILURE, "run", self.whole, "hi", "--image", self.tone, saying=["tone.wav"])
        self.refuse(FAILURE, "run", self.whole, "hi", "--audio", self.picture, saying=[self.picture.name])
        self.refuse(USAGE, "run", self.whole, "hi", "--image", "ftp://example.org/a.png", saying=["ftp"])
        tiny = self.folder / "tiny.wav"
        tiny.write_bytes(wav(0.01))
        self.refuse(USAGE, "run", self.whole, "hi", "--audio", tiny, saying=["too short"])

    def test_a_text_model_takes_no_media(self):
        self.refuse(FAILURE, "run", self.chat, "hi", "--image", self.picture, saying=["image processor"])
        self.refuse(FAILURE, "run", self.chat, "hi", "--audio", self.tone, saying=["takes no sounds"])
        self.refuse(FAILURE, "transcribe", self.chat, self.tone, saying=["takes no sounds"])
        model = self.copy_of(self.chat, "text-with-preprocessor")
        shutil.copy(self.whole / "preprocessor_config.json", model)
        shutil.copy(self.whole / "processor_config.json", model)
        self.refuse(FAILURE, "run", model, "hi", "--image", self.picture, saying=["towers"])

    def chat_lines(self, *lines, options=()):
        return self.succeed("chat", self.whole, *self.short, *options, stdin="\n".join(lines).encode()).splitlines()

    def test_a_conversation_sees_and_hears(self):
        done = gemma3n("chat", self.whole, *self.short,
                       stdin=f"/image {self.picture}\nhello\nand?\n/audio {self.tone}\nnow?\n".encode())
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertRegex(done.stderr.decode(), r"\Aa picture of 64 x 48 goes [^\n]*\na sound of 0\.5 s goes [^\n]*\n\Z")
        with_picture = self.chat_lines("hello", options=["--image", self.picture])
        answer = self.see("hello", "--image", self.picture)["text"]
        self.assertEqual(done.stdout.decode().split("\n")[0], answer.split("\n")[0])
        self.assertEqual("\n".join(with_picture), answer)

    def test_a_new_conversation_does_not_remember_what_was_seen(self):
        done = gemma3n("chat", self.whole, *self.short,
                       stdin=f"/image {self.picture}\nhello\n/reset\n/image {self.other_picture}\nhello\n".encode())
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertEqual(done.stdout.decode(), "".join(self.see("hello", "--image", picture)["text"] + "\n"
                                                       for picture in [self.picture, self.other_picture]))

    def test_media_of_a_conversation_that_cannot_be_read_end_a_script(self):
        self.refuse(FAILURE, "chat", self.whole, stdin=b"/image nowhere.png\nhello\n", saying=["nowhere.png"])
        self.refuse(USAGE, "chat", self.whole, stdin=b"/image\nhello\n", saying=["expected a path"])
        self.refuse(USAGE, "chat", self.whole, stdin=b"/audio -\nhello\n", saying=["standard input"])

    def test_on_a_terminal_a_bad_medium_is_told_and_forgotten(self):
        terminal = Terminal("chat", self.whole, *self.short, "--no-history")
        terminal.expect(b"> ")
        terminal.type(b"/image nowhere.png\n")
        at = terminal.expect(b"error: ")
        terminal.type(f"/image {self.picture}\n".encode())
        at = terminal.expect(b"goes with the next message", at)
        terminal.type(b"hello\n")
        at = terminal.expect(b"looking ", at)
        terminal.expect(b"> ", at)
        terminal.type(b"/exit\n")
        self.assertEqual(terminal.finish(), OK)

    def transcribe(self, *arguments, **options):
        """The model never ends by itself, so there is a warning about each clip."""
        done = gemma3n("transcribe", self.whole, *self.short, *arguments, **options)
        self.assertEqual(done.returncode, OK, done.stderr)
        self.assertRegex(done.stderr.decode(), r"\A(gemma3n: warning: [^\n]* cut off [^\n]*\n)+\Z")
        return done.stdout.decode()

    def test_transcripts_are_text_json_and_subtitles(self):
        text = self.transcribe(self.long)
        report = json.loads(self.transcribe(self.long, "--json"))
        (file,) = report["files"]
        segments = file["segments"]
        self.assertEqual(text, "".join(segment["text"] + "\n" for segment in segments))
        self.assertEqual(file["seconds"], 65)
        self.assertEqual(len(segments), 3)
        self.assertEqual([segments[0]["start"], segments[-1]["end"]], [0, 65])
        for before, after in zip(segments, segments[1:]):
            self.assertEqual(before["end"], after["start"])
            self.assertLessEqual(before["end"] - before["start"], 30)
        self.assertEqual(report["timings"]["audio_seconds"], 65)
        self.assertGreater(report["timings"]["real_time_factor"], 0)

        srt = self.transcribe(self.long, "--srt")
        self.assertRegex(srt, r"\A1\n00:00:00,000 --> 00:00:2\d,\d{3}\n")
        self.assertIn("\n\n3\n00:00:", srt)
        self.assertIn(" --> 00:01:05,000\n", srt)
        vtt = self.transcribe(self.long, "--vtt")
        self.assertRegex(vtt, r"\AWEBVTT\n\n00:00:00\.000 --> 00:00:2\d\.\d{3}\n")

    def test_transcribing_asks_what_run_asks(self):
        prompt = ["--prompt", "What is said?"]
        self.assertEqual(self.transcribe(self.tone, *prompt),
                         self.see("What is said?", "--audio", self.tone)["text"] + "\n")

    def test_several_sounds_are_transcribed_under_their_names(self):
        one = self.transcribe(self.tone)
        text = self.transcribe(self.tone, SOUNDS / "stereo.flac", "-", stdin=self.tone.read_bytes())
        self.assertTrue(text.startswith(f"==> {self.tone} <==\n{one}\n==> {SOUNDS}/stereo.flac <==\n"), text)
        self.assertTrue(text.endswith(f"\n\n==> - <==\n{one}"), text)

    def test_a_wrong_transcription_is_refused(self):
        self.refuse(USAGE, "transcribe", self.whole, saying=["FILE"])
        self.refuse(USAGE, "transcribe", self.whole, self.tone, "--srt", "--json", saying=["exclude"])
        self.refuse(USAGE, "transcribe", self.whole, self.tone, self.tone, "--srt", saying=["one FILE, got 2"])
        self.refuse(FAILURE, "transcribe", self.whole, self.folder / "no.wav", saying=["no.wav"])

    def test_towers_are_timed(self):
        report = self.succeed_json("bench", self.whole, "--image", "--audio", "--image-size", "32,64", "--audio-seconds",
                                   "1", "--threads", "1", "--repeat", "1")
        self.assertEqual([result["medium"] for result in report["results"]], ["32 x 32", "64 x 64", "1 s of sound"])
        for result in report["results"]:
            self.assertGreater(result["encode_seconds"], 0)
            self.assertGreater(result["f32_flops_per_second"], 0)
        self.assertIn("peak_share", report["results"][2])
        lines = self.succeed("bench", self.whole, "--audio", "--audio-seconds", "1,2", "--threads", "1", "--repeat",
                             "1").splitlines()
        self.assertEqual([line.split()[:2] for line in lines[2:]], [["1", "1"], ["1", "2"]])
        self.refuse(FAILURE, "bench", self.chat, "--image", saying=["ForCausalLM"])
        self.refuse(USAGE, "bench", self.whole, "--image", "--image-size", "0", saying=["--image-size"])
        self.refuse(USAGE, "bench", self.whole, "--audio", "--audio-seconds", "31", saying=["--audio-seconds"])

    def test_inspection_tells_of_the_towers(self):
        report = self.succeed_json("inspect", self.whole)
        self.assertTrue(report["has_towers"])
        self.assertEqual({tensor["name"] for tensor in report["tensors"] if not tensor["used"]}, set())
        self.assertIn("text, pictures and sounds", self.succeed("inspect", self.whole, "--summary"))
        self.assertFalse(self.succeed_json("inspect", CHECKPOINTS / "e2b_like")["has_towers"])


class BenchTest(CliTest):
    def test_every_combination_is_timed(self):
        report = self.succeed_json("bench", self.chat, "--prompt-tokens", "8,16", "--decode-tokens", "3",
                                   "--threads", "1,2", "--repeat", "2")
        self.assertEqual([(r["threads"], r["prompt_tokens"], r["decode_tokens"]) for r in report["results"]],
                         [(1, 8, 3), (1, 16, 3), (2, 8, 3), (2, 16, 3)])
        for result in report["results"]:
            for key in ["prefill_tokens_per_second", "decode_tokens_per_second", "f32_flops_per_second",
                        "read_bytes_per_second", "prefill_peak_share", "decode_bandwidth_share"]:
                self.assertGreater(result[key], 0, key)
            self.assertAlmostEqual(
                result["prefill_peak_share"] * result["f32_flops_per_second"] * result["prompt_tokens"]
                / (2 * result["prefill_multiply_adds"] * result["prefill_tokens_per_second"]), 1)
        self.assertEqual(report["bytes_per_weight"], 2)

    def test_the_table_has_a_line_for_each(self):
        lines = self.succeed("bench", self.chat, "--prompt-tokens", "8", "--decode-tokens", "2,3",
                             "--threads", "1", "--repeat", "1").splitlines()
        self.assertEqual([line.split()[:3] for line in lines[2:]], [["1", "8", "2"], ["1", "8", "3"]])

    def test_what_cannot_be_timed_is_refused(self):
        self.refuse(USAGE, "bench", saying=["MODEL", "--synthetic"])
        self.refuse(USAGE, "bench", self.chat, "--synthetic", "e2b")
        self.refuse(USAGE, "bench", "--synthetic", "e3b", saying=["e2b or e4b"])
        self.refuse(USAGE, "bench", self.chat, "--prompt-tokens", "0", saying=["--prompt-tokens"])
        self.refuse(FAILURE, "bench", self.chat, "--prompt-tokens", "512", saying=["context of 512"])


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    PROGRAM, WRITE_CHECKPOINT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[3])
    GOLDEN = pathlib.Path(sys.argv[2]).resolve()
    CHECKPOINTS, PICTURES = GOLDEN / "fixtures" / "checkpoints", GOLDEN / "media"
    SOUNDS = GOLDEN / "audio" / "fixtures" / "sounds"
    if not (CHECKPOINTS / "chat" / "tokenizer.json").is_file():
        sys.exit(f"{CHECKPOINTS}: expected the checkpoint 'chat' with a tokenizer")
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
