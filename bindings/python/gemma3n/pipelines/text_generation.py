"""Texts continued and chats answered."""

from __future__ import annotations

from typing import Any, Optional, Union

import numpy as np

from gemma3n.generation_config import GenerationConfig
from gemma3n.pipelines.base import (
    Chat,
    Pipeline,
    ReturnType,
    given,
    is_array,
    return_type_of,
    with_prompt,
)
from gemma3n.tensors import to_numpy


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
        preprocess = given(
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
        postprocess = given(
            return_type=return_type_of(return_type, return_full_text, return_tensors),
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
                text = with_prompt(prompt, text, continue_final_message)
            records.append(
                {"generated_text": text, **{name: value[index] for name, value in per_row.items()}}
            )
        return records
