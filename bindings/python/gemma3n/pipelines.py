"""pipeline(): a model with its processor or tokenizer, from texts, media and chats to text."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal, Optional, Union, overload

import numpy as np

from gemma3n.configuration import Gemma3nTextConfig, PreTrainedConfig
from gemma3n.generation_config import GenerationConfig
from gemma3n.pipeline_base import (
    Chat,
    Pipeline,
    PipelineIterator,
    ReturnType,
    first_of,
    is_array,
    logger,
    warn_once,
)
from gemma3n.tensors import to_numpy

__all__ = [
    "AnyToAnyPipeline",
    "Chat",
    "ImageTextToTextPipeline",
    "Pipeline",
    "PipelineIterator",
    "ReturnType",
    "TextGenerationPipeline",
    "pipeline",
]

_DEFAULT_MODEL = "google/gemma-3n-E4B-it"


class TextGenerationPipeline(Pipeline):
    """Continues texts and answers chats ("text-generation").

    Samples at temperature 0.7, at most 256 new tokens, unless the model's generation_config.json or
    the caller says otherwise.
    """

    _load_tokenizer = True
    _default_generation_config = GenerationConfig(
        max_new_tokens=256, do_sample=True, temperature=0.7
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if getattr(self.tokenizer, "padding_side", "left") == "right":
            self.tokenizer.padding_side = (
                "left"  # the new tokens of a batch follow the prompts' ends
            )

    def _sanitize_parameters(
        self,
        return_full_text: Optional[bool] = None,
        return_tensors: Optional[bool] = None,
        return_text: Optional[bool] = None,
        return_type: Optional[ReturnType] = None,
        clean_up_tokenization_spaces: Optional[bool] = None,
        prefix: Optional[str] = None,
        handle_long_generation: Optional[str] = None,
        stop_sequence: Union[str, list[str], None] = None,
        truncation: Any = None,
        max_length: Optional[int] = None,
        continue_final_message: Optional[bool] = None,
        skip_special_tokens: Optional[bool] = None,
        tokenizer_encode_kwargs: Optional[dict[str, Any]] = None,
        tools: Any = None,
        documents: Any = None,
        **generate_kwargs: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if handle_long_generation not in (None, "hole"):
            raise ValueError(
                f"handle_long_generation: expected None or 'hole', got {handle_long_generation!r}"
            )
        adds_special_tokens = generate_kwargs.pop("add_special_tokens", None)
        preprocess = _given(
            add_special_tokens=adds_special_tokens,
            padding=generate_kwargs.pop("padding", None),
            truncation=truncation,
            max_length=max_length,
            tools=tools,
            documents=documents,
            prefix=prefix,
            handle_long_generation=handle_long_generation,
            continue_final_message=continue_final_message,
            tokenizer_encode_kwargs=tokenizer_encode_kwargs,
        )
        if max_length is not None:
            generate_kwargs["max_length"] = max_length
        if prefix:
            tokens = self.tokenizer(prefix, add_special_tokens=bool(adds_special_tokens))
            generate_kwargs["prefix_length"] = len(tokens["input_ids"])
        preprocess["generate_kwargs"] = dict(generate_kwargs)
        if stop_sequence is not None:
            generate_kwargs["stop_strings"] = (
                [stop_sequence] if isinstance(stop_sequence, str) else stop_sequence
            )
            generate_kwargs["tokenizer"] = self.tokenizer
        if return_text is not None:
            for name, value in (
                ("return_full_text", return_full_text),
                ("return_tensors", return_tensors),
            ):
                if value is not None and return_type is None:
                    raise ValueError(f"return_text and {name} exclude each other: pass one of them")
        postprocess = _given(
            return_type=_return_type(return_type, return_full_text, return_tensors),
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
            continue_final_message=continue_final_message,
            skip_special_tokens=skip_special_tokens,
        )
        return preprocess, generate_kwargs, postprocess

    def __call__(self, text_inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The continuations of a text, a chat, or a list of either.

        Returns [{"generated_text": text or chat}] with one entry per returned sequence (for a list
        of inputs, a list of these); {"generated_token_ids": [...]} with return_tensors=True.

        return_full_text=False leaves out the prompt. Other keywords: prefix, stop_sequence,
        handle_long_generation="hole" (cuts long prompts at their start), continue_final_message,
        add_special_tokens, truncation, tools, and those of generate().
        """
        return super().__call__(text_inputs, **kwargs)

    def preprocess(
        self,
        inputs: Any,
        prefix: str = "",
        handle_long_generation: Optional[str] = None,
        continue_final_message: Optional[bool] = None,
        tokenizer_encode_kwargs: Optional[dict[str, Any]] = None,
        tools: Any = None,
        documents: Any = None,
        generate_kwargs: Optional[dict[str, Any]] = None,
        **tokenizer_kwargs: Any,
    ) -> dict[str, Any]:
        tokenizer_kwargs.update(tokenizer_encode_kwargs or {})
        if isinstance(inputs, Chat):
            tokenizer_kwargs.pop("add_special_tokens", None)
            continues = (
                inputs.ends_with_assistant
                if continue_final_message is None
                else continue_final_message
            )
            tokens = self.tokenizer.apply_chat_template(
                inputs.messages,
                add_generation_prompt=not continues,
                continue_final_message=continues,
                return_dict=True,
                return_tensors="pt",
                tools=tools,
                documents=documents,
                **tokenizer_kwargs,
            )
        elif isinstance(inputs, str):
            tokens = self.tokenizer(prefix + inputs, return_tensors="pt", **tokenizer_kwargs)
        else:
            raise TypeError(
                f"text-generation: expected a text or a chat, got {type(inputs).__name__}"
            )
        prepared = dict(tokens)
        prepared["prompt"] = inputs
        if handle_long_generation == "hole":
            room = self._room_for_prompt(prepared["input_ids"].shape[-1], generate_kwargs or {})
            for name in ("input_ids", "attention_mask"):
                if name in prepared:
                    prepared[name] = prepared[name][:, -room:]
        return prepared

    def _room_for_prompt(self, length: int, generate_kwargs: dict[str, Any]) -> int:
        """How many tokens of the prompt leave room for the new ones in the model's context."""
        chosen = self._chosen_parameters(self._prepare_generate_kwargs(generate_kwargs))
        new_tokens = chosen.get("max_new_tokens")
        if new_tokens is None:
            new_tokens = chosen["max_length"] - length
        longest = self.tokenizer.model_max_length
        if new_tokens < 0 or longest - new_tokens <= 0:
            raise ValueError(
                f"handle_long_generation: {new_tokens} new tokens after a prompt of {length} cannot fit into {longest}"
            )
        return int(min(length, longest - new_tokens))

    def _forward(self, model_inputs: dict[str, Any], **generate_kwargs: Any) -> dict[str, Any]:
        input_ids, attention_mask = model_inputs["input_ids"], model_inputs.get("attention_mask")
        prompts = 1
        if input_ids.shape[1] == 0:
            input_ids = attention_mask = None
        else:
            prompts = input_ids.shape[0]
        prefix_length = generate_kwargs.pop("prefix_length", 0)
        generate_kwargs = self._prepare_generate_kwargs(generate_kwargs)
        if prefix_length:  # total lengths count the prefix, too
            chosen = self._chosen_parameters(generate_kwargs)
            for total, new in (("max_length", "max_new_tokens"), ("min_length", "min_new_tokens")):
                if total in chosen and new not in chosen:
                    generate_kwargs[total] = chosen[total] + prefix_length
        output = self.model.generate(
            input_ids=input_ids, attention_mask=attention_mask, **generate_kwargs
        )

        per_row: dict[str, Any] = {}
        if hasattr(output, "sequences"):
            per_row = {k: v for k, v in output.items() if k not in ("sequences", "past_key_values")}
            output = output.sequences
        outputs = {
            "generated_sequence": to_numpy(output),
            "input_ids": input_ids,
            "prompt": model_inputs["prompt"],
        }
        rows = outputs["generated_sequence"].shape[0]
        for name, value in per_row.items():
            if isinstance(value, tuple) and value and is_array(value[0]):  # of steps
                value = np.stack([to_numpy(step) for step in value], axis=1)
            if is_array(value) and value.shape[0] == rows:
                outputs[name] = to_numpy(value)
        for name, value in outputs.items():
            if name not in ("input_ids", "prompt"):
                outputs[name] = value.reshape(prompts, rows // prompts, *value.shape[1:])
        return outputs

    def postprocess(  # type: ignore[override]
        self,
        model_outputs: dict[str, Any],
        return_type: ReturnType = ReturnType.FULL_TEXT,
        clean_up_tokenization_spaces: Optional[bool] = None,
        continue_final_message: Optional[bool] = None,
        skip_special_tokens: Optional[bool] = None,
    ) -> list[dict[str, Any]]:
        sequences = model_outputs.pop("generated_sequence")[0].tolist()
        input_ids, prompt = model_outputs.pop("input_ids"), model_outputs.pop("prompt")
        prompt = prompt[0] if isinstance(prompt, list) else prompt
        if return_type == ReturnType.TENSORS:
            return [{"generated_token_ids": sequence} for sequence in sequences]
        start = 0 if input_ids is None else input_ids.shape[-1]
        per_row = {name: value[0].tolist() for name, value in model_outputs.items()}
        records = []
        for index, sequence in enumerate(sequences):
            text: Any = self.tokenizer.decode(
                sequence[start:],
                skip_special_tokens=True if skip_special_tokens is None else skip_special_tokens,
                clean_up_tokenization_spaces=clean_up_tokenization_spaces,
            )
            if return_type == ReturnType.FULL_TEXT:
                text = _with_prompt(prompt, text, continue_final_message)
            records.append(
                {"generated_text": text, **{name: value[index] for name, value in per_row.items()}}
            )
        return records


class _MultimodalPipeline(Pipeline):
    """What the pipelines with a processor share."""

    _load_processor = True
    _default_generation_config = GenerationConfig(max_new_tokens=256)

    def _sanitize_parameters(
        self,
        max_new_tokens: Optional[int] = None,
        generate_kwargs: Optional[dict[str, Any]] = None,
        timeout: Optional[float] = None,
        return_full_text: Optional[bool] = None,
        return_tensors: Optional[bool] = None,
        return_type: Optional[ReturnType] = None,
        clean_up_tokenization_spaces: Optional[bool] = None,
        stop_sequence: Union[str, list[str], None] = None,
        continue_final_message: Optional[bool] = None,
        skip_special_tokens: Optional[bool] = None,
        processor_kwargs: Optional[dict[str, Any]] = None,
        **kwargs: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        preprocess = {
            **kwargs,
            **_given(
                timeout=timeout,
                continue_final_message=continue_final_message,
                processor_kwargs=processor_kwargs,
            ),
        }
        generate = dict(generate_kwargs or {})
        if stop_sequence is not None:
            generate["stop_strings"] = (
                [stop_sequence] if isinstance(stop_sequence, str) else stop_sequence
            )
            generate["tokenizer"] = self.processor.tokenizer
        if max_new_tokens is not None:
            if "max_new_tokens" in generate:
                raise ValueError("max_new_tokens: pass it directly or in generate_kwargs, not both")
            generate["max_new_tokens"] = max_new_tokens
        forward = {"generate_kwargs": generate} if generate or generate_kwargs is not None else {}
        postprocess = _given(
            return_type=_return_type(return_type, return_full_text, return_tensors),
            continue_final_message=continue_final_message,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
            skip_special_tokens=skip_special_tokens,
        )
        return preprocess, forward, postprocess

    def preprocess(
        self,
        inputs: Any,
        timeout: Optional[float] = None,
        continue_final_message: Optional[bool] = None,
        processor_kwargs: Optional[dict[str, Any]] = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if isinstance(inputs, Chat):
            continues = (
                inputs.ends_with_assistant
                if continue_final_message is None
                else continue_final_message
            )
            options = {
                "continue_final_message": continues,
                "return_tensors": "pt",
                "tokenize": True,
                "return_dict": True,
                "add_generation_prompt": not continues,
                "processor_kwargs": processor_kwargs or {},
                **kwargs,
            }
            features = self.processor.apply_chat_template(inputs.messages, **options)
            text: Any = inputs
        else:
            arguments = self._arguments_of_processor(inputs, timeout)
            text = arguments["text"]
            options = dict(kwargs if processor_kwargs is None else processor_kwargs)
            if isinstance(text, (list, tuple)) and len(text) > 1:
                options.setdefault("padding", True)
            features = self.processor(**arguments, return_tensors="pt", **options)
        prepared = dict(features.to(dtype=self.dtype))
        prepared["prompt"] = text
        return prepared

    def _arguments_of_processor(self, inputs: Any, timeout: Optional[float]) -> dict[str, Any]:
        """The processor's arguments for an input that is no chat; always with "text"."""
        raise NotImplementedError

    def _forward(  # type: ignore[override]
        self, model_inputs: dict[str, Any], generate_kwargs: Optional[dict[str, Any]] = None
    ) -> dict[str, Any]:
        arguments = {name: value for name, value in model_inputs.items() if name != "prompt"}
        input_ids = arguments["input_ids"]
        options = self._prepare_generate_kwargs(
            generate_kwargs or {}, return_dict_in_generate=False
        )
        sequences = self.model.generate(**arguments, **options)
        if sequences.shape[0] > input_ids.shape[0]:
            sequences = sequences.reshape(input_ids.shape[0], -1, sequences.shape[-1])
        return {
            "generated_sequence": sequences,
            "prompt": model_inputs["prompt"],
            "input_ids": input_ids,
        }

    def postprocess(
        self,
        model_outputs: dict[str, Any],
        return_type: ReturnType = ReturnType.FULL_TEXT,
        continue_final_message: Optional[bool] = None,
        skip_special_tokens: Optional[bool] = None,
        **decode_kwargs: Any,
    ) -> list[dict[str, Any]]:
        sequences, input_ids = model_outputs["generated_sequence"], model_outputs["input_ids"]
        prompts = model_outputs["prompt"]
        prompts = [prompts] if isinstance(prompts, (str, Chat)) else prompts
        if sequences.ndim == 3:
            sequences = sequences.reshape(-1, sequences.shape[-1])
        candidates = len(sequences) // len(prompts)
        prompts = [prompt for prompt in prompts for _ in range(candidates)]
        if return_type == ReturnType.TENSORS:
            return [
                {"input_text": prompt, "generated_token_ids": sequence}
                for prompt, sequence in zip(prompts, sequences)
            ]
        skips = True if skip_special_tokens is None else skip_special_tokens
        decode = self.processor.post_process_image_text_to_text
        texts = decode(sequences, skip_special_tokens=skips, **decode_kwargs)
        inputs = decode(input_ids, skip_special_tokens=skips, **decode_kwargs)
        inputs = [text for text in inputs for _ in range(candidates)]
        records = []
        for prompt, text, decoded_input in zip(prompts, texts, inputs):
            # The prompt in front of the new text is found as text; up to two stray characters may precede it.
            position = text.find(decoded_input)
            if 0 <= position <= 2:
                text = text[position + len(decoded_input) :]
            if return_type == ReturnType.FULL_TEXT:
                text = _with_prompt(prompt, text, continue_final_message)
            records.append(
                {
                    "input_text": prompt.messages if isinstance(prompt, Chat) else prompt,
                    "generated_text": text,
                }
            )
        return records


class ImageTextToTextPipeline(_MultimodalPipeline):
    """Texts about pictures, and chats with pictures ("image-text-to-text").

    At most 256 new tokens, unless the model's generation_config.json or the caller says otherwise.
    """

    def __call__(  # type: ignore[override]
        self, images: Any = None, text: Any = None, **kwargs: Any
    ) -> Any:
        """The continuation of `text` after `images`, or the answer to a chat.

        images: a path, URL, picture of Pillow, a list of those, or a list of lists (per text).
        text: a text with the image token, or a list of those; or a chat, or a list of chats. A chat
        or {"images": ..., "text": ...} may also be the first argument.
        Returns [{"input_text": prompt, "generated_text": text or chat}], one entry per text and
        returned sequence; for a list of chats, a list of these; {"input_text",
        "generated_token_ids"} with return_tensors=True.
        Keywords: return_full_text, max_new_tokens, generate_kwargs (all others of generate()),
        stop_sequence, continue_final_message, skip_special_tokens, timeout (seconds, of downloads),
        processor_kwargs; the rest goes to the processor or the chat template.
        """
        if images is None and text is None:
            raise ValueError("image-text-to-text: expected text, images or a chat, got none")
        if _is_chat_like(text):
            if images is not None:
                raise ValueError(
                    "images: put the pictures of a chat into its messages: 'content': [{'type': 'image', 'url': ...}, ...]"
                )
            return super().__call__(_as_chats(text), **kwargs)
        if text is None and _is_chat_like(images):
            return super().__call__(_as_chats(images), **kwargs)
        if text is None and not _are_pictures(images):
            return super().__call__(images, **kwargs)
        _recommend_chats(self.processor)
        if images is None:
            return super().__call__(text, **kwargs)
        if text is None:
            raise ValueError("text: expected a text to go with the images, got none")
        return super().__call__({"images": images, "text": text}, **kwargs)

    def _arguments_of_processor(self, inputs: Any, timeout: Optional[float]) -> dict[str, Any]:
        if isinstance(inputs, (str, list, tuple)):
            return {"images": None, "text": inputs}
        if not isinstance(inputs, Mapping):
            raise TypeError(
                "image-text-to-text: expected a text, {'images': ..., 'text': ...} or a chat, got "
                f"{type(inputs).__name__}"
            )
        return {"images": _loaded_images(inputs["images"], timeout), "text": inputs["text"]}


class AnyToAnyPipeline(_MultimodalPipeline):
    """Texts about pictures and sounds, and chats with them ("any-to-any"). Its outputs are texts."""

    def _sanitize_parameters(  # type: ignore[override]
        self,
        generation_mode: Optional[str] = None,
        return_type: Optional[ReturnType] = None,
        **kwargs: Any,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        if generation_mode not in (None, "text"):
            raise ValueError(
                f"generation_mode: this model gives 'text' only, got {generation_mode!r}"
            )
        preprocess, forward, postprocess = super()._sanitize_parameters(
            return_type=return_type, **kwargs
        )
        forward.setdefault("generate_kwargs", {})
        # A call without a return type asks for the full text, whatever the constructor was told.
        if hasattr(self, "_postprocess_params"):
            postprocess.setdefault("return_type", ReturnType.FULL_TEXT)
        return preprocess, forward, postprocess

    def __call__(  # type: ignore[override]
        self, text: Any, images: Any = None, videos: Any = None, audio: Any = None, **kwargs: Any
    ) -> Any:
        """The continuation of `text` with `images` and `audio`, or the answer to a chat.

        text: a text with the image and audio tokens, a list of those, a chat, a list of chats, or
        {"text": ..., "images": ..., "audio": ...} or a list of those.
        audio: a path, URL, samples [n] at the processor's rate, or a list of those.
        Returns and keywords as ImageTextToTextPipeline.
        """
        if images is None and text is None:
            raise ValueError("any-to-any: expected text, images or a chat, got none")
        if videos is not None:
            logger.warning("videos: Gemma 3n has no video processor; they are ignored")
        if _is_chat_like(text) and _is_message_or_chat(text[0]):
            return super().__call__(_as_chats(text), **kwargs)
        is_text = isinstance(text, str) or (
            isinstance(text, list) and text and isinstance(text[0], str)
        )
        if text is not None and not is_text:
            return super().__call__(text, **kwargs)
        _recommend_chats(self.processor)
        return super().__call__({"text": text, "images": images, "audio": audio}, **kwargs)

    def _arguments_of_processor(self, inputs: Any, timeout: Optional[float]) -> dict[str, Any]:
        if isinstance(inputs, (str, list, tuple)):
            return {"text": inputs}
        if not isinstance(inputs, Mapping):
            raise TypeError(
                "any-to-any: expected a text, {'text': ..., 'images': ..., 'audio': ...} or a chat, got "
                f"{type(inputs).__name__}"
            )
        arguments = {name: value for name, value in inputs.items() if name != "videos"}
        arguments.setdefault("text", inputs["text"])
        if arguments.get("images") is not None and timeout is not None:
            arguments["images"] = _loaded_images(arguments["images"], timeout)
        if arguments.get("audio") is not None:
            rate = self.processor.feature_extractor.sampling_rate
            arguments["audio"] = _loaded_audio(arguments["audio"], rate, timeout)
        return arguments


# ---- pipeline()

_TASKS: dict[str, tuple[type[Pipeline], str]] = {
    "any-to-any": (AnyToAnyPipeline, "AutoModelForMultimodalLM"),
    "image-text-to-text": (ImageTextToTextPipeline, "AutoModelForImageTextToText"),
    "text-generation": (TextGenerationPipeline, "AutoModelForCausalLM"),
}


@overload
def pipeline(
    task: Literal["image-text-to-text"], *args: Any, **kwargs: Any
) -> ImageTextToTextPipeline: ...


@overload
def pipeline(task: Literal["any-to-any"], *args: Any, **kwargs: Any) -> AnyToAnyPipeline: ...


@overload
def pipeline(
    task: Literal["text-generation"], *args: Any, **kwargs: Any
) -> TextGenerationPipeline: ...


@overload
def pipeline(task: Optional[str] = None, *args: Any, **kwargs: Any) -> Any: ...


def pipeline(
    task: Optional[str] = None,
    model: Any = None,
    config: Union[str, PreTrainedConfig, None] = None,
    tokenizer: Any = None,
    feature_extractor: Any = None,
    image_processor: Any = None,
    video_processor: Any = None,
    processor: Any = None,
    revision: Optional[str] = None,
    use_fast: bool = True,
    token: Union[str, bool, None] = None,
    device: Any = None,
    device_map: Any = None,
    dtype: Any = "auto",
    trust_remote_code: Optional[bool] = None,
    model_kwargs: Optional[dict[str, Any]] = None,
    pipeline_class: Optional[type[Pipeline]] = None,
    **kwargs: Any,
) -> Any:
    """A pipeline for "image-text-to-text", "any-to-any" or "text-generation".

    model: a folder, a repository id in the Hugging Face cache, or a model. tokenizer, processor: the
    same, or None for the model's. task: None for what suits the checkpoint. dtype: "auto" for the
    checkpoint's. model_kwargs: keywords of the model's from_pretrained. kwargs: the pipeline's.

    Raises KeyError for other tasks, RuntimeError if what is needed was not given,
    FileNotFoundError if there is no such model.
    """
    del use_fast, token, trust_remote_code, video_processor
    from gemma3n import auto

    options = dict(model_kwargs or {})
    hub_options = {"revision": revision} if revision is not None else {}
    for name in ("cache_dir", "local_files_only"):
        if name in options or name in kwargs:
            hub_options[name] = kwargs.pop(name, options.pop(name, None))
    for name in ("code_revision", "_commit_hash"):
        kwargs.pop(name, None)
        options.pop(name, None)
    if model is None and task is None:
        raise RuntimeError("pipeline: expected a task or a model, got neither")
    for name, value in (("tokenizer", tokenizer), ("feature_extractor", feature_extractor)):
        if model is None and value is not None:
            raise RuntimeError(f"pipeline: a {name} was given but no model that it belongs to")

    if task is not None:
        task = "image-text-to-text" if task == "image-to-text" else task
        if task not in _TASKS and pipeline_class is None:
            raise KeyError(f"task: expected one of {', '.join(_TASKS)}, got {task!r}")
    if model is None:
        model = _DEFAULT_MODEL
        logger.warning("pipeline: no model was given; %s is used", model)

    name_or_path = os.fspath(model) if isinstance(model, (str, os.PathLike)) else None
    source = config if isinstance(config, str) else name_or_path if config is None else None
    if source is not None:
        config = auto.AutoConfig.from_pretrained(source, **hub_options)
    if task is None:
        if name_or_path is None:
            raise RuntimeError(
                "task: expected one, as it cannot be told from a model that is already loaded"
            )
        task = "text-generation" if isinstance(config, Gemma3nTextConfig) else "image-text-to-text"
    if name_or_path is not None:
        options["dtype"] = _chosen_dtype(dtype, kwargs.pop("torch_dtype", None), options)
        if device_map is not None:
            if "device_map" in options:
                raise ValueError("device_map: pass it directly or in model_kwargs, not both")
            options["device_map"] = device_map
        class_name = _TASKS[task][1] if task in _TASKS else "AutoModelForCausalLM"
        if isinstance(config, Gemma3nTextConfig):
            class_name = "AutoModelForCausalLM"
        model = getattr(auto, class_name).from_pretrained(
            name_or_path, config=config, **hub_options, **options
        )

    made = pipeline_class or _TASKS[task][0]
    if made._load_tokenizer:
        tokenizer = _loaded_part(
            "tokenizer", tokenizer, name_or_path, auto.AutoTokenizer, hub_options
        )
    if made._load_processor:
        processor = _loaded_part(
            "processor", processor, name_or_path, auto.AutoProcessor, hub_options
        )
        if not hasattr(processor, "tokenizer"):  # a text checkpoint's processor is its tokenizer
            raise TypeError(f"{task}: expected a processor, got a {type(processor).__name__}")
    parts = _given(
        tokenizer=tokenizer,
        feature_extractor=feature_extractor,
        image_processor=image_processor,
        processor=processor,
        device=device,
    )
    return made(model=model, task=task, **parts, **kwargs)


def _chosen_dtype(dtype: Any, torch_dtype: Any, options: dict[str, Any]) -> Any:
    """The dtype of pipeline's keywords; takes it out of model_kwargs if it is there."""
    if torch_dtype is not None and dtype == "auto":
        dtype = torch_dtype
    inner = [options.pop(name) for name in ("torch_dtype", "dtype") if name in options]
    if inner and dtype != "auto":
        raise ValueError("dtype: pass it directly or in model_kwargs, not both")
    return inner[-1] if inner else dtype


def _loaded_part(
    name: str, part: Any, model: Optional[str], loader: Any, hub_options: dict[str, Any]
) -> Any:
    part = model if part is None else part
    if part is None:
        raise RuntimeError(f"{name}: expected one, as the model that was given is already loaded")
    options: dict[str, Any] = {}
    if isinstance(part, tuple):  # (name, keywords)
        part, options = part[0], {k: v for k, v in part[1].items() if k != "use_fast"}
    if isinstance(part, (str, os.PathLike)):
        return loader.from_pretrained(os.fspath(part), **{**hub_options, **options})
    return part


# ---- inputs


def _is_chat_like(value: Any) -> bool:
    """A list of dicts or of lists: messages or chats, not texts or pictures."""
    return isinstance(value, (list, tuple)) and isinstance(
        first_of(value, "inputs"), (list, tuple, dict)
    )


def _is_message_or_chat(first: Any) -> bool:
    if isinstance(first, (list, tuple)):
        first = first_of(first, "chat")
    return isinstance(first, dict) and "role" in first


def _as_chats(value: Any) -> Any:
    return Chat(value) if isinstance(value[0], dict) else [Chat(chat) for chat in value]


def _is_picture(value: Any) -> bool:
    is_pillow = any(
        c.__module__ == "PIL.Image" and c.__name__ == "Image" for c in type(value).__mro__
    )
    return is_pillow or is_array(value)


def _are_pictures(value: Any) -> bool:
    return (
        all(map(_are_pictures, value)) if isinstance(value, (list, tuple)) else _is_picture(value)
    )


def _loaded_images(images: Any, timeout: Optional[float]) -> Any:
    """Pictures for the processor, which reads paths and URLs itself unless there is a timeout."""
    if isinstance(images, (list, tuple)):
        return [_loaded_images(image, timeout) for image in images]
    if is_array(images) or images is None:
        raise TypeError(
            f"images: expected paths, URLs or pictures of Pillow, got {type(images).__name__}"
        )
    if timeout is None:
        return images
    from gemma3n.media import load_image

    return load_image(images, timeout=timeout)


def _loaded_audio(audio: Any, sampling_rate: int, timeout: Optional[float]) -> Any:
    if isinstance(audio, (list, tuple)) and audio and not isinstance(audio[0], (int, float)):
        return [_loaded_audio(one, sampling_rate, timeout) for one in audio]
    if not isinstance(audio, (str, bytes, os.PathLike)):
        return audio
    from gemma3n.media import load_audio

    return load_audio(audio, sampling_rate=sampling_rate, timeout=timeout)


# ---- parameters and results


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _return_type(
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


def _with_prompt(prompt: Any, text: str, continue_final_message: Optional[bool]) -> Any:
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


def _recommend_chats(processor: Any) -> None:
    if getattr(processor, "chat_template", None) is not None:
        warn_once(
            "this model was tuned for chats: pass messages rather than bare text for better answers"
        )
