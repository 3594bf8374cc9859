"""What models return: values by attribute, by key and by position, as transformers' ModelOutput."""

from __future__ import annotations

from typing import Any, ClassVar, Iterator


class ModelOutput(dict):  # type: ignore[type-arg]
    """A dict of the values that are there, in the order of `fields`; absent ones read as None.

    `output.logits`, `output["logits"]` and `output[0]` are the same kind of access; iterating over
    `to_tuple()` gives the values that are there.
    """

    fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **values: Any):
        unknown = set(values) - set(self.fields)
        if unknown:
            raise TypeError(f"{type(self).__name__}: unknown fields {sorted(unknown)}")
        super().__init__((k, values[k]) for k in self.fields if values.get(k) is not None)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).fields:
            return self.get(name)
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self.fields:
            raise KeyError(f"{type(self).__name__} has no field {key!r}")
        super().__setitem__(key, value)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return super().__getitem__(key)
        return self.to_tuple()[key]

    def to_tuple(self) -> tuple[Any, ...]:
        return tuple(self.values())

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), dict(self))

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={self.get(k)!r}" for k in self.fields)
        return f"{type(self).__name__}({inside})"


def _rebuild(cls: type[ModelOutput], values: dict[str, Any]) -> ModelOutput:
    return cls(**values)


class BaseModelOutputWithPast(ModelOutput):
    """last_hidden_state [B, T, D] f32, past_key_values, hidden_states: L + 1 of [A, B, T, D] f32."""

    fields = ("last_hidden_state", "past_key_values", "hidden_states", "attentions")


class Gemma3nModelOutputWithPast(ModelOutput):
    """BaseModelOutputWithPast and the soft tokens: image_hidden_states [pictures, n, D],
    audio_hidden_states [clips, n, D] f32."""

    fields = (*BaseModelOutputWithPast.fields, "image_hidden_states", "audio_hidden_states")


class CausalLMOutputWithPast(ModelOutput):
    """loss [] f32, logits [B, n, V] f32, past_key_values, hidden_states as above."""

    fields = ("loss", "logits", "past_key_values", "hidden_states", "attentions")


class Gemma3nCausalLMOutputWithPast(ModelOutput):
    """CausalLMOutputWithPast and the soft tokens."""

    fields = (*CausalLMOutputWithPast.fields, "image_hidden_states", "audio_hidden_states")


class BaseModelOutputWithPooling(ModelOutput):
    """Of pictures: last_hidden_state [pictures, C, rows, columns] f32 of the vision tower, scaled;
    pooler_output [pictures, n, D] f32, the soft tokens."""

    fields = ("last_hidden_state", "pooler_output", "hidden_states", "attentions")


class Gemma3nAudioEncoderModelOutput(ModelOutput):
    """Of clips: last_hidden_state [clips, n, C] f32 of the audio tower, pooler_output [clips, n, D]
    f32, the soft tokens; audio_mel_mask [clips, n] bool, true = padding."""

    fields = ("last_hidden_state", "audio_mel_mask", "pooler_output", "hidden_states", "attentions")


class GenerateDecoderOnlyOutput(ModelOutput):
    """sequences [B, T] i64; scores, logits: a [B, V] f32 for each new token; hidden_states: for each
    new token L + 1 of [A, B, tokens, D] f32; past_key_values."""

    fields = ("sequences", "scores", "logits", "attentions", "hidden_states", "past_key_values")
