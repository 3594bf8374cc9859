#!/usr/bin/env python3
"""Step 2: the whole model learns to answer.

    python tools/demo_model/train.py WORK [--minutes 90] [--processes 2]

Reads WORK/vision.pt, WORK/audio.pt and WORK/clips; writes WORK/demo.pt every few minutes and goes on from there.
The towers go on learning, slowly, that for vision after a rest; the heads of
train_vision.py and train_audio.py help them until most of the time is over. At the end the sleeping blocks of the vision
tower are woken. Later on, some of the steps use only the first half of each feed-forward layer, so that the
smaller nested model answers as well.
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

import model as demo
import pictures
import speech
import tokens
import train_audio
import train_vision
import world

TEXT_RATE, TOWER_RATE = 8e-4, 5e-4  # norms make weights of 0.03 do the work: with 3e-3 they only shake
VISION_RESTS = 0.95  # of the time: its heads are always right
HEADS_SHARE, HEADS_END = 0.3, 0.7  # how much the heads count at first, and when no more, of the time
NESTED, NESTED_BEGIN = 0.15, 0.6  # of the steps, and from when on, of the time
WORDS_SHARE = 0.3  # how much it counts that soft tokens look like the words for what they show

# Kinds of conversation: share of the steps, conversations in a batch. The first process goes through the first list,
# the second through the second, so that every step mixes looking with listening and talking.
KINDS = [
    {"picture": (0.88, 12), "two": (0.12, 8)},
    {"text": (0.38, 20), "transcribe": (0.22, 24), "spoken": (0.40, 12)},
]


def counts_at(done):
    """How many shapes a picture has, as training goes on: one or two at first, five at the end."""
    later = min(1.0, done / 0.6)
    shares = np.array([0.45, 0.35, 0.2, 0.0, 0.0]) * (1 - later) + np.array([0.30, 0.28, 0.26, 0.08, 0.08]) * later
    return dict(enumerate(shares / shares.sum(), start=1))


class Batches:
    def __init__(self, work, tokenizer):
        self.clips = speech.Clips(work / "clips")
        self.tokenizer = tokenizer
        # Clips of the first HELD numbers are kept for looking at, as in train_audio.py.
        self.usable = {text: [i for i in found if i >= train_audio.HELD] for text, found in self.clips.by_text.items()}
        self.usable = {text: found for text, found in self.usable.items() if found}

    def talk(self, kind, random, done):
        if kind == "picture":
            return world.picture_talk(random, counts_at(done))
        if kind == "text":
            return world.text_talk(random)
        if kind == "two":
            return world.two_pictures_talk(random)
        if kind == "spoken":
            counts = {1: 0.3, 2: 0.35, 3: 0.35} if done > 0.25 else {1: 0.6, 2: 0.4}
            while True:
                talk = world.spoken_picture_talk(random, counts)
                if all(p.text in self.usable for p in talk.turns[0].parts if isinstance(p, world.Spoken)):
                    return talk
        entry = self.clips.entries[int(random.integers(train_audio.HELD, len(self.clips)))]
        return world.Talk(None, (world.transcribe_turn(entry["text"], entry["category"], random),))

    def __call__(self, kind, random, done, count):
        talks = [self.talk(kind, random, done) for _ in range(count)]
        parts = [p for talk in talks for turn in talk.turns for p in turn.parts]
        inputs, clip_tokens = {}, 0
        scenes = [p for p in parts if isinstance(p, pictures.Scene)]
        helped = {}
        if scenes:
            helped["cells"] = train_vision.targets(scenes)
        if scenes:
            x = np.stack([pictures.draw(s) for s in scenes]).astype(np.float32) / 255
            inputs["pixel_values"] = torch.from_numpy(x).permute(0, 3, 1, 2)
        said = [p.text for p in parts if isinstance(p, world.Spoken)]
        if said:
            chosen = [self.usable[t][random.integers(len(self.usable[t]))] for t in said]
            inputs["input_features"], inputs["input_features_mask"], helped["words"] = train_audio.batch(
                self.clips, chosen, random)
            needed = math.ceil(inputs["input_features"].shape[1] / 16) + 1
            full = random.random() < (0.1 if done < 0.6 else 0.6)
            clip_tokens = demo.CLIP_TOKENS if full else needed + int(random.integers(0, 8))
        coded = [tokens.encode_talk(self.tokenizer, talk, clip_tokens) for talk in talks]
        longest = max(len(ids) for ids, _ in coded)
        inputs["input_ids"] = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in coded])
        answers = torch.tensor([a + [-1] * (longest - len(a)) for _, a in coded])
        return talks, inputs, answers, clip_tokens, helped


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


class Training:
    def __init__(self, arguments, rank):
        self.arguments, self.rank = arguments, rank
        work = arguments.work
        self.path, self.log = work / "demo.pt", work / f"demo.{rank}.log"
        if rank == 0 and not (work / "tokenizer" / "tokenizer.json").exists():
            (work / "tokenizer").mkdir(exist_ok=True)
            tokens.write_tokenizer(work / "tokenizer")
        dist.barrier()
        from tokenizers import Tokenizer

        self.batches = Batches(work, Tokenizer.from_file(str(work / "tokenizer" / "tokenizer.json")))
        self.model = model = demo.new_model(arguments.seed)
        self.sleeping = demo.skip_idle_blocks(model)
        for layer in model.model.language_model.layers:
            layer.mlp.forward = nested_forward.__get__(layer.mlp)
        demo.vision_encoder(model).to(memory_format=torch.channels_last)
        self.step, self.spent = 0, 0.0
        self.heads = nn.ModuleDict(
            {"vision": train_vision.Heads(demo.vision_encoder(model), 128), "audio": train_audio.Head(128)})
        self.kept = {}
        tokenizer = self.batches.tokenizer
        self.words = [torch.tensor([tokenizer.token_to_id(tokens.tiny_tokenizer.SPACE + w) for w in words])
                      for words in (pictures.COLOURS, pictures.KINDS, pictures.RADII)]
        self.keep_soft_tokens()
        state = torch.load(self.path) if self.path.exists() else None
        if state is None:
            if arguments.start:
                demo.load_checkpoint(model, arguments.start)
            for name, tower, embed in (("vision", demo.vision_encoder(model), model.model.embed_vision),
                                       ("audio", model.model.audio_tower, model.model.embed_audio)):
                if arguments.start and not (work / f"{name}.pt").exists():
                    continue
                learnt = torch.load(work / f"{name}.pt")
                tower.load_state_dict(learnt["tower"])
                embed.load_state_dict(learnt["embed"])
                self.heads[name].load_state_dict(learnt["head"])
        elif state["awake"]:
            self.wake()
        m = model.model
        self.towers = [p for part in (m.vision_tower, m.audio_tower) for p in part.parameters()]
        towers = set(self.towers)
        rest = [p for p in model.parameters() if p not in towers] + list(self.heads.parameters())
        self.optimizer = torch.optim.AdamW(
            [dict(params=rest, rate=TEXT_RATE), dict(params=self.towers, rate=TOWER_RATE)], betas=(0.9, 0.98),
            weight_decay=0.01)
        self.parts = [list(m.language_model.parameters()), list(m.vision_tower.parameters()),
                      list(m.audio_tower.parameters()), [*m.embed_vision.parameters(), *m.embed_audio.parameters()]]
        if state is not None:
            self.heads.load_state_dict(state["heads"])
            model.load_state_dict(state["model"])
            if state["optimizer"]:
                self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.spent = state["step"], state["spent"]
        self.right = collections.defaultdict(lambda: collections.deque(maxlen=400))
        self.half_right = collections.deque(maxlen=2000)
        self.losses = collections.deque(maxlen=100)

    def keep_soft_tokens(self):
        """The heads look at what the model makes of pictures and sounds on its way."""
        for name in ("get_image_features", "get_audio_features"):
            original = getattr(self.model.model, name)

            def keep(*arguments, name=name, original=original, **options):
                self.kept[name] = original(*arguments, **options)
                return self.kept[name]

            setattr(self.model.model, name, keep)

    def loss_of_heads(self, helped):
        """Zero if there are neither pictures nor sounds."""
        loss = torch.zeros(())
        if "cells" in helped:
            soft = self.kept["get_image_features"].pooler_output
            more, right = self.heads["vision"](soft, *helped["cells"], 1.0)
            loss = loss + more + WORDS_SHARE / HEADS_SHARE * self.likeness_to_words(soft, *helped["cells"])
            for name, value in zip(train_vision.Heads.NAMES, right):
                self.right[f"(cell {name})"].append(value)
        if "words" in helped:
            kept = self.kept["get_audio_features"]
            lengths = train_audio.STEPS * (~kept.audio_mel_mask).sum(-1)
            scores = self.heads["audio"](kept.pooler_output)
            loss = loss + train_audio.loss_of(scores, lengths, helped["words"])
        return loss

    def likeness_to_words(self, soft, *named):
        """A cell that shows a large red square has to be nearer to "large", "red" and "square" than to the other sizes,
        colours and kinds, as the vocabulary head sees it: what is seen can be said."""
        loss = torch.zeros(())
        for words, name in zip(self.words, named):
            shown = name >= 0
            scores = soft[shown] @ self.model.lm_head.weight[words].T
            loss = loss + F.cross_entropy(scores, name[shown])
        return loss

    def wake(self):
        demo.wake_blocks(self.sleeping, 0.02)
        demo.vision_encoder(self.model).to(memory_format=torch.channels_last)
        self.sleeping = []

    def share_progress(self):
        """Every process goes by the clock of the first."""
        spent = torch.tensor([self.spent], dtype=torch.float64)
        dist.broadcast(spent, 0)
        self.spent = float(spent)
        return self.spent / (60 * self.arguments.minutes)

    def average_gradients(self):
        if dist.get_world_size() == 1:
            return
        parameters = [p for p in (*self.model.parameters(), *self.heads.parameters()) if p.requires_grad]
        for p in parameters:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        flat = torch.cat([p.grad.flatten() for p in parameters])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        for p, mean in zip(parameters, flat.split([p.numel() for p in parameters])):
            p.grad.copy_(mean.view_as(p))

    def train_step(self, done):
        half = done >= NESTED_BEGIN and np.random.default_rng([self.arguments.seed, 3, self.step]).random() < NESTED
        random = np.random.default_rng([self.arguments.seed, 4, self.step, self.rank])
        kinds = KINDS[(self.rank + (self.step if dist.get_world_size() == 1 else 0)) % len(KINDS)]
        kind = str(random.choice(list(kinds), p=[share for share, _ in kinds.values()]))
        shape = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * min(1, (self.step + 1) / 200) * shape
        for p in self.model.model.vision_tower.parameters():
            p.requires_grad_(done >= VISION_RESTS)
        set_width(self.model, half)
        talks, inputs, answers, clip_tokens, helped = self.batches(kind, random, done, kinds[kind][1])
        loss, wrong, learnt = forward_loss(self.model, inputs, answers, clip_tokens)
        self.losses.append(loss.item())
        loss = loss + HEADS_SHARE * max(0.0, 1 - done / HEADS_END) * self.loss_of_heads(helped)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.average_gradients()
        for part in self.parts:
            nn.utils.clip_grad_norm_(part, 1.0)
        self.optimizer.step()
        for b, talk in enumerate(talks):
            for n, turn in enumerate(talk.turns):
                right = not bool((wrong[b] & (learnt[b] == n)).any())
                if half:
                    self.half_right.append(right)
                else:
                    self.right[turn.category].append(right)

    def save(self, optimizer=True):
        demo.save_state(self.path, model=self.model.state_dict(), heads=self.heads.state_dict(), step=self.step, spent=self.spent,
                        optimizer=self.optimizer.state_dict() if optimizer else None, awake=not self.sleeping)

    def run(self):
        """True when the time is over, false when it has to be set up anew from what it saved."""
        saved = self.spent
        while (done := self.share_progress()) < 1:
            started = time.monotonic()
            if done >= self.arguments.wake and self.sleeping:
                # The optimizer starts anew: it has to know the woken blocks too.
                if self.rank == 0:
                    self.wake()
                    self.save(optimizer=False)
                dist.barrier()
                return False
            self.train_step(done)
            self.step += 1
            self.spent += time.monotonic() - started
            if self.step % 25 == 0:
                demo.log(self.log, step=self.step, minutes=self.spent / 60, loss=float(np.mean(self.losses)),
                         half=float(np.mean(self.half_right or [0])),
                         **{k: round(float(np.mean(v)), 3) for k, v in sorted(self.right.items())})
            if self.rank == 0 and self.spent - saved > 180:
                self.save()
                saved = self.spent
        if self.rank == 0:
            self.save()
        return True


def process(rank, arguments, meeting):
    demo.set_up_process()
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=arguments.processes)
    while not Training(arguments, rank).run():
        pass
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--start", type=pathlib.Path, help="a checkpoint to go on with; of WORK's towers those that there are replace its own")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--wake", type=float, default=0.85, help="share of the time after which all blocks learn")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(process, (arguments, f"{folder}/meeting"), nprocs=arguments.processes)


if __name__ == "__main__":
    main()
