#!/usr/bin/env python3
"""The program from outside, with text."""
import json
import math
import os
import pathlib
import signal
import struct
import subprocess
import tempfile

from program import (CHECKPOINTS, CLOSED_PIPE, CliTest, FAILURE, INTERRUPTED, OK, PATIENCE_SECONDS, PROGRAM,
                     Terminal, USAGE, catches_interrupts, gemma3n, main, safetensors_header, start, wait_until)

COMMANDS = ["run", "chat", "transcribe", "eval", "tokenize", "inspect", "quantize", "slice", "sizes", "info", "bench"]


class HelpTest(CliTest):
    def test_help_lists_every_command_and_every_exit_code(self):
        text = self.succeed("--help")
        for word in COMMANDS + ["0 ", "1 ", "2 ", "3 ", "70 ", "130 ", "141 "]:
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
        self.refuse(USAGE, "run", saying=["the prompt is empty"])
        self.refuse(USAGE, "eval", saying=["MODEL", "gemma3n eval --help"])
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

    def test_weights_of_fewer_bits(self):
        options = ["hello", "--greedy", "--max-tokens", "8"]
        plain = self.succeed_json("run", self.chat, *options)
        for kind in ["q8", "q4"]:
            report = self.succeed_json("run", self.chat, *options, "--quantize", kind)
            self.assertEqual(len(report["sequences"][0]["token_ids"]), len(plain["sequences"][0]["token_ids"]))
            one = self.succeed_json("run", self.chat, *options, "--quantize", kind, "--threads", "1")
            self.assertEqual(one["text"], report["text"])
        self.assertEqual(self.succeed_json("run", self.chat, *options, "--quantize", "none")["text"], plain["text"])
        for command in [["run", self.chat, "hi"], ["bench", self.chat]]:
            self.refuse(USAGE, *command, "--quantize", "q3", saying=["q8, q4", "'q3'"])
        for kind in ["bf16", "f32"]:  # bf16 already; and wider without a loss
            report = self.succeed_json("run", self.chat, *options, "--quantize", kind)
            self.assertEqual(report["text"], plain["text"])

    def test_keys_and_values_of_fewer_bits(self):
        options = ["hello", "--greedy", "--max-tokens", "8"]
        plain = self.succeed_json("run", self.chat, *options)
        for kind in ["bf16", "int8"]:
            report = self.succeed_json("run", self.chat, *options, "--kv-cache", kind)
            self.assertEqual(len(report["sequences"][0]["token_ids"]), len(plain["sequences"][0]["token_ids"]))
            for more in [["--threads", "1"], ["--prefill-chunk-size", "1"], ["--cache-implementation", "static"]]:
                other = self.succeed_json("run", self.chat, *options, "--kv-cache", kind, *more)
                self.assertEqual(other["sequences"], report["sequences"])
        self.assertEqual(self.succeed_json("run", self.chat, *options, "--kv-cache", "f32")["text"], plain["text"])
        for command in [["run", self.chat, "hi"], ["bench", self.chat], ["chat", self.chat]]:
            self.refuse(USAGE, *command, "--kv-cache", "int4", saying=["f32, bf16 or int8", "'int4'"])

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
        items = self.folder / "items.jsonl"
        items.write_text('{"messages": [{"role": "user", "content": "hello"}], "expected": "a"}\n')
        return [["--help"], ["--version"], ["run", "--help"], ["run", self.chat, *short],
                ["run", self.chat, *short, "--json"], ["eval", self.chat, items, *short[2:]],
                ["eval", self.chat, items, *short[2:], "--json"],
                ["eval", self.chat, "--perplexity", items], ["tokenize", self.chat, "--text", "hello"],
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


class QuantizeTest(CliTest):
    def test_a_quantised_checkpoint_is_a_model(self):
        model = self.folder / "q8"
        line = self.succeed("quantize", self.chat, model, "--to", "q8")
        self.assertIn("q8: q8, ", line)
        report = self.succeed_json("inspect", model, "--summary")
        original = self.succeed_json("inspect", self.chat, "--summary")
        self.assertEqual((original["quantization"], report["quantization"]), ("none", "q8"))
        self.assertEqual(report["text_parameters"], original["text_parameters"])
        self.assertIn("8 bits in groups of 32 (q8)", self.succeed("inspect", model))
        options = ["hello", "--greedy", "--max-tokens", "8"]
        stored = self.succeed_json("run", model, *options)
        self.assertEqual(self.succeed_json("run", model, *options, "--quantize", "q8")["text"], stored["text"])
        # The per-layer table of this model has no whole groups, so nothing differs from quantising at load.
        self.assertEqual(self.succeed_json("run", self.chat, *options, "--quantize", "q8")["text"], stored["text"])
        self.refuse(FAILURE, "run", model, *options, "--quantize", "q4", saying=["is quantised already, as q8"])
        self.refuse(FAILURE, "quantize", model, self.folder / "q4", saying=["is quantised already"])
        timed = ["--contexts", "8", "--decode-tokens", "2", "--repeat", "1", "--threads", "1"]
        read, read_before = (self.succeed_json("bench", folder, *timed)["cases"][1]["bytes"] for folder in (model, self.chat))
        self.assertLess(read, read_before)

    def file(self, name, text):
        file = self.folder / name
        file.write_text(text)
        return file

    def quantized(self, name, *options):
        self.succeed("quantize", self.chat, self.folder / name, *options)
        return (self.folder / name / "model.safetensors").read_bytes()

    def test_a_calibration_changes_what_is_rounded(self):
        words = self.file("words.txt", "hello world, what is it? " * 400)
        items = [{"messages": [{"role": "user", "content": f"what is {i} + {j}?"}], "expected": str(i + j)}
                 for i in range(12) for j in range(12)]
        questions = self.file("questions.jsonl", "".join(json.dumps(item) + "\n" for item in items))
        plain = self.quantized("plain")
        by_words = self.quantized("by_words", "--calibration", words)
        by_questions = self.quantized("by_questions", "--calibration", questions)
        self.assertEqual(len({plain, by_words, by_questions}), 3)
        self.assertEqual({len(plain)}, {len(by_words), len(by_questions)})
        self.assertEqual(self.quantized("by_words_again", "--calibration", words, "--threads", "1"), by_words)
        self.succeed_json("run", self.folder / "by_words", "hello", "--greedy", "--max-tokens", "4")

    def test_a_calibration_that_tells_nothing_is_refused(self):
        few = self.file("few.txt", "hello world")
        none = self.file("none.txt", "")
        line = json.dumps({"messages": [{"role": "user", "content": "hello"}], "expected": "hi"}) + "\n"
        one, broken = self.file("one.jsonl", line), self.file("broken.jsonl", line + "{}\n")
        picture = self.file("picture.jsonl", json.dumps({"image": "none.png", "query": "what?", "label": "x"}) + "\n")
        out = self.folder / "refused"
        for code, file, *saying in [(USAGE, few, "few.txt", "expected 1024 tokens or more", "got "),
                                    (USAGE, none, "none.txt", "there is no text in it"),
                                    (USAGE, one, "one.jsonl", "expected 1024 tokens or more"),
                                    (FAILURE, broken, "broken.jsonl:2"),
                                    (FAILURE, picture, "picture.jsonl:1", "no such file"),
                                    (FAILURE, self.folder / "absent.txt", "absent.txt")]:
            self.refuse(code, "quantize", self.chat, out, "--calibration", file, saying=saying)
        self.refuse(USAGE, "quantize", self.chat, out, "--to", "q8", "--calibration", few, saying=["goes with q4"])
        self.assertFalse(out.exists())
        # What is wrong without a calibration is said before one is made.
        self.refuse(USAGE, "quantize", self.chat, self.folder, "--force", "--calibration", few,
                    saying=["is no quantised checkpoint"])

    def test_a_calibration_can_be_interrupted(self):
        words = self.file("book.txt", "hello world, what is it? " * 200_000)
        process = start("quantize", self.chat, self.folder / "stopped", "--calibration", words)
        wait_until(lambda: catches_interrupts(process.pid))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(PATIENCE_SECONDS), INTERRUPTED)
        process.stdout.close()
        process.stderr.close()
        self.assertEqual([p for p in self.folder.iterdir() if "stopped" in p.name], [])

    def test_nothing_is_overwritten_by_mistake(self):
        model = self.folder / "kept"
        self.succeed("quantize", self.chat, model)
        self.refuse(USAGE, "quantize", self.chat, model, saying=["kept", "new folder"])
        self.succeed("quantize", self.chat, model, "--force", "--to", "q8")
        self.assertEqual(self.succeed_json("inspect", model, "--summary")["quantization"], "q8")
        self.refuse(USAGE, "quantize", self.chat, self.folder, "--force", saying=["is no quantised checkpoint"])
        self.refuse(USAGE, "quantize", self.chat, self.folder / "x", "--to", "bf16", saying=["q8 or q4", "bf16"])
        self.assertEqual([p for p in self.folder.iterdir() if "partial" in p.name], [])


class SizesTest(CliTest):
    """Sizes of the tiny checkpoint: its three layers, or the first two."""
    OPTIONS = ["hello", "--greedy", "--max-tokens", "12"]

    def size_file(self, name="two.json", **columns):
        file = self.folder / name
        file.write_text(json.dumps({"FFN Hidden Dims": [48, 48], "Layers Skipped": [2]} | columns))
        return file

    def test_a_size_at_load_on_disk_and_in_a_conversation(self):
        two = self.size_file()
        whole = self.succeed_json("run", self.chat, *self.OPTIONS)["text"]
        part = self.succeed_json("run", self.chat, *self.OPTIONS, "--size", two)
        self.assertEqual(part["size"], str(two))
        self.assertNotEqual(part["text"], whole)
        model = self.folder / "two_layers"
        self.assertIn("two_layers: two, 2 layers, ", self.succeed("slice", self.chat, model, "--size", two))
        self.assertEqual(self.succeed_json("run", model, *self.OPTIONS)["text"], part["text"])
        self.assertEqual(self.succeed_json("inspect", model, "--summary")["num_hidden_layers"], 2)
        for kind in ["q8", "q4"]:
            options = [*self.OPTIONS, "--quantize", kind]
            self.assertEqual(self.succeed_json("run", self.chat, *options, "--size", two)["text"],
                             self.succeed_json("run", model, *options)["text"])
        self.assertEqual(self.succeed_json("run", self.chat, *self.OPTIONS, "--size", "full")["text"], whole)
        lines = f"/size {two}\nhello\n/reset\n/size full\nhello\n".encode()
        done = gemma3n("chat", self.chat, "--greedy", "--max-tokens", "12", stdin=lines)
        self.assertEqual((done.returncode, done.stdout.decode()), (OK, f"{part['text']}\n{whole}\n"))
        self.assertIn("from now on full answers", done.stderr.decode())

    def test_a_draft_changes_no_answer(self):
        two = self.size_file()
        whole = self.succeed_json("run", self.chat, *self.OPTIONS)["text"]
        drafts = self.succeed_json("run", self.chat, *self.OPTIONS, "--draft", two)
        self.assertEqual(drafts["text"], whole)
        self.assertGreater(drafts["draft_rounds"], 0)
        self.assertLessEqual(drafts["accepted_tokens"], drafts["drafted_tokens"])
        itself = self.succeed_json("run", self.chat, *self.OPTIONS, "--draft", self.chat)
        self.assertEqual(itself["text"], whole)
        self.assertEqual(itself["accepted_tokens"], itself["drafted_tokens"])
        part = self.succeed_json("run", self.chat, *self.OPTIONS, "--size", two)["text"]
        self.assertEqual(self.succeed_json("run", self.chat, *self.OPTIONS, "--size", two, "--draft", "full")["text"], part)
        done = gemma3n("run", self.chat, *self.OPTIONS, "--timings", "--draft", "full")
        self.assertIn("drafts 100% accepted", done.stderr.decode())
        self.assertEqual(self.succeed("chat", self.chat, "--greedy", "--max-tokens", "12", "--draft", two, stdin=b"hello\n"),
                         whole + "\n")

    def test_sizes_are_listed_and_measured(self):
        two = self.size_file(name="narrow.json")
        text = self.folder / "text.txt"
        text.write_text("hello and good bye " * 20)
        options = ["--size", "full", "--size", two]
        self.assertRegex(self.succeed("sizes", self.chat), r"(?m)^full +3 +48 ")
        report = self.succeed_json("sizes", self.chat, *options, "--measure", text)["sizes"]
        self.assertEqual([row["name"] for row in report], ["full", "narrow"])
        self.assertEqual(report[1]["skipped_layers"], [2])
        for key in ["effective_parameters", "text_parameters", "decode_bytes_per_token"]:
            self.assertLess(report[1][key], report[0][key])
        for row in report:
            self.assertGreater(row["decode_tokens_per_second"], 0)
            alone = self.succeed_json("eval", self.chat, "--perplexity", text,
                                      *(["--size", two] if row["name"] == "narrow" else []))
            self.assertAlmostEqual(row["perplexity"], alone["perplexity"], places=6)
        self.assertIn("perplexity", self.succeed("sizes", self.chat, *options, "--measure", text))

    def test_impossible_sizes_are_refused(self):
        for columns, saying in [({"FFN Hidden Dims": [0, 48]}, "width of layer 0: expected 1 to 48, got 0"),
                                ({"FFN Hidden Dims": [48, 96]}, "width of layer 1: expected 1 to 48, got 96"),
                                ({"FFN Hidden Dims": [32, 48]}, "cannot be cut"),
                                ({"FFN Hidden Dims": [48], "Layers Skipped": [0, 1]}, "reads its keys and values"),
                                ({"Layers Skipped": [0]}, "all or none of the block 0 to 1"),
                                ({"FFN Hidden Dims": "[48 ** 9, 48]"}, "a list such as"),
                                ({"layers": 3}, "got also")]:
            file = self.size_file(name="wrong.json", **columns)
            for command in [["run", self.chat, "hi"], ["slice", self.chat, self.folder / "none"]]:
                self.refuse(USAGE, *command, "--size", file, saying=[saying, "wrong.json"])
        self.refuse(USAGE, "run", self.chat, "hi", "--size", "e2b", saying=["expected full", "e2b", "35 layers"])
        self.refuse(FAILURE, "run", self.chat, "hi", "--size", "missing.json", saying=["missing.json"])
        self.refuse(USAGE, "slice", self.chat, self.folder / "none", saying=["--size", "gemma3n sizes"])
        self.refuse(USAGE, "slice", self.chat, self.chat, "--size", "full", saying=["new folder"])
        long = self.folder / "long.json"
        long.write_text(" " * 100_000)
        self.refuse(FAILURE, "run", self.chat, "hi", "--size", long, saying=["long.json"])
        self.assertFalse((self.folder / "none").exists())


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


if __name__ == "__main__":
    main()
