"""Outputs of single modules on random inputs. B is 1 throughout; README.md has the stored shapes."""

import torch
from transformers.models.gemma3n.modeling_gemma3n import Gemma3nRMSNorm

T = 11  # of attention: more than the windows of 3 and 8
POSITIONS = [0, 1, 2, 7, 63, 100, 1000, 8191, 32767]


def additive_mask(tokens, window):
    """[1, 1, T, T], 0 where query i sees key j: j <= i, and j > i - window if there is a window."""
    i, j = torch.arange(tokens)[:, None], torch.arange(tokens)[None]
    seen = (j <= i) & (j > i - (window or tokens))
    return torch.zeros(tokens, tokens).masked_fill(~seen, torch.finfo(torch.float32).min)[None, None]


def module_cases(golden, model, inputs):
    text, config = model.model, model.config
    norm_cases(golden, text, config, inputs)
    rope_cases(golden, text, config)
    embedding_cases(golden, text, inputs)
    for layer in (0, config.num_hidden_layers - 1):
        altup_cases(golden, text, config, inputs, layer)
        laurel_case(golden, text, config, inputs, layer)
    for layer in range(config.num_hidden_layers):
        mlp_case(golden, text, config, inputs, layer)
    attention_cases(golden, text, config, inputs)
    whole_stack_cases(golden, text)


def add(golden, module, name, inputs, outputs, **options):
    golden.case(f"{module}_{name}" if name else module, "module", inputs, outputs, module=module, **options)


def norm_cases(golden, text, config, inputs):
    x = inputs.normal(3, config.hidden_size)
    x[1] *= 1e-4  # where the epsilon counts
    x[2] *= 300.0
    weight = "layers.0.input_layernorm"
    add(golden, "rms_norm", "", {"x": x}, {"y": text.layers[0].input_layernorm(x)}, weight=weight)
    plain = Gemma3nRMSNorm(config.hidden_size, eps=config.rms_norm_eps, with_scale=False)
    add(golden, "rms_norm", "without_weight", {"x": x}, {"y": plain(x)}, weight=None)


def rope_cases(golden, text, config):
    positions = torch.tensor([POSITIONS])
    for layer_type in sorted(set(config.layer_types)):
        cos, sin = text.rotary_emb(torch.zeros(1), positions, layer_type)
        add(golden, "rope", layer_type, {"positions": positions[0]}, {"cos": cos[0], "sin": sin[0]}, layer_type=layer_type)


def embedding_cases(golden, text, inputs):
    ids = inputs.ids(1, 6)
    embeds, per_layer = text.embed_tokens(ids), text.get_per_layer_inputs(ids)
    add(golden, "embed", "", {"input_ids": ids[0]}, {"inputs_embeds": embeds[0]})
    add(golden, "get_per_layer_inputs", "", {"input_ids": ids[0]}, {"per_layer_inputs": per_layer[0]})
    add(golden, "project_per_layer_inputs", "", {"inputs_embeds": embeds[0], "per_layer_inputs": per_layer[0]},
        {"projected": text.project_per_layer_inputs(embeds, per_layer)[0]})
    add(golden, "project_per_layer_inputs", "without_lookup", {"inputs_embeds": embeds[0]},
        {"projected": text.project_per_layer_inputs(embeds)[0]})


def altup_cases(golden, text, config, inputs, layer):
    altup = text.layers[layer].altup
    streams = inputs.normal(config.altup_num_inputs, 1, 3, config.hidden_size)
    activated = inputs.normal(1, 3, config.hidden_size)
    add(golden, "altup_predict", f"{layer}", {"streams": streams[:, 0]}, {"predicted": altup.predict(streams)[:, 0]}, layer=layer)
    add(golden, "altup_correct", f"{layer}", {"predicted": streams[:, 0], "activated": activated[0]},
        {"corrected": altup.correct(streams, activated)[:, 0]}, layer=layer)


def laurel_case(golden, text, config, inputs, layer):
    x = inputs.normal(1, 3, config.hidden_size)
    add(golden, "laurel", f"{layer}", {"x": x[0]}, {"y": text.layers[layer].laurel(x)[0]}, layer=layer)


def mlp_case(golden, text, config, inputs, layer):
    x = inputs.normal(1, 4, config.hidden_size)
    add(golden, "mlp", f"{layer}", {"x": x[0]}, {"y": text.layers[layer].mlp(x)[0]}, layer=layer,
        sparsity=config.activation_sparsity_pattern[layer])


def attention_cases(golden, text, config, inputs):
    """Positions 0 .. T-1. A shared layer takes keys and values that its producer made of x_producer."""
    shared = {}
    for layer, layer_type in enumerate(config.layer_types):
        attention = text.layers[layer].self_attn
        x = inputs.normal(1, T, config.hidden_size)
        ropes = text.rotary_emb(x, torch.arange(T)[None], layer_type)
        mask = additive_mask(T, attention.sliding_window)
        producer = shared.get(layer_type) if attention.is_kv_shared_layer else None
        states = producer["states"] if producer else {}
        y, _ = attention(x, position_embeddings=ropes, attention_mask=mask, shared_kv_states=states)
        if producer:
            add(golden, "attention", f"{layer}", {"x": x[0], "x_producer": producer["x"]}, {"y": y[0]}, layer=layer,
                producer=producer["layer"])
            continue
        if attention.store_full_length_kv:
            shared[layer_type] = {"states": states, "x": x[0], "layer": layer}
        add(golden, "attention", f"{layer}", {"x": x[0]}, {"y": y[0]}, layer=layer)


def whole_stack_cases(golden, text):
    """Stream start, each decoder layer, and the merge of streams: the steps of the case hidden_states."""
    (case,) = (c for c in golden.cases if c["name"] == "hidden_states")
    states, ids = case["outputs"]["hidden_states"], golden.tensors[case["inputs"]["input_ids"]]
    embeds = text.embed_tokens(ids)
    projected = text.project_per_layer_inputs(embeds, text.get_per_layer_inputs(ids))[0]
    per_layer = golden.store("decoder_layer.per_layer_inputs", projected)
    add(golden, "altup_init", "", {"inputs_embeds": embeds[0]}, {"streams": states[0]})
    for layer in range(text.config.num_hidden_layers):
        if text.layers[layer].self_attn.is_kv_shared_layer:
            break  # needs the keys of another layer: covered by the whole model
        add(golden, "decoder_layer", f"{layer}", {"streams": states[layer], "per_layer_inputs": per_layer},
            {"streams": states[layer + 1]}, layer=layer)
    add(golden, "altup_merge", "", {"streams": states[-1]}, {"last_hidden_state": case["outputs"]["last_hidden_state"]})
