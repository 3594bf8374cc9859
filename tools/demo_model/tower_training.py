"""The loop of both towers: a fixed time, a rate that falls along a cosine, a state that is gone on from."""

import math
import time

import torch
from torch import nn

import model as demo

WARM_UP = 200  # steps


class TowerTraining:
    """A tower, its embedder and a head that is thrown away afterwards; their state is in WORK/NAME.pt."""

    def __init__(self, name, work, minutes, peak_rate, tower, embed, head):
        self.path, self.log_path = work / f"{name}.pt", work / f"{name}.log"
        self.seconds, self.peak_rate = 60 * minutes, peak_rate
        self.parts = {"tower": tower, "embed": embed, "head": head}
        for p in embed.embedding.parameters():
            p.requires_grad_(False)  # the hard tokens: not on this path
        self.parameters = [p for part in self.parts.values() for p in part.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=peak_rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.step, self.spent = 0, 0.0
        if self.path.exists():
            state = torch.load(self.path)
            for key, part in self.parts.items():
                part.load_state_dict(state[key])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.spent = state["step"], state["spent"]

    def run(self, loss_of_step, save_every, after_step):
        """loss_of_step(step) -> loss; after_step(loss as a number, is the state about to be saved)."""
        while self.spent < self.seconds:
            started = time.monotonic()
            falling = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * self.spent / self.seconds))
            for group in self.optimizer.param_groups:
                group["lr"] = self.peak_rate * min(1, (self.step + 1) / WARM_UP) * falling
            loss = loss_of_step(self.step)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.step += 1
            self.spent += time.monotonic() - started
            is_saved = self.step % save_every == 0 or self.spent >= self.seconds
            after_step(loss.item(), is_saved)
            if is_saved:
                demo.save_state(self.path, **{key: part.state_dict() for key, part in self.parts.items()},
                                optimizer=self.optimizer.state_dict(), step=self.step, spent=self.spent)

    def log(self, **values):
        demo.log(self.log_path, step=self.step, minutes=self.spent / 60, **values)
