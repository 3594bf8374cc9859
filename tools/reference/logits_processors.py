#!/usr/bin/env python3
"""Golden values of the logits processors: random scores and ids through transformers' own classes.

Writes logits_processors.safetensors (all tensors) and logits_processors.json (the list of cases):

    {"cases": [{"name": ..., "kind": "single" | "chain", "options": {...}, "prompt_length": n,
                "ids": tensor name, "scores": tensor name, "expected": tensor name}, ...]}

kind "single": one processor, named by its only option. kind "chain": all processors that
GenerationMixin would build from these GenerationConfig options, in its order.
ids [B, T] i64 are all tokens so far, scores [B, V] f32 the raw logits, expected [B, V] f32.
`padding` (optional): the number of left-padding ids of each row.
`splits_ties` (if true): a filter dropped some of several equal scores. Which ones depends on the
order in which a sort leaves equal keys, so only the number that is kept is meaningful there.
"""

import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import GenerationConfig, GenerationMixin, PreTrainedConfig
from transformers.generation import logits_process as lp

VOCAB, BATCH, LENGTH = 53, 3, 14
EOS = [1, 7]


def random_scores(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, VOCAB, generator=generator) * 3.0


def tied_scores(seed):
    """Scores on a coarse grid, so that borders of top-k and top-p fall on ties."""
    return torch.round(random_scores(seed))


def repetitive_ids(seed, vocabulary=VOCAB):
    """Ids in which words and n-grams repeat; the last three repeat an earlier run."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(8, vocabulary, (BATCH, LENGTH), generator=generator)
    ids[0, 4:8] = ids[0, 0:4]
    ids[0, -3:] = ids[0, 0:3]
    ids[1, -2:] = ids[1, 3:5]
    ids[2, :] = ids[2, 0]
    return ids


def processor_of(option, value, prompt_length, padding):
    """The transformers class behind one GenerationConfig option."""
    ignored = None if padding is None else torch.tensor(padding)
    eos = torch.tensor(EOS)
    return {
        "repetition_penalty": lambda: lp.RepetitionPenaltyLogitsProcessor(value, ignored),
        "no_repeat_ngram_size": lambda: lp.NoRepeatNGramLogitsProcessor(value),
        "bad_words_ids": lambda: lp.NoBadWordsLogitsProcessor(value, eos),
        "min_length": lambda: lp.MinLengthLogitsProcessor(value, eos),
        "min_new_tokens": lambda: lp.MinNewTokensLengthLogitsProcessor(prompt_length, value, eos),
        "temperature": lambda: lp.TemperatureLogitsWarper(value),
        "top_k": lambda: lp.TopKLogitsWarper(value),
        "top_p": lambda: lp.TopPLogitsWarper(value),
        "min_p": lambda: lp.MinPLogitsWarper(value),
        "typical_p": lambda: lp.TypicalLogitsWarper(value),
    }[option]()


def chain_of(options, prompt_length, padding):
    """The processors that generate() builds from these options."""

    class Model(GenerationMixin):
        config = PreTrainedConfig()

    config = GenerationConfig(eos_token_id=EOS, pad_token_id=0, **options)
    config._eos_token_tensor = torch.tensor(EOS)
    mask = torch.ones(BATCH, prompt_length, dtype=torch.long)
    for row, count in enumerate(padding or []):
        mask[row, :count] = 0
    return Model()._get_logits_processor(
        generation_config=config,
        input_ids_seq_length=prompt_length,
        device="cpu",
        model_kwargs={"attention_mask": mask},
    )


def single_cases(ids):
    first, second, last = int(ids[0, 0]), int(ids[0, 1]), int(ids[0, -1])
    yield from (("repetition_penalty", v) for v in (0.5, 1.2, 3.0))
    yield from (("no_repeat_ngram_size", v) for v in (1, 2, 3, 4, LENGTH, LENGTH + 5))
    yield "bad_words_ids", [[9], [int(ids[1, -1]), 20], [last, 11], [first, second, int(ids[0, 2]), 30]]
    yield "bad_words_ids", [[1], [7], [12, 1], [40, 41, 42, 43, 44, 45, 46, 47, 48, 8, 8, 8, 8, 8, 8, 8]]
    yield from (("min_length", v) for v in (1, LENGTH, LENGTH + 1))
    yield from (("min_new_tokens", v) for v in (1, 4, 5))
    yield from (("temperature", v) for v in (0.1, 0.7, 1.5, 100.0))
    yield from (("top_k", v) for v in (1, 2, 5, VOCAB, VOCAB + 9))
    yield from (("top_p", v) for v in (0.001, 0.3, 0.5, 0.9, 0.999))
    yield from (("min_p", v) for v in (0.001, 0.05, 0.3, 1.0))
    yield from (("typical_p", v) for v in (0.05, 0.2, 0.5, 0.9, 0.99))


CHAINS = [
    {"do_sample": True, "temperature": 1.0, "top_k": 64, "top_p": 0.95},
    {"do_sample": True, "temperature": 0.6, "top_k": 10, "top_p": 0.8},
    {"do_sample": True, "temperature": 1.7, "top_k": 0, "top_p": 0.9, "min_p": 0.02},
    {"do_sample": True, "temperature": 0.9, "top_k": 20, "top_p": 1.0, "typical_p": 0.7},
    {"do_sample": True, "temperature": 0.8, "top_k": 12, "top_p": 0.9, "min_p": 0.05, "typical_p": 0.9},
    {"do_sample": False, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    {"do_sample": False, "repetition_penalty": 1.3, "bad_words_ids": [[9], [10, 11]], "min_length": 40},
    {"do_sample": True, "repetition_penalty": 0.8, "no_repeat_ngram_size": 3, "min_new_tokens": 9,
     "temperature": 1.2, "top_k": 15, "top_p": 0.85, "min_p": 0.01, "typical_p": 0.95},
]


def splits_ties(scores, expected):
    """Whether some row keeps one and drops another of two equal scores."""
    kept = torch.isfinite(expected)
    for row_scores, row_kept in zip(scores, kept):
        both = set(row_scores[row_kept].tolist()) & set(row_scores[~row_kept].tolist())
        if both - {-float("inf")}:
            return True
    return False


BORDERS = {"top_k", "top_p", "min_p", "typical_p"}  # options that drop by comparing scores


class Writer:
    def __init__(self):
        self.tensors, self.cases = {}, []

    def add(self, name, kind, options, processors, ids, scores, prompt_length, padding=None):
        given = scores.clone()
        expected = processors(ids, scores.clone())
        assert torch.equal(given, scores) and not torch.isnan(expected).any()
        prefix = f"{len(self.cases):03d}"
        entry = {"name": name, "kind": kind, "options": options, "prompt_length": prompt_length}
        if padding is not None:
            entry["padding"] = padding
        if BORDERS & options.keys() and splits_ties(given, expected):
            entry["splits_ties"] = True
        for role, tensor in (("ids", ids), ("scores", given), ("expected", expected)):
            entry[role] = self.store(f"{prefix}.{role}", tensor)
        self.cases.append(entry)

    def store(self, name, tensor):
        """Stores a tensor once; equal ones share the first name."""
        for known, other in self.tensors.items():
            if other.dtype == tensor.dtype and other.shape == tensor.shape and torch.equal(other, tensor):
                return known
        self.tensors[name] = tensor.contiguous()
        return name


def build():
    writer = Writer()
    prompt_length = LENGTH - 4
    ids = repetitive_ids(1)
    inputs = {"plain": random_scores(2), "ties": tied_scores(3), "masked": random_scores(4)}
    inputs["masked"][:, 5::3] = -float("inf")  # what an earlier processor leaves behind
    for option, value in single_cases(ids):
        for kind, scores in inputs.items():
            processor = processor_of(option, value, prompt_length, None)
            writer.add(f"{option}={value} {kind}", "single", {option: value}, processor, ids, scores, prompt_length)

    padded = ids.clone()
    padding = [0, 3, 5]
    for row, count in enumerate(padding):
        padded[row, :count] = 0
    processor = processor_of("repetition_penalty", 1.4, prompt_length, padding)
    writer.add("repetition_penalty=1.4 left padding", "single", {"repetition_penalty": 1.4}, processor, padded,
               inputs["plain"], prompt_length, padding)
    for index, options in enumerate(CHAINS):
        for kind, scores in (("plain", inputs["plain"]), ("ties", inputs["ties"])):
            chain = chain_of(options, prompt_length, None)
            writer.add(f"chain {index} {kind}", "chain", options, chain, ids, scores, prompt_length)
        chain = chain_of(options, prompt_length, padding)
        writer.add(f"chain {index} padded", "chain", options, chain, padded, inputs["plain"], prompt_length, padding)
    return writer


def json_lines(description):
    """JSON with one case a line, so that a diff shows cases."""
    cases = ",\n".join(json.dumps(case) for case in description["cases"])
    head = json.dumps({k: v for k, v in description.items() if k != "cases"})[:-1]
    return f'{head}, "cases": [\n{cases}\n]}}\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tests/golden/fixtures"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    writer = build()
    save_file(writer.tensors, out / "logits_processors.safetensors")
    description = {"vocab_size": VOCAB, "eos_token_id": EOS, "cases": writer.cases}
    (out / "logits_processors.json").write_text(json_lines(description))
    print(f"{len(writer.cases)} cases, {len(writer.tensors)} tensors")


if __name__ == "__main__":
    main()
