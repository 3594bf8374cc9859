#!/usr/bin/env python3
"""`gemma3n bench` from outside: cases, the report that it compares with, the plot."""
import json
import pathlib
import tempfile
import xml.etree.ElementTree

from program import CliTest, FAILURE, OK, Terminal, USAGE, gemma3n, main
from whole_model import SmallWholeModel

SLOWER = 3
ONE = ["--contexts", "8", "--decode-tokens", "2", "--threads", "1", "--repeat", "1"]
SVG = "{http://www.w3.org/2000/svg}"


class BenchTest(CliTest, SmallWholeModel):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.make_whole_model()

    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def test_every_combination_is_timed(self):
        report = self.succeed_json("bench", self.chat, "--contexts", "8,16", "--decode-tokens", "3", "--threads", "1,2",
                                   "--quantize", "none,q4", "--repeat", "3")
        self.assertEqual((report["format"], report["model"], report["repeats"], report["decode_tokens"]),
                         ("gemma3n bench 1", str(self.chat), 3, 3))
        self.assertEqual([limits["threads"] for limits in report["limits"]], [1, 2])
        for limits in report["limits"]:
            self.assertTrue(all(value > 0 for value in limits.values()), limits)
        self.assertEqual([(c["storage"], c["threads"], c["case"]) for c in report["cases"]],
                         [(storage, threads, case) for storage in ["none", "q4"] for threads in [1, 2]
                          for case in ["prefill 8", "decode after 8", "prefill 16", "decode after 16"]])
        limits = {limit["threads"]: limit for limit in report["limits"]}
        for case in report["cases"]:
            self.assertLessEqual(case["min_seconds"], case["seconds"])
            self.assertLessEqual(case["seconds"], case["max_seconds"])
            self.assertAlmostEqual(case["tokens_per_second"] * case["seconds"], case["tokens"])
            self.assertAlmostEqual(case["share"] * case["seconds"], case["limit_seconds"])
            machine = limits[case["threads"]]
            reading = case["bytes"] / machine["read_bytes_per_second"]
            computing = (case["f32_ops"] / machine["f32_ops_per_second"]
                         + case["int8_ops"] / machine["int8_ops_per_second"])
            self.assertAlmostEqual(case["limit_seconds"], max(reading, computing))
            self.assertEqual(case["limited_by"], "memory" if reading > computing else "arithmetic")
            self.assertEqual(case["int8_ops"] > 0, case["storage"] == "q4")

    def test_a_cache_of_fewer_bits_is_read_with_fewer_bytes(self):
        def decode_bytes(*options):
            report = self.succeed_json("bench", self.chat, *ONE, *options)
            return report["kv_cache"], report["cases"][1]["bytes"]

        (plain, most), (named, least) = decode_bytes(), decode_bytes("--kv-cache", "int8")
        self.assertEqual((plain, named), ("f32", "int8"))
        self.assertLess(least, most)
        self.refuse(USAGE, "bench", self.chat, "--kv-cache", "f8", saying=["f32, bf16 or int8"])

    def test_a_size_is_timed_and_named(self):
        size = self.folder / "two.json"
        size.write_text(json.dumps({"FFN Hidden Dims": [48, 48], "Layers Skipped": [2]}))
        whole = self.succeed_json("bench", self.chat, *ONE)
        part = self.succeed_json("bench", self.chat, *ONE, "--size", size)
        self.assertEqual((whole["size"], part["size"]), ("full", "two"))
        self.assertLess(part["cases"][1]["bytes"], whole["cases"][1]["bytes"])

    def test_the_table_has_a_line_for_each(self):
        lines = self.succeed("bench", self.chat, "--contexts", "8,9", *ONE[2:]).splitlines()
        self.assertEqual([line.split()[:4] for line in lines[3:]],
                         [["prefill", "8", "none", "1"], ["decode", "after", "8", "none"],
                          ["prefill", "9", "none", "1"], ["decode", "after", "9", "none"]])

    def test_towers_and_loading_are_timed(self):
        report = self.succeed_json("bench", self.whole, "--image-size", "32,64", "--audio-seconds", "1", "--load",
                                   *ONE[4:])
        self.assertEqual([case["case"] for case in report["cases"]],
                         ["load", "load and first token", "picture 32 features", "picture 32 tower",
                          "picture 64 features", "picture 64 tower", "sound 1 s features", "sound 1 s tower"])
        self.assertTrue(all(case["seconds"] > 0 for case in report["cases"]))
        self.assertEqual([case["case"] for case in report["cases"] if "share" in case], ["sound 1 s tower"])

    def test_what_cannot_be_timed_is_refused(self):
        self.refuse(USAGE, "bench", saying=["MODEL", "--synthetic"])
        self.refuse(USAGE, "bench", self.chat, "--synthetic", "e2b")
        self.refuse(USAGE, "bench", "--synthetic", "e3b", saying=["e2b or e4b"])
        self.refuse(USAGE, "bench", self.chat, "--contexts", "0", saying=["--contexts"])
        self.refuse(FAILURE, "bench", self.chat, "--contexts", "512", saying=["context of 512"])
        self.refuse(USAGE, "bench", self.chat, "--quantize", "q4,q5", saying=["q5"])
        self.refuse(FAILURE, "bench", self.chat, "--image", saying=["ForCausalLM"])
        self.refuse(USAGE, "bench", self.chat, *ONE, "--tolerance", "5", saying=["--compare"])

    def baseline(self, seconds=1.0, **change):
        """The name of a report of two cases that took this long, changed."""
        cases = [{"case": name, "storage": "none", "threads": 1, "seconds": seconds}
                 for name in ["prefill 8", "decode after 8"]]
        file = self.place / "before.json"
        file.write_text(json.dumps({"format": "gemma3n bench 1", "model": "m", "version": "0", "cpu": "c",
                                    "instruction_set": "avx2", "cases": cases} | change))
        return file

    def compare(self, seconds, *options):
        """A comparison with times that were `seconds`."""
        done = gemma3n("bench", self.chat, *ONE, "--compare", self.baseline(seconds), *options)
        self.assertEqual(done.stderr, b"")
        return done.returncode, done.stdout.decode()

    def test_a_slower_case_is_told_and_changes_the_exit_code(self):
        code, text = self.compare(1000)
        self.assertEqual(code, OK, text)
        self.assertIn("no case is slower by more than 10%\n", text)
        code, text = self.compare(1e-9)
        self.assertEqual(code, SLOWER, text)
        self.assertRegex(text, r"\nslower: prefill 8, none, 1 thread: 0\.000\nslower: decode after 8")

    def test_ratios_are_in_the_report(self):
        code, text = self.compare(1e-9, "--json", "--tolerance", "50")
        report = json.loads(text)
        self.assertEqual(code, SLOWER)
        self.assertEqual((report["tolerance_percent"], report["compared_with"]), (50, str(self.place / "before.json")))
        for case in report["cases"]:
            self.assertAlmostEqual(case["ratio"] * case["seconds"], case["before_seconds"])
            self.assertTrue(case["is_slower"])

    def test_what_is_no_report_is_refused_before_anything_is_timed(self):
        command = ["bench", self.chat, *ONE, "--compare"]
        self.refuse(FAILURE, *command, self.place / "none.json", saying=["none.json", "No such file"])
        self.refuse(USAGE, *command, "/dev/zero", saying=["/dev/zero", "at most"])
        file = self.place / "bad.json"
        for content, word in [(b"", "no JSON"), (b"\xff\xfe{", "no JSON"), (b"[1, 2]", "array"),
                              (b'{"format": "gemma3n bench 1"}', '"model"'), (b"[" * 100000, "levels"),
                              (b'{"format": "other"}', "gemma3n bench 1")]:
            file.write_bytes(content)
            self.refuse(FAILURE, *command, file, saying=["bad.json", word])
        self.refuse(USAGE, *command, self.baseline(cases=[]), saying=["none of the cases"])
        self.refuse(FAILURE, *command, self.baseline(cases=[{"case": "a", "storage": "q4"}]), saying=["cases[0]"])
        self.refuse(USAGE, *command, self.baseline(), "--tolerance", "100", saying=["--tolerance"])

    def test_a_plot_is_an_svg_that_says_what_it_shows(self):
        model = self.copy_of(self.chat, "a <model> & more")
        file = self.place / "speed.svg"
        self.succeed("bench", model, "--contexts", "8,16,32", *ONE[2:4], "--quantize", "none,q8", *ONE[4:], "--plot",
                     file)
        root = xml.etree.ElementTree.parse(file).getroot()
        self.assertEqual(root.tag, SVG + "svg")
        texts = [element.text for element in root.iter(SVG + "text")]
        self.assertIn("a <model> & more", texts[0])
        for text in ["Prefill", "Decode", "tokens per second", "none, 1 thread", "q8, 1 thread", "8", "16", "32"]:
            self.assertIn(text, texts)
        self.assertEqual(len(list(root.iter(SVG + "polyline"))), 4)
        self.assertNotIn("href", file.read_text())

    def test_a_plot_that_cannot_be_drawn_or_written_is_refused(self):
        self.refuse(USAGE, "bench", self.chat, *ONE, "--plot", self.place / "a.svg", saying=["--plot", "--contexts"])
        self.refuse(FAILURE, "bench", self.chat, "--contexts", "8,16", *ONE[2:], "--plot", self.place / "no" / "a.svg",
                    saying=["a.svg", "No such file"])

    def test_progress_is_shown_on_a_terminal(self):
        terminal = Terminal("bench", self.chat, *ONE[:6], "--repeat", "2")
        terminal.expect(b"timing [")
        terminal.expect(b"none, 1 thread, prefill 8")
        terminal.expect(b" left")
        self.assertEqual(terminal.finish(), OK)


if __name__ == "__main__":
    main()
