"""Pictures to the pixels that the vision tower takes."""

from __future__ import annotations

import copy
import json
import os
from functools import lru_cache
from typing import Any, Dict, List, Optional

import numpy as np

from gemma3n import _native
from gemma3n.batch import BatchFeature, tensor_kind
from gemma3n.media import is_pil_image, load_pixels, pil_to_pixels
from gemma3n.pretrained import StoredParameters
from gemma3n.tensors import as_tensor_type, is_torch, to_numpy

_BILINEAR, _BICUBIC = 2, 3
_SIZE_KEYS = ({"height", "width"}, {"shortest_edge"})

# Options by name, with the values of transformers' class.
IMAGE_OPTIONS: Dict[str, Any] = {
    "do_convert_rgb": True,
    "do_resize": True,
    "resample": _BICUBIC,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "do_pad": None,
    "do_center_crop": None,
    "data_format": None,
    "input_data_format": None,
    "device": None,
    "return_tensors": None,
    "disable_grouping": None,
    "image_seq_length": None,
    "size": {"height": 224, "width": 224},
    "crop_size": None,
    "pad_size": None,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}


class SizeDict(Dict[str, int]):
    """{"height": ..., "width": ...} in pixels, whose entries are attributes, too."""

    def __getattr__(self, name: str) -> Optional[int]:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.get(name)


@lru_cache(maxsize=8)
def _native_processor(config_json: str) -> Any:
    return _native.ImageProcessor.from_json(config_json)


class SiglipImageProcessor(StoredParameters):
    """Pictures to pixels: resized to exactly height x width, rescaled, normalised.

    size: {"height": ..., "width": ...} or {"shortest_edge": ...}, pixels.  resample: 2, bilinear.
    rescale_factor: of values 0 to 255.  image_mean, image_std: per channel, after rescaling.
    do_convert_rgb: grey and transparent pictures become RGB, transparency over white.
    """

    _part = "image_processor"
    model_input_names = ["pixel_values"]
    default_to_square = False

    def __init__(self, **kwargs: Any):
        for name in ("processor_class", "feature_extractor_type"):
            kwargs.pop(name, None)
        for name, value in [*kwargs.items(), *copy.deepcopy(IMAGE_OPTIONS).items()]:
            if name not in self.__dict__:
                setattr(self, name, _standard(name, value))

    @property
    def backend(self) -> str:
        return "gemma3n"

    @classmethod
    def from_dict(cls, image_processor_dict: Dict[str, Any], **kwargs: Any) -> Any:
        """From the entries of a configuration file; keywords override them."""
        unused = bool(kwargs.pop("return_unused_kwargs", False))
        config = dict(image_processor_dict)
        config.update({k: kwargs[k] for k in kwargs if k in IMAGE_OPTIONS})
        processor = cls(**config)
        for key in [k for k in kwargs if k not in IMAGE_OPTIONS and hasattr(processor, k)]:
            setattr(processor, key, kwargs.pop(key))
        return (processor, kwargs) if unused else processor

    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        """See `preprocess`."""
        return self.preprocess(images, *args, **kwargs)

    def preprocess(self, images: Any, **kwargs: Any) -> BatchFeature:
        """Pixels of one picture or several, in lists nested up to two deep.

        images: pictures of Pillow, arrays or tensors [C, H, W], [H, W, C] or [N, ...] of 0 to 255,
        paths, URLs, base64, bytes. Keywords override the processor's parameters for this call;
        input_data_format: "channels_first" or "channels_last" of arrays, else it is inferred.
        Returns pixel_values [N, 3, height, width] float32 with return_tensors ("pt", "np"), else a
        list of [3, height, width].
        Raises ValueError for what is no picture, NotImplementedError for other filters than
        bilinear, other forms of size than these, cropping and padding.
        """
        for name in kwargs:
            if name not in IMAGE_OPTIONS:
                raise TypeError(f"preprocess: unknown option {name!r}; known are {[*IMAGE_OPTIONS]}")
        options = {
            name: _standard(name, kwargs[name]) if name in kwargs else getattr(self, name)
            for name in IMAGE_OPTIONS
        }
        kind = tensor_kind(options["return_tensors"])
        self._check(options)
        pictures = flat_pictures(images)
        if not pictures:
            raise ValueError("images: expected at least one picture, got none")
        pixels = [self._process(picture, options) for picture in pictures]
        if kind is None:
            pixels = [as_tensor_type(picture, "pt") for picture in pixels]
        return BatchFeature({"pixel_values": pixels}, tensor_type=kind)

    @staticmethod
    def _check(options: Dict[str, Any]) -> None:
        for name in ("do_center_crop", "do_pad"):
            if options[name]:
                raise NotImplementedError(f"{name}=True is not supported")
        needs = [("do_rescale", ("rescale_factor",)), ("do_normalize", ("image_mean", "image_std")),
                 ("do_resize", ("size", "resample"))]
        for switch, names in needs:
            for name in names:
                if options[switch] and options[name] is None:
                    raise ValueError(f"{name}: expected a value, as {switch} is on; got None")
        if options["do_resize"] and set(options["size"]) not in _SIZE_KEYS:
            raise NotImplementedError(
                "size: expected {'height': ..., 'width': ...} or {'shortest_edge': ...}, got "
                f"{dict(options['size'])}"
            )

    def _process(self, picture: Any, options: Dict[str, Any]) -> np.ndarray:
        """[3, height, width] of a picture of Pillow or an array."""
        # None as in a configuration file: pictures that the model could not take are converted.
        to_rgb = options["do_convert_rgb"] is not False
        layout = getattr(options["input_data_format"], "value", options["input_data_format"])
        if is_pil_image(picture):
            array = pil_to_pixels(picture, to_rgb)
            array, layout = (array[..., None] if array.ndim == 2 else array), "channels_last"
        else:
            array = to_numpy(picture, name="image")
        if options["do_resize"] and "shortest_edge" in options["size"]:
            options = {**options, "size": _size_of_shortest_edge(array, options["size"], layout)}
        if array.dtype.kind in "iu" and array.dtype != np.uint8:
            return self._process_integers(array, options, to_rgb, layout)
        if array.dtype != np.uint8:
            array = array.astype(np.float32)
        pixels = self._native(options, to_rgb)([np.ascontiguousarray(array)], layout)[0]
        if array.dtype == np.uint8 and not (options["do_rescale"] or options["do_normalize"]):
            pixels = pixels.astype(np.uint8)
        return np.asarray(pixels)

    def _process_integers(
        self, array: np.ndarray, options: Dict[str, Any], to_rgb: bool, layout: Optional[str]
    ) -> np.ndarray:
        """Integers other than uint8 are resized as floats and become integers again, signed ones
        rounded and unsigned ones cut off as torchvision does it, before they are rescaled."""
        if 4 in (array.shape[0], array.shape[-1]) and 3 not in (array.shape[0], array.shape[-1]):
            raise ValueError(
                f"image: expected uint8 or floats from 0 to 1 for four channels, got {array.dtype}"
            )
        resized = {**options, "do_rescale": False, "do_normalize": False}
        pixels = self._native(resized, to_rgb)([array.astype(np.float32)], layout)[0]
        whole = np.rint(pixels) if array.dtype.kind == "i" else np.trunc(pixels)
        if not (options["do_rescale"] or options["do_normalize"]):
            return np.asarray(whole.astype(array.dtype))
        rest = {**options, "do_resize": False}
        return np.asarray(self._native(rest, to_rgb)([whole], "channels_first")[0])

    @staticmethod
    def _native(options: Dict[str, Any], to_rgb: bool) -> Any:
        config: Dict[str, Any] = {"do_convert_rgb": to_rgb, "resample": _BILINEAR}
        for name in ("do_resize", "do_rescale", "do_normalize"):
            config[name] = bool(options[name])
        config["size"] = {"height": 1, "width": 1}
        if config["do_resize"]:
            config["size"] = dict(options["size"])
            config["resample"] = int(options["resample"])
        if config["do_rescale"]:
            config["rescale_factor"] = options["rescale_factor"]
        if config["do_normalize"]:
            for name in ("image_mean", "image_std"):
                value = options[name]
                config[name] = [value] * 3 if np.isscalar(value) else list(value)
        return _native_processor(json.dumps(config, sort_keys=True))

    def fetch_images(self, images: Any) -> Any:
        """Paths, URLs, base64 and bytes in nested lists as arrays [3, height, width] uint8."""
        if isinstance(images, (list, tuple)):
            return [self.fetch_images(image) for image in images]
        return _loaded(images) if _is_source(images) else images

    def to_dict(self) -> Dict[str, Any]:
        """The parameters, as preprocessor_config.json holds them."""
        config: Dict[str, Any] = {}
        for name, value in self.__dict__.items():
            if name.startswith("_") or (value is None and IMAGE_OPTIONS.get(name) is None):
                continue
            config[name] = dict(value) if isinstance(value, SizeDict) else copy.deepcopy(value)
        config["image_processor_type"] = type(self).__name__
        return config


SiglipImageProcessorFast = SiglipImageProcessor


def _standard(name: str, value: Any) -> Any:
    """Parameters in their one form: sizes as SizeDict, means and deviations as tuples."""
    if name == "size" and value is not None:
        if isinstance(value, int):
            return SizeDict(shortest_edge=value)
        if isinstance(value, (list, tuple)) and len(value) == 2:
            return SizeDict(height=value[0], width=value[1])
        if not isinstance(value, dict) or not value:
            raise ValueError(f"size: expected {{'height': ..., 'width': ...}}, got {value!r}")
        return SizeDict(value)
    if name in ("image_mean", "image_std") and isinstance(value, list):
        return tuple(value)
    return value


def _size_of_shortest_edge(
    array: np.ndarray, size: Dict[str, int], layout: Optional[str]
) -> SizeDict:
    """The shorter edge gets the given length, the other one keeps the aspect ratio."""
    if array.ndim != 3:
        raise ValueError(f"image: expected three dimensions, got {list(array.shape)}")
    first = layout == "channels_first" or (layout is None and array.shape[0] in (1, 3, 4))
    height, width = array.shape[1:] if first else array.shape[:2]
    edge = size["shortest_edge"]
    if height <= width:
        return SizeDict(height=edge, width=int(edge * width / height))
    return SizeDict(height=int(edge * height / width), width=edge)


def _is_source(value: Any) -> bool:
    return isinstance(value, (str, bytes, bytearray, memoryview, os.PathLike))


def _loaded(source: Any) -> np.ndarray:
    """[3, height, width]: channels first, so that a height of 4 is never taken for channels."""
    return np.ascontiguousarray(load_pixels(source).transpose(2, 0, 1))


def _pictures_of(value: Any) -> List[Any]:
    """The pictures of one item: itself, or those of an array [N, ...]."""
    if _is_source(value):
        return [_loaded(value)]
    if is_pil_image(value):
        return [value]
    if is_torch(value) or isinstance(value, np.ndarray):
        if value.ndim == 3:
            return [value]
        if value.ndim == 4:
            return list(value)
        raise ValueError(
            "image: expected an array [C, H, W], [H, W, C] or [N, ...], got "
            f"{list(value.shape)}"
        )
    raise TypeError(
        "image: expected a picture of Pillow, an array, a path, a URL, base64 or bytes, got "
        f"{type(value).__name__}"
    )


def nested_pictures(images: Any) -> List[List[Any]]:
    """Pictures by sample. A flat list is one sample; arrays [N, ...] in it are one each.

    Raises ValueError for what is no picture.
    """
    if not isinstance(images, (list, tuple)):
        return [_pictures_of(images)]
    if all(isinstance(item, (list, tuple)) for item in images):
        return [[p for item in sample for p in _pictures_of(item)] for sample in images]
    groups = [_pictures_of(item) for item in images]
    first = images[0]
    if getattr(first, "ndim", 3) == 4:
        return groups
    return [[picture for group in groups for picture in group]]


def flat_pictures(images: Any) -> List[Any]:
    """The pictures of nested lists, one after the other."""
    return [picture for sample in nested_pictures(images) for picture in sample]
