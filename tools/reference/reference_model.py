"""The reference: transformers' own Gemma3nForCausalLM in float32, and how exact that is."""

import contextlib
import copy

import torch
from transformers import Gemma3nForCausalLM, GenerationConfig
from transformers.models.gemma3n import modeling_gemma3n

EAGER, SDPA = "eager", "sdpa"


def load(folder):
    """The checkpoint in float32, as from_pretrained reads it; every tensor must be found."""
    model, report = Gemma3nForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=EAGER, output_loading_info=True
    )
    for key in ("missing_keys", "mismatched_keys"):
        assert not report[key], (folder, key, report[key])
    model.generation_config = GenerationConfig(bos_token_id=2, pad_token_id=0)  # no end token of its own
    return model.eval()


def relative_error(actual, expected):
    """max |difference| / max |expected|, the measure of all tolerances."""
    scale = expected.abs().max().item()
    return (actual.double() - expected.double()).abs().max().item() / (scale or 1.0)


def require_close(actual, expected, what, tolerance=2e-5):
    error = relative_error(actual, expected)
    assert error <= tolerance, f"{what}: relative error {error:.2e} > {tolerance:.0e}"
    return error


@contextlib.contextmanager
def double_precision_norms():
    """RMSNorm casts to float32; without that, a model in float64 is float64 almost throughout."""
    norm = modeling_gemma3n.Gemma3nRMSNorm
    original = norm.forward

    def forward(self, x):
        y = x * torch.pow(x.pow(2).mean(-1, keepdim=True) + self.eps, -0.5)
        return y * self.weight if self.with_scale else y

    norm.forward = forward
    try:
        yield
    finally:
        norm.forward = original


@torch.no_grad()
def rounding_error(model, input_ids):
    """How far float32 logits are from float64 ones: what no float32 implementation can beat by much."""
    double = copy.deepcopy(model).double()
    double.set_attn_implementation(SDPA)
    with double_precision_norms():
        exact = double(input_ids=input_ids).logits
    return relative_error(model(input_ids=input_ids).logits, exact)


@torch.no_grad()
def attention_kinds_differ_by(model, **inputs):
    """Relative difference of the logits between eager and sdpa attention, padding left out."""
    eager = model(**inputs).logits
    model.set_attn_implementation(SDPA)
    sdpa = model(**inputs).logits
    model.set_attn_implementation(EAGER)
    mask = inputs.get("attention_mask")
    if mask is not None:
        eager, sdpa = eager[mask != 0], sdpa[mask != 0]
    return relative_error(sdpa, eager)
