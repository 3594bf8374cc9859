"""The Auto classes: the class that fits a checkpoint. Here all of them are Gemma 3n's."""

from __future__ import annotations

from typing import Any

from gemma3n.configuration import (
    Gemma3nAudioConfig,
    Gemma3nConfig,
    Gemma3nTextConfig,
    Gemma3nVisionConfig,
)
from gemma3n.feature_extraction import Gemma3nAudioFeatureExtractor
from gemma3n.image_processing import SiglipImageProcessor
from gemma3n.modeling import Gemma3nForCausalLM, Gemma3nForConditionalGeneration, Gemma3nModel, Gemma3nTextModel
from gemma3n.pretrained import model_dir, read_json
from gemma3n.processing import Gemma3nProcessor
from gemma3n.tokenization import GemmaTokenizer

_CONFIGS = {c.model_type: c for c in (Gemma3nConfig, Gemma3nTextConfig, Gemma3nVisionConfig, Gemma3nAudioConfig)}


def _stored(name: Any, file: str, kwargs: dict[str, Any]) -> Any:
    """The content of a JSON file of the checkpoint; None if it is not there."""
    return read_json(model_dir(name, dict(kwargs)) / file)


class _Auto:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise OSError(f"{type(self).__name__} is made by {type(self).__name__}.from_pretrained(folder or repository)")


class AutoConfig(_Auto):
    """from_pretrained: the configuration of a checkpoint. for_model: one with default values."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        values = _stored(pretrained_model_name_or_path, "config.json", kwargs) or {}
        return _config_class(values.get("model_type")).from_pretrained(pretrained_model_name_or_path, **kwargs)

    @classmethod
    def for_model(cls, model_type: str, *args: Any, **kwargs: Any) -> Any:
        return _config_class(model_type)(*args, **kwargs)


def _config_class(model_type: Any) -> Any:
    if model_type not in _CONFIGS:
        raise ValueError(f"model_type: expected one of {', '.join(_CONFIGS)}, got {model_type!r}")
    return _CONFIGS[model_type]


class AutoTokenizer(_Auto):
    """from_pretrained: the GemmaTokenizer of a checkpoint."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *inputs: Any, **kwargs: Any) -> GemmaTokenizer:
        kwargs.pop("tokenizer_type", None)
        return GemmaTokenizer.from_pretrained(pretrained_model_name_or_path, *inputs, **kwargs)


class AutoProcessor(_Auto):
    """from_pretrained: what prepares the inputs of a checkpoint's model."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        """A Gemma3nProcessor; the tokenizer alone for a checkpoint of the text model."""
        files = ("processor_config.json", "preprocessor_config.json")
        if any(_stored(pretrained_model_name_or_path, file, kwargs) is not None for file in files):
            return Gemma3nProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs)
        return GemmaTokenizer.from_pretrained(pretrained_model_name_or_path, **kwargs)


class AutoImageProcessor(_Auto):
    """from_pretrained: the SiglipImageProcessor of a checkpoint."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        return SiglipImageProcessor.from_pretrained(pretrained_model_name_or_path, **kwargs)


class AutoFeatureExtractor(_Auto):
    """from_pretrained: the Gemma3nAudioFeatureExtractor of a checkpoint."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        return Gemma3nAudioFeatureExtractor.from_pretrained(pretrained_model_name_or_path, **kwargs)


class _AutoModel(_Auto):
    """Which class a model_type has."""

    _classes: dict[str, Any] = {}

    @classmethod
    def _class_for(cls, model_type: Any) -> Any:
        if model_type not in cls._classes:
            expected = ", ".join(cls._classes)
            raise ValueError(f"{cls.__name__}: expected a model_type of {expected}, got {model_type!r}")
        return cls._classes[model_type]

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any) -> Any:
        config = kwargs.get("config")
        if config is not None:
            model_type = config.model_type
        else:
            values = _stored(pretrained_model_name_or_path, "config.json", kwargs) or {}
            model_type = values.get("model_type")
        return cls._class_for(model_type).from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)

    @classmethod
    def from_config(cls, config: Any, **kwargs: Any) -> Any:
        return cls._class_for(config.model_type).from_config(config, **kwargs)


class AutoModel(_AutoModel):
    """from_pretrained: the model without a head."""

    _classes = {"gemma3n": Gemma3nModel, "gemma3n_text": Gemma3nTextModel}


class AutoModelForCausalLM(_AutoModel):
    """from_pretrained: a model that continues text."""

    _classes = {"gemma3n": Gemma3nForConditionalGeneration, "gemma3n_text": Gemma3nForCausalLM}


class AutoModelForImageTextToText(_AutoModel):
    """from_pretrained: a model that takes text, pictures and sounds."""

    _classes = {"gemma3n": Gemma3nForConditionalGeneration}


class AutoModelForMultimodalLM(_AutoModel):
    """from_pretrained: a model that takes text, pictures and sounds."""

    _classes = {"gemma3n": Gemma3nForConditionalGeneration}
