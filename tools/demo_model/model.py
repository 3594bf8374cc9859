"""The demonstration model: its shape, how its weights are drawn, how training reads and writes them."""

import json
import os
import pathlib

import torch
from torch import nn

import pictures

TEXT_IDS = 1024  # pieces of text; the media tokens follow
MEDIA_IDS = 8  # of each of the two media vocabularies
PICTURE_SIZE = 128
PICTURE_TOKENS = pictures.GRID**2
CLIP_TOKENS = 188  # 30 s, as in the large models

CHANNELS = 0.07  # of the vision tower, times 64 in the stem, 128 to 1280 in the stages: 8, 16, 24, 48, 88

# Blocks of the vision tower that compute something. The gamma of the others is 0, with which a block is exactly the
# identity: with all of them nothing is learnt in the time that two cores have.
FIRST_BLOCKS = {0: range(3), 1: range(5), 2: (0, 1, 3, 5, 9, 10, 11, 12), 3: (0, 1, 2, 3, 4)}


def model_config():
    from transformers import Gemma3nConfig

    kinds = {"S": "sliding_attention", "F": "full_attention"}
    text = dict(
        vocab_size=TEXT_IDS + 2 * MEDIA_IDS, vocab_size_per_layer_input=TEXT_IDS, hidden_size=128,
        hidden_size_per_layer_input=32, intermediate_size=[384] * 6, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=2, head_dim=32, sliding_window=256, layer_types=[kinds[k] for k in "SSFSSF"],
        num_kv_shared_layers=2, altup_num_inputs=4, laurel_rank=16,
        activation_sparsity_pattern=[0.95, 0.95, 0.0, 0.0, 0.0, 0.0], max_position_embeddings=4096,
        final_logit_softcapping=30.0, pad_token_id=0, eos_token_id=1, bos_token_id=2, tie_word_embeddings=True)
    vision = dict(
        vocab_size=MEDIA_IDS, vocab_offset=TEXT_IDS, hidden_size=2048,
        model_args={"channel_multiplier": CHANNELS, "msfa_output_resolution": pictures.GRID})
    audio = dict(
        vocab_size=MEDIA_IDS, vocab_offset=TEXT_IDS + MEDIA_IDS, input_feat_size=128, hidden_size=128,
        conf_num_attention_heads=4, conf_num_hidden_layers=3, sscp_conv_channel_size=[32, 16])
    return Gemma3nConfig(
        text_config=text, vision_config=vision, audio_config=audio, vision_soft_tokens_per_image=PICTURE_TOKENS,
        audio_soft_tokens_per_image=CLIP_TOKENS, boi_token_id=11, boa_token_id=12, eoi_token_id=TEXT_IDS,
        image_token_id=TEXT_IDS + 1, eoa_token_id=TEXT_IDS + MEDIA_IDS, audio_token_id=TEXT_IDS + MEDIA_IDS + 1,
        eos_token_id=[1, 6], tie_word_embeddings=True)


def new_model(seed):
    """A model with weights drawn so that it can learn: see the README's list of what the usual drawing gets wrong."""
    from transformers import Gemma3nForConditionalGeneration

    torch.manual_seed(seed)
    model = Gemma3nForConditionalGeneration(model_config()).float()
    with torch.no_grad():
        for layer in model.model.language_model.layers:
            layer.altup.correct_output_scale.fill_(1.0)
            layer.altup.modality_router.weight.normal_(std=1.0)
            for norm in (layer.self_attn.q_norm, getattr(layer.self_attn, "k_norm", None)):
                if norm is not None and getattr(norm, "weight", None) is not None:
                    norm.weight.fill_(layer.self_attn.head_dim**-0.25)
        tower = vision_encoder(model)
        stem = tower.conv_stem.conv
        stem.bias.copy_(-stem.weight.sum(dim=(1, 2, 3)) / 2)  # pictures are 0..1: this centres them
        for name, gamma in gammas(tower):
            gamma.fill_(0.2 if is_first(name) else 0.0)
    return model


def load_checkpoint(model, folder):
    """Gives `model` the weights of an exported checkpoint; sleeping blocks that were taken out stay out."""
    from safetensors.torch import load_file

    own = model.state_dict()
    own.update({name: value.float() for name, value in load_file(folder / "model.safetensors").items() if name in own})
    own["lm_head.weight"] = own["model.language_model.embed_tokens.weight"]
    model.load_state_dict(own)


def vision_encoder(model):
    return model.model.vision_tower.timm_model


def is_first(name):
    _, stage, block = name.split(".")[:3]
    return int(block) in FIRST_BLOCKS[int(stage)]


def gammas(tower):
    return [(n, p) for n, p in tower.named_parameters() if n.endswith("gamma")]


class Skip(nn.Module):
    """Stands in for a block whose gamma is 0: the identity, without the work."""

    def forward(self, x):
        return x


def skip_idle_blocks(model):
    """Replaces the sleeping blocks; returns what they were: stage, number, block."""
    tower, kept = vision_encoder(model), []
    for s, stage in enumerate(tower.blocks):
        for b, block in enumerate(stage):
            if b not in FIRST_BLOCKS[s]:
                kept.append((stage, b, block))
                stage[b] = Skip()
    return kept


def set_up_process():
    """One thread a process: two processes on two cores train faster than one with two threads."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # numbers that small take a processor many times as long
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


def save_state(path, **state):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def log(path, **values):
    line = json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()})
    print(line, flush=True)
    with open(path, "a") as file:
        file.write(line + "\n")
