"""Texts about pictures and sounds, and chats with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from gemma3n.log import logger
from gemma3n.pipelines.base import ReturnType, first_of
from gemma3n.pipelines.multimodal import (
    MultimodalPipeline,
    as_chats,
    is_chat_like,
    loaded_audio,
    loaded_images,
    recommend_chats,
)


class AnyToAnyPipeline(MultimodalPipeline):
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
        if is_chat_like(text) and _is_message_or_chat(text[0]):
            return super().__call__(as_chats(text), **kwargs)
        is_text = isinstance(text, str) or (
            isinstance(text, list) and text and isinstance(text[0], str)
        )
        if text is not None and not is_text:
            return super().__call__(text, **kwargs)
        recommend_chats(self.processor)
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
            arguments["images"] = loaded_images(arguments["images"], timeout)
        if arguments.get("audio") is not None:
            rate = self.processor.feature_extractor.sampling_rate
            arguments["audio"] = loaded_audio(arguments["audio"], rate, timeout)
        return arguments


def _is_message_or_chat(first: Any) -> bool:
    if isinstance(first, (list, tuple)):
        first = first_of(first, "chat")
    return isinstance(first, dict) and "role" in first
