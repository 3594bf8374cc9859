#!/usr/bin/env python3
"""Step 1: the vision tower learns what is where, with a dense head that is thrown away afterwards.

    python tools/demo_model/train_vision.py WORK [--minutes 75] [--start CHECKPOINT]

Each of the 8 x 8 soft tokens, after `embed_vision`, has to say which colour, kind and size the shape has that covers its
part of the picture, in which cell that shape's centre lies, and whether it is this one: a convolution does not tell where
it is unless it is asked. It also has to be near the words for what it shows, so that what is seen can be said. The output of stages 0, 1 and 2 has to name colour and kind, each by a head of its own: without
these the tower learns edges first, becomes blind to colour, and stays so. Colours are known after 2,000 pictures; kinds
seem to stand still until 4,000, and then come quickly. Pictures are drawn as they are needed, never twice.
Writes WORK/vision.pt after every 200 steps and goes on from there.
"""

import argparse
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import model as demo
import pictures
import tokens
from tower_training import TowerTraining

BATCH = 16
PEAK_RATE = 8e-4
KINDS_IN = 100  # steps until kinds count in full


def batch(random, count):
    scenes = [pictures.random_scene(random, int(random.choice([1, 2, 3, 4, 5], p=[0.3, 0.25, 0.2, 0.15, 0.1])))
              for _ in range(count)]
    x = np.stack([pictures.draw(s) for s in scenes]).astype(np.float32) / 255
    x = torch.from_numpy(x).permute(0, 3, 1, 2)  # NHWC in memory: channels_last
    return x, *targets(scenes)


def targets(scenes):
    """What `pictures.cells` says of each cell, [scenes, cells] each."""
    found = zip(*(pictures.cells(s, pictures.GRID) for s in scenes))
    return tuple(torch.from_numpy(np.stack(values)).flatten(1) for values in found)


class Head(nn.Module):
    """Names colour and kind of each cell and whether a centre lies there; if `tells_place`, size and place as well."""

    def __init__(self, width, tells_place=False):
        super().__init__()
        places = (len(pictures.RADII), pictures.GRID, pictures.GRID) if tells_place else ()
        self.sizes = len(pictures.COLOURS) + 1, len(pictures.KINDS) + 1, 1, *places
        self.linear = nn.Linear(width, sum(self.sizes))

    def forward(self, x, colour, kind, size, row, column, centre, kind_share):
        """x [B, cells, width]; kind_share: how much kinds count, 0 to 1.

        Returns the loss, and how often each is right where a shape's centre is.
        """
        c, k, m, *places = self.linear(x).split(self.sizes, dim=-1)
        weight = torch.ones(self.sizes[0])
        weight[0] = 0.25  # of a cell without a shape
        loss = F.cross_entropy(c.flatten(0, 1), colour.flatten() + 1, weight=weight)
        loss = loss + 1.5 * kind_share * F.cross_entropy(k.flatten(0, 1), kind.flatten() + 1, weight=weight[: self.sizes[1]])
        loss = loss + 0.5 * F.binary_cross_entropy_with_logits(m.squeeze(-1), centre, pos_weight=torch.tensor(3.0))
        for p, t in zip(places, (size, row, column)):
            loss = loss + 0.3 * F.cross_entropy(p.flatten(0, 1), t.flatten(), ignore_index=-1)
        shown = centre > 0
        answers = ((c, colour + 1), (k, kind + 1), *zip(places, (size, row, column)))
        return loss, [(p.argmax(-1) == t)[shown].float().mean().item() for p, t in answers]


def likeness_to_words(soft, vocabulary, words, named):
    """A cell that shows a large red square has to be nearer to "large", "red" and "square" than to the other sizes,
    colours and kinds, as the vocabulary head sees it.

    soft [B, cells, width]; words: ids of colours, kinds and sizes; named: which of them each cell shows, -1 for none.
    """
    loss = torch.zeros(())
    for ids, name in zip(words, named):
        shown = name >= 0
        loss = loss + F.cross_entropy(soft[shown] @ vocabulary[ids].T, name[shown])
    return loss


class Heads(nn.Module):
    """One head after `embed_vision`, and helpers after stages 0, 1 and 2."""

    NAMES = "colour", "kind", "size", "row", "column"

    def __init__(self, tower, width):
        super().__init__()
        self.last = Head(width, tells_place=True)
        self.helpers = nn.ModuleDict({"0": Head(16), "1": Head(24), "2": Head(48)})
        self.states = {}
        for stage in self.helpers:
            tower.blocks[int(stage)].register_forward_hook(
                lambda module, inputs, output, stage=stage: self.states.__setitem__(stage, output))

    def forward(self, soft, *targets):
        loss, right = self.last(soft, *targets)
        for stage, head in self.helpers.items():
            x = F.adaptive_avg_pool2d(self.states[stage], pictures.GRID)
            x = F.rms_norm(x.flatten(2).transpose(1, 2), (x.shape[1],))
            loss = loss + 0.5 * head(x, *targets)[0]
        return loss, right


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--start", type=pathlib.Path, help="a checkpoint whose vision tower is to go on learning")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    demo.set_up_process()

    model = demo.new_model(arguments.seed)
    demo.skip_idle_blocks(model)
    if arguments.start:
        demo.load_checkpoint(model, arguments.start)
    tokenizer = tokens.tokenizer(arguments.work, arguments.start)
    words = [tokens.words(tokenizer, names) for names in (pictures.COLOURS, pictures.KINDS, pictures.RADII)]
    vocabulary = model.lm_head.weight.detach()
    tower, embed = demo.vision_encoder(model).to(memory_format=torch.channels_last), model.model.embed_vision
    head = Heads(tower, 128)
    training = TowerTraining("vision", arguments.work, arguments.minutes, PEAK_RATE, tower, embed, head)
    seen = []

    def loss_of_step(step):
        x, *wanted = batch(np.random.default_rng([arguments.seed, 1, step]), BATCH)
        soft = tower(x).flatten(2).transpose(1, 2) * 2048**0.5
        soft = embed(inputs_embeds=soft)
        loss, right = head(soft, *wanted, float(np.clip(step / KINDS_IN, 0.2, 1)))
        seen.append([loss.item(), *right])
        return loss + 0.3 * likeness_to_words(soft, vocabulary, words, wanted)

    def after_step(*_):
        if training.step % 50 == 0:
            loss, *right = np.mean(seen[-50:], 0)
            training.log(pictures=training.step * BATCH, loss=loss, **dict(zip(Heads.NAMES, right)))

    training.run(loss_of_step, 200, after_step)


if __name__ == "__main__":
    main()
