"""The demonstration model's tokenizer: Gemma 3n's layout scaled down, pieces learnt from the model's own small world."""

import pathlib
import shutil
import string
import sys
import tempfile

import numpy as np

import model as demo
import world

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import tiny_tokenizer  # noqa: E402

ALPHABET = tiny_tokenizer.SPACE + "".join(c for c in string.printable if not c.isspace())


FILES = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"


def write_tokenizer(folder, seed=5):
    """Writes FILES."""
    lines = [line.replace("\n", " ") for line in world.all_text(np.random.default_rng(seed)) if line]
    tiny_tokenizer.write_tokenizer(folder, demo.TEXT_IDS, demo.MEDIA_IDS, template_in_config=False, lines=lines,
                                   alphabet=ALPHABET, apart="[^A-Za-z\u2581]")


def tokenizer(work, start=None):
    """WORK's tokenizer; if there is none yet: that of the checkpoint `start`, or a new one."""
    from tokenizers import Tokenizer

    folder = work / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        with tempfile.TemporaryDirectory(dir=work) as made:  # two processes may want it at once
            made = pathlib.Path(made)
            if start:
                for name in FILES:
                    shutil.copy(start / name, made / name)
            else:
                write_tokenizer(made)
            folder.mkdir(exist_ok=True)
            for name in sorted(FILES, key=lambda n: n == "tokenizer.json"):
                (made / name).replace(folder / name)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def words(tokenizer, names):
    """The ids of words that are one piece each."""
    return [tokenizer.token_to_id(tiny_tokenizer.SPACE + name) for name in names]


PICTURE = "\n\n<start_of_image>" + "<image_soft_token>" * demo.PICTURE_TOKENS + "<end_of_image>\n\n"


def clip(tokens):
    return "\n\n<start_of_audio>" + "<audio_soft_token>" * tokens + "<end_of_audio>\n\n"


def parts_text(parts, clip_tokens):
    """What the template and the processor make of a user's turn."""
    return "".join(p.strip() if isinstance(p, str) else clip(clip_tokens) if isinstance(p, world.Spoken) else PICTURE
                   for p in parts)


def encode_talk(tokenizer, talk, clip_tokens):
    """ids and, for each id, the number of the answer it belongs to (-1: not to be learnt)."""
    ids, answers = [2], [-1]
    for n, turn in enumerate(talk.turns):
        opening = f"{talk.system}\n\n" if n == 0 and talk.system else ""
        asked = f"<start_of_turn>user\n{opening}{parts_text(turn.parts, clip_tokens)}<end_of_turn>\n<start_of_turn>model\n"
        for text, answer in ((asked, -1), (f"{turn.answer}<end_of_turn>", n), ("\n", -1)):
            new = tokenizer.encode(text, add_special_tokens=False).ids
            ids += new
            answers += [answer] * len(new)
    return ids, answers
