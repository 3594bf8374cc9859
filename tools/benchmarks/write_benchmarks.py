#!/usr/bin/env python3
"""Measures gemma3n beside other programs and writes BENCHMARKS.md.

    python3 tools/benchmarks/write_benchmarks.py MODEL QUANTIZED [--llama-bench PROGRAM --gguf FILE] [--torch PYTHON]

MODEL is a checkpoint as published, QUANTIZED what `gemma3n quantize MODEL QUANTIZED --to q4` made of it. Weights do not
matter for speed, only shapes do. Of two programs, one runs after the other, then the first again, and so on; a ratio is
that of neighbours, and the median of all pairs is reported, so that a machine that is busy now and then is unfair to
none. What is not given is left out. Takes about half an hour, with --long, --plot and --mistral an hour; needs nothing
but Python and the programs.

--llama-bench, --gguf: llama.cpp's program, and a Q4_0 file of the same shape as QUANTIZED.
--e4b, --e4b-gguf: the same of E4B; its sizes are timed beside each other and beside QUANTIZED.
--mistral: a Python with mistralrs; loading takes some minutes and 22 GB. It runs last; if it dies, that is reported.
--torch: a Python with the packages of tools/reference/requirements.txt; the towers are timed in bfloat16 where the processor
multiplies it, else in float32.
--torch-bfloat16: there also in bfloat16, once (more than half an hour: without such instructions a picture takes 18 minutes).
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPT, DECODED = 512, 32
LONG = 16384
PICTURE, SOUND = "picture 768", "sound 30 s"


def say(text):
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def run(command):
    """(what it prints, its largest resident memory in bytes)"""
    with subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: ended with {process.returncode}")
    return out, usage.ru_maxrss * 1024


class Gemma3n:
    name = "gemma3n"

    def __init__(self, program, threads):
        self.program, self.threads = program, threads
        self.limits = []  # of every run
        self.shares = {}  # (model, case) -> shares of the limit, and what limits

    def bench(self, model, *options):
        """Seconds by case."""
        out, memory = run([self.program, "bench", model, "--json", "--repeat", 1, "--threads", self.threads, *options])
        report = json.loads(out)
        self.limits += report["limits"]
        self.report, self.memory = report, memory
        for case in report["cases"]:
            if "share" in case:
                self.shares.setdefault((model, case["case"]), []).append((case["share"], case["limited_by"]))
        return {case["case"]: case["seconds"] for case in report["cases"]}


class LlamaBench:
    name = "llama.cpp"

    def __init__(self, program, gguf, threads):
        self.command = [program, "-m", gguf, "-t", threads, "-r", 1, "-o", "json"]

    def bench(self, *options):
        out, self.memory = run([*self.command, *options])
        results = json.loads(out)
        self.build = f"{results[0]['build_number']} ({results[0]['build_commit']})"
        return [r["avg_ns"] / 1e9 for r in results]


class Mistral:
    name = "mistral.rs"

    def __init__(self, python, model):
        script = pathlib.Path(__file__).with_name("time_mistral_rs.py")
        self.process = subprocess.Popen([str(python), str(script), str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.version = self._line()

    def _line(self):
        """The next line that is an answer; the library prints others."""
        while line := self.process.stdout.readline():
            if re.match(r"mistral\.rs \d|[\d.]+ [\d.]+$", line):
                return line.strip()
        raise RuntimeError(f"it ended with {self.process.wait()}")

    def seconds_per_token(self):
        """(prompt, written)"""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return [1 / float(speed) for speed in self._line().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def multiplies_bfloat16():
    return re.search(r"\b(avx512_bf16|amx_bf16)\b", pathlib.Path("/proc/cpuinfo").read_text()) is not None


class Torch:
    """PyTorch's towers, in one process that is asked again and again."""

    def __init__(self, python, threads, dtype):
        self.name = f"PyTorch, {dtype}"
        script = pathlib.Path(__file__).with_name("time_torch_towers.py")
        self.process = subprocess.Popen([str(python), str(script), str(threads), dtype], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.version = self.process.stdout.readline().strip()

    def seconds(self, case):
        self.process.stdin.write(case + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Pair:
    """Times of the same work in two programs."""

    def __init__(self, work, other, wanted, unit=None):
        self.work, self.other, self.wanted, self.unit = work, other, wanted, unit
        self.ours, self.theirs = [], []

    def add(self, ours, theirs):
        self.ours.append(ours)
        self.theirs.append(theirs)

    def shown(self, seconds):
        if self.unit is None:
            return f"{seconds:.2f} s"
        amount, name = self.unit
        return f"{amount / seconds:.1f} {name}"

    def row(self):
        ratios = [theirs / ours for ours, theirs in zip(self.ours, self.theirs)]
        median = statistics.median(ratios)
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}" if len(ratios) > 1 else "one run"
        return [self.work, self.shown(statistics.median(self.ours)), self.other, self.shown(statistics.median(self.theirs)),
                f"{median:.2f} ({spread})", f"{self.wanted:g}",
                "yes" if median >= self.wanted else "no"]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def text_pairs(ours, llama, shape, model, wanted, arguments):
    """wanted: at least, of prefill and decode."""
    prefill = Pair(f"{shape} q4, prefill of {PROMPT}", llama.name, wanted[0], (PROMPT, "tok/s"))
    decode = Pair(f"{shape} q4, decode after {PROMPT}", llama.name, wanted[1], (1, "tok/s"))
    memory = []
    for i in range(arguments.pairs):
        say(f"{shape}, pair {i + 1} of {arguments.pairs}")
        mine = ours.bench(model, "--contexts", PROMPT, "--decode-tokens", DECODED)
        (reading,) = llama.bench("-p", PROMPT, "-n", 0)
        (writing,) = llama.bench("-p", 0, "-n", DECODED, "-d", PROMPT)
        prefill.add(mine[f"prefill {PROMPT}"], reading)
        decode.add(mine[f"decode after {PROMPT}"], writing / DECODED)
        memory.append((ours.memory, llama.memory))
    memory.sort(key=lambda pair: pair[0] / pair[1])
    return [prefill, decode], memory[len(memory) // 2]


def mistral_pairs(ours, arguments):
    say("loading mistral.rs")
    mistral = Mistral(arguments.mistral, arguments.model)
    prefill = Pair(f"E2B q4, prefill of {PROMPT}", mistral.name, 2.0, (1, "tok/s"))
    decode = Pair(f"E2B q4, decode after {PROMPT}", mistral.name, 1.6, (1, "tok/s"))
    for i in range(arguments.pairs):
        say(f"mistral.rs, pair {i + 1} of {arguments.pairs}")
        mine = ours.bench(arguments.quantized, "--contexts", PROMPT, "--decode-tokens", DECODED)
        reading, writing = mistral.seconds_per_token()
        prefill.add(mine[f"prefill {PROMPT}"] / PROMPT, reading)
        decode.add(mine[f"decode after {PROMPT}"], writing)
    mistral.close()
    return [prefill, decode], mistral.version


SIZES = ["full", "e2.54b", "e2b"]


def size_rows(ours, arguments):
    """Sizes of one E4B file, in turn with the E2B file: bytes and time of a decoded token."""
    models = [(f"E4B file, {size}", arguments.e4b, ["--size", size]) for size in SIZES]
    models.append(("E2B file", arguments.quantized, []))
    seconds, bytes_read = {}, {}
    for i in range(arguments.pairs):
        say(f"sizes, round {i + 1} of {arguments.pairs}")
        for name, model, options in models:
            mine = ours.bench(model, "--contexts", 64, "--decode-tokens", DECODED, *options)
            case = next(c for c in ours.report["cases"] if c["case"].startswith("decode"))
            seconds.setdefault(name, []).append(mine[case["case"]])
            bytes_read[name] = case["bytes"]
    alone = seconds["E2B file"]
    rows = []
    for name, _, _ in models:
        ratio = statistics.median(own / other for own, other in zip(seconds[name], alone))
        rows.append([name, f"{bytes_read[name] / 1e9:.2f} GB", f"{1000 * statistics.median(seconds[name]):.0f} ms", f"{ratio:.2f}"])
    return rows


def tower_pairs(ours, dtype, rounds, arguments):
    """The pairs, and PyTorch's version."""
    torch = Torch(arguments.torch, arguments.threads, dtype)
    pairs = {PICTURE: Pair("picture of 768 x 768, int8 tower", torch.name, 2.0),
             SOUND: Pair("30 s of sound, features and int8 tower", torch.name, 1.8)}
    for i in range(rounds):
        say(f"towers beside {torch.name}, pair {i + 1} of {rounds}")
        mine = ours.bench(arguments.quantized, "--image", "--audio-seconds", 30)
        pairs[PICTURE].add(mine[f"{PICTURE} tower"], torch.seconds(PICTURE))
        pairs[SOUND].add(mine[f"{SOUND} features"] + mine[f"{SOUND} tower"], torch.seconds(SOUND))
    torch.close()
    return list(pairs.values()), torch.version


def alone(ours, arguments):
    """(what, measured, wanted, reached) of what has no other program beside it."""
    say("loading")
    load = ours.bench(arguments.quantized, "--load")["load and first token"]
    rows = [["quantised file to the first token of a 20-token prompt", f"{load:.2f} s", "1 s", "yes" if load <= 1 else "no"]]
    say("float32 from the checkpoint")
    ours.bench(arguments.model, "--contexts", PROMPT, "--decode-tokens", 8)
    share = statistics.median(s for s, _ in ours.shares[(arguments.model, f"prefill {PROMPT}")])
    rows.append([f"float32 prefill of {PROMPT} from the bf16 checkpoint, share of the f32 peak", f"{share:.0%}", "50%",
                 "yes" if share >= 0.5 else "no"])
    if arguments.long:
        say(f"{LONG} tokens")
        seconds = ours.bench(arguments.quantized, "--contexts", f"{PROMPT},{LONG}", "--decode-tokens", DECODED)
        ratio = seconds[f"decode after {PROMPT}"] / seconds[f"decode after {LONG}"]
        rows.append([f"speed of decode after {LONG} over that after {PROMPT}", f"{ratio:.2f}", "0.6", "yes" if ratio >= 0.6 else "no"])
    return rows


def context_rows(ours, arguments):
    """Speeds for prompts of some lengths, which are drawn too."""
    say("lengths of the context")
    seconds = ours.bench(arguments.quantized, "--plot", arguments.plot, "--decode-tokens", DECODED)
    rows = []
    for case, taken in seconds.items():
        if case.startswith("prefill"):
            tokens = int(case.split()[1])
            rows.append([str(tokens), f"{tokens / taken:.1f} tok/s", f"{1 / seconds[f'decode after {tokens}']:.1f} tok/s"])
    return rows


def processor_name():
    found = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else platform.processor()


def range_of(limits, key, unit):
    values = [limit[key] / unit for limit in limits]
    return f"{min(values):.0f} to {max(values):.0f}"


def document(ours, pairs, memory, sizes, single, contexts, versions, missing, arguments):
    report = ours.report
    lines = ["# Benchmarks", "",
             "Written by `tools/benchmarks/write_benchmarks.py`, whose head says how it measures. Weights are random, shapes those of E2B and E4B.", "",
             f"{processor_name()}, {arguments.threads} threads; gemma3n {report['version']}, {report['compiler']}, {report['instruction_set']}"
             + "".join(f"; {v}" for v in versions) + f"; {datetime.date.today()}.",
             f"In the same runs a loop without any other work read {range_of(ours.limits, 'read_bytes_per_second', 1e9)} GB/s and computed "
             f"{range_of(ours.limits, 'f32_ops_per_second', 1e9)} Gop/s in f32 and {range_of(ours.limits, 'int8_ops_per_second', 1e9)} in int8 "
             "(a multiply-add is two operations).", ""]
    if pairs:
        lines += ["## Beside other programs", "",
                  f"The median of {arguments.pairs} pairs of runs, one after the other; ratios with their range. Above 1: gemma3n is faster.", "",
                  table(["work", "gemma3n", "other", "other's", "ratio", "wanted", "reached"], [p.row() for p in pairs]), "",
                  "What is wanted of the towers is wanted beside PyTorch in bfloat16. Where the processor does not multiply bfloat16, PyTorch is "
                  "very slow with it, and float32, with the same goal, stands in for what it would be elsewhere.", ""]
    if memory:
        mine, theirs = memory
        lines += [f"Largest resident memory, E2B q4, text: {mine / 1e9:.2f} GB; llama.cpp {theirs / 1e9:.2f} GB: {mine / theirs:.2f} "
                  f"(wanted: at most 0.5; {'reached' if mine <= theirs / 2 else 'not reached'}).", ""]
    if sizes:
        lines += ["## Sizes inside one E4B file", "",
                  f"One decoded token after 64, q4; the median of {arguments.pairs} rounds in turn. The last column is the time over the E2B file's of the same round.", "",
                  table(["model", "bytes a token reads", "time", "over the E2B file's"], sizes), ""]
    lines += ["## Alone", "", table(["what", "measured", "wanted", "reached"], single), ""]
    if contexts:
        lines += ["## Against the length of the context", "", "E2B, q4, keys and values in float32; one run.", "",
                  table(["tokens of the prompt", "prefill", "decode after it"], contexts), "",
                  f"![speed against context length]({os.path.relpath(arguments.plot, arguments.out.parent)})", ""]
    lines += ["## Shares of the limit", "", "The limit is what cannot be avoided (`gemma3n bench --help`); medians of all runs.", "",
              table(["weights", "case", "share", "limited by"],
                    [["bf16" if model == arguments.model else "q4, towers q8" if model == arguments.quantized else "E4B, q4", case, f"{statistics.median(s for s, _ in found):.0%}",
                      found[0][1]] for (model, case), found in ours.shares.items() if not case.endswith(" 64")]), ""]
    if missing:
        lines += ["## Not measured", "", "; ".join(missing) + ".", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("quantized", type=pathlib.Path)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/apps/cli/gemma3n")
    parser.add_argument("--llama-bench", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--torch", type=pathlib.Path)
    parser.add_argument("--torch-bfloat16", action="store_true")
    parser.add_argument("--e4b", type=pathlib.Path)
    parser.add_argument("--e4b-gguf", type=pathlib.Path)
    parser.add_argument("--mistral", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--long", action="store_true", help=f"also a context of {LONG} tokens (some minutes more)")
    parser.add_argument("--plot", type=pathlib.Path, help="also contexts of up to 32000 tokens, drawn into this file (ten minutes more)")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "BENCHMARKS.md")
    arguments = parser.parse_args()
    if (arguments.llama_bench is None) != (arguments.gguf is None):
        parser.error("--llama-bench and --gguf: expected both or none")
    started = time.monotonic()
    ours = Gemma3n(arguments.program, arguments.threads)
    pairs, memory, versions = [], None, []
    if arguments.llama_bench:
        llama = LlamaBench(arguments.llama_bench, arguments.gguf, arguments.threads)
        text, memory = text_pairs(ours, llama, "E2B", arguments.quantized, (2.0, 1.6), arguments)
        pairs += text
        if arguments.e4b and arguments.e4b_gguf:
            llama_e4b = LlamaBench(arguments.llama_bench, arguments.e4b_gguf, arguments.threads)
            pairs += text_pairs(ours, llama_e4b, "E4B", arguments.e4b, (2.5, 1.6), arguments)[0]
        versions.append(f"llama.cpp build {llama.build}")
    if arguments.torch:
        dtype = "bfloat16" if multiplies_bfloat16() else "float32"
        towers, version = tower_pairs(ours, dtype, arguments.pairs, arguments)
        pairs += towers
        versions.append(version)
        if arguments.torch_bfloat16 and dtype != "bfloat16":
            pairs += tower_pairs(ours, "bfloat16", 1, arguments)[0]
    sizes = size_rows(ours, arguments) if arguments.e4b else None
    single = alone(ours, arguments)
    contexts = context_rows(ours, arguments) if arguments.plot else None
    missing = []
    if arguments.mistral:
        try:
            text, version = mistral_pairs(ours, arguments)
            pairs += text
            versions.append(version)
        except (OSError, RuntimeError) as error:
            missing.append(f"mistral.rs ({error})")
    else:
        missing.append("mistral.rs")
    if not arguments.e4b:
        missing.append("the E4B shape")
    if not contexts:
        missing.append(f"contexts beyond {LONG if arguments.long else PROMPT} tokens")
    arguments.out.write_text(document(ours, pairs, memory, sizes, single, contexts, versions, missing, arguments))
    say(f"{arguments.out}: written after {(time.monotonic() - started) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
