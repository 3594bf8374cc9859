"""What all pipelines share: chats, batches, and the three steps from inputs to results.

A pipeline works in three steps: preprocess (inputs to tensors), _forward (generate), postprocess
(tokens to text). Keywords of the constructor and of a call are sorted into these steps by
_sanitize_parameters; those of a call win.
"""

from __future__ import annotations

import contextlib
import copy
import enum
import itertools
import os
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Optional, Union

import numpy as np

from gemma3n.log import logger, warn_of_device
from gemma3n.generation_config import GenerationConfig
from gemma3n.progress import progress
from gemma3n.tensors import Device, is_torch, kind_of, to_numpy, wrap


# Defaults of these are not passed on when tokens are not sampled.
_ONLY_WHEN_SAMPLING = frozenset(
    ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
)

_DEVICE_TYPES = frozenset(
    """cpu cuda ipu xpu mkldnn opengl opencl ideep hip ve fpga maia xla lazy vulkan mps meta hpu
    mtia npu mlu musa privateuseone auto""".split()
)


class ReturnType(enum.Enum):
    """What a pipeline returns: token ids, only the new text, or the prompt with the new text."""

    TENSORS = 0
    NEW_TEXT = 1
    FULL_TEXT = 2


class Chat:
    """The messages of one conversation: a list of these is a batch, a list of messages is not.

    Raises ValueError if a message is no dict with "role" and "content".
    """

    def __init__(self, messages: Any):
        for message in messages:
            if not is_message(message):
                raise ValueError(
                    "chat: expected messages {'role': ..., 'content': ...}, got "
                    + (
                        f"the keys {list(message)}"
                        if isinstance(message, Mapping)
                        else repr(message)[:80]
                    )
                )
        self.messages = messages

    @property
    def ends_with_assistant(self) -> bool:
        """The model is to continue such a last message rather than to answer it."""
        return bool(self.messages[-1]["role"] == "assistant")


def is_message(value: Any) -> bool:
    return isinstance(value, dict) and "role" in value and "content" in value


def first_of(inputs: Any, name: str) -> Any:
    if len(inputs) == 0:
        raise IndexError(f"{name}: expected at least one input, got an empty list")
    return inputs[0]


class KeyDataset:
    """A column of a dataset whose items are dicts."""

    def __init__(self, dataset: Any, key: str):
        self.dataset = dataset
        self.key = key

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index][self.key]


class PipelineIterator:
    """The results of a dataset or generator, each computed when it is asked for.

    Has a length if the dataset has one.
    """

    def __init__(self, inputs: Any, results: Any):
        self._inputs = inputs
        self._results = results  # () -> an iterator of all results
        self._iterator: Optional[Iterator[Any]] = None

    def __iter__(self) -> PipelineIterator:
        self._iterator = self._results()
        return self

    def __next__(self) -> Any:
        if self._iterator is None:
            iter(self)
        assert self._iterator is not None
        return next(self._iterator)

    def __len__(self) -> int:
        return len(self._inputs)


class Pipeline:
    """Base of the pipelines.

    model: a model that generates. tokenizer, processor: what the task needs of them. device: the
    CPU computes, whatever is asked for. batch_size: how many inputs of a list or dataset go through
    the model at once. Keywords of generate() apply to every call.
    """

    _load_processor: ClassVar[bool] = False
    _load_tokenizer: ClassVar[bool] = False
    # Of the generation parameters that neither the caller nor the model's files set.
    _default_generation_config: ClassVar[Optional[GenerationConfig]] = None

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        feature_extractor: Any = None,
        image_processor: Any = None,
        video_processor: Any = None,
        processor: Any = None,
        task: str = "",
        device: Any = None,
        **kwargs: Any,
    ):
        for name in ("args_parser", "torch_dtype", "dtype", "binary_output"):
            kwargs.pop(name, None)
        for name in ("assistant_model", "assistant_tokenizer"):
            if kwargs.pop(name, None) is not None:
                raise NotImplementedError(
                    f"{name} is not supported in pipelines: pass it to generate()"
                )
        self.task = task
        self.model = model
        self.tokenizer = tokenizer
        self.feature_extractor = feature_extractor
        self.image_processor = image_processor
        self.processor = processor
        self.device = _resolve_device(device)
        self.call_count = 0

        parameters = {name for name in vars(GenerationConfig()) if not name.startswith("_")}
        parameters.add("generation_config")
        self._generate_kwargs = {name: kwargs.pop(name) for name in parameters & set(kwargs)}
        defaults = self._default_generation_config
        self._generation_defaults = {} if defaults is None else defaults.to_diff_dict()
        if tokenizer is not None and tokenizer.pad_token_id is not None:
            self._generation_defaults["pad_token_id"] = tokenizer.pad_token_id
        self._batch_size = kwargs.pop("batch_size", None)
        kwargs.pop("num_workers", None)
        steps = self._sanitize_parameters(**kwargs)
        self._preprocess_params, self._forward_params, self._postprocess_params = steps

        if processor is not None and tokenizer is None:
            self.tokenizer = getattr(processor, "tokenizer", None)
            if feature_extractor is None and image_processor is None:
                self.feature_extractor = getattr(processor, "feature_extractor", None)
                self.image_processor = getattr(processor, "image_processor", None)

    # ---- the three steps, for a task to define

    def _sanitize_parameters(
        self, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """The keywords for preprocess, _forward and postprocess."""
        raise NotImplementedError

    def preprocess(self, inputs: Any, **kwargs: Any) -> dict[str, Any]:
        """One input as tensors, each [1, ...], and what postprocess needs to know of it."""
        raise NotImplementedError

    def _forward(self, model_inputs: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """The model's outputs for one input or a batch."""
        raise NotImplementedError

    def postprocess(self, model_outputs: dict[str, Any], **kwargs: Any) -> Any:
        """The result of one input."""
        raise NotImplementedError

    # ---- running them

    def __call__(
        self,
        inputs: Any,
        *args: Any,
        num_workers: Optional[int] = None,
        batch_size: Optional[int] = None,
        **kwargs: Any,
    ) -> Any:
        """A list gives a list; a generator or dataset gives an iterator; any other input its result."""
        del num_workers
        if args:
            logger.warning("%s: ignored positional arguments: %s", type(self).__name__, args)
        inputs = _chats_in(inputs)
        steps = self._sanitize_parameters(**kwargs)
        own = (self._preprocess_params, self._forward_params, self._postprocess_params)
        preprocess, forward, postprocess = ({**a, **b} for a, b in zip(own, steps))
        self.call_count += 1
        chosen = [size for size in (batch_size, self._batch_size) if size is not None]
        size = chosen[0] if chosen else 1
        if size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {size}")

        def results() -> Iterator[Any]:
            return self._run(inputs, size, preprocess, forward, postprocess)

        if isinstance(inputs, list):
            if len(inputs) < 2:
                return list(results())
            return list(progress(results(), self.task or type(self).__name__, total=len(inputs)))
        if isinstance(inputs, types.GeneratorType) or _is_dataset(inputs):
            return PipelineIterator(inputs, results)
        return next(self._run([inputs], 1, preprocess, forward, postprocess))

    def forward(self, model_inputs: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return self._forward(model_inputs, **kwargs)

    def _run(
        self,
        inputs: Iterable[Any],
        batch_size: int,
        preprocess: dict[str, Any],
        forward: dict[str, Any],
        postprocess: dict[str, Any],
    ) -> Iterator[Any]:
        iterator = items_of(inputs)
        while True:
            batch = list(itertools.islice(iterator, batch_size))
            if not batch:
                return
            batch = [Chat(item) if _is_chat(item) else item for item in batch]
            prepared = [self.preprocess(item, **preprocess) for item in batch]
            for outputs in self._forward_batch(prepared, forward):
                yield self.postprocess(outputs, **postprocess)

    def _forward_batch(
        self, prepared: list[dict[str, Any]], forward: dict[str, Any]
    ) -> Iterator[dict[str, Any]]:
        """The outputs of each input. Inputs with different tensors go through the model one by one."""
        names = set(prepared[0])
        alike = all(set(one) == names and len(one.get("input_ids", ())) == 1 for one in prepared)
        if len(prepared) == 1 or not alike:
            for one in prepared:
                yield self.forward(one, **forward)
            return
        outputs = self.forward(self._collate(prepared), **forward)
        for index in range(len(prepared)):
            yield {
                name: (
                    value[index : index + 1]
                    if is_array(value)
                    else None if value is None else value[index]
                )
                for name, value in outputs.items()
            }

    def _collate(self, prepared: list[dict[str, Any]]) -> dict[str, Any]:
        """One batch of inputs: tokens are padded on the tokenizer's side, sounds at their end."""
        pad_id = getattr(self.tokenizer, "pad_token_id", None)
        if pad_id is None:
            raise ValueError(
                "batch_size: a batch needs padding, but the tokenizer has no pad_token"
            )
        batch: dict[str, Any] = {}
        for name, first in prepared[0].items():
            values = [one[name] for one in prepared]
            if not is_array(first):
                batch[name] = values
                continue
            on_left = self.tokenizer.padding_side == "left" and not name.startswith(
                "input_features"
            )
            fill = pad_id if name == "input_ids" else 0
            arrays = [to_numpy(value) for value in values]
            if name != "pixel_values" and arrays[0].ndim > 1:
                longest = max(array.shape[1] for array in arrays)
                arrays = [_padded(array, longest, on_left, fill) for array in arrays]
            batch[name] = wrap(np.concatenate(arrays), kind_of(first))
        return batch

    # ---- parameters of generate()

    def _prepare_generate_kwargs(
        self, generate_kwargs: dict[str, Any], **overrides: Any
    ) -> dict[str, Any]:
        """generate()'s keywords: the call's, the constructor's unless the call has a
        generation_config, and the pipeline's defaults for what neither they nor the model's files set.
        """
        if "generation_config" not in generate_kwargs:
            generate_kwargs = {**self._generate_kwargs, **generate_kwargs}
        chosen = self._chosen_parameters(generate_kwargs)
        added = {
            name: value for name, value in self._generation_defaults.items() if name not in chosen
        }
        if "max_length" in chosen:
            added.pop("max_new_tokens", None)
        if not {**chosen, **added}.get("do_sample"):
            added = {
                name: value for name, value in added.items() if name not in _ONLY_WHEN_SAMPLING
            }
        added.update(overrides)
        config = generate_kwargs.get("generation_config")
        if config is None:
            return {**generate_kwargs, **added}
        config = copy.deepcopy(config)
        config.update(**added)
        return {**generate_kwargs, "generation_config": config}

    def _chosen_parameters(self, generate_kwargs: dict[str, Any]) -> dict[str, Any]:
        """What the model's files, a generation_config and the caller have set."""
        chosen: dict[str, Any] = dict(self.model.generation_config.to_diff_dict())
        if generate_kwargs.get("generation_config") is not None:
            chosen.update(generate_kwargs["generation_config"].to_diff_dict())
        return {**chosen, **generate_kwargs}

    # ---- the rest

    @property
    def generation_config(self) -> Any:
        """The model's."""
        return self.model.generation_config

    @property
    def dtype(self) -> Any:
        """The model's."""
        return getattr(self.model, "dtype", None)

    @property
    def torch_dtype(self) -> Any:
        """Older name of dtype."""
        return self.dtype

    @contextlib.contextmanager
    def device_placement(self) -> Iterator[None]:
        """Does nothing: there is only the CPU."""
        yield

    def ensure_tensor_on_device(self, **inputs: Any) -> dict[str, Any]:
        """The inputs: there is only the CPU."""
        return inputs

    def transform(self, X: Any) -> Any:  # noqa: N803 (scikit-learn's name)
        """The same as a call."""
        return self(X)

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The same as a call."""
        return self(X)

    def save_pretrained(
        self, save_directory: Union[str, "os.PathLike[str]"], **kwargs: Any
    ) -> None:
        """Writes the model, the processor and the tokenizer into the folder.

        Raises NotADirectoryError if it is a file.
        """
        if os.path.isfile(save_directory):
            raise NotADirectoryError(
                f"save_directory: expected a folder, got the file {os.fspath(save_directory)}"
            )
        os.makedirs(save_directory, exist_ok=True)
        for part in (self.model, self.processor, self.tokenizer):
            if part is not None:
                part.save_pretrained(save_directory, **kwargs)

    def __repr__(self) -> str:
        described = {
            "model": type(self.model).__name__,
            "dtype": str(self.dtype).split(".")[-1],
            "device": self.device.type,
            "input_modalities": getattr(self.model, "input_modalities", ("image", "text", "audio")),
            "output_modalities": getattr(self.model, "output_modalities", ("text",)),
        }
        return f"{type(self).__name__}: {described}"


def _chats_in(inputs: Any) -> Any:
    """The inputs with each list of messages as a Chat. Of a generator only the first is looked at."""
    if isinstance(inputs, types.GeneratorType):
        try:
            first = next(inputs)
        except StopIteration:
            return []
        if is_message(first):
            return Chat([first, *inputs])
        rest = itertools.chain([first], inputs)
        if _is_chat(first):
            return (Chat(chat) for chat in rest)
        return (item for item in rest)
    if isinstance(inputs, (list, tuple, KeyDataset)):
        first = first_of(inputs, "inputs")
        if is_message(first):
            return Chat(list(items_of(inputs)))
        if _is_chat(first) and all(map(_is_chat, items_of(inputs))):
            return [Chat(chat) for chat in items_of(inputs)]
    return inputs


def _is_chat(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and is_message(value[0])


def _is_dataset(value: Any) -> bool:
    """Items by index, or a dataset of torch; not a text, mapping, chat or array."""
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is not None and isinstance(value, torch_data.Dataset):
        return True
    if isinstance(value, (str, bytes, tuple, Mapping, Chat)) or is_array(value):
        return False
    return hasattr(value, "__getitem__") and hasattr(value, "__len__")


def items_of(inputs: Any) -> Iterator[Any]:
    """Of a list, generator or dataset."""
    if isinstance(inputs, (list, types.GeneratorType)) or not hasattr(inputs, "__len__"):
        return iter(inputs)
    return (inputs[index] for index in range(len(inputs)))


def is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or is_torch(value)


def _padded(array: np.ndarray, length: int, on_left: bool, fill: int) -> np.ndarray:
    missing = length - array.shape[1]
    widths = [(0, 0)] * array.ndim
    widths[1] = (missing, 0) if on_left else (0, missing)
    return np.pad(array, widths, constant_values=fill)


def _resolve_device(device: Any) -> Device:
    """The CPU. Raises RuntimeError for what is no device."""
    if device is None:
        return Device("cpu")
    if isinstance(device, int):
        name = "cpu" if device < 0 else f"cuda:{device}"
    else:
        name = str(getattr(device, "type", device))
    kind = name.split(":")[0]
    if kind not in _DEVICE_TYPES:
        raise RuntimeError(
            f"device: expected 'cpu' (an accelerator's name is accepted, too), got {device!r}"
        )
    if kind not in ("cpu", "auto"):
        warn_of_device(device)
    return Device("cpu")


# ---- parameters and results


def given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def return_type_of(
    return_type: Optional[ReturnType],
    return_full_text: Optional[bool],
    return_tensors: Optional[bool],
) -> Optional[ReturnType]:
    if return_type is not None:
        return return_type
    if return_full_text is not None:
        if return_tensors is not None:
            raise ValueError(
                "return_full_text and return_tensors exclude each other: pass one of them"
            )
        return ReturnType.FULL_TEXT if return_full_text else ReturnType.NEW_TEXT
    return None if return_tensors is None else ReturnType.TENSORS


def with_prompt(prompt: Any, text: str, continue_final_message: Optional[bool]) -> Any:
    """The prompt with the new text: after it, as its next message, or at the end of its last one."""
    if not isinstance(prompt, Chat):
        return prompt + text if isinstance(prompt, str) else text
    continues = (
        prompt.ends_with_assistant if continue_final_message is None else continue_final_message
    )
    if not continues:
        return [*prompt.messages, {"role": "assistant", "content": text}]
    *earlier, last = prompt.messages
    content = last["content"]
    if isinstance(content, str):
        content = content + text
    else:
        content = [*content[:-1], {**content[-1], "text": content[-1]["text"] + text}]
    return [*earlier, {"role": last["role"], "content": content}]
