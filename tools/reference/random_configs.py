"""Random shapes of the text model for the differential run: any value that transformers accepts."""

from fixture_configs import BASE, F, Fixture, S

ACTIVATIONS = ["gelu_pytorch_tanh", "gelu", "gelu_new", "silu", "relu", "quick_gelu"]


def pick(rng, *choices):
    return choices[int(rng.integers(len(choices)))]


def between(rng, low, high):
    """A whole number, both ends included."""
    return int(rng.integers(low, high + 1))


def random_rope(rng):
    rope = {"rope_type": pick(rng, "default", "default", "linear", "llama3", "yarn"),
            "rope_theta": float(pick(rng, 100.0, 1000.0, 10000.0, 1000000.0))}
    if rope["rope_type"] != "default":
        rope["factor"] = float(pick(rng, 2.0, 4.0, 8.0))
    if rope["rope_type"] == "llama3":
        rope |= {"low_freq_factor": 1.0, "high_freq_factor": float(pick(rng, 2.0, 4.0))}
    if rope["rope_type"] in ("llama3", "yarn"):
        rope["original_max_position_embeddings"] = pick(rng, 16, 32, 64)
    if rope["rope_type"] == "yarn" and rng.random() < 0.5:
        rope |= pick(rng, {"attention_factor": 0.8}, {"mscale": 1.0, "mscale_all_dim": 0.5}, {"truncate": False})
    return rope


def random_layers(rng, layers):
    """Types and number of shared layers: each type in use must have a layer with keys of its own."""
    types = [pick(rng, S, S, S, F) for _ in range(layers)]
    most = max(n for n in range(layers) if set(types[: layers - n]) == set(types))
    return types, pick(rng, 0, between(rng, 0, most))


def random_text(rng):
    layers = between(rng, 1, 7)
    types, shared = random_layers(rng, layers)
    heads, streams = between(rng, 1, 6), between(rng, 1, 4)
    return BASE | {
        "hidden_size": heads * between(rng, 24 // heads + 1, 80 // heads),
        "num_hidden_layers": layers,
        "layer_types": types,
        "num_kv_shared_layers": shared,
        "intermediate_size": [between(rng, 24, 100) for _ in range(layers)],
        "activation_sparsity_pattern": [float(pick(rng, 0.0, 0.0, 0.5, 0.8, 0.95, -1.0)) for _ in range(layers)],
        "num_attention_heads": heads,
        "num_key_value_heads": pick(rng, *(k for k in range(1, heads + 1) if heads % k == 0)),
        "head_dim": 2 * between(rng, 3, 16),
        "hidden_size_per_layer_input": pick(rng, 0, *range(1, 18)),
        "laurel_rank": between(rng, 1, 16),
        "altup_num_inputs": streams,
        "altup_active_idx": between(rng, 0, streams - 1),
        "altup_correct_scale": bool(rng.random() < 0.7),
        "attention_bias": bool(rng.random() < 0.3),
        "tie_word_embeddings": bool(rng.random() < 0.8),
        "sliding_window": between(rng, 2, 18),  # not 1: transformers' caches cannot do it
        "rope_parameters": {S: random_rope(rng), F: random_rope(rng)},
        "hidden_activation": pick(rng, *ACTIVATIONS),
        "final_logit_softcapping": float(pick(rng, 30.0, 30.0, 8.0, 100.0)),
        "rms_norm_eps": float(pick(rng, 1e-6, 1e-6, 1e-5, 1e-3)),
        "text_ids": between(rng, 50, 160),
    }


def random_fixture(rng, seed):
    return Fixture(
        text=random_text(rng),
        about=f"seed {seed}",
        form=pick(rng, "CausalLM", "TextModel", "ConditionalGeneration"),
        dtype=pick(rng, "bfloat16", "float16", "float32"),
        shards=pick(rng, 1, 1, 2, 3),
        unused_kv=bool(rng.random() < 0.5),
        stored_lm_head=bool(rng.random() < 0.3),
        seed=seed,
    )
