#!/usr/bin/env python3
"""Writes what tests/golden/chat_template compares with: conversations and what transformers renders.

    python3 tools/reference/make_template_fixtures.py

conversations.jsonl      one request a line
expected_text.jsonl      the whole text: of every conversation for gemma, of a sample for the others
expected_checksum.json   CRC-32 of the text of every conversation, or "error", for every template

Needs transformers 5.23.0 and jinja2 3.1.6 (no torch).
"""

import json
import pathlib
import zlib

import template_conversations as tc

SEED = 20250626
CONVERSATIONS = 1000
SAMPLE = 24  # conversations with a whole text, per template other than gemma
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/chat_template"


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main():
    rng = tc.generator(SEED)
    lines = [tc.conversation(rng) for _ in range(CONVERSATIONS)]
    texts, sums = [], {}
    for path in sorted(FOLDER.glob("templates/*.jinja")):
        results = [tc.render(path.read_text(), line) for line in lines]
        sums[path.stem] = [
            "error" if "error" in r else format(zlib.crc32(r["text"].encode()), "08x") for r in results
        ]
        count = CONVERSATIONS if path.stem == "gemma" else SAMPLE
        for i, result in enumerate(results[:count]):
            # Only what a template says itself is compared; Python's own messages are not promised.
            if not result.pop("raised", True):
                result = {"error": ""}
            texts.append({"template": path.stem, "conversation": i, **result})
        print(path.stem, sums[path.stem].count("error"), "errors")
    (FOLDER / "conversations.jsonl").write_text("".join(dump(line) + "\n" for line in lines))
    (FOLDER / "expected_text.jsonl").write_text("".join(dump(line) + "\n" for line in texts))
    rows = ",\n".join(f"{dump(name)}:{dump(row)}" for name, row in sums.items())
    (FOLDER / "expected_checksum.json").write_text("{\n" + rows + "\n}\n")


if __name__ == "__main__":
    main()
