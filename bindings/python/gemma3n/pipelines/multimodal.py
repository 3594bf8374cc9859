"""What the pipelines with a processor share."""

from __future__ import annotations

import os
from typing import Any, Optional, Union

from gemma3n.generation_config import GenerationConfig
from gemma3n.log import warn_once
from gemma3n.pipelines.base import (
    Chat,
    KeyDataset,
    Pipeline,
    ReturnType,
    first_of,
    given,
    is_array,
    items_of,
    return_type_of,
    with_prompt,
)


class MultimodalPipeline(Pipeline):
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
            **given(
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
        postprocess = given(
            return_type=return_type_of(return_type, return_full_text, return_tensors),
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
        prepared = dict(features)  # in float32, whatever the model's dtype: so it computes
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
                text = with_prompt(prompt, text, continue_final_message)
            records.append(
                {
                    "input_text": prompt.messages if isinstance(prompt, Chat) else prompt,
                    "generated_text": text,
                }
            )
        return records


def is_chat_like(value: Any) -> bool:
    """A list of dicts or of lists: messages or chats, not texts or pictures."""
    return isinstance(value, (list, tuple, KeyDataset)) and isinstance(
        first_of(value, "inputs"), (list, tuple, dict)
    )


def as_chats(value: Any) -> Any:
    return (
        Chat(list(items_of(value)))
        if isinstance(value[0], dict)
        else [Chat(chat) for chat in items_of(value)]
    )


def loaded_images(images: Any, timeout: Optional[float]) -> Any:
    """Pictures for the processor, which reads paths and URLs itself unless there is a timeout."""
    if isinstance(images, (list, tuple)):
        return [loaded_images(image, timeout) for image in images]
    if is_array(images) or images is None:
        raise TypeError(
            f"images: expected paths, URLs or pictures of Pillow, got {type(images).__name__}"
        )
    if timeout is None:
        return images
    from gemma3n.media import load_image

    return load_image(images, timeout=timeout)


def loaded_audio(audio: Any, sampling_rate: int, timeout: Optional[float]) -> Any:
    if isinstance(audio, (list, tuple)) and audio and not isinstance(audio[0], (int, float)):
        return [loaded_audio(one, sampling_rate, timeout) for one in audio]
    if not isinstance(audio, (str, bytes, os.PathLike)):
        return audio
    from gemma3n.media import load_audio

    return load_audio(audio, sampling_rate=sampling_rate, timeout=timeout)


def recommend_chats(processor: Any) -> None:
    if getattr(processor, "chat_template", None) is not None:
        warn_once(
            "this model was tuned for chats: pass messages rather than bare text for better answers"
        )
