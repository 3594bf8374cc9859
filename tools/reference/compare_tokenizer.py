#!/usr/bin/env python3
"""Compares the tokenizer with `tokenizers` and transformers on random and real texts.

    python tools/reference/compare_tokenizer.py MODEL_DIR PROGRAM [--texts 100000] [--ids 20000]
                                                [--seed 0] [--real FILE ...]

PROGRAM is build/release/.../tokenize_lines (tests/golden/tokenizer/tokenize_lines.cc). MODEL_DIR has
tokenizer.json, tokenizer_config.json and config.json. Every text is encoded by PROGRAM, by
tokenizers.Tokenizer.from_file and by AutoTokenizer; every list of ids is decoded by AutoTokenizer and
by PROGRAM, whole and token by token, with and without special tokens. Exit status 1 on a difference.
"""
import argparse
import pathlib
import random
import subprocess
import sys

from tokenizers import Tokenizer
from transformers import AutoTokenizer

BLOCKS = [(0x20, 0x7F), (0x20, 0x7F), (0, 0x20), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530),
          (0x590, 0x700), (0x900, 0xE00), (0xE00, 0x1100), (0x2000, 0x2070), (0x2100, 0x2800),
          (0x3000, 0x3100), (0x4E00, 0xA000), (0xAC00, 0xD7A4), (0xFE00, 0xFE10), (0xFF00, 0xFFFF),
          (0x1F300, 0x1FAFF), (0x10000, 0x110000), (0xE000, 0xF900)]
SPACES = [" ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u2581", "\u2581\u2581", "\u3000"]


class Texts:
    """Random texts of many kinds; the same seed gives the same texts."""

    def __init__(self, rng, vocabulary, added, real):
        self.rng = rng
        self.pieces = sorted(vocabulary)
        self.added = sorted(added)
        self.real = real
        self.kinds = [self.characters, self.from_pieces, self.from_added, self.runs, self.few_letters,
                      self.from_real, self.from_real, self.changed_real]

    def characters(self):
        blocks = self.rng.sample(BLOCKS, self.rng.randint(1, 4))
        characters = []
        for _ in range(self.rng.randint(0, 60)):
            code = self.rng.randrange(*self.rng.choice(blocks))
            characters.append(" " if 0xD800 <= code < 0xE000 else chr(code))
        return "".join(characters)

    def from_pieces(self):
        joint = self.rng.choice(["", "", " ", "\u2581", "\n"])
        return joint.join(self.rng.choice(self.pieces) for _ in range(self.rng.randint(1, 15)))

    def from_added(self):
        parts = []
        for _ in range(self.rng.randint(1, 8)):
            token = self.rng.choice(self.added)
            cut = self.rng.randint(0, len(token))
            parts.append(self.rng.choice([token, token, token[:cut], token[cut:], self.words(2),
                                          self.rng.choice(SPACES)]))
        return "".join(parts)

    def runs(self):
        return "".join(self.rng.choice(SPACES + list("a=-1#*/_.e") + ["\u0301", "\U0001f600", "ha"])
                       * self.rng.randint(1, 70) for _ in range(self.rng.randint(1, 5)))

    def few_letters(self):
        letters = self.rng.sample("etaoinshr \u2581lucg,.'\"0189<>/u\n", self.rng.randint(2, 8))
        return "".join(self.rng.choice(letters) for _ in range(self.rng.randint(1, 120)))

    def words(self, count):
        start = self.rng.randrange(max(1, len(self.real) - 20 * count))
        return self.real[start:start + self.rng.randint(1, 10 * count)]

    def from_real(self):
        return self.words(self.rng.randint(1, 60))

    def changed_real(self):
        text = list(self.from_real())
        for _ in range(self.rng.randint(1, 5)):
            text.insert(self.rng.randint(0, len(text)), self.rng.choice([self.characters, self.runs])()[:5])
        return "".join(text)

    def __iter__(self):
        while True:
            yield self.rng.choice(self.kinds)()


def random_ids(rng, limit, vocabulary):
    bytes_ = [vocabulary[f"<0x{b:02X}>"] for b in range(256)]
    ids = []
    for _ in range(rng.randint(0, 12)):
        kind = rng.randrange(5)
        if kind == 0:
            ids += [bytes_[b] for b in rng.choice(["\u00e9", "\U0001f600", "\u4e2d", "a"]).encode()]
        elif kind == 1:
            ids += [rng.choice(bytes_) for _ in range(rng.randint(1, 3))]
        elif kind == 2:
            ids.append(rng.randrange(min(300, limit)))
        else:
            ids.append(rng.randrange(limit + limit // 100))
    return ids


def ask(program, model_dir, requests):
    run = subprocess.run([program, model_dir], input="\n".join(requests) + "\n", text=True, capture_output=True)
    if run.returncode:
        sys.exit(f"{program} failed: {run.stderr}")
    answers = run.stdout.split("\n")[:-1]
    assert len(answers) == len(requests), (len(answers), len(requests))
    return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model_dir")
    parser.add_argument("program")
    parser.add_argument("--texts", type=int, default=100000)
    parser.add_argument("--ids", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", nargs="*", default=[__file__], help="UTF-8 text files to take pieces of")
    args = parser.parse_args()

    raw = Tokenizer.from_file(f"{args.model_dir}/tokenizer.json")
    auto = AutoTokenizer.from_pretrained(args.model_dir)._tokenizer
    vocabulary = raw.get_vocab()
    added = [token.content for token in raw.get_added_tokens_decoder().values()]
    real = "\n".join(pathlib.Path(path).read_text(errors="replace") for path in args.real)
    rng = random.Random(args.seed)

    texts = [text for text, _ in zip(Texts(rng, vocabulary, added, real), range(args.texts))]
    texts += [line for line in real.split("\n") if line]
    id_lists = [random_ids(rng, max(vocabulary.values()), vocabulary) for _ in range(args.ids)]
    differences = 0

    def check(what, given, expected, found):
        nonlocal differences
        if expected != found:
            differences += 1
            if differences <= 10:
                print(f"{what} {given!r}\n  expected {expected!r}\n  found    {found!r}")

    requests = ["E " + text.encode().hex() for text in texts]
    found = ask(args.program, args.model_dir, requests)
    for text, answer, one, two in zip(texts, found, raw.encode_batch(texts), auto.encode_batch(texts)):
        check("encode, tokenizers", text, " ".join(map(str, one.ids)), answer)
        check("encode, transformers", text, " ".join(map(str, two.ids)), answer)

    id_lists += [[int(x) for x in answer.split()] for answer in found[:args.ids]]
    for kind, skip in (("d", False), ("D", True), ("s", False), ("S", True)):
        answers = ask(args.program, args.model_dir, [f"{kind} {' '.join(map(str, ids))}" for ids in id_lists])
        for ids, answer in zip(id_lists, answers):
            check(f"decode {kind}", ids, auto.decode(ids, skip_special_tokens=skip), bytes.fromhex(answer).decode())

    print(f"{len(texts)} texts, {sum(map(len, texts))} characters, {4 * len(id_lists)} decodes: "
          f"{differences} differences")
    return differences > 0


if __name__ == "__main__":
    sys.exit(main())
