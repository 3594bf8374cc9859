#!/usr/bin/env python3
"""The demonstration model's card, from what `gemma3n eval --json` measured.

    python tools/demo_model/write_card.py EVAL.json models/demo/README.md
"""

import argparse
import json
import pathlib

# What was wanted of a category, in percent; the others were tried and are only reported.
WANTED = {
    "one object": 90,
    "what colour, up to three objects": 85,
    "what shape, up to three objects": 85,
    "is there, up to three objects": 85,
    "count to three": 85,
    "speech, known voices": 92,
    "speech, unseen voices": 85,
    "spoken question about a picture": 75,
    "closed-world chat": 90,
}

CARD = """---
license: apache-2.0
language: en
pipeline_tag: image-text-to-text
tags: [gemma3n, toy]
---

# The demonstration model of gemma3n

A toy: a complete `Gemma3nForConditionalGeneration` of {parameters:.1f} million parameters that was trained from nothing, on
two CPU cores, with made data only. It shows the program at work and gives the tests answers that mean something. It is
good for nothing else.

It knows

* pictures of one to three coloured shapes, which they are, how many, how big: circle, square, triangle, star, cross; red,
  orange, yellow, green, blue, purple, pink, black;
* short English speech of a synthesizer: numbers to 99, colours, a few dozen commands and sentences, questions about a
  picture; a tone and silence;
* a small world: eight people, opposites, days, sums to twenty, animals, what was said before in the conversation.

With the system prompt "Answer in one word." it does. About everything else it answers nonsense, as confidently.

## How often it is right

Measured by `gemma3n eval` on {items} new questions (float32, greedy, the whole answer exactly as expected). A third of the
pictures has backgrounds that training did not have.

| questions | items | right | 95% interval | wanted |
| --- | --- | --- | --- | --- |
{table}

What has no number beside it under "wanted" was tried and is reported as it is: it does not know which of two shapes is
farther left or above, hardly where they are, and gets lost among four shapes or in two pictures.

The questions are made by `tools/demo_model/make_dataset.py --seed 3000`, the model by the scripts beside it, in {hours:.1f} hours.
"""


def row(category):
    low, high = (100 * v for v in category["interval"])
    wanted = WANTED.get(category["category"])
    return (f"| {category['category']} | {category['items']} | {100 * category['accuracy']:.1f}% | {low:.1f} to {high:.1f}% | "
            f"{f'{wanted}%' if wanted else ''} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("eval", type=pathlib.Path)
    parser.add_argument("card", type=pathlib.Path)
    parser.add_argument("--parameters", type=float, default=11.6, help="millions")
    parser.add_argument("--hours", type=float, default=5.3, help="of training")
    arguments = parser.parse_args()
    measured = json.loads(arguments.eval.read_text())
    arguments.card.write_text(CARD.format(items=measured["items"], parameters=arguments.parameters, hours=arguments.hours,
                                          table="\n".join(row(c) for c in measured["categories"])))


if __name__ == "__main__":
    main()
