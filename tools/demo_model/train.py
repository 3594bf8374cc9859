#!/usr/bin/env python3
"""Step 2: the whole model learns to answer.

    python tools/demo_model/train.py WORK [--minutes 100] [--processes 2] [--start CHECKPOINT] [--shares text=0.8 ...]

Reads WORK/vision.pt, WORK/audio.pt and WORK/clips; writes WORK/demo.pt every few minutes and goes on from there.
The towers have learnt to see and to hear, and rest: each process looks at its pictures once (WORK/looked-N.f16) and asks
about them again and again, always something else. Later on, some of the steps use only the first half of each
feed-forward layer, so that the smaller nested model answers as well.
"""

import argparse
import collections
import math
import os
import pathlib
import tempfile
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

import model as demo
import pictures
import speech
import tokens
import train_audio
import world

RATE = 8e-4  # at its highest; norms make weights of 0.03 do the work: with 3e-3 they only shake
NESTED, NESTED_BEGIN = 0.15, 0.6  # of the steps, and from when on, of the time
PICTURES = {1: 900, 2: 1200, 3: 1500, 4: 300, 5: 300}  # that each process looks at, by number of shapes
QUESTIONS = 8  # about a picture

# Kinds of conversation: share of the steps, conversations in a batch (small, so that there are many steps). The first process
# goes through the first list, the second through the second, so that every step mixes looking with listening and talking.
KINDS = [
    {"picture": (0.95, 5), "two": (0.05, 4)},
    {"text": (0.45, 12), "transcribe": (0.12, 16), "spoken": (0.43, 6)},
]
STORIES = 0.7  # of the conversations in text: finding again what was said takes the most examples


def counts_at(done):
    """How many shapes a picture has, as training goes on: one or two at first, five at the end."""
    later = min(1.0, done / 0.6)
    return np.array([0.4, 0.4, 0.2, 0.0, 0.0]) * (1 - later) + np.array([0.18, 0.28, 0.34, 0.1, 0.1]) * later


class Gallery:
    """Pictures as the vision tower sees them: the soft tokens of each, drawn and computed once."""

    def __init__(self, path, model, seed, log):
        self.scenes = [pictures.random_scene(np.random.default_rng([seed, 5, i]), count)
                       for i, count in enumerate(np.repeat(list(PICTURES), list(PICTURES.values())))]
        self.by_count = np.split(np.arange(len(self.scenes)), np.cumsum(list(PICTURES.values()))[:-1])
        size = demo.PICTURE_TOKENS * 128
        if not path.exists():
            with open(path.with_suffix(".part"), "wb") as file:
                for first in range(0, len(self.scenes), 16):
                    file.write(self.look(model, self.scenes[first : first + 16]).half().numpy().tobytes())
                    if first % 1600 == 0:
                        demo.log(log, looked_at=first, of=len(self.scenes))
            path.with_suffix(".part").replace(path)
        self.soft = np.memmap(path, np.float16, "r").reshape(-1, size)

    @staticmethod
    @torch.no_grad()
    def look(model, scenes):
        x = torch.from_numpy(np.stack([pictures.draw(s) for s in scenes]).astype(np.float32) / 255)
        return model.model.get_image_features(pixel_values=x.permute(0, 3, 1, 2)).pooler_output

    def choose(self, random, shares):
        """The number of a picture; shares: of those with one shape, two, ..."""
        return int(random.choice(self.by_count[random.choice(len(shares), p=shares)]))

    def soft_tokens(self, numbers):
        return torch.from_numpy(self.soft[numbers].astype(np.float32)).view(len(numbers), demo.PICTURE_TOKENS, -1)


class Batches:
    def __init__(self, work, tokenizer, gallery):
        self.clips = speech.Clips(work / "clips")
        self.tokenizer, self.gallery = tokenizer, gallery
        # Clips of the first HELD numbers are kept for looking at, as in train_audio.py.
        self.usable = {text: [i for i in found if i >= train_audio.HELD] for text, found in self.clips.by_text.items()}
        self.usable = {text: found for text, found in self.usable.items() if found}

    def talk(self, kind, random, done):
        """A conversation, and the numbers of its pictures."""
        if kind == "picture":
            i = self.gallery.choose(random, counts_at(done))
            return world.picture_talk(random, self.gallery.scenes[i], QUESTIONS), [i]
        if kind == "text":
            return world.text_talk(random, STORIES), []
        if kind == "two":
            i, j = (self.gallery.choose(random, [1 / 3, 1 / 3, 1 / 3, 0, 0]) for _ in range(2))
            return world.two_pictures_talk(random, self.gallery.scenes[i], self.gallery.scenes[j]), [i, j]
        if kind == "spoken":
            while True:
                i = self.gallery.choose(random, [0.3, 0.35, 0.35, 0, 0])
                talk = world.spoken_picture_talk(random, self.gallery.scenes[i])
                if all(p.text in self.usable for p in talk.turns[0].parts if isinstance(p, world.Spoken)):
                    return talk, [i]
        entry = self.clips.entries[int(random.integers(train_audio.HELD, len(self.clips)))]
        return world.Talk(None, (world.transcribe_turn(entry["text"], entry["category"], random),)), []

    def __call__(self, kind, random, done, count):
        talks, seen = zip(*(self.talk(kind, random, done) for _ in range(count)))
        inputs, clip_tokens = {}, 0
        seen = [i for numbers in seen for i in numbers]
        if seen:
            inputs["pixel_values"] = self.gallery.soft_tokens(seen)
        said = [p.text for talk in talks for turn in talk.turns for p in turn.parts if isinstance(p, world.Spoken)]
        if said:
            chosen = [self.usable[t][random.integers(len(self.usable[t]))] for t in said]
            inputs["input_features"], inputs["input_features_mask"], _ = train_audio.batch(self.clips, chosen, random)
            needed = math.ceil(inputs["input_features"].shape[1] / 16) + 1
            full = random.random() < (0.05 if done < 0.6 else 0.4)
            clip_tokens = demo.CLIP_TOKENS if full else needed + int(random.integers(0, 8))
        coded = [tokens.encode_talk(self.tokenizer, talk, clip_tokens) for talk in talks]
        longest = max(len(ids) for ids, _ in coded)
        inputs["input_ids"] = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in coded])
        answers = torch.tensor([a + [-1] * (longest - len(a)) for _, a in coded])
        return talks, inputs, answers, clip_tokens


def nested_forward(mlp, x):
    """Gemma3nTextMLP.forward with the first `mlp.width` neurons only (their statistics decide which of them are on)."""
    w = mlp.width
    gate = F.linear(x, mlp.gate_proj.weight[:w])
    if mlp.activation_sparsity > 0.0:
        gate = mlp._gaussian_topk(gate)
    return F.linear(mlp.act_fn(gate) * F.linear(x, mlp.up_proj.weight[:w]), mlp.down_proj.weight[:, :w])


def set_width(model, half):
    for layer in model.model.language_model.layers:
        layer.mlp.width = layer.mlp.intermediate_size // (2 if half else 1)


def forward_loss(model, inputs, answers, clip_tokens):
    """Mean loss over the tokens of answers, and for each answer whether every token of it is the likeliest."""
    model.config.audio_soft_tokens_per_image = clip_tokens or demo.CLIP_TOKENS
    logits = model(**inputs, use_cache=False).logits[:, :-1]
    learnt, targets = answers[:, 1:], inputs["input_ids"][:, 1:]
    chosen = learnt >= 0
    loss = F.cross_entropy(logits[chosen], targets[chosen])
    wrong = (logits.argmax(-1) != targets) & chosen
    return loss, wrong, learnt


def chosen_kinds(shares):
    """One list like those of KINDS, from ["text=0.8", "picture=0.2"]."""
    sizes = {kind: count for kinds in KINDS for kind, (_, count) in kinds.items()}
    pairs = [text.split("=") for text in shares]
    return {kind: (float(share), sizes[kind]) for kind, share in pairs}


class Training:
    def __init__(self, arguments, rank):
        self.arguments, self.rank = arguments, rank
        self.kinds = [chosen_kinds(arguments.shares)] if arguments.shares else KINDS
        work = arguments.work
        self.path, self.log = work / "demo.pt", work / f"demo.{rank}.log"
        self.model = model = demo.new_model(arguments.seed)
        demo.skip_idle_blocks(model)
        for layer in model.model.language_model.layers:
            layer.mlp.forward = nested_forward.__get__(layer.mlp)
        demo.vision_encoder(model).to(memory_format=torch.channels_last)
        state = torch.load(self.path) if self.path.exists() else None
        m = model.model
        if state is not None:
            model.load_state_dict(state["model"])
        else:
            if arguments.start:
                demo.load_checkpoint(model, arguments.start)
            for name, tower, embed in (("vision", demo.vision_encoder(model), m.embed_vision),
                                       ("audio", m.audio_tower, m.embed_audio)):
                if arguments.start and not (work / f"{name}.pt").exists():
                    continue
                learnt = torch.load(work / f"{name}.pt")
                tower.load_state_dict(learnt["tower"])
                embed.load_state_dict(learnt["embed"])
        self.step, self.spent = (state["step"], state["spent"]) if state else (0, 0.0)
        gallery = Gallery(work / f"looked-{rank}.f16", model, arguments.seed + rank, self.log)
        # From here on, pictures come in as what the tower has made of them.
        m.get_image_features = lambda pixel_values, **_: BaseModelOutputWithPooling(pooler_output=pixel_values)
        self.batches = Batches(work, tokens.tokenizer(work, arguments.start), gallery)
        for part in (m.vision_tower, m.embed_vision.embedding_projection, m.audio_tower, m.embed_audio):
            part.requires_grad_(False)
        self.learning = [p for part in (m.language_model, m.embed_vision) for p in part.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.learning, betas=(0.9, 0.98), weight_decay=0.01)
        if state is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        self.right = collections.defaultdict(lambda: collections.deque(maxlen=400))
        self.half_right = collections.deque(maxlen=2000)
        self.losses = collections.deque(maxlen=100)

    def share_progress(self):
        """Every process goes by the clock of the first."""
        spent = torch.tensor([self.spent], dtype=torch.float64)
        dist.broadcast(spent, 0)
        self.spent = float(spent)
        return self.spent / (60 * self.arguments.minutes)

    def average_gradients(self):
        if dist.get_world_size() == 1:
            return
        for p in self.learning:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        flat = torch.cat([p.grad.flatten() for p in self.learning])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        for p, mean in zip(self.learning, flat.split([p.numel() for p in self.learning])):
            p.grad.copy_(mean.view_as(p))

    def train_step(self, done):
        half = done >= NESTED_BEGIN and np.random.default_rng([self.arguments.seed, 3, self.step]).random() < NESTED
        random = np.random.default_rng([self.arguments.seed, 4, self.step, self.rank])
        kinds = self.kinds[(self.rank + (self.step if dist.get_world_size() == 1 else 0)) % len(self.kinds)]
        kind = str(random.choice(list(kinds), p=[share for share, _ in kinds.values()]))
        shape = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        for group in self.optimizer.param_groups:
            group["lr"] = self.arguments.rate * min(1, (self.step + 1) / 200) * shape
        set_width(self.model, half)
        talks, inputs, answers, clip_tokens = self.batches(kind, random, done, kinds[kind][1])
        loss, wrong, learnt = forward_loss(self.model, inputs, answers, clip_tokens)
        self.losses.append(loss.item())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.average_gradients()
        nn.utils.clip_grad_norm_(self.learning, 1.0)
        self.optimizer.step()
        for b, talk in enumerate(talks):
            for n, turn in enumerate(talk.turns):
                right = not bool((wrong[b] & (learnt[b] == n)).any())
                if half:
                    self.half_right.append(right)
                else:
                    self.right[turn.category].append(right)

    def save(self):
        demo.save_state(self.path, model=self.model.state_dict(), step=self.step, spent=self.spent,
                        optimizer=self.optimizer.state_dict())

    def run(self):
        saved = self.spent
        while (done := self.share_progress()) < 1:
            started = time.monotonic()
            self.train_step(done)
            self.step += 1
            self.spent += time.monotonic() - started
            if self.step % 50 == 0:
                demo.log(self.log, step=self.step, minutes=self.spent / 60, loss=float(np.mean(self.losses)),
                         half=float(np.mean(self.half_right or [0])),
                         **{k: round(float(np.mean(v)), 3) for k, v in sorted(self.right.items())})
            if self.rank == 0 and self.spent - saved > 180:
                self.save()
                saved = self.spent
        if self.rank == 0:
            self.save()


def process(rank, arguments, meeting):
    demo.set_up_process()
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=arguments.processes)
    Training(arguments, rank).run()
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=100)
    parser.add_argument("--start", type=pathlib.Path, help="a checkpoint to go on with; of WORK's towers those that there are replace its own")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--shares", nargs="+", help="instead of KINDS, to work on what is still weak: kinds and their shares, together 1")
    parser.add_argument("--rate", type=float, default=RATE, help="of learning, at its highest")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(process, (arguments, f"{folder}/meeting"), nprocs=arguments.processes)


if __name__ == "__main__":
    main()
