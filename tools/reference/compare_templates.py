#!/usr/bin/env python3
"""Compares the program with transformers on new conversations.

    python3 tools/reference/compare_templates.py build/release/tests/golden/chat_template/render_lines --seed 7

Renders every template of tests/golden/chat_template/templates, and any *.jinja file named, both ways.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import template_conversations as tc

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/chat_template/templates"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("templates", nargs="*", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=500, help="conversations per template")
    options = parser.parse_args()
    total = differences = errors = 0
    for path in sorted(TEMPLATES.glob("*.jinja")) + options.templates:
        template = path.read_text()
        rng = tc.generator(options.seed)
        lines = [tc.conversation(rng) for _ in range(options.count)]
        requests = [dict(line, template=template, special_tokens=tc.SPECIAL_TOKENS) for line in lines]
        got = subprocess.run(
            [options.program], input="\n".join(map(json.dumps, requests)), capture_output=True, text=True, check=True
        ).stdout.split("\n")
        for line, answer in zip(lines, got):
            ours, theirs = json.loads(answer), tc.render(template, line)
            total += 1
            errors += "error" in theirs
            same = "error" in ours if "error" in theirs else ours == theirs
            if theirs.get("raised"):
                same = same and theirs["error"] in ours["error"]
            if not same:
                differences += 1
                if differences <= 5:
                    print(path.name, json.dumps(line), f"\n  ours   {ours}\n  theirs {theirs}")
    print(f"{total} renderings, {errors} of them errors, {differences} differences")
    return differences != 0


if __name__ == "__main__":
    sys.exit(main())
