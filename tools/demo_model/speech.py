"""Speech by espeak-ng, tones and silence: what is said, how, and the features that training uses.

`make_clip` gives 16 kHz samples; `python tools/demo_model/speech.py WORK` fills WORK/clips with the features of the
training clips (about ten minutes), which training reads again and again.
"""

import argparse
import json
import pathlib
import subprocess

import numpy as np

from pictures import COLOURS, KINDS

RATE = 16000
SEEN_VOICES = ["en-us", "en-us+m1", "en-us+m3", "en-us+m7", "en-us+f1", "en-us+f2", "en-us+f4", "en-gb", "en-gb+m2",
               "en-gb+f3", "en-gb+f1", "en-gb-x-rp+m5", "en-gb-x-rp+f2", "en-us+m8"]
UNSEEN_VOICES = ["en-us+f5", "en-gb+m4", "en-gb-x-rp+m1", "en-us+m6"]

UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
COMMANDS = [
    "turn on the light", "turn off the light", "open the door", "close the door", "open the window", "close the window",
    "play some music", "stop the music", "next song", "turn it up", "turn it down", "set a timer", "stop the timer",
    "call my mother", "call my father", "send a message", "read the news", "what time is it", "what day is it",
    "start the car", "lock the car", "go left", "go right", "go back", "go home", "stop", "yes", "no", "help", "hello",
    "good morning", "good night", "thank you", "make some coffee", "make some tea", "take a picture",
]
SENTENCES = [
    "the cat is in the garden", "the dog sleeps on the bed", "my sister lives in paris", "it is raining today",
    "the sun is very bright", "we eat dinner at seven", "the train leaves at noon", "she has a red bicycle",
    "he reads a book every day", "the children play outside", "the water is cold", "i like apples and pears",
    "there are three birds in the tree", "the soup is too hot", "my brother plays the piano", "the shop is closed",
    "we walk to the river", "the bread is fresh", "her coat is blue", "the moon is behind the clouds",
]


def number_name(n):
    if n < 10:
        return UNITS[n]
    if n < 20:
        return TEENS[n - 10]
    tens = TENS[n // 10 - 2]
    return tens if n % 10 == 0 else f"{tens}-{UNITS[n % 10]}"


def picture_questions():
    """Questions about a picture as they are spoken; world.py answers the same ones."""
    texts = ["how many objects are there", "what is in the picture"]
    for kind in KINDS:
        article = "a"
        texts += [f"what colour is the {kind}", f"is there {article} {kind}", f"where is the {kind}",
                  f"how many {plural(kind)} are there"]
        texts += [f"is there {'an' if c == 'orange' else 'a'} {c} {kind}" for c in COLOURS]
    texts += [f"what shape is the {colour} object" for colour in COLOURS]
    return texts


def plural(kind):
    return kind + ("es" if kind.endswith("s") else "s")


# Share of the clips, and what may be said.
SPOKEN = {
    "digit": (0.08, UNITS),
    "number": (0.26, [number_name(n) for n in range(10, 100)]),
    "colour": (0.06, list(COLOURS) + ["white", "brown", "grey"]),
    "command": (0.18, COMMANDS),
    "sentence": (0.12, SENTENCES),
    "question": (0.30, picture_questions()),
}
SOUNDS = ["a high tone", "a low tone", "silence"]


def synthesize(text, voice, speed, pitch):
    """float32 samples at 16 kHz, peak near 0.5."""
    import soxr

    wav = subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text],
                         check=True, capture_output=True).stdout
    # espeak-ng streams: the sizes in the header are placeholders.
    samples = np.frombuffer(wav[44:], "<i2").astype(np.float32) / 32768
    rate = int(np.frombuffer(wav[24:28], "<u4")[0])
    assert rate == 22050, rate
    return soxr.resample(samples, rate, RATE, quality="HQ").astype(np.float32)


def finish(samples, random):
    """Quiet before and after (every 16th frame is kept: without it the last sounds fall away), level, noise, 16 bits."""
    before, after = int(RATE * random.uniform(0.02, 0.25)), int(RATE * random.uniform(0.2, 0.4))
    samples = np.concatenate([np.zeros(before), samples, np.zeros(after)])
    samples = samples * 10 ** random.uniform(-0.5, 0.2) + random.normal(0, 10 ** random.uniform(-4, -2.4), len(samples))
    return np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16)


def make_clip(text, random, voices=SEEN_VOICES):
    """int16 samples of someone saying `text`."""
    spoken = text.replace("-", " ")
    voice = str(random.choice(voices))
    return finish(synthesize(spoken, voice, int(random.integers(130, 186)), int(random.integers(30, 71))), random)


def make_sound(kind, random):
    """A tone or silence of half a second to two."""
    t = np.arange(int(RATE * random.uniform(0.5, 2.0))) / RATE
    if kind == "silence":
        return finish(np.zeros_like(t), random)
    hertz = random.uniform(900, 2500) if kind == "a high tone" else random.uniform(130, 400)
    wave = np.sin(2 * np.pi * hertz * t) + random.uniform(0, 0.4) * np.sin(4 * np.pi * hertz * t)
    return finish(0.3 * wave * np.minimum(1, 20 * np.minimum(t, t[-1] - t)), random)


def draw_text(random):
    """(category, text)"""
    names = list(SPOKEN)
    category = str(random.choice(names, p=[SPOKEN[n][0] for n in names]))
    return category, str(random.choice(SPOKEN[category][1]))


_extractor = None


def features(samples):
    """What the processor makes of a clip: [frames, 128] float32."""
    global _extractor
    if _extractor is None:
        from transformers import Gemma3nAudioFeatureExtractor

        _extractor = Gemma3nAudioFeatureExtractor()
    out = _extractor([samples.astype(np.float32) / 32768], return_tensors="np")
    return out["input_features"][0][out["input_features_mask"][0].astype(bool)]


class Clips:
    """The stored features of many clips."""

    def __init__(self, folder):
        self.frames = np.memmap(folder / "features.f16", np.float16, "r").reshape(-1, 128)
        self.entries = [json.loads(line) for line in open(folder / "clips.jsonl")]
        self.by_text = {}
        for i, entry in enumerate(self.entries):
            self.by_text.setdefault(entry["text"], []).append(i)

    def __len__(self):
        return len(self.entries)

    def features(self, i):
        e = self.entries[i]
        return self.frames[e["start"] : e["start"] + e["frames"]].astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--clips", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=2)
    arguments = parser.parse_args()
    folder = arguments.work / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    lines = (folder / "clips.jsonl").read_text().splitlines() if (folder / "clips.jsonl").exists() else []
    entries = [json.loads(line) for line in lines]
    start = sum(e["frames"] for e in entries)
    with open(folder / "features.f16", "r+b" if entries else "wb") as data, open(folder / "clips.jsonl", "a") as index:
        data.truncate(start * 256)
        data.seek(start * 256)
        for i in range(len(entries), arguments.clips):
            random = np.random.default_rng([arguments.seed, i])
            if random.random() < 0.05:
                category, text = "sound", str(random.choice(SOUNDS))
                samples = make_sound(text, random)
            else:
                category, text = draw_text(random)
                samples = make_clip(text, random)
            x = features(samples).astype(np.float16)
            data.write(x.tobytes())
            data.flush()
            index.write(json.dumps(dict(category=category, text=text, start=start, frames=len(x))) + "\n")
            index.flush()
            start += len(x)
            if (i + 1) % 500 == 0:
                print(f"{i + 1} of {arguments.clips} clips", flush=True)


if __name__ == "__main__":
    main()
