#!/usr/bin/env python3
"""The program from outside, with pictures and sounds."""
import base64
import functools
import http.server
import json
import shutil
import threading

from program import CHECKPOINTS, CliTest, FAILURE, OK, Terminal, USAGE, gemma3n, main
from whole_model import PICTURES, SOUNDS, SmallWholeModel, wav


class MediaTest(CliTest, SmallWholeModel):
    """Pictures and sounds, shown to a small whole model with weights of a formula."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_whole_model()
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
        # Samples of -1 look like the beginning of a frame of MPEG.
        self.see("hello", "--audio", "-", stdin=b"\xff\xff" * 800 + data[44:])
        self.refuse(FAILURE, "run", self.whole, "hello", "--audio", "-", stdin=data[45:], saying=["16-bit"])
        self.refuse(FAILURE, "run", self.whole, "hello", "--audio", "-", stdin=b"FORM....AIFF", saying=["AIFF"])
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
        self.refuse(USAGE, "run", self.whole, "hello", "--long-audio", "shorten", saying=["cut or split"])

    def test_pictures_have_the_size_that_was_asked_for(self):
        small = self.copy_of(self.whole, "whole-32")
        (small / "preprocessor_config.json").write_text(json.dumps(
            {"size": {"height": 32, "width": 32}, "resample": 2, "do_normalize": False}))
        question = [*self.short, "--raw", "hello", "--image", self.picture]
        of_64, of_32 = (self.succeed_json("run", model, *question) for model in (self.whole, small))
        self.assertNotEqual(of_64["text"], of_32["text"])
        asked = self.succeed_json("run", self.whole, *question, "--image-size", "32")
        self.assertEqual((asked["text"], asked["prompt_tokens"]), (of_32["text"], of_64["prompt_tokens"]))
        lines = f"/image {self.picture}\nhello\n".encode()
        asked, of_32 = (gemma3n("chat", *arguments, *self.short, stdin=lines)
                        for arguments in ([self.whole, "--image-size", "32"], [small]))
        self.assertEqual((asked.returncode, asked.stdout), (OK, of_32.stdout), asked.stderr)
        for size in ("31", "2049", "-1"):
            self.refuse(USAGE, "run", self.whole, "hello", "--image", self.picture, "--image-size", size,
                        saying=["--image-size: expected 32 to 2048 pixels"])
        self.refuse(FAILURE, "run", self.chat, "hello", "--image-size", "64", saying=["takes no pictures"])

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

    def test_inspection_tells_of_the_towers(self):
        report = self.succeed_json("inspect", self.whole)
        self.assertTrue(report["has_towers"])
        self.assertEqual({tensor["name"] for tensor in report["tensors"] if not tensor["used"]}, set())
        self.assertIn("text, pictures and sounds", self.succeed("inspect", self.whole, "--summary"))
        self.assertFalse(self.succeed_json("inspect", CHECKPOINTS / "e2b_like")["has_towers"])


if __name__ == "__main__":
    main()
