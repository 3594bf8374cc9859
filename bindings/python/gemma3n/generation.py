"""generate(): prompts in, prompts and new tokens out, as transformers' GenerationMixin.

The loop itself is the engine's. Padding is dropped on the way in and put back on the way out, so a row of a batch gets
what it would get alone.
"""

from __future__ import annotations

import copy
import random
import threading
import time
from typing import Any, Callable, Iterable, Optional, Sequence, Union

import numpy as np

from gemma3n.log import logger
from gemma3n import _native
from gemma3n.cache import STORAGES, native_cache, wrap_cache
from gemma3n.generation_config import DEFAULT_PARAMETERS, GenerationConfig
from gemma3n.outputs import GenerateDecoderOnlyOutput
from gemma3n.tensors import Kind, kind_of, to_numpy, wrap


# Options that would change the output and are not supported, and the values that leave it as it is.
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "num_beams": (None, 1),
    "num_beam_groups": (None, 1),
    "penalty_alpha": (None, 0, 0.0),
    "guidance_scale": (None, 1, 1.0),
    "dola_layers": (None,),
    "prompt_lookup_num_tokens": (None,),
    "assistant_early_exit": (None,),
    "constraints": (None,),
    "force_words_ids": (None,),
    "epsilon_cutoff": (None, 0, 0.0),
    "eta_cutoff": (None, 0, 0.0),
    "top_h": (None,),
    "encoder_repetition_penalty": (None, 1, 1.0),
    "encoder_no_repeat_ngram_size": (None, 0),
    "exponential_decay_length_penalty": (None,),
    "watermarking_config": (None,),
    "token_healing": (None, False),
    "sequence_bias": (None,),
    "output_attentions": (None, False),
}
# Where nobody chose, the engine does.
_ENGINE_DEFAULTS = ("num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold")
_STATIC_CACHES = ("static", "offloaded_static")
_DYNAMIC_CACHES = (None, "dynamic", "hybrid", "sliding_window", "hybrid_chunked", "offloaded", "offloaded_hybrid",
                   "offloaded_hybrid_chunked")  # fmt: skip


def _cache_storage(implementation: Optional[str], config: Any) -> str:
    """How keys and values are held: what transformers says with `cache_config`, or {"storage": ...} of our own."""
    options = dict(config if isinstance(config, dict) else vars(config)) if config else {}
    if implementation == "quantized":
        bits = options.get("nbits", 4)  # transformers' default
        if bits != 8:
            raise NotImplementedError(f"generate: a quantized cache of nbits={bits!r}; expected cache_config={{'nbits': 8}}")
        return "int8"
    storage = options.get("storage", "f32")
    if storage not in STORAGES:
        raise ValueError(f"generate: cache_config: storage: expected {', '.join(STORAGES)}, got {storage!r}")
    return str(storage)


# What generate() hands on to the model, or does not need.
_MODEL_INPUTS = {
    "input_ids", "attention_mask", "position_ids", "past_key_values", "token_type_ids", "pixel_values",
    "input_features", "input_features_mask", "inputs_embeds", "cache_position", "mm_token_type_ids", "logits_to_keep",
    "output_hidden_states", "output_attentions", "use_cache", "per_layer_inputs", "labels",
}  # fmt: skip

_seeds = random.Random()
_seeds_lock = threading.Lock()


def set_seed(seed: int, deterministic: bool = False) -> None:
    """Chooses the random numbers of sampling (and of random models) from here on; also seeds `random` and NumPy, whose
    generator the dither of sounds uses."""
    random.seed(seed)
    np.random.seed(seed)
    with _seeds_lock:
        _seeds.seed(seed)


def next_seed() -> int:
    with _seeds_lock:
        return _seeds.getrandbits(63)


# ---- what callers may write


class LogitsProcessor:
    """Changes the scores before a token is chosen: (input_ids [B, T], scores [B, V]) -> scores [B, V]. Any callable with
    that signature serves."""

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        raise NotImplementedError


class LogitsProcessorList(list):  # type: ignore[type-arg]
    """Processors, one after the other."""

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        for processor in self:
            scores = processor(input_ids, scores, **kwargs)
        return scores


class StoppingCriteria:
    """Ends sequences: (input_ids [B, T], scores or None) -> a bool, or one for each sequence. Any callable with that
    signature serves. scores: a [B, V] for each new token if output_scores, else None."""

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


class StoppingCriteriaList(list):  # type: ignore[type-arg]
    """A sequence ends when one of them says so."""

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        stop = np.zeros(len(input_ids), np.bool_)
        for criterion in self:
            stop |= _answers(criterion(input_ids, scores, **kwargs), len(stop))
        return wrap(stop, kind_of(input_ids))

    @property
    def max_length(self) -> Optional[int]:
        return next((c.max_length for c in self if isinstance(c, MaxLengthCriteria)), None)


class MaxLengthCriteria(StoppingCriteria):
    """Ends all sequences at `max_length` tokens, prompt and padding included."""

    def __init__(self, max_length: int, max_position_embeddings: Optional[int] = None):
        self.max_length = max_length
        self.max_position_embeddings = max_position_embeddings

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return wrap(np.full(len(input_ids), input_ids.shape[-1] >= self.max_length), kind_of(input_ids))


class MaxTimeCriteria(StoppingCriteria):
    """Ends all sequences `max_time` seconds after `initial_timestamp` (now, unless given)."""

    def __init__(self, max_time: float, initial_timestamp: Optional[float] = None):
        self.max_time = max_time
        self.initial_timestamp = time.time() if initial_timestamp is None else initial_timestamp

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return wrap(np.full(len(input_ids), time.time() - self.initial_timestamp > self.max_time), kind_of(input_ids))


class EosTokenCriteria(StoppingCriteria):
    """Ends a sequence at one of these tokens."""

    def __init__(self, eos_token_id: Union[int, Sequence[int]]):
        self.eos_token_id = [eos_token_id] if isinstance(eos_token_id, int) else list(eos_token_id)

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return wrap(np.isin(to_numpy(input_ids)[:, -1], self.eos_token_id), kind_of(input_ids))


class _PrefixAllowedTokens:
    """prefix_allowed_tokens_fn as a processor."""

    def __init__(self, allowed: Callable[[int, Any], Iterable[int]], kind: Kind, copies: int):
        self._allowed, self._kind, self._copies = allowed, kind, copies

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        mask = np.full(tuple(scores.shape), -np.inf, np.float32)
        for row, ids in enumerate(input_ids):
            tokens = self._allowed(row // self._copies, ids)
            if len(list(tokens)) == 0:
                raise ValueError(f"prefix_allowed_tokens_fn: expected allowed tokens for prompt {row}, got none")
            mask[row, list(tokens)] = 0
        return scores + wrap(mask, self._kind)


class _SuppressTokens:
    """suppress_tokens, and begin_suppress_tokens for the first new token."""

    def __init__(self, always: Sequence[int], at_first: Sequence[int], prompt_length: int):
        self._always, self._at_first, self._prompt_length = list(always), list(at_first), prompt_length

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        scores[:, self._always] = -float("inf")
        if input_ids.shape[-1] == self._prompt_length:
            scores[:, self._at_first] = -float("inf")
        return scores


class _ForcedTokens:
    """forced_bos_token_id as the first new token, forced_eos_token_id as the last possible one."""

    def __init__(self, first: Any, last: Any, prompt_length: int, max_length: int):
        self._first, self._last = first, last
        self._prompt_length, self._max_length = prompt_length, max_length

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        length = input_ids.shape[-1]
        # As transformers, the first token of the whole sequence is meant.
        for token, place in ((self._first, 1), (self._last, self._max_length - 1)):
            if token is not None and length == place:
                tokens = [token] if isinstance(token, int) else list(token)
                scores[:] = -float("inf")
                scores[:, tokens] = 0
        return scores


def _answers(answer: Any, count: int) -> np.ndarray[Any, Any]:
    array = to_numpy(answer, np.bool_, "stopping criterion")
    if array.ndim == 0:
        return np.full(count, bool(array))
    if array.shape != (count,):
        raise ValueError(f"stopping criterion: expected a bool or {count} of them, got shape {list(array.shape)}")
    return array


# ---- the call


class GenerationMixin:
    """generate() for the models with a head."""

    generation_config: Any
    config: Any
    _native: Any

    def generate(
        self,
        inputs: Any = None,
        generation_config: Optional[GenerationConfig] = None,
        logits_processor: Optional[Sequence[Any]] = None,
        stopping_criteria: Optional[Sequence[Any]] = None,
        prefix_allowed_tokens_fn: Optional[Callable[[int, Any], Iterable[int]]] = None,
        synced_gpus: Optional[bool] = None,
        assistant_model: Any = None,
        streamer: Any = None,
        negative_prompt_ids: Any = None,
        negative_prompt_attention_mask: Any = None,
        custom_generate: Any = None,
        size: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Continues each prompt until an end token, a stop string, a stopping criterion or the greatest length.

        inputs (or input_ids): [B, T] token ids, padded on the left; none: begins with bos_token_id.
        generation_config and keyword arguments (max_new_tokens, do_sample, temperature, ...): as GenerationConfig.
        attention_mask [B, T], pixel_values, input_features, input_features_mask, past_key_values: as forward.
        tokenizer: needed for stop_strings. streamer: sees the prompt and each token, for one sequence.
        logits_processor, stopping_criteria: lists of callables over the whole batch.
        size: answer with a smaller size of this model, as `sliced`; past_key_values are then of that size.
        assistant_model: a smaller model with the same vocabulary, which proposes tokens (see num_assistant_tokens,
        num_assistant_tokens_schedule, assistant_confidence_threshold). Greedy tokens are the same as without.

        Returns [B * num_return_sequences, T + new] i64, the prompts as given, new tokens padded on the right; or with
        return_dict_in_generate a GenerateDecoderOnlyOutput.
        Raises ValueError, TypeError; NotImplementedError for options that are not supported, by name;
        KeyboardInterrupt within one step of Ctrl-C.
        """
        if not self.can_generate():
            raise TypeError(f"{type(self).__name__} has no head to generate with; use a class that has one")
        for name, value in (
            ("negative_prompt_ids", negative_prompt_ids),
            ("negative_prompt_attention_mask", negative_prompt_attention_mask),
            ("custom_generate", custom_generate),
        ):
            if value is not None:
                raise NotImplementedError(f"generate: {name} is not supported")
        if size is not None:
            return self.sliced(size).generate(
                inputs,
                generation_config,
                logits_processor,
                stopping_criteria,
                prefix_allowed_tokens_fn,
                assistant_model=assistant_model,
                streamer=streamer,
                **kwargs,
            )
        tokenizer = kwargs.pop("tokenizer", None)
        kwargs.pop("trust_remote_code", None)
        kwargs.pop("use_model_defaults", None)
        chosen = [self.generation_config, generation_config, *([GenerationConfig(**_known(kwargs))] if kwargs else [])]
        config, model_inputs = self._merged_config(generation_config, kwargs)
        call = _Call(self, inputs, config, model_inputs, tokenizer, streamer, _native_assistant(assistant_model))
        call.set_lengths(*(all(getattr(c, name, None) is None for c in chosen if c is not None)
                           for name in ("max_length", "min_length")))  # fmt: skip
        return call.run(list(logits_processor or []), list(stopping_criteria or []), prefix_allowed_tokens_fn)

    def can_generate(self) -> bool:
        raise NotImplementedError

    def sliced(self, size: Any) -> Any:
        raise NotImplementedError

    def _merged_config(
        self, given: Optional[GenerationConfig], kwargs: dict[str, Any]
    ) -> tuple[GenerationConfig, dict[str, Any]]:
        """The caller's choices over the model's over the defaults; and the arguments that are no options."""
        config = copy.deepcopy(given) if given is not None else GenerationConfig()
        config.update(**self.generation_config.to_dict(), defaults_only=True, allow_custom_entries=True)
        defaults = {k: v for k, v in DEFAULT_PARAMETERS.items() if k not in _ENGINE_DEFAULTS}
        config.update(**defaults, defaults_only=True)
        unused = config.update(**kwargs)
        unknown = sorted(k for k in unused if k not in _MODEL_INPUTS)
        if unknown:
            raise ValueError(f"generate: unknown arguments {unknown}; they are neither options nor inputs of the model")
        for name, harmless in _UNSUPPORTED.items():
            if getattr(config, name, None) not in harmless:
                raise NotImplementedError(f"generate: {name}={getattr(config, name)!r} is not supported")
        return config, unused


def _native_assistant(model: Any) -> Any:
    """Its text model with a head."""
    if model is None:
        return None
    if not isinstance(model, GenerationMixin) or not model.can_generate():
        raise TypeError(f"generate: assistant_model: expected a model of gemma3n with a head, got {type(model).__name__}")
    native = model._native
    return native.language_model() if isinstance(native, _native.ForConditionalGeneration) else native


def _known(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in kwargs.items() if k in ("max_length", "min_length")}


class _Call:
    """One call of generate()."""

    def __init__(
        self, model: Any, inputs: Any, config: GenerationConfig, given: dict[str, Any], tokenizer: Any, streamer: Any,
        assistant: Any,
    ):  # fmt: skip
        from gemma3n.modeling import int64

        if given.get("inputs_embeds") is not None or given.get("per_layer_inputs") is not None:
            raise NotImplementedError("generate: inputs_embeds are not supported; pass input_ids")
        if inputs is not None and given.get("input_ids") is not None:
            raise ValueError("generate: expected either inputs or input_ids, got both")
        self.model, self.config, self.given, self.streamer = model, config, given, streamer
        self.assistant = assistant
        self.tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # of a processor
        ids = inputs if inputs is not None else given.get("input_ids")
        self.kind: Kind = kind_of(ids, given.get("attention_mask"))
        if ids is None:
            if config.bos_token_id is None:
                raise ValueError("generate: expected input_ids, or a bos_token_id to begin with; got neither")
            ids = [[config.bos_token_id]]
        self.input_ids: np.ndarray[Any, Any] = int64(ids, "input_ids", 2)
        self.batch_size, self.prompt_length = self.input_ids.shape
        self.copies = int(config.num_return_sequences or 1)
        self.eos: list[int] = _as_list(config.eos_token_id)
        self.pad: Optional[int] = config.pad_token_id
        if self.pad is None and self.eos:
            self.pad = self.eos[0]
        self.mask = self._attention_mask(int64(given.get("attention_mask"), "attention_mask", 2))
        self.prompts = [row[keep].tolist() for row, keep in zip(self.input_ids, self.mask)]
        self._check_position_ids(given.get("position_ids"))
        self.past = given.get("past_key_values")
        if streamer is not None and self.batch_size * self.copies > 1:
            raise ValueError("generate: a streamer takes one sequence, not a batch")

    def _attention_mask(self, mask: Any) -> np.ndarray[Any, Any]:
        ids = self.input_ids
        if mask is None:
            # As transformers: padding is recognized by its token, unless that token also ends sequences.
            pad = self.config.pad_token_id
            if pad is None or pad in self.eos or not (ids == pad).any():
                return np.ones(ids.shape, np.bool_)
            return np.asarray(ids != pad)
        if mask.shape[0] != ids.shape[0] or mask.shape[1] < ids.shape[1]:
            raise ValueError(f"attention_mask: expected shape {list(ids.shape)}, got {list(mask.shape)}")
        if self.batch_size > 1 and (mask[:, -1] == 0).any():
            logger.warning("generate: padding on the right was found; a decoder wants padding_side='left'")
        return np.asarray(mask[:, -ids.shape[1] :] != 0)

    def _check_position_ids(self, position_ids: Any) -> None:
        if position_ids is None:
            return
        positions = np.maximum(np.cumsum(self.mask, axis=1) - 1, 0)
        given = to_numpy(position_ids, name="position_ids")
        if given.shape[-1] != self.prompt_length or (np.where(self.mask, given - positions, 0) != 0).any():
            raise NotImplementedError("generate: position_ids other than 0, 1, ... for each prompt are not supported")

    def set_lengths(self, has_default_max_length: bool, has_default_min_length: bool) -> None:
        """The options' lengths count the padded batch; the engine's count each sequence's own tokens."""
        c = self.config
        if c.max_new_tokens is not None:
            if not has_default_max_length and c.max_length is not None:
                logger.warning("generate: max_new_tokens and max_length are both set; max_new_tokens is used")
            self.max_new_tokens = int(c.max_new_tokens)
        elif has_default_max_length:
            self.max_new_tokens = int(DEFAULT_PARAMETERS["max_length"])
            limit = getattr(self.model.config, "max_position_embeddings", None)
            if limit is not None:
                self.max_new_tokens = max(1, min(self.max_new_tokens, limit - self.prompt_length))
        else:
            self.max_new_tokens = int(c.max_length) - self.prompt_length
        if self.max_new_tokens < 1:
            raise ValueError(
                f"generate: the prompt has {self.prompt_length} tokens, max_length is {c.max_length}; "
                "increase max_length or set max_new_tokens"
            )
        self.min_new_tokens = int(c.min_new_tokens or 0)
        if c.min_new_tokens is None and not has_default_min_length:
            self.min_new_tokens = max(0, int(c.min_length or 0) - self.prompt_length)

    def run(
        self, processors: list[Any], criteria: list[Any], allowed: Optional[Callable[[int, Any], Iterable[int]]]
    ) -> Any:
        c = self.config
        processors = [*self._optional_processors(allowed), *processors]
        if c.max_time is not None:
            criteria = [MaxTimeCriteria(float(c.max_time)), *criteria]
        if self.streamer is not None:
            self.streamer.put(wrap(self.input_ids, self.kind))
        arguments = dict(
            tokenizer=self._native_tokenizer(),
            past_key_values=self._native_cache(),
            on_token=None if self.streamer is None else self._stream,
            process_scores=self._process(LogitsProcessorList(processors)) if processors else None,
            should_stop=self._stop(StoppingCriteriaList(criteria)) if criteria else None,
            assistant_model=self.assistant,
        )
        out = _native.generate(self.model._native, self.prompts, self._native_config(), **arguments, **self._media())
        past = wrap_cache(self.past, out["past_key_values"])
        if self.streamer is not None:
            self.streamer.end()
        sequences = wrap(self._padded(out["sequences"], out["new_tokens"]), self.kind)
        if not c.return_dict_in_generate:
            return sequences
        return GenerateDecoderOnlyOutput(
            sequences=sequences,
            scores=tuple(wrap(s, self.kind) for s in out["scores"]) if c.output_scores else None,
            logits=tuple(wrap(s, self.kind) for s in out["logits"]) if c.output_logits else None,
            hidden_states=self._hidden_states(out) if c.output_hidden_states else None,
            past_key_values=past if c.use_cache is not False else None,
        )

    def _native_tokenizer(self) -> Any:
        if not self.config.stop_strings:
            return None
        if self.tokenizer is None:
            raise ValueError("generate: stop_strings need tokenizer=..., to be found in text")
        return self.tokenizer._native

    def _native_cache(self) -> Any:
        cache = native_cache(self.past, self.model._native, self.batch_size)
        if cache is not None and cache.get_seq_length() >= self.prompt_length:
            raise ValueError(
                f"generate: past_key_values hold {cache.get_seq_length()} positions; expected fewer than the prompt's "
                f"{self.prompt_length}: input_ids are the whole conversation"
            )
        return cache

    def _native_config(self) -> Any:
        c, native = self.config, _native.GenerationConfig()
        native.max_new_tokens = self.max_new_tokens
        native.min_new_tokens = self.min_new_tokens
        native.do_sample = bool(c.do_sample)
        for name in ("temperature", "top_p", "min_p", "typical_p", "repetition_penalty"):
            value = getattr(c, name, None)
            if value is not None:
                setattr(native, name, float(value))
        for name in ("top_k", "no_repeat_ngram_size"):
            setattr(native, name, int(getattr(c, name, None) or 0))
        for name in _ENGINE_DEFAULTS:
            value = getattr(c, name, None)
            if value is not None:
                setattr(native, name, value)
        native.num_return_sequences = self.copies
        native.bad_words_ids = [list(map(int, word)) for word in c.bad_words_ids or []]
        strings = c.stop_strings or []
        native.stop_strings = [strings] if isinstance(strings, str) else list(strings)
        native.eos_token_id = self.eos
        native.prefill_chunk_size = int(c.prefill_chunk_size or 0)
        native.seed = next_seed()
        native.output_scores = bool(c.output_scores)
        native.output_logits = bool(c.output_logits)
        if c.cache_implementation in _STATIC_CACHES:
            native.cache_implementation = "static"
        elif c.cache_implementation not in (*_DYNAMIC_CACHES, "quantized"):
            raise NotImplementedError(f"generate: cache_implementation={c.cache_implementation!r} is not supported")
        native.cache_storage = _cache_storage(c.cache_implementation, c.cache_config)
        return native

    def _media(self) -> dict[str, Any]:
        from gemma3n.modeling import media_arguments

        names = ("pixel_values", "input_features", "input_features_mask")
        media = media_arguments(*(self.given.get(name) for name in names))
        if isinstance(self.model._native, _native.ForConditionalGeneration):
            return media
        for name in names:
            if self.given.get(name) is not None:
                raise ValueError(f"generate: {type(self.model).__name__} takes no {name}")
        return {}

    def _optional_processors(self, allowed: Optional[Callable[[int, Any], Iterable[int]]]) -> list[Any]:
        c = self.config
        processors: list[Any] = []
        if allowed is not None:
            processors.append(_PrefixAllowedTokens(allowed, self.kind, self.copies))
        if c.forced_bos_token_id is not None or c.forced_eos_token_id is not None:
            max_length = self.prompt_length + self.max_new_tokens
            processors.append(
                _ForcedTokens(c.forced_bos_token_id, c.forced_eos_token_id, self.prompt_length, max_length)
            )
        if c.suppress_tokens or c.begin_suppress_tokens:
            processors.append(
                _SuppressTokens(c.suppress_tokens or [], c.begin_suppress_tokens or [], self.prompt_length)
            )
        return processors

    # ---- callbacks: what the engine has as ragged rows, as transformers shows it

    def _stream(self, sequence: int, token: int) -> None:
        self.streamer.put(wrap(np.array([token], np.int64), self.kind))

    def _process(self, processors: LogitsProcessorList) -> Any:
        def process(sequences: list[list[int]], scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            result = processors(wrap(self._so_far(sequences), self.kind), wrap(scores, self.kind))
            return to_numpy(result, np.float32, "logits processor")

        return process

    def _stop(self, criteria: StoppingCriteriaList) -> Any:
        seen: list[Any] = []
        stopped = np.zeros(self.batch_size * self.copies, np.bool_)

        def stop(sequences: list[list[int]], scores: Optional[np.ndarray[Any, Any]]) -> list[bool]:
            if scores is not None:
                seen.append(wrap(scores, self.kind))
            nonlocal stopped
            answer = criteria(wrap(self._so_far(sequences), self.kind), tuple(seen) if seen else None)
            stopped = stopped | to_numpy(answer, np.bool_)
            # As transformers: without end tokens, all sequences go on until the last one may stop.
            return stopped.tolist() if self.eos else [bool(stopped.all())] * len(stopped)

        return stop

    def _so_far(self, sequences: list[list[int]]) -> np.ndarray[Any, Any]:
        lengths = np.repeat([len(prompt) for prompt in self.prompts], self.copies)
        return self._padded(sequences, [ids[n:] for ids, n in zip(sequences, lengths)])

    def _padded(self, sequences: list[list[int]], new: list[list[int]]) -> np.ndarray[Any, Any]:
        """The prompts as they were given and the new tokens, padded on the right."""
        longest = max(len(ids) for ids in new)
        pad = self.pad
        if pad is None and any(len(ids) < longest for ids in new):
            raise ValueError("generate: sequences of unequal length need a pad_token_id or eos_token_id")
        rows = [ids + [pad or 0] * (longest - len(ids)) for ids in new]
        prompts = np.repeat(self.input_ids, self.copies, axis=0)
        return np.concatenate([prompts, np.asarray(rows, np.int64).reshape(len(rows), longest)], axis=1)

    def _hidden_states(self, out: dict[str, Any]) -> tuple[Any, ...]:
        """Of the prompt, then of each new token but the last: by reading the result again, which gives the same bits."""
        padded = self._padded(out["sequences"], out["new_tokens"])[:, :-1]
        mask = np.concatenate(
            [np.repeat(self.mask, self.copies, axis=0), np.ones((len(padded), padded.shape[1] - self.prompt_length))],
            axis=1,
        )
        media = {k: _repeated(v, self.copies) for k, v in self._media().items()}
        ids = padded.copy()
        states = self.model.forward(
            ids, attention_mask=mask.astype(np.int64), output_hidden_states=True, use_cache=False, logits_to_keep=1,
            return_dict=True, **media,
        ).hidden_states  # fmt: skip
        steps = [(0, self.prompt_length)] + [(t, t + 1) for t in range(self.prompt_length, padded.shape[1])]
        return tuple(
            tuple(wrap(np.ascontiguousarray(to_numpy(s)[:, :, a:b]), self.kind) for s in states) for a, b in steps
        )


def _repeated(media: Optional[np.ndarray[Any, Any]], copies: int) -> Optional[np.ndarray[Any, Any]]:
    if media is not None and copies > 1:
        raise NotImplementedError("generate: output_hidden_states with media and num_return_sequences is not supported")
    return media


def _as_list(ids: Any) -> list[int]:
    if ids is None:
        return []
    if isinstance(ids, (int, np.integer)):
        return [int(ids)]
    return [int(i) for i in to_numpy(ids, name="eos_token_id").reshape(-1)]
