#!/usr/bin/env python3
"""Writes tests/golden/audio/fixtures: what transformers makes of sounds.

    python tools/reference/make_audio_fixtures.py tests/golden/audio/fixtures

Weights, features and samples follow a formula (`noise` below) that the tests compute too, so only
settings and results are stored.
"""

import json
import pathlib
import sys

import numpy as np
import soundfile
import torch
from safetensors.numpy import save_file
from transformers import Gemma3nAudioConfig, Gemma3nAudioFeatureExtractor, Gemma3nTextConfig
from transformers.audio_utils import load_audio
from transformers.models.gemma3n import modeling_gemma3n as modeling


def noise(seed, count):
    """`count` pseudo-random 32-bit integers."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(seed)).astype(np.uint32)
    x *= np.uint32(0x9E3779B1)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x85EBCA77)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE3D)
    return x ^ (x >> np.uint32(16))


def name_seed(name):
    """FNV-1a."""
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 % 2**32
    return h


def weight(name, shape):
    """Values of eight significant bits, so that bfloat16 holds them exactly."""
    x = noise(name_seed(name), int(np.prod(shape))) >> np.uint32(24)
    if len(shape) == 1 and not name.endswith("per_dim_scale"):
        values = 0.5 + (x // 2) / 128
    else:
        fan_in = int(np.prod(shape)) // shape[0]
        exponent = 0
        while 4 ** (exponent + 1) <= fan_in:
            exponent += 1
        values = (x.astype(np.float64) - 128) / 128 * 2.0 ** (1 - exponent)
    return values.astype(np.float32).reshape(shape)


def samples(seed, count, shift):
    """Noise of 16 bits, 2^-shift loud."""
    x = noise(seed, count) >> np.uint32(16)
    return ((x.astype(np.float64) - 32768) / 32768 * 2.0**-shift).astype(np.float32)


def features(seed, frames, bins):
    """About what logarithms of magnitudes are: -8 to -4."""
    x = noise(seed, frames * bins) >> np.uint32(16)
    return (x.astype(np.float64) / 16384 - 8).astype(np.float32).reshape(frames, bins)


def rows(seed, count, width):
    x = noise(seed, count * width) >> np.uint32(16)
    return ((x.astype(np.float64) - 32768) / 16384).astype(np.float32).reshape(count, width)


def sounding(kind, frames):
    """Masks by name; True = sound."""
    mask = np.ones(frames, dtype=bool)
    if kind.startswith("first"):
        mask[int(kind[5:]) :] = False
    elif kind.startswith("last"):
        mask[: frames - int(kind[4:])] = False
    elif kind == "holes":
        mask = noise(99, frames) % 3 != 0
    elif kind == "none":
        mask[:] = False
    else:
        assert kind == "all", kind
    return mask


class Writer:
    def __init__(self):
        self.tensors, self.cases = {}, []

    def add(self, case, *results):
        case["results"] = []
        for result in results:
            name = str(len(self.tensors))
            self.tensors[name] = np.ascontiguousarray(result)
            case["results"].append(name)
        self.cases.append(case)

    def save(self, folder, name):
        save_file(self.tensors, folder / f"{name}.safetensors")
        (folder / f"{name}.safetensors").chmod(0o644)
        lines = ",\n".join(json.dumps(case) for case in self.cases)
        (folder / f"{name}.json").write_text('{"cases": [\n' + lines + "\n]}\n")


# ---- feature extractor --------------------------------------------------------------------------

SMALL = {"feature_size": 8}
PARAMETERS = [
    {},
    {"feature_size": 32},
    {"feature_size": 2},
    {**SMALL, "sampling_rate": 8000, "max_frequency": 3800.0},
    {**SMALL, "sampling_rate": 22050},
    {**SMALL, "sampling_rate": 44100, "frame_length_ms": 25.0},
    {**SMALL, "sampling_rate": 11025, "max_frequency": 5000.0},
    {**SMALL, "padding_value": 0.25},
    {**SMALL, "padding_side": "left"},
    {**SMALL, "padding_side": "left", "padding_value": -0.1},
    {**SMALL, "frame_length_ms": 25.0},
    {**SMALL, "frame_length_ms": 16.0},
    {**SMALL, "frame_length_ms": 31.9},
    {**SMALL, "frame_length_ms": 32.03125},
    {**SMALL, "frame_length_ms": 32.0625},
    {**SMALL, "frame_length_ms": 4.0, "hop_length_ms": 2.0},
    {**SMALL, "frame_length_ms": 64.0},
    {**SMALL, "hop_length_ms": 12.5},
    {**SMALL, "hop_length_ms": 5.03125},
    {**SMALL, "hop_length_ms": 5.09375},
    {**SMALL, "hop_length_ms": 40.0},
    {**SMALL, "min_frequency": 0.0},
    {**SMALL, "min_frequency": 20.0, "max_frequency": 8000.0},
    {**SMALL, "min_frequency": -300.0, "max_frequency": 9000.0},
    {"feature_size": 24, "min_frequency": 300.0, "max_frequency": 900.0},
    {**SMALL, "preemphasis": 0.0},
    {**SMALL, "preemphasis": 0.5},
    {**SMALL, "preemphasis": 1.0},
    {**SMALL, "preemphasis": -0.5},
    {**SMALL, "preemphasis_htk_flavor": False},
    {**SMALL, "preemphasis": 0.9, "preemphasis_htk_flavor": False},
    {**SMALL, "fft_overdrive": False},
    {**SMALL, "fft_overdrive": False, "frame_length_ms": 20.0},
    {**SMALL, "dither": 0.001},
    {**SMALL, "dither": 0.1, "input_scale_factor": 2.0},
    {**SMALL, "input_scale_factor": 0.1},
    {**SMALL, "input_scale_factor": 32768.0},
    {**SMALL, "mel_floor": 1e-10},
    {**SMALL, "mel_floor": 1.0},
    {**SMALL, "mel_floor": 0.1},
    {"feature_size": 4, "per_bin_mean": [-1.0, 0.5, 0.25, 3.0]},
    {"feature_size": 4, "per_bin_stddev": [1.0, 0.5, 3.0, -7.0]},
    {"feature_size": 4, "per_bin_mean": [0.1, 0.2, 0.3, 0.4], "per_bin_stddev": [1.1, 1.2, 1.3, 1.4]},
]
OPTIONS = [
    {"padding": "max_length", "max_length": 2000},
    {"padding": "max_length", "max_length": 1000, "pad_to_multiple_of": None},
    {"padding": "max_length", "max_length": 700},
    {"max_length": 1000},
    {"max_length": 1024},
    {"max_length": 1025, "pad_to_multiple_of": None},
    {"truncation": False, "max_length": 100},
    {"truncation": False, "max_length": None},
    {"padding": False, "max_length": 1100, "pad_to_multiple_of": None},
    {"pad_to_multiple_of": None},
    {"pad_to_multiple_of": 1},
    {"pad_to_multiple_of": 500},
    {"return_attention_mask": None},
]
# Around every border of frames and hops of the first frames, and of padding to 128.
BORDERS = sorted(
    {n + d for n in (128, 256, 384, 512, 640, 672, 768, 832, 896, 992, 1024, 1152) for d in (-1, 0, 1, 2)} | {1, 2}
)


def extract(writer, parameters, options, clips, seed=0):
    """clips: (seed, length, shift) each."""
    np.random.seed(seed)
    extractor = Gemma3nAudioFeatureExtractor(**parameters)
    result = extractor([samples(*clip) for clip in clips], **options)
    case = {"parameters": parameters, "options": options, "clips": clips, "dither_seed": seed}
    writer.add(case, np.stack(result["input_features"]), np.stack(result["input_features_mask"]).astype(np.uint8))


def write_extractor(folder):
    writer = Writer()
    for i, parameters in enumerate(PARAMETERS):
        extract(writer, parameters, {}, [(i, 1900, 1), (1000 + i, 900, 4)], seed=i)
    for options in OPTIONS:
        extract(writer, SMALL, options, [(7, 1500, 1), (8, 1500, 1)])
        if options.get("padding", True):
            extract(writer, SMALL, options, [(7, 1500, 1), (8, 600, 1), (9, 0, 0)])
    for length in BORDERS:
        for options in ({}, {"padding": False}):
            extract(writer, {"feature_size": 3}, options, [(length, length, 2)])
    extract(writer, {"feature_size": 3, "hop_length_ms": 1000.0}, {}, [(1, 480001, 3), (2, 479999, 3)])
    writer.save(folder, "extractor")


# ---- tower --------------------------------------------------------------------------------------

BASE = {
    "vocab_size": 8,
    "vocab_offset": 100,
    "input_feat_size": 16,
    "hidden_size": 16,
    "conf_num_attention_heads": 2,
    "conf_num_hidden_layers": 2,
    "sscp_conv_channel_size": [8, 4],
}
CONFIGS = {
    "like_released": {},
    "three_blocks": {"conf_num_hidden_layers": 3, "hidden_size": 24, "conf_num_attention_heads": 3},
    "one_head_small_chunks": {"conf_num_attention_heads": 1, "conf_attention_chunk_size": 4, "conf_attention_context_left": 6},
    "looks_ahead": {"conf_attention_context_right": 3, "conf_attention_chunk_size": 5, "conf_attention_context_left": 4},
    "sees_itself_only": {"conf_attention_context_left": 0, "conf_attention_chunk_size": 16},
    "long_context": {"conf_attention_context_left": 40, "conf_attention_context_right": 7, "conf_attention_chunk_size": 6},
    "no_reduction": {"conf_reduction_factor": 1, "conf_conv_kernel_size": 3},
    "reduction_off": {"conf_reduction_factor": 0, "conf_conv_kernel_size": 1},
    "reduction_3": {"conf_reduction_factor": 3, "conf_conv_kernel_size": 9, "conf_residual_weight": 1.25},
    "tight_caps": {"conf_attention_logit_cap": 1.5, "gradient_clipping": 0.75},
    "other_kernels": {
        "sscp_conv_kernel_size": [[5, 3], [2, 4]],
        "sscp_conv_stride_size": [[3, 1], [1, 3]],
        "input_feat_size": 13,
        "sscp_conv_channel_size": [3, 5],
    },
    "other_strides": {
        "sscp_conv_kernel_size": [[1, 2], [3, 5]],
        "sscp_conv_stride_size": [[2, 2], [4, 2]],
        "sscp_conv_group_norm_eps": 0.1,
        "rms_norm_eps": 0.01,
    },
}
LENGTHS = [1, 2, 3, 4, 5, 7, 8, 9, 17, 48, 49, 97, 130]


def fill(module, prefix):
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.from_numpy(weight(f"{prefix}.{name}", tuple(parameter.shape))))
    return module.eval()


def make(overrides):
    config = Gemma3nAudioConfig(**{**BASE, **overrides})
    return config, fill(modeling.Gemma3nAudioEncoder(config), "model.audio_tower")


def write_towers(folder):
    writer = Writer()
    for index, (name, overrides) in enumerate(CONFIGS.items()):
        config, tower = make(overrides)
        cases = [(T, "all") for T in LENGTHS] + [(90, "first37"), (90, "first36"), (60, "last23"), (61, "holes"), (20, "none")]
        if index == 0:
            cases += [(n, "first%d" % k) for n in (65, 66) for k in range(1, 18)]
            cases += [(997, "all"), (2997, "all"), (3000, "first198"), (3000, "first1"), (3000, "holes")]
        for T, mask in cases:
            mel, valid = features(T, T, config.input_feat_size), sounding(mask, T)
            with torch.no_grad():
                out = tower(torch.from_numpy(mel)[None], ~torch.from_numpy(valid)[None])
            case = {"name": name, "config": {**BASE, **overrides}, "frames": T, "mask": mask}
            writer.add(case, out.last_hidden_state[0].numpy(), out.audio_mel_mask[0].numpy().astype(np.uint8))
    writer.save(folder, "towers")


# ---- parts --------------------------------------------------------------------------------------


def write_parts(folder):
    writer = Writer()
    for name in ("like_released", "looks_ahead", "tight_caps", "other_kernels"):
        config, tower = make(CONFIGS[name])
        stored = {**BASE, **CONFIGS[name]}
        D, T = config.hidden_size, 29

        def add(part, mask, output, **more):
            result = output.detach().numpy()
            writer.add({"name": name, "part": part, "config": stored, "frames": T, "mask": mask, **more}, result)

        mel = torch.from_numpy(features(5, T, config.input_feat_size))[None]
        entry = tower.subsample_conv_projection
        half = entry.conv_0(mel[:, None])
        add("conv_0", "all", half[0].permute(1, 2, 0))
        add("conv_1", "all", entry.conv_1(half)[0].permute(1, 2, 0))
        add("subsample", "all", entry(mel)[0])
        x = torch.from_numpy(rows(6, T, D))[None]
        block = tower.conformer[1]
        add("feed_forward", "all", block.ffw_layer_start(x)[0])
        for mask in ("all", "first20", "last11", "holes"):
            valid = torch.from_numpy(sounding(mask, T))[None]
            add("attn", mask, block.attention.attn(x, ~valid)[0].reshape(T, D))
            add("attention", mask, block.attention(x, ~valid)[0])
            add("lconv1d", mask, block.lconv1d(x * valid[..., None])[0])
            add("block", mask, block(x, ~valid)[0])
        text = Gemma3nTextConfig(hidden_size=24, num_attention_heads=2)
        embedder = fill(modeling.Gemma3nMultimodalEmbedder(config, text), "model.embed_audio")
        add("embed_soft", "all", embedder(inputs_embeds=x)[0], text_hidden_size=24)
        ids = torch.arange(config.vocab_offset, config.vocab_offset + config.vocab_size)[None]
        add("embed_hard", "all", embedder(input_ids=ids)[0], text_hidden_size=24)
    writer.save(folder, "parts")


# ---- sound files --------------------------------------------------------------------------------

SOUNDS = {  # name: rate, channels, subtype, seconds
    "rate_8000.wav": (8000, 1, "PCM_16", 0.1),
    "rate_11025.wav": (11025, 1, "PCM_16", 0.1),
    "rate_16000.wav": (16000, 1, "PCM_16", 0.1),
    "rate_22050.wav": (22050, 1, "PCM_16", 0.1),
    "rate_44100.wav": (44100, 1, "PCM_16", 0.1),
    "rate_48000.wav": (48000, 1, "PCM_16", 0.1),
    "rate_96000.wav": (96000, 1, "PCM_16", 0.1),
    "eight_channels.wav": (48000, 8, "FLOAT", 0.02),
    "bytes.wav": (16000, 2, "PCM_U8", 0.05),
    "wide.wav": (22050, 3, "PCM_24", 0.03),
    "double.wav": (8000, 1, "DOUBLE", 0.05),
    "a_law.wav": (8000, 2, "ALAW", 0.05),
    "stereo.flac": (44100, 2, "PCM_16", 0.1),
    "mono.flac": (16000, 1, "PCM_24", 0.1),
    "vorbis.ogg": (44100, 2, "VORBIS", 0.1),
    "opus.ogg": (48000, 1, "OPUS", 0.1),
    "layer_3.mp3": (44100, 2, "MPEG_LAYER_III", 0.2),
}


def write_sounds(folder):
    writer = Writer()
    (folder / "sounds").mkdir(exist_ok=True)
    for index, (name, (rate, channels, subtype, seconds)) in enumerate(SOUNDS.items()):
        count = int(rate * seconds)
        tone = 0.4 * np.sin(2 * np.pi * 300 * np.arange(count) / rate)[:, None] * (1 + np.arange(channels)) / channels
        sound = tone + samples(index, count * channels, 3).reshape(count, channels)
        kind = {"ogg": "OGG", "mp3": "MP3", "wav": "WAV", "flac": "FLAC"}[name.split(".")[1]]
        soundfile.write(folder / "sounds" / name, sound, rate, subtype, format=kind)
        loaded = load_audio(str(folder / "sounds" / name), sampling_rate=16000, backend="soundfile")
        writer.add({"file": name, "is_lossless": kind in ("WAV", "FLAC")}, loaded)
    writer.save(folder, "sounds")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    write_extractor(folder)
    write_towers(folder)
    write_parts(folder)
    write_sounds(folder)


if __name__ == "__main__":
    main()
