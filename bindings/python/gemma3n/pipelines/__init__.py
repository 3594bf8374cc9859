"""pipeline(): a model with its processor or tokenizer, from texts, media and chats to text."""

from __future__ import annotations

import os
from typing import Any, Literal, Optional, Union, overload

from gemma3n.configuration import Gemma3nTextConfig, PreTrainedConfig
from gemma3n.log import logger
from gemma3n.pipelines.any_to_any import AnyToAnyPipeline as AnyToAnyPipeline
from gemma3n.pipelines.base import Chat as Chat, Pipeline as Pipeline, ReturnType as ReturnType
from gemma3n.pipelines.base import given
from gemma3n.pipelines.image_text_to_text import ImageTextToTextPipeline as ImageTextToTextPipeline
from gemma3n.pipelines.text_generation import TextGenerationPipeline as TextGenerationPipeline

__all__ = [
    "AnyToAnyPipeline",
    "ImageTextToTextPipeline",
    "Pipeline",
    "TextGenerationPipeline",
    "pipeline",
]

_DEFAULT_MODEL = "google/gemma-3n-E4B-it"

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
    parts = given(
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
