"""A small whole model with weights of a formula, and pictures and sounds to show it."""
import json
import math
import shutil
import struct
import subprocess

from program import GOLDEN, PATIENCE_SECONDS, WRITE_CHECKPOINT

PICTURES, SOUNDS = GOLDEN / "media", GOLDEN / "audio" / "fixtures" / "sounds"

# A whole model that fits the tokenizer of the checkpoint "chat", with 4 positions for a picture.
WHOLE_MODEL = {
    "model_type": "gemma3n", "architectures": ["Gemma3nForConditionalGeneration"],
    "text_config": {
        "vocab_size": 408, "vocab_size_per_layer_input": 400, "hidden_size": 32, "hidden_size_per_layer_input": 8,
        "intermediate_size": [48, 48, 48], "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 8, "num_kv_shared_layers": 1,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"], "laurel_rank": 8,
        "activation_sparsity_pattern": [0.95, 0.0, 0.0], "max_position_embeddings": 1024,
    },
    "vision_config": {"vocab_size": 4, "vocab_offset": 400, "hidden_size": 2048,
                      "model_args": {"channel_multiplier": 0.0625, "msfa_output_resolution": 2}},
    "audio_config": {"vocab_size": 4, "vocab_offset": 404, "hidden_size": 32, "conf_num_attention_heads": 4,
                     "conf_num_hidden_layers": 2, "sscp_conv_channel_size": [8, 4]},
    "vision_soft_tokens_per_image": 4, "audio_soft_tokens_per_image": 188, "boi_token_id": 11, "boa_token_id": 12,
    "eoi_token_id": 400, "image_token_id": 401, "eoa_token_id": 404, "audio_token_id": 405,
}


def wav(seconds, rate=16000, frequency=440.0):
    """A tone, 16 bits, mono."""
    count = round(seconds * rate)
    samples = [round(8000 * math.sin(2 * math.pi * frequency * i / rate)) for i in range(count)]
    data = struct.pack(f"<{count}h", *samples)
    return (b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) + b"data" + struct.pack("<I", len(data)) + data)


class SmallWholeModel:
    """A part of a CliTest."""

    @classmethod
    def make_whole_model(cls):
        cls.whole = cls.folder / "whole"
        config = cls.folder / "whole.json"
        config.write_text(json.dumps(WHOLE_MODEL))
        subprocess.run([WRITE_CHECKPOINT, config, cls.whole], check=True, timeout=PATIENCE_SECONDS)
        for file in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"]:
            shutil.copy(cls.chat / file, cls.whole)
        (cls.whole / "preprocessor_config.json").write_text(json.dumps(
            {"size": {"height": 64, "width": 64}, "resample": 2, "do_normalize": False}))
        (cls.whole / "processor_config.json").write_text(json.dumps({"image_seq_length": 4, "audio_seq_length": 188}))
        cls.picture = PICTURES / "rgb_64x48_444.jpg"
        cls.other_picture = PICTURES / "written_by_pillow.gif"
        cls.tone, cls.long = cls.folder / "tone.wav", cls.folder / "long.wav"
        cls.tone.write_bytes(wav(0.5))
        cls.long.write_bytes(wav(65, rate=8000))
