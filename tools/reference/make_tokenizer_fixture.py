#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/: a Gemma-shaped tokenizer of about 1,400 tokens, and what transformers
makes of some thousand texts and id lists with it.

    python tools/reference/make_tokenizer_fixture.py [--out tests/golden/tokenizer]

As in Gemma's own file, every way to split a piece is a merge, in the order of the pieces, except that runs
of spaces and line feeds come first, longest first; so a merge may appear before those it is built from.
Beyond Gemma's, some added tokens strip whitespace or are looked for after normalisation.
cases.jsonl holds one object a line: {"text", "ids", "plain_ids"} or {"ids", "decoded", "skipped"}.
"""
import argparse
import json
import pathlib
import random
import tempfile

from tokenizers import Tokenizer, models, normalizers, trainers
from transformers import AutoTokenizer

from compare_tokenizer import Texts, random_ids

SPACE = "\u2581"
SEED = 20260
SHORT = 40  # characters of a case, so that all of them fit in git

CONTROL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>",
           "<start_of_image>", "<image_soft_token>"]
ORDINARY = ["<unused0>", "<unused1>", "<unused11>", "<b>", "</b>", "\n", "\n\n", "\n\n\n", "\t", SPACE * 2]
FLAGS = {"<left>": dict(lstrip=True), "<right>": dict(rstrip=True), "<both>": dict(lstrip=True, rstrip=True),
         f"{SPACE}normal": dict(normalized=True), "normalize": dict(normalized=True)}
TEXT = """
The tokenizer turns a text into numbers and numbers into a text. What it learns are the pieces that come
again and again: the, that, and, ing, tion, er. In the beginning there were characters; then two of them
were joined, and then two of those, until there was a word. A word may begin with a space, or with none.
def encode(text): return [token for token in split(text) if token is not None]   # a comment
    for (int i = 0; i < n; ++i) { sum += values[i] * weights[i]; }  // another one, with 1234567890
Der Zug f\u00e4hrt \u00fcber die Br\u00fccke, und die Kinder winken. O\u00f9 est la gare, s'il vous pla\u00eet ? \u00bfD\u00f3nde est\u00e1 la estaci\u00f3n?
\u041f\u043e\u0435\u0437\u0434 \u0438\u0434\u0451\u0442 \u0447\u0435\u0440\u0435\u0437 \u043c\u043e\u0441\u0442, \u0438 \u0434\u0435\u0442\u0438 \u043c\u0430\u0448\u0443\u0442 \u0440\u0443\u043a\u043e\u0439. \u4eca\u5929\u5929\u6c14\u5f88\u597d\uff0c\u6211\u4eec\u53bb\u516c\u56ed\u3002\u4eca\u5929\u6211\u4eec\u5b66\u4e60\u3002
\u092f\u0939 \u090f\u0915 \u0935\u093e\u0915\u094d\u092f \u0939\u0948\u0964 \u0647\u0630\u0647 \u062c\u0645\u0644\u0629 \u0642\u0635\u064a\u0631\u0629. \U0001f600 \U0001f600\U0001f600 \u2764\ufe0f e\u0301 e\u0301 o\u0308
How many apples are in the basket? There are three red apples and four green ones, so the answer is seven.
"""


def learn_pieces(count):
    """Pieces in the order of learning, characters first. Without words, so some pieces span a space."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.train_from_iterator(TEXT.strip().split("\n"), trainers.BpeTrainer(vocab_size=count, show_progress=False))
    vocab = json.loads(tokenizer.to_str())["model"]["vocab"]
    return sorted(vocab, key=vocab.get)


def all_merges(vocab, runs):
    merges = []
    for piece in runs + [piece for piece in vocab if piece not in runs]:
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        splits = [pair for pair in splits if pair[0] in vocab and pair[1] in vocab]
        merges += sorted(splits, key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
    return merges


def added_token(content, index):
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False)
    return {"id": index, "content": content} | flags | FLAGS.get(content, {}) | {"special": content in CONTROL[:4] + CONTROL[5:]}


def tokenizer_json():
    fixed = CONTROL + ORDINARY + list(FLAGS)
    runs = [c * n for c in (SPACE, "\n") for n in range(12, 1, -1)]
    names = fixed + [f"<0x{b:02X}>" for b in range(256)] + ["\n", SPACE] + runs + learn_pieces(1100)
    names += ["<0xC3>\u00a9", "<0x0A>a"]  # merges that take byte tokens
    vocab = {name: index for index, name in enumerate(dict.fromkeys(names))}
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    a = {"Sequence": {"id": "A", "type_id": 0}}
    mergeable = {piece: index for piece, index in vocab.items() if piece not in fixed or piece in ("\n", "\n\n", SPACE * 2)}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added_token(content, vocab[content]) for content in fixed],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {"type": "TemplateProcessing", "single": [bos, a], "pair": [bos, a, bos, a],
                           "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": all_merges(mergeable, runs)},
    }


def cases(folder, count):
    reference = AutoTokenizer.from_pretrained(folder)._tokenizer
    vocabulary = reference.get_vocab()
    rng = random.Random(SEED)
    texts = {"", " ", TEXT[:SHORT * 5]}
    for text in Texts(rng, vocabulary, CONTROL + ORDINARY + list(FLAGS), TEXT):
        texts.add(text[:SHORT])
        if len(texts) == count:
            break
    for text in sorted(texts):
        yield {"text": text, "ids": reference.encode(text).ids,
               "plain_ids": reference.encode(text, add_special_tokens=False).ids}
    for _ in range(count // 5):
        ids = random_ids(rng, max(vocabulary.values()), vocabulary)
        yield {"ids": ids, "decoded": reference.decode(ids, skip_special_tokens=False),
               "skipped": reference.decode(ids, skip_special_tokens=True)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default="tests/golden/tokenizer")
    parser.add_argument("--cases", type=int, default=2400)
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    compact = dict(ensure_ascii=False, separators=(",", ":"))
    config = {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "image_token": "<image_soft_token>",
              "model_max_length": 10**30}
    with tempfile.TemporaryDirectory() as folder:
        for name, value in (("tokenizer.json", tokenizer_json()), ("tokenizer_config.json", config)):
            text = json.dumps(value, **compact) + "\n"
            (out / name).write_text(text)
            (pathlib.Path(folder) / name).write_text(text)
        (pathlib.Path(folder) / "config.json").write_text('{"model_type": "gemma3n"}')
        lines = [json.dumps(case, **compact) + "\n" for case in cases(folder, args.cases)]
    (out / "cases.jsonl").write_text("".join(lines))
    print(f"{len(lines)} cases, {sum(f.stat().st_size for f in out.glob('*.json*')) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
