#!/usr/bin/env python3
"""Step 1, on the other core: the audio tower learns to write down speech, with a CTC head that is thrown away afterwards.

    python tools/demo_model/train_audio.py WORK [--minutes 30]

Each soft token (160 ms), after `embed_audio`, names four steps of characters. Reads WORK/clips (speech.py makes it);
writes WORK/audio.pt after every 200 steps and goes on from there.
"""

import argparse
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import model as demo
import speech

BATCH = 32
PEAK_RATE = 2e-3
STEPS = 4  # of CTC in one soft token
LETTERS = " abcdefghijklmnopqrstuvwxyz"  # 0 is the blank
HELD = 300  # clips kept for the number that is printed


def augment(x, random):
    """Louder or softer, and a band of frequencies missing."""
    x = x + random.uniform(-0.7, 0.7)
    if random.random() < 0.4:
        low = random.integers(0, 116)
        x[:, low : low + random.integers(1, 12)] = x.mean()
    return x


def batch(clips, chosen, random=None):
    """Padded features, mask (true where there is sound), texts."""
    parts = [clips.features(i) for i in chosen]
    if random is not None:
        parts = [augment(p, random) for p in parts]
    longest = max(map(len, parts))
    x = np.zeros((len(parts), longest, 128), np.float32)
    mask = np.zeros((len(parts), longest), bool)
    for row, part in enumerate(parts):
        x[row, : len(part)], mask[row, : len(part)] = part, True
    return torch.from_numpy(x), torch.from_numpy(mask), [clips.entries[i]["text"].replace("-", " ") for i in chosen]


class Head(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, STEPS * (len(LETTERS) + 1))

    def forward(self, x):
        """Log-probabilities [B, 4 T, letters]; the first token says nothing: it has heard too little."""
        y = self.linear(x).unflatten(-1, (STEPS, -1)).log_softmax(-1).clone()
        y[:, 0, :, 0], y[:, 0, :, 1:] = 0.0, -30.0
        return y.flatten(1, 2)


def run(model, head, x, mask):
    out = model.model.audio_tower(x, ~mask)  # transformers' towers take and give masks that are true where nothing is
    return head(model.model.embed_audio(inputs_embeds=out.last_hidden_state)), STEPS * (~out.audio_mel_mask).sum(-1)


def loss_of(scores, lengths, texts):
    targets = [torch.tensor([LETTERS.index(c) + 1 for c in t]) for t in texts]
    return F.ctc_loss(scores.transpose(0, 1), torch.cat(targets), lengths, torch.tensor([len(t) for t in targets]),
                      zero_infinity=True)


def read(scores, length):
    best, text, last = scores[:length].argmax(-1).tolist(), "", 0
    for b in best:
        if b != last and b:
            text += LETTERS[b - 1]
        last = b
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    demo.set_up_process()

    model = demo.new_model(arguments.seed)
    tower, embed, head = model.model.audio_tower, model.model.embed_audio, Head(128)
    for p in embed.embedding.parameters():
        p.requires_grad_(False)
    parameters = [p for m in (tower, embed, head) for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    path = arguments.work / "audio.pt"
    step, spent = 0, 0.0
    if path.exists():
        state = torch.load(path)
        tower.load_state_dict(state["tower"])
        embed.load_state_dict(state["embed"])
        head.load_state_dict(state["head"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]

    clips = speech.Clips(arguments.work / "clips")
    seen = []
    while spent < 60 * arguments.minutes:
        started = time.monotonic()
        done = spent / (60 * arguments.minutes)
        rate = PEAK_RATE * min(1, (step + 1) / 200) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        random = np.random.default_rng([arguments.seed, 2, step])
        # Neighbours in length share a batch: little padding.
        pool = random.integers(HELD, len(clips), 8 * BATCH)
        pool = sorted(pool, key=lambda i: clips.entries[i]["frames"])
        first = int(random.integers(8)) * BATCH
        scores, lengths = run(model, head, *(b := batch(clips, pool[first : first + BATCH], random))[:2])
        loss = loss_of(scores, lengths, b[2])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        seen.append(loss.item())
        step += 1
        spent += time.monotonic() - started
        last = spent >= 60 * arguments.minutes
        if step % 50 == 0:
            demo.log(arguments.work / "audio.log", step=step, minutes=spent / 60, loss=float(np.mean(seen[-50:])))
        if step % 400 == 0 or last:
            exact = 0
            with torch.no_grad():
                for k in range(0, HELD, 50):
                    x, mask, texts = batch(clips, range(k, k + 50))
                    scores, lengths = run(model, head, x, mask)
                    exact += sum(read(s, n) == t for s, n, t in zip(scores, lengths, texts))
            demo.log(arguments.work / "audio.log", step=step, exact=exact / HELD)
            demo.save_state(path, tower=tower.state_dict(), embed=embed.state_dict(), head=head.state_dict(),
                            optimizer=optimizer.state_dict(), step=step, spent=spent)


if __name__ == "__main__":
    main()
