#!/usr/bin/env python3
"""Step 1, on the other core: the audio tower learns to write down speech, with a CTC head that is thrown away afterwards.

    python tools/demo_model/train_audio.py WORK [--minutes 30]

Each soft token (160 ms), after `embed_audio`, names four steps of characters. Reads WORK/clips (speech.py makes it);
writes WORK/audio.pt after every 400 steps and goes on from there.
"""

import argparse
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import model as demo
import speech
from tower_training import TowerTraining

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
    head = Head(128)
    training = TowerTraining("audio", arguments.work, arguments.minutes, PEAK_RATE, model.model.audio_tower,
                             model.model.embed_audio, head)
    clips = speech.Clips(arguments.work / "clips")
    seen = []

    def loss_of_step(step):
        random = np.random.default_rng([arguments.seed, 2, step])
        # Neighbours in length share a batch: little padding.
        pool = sorted(random.integers(HELD, len(clips), 8 * BATCH), key=lambda i: clips.entries[i]["frames"])
        first = int(random.integers(8)) * BATCH
        x, mask, texts = batch(clips, pool[first : first + BATCH], random)
        return loss_of(*run(model, head, x, mask), texts)

    def after_step(loss, is_saved):
        seen.append(loss)
        if training.step % 50 == 0:
            training.log(loss=float(np.mean(seen[-50:])))
        if not is_saved:
            return
        exact = 0
        with torch.no_grad():
            for k in range(0, HELD, 50):
                x, mask, texts = batch(clips, range(k, k + 50))
                scores, lengths = run(model, head, x, mask)
                exact += sum(read(s, n) == t for s, n, t in zip(scores, lengths, texts))
        training.log(exact=exact / HELD)

    training.run(loss_of_step, 400, after_step)


if __name__ == "__main__":
    main()
