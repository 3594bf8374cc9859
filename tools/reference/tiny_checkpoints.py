#!/usr/bin/env python3
"""Tiny random checkpoints of the Gemma 3n text model, in every form a person may have on disk.

Every parameter is drawn anew, at a scale where no path through the model is negligible. Fresh
initialisation would hide mistakes: there correct_output_scale is 0, the router hardly speaks and
all norms are 1. Values are drawn in float32 and rounded to the checkpoint's dtype, so a float32 run
of the reference and gemma3n start from identical numbers.
"""

import argparse
import json
import pathlib
import shutil
import zlib

import numpy as np
import torch
from fixture_configs import BASE, FIXTURES, MEDIA_IDS
from safetensors.torch import save_file
from tiny_tokenizer import write_tokenizer
from transformers import Gemma3nForCausalLM, Gemma3nTextConfig

END_OF_TURN = 6  # see tiny_tokenizer.py


def text_config(fixture):
    """The transformers config of a fixture. text_ids: V text ids, then vision and audio ids."""
    keys = BASE | fixture.text
    text_ids = keys.pop("text_ids")
    keys |= {"vocab_size_per_layer_input": text_ids, "vocab_size": text_ids + 2 * MEDIA_IDS}
    return Gemma3nTextConfig(**json.loads(json.dumps(keys)))


# ---- Weights


def spread(name, shape, config):
    """(mean, deviation) of a parameter. Chosen so that each path moves the result visibly:

    logits spread over about +-10 before the cap, attention is neither uniform nor one-hot, the AltUp
    router is neither silent nor saturated, and streams keep their magnitude over the layers.
    """
    D, E, P = config.hidden_size, config.head_dim, config.hidden_size_per_layer_input
    leaf = name.removesuffix(".weight").split(".")[-1]
    if leaf in ("embed_tokens", "lm_head"):
        return 0.0, 1.2 / D**0.5
    if leaf == "embed_tokens_per_layer":
        return 0.0, 1.0 / max(P, 1) ** 0.5
    if leaf in ("q_norm", "k_norm"):  # a score is a sum of E products: deviation about 1.5
        mean = (1.5 / E**0.5) ** 0.5
        return mean, 0.3 * mean
    if leaf == "norm":  # the last one sets the spread of the logits
        return 3.0, 0.9
    if leaf == "post_per_layer_input_norm":
        return 0.6, 0.2
    if leaf.endswith("norm") or leaf in ("correct_output_scale",) or "layernorm" in leaf:
        return 1.0, 0.3
    if leaf == "modality_router":  # its input was divided by D
        return 0.0, 0.8 * D**0.5
    if leaf in ("prediction_coefs", "correction_coefs"):
        return 0.0, {"prediction_coefs": 0.12, "correction_coefs": 0.2}[leaf]
    if leaf == "bias":
        return 0.0, 0.3
    return 0.0, 1.0 / max(shape[-1], 1) ** 0.5


def draw(name, shape, config, seed, dtype):
    """One parameter. Depends on its name and the seed only, not on what else is drawn."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    mean, deviation = spread(name, shape, config)
    values = mean + deviation * rng.standard_normal(tuple(shape))
    return torch.from_numpy(values.astype(np.float32)).to(dtype)


def draw_weights(config, seed, dtype, unused_kv=False, stored_lm_head=False):
    """All parameters under the names of Gemma3nForCausalLM."""
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in Gemma3nForCausalLM(config).state_dict().items()}
    if config.tie_word_embeddings:
        del shapes["lm_head.weight"]
    if unused_kv:
        shapes |= unused_kv_shapes(config)
    weights = {name: draw(name, shape, config, seed, dtype) for name, shape in shapes.items()}
    if stored_lm_head:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    return weights


def unused_kv_shapes(config):
    """What published checkpoints still hold for layers that use another layer's keys and values."""
    K, E, D = config.num_key_value_heads, config.head_dim, config.hidden_size
    shapes = {}
    for layer in range(config.num_hidden_layers - config.num_kv_shared_layers, config.num_hidden_layers):
        prefix = f"model.layers.{layer}.self_attn."
        shapes |= {prefix + "k_proj.weight": (K * E, D), prefix + "v_proj.weight": (K * E, D)}
        shapes[prefix + "k_norm.weight"] = (E,)
    return shapes


# ---- Files


def renamed(weights, form):
    """Names as the class `form` stores them."""
    prefix = {"CausalLM": "model.", "TextModel": "", "ConditionalGeneration": "model.language_model."}[form]
    return {prefix + k.removeprefix("model.") if k.startswith("model.") else k: v for k, v in weights.items()}


def write_weights(folder, weights, shards):
    if shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    parts = np.array_split(sorted(weights), shards)
    weight_map = {}
    for index, names in enumerate(parts, start=1):
        file = f"model-{index:05d}-of-{shards:05d}.safetensors"
        save_file({str(n): weights[n] for n in names}, folder / file, metadata={"format": "pt"})
        weight_map |= {str(n): file for n in names}
    total = sum(w.numel() * w.element_size() for w in weights.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": weight_map})


def text_config_json(config, dtype, old):
    """config.json's keys; `old`: as transformers 4 wrote them, with keys that nothing reads."""
    keys = {k: v for k, v in config.to_dict().items() if k not in ("architectures", "transformers_version", "dtype")}
    keys |= {"torch_dtype" if old else "dtype": dtype}
    for unused in ("_name_or_path", "chunk_size_feed_forward", "id2label", "label2id", "is_encoder_decoder", "return_dict",
                   "problem_type", "output_attentions", "output_hidden_states"):
        keys.pop(unused, None)
    if old:
        ropes = keys.pop("rope_parameters")
        full = ropes["full_attention"]
        scaling = {k: v for k, v in full.items() if k != "rope_theta"}
        keys |= {
            "rope_theta": full["rope_theta"],
            "rope_local_base_freq": ropes["sliding_attention"]["rope_theta"],
            "rope_scaling": None if scaling == {"rope_type": "default"} else scaling,
            "altup_lr_multiplier": 1.0,
            "query_pre_attn_scalar": 256,
        }
    return keys


def config_json(fixture, config):
    text = text_config_json(config, fixture.dtype, fixture.old_config)
    version = "4.53.0" if fixture.old_config else "5.23.0"
    head = {"architectures": ["Gemma3n" + ("TextModel" if fixture.form == "TextModel" else "For" + fixture.form)]}
    if fixture.form != "ConditionalGeneration":
        return head | text | {"transformers_version": version}
    V = config.vocab_size_per_layer_input
    # The towers are described, small, but not stored: their smallest weights would be megabytes.
    tied = {} if config.tie_word_embeddings else {"tie_word_embeddings": False}  # the outer config decides
    return head | tied | {
        "model_type": "gemma3n",
        "text_config": text,
        "vision_config": {"model_type": "gemma3n_vision", "vocab_size": MEDIA_IDS, "vocab_offset": V,
                          "model_args": {"channel_multiplier": 0.0625}},
        "audio_config": {"model_type": "gemma3n_audio", "vocab_size": MEDIA_IDS, "vocab_offset": V + MEDIA_IDS,
                         "hidden_size": 32, "conf_num_attention_heads": 2, "conf_num_hidden_layers": 1},
        "boi_token_id": 11, "boa_token_id": 12, "eoi_token_id": V, "image_token_id": V + 1,
        "eoa_token_id": V + MEDIA_IDS, "audio_token_id": V + MEDIA_IDS + 1,
        "eos_token_id": [1, END_OF_TURN], "transformers_version": version,
    }


GENERATION_CONFIG = {"bos_token_id": 2, "pad_token_id": 0, "eos_token_id": [1, END_OF_TURN], "cache_implementation": "hybrid",
                     "do_sample": True, "temperature": 1.0, "top_k": 64, "top_p": 0.95, "transformers_version": "4.53.0"}


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_checkpoint(folder, fixture):
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    config = text_config(fixture)
    dtype = getattr(torch, fixture.dtype)
    weights = draw_weights(config, fixture.seed, dtype, fixture.unused_kv, fixture.stored_lm_head)
    write_weights(folder, renamed(weights, fixture.form), fixture.shards)
    write_json(folder / "config.json", config_json(fixture, config))
    if fixture.tokenizer:
        write_tokenizer(folder, config.vocab_size_per_layer_input, MEDIA_IDS, fixture.old_config)
        write_json(folder / "generation_config.json", GENERATION_CONFIG)
    for path in folder.iterdir():
        path.chmod(0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("tests/golden/fixtures/checkpoints"))
    parser.add_argument("names", nargs="*", help="fixtures to write; default all")
    args = parser.parse_args()
    for name in args.names or FIXTURES:
        folder = args.out / name
        write_checkpoint(folder, FIXTURES[name])
        size = sum(p.stat().st_size for p in folder.iterdir())
        print(f"{name:24} {size / 1024:8.1f} KiB")


if __name__ == "__main__":
    main()
