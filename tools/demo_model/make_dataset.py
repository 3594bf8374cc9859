#!/usr/bin/env python3
"""Questions that training has never seen, as `gemma3n eval` reads them.

    python tools/demo_model/make_dataset.py OUT [--seed 1000] [--scale 1.0]

Writes OUT/dataset.jsonl and the pictures (PNG) and sounds (FLAC) it names. A third of the pictures has backgrounds,
and the category "speech, unseen voices" has voices, that training did not use.
"""

import argparse
import json
import pathlib

import numpy as np
import soundfile
from PIL import Image

import pictures
import speech
import world

THREE = {1: 0.34, 2: 0.33, 3: 0.33}


def new_scene(random, counts):
    backgrounds = pictures.UNSEEN_BACKGROUNDS if random.random() < 1 / 3 else pictures.SEEN_BACKGROUNDS
    return pictures.random_scene(random, int(random.choice(list(counts), p=list(counts.values()))), backgrounds)


def about_picture(function, counts):
    """Makes the only question about a new picture with one function of world.py."""

    def make(random):
        while True:
            scene = new_scene(random, counts)
            question = function(scene, random)
            if question is not None:
                return world.Talk(None, (world.Turn("", (scene, question.text), question.sentence),))

    return make


def said(categories, voices):
    def make(random):
        category = str(random.choice(categories))
        text = str(random.choice(speech.SPOKEN[category][1]))
        return world.Talk(None, (world.transcribe_turn(text, voices, random),))

    return make


def sound(random):
    return world.Talk(None, (world.transcribe_turn(str(random.choice(speech.SOUNDS)), "", random),))


def cut(talk, random, first=0):
    """A conversation that ends with the answer to a turn of chance."""
    return world.Talk(talk.system, talk.turns[: int(random.integers(first, len(talk.turns))) + 1])


WORDS = ["digit", "number", "colour", "command"]

# Category: how many, and what makes one. In the order of the model card.
CATEGORIES = {
    "one object": (150, about_picture(world.describe, {1: 1.0})),
    "what colour, up to three objects": (120, about_picture(world.what_colour, THREE)),
    "what shape, up to three objects": (120, about_picture(world.what_shape, THREE)),
    "is there, up to three objects": (120, about_picture(world.is_there, THREE)),
    "count to three": (120, about_picture(world.how_many, THREE)),
    "speech, known voices": (200, said(WORDS, "seen")),
    "speech, unseen voices": (200, said(WORDS, "unseen")),
    "spoken question about a picture": (150, lambda r: cut(world.spoken_picture_talk(r, new_scene(r, THREE)), r)),
    "closed-world chat": (200, lambda r: cut(world.text_talk(r), r)),
    "two or three objects": (100, about_picture(world.describe, {2: 0.5, 3: 0.5})),
    "four or five objects": (60, about_picture(world.describe, {4: 0.5, 5: 0.5})),
    "count to five": (60, about_picture(world.how_many, {4: 0.5, 5: 0.5})),
    "left of, above": (80, about_picture(world.relation, {2: 0.5, 3: 0.5})),
    "where": (80, about_picture(world.where, THREE)),
    "how big": (60, about_picture(world.how_big, THREE)),
    "two pictures": (100, lambda r: cut(world.two_pictures_talk(r, new_scene(r, THREE), new_scene(r, THREE)), r)),
    "several questions": (100, lambda r: cut(world.picture_talk(r, new_scene(r, THREE)), r, 1)),
    "sentences": (60, said(["sentence"], "unseen")),
    "tones and silence": (40, sound),
}


class Writer:
    def __init__(self, folder):
        self.folder, self.media = folder, 0
        folder.mkdir(parents=True, exist_ok=True)

    def part(self, part, voices, random):
        if isinstance(part, str):
            return {"type": "text", "text": part}
        self.media += 1
        if isinstance(part, pictures.Scene):
            name = f"picture-{self.media:04}.png"
            Image.fromarray(pictures.draw(part)).save(self.folder / name)
            return {"type": "image", "path": name}
        name = f"sound-{self.media:04}.flac"
        if part.text in speech.SOUNDS:
            samples = speech.make_sound(part.text, random)
        else:
            samples = speech.make_clip(part.text, random,
                                       speech.UNSEEN_VOICES if voices == "unseen" else speech.SEEN_VOICES)
        soundfile.write(self.folder / name, samples, speech.RATE, "PCM_16")
        return {"type": "audio", "path": name}

    def item(self, category, talk, random):
        messages = [{"role": "system", "content": [{"type": "text", "text": talk.system}]}] if talk.system else []
        for turn in talk.turns:
            voices = turn.category
            messages.append({"role": "user", "content": [self.part(p, voices, random) for p in turn.parts]})
            messages.append({"role": "assistant", "content": [{"type": "text", "text": turn.answer}]})
        expected = messages.pop()["content"][0]["text"]
        return {"category": category, "messages": messages, "expected": expected, "metric": "exact"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of items")
    arguments = parser.parse_args()
    writer = Writer(arguments.out)
    with open(arguments.out / "dataset.jsonl", "w") as file:
        for number, (category, (count, make)) in enumerate(CATEGORIES.items()):
            for i in range(max(1, round(count * arguments.scale))):
                random = np.random.default_rng([arguments.seed, number, i])
                file.write(json.dumps(writer.item(category, make(random), random)) + "\n")


if __name__ == "__main__":
    main()
