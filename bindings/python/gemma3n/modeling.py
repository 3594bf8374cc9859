"""The model classes: NumPy arrays or torch tensors in, the same kind out.

Weights stay in the mapped files of the checkpoint, in its own dtype; activations, sums and results
are float32 whatever `dtype` is asked for.
"""

from __future__ import annotations

import copy
import json
import os
import pathlib
import sys
from typing import Any, ClassVar, Optional, Union

import numpy as np

from gemma3n.log import logger, warn_of_device
from gemma3n import _native, hub, saving
from gemma3n.cache import Cache, native_cache, wrap_cache
from gemma3n.configuration import Gemma3nConfig, Gemma3nTextConfig
from gemma3n.generation import GenerationMixin, next_seed
from gemma3n.generation_config import GenerationConfig
from gemma3n.outputs import (
    BaseModelOutputWithPast,
    BaseModelOutputWithPooling,
    CausalLMOutputWithPast,
    Gemma3nAudioEncoderModelOutput,
    Gemma3nCausalLMOutputWithPast,
    Gemma3nModelOutputWithPast,
    ModelOutput,
)
from gemma3n.progress import Progress
from gemma3n.tensors import Device, DType, Kind, dtype_name, kind_of, to_numpy, wrap


_ATTENTION = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
# Arguments of from_pretrained that change nothing here.
_WITHOUT_EFFECT = {
    "low_cpu_mem_usage", "use_safetensors", "trust_remote_code", "tp_plan", "max_memory", "offload_folder",
    "offload_state_dict", "offload_buffers", "weights_only", "ignore_mismatched_sizes", "code_revision",
    "force_download", "proxies", "token", "use_auth_token", "mirror", "_fast_init", "experts_implementation",
    "use_kernels", "tp_size", "device_mesh", "state_dict", "_from_auto", "_from_pipeline",
}  # fmt: skip
# Arguments of forward that transformers accepts and this model does not use.
_UNUSED_INPUTS = {"token_type_ids", "mm_token_type_ids", "cache_position", "num_items_in_batch", "position_embeddings"}


def check_device(device: Any) -> None:
    """Warns once if `device` (of device=, device_map=, to()) is an accelerator: the engine runs on the CPU."""
    values = device.values() if isinstance(device, dict) else [device]
    for value in values:
        text = str(getattr(value, "type", value))
        if value is None or text in ("auto", "balanced", "balanced_low_0", "sequential", "-1", "disk", "meta"):
            continue
        if text.split(":")[0] != "cpu":
            warn_of_device(value)


class PreTrainedModel(GenerationMixin):
    """What all models share. Immutable but for `config` and `generation_config`; may be used by several threads at
    once. Calling a model is calling its `forward`."""

    config_class: ClassVar[type] = Gemma3nConfig
    base_model_prefix: ClassVar[str] = "model"
    main_input_name: ClassVar[str] = "input_ids"
    _native_class: ClassVar[Any] = None
    _part: ClassVar[saving.Part] = saving.Part.WHOLE
    _is_text_only: ClassVar[bool] = False

    training = False
    is_gradient_checkpointing = False

    def __init__(self, config: Any = None, *, threads: int = 0, _native_model: Any = None):
        """A model with random weights of the given shape, in memory; set_seed() chooses them.

        config: a Gemma3nConfig or Gemma3nTextConfig. Raises TypeError, ValueError.
        """
        if _native_model is None:
            if not isinstance(config, self.config_class):
                raise TypeError(f"config: expected a {self.config_class.__name__}, got {type(config).__name__}")
            _native_model = self._make_random(config, threads)
        self._native = _native_model
        self.config = config
        self._folder: Optional[pathlib.Path] = None  # that holds all of it
        self._origin = "random"  # if there is none
        self._dtype = "float32"
        self._generation_config: Optional[GenerationConfig] = None
        self._parts: dict[str, Any] = {}

    # ---- loading and saving

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Union[str, os.PathLike[str]],
        *model_args: Any,
        config: Any = None,
        dtype: Any = None,
        torch_dtype: Any = None,
        device_map: Any = None,
        attn_implementation: Optional[str] = None,
        revision: Optional[str] = None,
        cache_dir: Optional[Union[str, os.PathLike[str]]] = None,
        subfolder: str = "",
        local_files_only: bool = False,
        quantization_config: Any = None,
        output_loading_info: bool = False,
        generation_config: Optional[GenerationConfig] = None,
        threads: int = 0,
        quantization: Optional[str] = None,
        matformer: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Opens a checkpoint: a folder, or a repository id that is in the Hugging Face cache.

        dtype (torch_dtype): what `.dtype` says; results are float32 whatever it is.
        device_map, attn_implementation: accepted; the engine has one way of computing, on the CPU.
        threads: 0 = one per core this process may use.
        quantization: "q8" or "q4" hold weights in 8 or 4 bits (towers in 8): several times faster, at a small loss
            of quality; "bf16" or "f32" convert them. None = as they are stored, in a checkpoint of `gemma3n quantize`
            too.
        matformer: load this size only: a name ("e2b", "half", ...), a JSON file or a dict with columns of Google's
            table of sizes; `sliced` says more.
        Raises FileNotFoundError, ValueError (damaged or impossible files), NotImplementedError (a kind of model or an
        option that is not supported), TypeError (an unknown argument).
        """
        if model_args:
            raise TypeError("from_pretrained: expected one positional argument, the model's folder or repository")
        if quantization_config is not None:
            raise NotImplementedError("quantization_config is not supported; quantization='q8' or 'q4' is")
        for name in [k for k in ("load_in_8bit", "load_in_4bit", "gguf_file", "adapter_kwargs") if kwargs.pop(k, None)]:
            raise NotImplementedError(f"{name} is not supported; load the original checkpoint (quantization='q8' or 'q4')")
        if attn_implementation is not None and attn_implementation not in _ATTENTION:
            raise ValueError(
                f"attn_implementation: expected one of {', '.join(_ATTENTION)}, got {attn_implementation!r}"
            )
        check_device(device_map)
        folder = hub.resolve_model_dir(
            pretrained_model_name_or_path,
            revision=revision,
            cache_dir=cache_dir,
            subfolder=subfolder,
            local_files_only=local_files_only,
        )
        stored = cls._read_config(folder)
        cls._check_overrides(stored, config, {k: v for k, v in kwargs.items() if k not in _WITHOUT_EFFECT})
        if config is None:
            config = stored
        with Progress(1.0, "Loading weights") as bar:
            native = cls._native_class.from_pretrained(
                folder,
                threads=threads,
                quantization=quantization or "none",
                matformer=_size_text(matformer) if matformer is not None else "",
                on_warning=logger.warning,
                on_progress=bar.set_fraction,
            )
        model = cls(config if matformer is None else _sliced_config(config, native), _native_model=native)
        model._folder = folder
        model._dtype = _chosen_dtype(dtype if dtype is not None else torch_dtype, config, folder)
        model.config._name_or_path = str(pretrained_model_name_or_path)
        if attn_implementation is not None:
            model.config._attn_implementation = attn_implementation
        if generation_config is not None:
            model.generation_config = generation_config
        if matformer is not None:
            model._become_part()
        if output_loading_info:
            info: dict[str, Any] = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set()}
            return model, {**info, "error_msgs": {}}
        return model

    def sliced(self, size: Any) -> Any:
        """A smaller size of this model, with the bits of that size loaded alone; weights are shared.

        size: "full", "half", of E4B "e2b", "e1.96b", "e2.54b", ...; the path of a JSON file (it ends in ".json"), or a
            dict, with the columns "FFN Hidden Dims" and "Layers Skipped" of Google's table gemma3n-slicing-configs.
        Raises ValueError for a size that does not fit the model.
        """
        native = self._native.sliced(_size_text(size))
        model = type(self)(_sliced_config(self.config, native), _native_model=native)
        model._dtype, model._generation_config = self._dtype, self.generation_config
        model._become_part()
        return model

    def _become_part(self) -> None:
        """Of a model that is a part of what is stored: the folder no longer says what it holds."""
        self._generation_config = self.generation_config
        self._folder, self._origin = None, "a size of a larger one, which `gemma3n slice` writes to disk"

    def _stored_in(self, what: str) -> pathlib.Path:
        if self._folder is None:
            raise NotImplementedError(f"{what}: expected a model from from_pretrained; this one is {self._origin}")
        return self._folder

    @classmethod
    def from_config(cls, config: Any, **kwargs: Any) -> Any:
        return cls(config, threads=kwargs.pop("threads", 0))

    @classmethod
    def _read_config(cls, folder: pathlib.Path) -> Any:
        values = hub.read_json(folder / "config.json")
        kind = values.get("model_type")
        if kind not in ("gemma3n", "gemma3n_text"):
            raise NotImplementedError(f"{folder}: expected a model of type gemma3n or gemma3n_text, got {kind!r}")
        if cls._is_text_only:
            text = values.get("text_config", values) if kind == "gemma3n" else values
            return Gemma3nTextConfig.from_dict(dict(text))
        if kind == "gemma3n_text":
            raise FileNotFoundError(
                f"{folder}: a checkpoint of the text model has no towers for pictures and sounds; "
                "load it with Gemma3nForCausalLM"
            )
        return Gemma3nConfig.from_dict(values)

    @staticmethod
    def _check_overrides(stored: Any, config: Any, kwargs: dict[str, Any]) -> None:
        """Nothing may change what the weights are computed with; sameness is fine."""
        for name, value in kwargs.items():
            if not hasattr(stored, name):
                raise TypeError(f"from_pretrained: unknown argument {name!r}")
            if getattr(stored, name) == value or name in ("use_cache", "output_hidden_states", "return_dict"):
                setattr(stored, name, value)
                continue
            raise NotImplementedError(
                f"{name}: changing the configuration of stored weights is not supported; "
                f"the checkpoint says {getattr(stored, name)!r}, got {value!r}"
            )
        if config is None:
            return
        changed = {"dtype", "_name_or_path", "architectures", "transformers_version", "use_cache", "torch_dtype"}
        a, b = _computing_part(stored.to_dict(), changed), _computing_part(config.to_dict(), changed)
        different = sorted(k for k in set(a) | set(b) if a.get(k) != b.get(k))
        if different:
            raise NotImplementedError(
                f"config: changing the configuration of stored weights is not supported; differs in {different}"
            )

    def save_pretrained(
        self,
        save_directory: Union[str, os.PathLike[str]],
        is_main_process: bool = True,
        state_dict: Any = None,
        push_to_hub: bool = False,
        max_shard_size: Any = None,
        **kwargs: Any,
    ) -> None:
        """Writes config.json, generation_config.json and model.safetensors, under the names of this class's tensors and
        in the dtype of the checkpoint.

        Raises NotImplementedError for a model that was not loaded from a folder, for a quantised checkpoint, and for
        push_to_hub and state_dict.
        """
        if push_to_hub or state_dict is not None:
            raise NotImplementedError("save_pretrained: push_to_hub and state_dict are not supported")
        source = self._stored_in("save_pretrained")
        saving.refuse_quantized(source)
        folder = pathlib.Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.config.architectures = [type(self).__name__]
        self.config.save_pretrained(folder)
        if self.can_generate():
            self.generation_config.save_pretrained(folder)
        saving.save_weights(source, folder, self._part)

    @classmethod
    def _make_random(cls, config: Any, threads: int) -> Any:
        seed = next_seed()
        text = config.to_json_string(use_diff=False)
        if cls._is_text_only:
            causal = _native.ForCausalLM.synthetic(text, seed, threads)
            return causal if cls._native_class is _native.ForCausalLM else causal.model()
        whole = _native.ForConditionalGeneration.synthetic(text, seed, threads)
        return whole if cls._native_class is _native.ForConditionalGeneration else whole.model()

    # ---- what it is

    @property
    def generation_config(self) -> GenerationConfig:
        """generation_config.json of the checkpoint, or what config.json says of token ids. May be changed."""
        if self._generation_config is None:
            if self._folder is not None and (self._folder / "generation_config.json").is_file():
                self._generation_config = GenerationConfig.from_pretrained(self._folder)
            else:
                self._generation_config = GenerationConfig.from_model_config(self.config)
        return self._generation_config

    @generation_config.setter
    def generation_config(self, value: GenerationConfig) -> None:
        self._generation_config = value

    @property
    def name_or_path(self) -> str:
        return str(getattr(self.config, "_name_or_path", "") or "")

    @property
    def device(self) -> Any:
        """torch.device("cpu") where torch is in use, else an object that prints and compares like it."""
        torch = sys.modules.get("torch")
        return Device("cpu") if torch is None else torch.device("cpu")

    @property
    def dtype(self) -> Any:
        """The dtype that was asked for, or the checkpoint's. Results are float32."""
        torch = sys.modules.get("torch")
        return DType(self._dtype) if torch is None else getattr(torch, self._dtype)

    @property
    def base_model(self) -> Any:
        return getattr(self, "model", self)

    def can_generate(self) -> bool:
        return False

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Number of weights of this class in the checkpoint; a head that is tied to the embeddings counts once."""
        return saving.count_parameters(self._stored_in("num_parameters"), self._part, exclude_embeddings)

    def get_memory_footprint(self, return_buffers: bool = True) -> int:
        """Bytes of the weights of this class in the checkpoint."""
        return saving.count_bytes(self._stored_in("get_memory_footprint"), self._part)

    def get_input_embeddings(self) -> "InputEmbeddings":
        return InputEmbeddings(self._text_model(), self.config.get_text_config())

    def _text_model(self) -> Any:
        raise NotImplementedError

    # ---- what torch modules are asked for

    def eval(self) -> Any:
        return self

    def train(self, mode: bool = True) -> Any:
        if mode:
            raise NotImplementedError("train: this engine only infers")
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        if requires_grad:
            raise NotImplementedError("requires_grad_: this engine only infers")
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """To a device (there is only the CPU) or dtype (results stay float32). Returns the model itself."""
        for value in (*args, *kwargs.values()):
            name = dtype_name(value)
            if name is not None:
                self._dtype = name
            elif not isinstance(value, bool):
                check_device(value)
        return self

    def cpu(self) -> Any:
        return self

    def cuda(self, device: Any = None) -> Any:
        return self.to("cuda")

    def float(self) -> Any:
        return self.to("float32")

    def half(self) -> Any:
        return self.to("float16")

    def bfloat16(self) -> Any:
        return self.to("bfloat16")

    def tie_weights(self, *args: Any, **kwargs: Any) -> None:
        """Heads are tied when a checkpoint is opened."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name_or_path!r})"

    # ---- forward

    def _submodule(self, name: str, make: Any) -> Any:
        if name not in self._parts:
            self._parts[name] = make()
        return self._parts[name]

    def _part_of(self, cls: Any, native: Any, config: Any) -> Any:
        part = cls(config, _native_model=native)
        part._folder, part._dtype, part._origin = self._folder, self._dtype, self._origin
        return part

    def _run(self, inputs: "Inputs", output_class: type[ModelOutput]) -> Any:
        """The native forward of this class."""
        cache = inputs.past_key_values
        arguments = dict(inputs.arguments)
        arguments["past_key_values"] = native_cache(cache, self._native, inputs.batch_size)
        out = self._native.forward(**arguments)
        past = wrap_cache(cache, out.pop("past_key_values")) if arguments["use_cache"] or cache is not None else None
        out.pop("past_key_values", None)
        values = {name: _wrapped(value, inputs.kind) for name, value in out.items()}
        result = output_class(past_key_values=past, **values)
        return result if inputs.return_dict else result.to_tuple()


class Inputs:
    """The arguments of a forward call in the form that the native models take."""

    def __init__(
        self,
        config: Any,
        *,
        input_ids: Any = None,
        inputs_embeds: Any = None,
        per_layer_inputs: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Optional[Cache] = None,
        use_cache: Optional[bool] = None,
        output_hidden_states: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        unused: Optional[dict[str, Any]] = None,
    ):
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("forward: expected exactly one of input_ids and inputs_embeds")
        if input_ids is not None and per_layer_inputs is not None:
            raise ValueError("forward: per_layer_inputs belong to inputs_embeds, not to input_ids")
        if output_attentions or (output_attentions is None and getattr(config, "output_attentions", False)):
            raise NotImplementedError("output_attentions: attention weights are never held as a whole")
        for name in unused or {}:
            if name == "mm_encoder_outputs" and unused and unused[name] is None:
                continue
            if name not in _UNUSED_INPUTS:
                raise TypeError(f"forward: unknown argument {name!r}")
        first = input_ids if input_ids is not None else inputs_embeds
        self.kind: Kind = kind_of(first)
        self.past_key_values = past_key_values
        self.return_dict = getattr(config, "return_dict", True) if return_dict is None else return_dict
        if use_cache is None:
            use_cache = getattr(config.get_text_config(), "use_cache", True)
        if output_hidden_states is None:
            output_hidden_states = getattr(config, "output_hidden_states", False)
        self.arguments: dict[str, Any] = {
            "input_ids": int64(input_ids, "input_ids", 2),
            "inputs_embeds": float32(inputs_embeds, "inputs_embeds", 3),
            "per_layer_inputs": float32(per_layer_inputs, "per_layer_inputs", 4),
            "attention_mask": int64(attention_mask, "attention_mask", 2),
            "position_ids": int64(position_ids, "position_ids", 2),
            "use_cache": bool(use_cache),
            "output_hidden_states": bool(output_hidden_states),
        }
        ids = self.arguments["input_ids"]
        self.batch_size = int((ids if ids is not None else self.arguments["inputs_embeds"]).shape[0])

    def add_head(self, logits_to_keep: Any, labels: Any) -> None:
        if isinstance(logits_to_keep, (int, np.integer)):
            self.arguments["logits_to_keep"] = int(logits_to_keep)
        else:
            self.arguments["logits_indices"] = int64(logits_to_keep, "logits_to_keep", 1)
        self.arguments["labels"] = int64(labels, "labels", 2)

    def add_media(self, pixel_values: Any, input_features: Any, input_features_mask: Any) -> None:
        self.arguments.update(media_arguments(pixel_values, input_features, input_features_mask))


def media_arguments(pixel_values: Any, input_features: Any, input_features_mask: Any) -> dict[str, Any]:
    """pixel_values [N, 3, H, W] f32, input_features [clips, T, F] f32, input_features_mask [clips, T] bool."""
    # As transformers, sounds without a mask are not heard.
    if input_features_mask is None:
        input_features = None
    mask = None if input_features is None else to_numpy(input_features_mask, np.bool_, "input_features_mask")
    return {
        "pixel_values": float32(pixel_values, "pixel_values", 4),
        "input_features": float32(input_features, "input_features", 3),
        "input_features_mask": mask,
    }


def int64(value: Any, name: str, rank: int) -> Any:
    """An int64 array of this rank; None for None. Raises TypeError for other than whole numbers, ValueError for another rank."""
    if value is None:
        return None
    array = to_numpy(value, name=name)
    if array.dtype.kind == "f" and array.size and not np.array_equal(array, np.round(array)):
        raise TypeError(f"{name}: expected whole numbers, got {array.dtype}")
    return _ranked(np.asarray(array, np.int64, order="C"), name, rank)


def float32(value: Any, name: str, rank: int) -> Any:
    return None if value is None else _ranked(to_numpy(value, np.float32, name), name, rank)


def _ranked(array: np.ndarray[Any, Any], name: str, rank: int) -> np.ndarray[Any, Any]:
    if array.ndim != rank:
        raise ValueError(f"{name}: expected {rank} dimensions, got shape {list(array.shape)}")
    return array


def _wrapped(value: Any, kind: Kind) -> Any:
    if isinstance(value, tuple):
        return tuple(wrap(item, kind) for item in value)
    return wrap(value, kind)


def _chosen_dtype(dtype: Any, config: Any, folder: pathlib.Path) -> str:
    if dtype is None or dtype == "auto":
        return dtype_name(getattr(config, "dtype", None)) or saving.dtype_of(folder)
    name = dtype_name(dtype)
    if name is None:
        raise ValueError(f"dtype: expected a floating-point dtype or 'auto', got {dtype!r}")
    return name


def _size_text(size: Any) -> str:
    """A size as the engine reads it: a name, a path or JSON."""
    return json.dumps(size) if isinstance(size, dict) else os.fspath(size)


def _sliced_config(config: Any, native: Any) -> Any:
    """`config` with what the size of `native` changes."""
    config = copy.deepcopy(config)
    text = getattr(config, "text_config", config)
    values = json.loads(native.text_config_json())
    for name in (
        "num_hidden_layers",
        "intermediate_size",
        "layer_types",
        "num_kv_shared_layers",
        "activation_sparsity_pattern",
    ):
        setattr(text, name, values[name])
    return config


def _computing_part(values: dict[str, Any], without: set[str]) -> dict[str, Any]:
    return {
        k: _computing_part(v, without) if isinstance(v, dict) else v
        for k, v in values.items()
        if k not in without and v is not None
    }


class InputEmbeddings:
    """The embedding table as a function: ids [B, T] -> [B, T, D] f32, scaled by sqrt(D)."""

    def __init__(self, native: Any, config: Any):
        self._native = native
        self.num_embeddings = config.vocab_size
        self.embedding_dim = config.hidden_size
        self.padding_idx = config.pad_token_id

    def __call__(self, input_ids: Any) -> Any:
        ids = int64(input_ids, "input_ids", 2)
        return wrap(self._native.get_input_embeddings(ids), kind_of(input_ids))


class Gemma3nPreTrainedModel(PreTrainedModel):
    """Base of the Gemma 3n models."""


class Gemma3nTextModel(Gemma3nPreTrainedModel):
    """The text model without a head."""

    config_class = Gemma3nTextConfig
    _native_class = _native.TextModel
    _part = saving.Part.TEXT
    _is_text_only = True

    def forward(
        self,
        input_ids: Any = None,
        per_layer_inputs: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Optional[Cache] = None,
        inputs_embeds: Any = None,
        use_cache: Optional[bool] = None,
        output_hidden_states: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs: Any,
    ) -> Any:
        """Hidden states of each token, as a BaseModelOutputWithPast.

        input_ids: [B, T] integers; or inputs_embeds: [B, T, D], with per_layer_inputs [B, T, L, P] from
        get_per_layer_inputs. attention_mask: [B, past + T], 1 = token, 0 = padding. position_ids: [B, T] or [1, T].
        past_key_values: extended in place. At padding, results are 0.
        Raises ValueError for shapes or ids that do not fit.
        """
        inputs = Inputs(
            self.config,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            per_layer_inputs=per_layer_inputs,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            return_dict=return_dict,
            unused=kwargs,
        )
        return self._run(inputs, BaseModelOutputWithPast)

    def get_per_layer_inputs(self, input_ids: Any) -> Any:
        """Scaled rows of the per-layer embedding table.   ids: [B, T], returns [B, T, L, P] f32."""
        ids = int64(input_ids, "input_ids", 2)
        return wrap(self._native.get_per_layer_inputs(ids), kind_of(input_ids))

    def _text_model(self) -> Any:
        return self._native


class Gemma3nForCausalLM(Gemma3nPreTrainedModel):
    """The text model with its vocabulary head."""

    config_class = Gemma3nTextConfig
    _native_class = _native.ForCausalLM
    _part = saving.Part.CAUSAL
    _is_text_only = True

    def can_generate(self) -> bool:
        return True

    @property
    def model(self) -> Gemma3nTextModel:
        make = lambda: self._part_of(Gemma3nTextModel, self._native.model(), self.config)  # noqa: E731
        return self._submodule("model", make)  # type: ignore[no-any-return]

    def get_decoder(self) -> Gemma3nTextModel:
        return self.model

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Optional[Cache] = None,
        inputs_embeds: Any = None,
        labels: Any = None,
        use_cache: Optional[bool] = None,
        logits_to_keep: Any = 0,
        per_layer_inputs: Any = None,
        output_hidden_states: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs: Any,
    ) -> Any:
        """Logits of the next token, as a CausalLMOutputWithPast. Arguments as Gemma3nTextModel.forward, and:

        labels: [B, T], -100 = ignored: gives the mean cross entropy of each next token as `loss`.
        logits_to_keep: of the last n positions only (0 = all), or an array of positions.
        """
        inputs = Inputs(
            self.config,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            per_layer_inputs=per_layer_inputs,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            return_dict=return_dict,
            unused=kwargs,
        )
        inputs.add_head(logits_to_keep, labels)
        return self._run(inputs, CausalLMOutputWithPast)

    def _text_model(self) -> Any:
        return self._native.model()


class _WithMedia(Gemma3nPreTrainedModel):
    """What the models with towers share."""

    @property
    def language_model(self) -> Gemma3nTextModel:
        """The text model; it has the text table's embeddings for all ids."""
        make = lambda: self._part_of(Gemma3nTextModel, self._text_model(), self.config.text_config)  # noqa: E731
        return self._submodule("language_model", make)  # type: ignore[no-any-return]

    def get_decoder(self) -> Gemma3nTextModel:
        return self.language_model

    def _native_model_without_head(self) -> Any:
        raise NotImplementedError

    def get_image_features(self, pixel_values: Any, return_dict: Optional[bool] = None, **kwargs: Any) -> Any:
        """The vision tower and the projection to text space, as a BaseModelOutputWithPooling.

        pixel_values: [N, 3, height, width] f32 from the processor.
        """
        pixels = float32(pixel_values, "pixel_values", 4)
        out = self._native_model_without_head().get_image_features(pixels)
        kind = kind_of(pixel_values)
        result = BaseModelOutputWithPooling(**{k: wrap(v, kind) for k, v in out.items()})
        return result.to_tuple() if return_dict is False else result

    def get_audio_features(
        self, input_features: Any, input_features_mask: Any, return_dict: Optional[bool] = None, **kwargs: Any
    ) -> Any:
        """The audio tower and the projection to text space, as a Gemma3nAudioEncoderModelOutput.

        input_features: [clips, T, F] f32. input_features_mask: [clips, T] bool, true = PADDING, as transformers takes it
        here: the inverse of what the processor returns.
        """
        features = float32(input_features, "input_features", 3)
        mask = np.logical_not(to_numpy(input_features_mask, np.bool_, "input_features_mask"))
        out = self._native_model_without_head().get_audio_features(features, mask)
        kind = kind_of(input_features)
        result = Gemma3nAudioEncoderModelOutput(**{k: wrap(v, kind) for k, v in out.items()})
        return result.to_tuple() if return_dict is False else result

    def get_placeholder_mask(self, input_ids: Any, **kwargs: Any) -> Any:
        """Where pictures and where sounds stand in input_ids [B, T]: two bool arrays [B, T, 1]."""
        ids = int64(input_ids, "input_ids", 2)
        kind = kind_of(input_ids)
        masks = (ids == self.config.image_token_id, ids == self.config.audio_token_id)
        return tuple(wrap(np.ascontiguousarray(np.expand_dims(mask, -1)), kind) for mask in masks)


class Gemma3nModel(_WithMedia):
    """The text model with the towers, without a head."""

    _native_class = _native.Model
    _part = saving.Part.MODEL

    def forward(
        self,
        input_ids: Any = None,
        pixel_values: Any = None,
        input_features: Any = None,
        attention_mask: Any = None,
        input_features_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Optional[Cache] = None,
        token_type_ids: Any = None,
        inputs_embeds: Any = None,
        per_layer_inputs: Any = None,
        use_cache: Optional[bool] = None,
        output_hidden_states: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs: Any,
    ) -> Any:
        """Hidden states of each token, as a Gemma3nModelOutputWithPast. As Gemma3nTextModel.forward, and:

        pixel_values: [pictures, 3, height, width] f32, input_features: [clips, T, F] f32 with input_features_mask:
        [clips, T] bool, true = sound: of the whole batch, in the order of their placeholders in input_ids.
        Raises ValueError if placeholders and soft tokens differ in number.
        """
        inputs = Inputs(
            self.config,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            per_layer_inputs=per_layer_inputs,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            return_dict=return_dict,
            unused={k: v for k, v in kwargs.items() if k != "labels"},
        )
        inputs.add_media(pixel_values, input_features, input_features_mask)
        return self._run(inputs, Gemma3nModelOutputWithPast)

    def _native_model_without_head(self) -> Any:
        return self._native

    def _text_model(self) -> Any:
        return self._native.language_model()


class Gemma3nForConditionalGeneration(_WithMedia):
    """Text, pictures and sounds in, logits out."""

    _native_class = _native.ForConditionalGeneration
    _part = saving.Part.WHOLE

    def can_generate(self) -> bool:
        return True

    @property
    def model(self) -> Gemma3nModel:
        make = lambda: self._part_of(Gemma3nModel, self._native.model(), self.config)  # noqa: E731
        return self._submodule("model", make)  # type: ignore[no-any-return]

    def forward(
        self,
        input_ids: Any = None,
        pixel_values: Any = None,
        input_features: Any = None,
        attention_mask: Any = None,
        input_features_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Optional[Cache] = None,
        token_type_ids: Any = None,
        inputs_embeds: Any = None,
        labels: Any = None,
        use_cache: Optional[bool] = None,
        logits_to_keep: Any = 0,
        per_layer_inputs: Any = None,
        output_hidden_states: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        return_dict: Optional[bool] = None,
        **kwargs: Any,
    ) -> Any:
        """Logits of the next token, as a Gemma3nCausalLMOutputWithPast. Arguments as Gemma3nModel.forward and
        Gemma3nForCausalLM.forward."""
        inputs = Inputs(
            self.config,
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            per_layer_inputs=per_layer_inputs,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            return_dict=return_dict,
            unused=kwargs,
        )
        inputs.add_head(logits_to_keep, labels)
        inputs.add_media(pixel_values, input_features, input_features_mask)
        return self._run(inputs, Gemma3nCausalLMOutputWithPast)

    def _native_model_without_head(self) -> Any:
        return self._native.model()

    def _text_model(self) -> Any:
        return self._native.model().language_model()
