"""GenerationConfig: how text is generated, as generation_config.json holds it.

A value of None means that nobody chose one: generate() then takes DEFAULT_PARAMETERS.
"""

from __future__ import annotations

import copy
import dataclasses
import enum
import json
import os
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Optional, Union, overload

from gemma3n.log import warn_once
from gemma3n import hub


# The keywords, in the order in which they are written. All are None unless given.
_PARAMETERS = """max_length max_new_tokens min_length min_new_tokens early_stopping max_time stop_strings
    do_sample num_beams use_mtp use_cache cache_implementation cache_config max_cache_len
    temperature top_k top_p min_p top_h typical_p epsilon_cutoff eta_cutoff repetition_penalty
    encoder_repetition_penalty length_penalty no_repeat_ngram_size bad_words_ids renormalize_logits
    forced_bos_token_id forced_eos_token_id remove_invalid_values exponential_decay_length_penalty
    suppress_tokens begin_suppress_tokens sequence_bias token_healing guidance_scale
    watermarking_config num_return_sequences output_attentions output_hidden_states output_scores
    output_logits return_dict_in_generate pad_token_id bos_token_id eos_token_id
    encoder_no_repeat_ngram_size decoder_start_token_id is_assistant num_assistant_tokens
    num_assistant_tokens_schedule assistant_confidence_threshold prompt_lookup_num_tokens
    max_matching_ngram_size assistant_early_exit assistant_lookbehind target_lookbehind
    assistant_ensemble_weight speculation_type compile_config disable_compile
    continuous_batching_config low_memory penalty_alpha dola_layers diversity_penalty num_beam_groups
    constraints force_words_ids prefill_chunk_size _from_model_config transformers_version""".split()

# What generate() takes for parameters that neither the caller nor the model chose.
DEFAULT_PARAMETERS: dict[str, Any] = {
    "max_length": 20,
    "min_length": 0,
    "do_sample": False,
    "use_cache": True,
    "early_stopping": False,
    "num_beams": 1,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "length_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "num_return_sequences": 1,
    "output_scores": False,
    "return_dict_in_generate": False,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "remove_invalid_values": False,
    "exponential_decay_length_penalty": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "encoder_repetition_penalty": 1.0,
    "num_assistant_tokens": 20,
    "num_assistant_tokens_schedule": "constant",
    "assistant_confidence_threshold": 0.4,
    "assistant_lookbehind": 10,
    "target_lookbehind": 10,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
}

_NOT_COMPARED = ("_from_model_config",)
_NOT_WRITTEN = ("_commit_hash", "_original_object_hash", "_mask_length", "transformers_version")

_STATIC_CACHES = ("static", "offloaded_static", "sliding_window", "hybrid", "hybrid_chunked",
                  "offloaded_hybrid", "offloaded_hybrid_chunked")  # fmt: skip
_CACHES = (*_STATIC_CACHES, "dynamic", "offloaded", "quantized", "paged")

# What does nothing when tokens are not sampled, and the values that ask for nothing anyway.
_ONLY_WHEN_SAMPLING = {"temperature": 1.0, "top_p": 1.0, "min_p": None, "top_h": None,
                       "typical_p": 1.0, "top_k": 50, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0}  # fmt: skip
_ONLY_WITH_BEAMS = {"early_stopping": False, "length_penalty": 1.0}

_ARGUMENTS_OF_GENERATE = ("logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "synced_gpus",
                          "assistant_model", "streamer", "negative_prompt_ids",
                          "negative_prompt_attention_mask")  # fmt: skip


class GenerationMode(str, enum.Enum):
    """How generate() chooses tokens."""

    CONTRASTIVE_SEARCH = "contrastive_search"
    GREEDY_SEARCH = "greedy_search"
    SAMPLE = "sample"
    ASSISTED_GENERATION = "assisted_generation"
    DOLA_GENERATION = "dola_generation"
    BEAM_SEARCH = "beam_search"
    BEAM_SAMPLE = "beam_sample"
    CONSTRAINED_BEAM_SEARCH = "constrained_beam_search"
    GROUP_BEAM_SEARCH = "group_beam_search"


@dataclasses.dataclass
class CompileConfig:
    """Options of torch.compile. Accepted and kept; there is nothing to compile here."""

    fullgraph: bool = False
    dynamic: Optional[bool] = None
    backend: Any = "inductor"
    mode: str = "reduce-overhead"
    options: Optional[dict[str, Any]] = None

    def to_dict(self) -> dict[str, Any]:
        return copy.deepcopy(self.__dict__)


@dataclasses.dataclass
class WatermarkingConfig:
    """A watermark in generated text: `bias` is added to the logits of a share `greenlist_ratio` of
    the vocabulary, chosen by hashing `context_width` tokens with `hashing_key`."""

    greenlist_ratio: float = 0.25
    bias: float = 2.0
    hashing_key: int = 15485863
    seeding_scheme: str = "lefthash"  # or "selfhash"
    context_width: int = 1

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> WatermarkingConfig:
        config = cls(**config_dict)
        config.update(**kwargs)
        return config

    def validate(self) -> None:
        """Raises ValueError for values out of range."""
        if self.seeding_scheme not in ("selfhash", "lefthash"):
            raise ValueError(
                f"seeding_scheme: expected 'lefthash' or 'selfhash', got {self.seeding_scheme!r}"
            )
        if not 0.0 <= self.greenlist_ratio <= 1.0:
            raise ValueError(
                f"greenlist_ratio: expected a number from 0 to 1, got {self.greenlist_ratio}"
            )
        if not self.context_width >= 1:
            raise ValueError(f"context_width: expected at least 1, got {self.context_width}")

    def update(self, **kwargs: Any) -> None:
        """Sets the fields; other keywords are ignored."""
        for name, value in kwargs.items():
            if hasattr(self, name):
                setattr(self, name, value)

    def to_dict(self) -> dict[str, Any]:
        return copy.deepcopy(self.__dict__)

    def to_json_string(self) -> str:
        return json.dumps(self.__dict__, indent=2) + "\n"

    def to_json_file(self, json_file_path: hub.PathLike) -> None:
        with open(json_file_path, "w", encoding="utf-8") as file:
            file.write(json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n")

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"


class GenerationConfig:
    """How to generate: lengths, sampling, beams, penalties, special tokens, what generate() returns.

    Takes generate()'s keywords; others become attributes. Raises ValueError if a value is out of
    range or keywords contradict each other.
    """

    extra_output_flags: ClassVar[tuple[str, ...]] = (
        "output_attentions", "output_hidden_states", "output_scores", "output_logits",
    )  # fmt: skip

    def __init__(self, **kwargs: Any) -> None:
        given = set(kwargs)
        kwargs.pop("_commit_hash", None)
        for name in _PARAMETERS:
            setattr(self, name, kwargs.pop(name, None))
        self._read_watermark()
        if not self._from_model_config:
            for name, value in kwargs.items():
                setattr(self, name, value)
        self.validate(user_set_attributes=given)

    watermarking_config: Any  # a WatermarkingConfig; a dict becomes one

    if TYPE_CHECKING:  # any parameter may be read and set

        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def _read_watermark(self) -> None:
        if isinstance(self.watermarking_config, dict):
            self.watermarking_config = WatermarkingConfig.from_dict(self.watermarking_config)

    # ---- checks

    def validate(
        self, strict: bool = False, user_set_attributes: Optional[set[str]] = None
    ) -> None:
        """Raises ValueError for values that cannot be; warns of those that do nothing, or raises
        ValueError for them too if `strict`.

        user_set_attributes: the parameters the caller chose. Of those a model's file chose, such as
        top_p under the caller's do_sample=False, there is no warning.
        """
        self._check_values()
        issues = self._ignored(user_set_attributes or set())
        self._check_combinations()
        if issues and strict:
            raise ValueError(
                "GenerationConfig is invalid:\n" + "\n".join(f"- {i}" for i in issues.values())
            )
        if issues:
            warn_once(f"these generation parameters will be ignored: {'; '.join(issues.values())}")

    def _check_values(self) -> None:
        if self.early_stopping not in {None, True, False, "never"}:
            raise ValueError(
                f"early_stopping: expected True, False or 'never', got {self.early_stopping!r}"
            )
        if self.max_new_tokens is not None and self.max_new_tokens <= 0:
            raise ValueError(f"max_new_tokens: expected more than 0, got {self.max_new_tokens}")
        weight = self.assistant_ensemble_weight
        if weight is not None and not 0.0 < weight < 1.0:
            raise ValueError(
                f"assistant_ensemble_weight: expected None or a number between 0 and 1, got {weight}"
            )
        cache = self.cache_implementation
        if cache is not None and cache not in _CACHES:
            raise ValueError(
                f"cache_implementation: expected one of {', '.join(_CACHES)}, got {cache!r}"
            )
        if self.max_cache_len is not None and cache not in _STATIC_CACHES:
            warn_once("max_cache_len is used by static caches only")
        if self.compile_config is not None and not isinstance(self.compile_config, CompileConfig):
            raise ValueError(
                f"compile_config: expected a CompileConfig, got {type(self.compile_config).__name__}"
            )
        if self.watermarking_config is not None:
            self.watermarking_config.validate()

    def _ignored(self, chosen: set[str]) -> dict[str, str]:
        """{parameter: why it does nothing}"""
        issues = {}
        if self.pad_token_id is not None and self.pad_token_id < 0:
            issues["pad_token_id"] = (
                f"pad_token_id ({self.pad_token_id}) is negative, so batches cannot be padded"
            )
        has_beams = self.num_beams is not None and self.num_beams != 1
        for switch, is_on, neutral in (
            ("do_sample", self.do_sample is True, _ONLY_WHEN_SAMPLING),
            ("num_beams", has_beams, _ONLY_WITH_BEAMS),
        ):
            for name, value in neutral.items():
                current = getattr(self, name)
                if is_on or current is None or current == value:
                    continue
                if switch not in chosen or name in chosen:
                    issues[name] = (
                        f"{name}={current!r} needs {'do_sample=True' if switch == 'do_sample' else 'num_beams>1'}"
                    )
        if self.use_cache is False:
            for name in ("cache_implementation", "cache_config"):
                if getattr(self, name) is not None:
                    issues[name] = f"{name} needs use_cache=True"
        if self.return_dict_in_generate is not True:
            for name in self.extra_output_flags:
                if getattr(self, name) is True:
                    issues[name] = f"{name} needs return_dict_in_generate=True"
        return issues

    def _check_combinations(self) -> None:
        count, beams = self.num_return_sequences, 1 if self.num_beams is None else self.num_beams
        if count is not None and count > 1:
            if beams == 1 and not self.do_sample:
                raise ValueError(
                    f"num_return_sequences ({count}): greedy search finds one sequence; set do_sample=True or num_beams"
                )
            if beams != 1 and count > beams:
                raise ValueError(
                    f"num_return_sequences ({count}): expected at most num_beams ({beams})"
                )
        if self.suppress_tokens is not None:
            for name in ("forced_bos_token_id", "forced_eos_token_id"):
                forced = getattr(self, name)
                forced = (
                    set()
                    if forced is None
                    else {forced} if isinstance(forced, int) else set(forced)
                )
                if forced and forced <= set(self.suppress_tokens):
                    raise ValueError(
                        f"{name}: all of {sorted(forced)} are in suppress_tokens, so no token is left"
                    )
        for name in _ARGUMENTS_OF_GENERATE:
            if hasattr(self, name):
                raise ValueError(
                    f"{name} is no parameter of GenerationConfig: pass it to generate() or the pipeline"
                )

    def get_generation_mode(self, assistant_model: Any = None) -> GenerationMode:
        """How these parameters make generate() choose tokens."""
        mode = GenerationMode.SAMPLE if self.do_sample is True else GenerationMode.GREEDY_SEARCH
        if self.constraints is not None or self.force_words_ids is not None:
            mode = GenerationMode.CONSTRAINED_BEAM_SEARCH
        elif self.num_beams is not None and self.num_beams != 1:
            mode = (
                GenerationMode.BEAM_SAMPLE if self.do_sample is True else GenerationMode.BEAM_SEARCH
            )
            if self.num_beam_groups is not None and self.num_beam_groups > 1:
                mode = GenerationMode.GROUP_BEAM_SEARCH
        elif self.do_sample is not True and (self.top_k or 0) > 1 and (self.penalty_alpha or 0) > 0:
            mode = GenerationMode.CONTRASTIVE_SEARCH
        is_simple = mode in (GenerationMode.GREEDY_SEARCH, GenerationMode.SAMPLE)
        is_assisted = self.use_mtp or any(
            value is not None
            for value in (assistant_model, self.prompt_lookup_num_tokens, self.assistant_early_exit)
        )
        if is_assisted and is_simple:
            return GenerationMode.ASSISTED_GENERATION
        if self.dola_layers is not None and is_simple:
            return GenerationMode.DOLA_GENERATION
        if is_assisted or self.dola_layers is not None:
            warn_once(
                f"assisted and DoLa generation do not go with {mode.value}: they are ignored"
            )
        return mode

    # ---- reading

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name: hub.PathLike,
        config_file_name: Optional[hub.PathLike] = None,
        *,
        return_unused_kwargs: Literal[True],
        **kwargs: Any,
    ) -> tuple[GenerationConfig, dict[str, Any]]: ...

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name: hub.PathLike,
        config_file_name: Optional[hub.PathLike] = None,
        cache_dir: Optional[hub.PathLike] = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: Union[str, bool, None] = None,
        revision: str = "main",
        **kwargs: Any,
    ) -> GenerationConfig: ...

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name: hub.PathLike,
        config_file_name: Optional[hub.PathLike] = None,
        cache_dir: Optional[hub.PathLike] = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: Union[str, bool, None] = None,
        revision: str = "main",
        **kwargs: Any,
    ) -> Any:
        """Reads generation_config.json (or `config_file_name`) of a folder or a cached repository.

        kwargs replace values of the file. With return_unused_kwargs=True the result is
        (configuration, unused keywords).
        Raises FileNotFoundError (see hub.resolve_model_dir), OSError if the file is no JSON object.
        """
        del force_download, local_files_only, token
        subfolder = kwargs.pop("subfolder", "")
        for name in ("proxies", "_from_pipeline", "_from_auto"):
            kwargs.pop(name, None)
        file_name = os.fspath(config_file_name or hub.GENERATION_CONFIG_NAME)
        folder = hub.resolve_model_dir(
            pretrained_model_name, revision, cache_dir, subfolder, required=file_name
        )
        values = hub.read_json(folder / file_name)
        if kwargs.get("_from_model_config"):
            return cls.from_model_config(values)
        return_unused = kwargs.pop("return_unused_kwargs", False) is True
        config, unused = cls.from_dict(values, return_unused_kwargs=True, **kwargs)
        config._original_object_hash = hash(config)
        return (config, unused) if return_unused else config

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """From a dict as to_dict gives it; kwargs as in from_pretrained."""
        return_unused = kwargs.pop("return_unused_kwargs", False)
        for name in ("_from_auto", "_from_pipeline"):
            kwargs.pop(name, None)
        config = cls(**{**config_dict, **kwargs})
        unused = config.update(**kwargs)
        return (config, unused) if return_unused else config

    @classmethod
    def from_model_config(cls, model_config: Any) -> GenerationConfig:
        """What a model's configuration (or its dict) says about generation: special tokens mostly."""
        values = dict(model_config) if isinstance(model_config, dict) else model_config.to_dict()
        values.pop("_from_model_config", None)
        given = {name: value for name, value in values.items() if value is not None}
        config: GenerationConfig = cls.from_dict(given, _from_model_config=True)
        if isinstance(model_config, dict):
            text_values = model_config.get("text_config") or model_config
        else:
            text_values = model_config.get_text_config(decoder=True).to_dict()
        for name in config.to_dict():
            if name in text_values and name in _PARAMETERS and getattr(config, name) is None:
                setattr(config, name, text_values[name])
        if not config.return_dict_in_generate and any(
            getattr(config, name) for name in cls.extra_output_flags
        ):
            config.return_dict_in_generate = True
        config._original_object_hash = hash(config)
        return config

    def update(
        self, defaults_only: bool = False, allow_custom_entries: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """Sets the attributes that exist; returns the keywords that were not used.

        defaults_only: only those that are None. allow_custom_entries: new attributes too.
        """
        used = set()
        for name, value in kwargs.items():
            exists = hasattr(self, name)
            if (exists and (not defaults_only or getattr(self, name) is None)) or (
                allow_custom_entries and not exists
            ):
                setattr(self, name, value)
                used.add(name)
        self._read_watermark()
        self.validate(user_set_attributes=used)
        return {name: value for name, value in kwargs.items() if name not in used}

    # ---- writing

    def to_dict(self) -> dict[str, Any]:
        """All values. Ours has no "transformers_version"."""
        output = copy.deepcopy(self.__dict__)
        for name in _NOT_WRITTEN:
            output.pop(name, None)
        if output.get("dtype") is not None and not isinstance(output["dtype"], str):
            output["dtype"] = str(output["dtype"]).split(".")[-1]
        return output

    def to_diff_dict(self) -> dict[str, Any]:
        """to_dict without what GenerationConfig() has."""
        defaults = GenerationConfig().to_dict()
        return {k: v for k, v in self.to_dict().items() if k not in defaults or v != defaults[k]}

    def to_json_string(
        self,
        use_diff: bool = True,
        ignore_metadata: bool = False,
        keys_to_pop: Optional[list[str]] = None,
    ) -> str:
        """ignore_metadata leaves out what does not steer generation."""
        values = self.to_diff_dict() if use_diff is True else self.to_dict()
        for name in (*(keys_to_pop or ()), *(_NOT_COMPARED if ignore_metadata else ())):
            values.pop(name, None)
        return json.dumps(_serializable(values), indent=2, sort_keys=True) + "\n"

    def to_json_file(
        self,
        json_file_path: hub.PathLike,
        use_diff: bool = True,
        keys_to_pop: Optional[list[str]] = None,
    ) -> None:
        with open(json_file_path, "w", encoding="utf-8") as file:
            file.write(self.to_json_string(use_diff=use_diff, keys_to_pop=keys_to_pop))

    def save_pretrained(
        self,
        save_directory: hub.PathLike,
        config_file_name: Optional[hub.PathLike] = None,
        push_to_hub: bool = False,
        **kwargs: Any,
    ) -> None:
        """Writes generation_config.json into the folder, which is made if need be.

        Raises ValueError if parameters would be ignored, unless all are as they were loaded.
        """
        if push_to_hub:
            raise NotImplementedError(
                "push_to_hub is not supported: upload the folder with `hf upload`"
            )
        is_modified = self.__dict__.get("_original_object_hash") != hash(self)
        self.validate(strict=is_modified)
        if os.path.isfile(save_directory):
            raise AssertionError(
                f"save_directory: expected a folder, got the file {os.fspath(save_directory)}"
            )
        os.makedirs(save_directory, exist_ok=True)
        file_name = os.fspath(config_file_name or hub.GENERATION_CONFIG_NAME)
        self.to_json_file(
            os.path.join(os.fspath(save_directory), file_name), keys_to_pop=["compile_config"]
        )

    # ---- comparing

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GenerationConfig):
            return False
        return self.to_json_string(use_diff=False, ignore_metadata=True) == other.to_json_string(
            use_diff=False, ignore_metadata=True
        )

    def __hash__(self) -> int:
        return hash(self.to_json_string(ignore_metadata=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string(ignore_metadata=True)}"


def _serializable(value: Any) -> Any:
    """JSON's keys are strings; configurations within become dicts."""
    if isinstance(value, dict):
        return {str(key): _serializable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_serializable(item) for item in value]
    if dataclasses.is_dataclass(value) and hasattr(value, "to_dict"):
        return value.to_dict()
    return value
