"""Pictures and sounds from files, URLs and memory. Decoded by the engine, within its limits."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any, List, Optional

import numpy as np

from gemma3n import _native
from gemma3n.tensors import is_torch, to_numpy

_SOUND_RATES = (1, 768_000)  # Hz


class MediaNotFoundError(ValueError, FileNotFoundError):
    """A picture or sound was named that is not there."""


def is_pil_image(value: Any) -> bool:
    """Is it a picture of Pillow's? Pillow is not imported to find out."""
    return any(c.__module__ == "PIL.Image" and c.__name__ == "Image" for c in type(value).__mro__)


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError:
        raise ImportError(
            "load_image returns pictures of Pillow; install it (pip install Pillow), or pass the "
            "path itself to the processor"
        ) from None
    return PIL.Image


def _bytes_of_base64(text: str) -> Optional[bytes]:
    """What a base64 text holds; None if it is none."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_reference(source: str) -> bool:
    return source.startswith(("http://", "https://", "data:"))


def load_pixels(
    source: Any,
    timeout: Optional[float] = None,
    allow_private_addresses: bool = False,
) -> np.ndarray:
    """[height, width, 3] uint8, sRGB, of a picture: JPEG, PNG, WebP, GIF (first frame), BMP.

    source: a path, an http(s) or data: URL, base64, or the file's bytes.  timeout: seconds.
    EXIF orientation is applied, transparency dropped.
    Raises MediaNotFoundError, ValueError for damaged files and exceeded limits,
    NotImplementedError for other formats.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _native.decode_image(bytes(source))  # type: ignore[no-any-return]
    name = os.fspath(source)
    if not _is_reference(name) and not os.path.exists(name):
        data = _bytes_of_base64(name)
        if data is None:
            raise MediaNotFoundError(
                f"image: expected a path, an http(s) URL, a data: URL or base64, got {name[:100]!r}"
            )
        return _native.decode_image(data)  # type: ignore[no-any-return]
    return _native.load_image(name, timeout, allow_private_addresses)  # type: ignore[no-any-return]


def load_image(
    image: Any, timeout: Optional[float] = None, allow_private_addresses: bool = False
) -> Any:
    """An RGB picture of Pillow from whatever `load_pixels` takes, or from a picture of Pillow.

    Raises as `load_pixels`; TypeError for anything else; ImportError without Pillow.
    """
    pillow = _pillow()
    if is_pil_image(image):
        from PIL import ImageOps

        return ImageOps.exif_transpose(image).convert("RGB")
    if not isinstance(image, (str, bytes, bytearray, memoryview, os.PathLike)):
        raise TypeError(
            "image: expected a path, a URL, base64, bytes or a picture of Pillow, got "
            f"{type(image).__name__}"
        )
    return pillow.fromarray(load_pixels(image, timeout, allow_private_addresses))


def load_images(images: Any, timeout: Optional[float] = None) -> Any:
    """`load_image` of each in a list, or list of lists."""
    if isinstance(images, (list, tuple)):
        return [load_images(image, timeout) for image in images]
    return load_image(images, timeout)


def pil_to_pixels(image: Any, to_rgb: bool) -> np.ndarray:
    """[height, width] or [height, width, C] of a picture of Pillow.

    to_rgb: transparency is blended over white, other modes are converted as Pillow does it.
    """
    if not to_rgb or image.mode == "RGB":
        return np.asarray(image)
    pillow = _pillow()
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = pillow.new("RGBA", rgba.size, (255, 255, 255))
        image = pillow.alpha_composite(white, rgba)
    return np.asarray(image.convert("RGB"))


def load_audio(
    audio: Any,
    sampling_rate: int = 16000,
    timeout: Optional[float] = None,
    backend: str = "auto",
    allow_private_addresses: bool = False,
) -> Any:
    """Samples [n] float32, mono at `sampling_rate` Hz: WAV, FLAC, Ogg Vorbis, Opus, MP3.

    audio: a path, an http(s) or data: URL, base64, the file's bytes; an array is returned as it
    is. Channels are averaged. timeout: seconds. backend: ignored, there is one.
    Raises MediaNotFoundError, ValueError for damaged files and exceeded limits,
    NotImplementedError for other formats, TypeError for anything else.
    """
    if isinstance(audio, np.ndarray):
        return audio
    rate = int(sampling_rate)
    if not _SOUND_RATES[0] <= rate <= _SOUND_RATES[1]:
        raise ValueError(f"sampling_rate: expected {_SOUND_RATES[0]} to {_SOUND_RATES[1]} Hz, got {rate}")
    if isinstance(audio, (bytes, bytearray, memoryview)):
        return _native.decode_audio(bytes(audio), rate)
    if not isinstance(audio, (str, os.PathLike)):
        raise TypeError(
            f"audio: expected a path, a URL, base64, bytes or an array, got {type(audio).__name__}"
        )
    name = os.fspath(audio)
    if not _is_reference(name) and not os.path.exists(name):
        data = _bytes_of_base64(name)
        if data is None:
            raise MediaNotFoundError(
                f"audio: expected a path, an http(s) URL, a data: URL or base64, got {name[:100]!r}"
            )
        return _native.decode_audio(data, rate)
    return _native.load_audio(name, rate, timeout, allow_private_addresses)


def is_sound(value: Any) -> bool:
    """Is it samples of one sound: an array, or a list of floats?"""
    if isinstance(value, np.ndarray) or is_torch(value):
        return True
    return isinstance(value, (list, tuple)) and bool(value) and isinstance(
        value[0], (float, np.floating)
    )


def mono(samples: Any, name: str = "audio") -> np.ndarray:
    """Samples [n] float32 of [n], [1, n], [2, n] or [n, 2]; two channels are averaged.

    Raises ValueError for other shapes, TypeError for anything but numbers.
    """
    array = to_numpy(samples, name=name)
    if array.ndim == 2:
        channels = [axis for axis, size in enumerate(array.shape) if size in (1, 2)]
        if channels:
            # Of two candidates the shorter axis holds the channels; [2, 2] is channels first.
            axis = min(channels, key=lambda a: array.shape[a])
            array = array.astype(np.float32).mean(axis=axis, dtype=np.float32)
    if array.ndim != 1:
        raise ValueError(
            f"{name}: expected samples [n], [channels, n] or [n, channels] with one or two "
            f"channels, got {list(array.shape)}"
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Mono samples [n] float32 at another rate, in Hz."""
    for rate in (from_rate, to_rate):
        if not _SOUND_RATES[0] <= rate <= _SOUND_RATES[1]:
            raise ValueError(
                f"sampling_rate: expected {_SOUND_RATES[0]} to {_SOUND_RATES[1]} Hz, got {rate}"
            )
    return _native.resample(samples, int(from_rate), int(to_rate))  # type: ignore[no-any-return]


def sounds_of(audio: Any, rate: int, given_rate: Optional[int] = None) -> List[np.ndarray]:
    """The sounds of a source or samples, or of a list of those, nested or not: mono [n] at `rate`.

    given_rate: of samples; files say theirs.
    """
    if isinstance(audio, (str, bytes, bytearray, memoryview, os.PathLike)):
        return [load_audio(audio, rate)]
    if is_sound(audio):
        samples = mono(audio)
        differs = given_rate is not None and given_rate != rate
        return [resample(samples, int(given_rate or rate), rate) if differs else samples]
    if isinstance(audio, (list, tuple)):
        return [sound for item in audio for sound in sounds_of(item, rate, given_rate)]
    raise TypeError(
        "audio: expected samples, a path, a URL, bytes, or a list of those, got "
        f"{type(audio).__name__}"
    )
