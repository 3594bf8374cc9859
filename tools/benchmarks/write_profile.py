#!/usr/bin/env python3
"""Writes docs/profile.md: where each millisecond of prefill and decode goes, and what lies above the limit.

    python3 tools/benchmarks/write_profile.py MODEL [--program build/release/apps/cli/gemma3n] [--out docs/profile.md]

MODEL is a folder, best one that `gemma3n quantize` wrote. Needs perf (Debian: linux-perf) and the right to
use it. `perf record` samples `gemma3n bench` once for a prompt of 512 tokens and once for 64 decoded tokens
behind a short prompt, with two threads; samples are counted by function, functions go to the parts below.
The shares of the samples, times what bench measured in the same run, are the milliseconds. What bench does
to learn the machine's limits, and loading, are left out.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from datetime import date

PROMPT, DECODED = 512, 64

# Part of the work, what its functions are called. The first that fits counts.
PARTS = [
    ("not counted", r"_chains$|xor_words|read_limit|^main$"),
    ("products of weights in blocks", r"block_tile|block_matmul|blocks_together|block_rows|widen_panel|panel"),
    ("products of f32, bf16 and f16 weights", r"run_tile|matmul<|widen_bf16|widen_f16|widen_block"),
    ("sparse layers: up and down neuron by neuron", r"add_rows|add_down|multiply_up|dot_rows|widen_int[48]|order_by_neuron|select_above|mean_std|find_survivors|sparse_mlp"),
    ("attention", r"attend|rotate|KvLayout|store_keys|narrow_"),
    ("inputs rounded to 8 bits", r"quantize_row"),
    ("norms", r"rms_norm|sum_squares"),
    ("AltUp and LAuReL", r"altup|AltUp|scaled_sum|laurel"),
    ("activation functions", r"gelu|silu|tanh|gated|exp"),
    ("copies, sums, lookups", r"mem(cpy|move|set)|copy|add_to|lookup|read_block_row|Decoder::|keep_wanted|DecoderLayer"),
    ("choosing tokens", r"Generation|largest|check_finite|append_tokens|sampler|Logits"),
    ("threads: handing over and waiting", r"ThreadPool|futex|pthread|sched|schedule"),
    # Of the memory that bench measures the limits with: 19 of 20 page faults are its.
    ("not counted", r"page|fault|folio|pte|mmap|lru|memcg|unmap|vma|free_|zap"),
]
REST = "everything else"


def run_bench(program, model, options, data):
    command = ["perf", "record", "-q", "-o", data, "-F", "999", program, "bench", model, "--threads", "2", "--repeat", "3", "--json", *options]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr.strip()}")
    return json.loads(result.stdout)["cases"]


def samples(data):
    """Share of each function, of those of the program's own threads."""
    text = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "--percent-limit", "0", "-F", "overhead,sym"],
                          capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        if match := re.match(r"\s*([\d.]+)%\s+\[[.k]\]\s+(.*\S)", line):
            found[match[2]] = found.get(match[2], 0.0) + float(match[1])
    return found


def by_part(found):
    shares = {}
    for name, share in found.items():
        part = next((p for p, pattern in PARTS if re.search(pattern, name)), REST)
        shares[part] = shares.get(part, 0.0) + share
    shares.pop("not counted", None)
    total = sum(shares.values())
    return {p: s / total for p, s in sorted(shares.items(), key=lambda item: -item[1])}


def table(title, case, shares):
    milliseconds = 1000 * case["seconds"]
    limit = 1000 * case["limit_seconds"]
    lines = [f"## {title}", "",
             f"{milliseconds:.0f} ms; the limit ({case['limited_by']}) is {limit:.0f} ms: {100 * limit / milliseconds:.0f}% reached, {milliseconds - limit:.0f} ms above it.", "",
             "| part | share | ms |", "| --- | ---: | ---: |"]
    lines += [f"| {part} | {100 * share:.1f}% | {share * milliseconds:.1f} |" for part, share in shares.items() if share >= 0.0005]
    return lines + [""]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--program", default="build/release/apps/cli/gemma3n")
    parser.add_argument("--out", default="docs/profile.md", type=pathlib.Path)
    arguments = parser.parse_args()
    lines = ["# Where the time goes", "",
             "Written by `tools/benchmarks/write_profile.py`, whose head says how it measures.", ""]
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/perf.data"
        prefill = run_bench(arguments.program, arguments.model, ["--contexts", str(PROMPT), "--decode-tokens", "1"], data)
        prefill_shares = by_part(samples(data))
        decode = run_bench(arguments.program, arguments.model, ["--contexts", "16", "--decode-tokens", str(DECODED)], data)
        decode_shares = by_part(samples(data))
    lines += [f"Weights as stored in the checkpoint ({prefill[0]['storage']}), 2 threads; {date.today()}.", ""]
    lines += table(f"Prefill of {PROMPT} tokens", prefill[0], prefill_shares)
    lines += table(f"One decoded token, of {DECODED} after 16", decode[1], decode_shares)
    arguments.out.write_text("\n".join(lines))
    print(f"{arguments.out} written")


if __name__ == "__main__":
    main()
