"""Greedy continuations of generate(): single prompts, a left-padded batch, end tokens, processors."""

import torch

NEW_TOKENS = 24
TRIES = 60
MIN_GAP = 1e-3  # of the largest score: the winner must not depend on float32 rounding


def generate(model, ids, mask, **options):
    if model.config.sliding_window == 1:  # transformers' caches are wrong there: dump_golden.cache_works
        options = {k: v for k, v in options.items() if k != "cache_implementation"} | {"use_cache": False}
    return model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=NEW_TOKENS,
        pad_token_id=0,
        output_scores=True,
        return_dict_in_generate=True,
        **({"eos_token_id": None} | options),
    )


def smallest_gap(output, prompt_length):
    """Smallest distance of winner and second over all steps of unfinished rows, relative to the largest score."""
    gap = float("inf")
    for step, scores in enumerate(output.scores):
        alive = output.sequences[:, prompt_length + step] != 0
        top = scores.masked_fill(torch.isinf(scores), -1e9).topk(2, dim=-1).values[alive]
        if len(top):
            gap = min(gap, ((top[:, 0] - top[:, 1]) / top.abs().amax(-1)).min().item())
    return gap


def left_padded(rows):
    T = max(len(r) for r in rows)
    ids = torch.zeros(len(rows), T, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, T - len(row) :] = row
    return ids, (torch.arange(T)[None] >= T - torch.tensor([len(r) for r in rows])[:, None]).long()


def draw_rows(inputs, lengths):
    """Rows that start with bos, but for a single token, which would leave no choice."""
    return left_padded([inputs.ids(1, max(n, 2))[0, -n:] for n in lengths])


def draw_prompts(model, inputs, lengths):
    """Prompts whose greedy continuation is clear at every step; with their continuation."""
    for _ in range(TRIES):
        ids, mask = draw_rows(inputs, lengths)
        output = generate(model, ids, mask)
        produced_pad = (output.sequences[:, ids.shape[1] :] == 0).any()
        if not produced_pad and smallest_gap(output, ids.shape[1]) > MIN_GAP:
            return ids, mask, output.sequences
    raise RuntimeError(f"no prompts of lengths {lengths} with a clear continuation")


def end_tokens(sequences, prompt_length):
    """Two ids that end the first row early and the second late; the last may go on to the end."""
    return [sequences[0, prompt_length + 4].item(), sequences[1, prompt_length + 13].item()]


def add(golden, name, ids, mask, sequences, **options):
    golden.case(name, "greedy", {"input_ids": ids, "attention_mask": mask}, {"sequences": sequences},
                **({"max_new_tokens": NEW_TOKENS, "pad_token_id": 0, "eos_token_id": []} | options))


def greedy_cases(golden, model, inputs):
    W = model.config.sliding_window
    for name, length in (("greedy_one_token", 1), ("greedy_long_prompt", 2 * W + 5)):
        ids, mask, sequences = draw_prompts(model, inputs, [length])
        add(golden, name, ids, mask, sequences)
    ids, mask, sequences = draw_prompts(model, inputs, [W + 3, 2, 6])
    add(golden, "greedy_batch", ids, mask, sequences)
    static = generate(model, ids, mask, cache_implementation="static")
    assert torch.equal(static.sequences, sequences)
    add(golden, "greedy_batch_static", ids, mask, sequences, cache_implementation="static")

    eos = end_tokens(sequences, ids.shape[1])
    stopped = generate(model, ids, mask, eos_token_id=eos).sequences
    add(golden, "greedy_batch_eos", ids, mask, stopped, eos_token_id=eos)
    processed_cases(golden, model, inputs)


PROCESSED = {
    "greedy_repetition_penalty": {"repetition_penalty": 1.4},
    "greedy_no_repeat": {"no_repeat_ngram_size": 2},
}


def processed_cases(golden, model, inputs):
    for name, options in PROCESSED.items():
        for _ in range(TRIES):
            ids, mask = draw_rows(inputs, (7, 3))
            output = generate(model, ids, mask, **options)
            if smallest_gap(output, ids.shape[1]) > MIN_GAP and not (output.sequences[:, ids.shape[1] :] == 0).any():
                add(golden, name, ids, mask, output.sequences, **options)
                break
        else:
            raise RuntimeError(f"{name}: no prompts with a clear continuation")
