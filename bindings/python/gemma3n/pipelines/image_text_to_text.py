"""Texts about pictures, and chats with pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from gemma3n.pipelines.base import is_array
from gemma3n.pipelines.multimodal import (
    MultimodalPipeline,
    as_chats,
    is_chat_like,
    loaded_images,
    recommend_chats,
)


class ImageTextToTextPipeline(MultimodalPipeline):
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
        if is_chat_like(text):
            if images is not None:
                raise ValueError(
                    "images: put the pictures of a chat into its messages: 'content': [{'type': 'image', 'url': ...}, ...]"
                )
            return super().__call__(as_chats(text), **kwargs)
        if text is None and is_chat_like(images):
            return super().__call__(as_chats(images), **kwargs)
        if text is None and not _are_pictures(images):
            return super().__call__(images, **kwargs)
        recommend_chats(self.processor)
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
        return {"images": loaded_images(inputs["images"], timeout), "text": inputs["text"]}


def _is_picture(value: Any) -> bool:
    is_pillow = any(
        c.__module__ == "PIL.Image" and c.__name__ == "Image" for c in type(value).__mro__
    )
    return is_pillow or is_array(value)


def _are_pictures(value: Any) -> bool:
    return (
        all(map(_are_pictures, value)) if isinstance(value, (list, tuple)) else _is_picture(value)
    )
