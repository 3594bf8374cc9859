"""Texts with pictures and sounds to what the model takes."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

import numpy as np

from gemma3n.log import logger
from gemma3n.batch import BatchFeature
from gemma3n.chat import (
    NOT_MARKED,
    ChatRenderer,
    plain_conversations,
    without_marked,
    write_chat_templates,
)
from gemma3n.feature_extraction import Gemma3nAudioFeatureExtractor
from gemma3n.image_processing import IMAGE_OPTIONS, SiglipImageProcessor, nested_pictures
from gemma3n.media import sounds_of
from gemma3n.pretrained import model_dir, read_json, to_folder, write_text
from gemma3n.tokenization import GemmaTokenizer


PROCESSOR_FILE = "processor_config.json"
# What token_type_ids says of a token.
_TEXT, _IMAGE, _AUDIO = 0, 1, 3

_TEXT_OPTIONS = frozenset(
    "text_pair text_target text_pair_target add_special_tokens padding truncation max_length stride "
    "is_split_into_words pad_to_multiple_of return_token_type_ids return_attention_mask "
    "return_overflowing_tokens return_special_tokens_mask return_offsets_mapping return_length "
    "verbose padding_side sanitize_control_tokens return_tensors".split()
)
_IMAGE_OPTIONS = frozenset(IMAGE_OPTIONS)
_AUDIO_OPTIONS = frozenset(
    "sampling_rate raw_speech padding max_length truncation pad_to_multiple_of "
    "return_attention_mask device return_tensors load_audio_backend".split()
)
_GROUPS = {
    "text_kwargs": _TEXT_OPTIONS,
    "images_kwargs": _IMAGE_OPTIONS,
    "audio_kwargs": _AUDIO_OPTIONS,
}
# Options that are accepted and change nothing: there are no videos, and one way to load sounds.
_WITHOUT_EFFECT = frozenset({"videos_kwargs", "common_kwargs", "return_metadata", "videos"})
_IMAGE_KEYS = ("image", "url", "path", "base64")
_AUDIO_KEYS = ("audio", "url", "path")


def _placeholders_for(text: List[str], start: str, placeholder: str, count: int) -> List[str]:
    """Prompts that mark each of `count` media by its start token alone, with placeholders instead.

    Differs: transformers refuses them, though its documentation writes prompts that way.
    """
    is_meant = count > 0 and not any(placeholder in prompt for prompt in text)
    if is_meant and sum(prompt.count(start) for prompt in text) == count:
        return [prompt.replace(start, placeholder) for prompt in text]
    return text



class Gemma3nProcessor:
    """A tokenizer, an image processor and a feature extractor as one.

    audio_seq_length, image_seq_length: soft tokens of a sound, and of a picture.
    Raises TypeError for parts of another kind, AttributeError for a tokenizer that names no
    image_token, audio_token and their limits.
    """

    def __init__(
        self,
        feature_extractor: Gemma3nAudioFeatureExtractor,
        image_processor: SiglipImageProcessor,
        tokenizer: GemmaTokenizer,
        chat_template: Union[str, Dict[str, str], None] = None,
        audio_seq_length: int = 188,
        image_seq_length: int = 256,
        **kwargs: Any,
    ):
        for name, part, kind in (
            ("feature_extractor", feature_extractor, Gemma3nAudioFeatureExtractor),
            ("image_processor", image_processor, SiglipImageProcessor),
            ("tokenizer", tokenizer, GemmaTokenizer),
        ):
            if not isinstance(part, kind):
                raise TypeError(f"{name}: expected a {kind.__name__}, got {type(part).__name__}")
        if kwargs:
            raise TypeError(f"Gemma3nProcessor: unexpected keyword {next(iter(kwargs))!r}")
        self.audio_seq_length = audio_seq_length
        self.image_seq_length = image_seq_length
        self.audio_token_id: int = tokenizer.audio_token_id
        self.image_token_id: int = tokenizer.image_token_id
        self.audio_token: str = tokenizer.audio_token
        self.image_token: str = tokenizer.image_token
        self.boa_token: str = tokenizer.boa_token
        self.boi_token: str = tokenizer.boi_token
        self.full_audio_sequence = (
            f"\n\n{self.boa_token}{self.audio_token * audio_seq_length}{tokenizer.eoa_token}\n\n"
        )
        self.full_image_sequence = (
            f"\n\n{self.boi_token}{self.image_token * image_seq_length}{tokenizer.eoi_token}\n\n"
        )
        self.chat_template = chat_template
        self.feature_extractor = feature_extractor
        self.image_processor = image_processor
        self.tokenizer = tokenizer

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> Any:
        """Reads all parts of a checkpoint: a folder, or a repository in the Hugging Face cache.

        Keywords reach each part that has such an option, such as padding_side="left".
        """
        unused = bool(kwargs.pop("return_unused_kwargs", False))
        folder = model_dir(pretrained_model_name_or_path, kwargs)
        config = read_json(folder / PROCESSOR_FILE) or {}
        template = config.get("chat_template")
        tokenizer = GemmaTokenizer.from_pretrained(folder, **kwargs)
        tokenizer.name_or_path = str(pretrained_model_name_or_path)
        if template is None:
            legacy = read_json(folder / "chat_template.json")
            template = legacy.get("chat_template") if legacy else None
        if template is None and (folder / "chat_template.jinja").is_file():
            template = tokenizer.chat_template
        options: Dict[str, Any] = {"chat_template": template}
        for name in ("audio_seq_length", "image_seq_length"):
            if config.get(name) is not None:
                options[name] = config[name]
        own = ("chat_template", "audio_seq_length", "image_seq_length")
        options.update({key: value for key, value in kwargs.items() if key in own})
        processor = cls(
            feature_extractor=Gemma3nAudioFeatureExtractor.from_pretrained(folder, **kwargs),
            image_processor=SiglipImageProcessor.from_pretrained(folder, **kwargs),
            tokenizer=tokenizer,
            **options,
        )
        left = {key: value for key, value in kwargs.items() if key not in own}
        return (processor, left) if unused else processor

    # ---- Calls

    def __call__(
        self, images: Any = None, text: Any = None, audio: Any = None, **kwargs: Any
    ) -> BatchFeature:
        """Inputs of the model.

        text: a prompt or a list of them, with an image_token for each picture and an audio_token
        for each sound; boi_token and boa_token serve, too, where there are none of those.
        images: as of the image processor; a flat list is one sample. audio: samples, paths, URLs,
        bytes or a list of those. Without text, prompts are made: of
        placeholders alone, one per sample of `images` or per sound.
        Options of the tokenizer, the image processor and the feature extractor are keywords, or
        grouped in text_kwargs, images_kwargs, audio_kwargs. return_mm_token_type_ids=False leaves
        token_type_ids out.
        Returns input_ids, attention_mask [B, T], pixel_values [N, 3, H, W], input_features
        [M, T, F], input_features_mask [M, T], token_type_ids [B, T] (0 text, 1 picture, 3 sound).
        Raises ValueError for placeholders and media that differ in number, and for soft tokens
        lost to truncation.
        """
        options = self._merged_options(kwargs)
        if isinstance(text, str):
            text = [text]
        elif text is not None:
            text = list(text)
        rate = self.feature_extractor.sampling_rate
        given_rate = options["audio_kwargs"].pop("sampling_rate", None)
        sounds = None if audio is None else sounds_of(audio, rate, given_rate)
        samples = None if images is None else nested_pictures(images)
        pictures = None if samples is None else [p for sample in samples for p in sample]
        if samples is not None and not text:
            text = [" ".join([self.image_token] * len(sample)) for sample in samples]
        if sounds is not None and not text:
            text = [self.audio_token] * len(sounds)
        if text is None:
            raise ValueError("Gemma3nProcessor: expected text, images or audio, got none of them")
        text = _placeholders_for(text, self.boi_token, self.image_token, len(pictures or []))
        text = _placeholders_for(text, self.boa_token, self.audio_token, len(sounds or []))
        self._check_placeholders(text, pictures, sounds)

        media: Dict[str, Any] = {}
        if pictures is not None:
            media.update(self.image_processor(pictures, **options["images_kwargs"]))
        if sounds is not None:
            media.update(self.feature_extractor(sounds, **options["audio_kwargs"]))

        with_types = options.pop("return_mm_token_type_ids", True)
        with_offsets = options.pop("return_text_replacement_offsets", False)
        expanded = [self._expanded(prompt) for prompt in text]
        prompts = [prompt for prompt, _ in expanded]
        encoded = self.tokenizer(prompts, **options["text_kwargs"])
        rows = encoded["input_ids"]
        rows = rows.tolist() if hasattr(rows, "tolist") else rows
        self._check_soft_tokens(prompts, rows)
        data = dict(encoded)
        if with_offsets:
            data["text_replacement_offsets"] = [offsets for _, offsets in expanded]
        data.update(media)
        if with_types:
            data["token_type_ids"] = [self._types(row) for row in rows]
        return BatchFeature(
            data,
            tensor_type=options["text_kwargs"].get("return_tensors"),
            skip_tensor_conversion=["text_replacement_offsets"],
        )

    def _merged_options(self, given: Dict[str, Any]) -> Dict[str, Any]:
        """{"text_kwargs": ..., "images_kwargs": ..., "audio_kwargs": ...} of flat and grouped."""
        if "audios" in given:
            raise ValueError("audios: pass sounds as `audio`")
        merged: Dict[str, Any] = {group: {} for group in _GROUPS}
        common = given.get("common_kwargs") or {}
        for name, value in [*common.items(), *given.items()]:
            takers = [group for group, known in _GROUPS.items() if name in known]
            if name in _GROUPS:
                for key, item in (value or {}).items():
                    if key in given and key in _GROUPS[name]:
                        raise ValueError(f"{key}: given twice, in {name} and as a keyword")
            elif name in ("return_mm_token_type_ids", "return_text_replacement_offsets"):
                merged[name] = value
            elif takers:
                for group in takers:
                    merged[group][name] = value
            elif name not in _WITHOUT_EFFECT:
                logger.warning("Gemma3nProcessor: unknown option %r is ignored", name)
        for group in _GROUPS:
            merged[group].update(given.get(group) or {})
        for name in ("return_mm_token_type_ids", "return_text_replacement_offsets"):
            value = merged["text_kwargs"].pop(name, None)
            if value is not None:
                merged.setdefault(name, value)
        for name in ("raw_speech", "device", "load_audio_backend"):
            merged["audio_kwargs"].pop(name, None)
        return merged

    def _check_placeholders(
        self, text: List[Any], pictures: Optional[List[Any]], sounds: Optional[List[Any]]
    ) -> None:
        for prompt in text:
            if not isinstance(prompt, str):
                raise ValueError(
                    f"text: expected a string or a list of strings, got {type(prompt).__name__}"
                )
        for token, media, name in (
            (self.image_token, pictures, "images"),
            (self.audio_token, sounds, "sounds"),
        ):
            count = sum(without_marked(prompt).count(token) for prompt in text)
            passed = None if media is None else len(media)
            if count != (passed or 0):
                raise ValueError(
                    f"the prompts have {count} {token}, but {passed or 'no'} {name} were passed; "
                    f"put one {token} where each of the {name} belongs"
                )

    def _expanded(self, prompt: str) -> Tuple[str, List[Dict[str, Any]]]:
        """The prompt with the soft tokens of each picture and sound for its placeholder, and where
        they stand now."""
        kinds = {
            self.image_token: ("image", self.full_image_sequence),
            self.audio_token: ("audio", self.full_audio_sequence),
        }
        pattern = "|".join(NOT_MARKED + re.escape(token) for token in kinds)
        offsets: List[Dict[str, Any]] = []
        parts: List[str] = []
        last = length = 0
        for match in re.finditer(pattern, prompt):
            kind, whole = kinds[match.group()]
            length += match.start() - last
            offsets.append(
                {
                    "type": kind,
                    "span": match.span(),
                    "new_span": (length, length + len(whole)),
                    "text": match.group(),
                    "replacement": whole,
                }
            )
            parts += [prompt[last : match.start()], whole]
            length += len(whole)
            last = match.end()
        return "".join([*parts, prompt[last:]]), offsets

    def _check_soft_tokens(self, prompts: List[str], rows: List[List[int]]) -> None:
        if len(rows) != len(prompts):
            return
        for token, token_id in (
            (self.image_token, self.image_token_id),
            (self.audio_token, self.audio_token_id),
        ):
            for prompt, row in zip(prompts, rows):
                expected = without_marked(prompt).count(token)
                got = list(row).count(token_id)
                if expected != got:
                    raise ValueError(
                        f"the prompt needs {expected} {token}, but {got} are left after "
                        "truncation; raise max_length, or do not truncate"
                    )

    def _types(self, row: List[int]) -> List[int]:
        kinds = {self.image_token_id: _IMAGE, self.audio_token_id: _AUDIO}
        return [kinds.get(token, _TEXT) for token in row]

    # ---- Chats

    def apply_chat_template(
        self,
        conversation: Any,
        chat_template: Optional[str] = None,
        tools: Optional[List[Any]] = None,
        documents: Optional[List[Dict[str, str]]] = None,
        add_generation_prompt: bool = False,
        continue_final_message: Union[bool, str] = False,
        return_assistant_tokens_mask: bool = False,
        tokenize: bool = False,
        return_tensors: Any = "auto",
        return_dict: bool = False,
        load_audio_from_video: bool = False,
        processor_kwargs: Optional[Dict[str, Any]] = None,
        sanitize_control_tokens: bool = False,
        **kwargs: Any,
    ) -> Any:
        """A chat, or a list of chats, as prompts, or as inputs of the model.

        conversation: [{"role": ..., "content": text or items}]. Items are {"type": "text", "text":
        ...}, {"type": "image", "image" | "url" | "path" | "base64": ...}, {"type": "audio",
        "audio" | "url" | "path": ...}. processor_kwargs: options of a call of the processor.
        Further keywords are variables of the template. sanitize_control_tokens: control tokens in
        the messages are encoded as plain text.
        Returns a text (list of texts for a list of chats) if not `tokenize`, else ids [B][T] if
        not `return_dict`, else a BatchFeature.
        Raises ValueError for what the template refuses, and as a call does.
        """
        for name, is_on in (
            ("return_assistant_tokens_mask", return_assistant_tokens_mask),
            ("load_audio_from_video", load_audio_from_video),
        ):
            if is_on:
                raise NotImplementedError(f"apply_chat_template: {name}=True is not supported")
        source = self._template(chat_template)
        renderer = ChatRenderer(source, self.tokenizer.special_tokens_map)
        chats, is_batched = plain_conversations(conversation)
        chats = [[_with_image_items(message) for message in chat] for chat in chats]
        shown, variables = chats, kwargs
        if sanitize_control_tokens:
            control = self.tokenizer.control_tokens(source, tokenize)
            shown, variables = control.marked(chats), control.marked(kwargs)
            tools, documents = control.marked(tools), control.marked(documents)
        prompts = renderer.render(
            shown,
            tools=tools,
            documents=documents,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            variables=variables,
        )
        if not tokenize:
            return prompts if is_batched else prompts[0]

        options = dict(processor_kwargs or {})
        direct = {k: v for k, v in kwargs.items() if not renderer.uses(k)}
        if direct:
            logger.warning(
                "apply_chat_template: options of the processor belong in processor_kwargs: %s",
                ", ".join(direct),
            )
            options.update(direct)
        if sanitize_control_tokens:
            options["sanitize_control_tokens"] = True
        bos_token = self.tokenizer.bos_token
        if bos_token is not None and prompts[0].startswith(bos_token):
            options["add_special_tokens"] = False
        if return_tensors != "auto":
            options["return_tensors"] = return_tensors
        images = [[p for p in _media(chat, "image", _IMAGE_KEYS)] for chat in chats]
        sounds = [sound for chat in chats for sound in _media(chat, "audio", _AUDIO_KEYS)]
        passed = options.pop("images", None)
        if passed:
            images = passed if is_batched else [passed]
        has_images = any(image is not None for sample in images for image in sample)
        encoded = self(
            text=prompts, images=images if has_images else None, audio=sounds or None, **options
        )
        return encoded if return_dict else encoded["input_ids"]

    def _template(self, chat_template: Optional[str]) -> str:
        own = self.chat_template
        if isinstance(own, dict):
            found = own.get("default" if chat_template is None else chat_template, chat_template)
            if found is None:
                raise ValueError(f"chat_template: expected the name of one of {sorted(own)}")
            return found
        if chat_template is None and own is None:
            raise ValueError(
                "apply_chat_template: the processor has no chat_template (base models have none); "
                "pass chat_template=..."
            )
        return chat_template if chat_template is not None else str(own)

    # ---- Ids to text

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        """See GemmaTokenizer.decode."""
        return self.tokenizer.decode(*args, **kwargs)

    def batch_decode(self, *args: Any, **kwargs: Any) -> List[str]:
        """See GemmaTokenizer.batch_decode."""
        return self.tokenizer.batch_decode(*args, **kwargs)

    def post_process_image_text_to_text(
        self, generated_outputs: Any, skip_special_tokens: bool = True, **kwargs: Any
    ) -> Any:
        """The texts of generated ids [B, T]."""
        return self.tokenizer.decode(
            generated_outputs, skip_special_tokens=skip_special_tokens, **kwargs
        )

    def post_process_multimodal_output(
        self,
        generated_outputs: Any,
        skip_special_tokens: bool = True,
        generation_mode: Optional[str] = None,
        **kwargs: Any,
    ) -> Any:
        """The same; generation_mode: "text" or None."""
        if generation_mode not in (None, "text"):
            raise ValueError(f"generation_mode: expected 'text', got {generation_mode!r}")
        return self.post_process_image_text_to_text(
            generated_outputs, skip_special_tokens, **kwargs
        )

    @property
    def model_input_names(self) -> List[str]:
        return [
            *self.tokenizer.model_input_names,
            "token_type_ids",
            *self.image_processor.model_input_names,
            *self.feature_extractor.model_input_names,
        ]

    # ---- Files

    def to_dict(self) -> Dict[str, Any]:
        """The parameters, as processor_config.json holds them."""
        extractor = {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in self.feature_extractor.to_dict().items()
        }
        return {
            "audio_seq_length": self.audio_seq_length,
            "image_seq_length": self.image_seq_length,
            "feature_extractor": extractor,
            "image_processor": self.image_processor.to_dict(),
            "processor_class": type(self).__name__,
        }

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: Any) -> None:
        write_text(pathlib.Path(json_file_path), self.to_json_string())

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> List[str]:
        """Writes the tokenizer's files, the chat template and processor_config.json.

        Returns the path of the last in a list.
        """
        folder = to_folder(save_directory, kwargs)
        self.tokenizer._processor_class = type(self).__name__
        self.tokenizer.save_pretrained(folder)
        write_chat_templates(folder, self.chat_template)
        return [write_text(folder / PROCESSOR_FILE, self.to_json_string())]

    def __repr__(self) -> str:
        parts = "\n".join(
            f"- {name}: {getattr(self, name)!r}"
            for name in ("feature_extractor", "image_processor", "tokenizer")
        )
        return f"{type(self).__name__}:\n{parts}\n\n{self.to_json_string()}"


def _with_image_items(message: Dict[str, Any]) -> Dict[str, Any]:
    """The message with OpenAI's image_url items as images of that URL."""
    if not isinstance(message.get("content"), list):
        return message
    items = []
    for item in message["content"]:
        if isinstance(item, dict) and item.get("type") == "image_url" and "image_url" in item:
            url = item["image_url"]
            item = {"type": "image", "url": url.get("url", "") if isinstance(url, dict) else url}
        items.append(item)
    return {**message, "content": items}


def _media(chat: List[Dict[str, Any]], kind: str, keys: Tuple[str, ...]) -> Iterator[Any]:
    """The pictures or sounds of a chat's items, in order."""
    for message in chat:
        content = message.get("content")
        for item in content if isinstance(content, (list, tuple)) else []:
            if isinstance(item, dict) and item.get("type") == kind:
                yield from (item[key] for key in keys if key in item)
