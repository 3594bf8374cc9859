"""The shapes of the tiny checkpoints: each one stresses other corners of the text model.

An entry is `name: Fixture(...)`. `text` holds config.json keys over BASE; the rest says how the
checkpoint is written. Names of dimensions as in MODEL.md.
"""

import dataclasses

S, F = "sliding_attention", "full_attention"

# V text ids, then 4 vision and 4 audio ids, the layout of the real vocabulary scaled down.
MEDIA_IDS = 4


@dataclasses.dataclass
class Fixture:
    text: dict
    about: str
    form: str = "CausalLM"  # "CausalLM", "TextModel" or "ConditionalGeneration"
    dtype: str = "bfloat16"
    shards: int = 1
    old_config: bool = False  # rope_theta, rope_local_base_freq, rope_scaling; torch_dtype
    unused_kv: bool = False  # k_proj, v_proj, k_norm of KV-shared layers are stored too
    stored_lm_head: bool = False  # lm_head.weight beside tied embeddings
    tokenizer: bool = False  # tokenizer.json, tokenizer_config.json, chat_template.jinja
    modules: bool = False  # module outputs are dumped too
    seed: int = 1  # deep ones: one whose logits float32 can still compute to 1e-5 (see dump_golden.report)


BASE = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "hidden_size_per_layer_input": 8,
    "laurel_rank": 8,
    "altup_num_inputs": 4,
    "sliding_window": 8,
    "num_kv_shared_layers": 0,
    "max_position_embeddings": 256,
    "text_ids": 112,  # becomes vocab_size_per_layer_input, vocab_size
}

FIXTURES = {
    "plain": Fixture(
        about="the default pattern of layers, nothing shared, everything dense",
        text={"hidden_size": 40, "num_hidden_layers": 5, "head_dim": 16, "intermediate_size": 56},
        modules=True,
    ),
    "e2b_like": Fixture(
        about="E2B's proportions as published: sparse, shared and sliding layers, sharded, old config",
        text={
            "num_hidden_layers": 10,
            "num_kv_shared_layers": 5,
            "num_attention_heads": 8,
            "intermediate_size": 72,
            "layer_types": [S, S, S, S, F] * 2,
            "activation_sparsity_pattern": [0.95] * 3 + [0.0] * 7,
            "sliding_window": 16,
            "text_ids": 344,
        },
        form="ConditionalGeneration",
        shards=3,
        old_config=True,
        unused_kv=True,
        tokenizer=True,
        seed=5,
    ),
    "odd_widths": Fixture(
        about="no width is a multiple of eight; as many key heads as query heads; two streams",
        text={
            "hidden_size": 36,
            "num_hidden_layers": 3,
            "layer_types": [F, S, F],
            "num_attention_heads": 3,
            "num_key_value_heads": 3,
            "head_dim": 10,
            "intermediate_size": [50, 37, 61],
            "activation_sparsity_pattern": [0.5, 0.95, 0.0],
            "hidden_size_per_layer_input": 7,
            "laurel_rank": 5,
            "altup_num_inputs": 2,
            "sliding_window": 3,
            "text_ids": 93,
        },
        form="TextModel",
        dtype="float32",
        modules=True,
    ),
    "one_stream": Fixture(
        about="AltUp with a single stream, a window of one key, one key head",
        text={
            "hidden_size": 40,
            "num_hidden_layers": 2,
            "layer_types": [S, F],
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 20,
            "altup_num_inputs": 1,
            "sliding_window": 1,
        },
        dtype="float16",
    ),
    "active_two": Fixture(
        about="stream 2 is the active one, four sorts of sparsity (one negative), shared layers",
        text={
            "hidden_size": 64,
            "layer_types": [S, F, S, F],
            "num_kv_shared_layers": 2,
            "activation_sparsity_pattern": [0.5, 0.95, 0.0, -0.3],
            "altup_active_idx": 2,
            "sliding_window": 3,
            "hidden_activation": "gelu",
            "text_ids": 90,
        },
        stored_lm_head=True,
        modules=True,
    ),
    "active_one": Fixture(
        about="stream 1 of 2 is active, its output unscaled; biases; all layers full; linear rope",
        text={
            "num_hidden_layers": 3,
            "layer_types": [F, F, F],
            "altup_num_inputs": 2,
            "altup_active_idx": 1,
            "altup_correct_scale": False,
            "attention_bias": True,
            "num_kv_shared_layers": 1,
            "hidden_activation": "silu",
            "intermediate_size": [48, 56, 40],
            "rope_parameters": {
                S: {"rope_type": "default", "rope_theta": 10000.0},
                F: {"rope_type": "linear", "rope_theta": 50000.0, "factor": 4.0},
            },
        },
        dtype="float16",
        unused_kv=True,
    ),
    "all_sliding": Fixture(
        about="no full layer at all, half of the layers shared, linear rope on sliding layers",
        text={
            "hidden_size": 48,
            "num_hidden_layers": 6,
            "layer_types": [S] * 6,
            "num_kv_shared_layers": 3,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 24,
            "activation_sparsity_pattern": [0.0, 0.95, 0.0, 0.8, 0.0, 0.0],
            "laurel_rank": 3,
            "rope_parameters": {
                S: {"rope_type": "linear", "rope_theta": 3000.0, "factor": 2.0},
                F: {"rope_type": "default", "rope_theta": 1000000.0},
            },
        },
        shards=2,
        seed=2,
    ),
    "llama3_rope": Fixture(
        about="llama3 rope on full layers, heads of 32, three streams",
        text={
            "num_hidden_layers": 5,
            "layer_types": [S, S, F, S, F],
            "num_kv_shared_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 32,
            "altup_num_inputs": 3,
            "sliding_window": 16,
            "rope_parameters": {
                S: {"rope_type": "default", "rope_theta": 10000.0},
                F: {
                    "rope_type": "llama3",
                    "rope_theta": 500.0,
                    "factor": 8.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 64,
                },
            },
        },
    ),
    "yarn_rope": Fixture(
        about="yarn rope on sliding layers, so the rope tables carry a scale; odd per-layer width",
        text={
            "hidden_size": 72,
            "num_hidden_layers": 2,
            "layer_types": [S, F],
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "head_dim": 12,
            "hidden_size_per_layer_input": 5,
            "rope_parameters": {
                S: {
                    "rope_type": "yarn",
                    "rope_theta": 200.0,
                    "factor": 8.0,
                    "original_max_position_embeddings": 32,
                    "beta_fast": 4.0,
                    "beta_slow": 1.0,
                },
                F: {"rope_type": "default", "rope_theta": 2000.0},
            },
            "text_ids": 85,
        },
        shards=2,
    ),
    "no_per_layer_inputs": Fixture(
        about="per-layer inputs of width 0",
        text={
            "num_hidden_layers": 3,
            "layer_types": [S, S, F],
            "hidden_size_per_layer_input": 0,
            "hidden_activation": "relu",
        },
    ),
    "untied": Fixture(
        about="a head of its own, a low cap on the logits, a large epsilon, quick_gelu",
        text={
            "num_hidden_layers": 3,
            "layer_types": [S, F, S],
            "num_kv_shared_layers": 1,
            "tie_word_embeddings": False,
            "final_logit_softcapping": 5.0,
            "rms_norm_eps": 1e-3,
            "hidden_activation": "quick_gelu",
        },
    ),
    "four_key_heads": Fixture(
        about="the widest one, every query head has its own keys, a layer whose gate is all zero",
        text={
            "hidden_size": 96,
            "num_hidden_layers": 2,
            "layer_types": [F, S],
            "num_key_value_heads": 4,
            "altup_num_inputs": 2,
            "intermediate_size": [80, 40],
            "activation_sparsity_pattern": [0.95, 1.0],
            "hidden_activation": "gelu_new",
            "text_ids": 77,
        },
    ),
    "mixed_producers": Fixture(
        about="five of eight layers share, and the keys come from layers 0 and 2; old config",
        text={
            "hidden_size": 40,
            "num_hidden_layers": 8,
            "layer_types": [S, F, F, S, S, F, S, F],
            "num_kv_shared_layers": 5,
            "num_attention_heads": 5,
            "num_key_value_heads": 1,
            "activation_sparsity_pattern": [0.95, 0.5, 0.0, 0.95, 0.0, 0.7, 0.0, 0.0],
            "intermediate_size": [40, 48, 56, 33, 40, 41, 47, 40],
            "sliding_window": 5,
            "rope_scaling": {"rope_type": "linear", "factor": 2.0},
            "rope_theta": 70000.0,
            "rope_local_base_freq": 500.0,
        },
        old_config=True,
        unused_kv=True,
        seed=3,
    ),
    "chat": Fixture(
        about="a small one with a tokenizer and a chat template, for tests of the program",
        text={
            "num_hidden_layers": 3,
            "layer_types": [S, F, S],
            "num_kv_shared_layers": 1,
            "activation_sparsity_pattern": [0.95, 0.0, 0.0],
            "text_ids": 400,
            "max_position_embeddings": 512,
        },
        tokenizer=True,
    ),
}
