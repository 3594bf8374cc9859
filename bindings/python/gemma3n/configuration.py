"""Configurations of Gemma 3n: what config.json holds, with defaults, derived values and checks.

PreTrainedConfig reads, checks and writes; each subclass lists its fields as annotated class
attributes, which are also the keywords of its constructor.
"""

from __future__ import annotations

import copy
import json
import math
import os
import typing
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Optional, TypeVar, Union, overload

from gemma3n.log import logger
from gemma3n import hub
from gemma3n.generation_config import DEFAULT_PARAMETERS
from gemma3n.tensors import DType


Config = TypeVar("Config", bound="PreTrainedConfig")

# Keywords of generation belong to GenerationConfig: a model's configuration drops them.
GENERATION_PARAMETERS = frozenset(DEFAULT_PARAMETERS)

_NOT_WRITTEN = ("_attn_implementation_internal", "_commit_hash", "transformers_version")

# The names of torch's dtypes, by the names under which config.json may give them.
_DTYPE_ALIASES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64",
                  "int": "int32", "short": "int16"}  # fmt: skip
_DTYPE_NAMES = frozenset(
    """float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 int64 int32 int16 int8 uint8 uint16
    uint32 uint64 bool complex64 complex128""".split()
)

# What rope_parameters of each rope_type must hold besides rope_type; then what they may hold.
_ROPE_KEYS: dict[str, tuple[str, str]] = {
    "default": ("", "rope_theta"),
    "linear": ("factor", "rope_theta"),
    "dynamic": ("factor", "rope_theta"),
    "yarn": (
        "factor original_max_position_embeddings",
        "rope_theta attention_factor beta_fast beta_slow mscale mscale_all_dim truncate",
    ),
    "longrope": (
        "short_factor long_factor original_max_position_embeddings",
        "rope_theta attention_factor factor",
    ),
    "llama3": (
        "factor original_max_position_embeddings low_freq_factor high_freq_factor rope_theta",
        "",
    ),
    "proportional": ("rope_theta", ""),
}

_LAYER_TYPES = ("full_attention", "sliding_attention")

_SPECIAL_FLOATS = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


class ConfigError(Exception):
    """A configuration's fields have a wrong type or do not fit together."""


class PreTrainedConfig:
    """Base of the configurations. Takes keywords only; those that are no fields become attributes.

    dtype: a dtype or its name, such as "bfloat16"; the attribute is a dtype.
    Raises ConfigError if a field has the wrong type, here and on assignment, or if fields contradict
    each other; ValueError if a list has not one entry per layer.
    """

    model_type: ClassVar[str] = ""
    attribute_map: ClassVar[dict[str, str]] = {}
    sub_configs: ClassVar[dict[str, type[PreTrainedConfig]]] = {}
    base_config_key: ClassVar[str] = ""

    transformers_version: Optional[str] = None
    architectures: Optional[list[str]] = None
    output_hidden_states: Optional[bool] = False
    return_dict: Optional[bool] = True
    dtype: Any = None
    chunk_size_feed_forward: int = 0
    is_encoder_decoder: bool = False
    id2label: Optional[dict[int, str]] = None
    label2id: Optional[dict[str, int]] = None
    problem_type: Optional[str] = None

    _name_or_path: str
    _output_attentions: Optional[bool]
    _attn_implementation_internal: Optional[str] = None

    _fields: ClassVar[dict[str, Any]] = {}  # name -> default, in order
    _checked: ClassVar[dict[str, Any]] = {}  # name -> type

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = [n for n in cls.__dict__.get("__annotations__", {}) if n in cls.__dict__]
        cls._fields = {**cls._fields, **{name: cls.__dict__[name] for name in own}}
        types = typing.get_type_hints(cls)
        for name in set(own) & set(cls.sub_configs):
            types[name] = Union[types[name], dict[str, Any], None]
        cls._checked = {**cls._checked, **{name: types[name] for name in own}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args:
            raise ValueError(
                f"{type(self).__name__}: expected keywords only, got {len(args)} positional arguments"
            )
        for name, default in self._fields.items():
            setattr(self, name, kwargs.pop(name, default))
        self._derive(kwargs)
        self.validate()

    def _derive(self, extra: dict[str, Any]) -> None:
        """Fills in what follows from the fields; `extra` are keywords that are no fields."""
        for name, config_class in self.sub_configs.items():
            value = getattr(self, name)
            if not isinstance(value, PreTrainedConfig):
                setattr(self, name, config_class(**(value or {})))

        torch_dtype = extra.pop("torch_dtype", None)
        if self.dtype is None:
            self.dtype = torch_dtype
        if isinstance(self.dtype, str):
            self.dtype = _dtype_of_name(self.dtype)

        num_labels = extra.get("num_labels")
        if self.id2label is None:
            self.num_labels = 2 if num_labels is None else num_labels
        else:
            self.id2label = {int(index): label for index, label in self.id2label.items()}
            if num_labels is not None and num_labels != len(self.id2label):
                logger.warning(
                    "num_labels is %s but id2label has %d labels", num_labels, len(self.id2label)
                )
        if num_labels is None:
            extra.pop("num_labels", None)
        if self.problem_type == "single_label_classification" and self.num_labels == 1:
            raise ValueError(
                "problem_type 'single_label_classification' needs num_labels > 1, got 1"
            )

        self._derive_rope(extra)
        for name in GENERATION_PARAMETERS:
            extra.pop(name, None)
        self._name_or_path = str(extra.pop("name_or_path", ""))
        self._output_attentions = extra.pop("output_attentions", False)
        self._attn_implementation = extra.pop("attn_implementation", None)
        for name in ("_commit_hash", "experts_implementation", "_attn_implementation_internal"):
            extra.pop(name, None)
        if extra.pop("per_layer_config", None) is not None:
            raise NotImplementedError(
                "per_layer_config is not supported: all layers share one configuration"
            )
        for name, value in extra.items():
            setattr(self, name, value)

    def _derive_rope(self, extra: dict[str, Any]) -> None:
        """Only the text model has rotary positions."""

    # ---- checks

    def validate(self) -> None:
        """Raises ConfigError if the fields contradict each other."""
        if self.output_attentions and self._attn_implementation not in ("eager", None):
            raise ConfigError(
                "output_attentions needs attn_implementation 'eager' or none, got "
                f"{self._attn_implementation!r}"
            )
        self._warn_of_token_ids()

    def _warn_of_token_ids(self) -> None:
        text_config = self.get_text_config(decoder=True)
        vocab_size = getattr(text_config, "vocab_size", None)
        if not isinstance(vocab_size, int):
            return
        for name in text_config:
            value = getattr(text_config, name)
            if (
                name.endswith("_token_id")
                and isinstance(value, int)
                and not 0 <= value < vocab_size
            ):
                logger.warning(
                    "%s: expected None or an id below %d (the vocabulary), got %d",
                    name,
                    vocab_size,
                    value,
                )

    def __setattr__(self, name: str, value: Any) -> None:
        expected = self._checked.get(name)
        if expected is not None and not _matches(value, expected):
            raise ConfigError(
                f"{type(self).__name__}.{name}: expected {_type_name(expected)}, got "
                f"{type(value).__name__} {_shortened(value)}"
            )
        super().__setattr__(name, value)

    # ---- properties

    @property
    def name_or_path(self) -> str:
        """The folder or repository this was loaded from; "" if it was not."""
        return self._name_or_path

    @name_or_path.setter
    def name_or_path(self, value: Any) -> None:
        self._name_or_path = str(value)

    @property
    def num_labels(self) -> Optional[int]:
        return None if self.id2label is None else len(self.id2label)

    @num_labels.setter
    def num_labels(self, value: int) -> None:
        if self.id2label is None or len(self.id2label) != value:
            self.id2label = {index: f"LABEL_{index}" for index in range(value)}
            self.label2id = {label: index for index, label in self.id2label.items()}

    @property
    def output_attentions(self) -> Optional[bool]:
        return self._output_attentions

    @output_attentions.setter
    def output_attentions(self, value: Optional[bool]) -> None:
        if value and self._attn_implementation is None:
            self._attn_implementation = "eager"
        if value and self._attn_implementation != "eager":
            raise ValueError(
                f"output_attentions needs attn_implementation 'eager', got {self._attn_implementation!r}"
            )
        self._output_attentions = value

    @property
    def _attn_implementation(self) -> Optional[str]:
        return self._attn_implementation_internal

    @_attn_implementation.setter
    def _attn_implementation(self, value: Union[str, dict[str, str], None]) -> None:
        own = (
            value.get("", self._attn_implementation_internal) if isinstance(value, dict) else value
        )
        self._attn_implementation_internal = own
        for name in self.sub_configs:
            part = getattr(self, name, None)
            if isinstance(part, PreTrainedConfig):
                part._attn_implementation = (
                    value.get(name, part._attn_implementation) if isinstance(value, dict) else value
                )

    @property
    def use_return_dict(self) -> Optional[bool]:
        """Older name of return_dict."""
        return self.return_dict

    @property
    def torch_dtype(self) -> Any:
        """Older name of dtype."""
        return self.dtype

    @torch_dtype.setter
    def torch_dtype(self, value: Any) -> None:
        self.dtype = value

    def get_text_config(
        self, decoder: Optional[bool] = None, encoder: Optional[bool] = None
    ) -> PreTrainedConfig:
        """The configuration of the text model: text_config where there is one, else this."""
        only_encoder = bool(encoder) and not decoder
        text_config = None if only_encoder else getattr(self, "text_config", None)
        return self if text_config is None else typing.cast(PreTrainedConfig, text_config)

    # ---- reading

    @overload
    @classmethod
    def from_pretrained(
        cls: type[Config],
        pretrained_model_name_or_path: hub.PathLike,
        *,
        return_unused_kwargs: Literal[True],
        **kwargs: Any,
    ) -> tuple[Config, dict[str, Any]]: ...

    @overload
    @classmethod
    def from_pretrained(
        cls: type[Config],
        pretrained_model_name_or_path: hub.PathLike,
        cache_dir: Optional[hub.PathLike] = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: Union[str, bool, None] = None,
        revision: str = "main",
        **kwargs: Any,
    ) -> Config: ...

    @classmethod
    def from_pretrained(
        cls: type[Config],
        pretrained_model_name_or_path: hub.PathLike,
        cache_dir: Optional[hub.PathLike] = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: Union[str, bool, None] = None,
        revision: str = "main",
        **kwargs: Any,
    ) -> Any:
        """Reads config.json of a folder, a cached repository, or the JSON file itself.

        A part (Gemma3nTextConfig, ...) is taken out of the configuration of a whole model.
        kwargs: values that replace those of the file; with return_unused_kwargs=True the result is
        (configuration, the keywords that are none of its attributes).
        Raises FileNotFoundError (see hub.resolve_model_dir), OSError if the file is no JSON object.
        """
        kwargs.update(cache_dir=cache_dir, revision=revision, local_files_only=local_files_only)
        kwargs.update(force_download=force_download, token=token)
        values, kwargs = cls.get_config_dict(pretrained_model_name_or_path, **kwargs)
        found = values.get("model_type", cls.model_type)
        if cls.model_type and found != cls.model_type:
            parts = [
                v
                for v in values.values()
                if isinstance(v, dict) and v.get("model_type") == cls.model_type
            ]
            if parts:
                values = parts[-1]
            else:
                logger.warning(
                    "%s: expected a configuration of model_type %r, got %r; values may be missing",
                    cls.__name__, cls.model_type, found,
                )  # fmt: skip
        return cls.from_dict(values, **kwargs)

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: hub.PathLike, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What config.json holds, and the keywords that do not say where it is."""
        where = {name: kwargs.pop(name, None) for name in ("revision", "cache_dir", "subfolder")}
        for name in ("force_download", "proxies", "token", "local_files_only", "trust_remote_code"):
            kwargs.pop(name, None)
        for name in ("_from_pipeline", "_from_auto"):
            kwargs.pop(name, None)
        if kwargs.get("gguf_file") is not None:
            raise NotImplementedError(
                "gguf_file is not supported: expected a folder in the Hugging Face format"
            )
        path = hub.resolve_file(pretrained_model_name_or_path, hub.CONFIG_NAME, **where)
        values = _decode_special_floats(hub.read_json(path))
        if "model_type" in kwargs:
            values["model_type"] = kwargs["model_type"]
        return values, kwargs

    @classmethod
    def from_dict(cls: type[Config], config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """From a dict as to_dict gives it; kwargs as in from_pretrained."""
        return_unused = kwargs.pop("return_unused_kwargs", False)
        values = dict(config_dict)
        for name in ("num_labels", "attn_implementation", "output_attentions", "name_or_path"):
            if name in kwargs:
                values[name] = kwargs[name]
        for name in ("dtype", "torch_dtype"):
            if kwargs.get(name, "auto") != "auto":
                values[name] = kwargs[name]
        config = cls(**values)
        kwargs.pop("attn_implementation", None)
        for name in [name for name in kwargs if hasattr(config, name)]:
            value, current = kwargs.pop(name), getattr(config, name)
            if isinstance(current, PreTrainedConfig) and isinstance(value, dict):
                value = type(current)(**{**current.to_dict(), **value})
            setattr(config, name, value)
        return (config, kwargs) if return_unused else config

    @classmethod
    def from_json_file(cls: type[Config], json_file: hub.PathLike) -> Config:
        with open(json_file, encoding="utf-8") as file:
            return cls(**_decode_special_floats(json.load(file)))

    # ---- writing

    def to_dict(self) -> dict[str, Any]:
        """All values, of parts too, as JSON knows them. Ours has no "transformers_version"."""
        output = copy.deepcopy(self.__dict__)
        output["model_type"] = type(self).model_type
        for name, value in output.items():
            if isinstance(value, PreTrainedConfig):
                output[name] = value.to_dict()
            elif isinstance(value, tuple):
                output[name] = _as_list(value)
        if output.get("quantization_config") is not None and not isinstance(
            output["quantization_config"], dict
        ):
            output["quantization_config"] = output["quantization_config"].to_dict()
        _make_serializable(output)
        return output

    def to_diff_dict(self) -> dict[str, Any]:
        """to_dict without what PreTrainedConfig (parts: their class) has by default."""
        base = PreTrainedConfig().to_dict()
        output = {}
        for name, value in self.to_dict().items():
            part = getattr(self, name, None)
            if isinstance(part, PreTrainedConfig):
                defaults = type(part)().to_dict()
                output[name] = {k: v for k, v in value.items() if k not in base or v != defaults[k]}
                output[name]["model_type"] = output[name].pop("model_type", value["model_type"])
            elif name not in base or value != base[name]:
                output[name] = value
        output.pop("_name_or_path", None)
        return output

    def to_json_string(self, use_diff: bool = True) -> str:
        values = self.to_diff_dict() if use_diff is True else self.to_dict()
        return json.dumps(_encode_special_floats(values), indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: hub.PathLike, use_diff: bool = True) -> None:
        with open(json_file_path, "w", encoding="utf-8") as file:
            file.write(self.to_json_string(use_diff=use_diff))

    def save_pretrained(
        self, save_directory: hub.PathLike, push_to_hub: bool = False, **kwargs: Any
    ) -> None:
        """Writes config.json into the folder, which is made if need be.

        Raises ValueError if keywords of generation were set on this configuration.
        """
        if push_to_hub:
            raise NotImplementedError(
                "push_to_hub is not supported: upload the folder with `hf upload`"
            )
        if os.path.isfile(save_directory):
            raise AssertionError(
                f"save_directory: expected a folder, got the file {os.fspath(save_directory)}"
            )
        misplaced = [
            name
            for name in sorted(GENERATION_PARAMETERS - {"use_cache"})
            if name not in self._fields and getattr(self, name, None) is not None
        ]
        if misplaced:
            raise ValueError(
                f"{type(self).__name__} has values of generation: {', '.join(misplaced)}; set them in "
                "model.generation_config instead"
            )
        self.validate()
        os.makedirs(save_directory, exist_ok=True)
        self.to_json_file(os.path.join(save_directory, hub.CONFIG_NAME))

    # ---- changing and comparing

    def update(self, config_dict: dict[str, Any]) -> None:
        """Sets the attributes."""
        for name, value in config_dict.items():
            setattr(self, name, value)

    def update_from_string(self, update_str: str) -> None:
        """Sets attributes by text such as "hidden_size=64,use_cache=false".

        Raises ValueError for names that are no attributes, TypeError for values that are neither
        numbers, bools nor strings.
        """
        for item in update_str.split(","):
            name, separator, text = item.partition("=")
            if not separator or "=" in text:
                raise ValueError(f"update_from_string: expected name=value, got {item!r}")
            if not hasattr(self, name):
                raise ValueError(f"update_from_string: the configuration has no {name!r}")
            setattr(self, name, _parse_like(getattr(self, name), name, text))

    def __eq__(self, other: object) -> bool:
        if type(self) is PreTrainedConfig:
            return isinstance(other, PreTrainedConfig) and self.__dict__ == other.__dict__
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._fields)

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[str]:
        yield from self.__dict__

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"


# The base's fields are never checked: files of many origins hold them.
PreTrainedConfig._fields = {
    name: PreTrainedConfig.__dict__[name]
    for name in PreTrainedConfig.__annotations__
    if name in PreTrainedConfig.__dict__
    and not name.startswith("_")
    and "ClassVar" not in PreTrainedConfig.__annotations__[name]
}

PretrainedConfig = PreTrainedConfig


class Gemma3nTextConfig(PreTrainedConfig):
    """The text model.

    intermediate_size, layer_types and activation_sparsity_pattern hold one entry per layer; given
    as one number or None they are filled in. rope_parameters: {layer type: {"rope_type", "rope_theta",
    ...}}; the older keywords rope_scaling, rope_theta (full attention) and rope_local_base_freq
    (sliding attention) are read into it.
    """

    model_type = "gemma3n_text"
    keys_to_ignore_at_inference = ["past_key_values"]
    default_theta = {"global": 1_000_000.0, "local": 10_000.0}

    vocab_size: int = 262_400
    hidden_size: int = 2048
    intermediate_size: Union[int, list[int]] = 16_384
    num_hidden_layers: int = 35
    num_attention_heads: int = 8
    num_key_value_heads: int = 2
    head_dim: int = 256
    hidden_activation: str = "gelu_pytorch_tanh"
    max_position_embeddings: int = 32_768
    initializer_range: float = 0.02
    rms_norm_eps: float = 1e-6
    use_cache: bool = True
    pad_token_id: Optional[int] = 0
    eos_token_id: Union[int, list[int], None] = 1
    bos_token_id: Optional[int] = 2
    tie_word_embeddings: bool = True
    rope_parameters: Optional[dict[str, Any]] = None
    attention_bias: bool = False
    attention_dropout: Union[int, float, None] = 0.0
    sliding_window: int = 512
    layer_types: Optional[list[str]] = None
    final_logit_softcapping: float = 30.0
    vocab_size_per_layer_input: int = 262_144
    hidden_size_per_layer_input: int = 256
    altup_active_idx: int = 0
    altup_coef_clip: float = 120.0
    altup_correct_scale: bool = True
    altup_num_inputs: int = 4
    num_kv_shared_layers: int = 15
    laurel_rank: int = 64
    activation_sparsity_pattern: Union[float, list[float], None] = None

    def _derive(self, extra: dict[str, Any]) -> None:
        layers = self.num_hidden_layers
        if not isinstance(self.intermediate_size, list):
            self.intermediate_size = [self.intermediate_size] * layers
        if self.layer_types is None:
            self.layer_types = [_LAYER_TYPES[0 if (i + 1) % 5 == 0 else 1] for i in range(layers)]
        if self.activation_sparsity_pattern is None:
            sparse = 10 if layers > 10 else 0
            self.activation_sparsity_pattern = [0.95] * sparse + [0.0] * (layers - sparse)
        if not isinstance(self.activation_sparsity_pattern, list):
            raise TypeError(
                "activation_sparsity_pattern: expected a list with one number per layer"
            )
        for name in ("intermediate_size", "activation_sparsity_pattern"):
            if len(getattr(self, name)) != layers:
                raise ValueError(
                    f"{name}: expected one entry for each of the {layers} layers, got {len(getattr(self, name))}"
                )
        super()._derive(extra)

    def _derive_rope(self, extra: dict[str, Any]) -> None:
        rope = copy.deepcopy(self.rope_parameters)
        if rope is None:
            rope = {
                "sliding_attention": {"rope_type": "default"},
                "full_attention": {"rope_type": "default"},
            }
        scaling = extra.pop("rope_scaling", None)
        if scaling is not None:
            rope["full_attention"].update(scaling)
        for layer_type, keyword, default in (
            ("full_attention", "rope_theta", self.default_theta["global"]),
            ("sliding_attention", "rope_local_base_freq", self.default_theta["local"]),
        ):
            if rope.get(layer_type) is None:
                rope[layer_type] = {"rope_type": "default"}
            rope[layer_type].setdefault("rope_theta", extra.pop(keyword, default))
        self.rope_parameters = rope
        self._complete_rope()

    def _rope_of_used_layers(self) -> dict[str, dict[str, Any]]:
        """The entries of rope_parameters that a layer uses."""
        used = set(self.layer_types or ())
        rope = self.rope_parameters or {}
        return {name: rope[name] for name in rope if name in used and rope[name] is not None}

    def _complete_rope(self) -> None:
        rope = self.rope_parameters or {}
        is_nested = not rope or any(name in rope for name in self.layer_types or ())
        for values in self._rope_of_used_layers().values() if is_nested else [rope]:
            values.setdefault("rope_type", values.get("type", "default"))
            values.setdefault("rope_theta", None)
            if values["rope_type"] in ("llama3", "yarn", "longrope"):
                values.setdefault("original_max_position_embeddings", self.max_position_embeddings)

    @property
    def rope_scaling(self) -> Optional[dict[str, Any]]:
        """Older name of rope_parameters."""
        return self.rope_parameters

    @rope_scaling.setter
    def rope_scaling(self, value: Optional[dict[str, Any]]) -> None:
        warnings.warn("set rope_parameters instead of rope_scaling", FutureWarning, stacklevel=2)
        self.rope_parameters = value
        self._complete_rope()

    @property
    def kv_sharing_modes(self) -> list[Optional[str]]:
        """Per layer: "store" if later layers read its keys and values, "reuse" if it reads those of an
        earlier one, None if neither."""
        layer_types = self.layer_types or []
        if self.num_kv_shared_layers == 0:
            return [None] * self.num_hidden_layers
        first = self.num_hidden_layers - self.num_kv_shared_layers
        own = layer_types[: max(first, 0)]
        if set(own) != set(layer_types):
            raise ValueError(
                f"num_kv_shared_layers ({self.num_kv_shared_layers}) leaves no layer of the types "
                f"{sorted(set(layer_types) - set(own))} that has keys and values of its own"
            )
        modes: list[Optional[str]] = [
            None if i < first else "reuse" for i in range(self.num_hidden_layers)
        ]
        for layer_type in set(own):
            modes[max(i for i, name in enumerate(own) if name == layer_type)] = "store"
        return modes

    def validate(self) -> None:
        if self.hidden_size % self.num_attention_heads != 0:
            raise ConfigError(
                f"hidden_size ({self.hidden_size}) is no multiple of num_attention_heads ({self.num_attention_heads})"
            )
        layer_types = self.layer_types or []
        if self.layer_types is not None and len(layer_types) != self.num_hidden_layers:
            raise ConfigError(
                f"layer_types: expected {self.num_hidden_layers} entries (num_hidden_layers), got {len(layer_types)}"
            )
        unknown = sorted(set(layer_types) - set(_LAYER_TYPES))
        if unknown:
            raise ConfigError(
                f"layer_types: expected {' or '.join(_LAYER_TYPES)}, got {', '.join(unknown)}"
            )
        super().validate()
        for layer_type, values in self._rope_of_used_layers().items():
            self._validate_rope(layer_type, values)

    def _validate_rope(self, layer_type: str, values: dict[str, Any]) -> None:
        rope_type = values.setdefault("rope_type", values.get("type", "default"))
        if rope_type not in _ROPE_KEYS:
            logger.warning("rope_parameters of %s: unknown rope_type %r", layer_type, rope_type)
        else:
            required, optional = (set(keys.split()) for keys in _ROPE_KEYS[rope_type])
            missing = sorted(required - set(values))
            if missing:
                raise KeyError(
                    f"rope_parameters of {layer_type}: rope_type {rope_type!r} needs {', '.join(missing)}"
                )
            unused = (
                set(values) - required - optional - {"rope_type", "type", "partial_rotary_factor"}
            )
            if unused:
                logger.warning(
                    "rope_parameters of %s: rope_type %r does not know %s",
                    layer_type,
                    rope_type,
                    sorted(unused),
                )
        turned = int(self.head_dim * values.get("partial_rotary_factor", 1.0))
        if self.head_dim > 4 and self.head_dim % 2 and turned == self.head_dim:
            raise ConfigError(
                f"head_dim: rotary positions need an even number, got {self.head_dim}"
            )


class Gemma3nAudioConfig(PreTrainedConfig):
    """The audio encoder: sub-sampling convolutions (sscp_...), then conformer blocks (conf_...)."""

    model_type = "gemma3n_audio"

    vocab_size: int = 128
    vocab_offset: int = 262_272  # follows the text's and the images' part of the vocabulary
    input_feat_size: int = 128
    hidden_size: int = 1536
    rms_norm_eps: float = 1e-6
    gradient_clipping: float = 1e10
    conf_attention_chunk_size: int = 12
    conf_attention_context_left: int = 13
    conf_attention_context_right: int = 0
    conf_attention_logit_cap: float = 50.0
    conf_num_attention_heads: int = 8
    conf_num_hidden_layers: int = 12
    conf_conv_kernel_size: int = 5
    conf_reduction_factor: int = 4
    conf_residual_weight: float = 0.5
    sscp_conv_channel_size: Union[list[int], tuple[int, int]] = (128, 32)
    sscp_conv_group_norm_eps: float = 1e-3
    sscp_conv_kernel_size: Union[list[Any], tuple[tuple[int, int], tuple[int, int]]] = (
        (3, 3),
        (3, 3),
    )
    sscp_conv_stride_size: Union[list[Any], tuple[tuple[int, int], tuple[int, int]]] = (
        (2, 2),
        (2, 2),
    )


class Gemma3nVisionConfig(PreTrainedConfig):
    """The vision encoder. to_dict names its labels `num_classes` and `label_names`."""

    model_type = "gemma3n_vision"

    architecture: str = "mobilenetv5_300m_enc"
    initializer_range: float = 0.02
    do_pooling: bool = False
    model_args: Optional[dict[str, Any]] = None
    hidden_size: int = 2048
    vocab_size: int = 128
    vocab_offset: int = 262_144
    rms_norm_eps: float = 1e-6

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in the base; `num_classes` and `label_names` become num_labels and id2label."""
        values = dict(config_dict)
        names = values.get("label_names")
        if names is not None and "num_labels" not in kwargs and "id2label" not in kwargs:
            kwargs["id2label"] = dict(enumerate(names))
            is_unique = len(set(names)) == len(names)
            kwargs["label2id"] = (
                {name: index for index, name in enumerate(names)} if is_unique else None
            )
        in_file = values.pop("num_classes", None)
        kwargs["num_labels"] = kwargs.pop("num_labels", None) or in_file
        if isinstance(values.get("pretrained_cfg"), dict):
            values["pretrained_cfg"] = {
                k: v for k, v in values["pretrained_cfg"].items() if k != "num_classes"
            }
        return super().from_dict(values, **kwargs)

    def to_dict(self) -> dict[str, Any]:
        output = super().to_dict()
        output.setdefault("num_classes", self.num_labels)
        output.setdefault("label_names", list((self.id2label or {}).values()))
        output.pop("id2label", None)
        output.pop("label2id", None)
        return output


class Gemma3nConfig(PreTrainedConfig):
    """The whole model. Each part is a configuration, a dict of its values, or None for its defaults."""

    model_type = "gemma3n"
    sub_configs = {
        "text_config": Gemma3nTextConfig,
        "vision_config": Gemma3nVisionConfig,
        "audio_config": Gemma3nAudioConfig,
    }

    # None only before construction ends.
    text_config: Gemma3nTextConfig = None  # type: ignore[assignment]
    vision_config: Gemma3nVisionConfig = None  # type: ignore[assignment]
    audio_config: Gemma3nAudioConfig = None  # type: ignore[assignment]
    audio_soft_tokens_per_image: Optional[int] = 188
    vision_soft_tokens_per_image: Optional[int] = 256
    boi_token_id: Optional[int] = 255_999
    eoi_token_id: Optional[int] = 262_144
    image_token_id: Optional[int] = 262_145
    boa_token_id: Optional[int] = 256_000
    eoa_token_id: Optional[int] = 262_272
    audio_token_id: Optional[int] = 262_273
    initializer_range: Optional[float] = 0.02
    tie_word_embeddings: Optional[bool] = True
    use_cache: bool = True


def _matches(value: Any, expected: Any) -> bool:
    """Is the value of this type? An int is no float and a bool no int: the files must be exact."""
    if expected is Any:
        return True
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin is Union:
        return any(_matches(value, argument) for argument in arguments)
    if origin is list:
        return isinstance(value, list) and all(_matches(item, arguments[0]) for item in value)
    if origin is tuple:
        return (
            isinstance(value, tuple)
            and len(value) == len(arguments)
            and all(_matches(item, argument) for item, argument in zip(value, arguments))
        )
    if origin is dict:
        return isinstance(value, dict) and all(
            _matches(k, arguments[0]) and _matches(v, arguments[1]) for k, v in value.items()
        )
    return isinstance(value, expected) and not (expected is int and isinstance(value, bool))


def _type_name(expected: Any) -> str:
    if typing.get_origin(expected) is Union:
        return " or ".join(_type_name(argument) for argument in typing.get_args(expected))
    if expected is type(None):
        return "None"
    return (
        expected.__name__
        if typing.get_origin(expected) is None
        else str(expected).replace("typing.", "")
    )


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _dtype_of_name(name: str) -> DType:
    name = _DTYPE_ALIASES.get(name, name)
    if name not in _DTYPE_NAMES:
        raise AttributeError(
            f"dtype: expected a name such as 'bfloat16' or 'float32', got {name!r}"
        )
    return DType(name)


def _make_serializable(values: dict[str, Any]) -> None:
    """Drops what is not written, gives output_attentions its public name and dtypes as text."""
    for name in _NOT_WRITTEN:
        values.pop(name, None)
    if "_output_attentions" in values:
        values["output_attentions"] = values.pop("_output_attentions")
    dtype = values.get("dtype")
    if isinstance(dtype, dict):
        values["dtype"] = {key: str(value).split(".")[-1] for key, value in dtype.items()}
    elif dtype is not None and not isinstance(dtype, (str, int)):
        values["dtype"] = str(dtype).split(".")[-1]
    for value in values.values():
        if isinstance(value, dict):
            _make_serializable(value)


def _as_list(value: Any) -> Any:
    return [_as_list(item) for item in value] if isinstance(value, tuple) else value


def _encode_special_floats(value: Any) -> Any:
    """JSON has no infinities and no NaN: they become {"__float__": "Infinity"}."""
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"__float__": name}
    if isinstance(value, dict):
        return {key: _encode_special_floats(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode_special_floats(item) for item in value]
    return value


def _decode_special_floats(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"__float__"} and value["__float__"] in _SPECIAL_FLOATS:
            return _SPECIAL_FLOATS[value["__float__"]]
        return {key: _decode_special_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode_special_floats(item) for item in value]
    return value


def _parse_like(current: Any, name: str, text: str) -> Any:
    """The text as a value of the type that the attribute has now."""
    if isinstance(current, bool):
        if text.lower() in ("true", "1", "y", "yes"):
            return True
        if text.lower() in ("false", "0", "n", "no"):
            return False
        raise ValueError(f"{name}: expected true or false, got {text!r}")
    if isinstance(current, (int, float)):
        return type(current)(text)
    if isinstance(current, str):
        return text
    raise TypeError(f"{name}: only numbers, bools and strings can be set by text, got {text!r}")
