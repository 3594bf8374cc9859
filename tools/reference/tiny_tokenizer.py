"""A Gemma-shaped tokenizer of a few hundred pieces: byte-fallback BPE, spaces as U+2581.

The layout of ids is Gemma 3n's, scaled down (V = number of text ids):
    0..4      <pad> <eos> <bos> <unk> <mask>
    5, 6      <start_of_turn> <end_of_turn>
    7..10     one to four newlines, as added tokens that are not special
    11, 12    <start_of_image> <start_of_audio>
    13..268   the 256 byte tokens
    269..V-1  pieces, learnt from TEXT below
    V, V+1    <end_of_image> <image_soft_token>;  V+4, V+5  <end_of_audio> <audio_soft_token>
"""

import json
import pathlib

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

SPACE = "\u2581"
CONTROL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>"]
NEWLINES = ["\n" * n for n in range(1, 5)]
MEDIA_STARTS = ["<start_of_image>", "<start_of_audio>"]
SPECIAL_IDS = {"pad": 0, "eos": 1, "bos": 2, "unk": 3, "mask": 4}

# What the pieces are learnt from: plain sentences, so that common English merges appear.
TEXT = """
The user asks a question and the model gives an answer. What is the name of the river that runs through
the town? The river is long and slow; in the summer the children swim there in the evening. Write a short
story about a small boat on the sea. There was once a boat that was not afraid of the storm. How many
apples are in the basket? There are three red apples and four green ones, so the answer is seven. Please
tell me where the station is, and when the next train to the mountains leaves. It leaves at ten, from the
second platform, and the ride takes about two hours. I don't know what you mean; could you say it again?
The quick brown fox jumps over the lazy dog. Numbers: 0 1 2 3 4 5 6 7 8 9. Hello, world! Yes. No.
"""
ALPHABET = SPACE + "abcdefghijklmnopqrstuvwxyzTHIWAPYNh0123456789.,;:!?'-\"()"


def media_ids(text_ids, media):
    return {
        "<end_of_image>": text_ids,
        "<image_soft_token>": text_ids + 1,
        "<end_of_audio>": text_ids + media,
        "<audio_soft_token>": text_ids + media + 1,
    }


def learn_pieces(count, lines=(" ".join(TEXT.split()),), alphabet=ALPHABET, apart=None):
    """`count` pieces of `lines`, and the merges that make them; merges do not cross words, nor what `apart` matches."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(SPACE, "merged_with_next")
    if apart:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [tokenizer.pre_tokenizer, pre_tokenizers.Split(Regex(apart), "isolated")])
    trainer = trainers.BpeTrainer(vocab_size=count, initial_alphabet=sorted(set(alphabet)), show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    assert len(pieces) == count, f"only {len(pieces)} pieces can be learnt"
    return pieces, model["merges"]


def added_token(content, index, special):
    return {"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": special}


def tokenizer_json(text_ids, media, **learning):
    """The file's content; `learning` goes to learn_pieces."""
    fixed = CONTROL + NEWLINES + MEDIA_STARTS
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    pieces, merges = learn_pieces(text_ids - len(fixed) - len(bytes_), **learning)
    vocab = {piece: index for index, piece in enumerate(fixed + bytes_ + pieces)} | media_ids(text_ids, media)
    special = set(CONTROL + MEDIA_STARTS) | set(media_ids(text_ids, media))
    added = [added_token(t, vocab[t], t in special) for t in fixed + list(media_ids(text_ids, media))]
    bos = {"SpecialToken": {"id": "<bos>", "type_id": 0}}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [bos, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [bos, {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "<bos>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [2], "tokens": ["<bos>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": vocab, "merges": merges},
    }


def tokenizer_config():
    named = {f"{name}_token": f"<{name}>" for name in SPECIAL_IDS}
    return named | {
        "add_bos_token": True,
        "add_eos_token": False,
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
        "boa_token": "<start_of_audio>",
        "eoa_token": "<end_of_audio>",
        "audio_token": "<audio_soft_token>",
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
        "tokenizer_class": "GemmaTokenizer",
        "model_max_length": 1000000000000000019884624838656,
    }


def write_tokenizer(folder, text_ids, media, template_in_config, **learning):
    """tokenizer.json, tokenizer_config.json, and the chat template in a file of its own or in the latter."""

    def write(name, value):
        (folder / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")

    template = (pathlib.Path(__file__).parent / "chat_template.jinja").read_text()
    config = tokenizer_config()
    if template_in_config:
        config["chat_template"] = template
    else:
        (folder / "chat_template.jinja").write_text(template)
    write("tokenizer.json", tokenizer_json(text_ids, media, **learning))
    write("tokenizer_config.json", config)
