"""Sound to the log-mel features that the audio tower takes."""

from __future__ import annotations

import copy
import json
import math
from functools import lru_cache
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from gemma3n import _native
from gemma3n.batch import BatchFeature, tensor_kind
from gemma3n.media import is_sound, load_audio, mono, resample
from gemma3n.pretrained import StoredParameters
from gemma3n.tensors import is_torch, to_numpy

@lru_cache(maxsize=8)
def _native_extractor(config_json: str) -> Any:
    return _native.AudioFeatureExtractor.from_json(config_json)


class Gemma3nAudioFeatureExtractor(StoredParameters):
    """Sound to log-mel features. Parameters are those of preprocessor_config.json.

    feature_size: mel bins F.  sampling_rate: Hz.  padding_value: of samples.
    frame_length_ms, hop_length_ms: of and between frames.  min_frequency, max_frequency: Hz.
    dither: deviation of noise that is added.  per_bin_mean, per_bin_stddev: [F], or None.
    """

    _part = "feature_extractor"
    model_input_names = ["input_features", "input_features_mask"]

    def __init__(
        self,
        feature_size: int = 128,
        sampling_rate: int = 16_000,
        padding_value: float = 0.0,
        return_attention_mask: bool = True,
        frame_length_ms: float = 32.0,
        hop_length_ms: float = 10.0,
        min_frequency: float = 125.0,
        max_frequency: float = 7600.0,
        preemphasis: float = 0.97,
        preemphasis_htk_flavor: bool = True,
        fft_overdrive: bool = True,
        dither: float = 0.0,
        input_scale_factor: float = 1.0,
        mel_floor: float = 1e-5,
        per_bin_mean: Optional[Sequence[float]] = None,
        per_bin_stddev: Optional[Sequence[float]] = None,
        **kwargs: Any,
    ):
        kwargs.pop("processor_class", None)
        self.feature_size = feature_size
        self.sampling_rate = sampling_rate
        self.padding_value = padding_value
        self.padding_side: str = kwargs.pop("padding_side", "right")
        self.return_attention_mask = return_attention_mask
        self.__dict__.update(kwargs)
        self.min_frequency = min_frequency
        self.max_frequency = max_frequency
        self.preemphasis = preemphasis
        self.preemphasis_htk_flavor = preemphasis_htk_flavor
        self.fft_overdrive = fft_overdrive
        self.dither = dither
        self.input_scale_factor = input_scale_factor
        self._frame_length_ms = frame_length_ms
        self._hop_length_ms = hop_length_ms
        self.frame_length = int(round(sampling_rate * frame_length_ms / 1000.0))
        self.hop_length = int(round(sampling_rate * hop_length_ms / 1000.0))
        self.mel_floor = np.array(mel_floor, dtype=np.float64)
        if self.frame_length < 1:
            raise ValueError(f"frame_length_ms: expected at least a sample, got {frame_length_ms}")
        self.fft_length = 2 ** math.ceil(math.log2(self.frame_length)) * (2 if fft_overdrive else 1)
        bins = (1, 1, feature_size)
        self.per_bin_mean = None if per_bin_mean is None else np.array(per_bin_mean).reshape(bins)
        self.per_bin_stddev = (
            None if per_bin_stddev is None else np.array(per_bin_stddev).reshape(bins)
        )
        self._native()  # refuses parameters that make no sense

    @classmethod
    def from_dict(cls, feature_extractor_dict: Dict[str, Any], **kwargs: Any) -> Any:
        """From the entries of a configuration file; keywords override entries it has."""
        unused = bool(kwargs.pop("return_unused_kwargs", False))
        config = dict(feature_extractor_dict)
        for key in [key for key in kwargs if key in config]:
            config[key] = kwargs.pop(key)
        extractor = cls(**config)
        return (extractor, kwargs) if unused else extractor

    def _native(self, **changes: Any) -> Any:
        bins = {
            name: None if value is None else np.asarray(value, dtype=np.float64).ravel().tolist()
            for name, value in (
                ("per_bin_mean", self.per_bin_mean),
                ("per_bin_stddev", self.per_bin_stddev),
            )
        }
        names = (
            "feature_size",
            "sampling_rate",
            "padding_value",
            "padding_side",
            "min_frequency",
            "max_frequency",
            "preemphasis",
            "preemphasis_htk_flavor",
            "fft_overdrive",
            "dither",
            "input_scale_factor",
        )
        config = {name: getattr(self, name) for name in names}
        config.update(
            frame_length_ms=self._frame_length_ms,
            hop_length_ms=self._hop_length_ms,
            mel_floor=float(self.mel_floor),
            return_attention_mask=True,
            **{name: value for name, value in bins.items() if value is not None},
        )
        config.update(changes)
        return _native_extractor(json.dumps(config, sort_keys=True))

    def __call__(
        self,
        raw_speech: Any,
        padding: Union[bool, str] = "longest",
        max_length: Optional[int] = 480_000,
        truncation: bool = True,
        pad_to_multiple_of: Optional[int] = 128,
        return_tensors: Any = None,
        return_attention_mask: Optional[bool] = True,
        sampling_rate: Optional[int] = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Features of one sound or several.

        raw_speech: samples [n] of about -1 to 1 as an array or list, a list of those, or an array
        [B, n]. Two channels ([n, 2], or [2, n] in a list) are averaged.
        padding: True or "longest", "max_length", False. max_length: samples; longer sounds are cut
        off with `truncation`. Lengths are rounded up to a multiple of pad_to_multiple_of.
        sampling_rate: Hz of the samples, if it is not the extractor's; they are resampled.
        Returns input_features [B, T, F] float32 and input_features_mask [B, T] bool, true for
        sound; lists of [T, F] and [T] without return_tensors.
        Raises ValueError for options that make no sense and samples that are not finite.
        """
        clips = self._clips(raw_speech, sampling_rate)
        padding = getattr(padding, "value", padding)
        if padding is True or padding is False:
            padding = "longest" if padding else "do_not_pad"
        if padding not in ("longest", "max_length", "do_not_pad"):
            raise ValueError(
                f"padding: expected True, False, 'longest' or 'max_length', got {padding!r}"
            )
        if max_length is None and (truncation or padding == "max_length"):
            raise ValueError(
                "max_length: expected a number of samples, as truncation is on or padding is "
                "'max_length'; got None"
            )
        limit = None if max_length is None else _round_up(max_length, pad_to_multiple_of)
        if truncation:
            clips = [clip[:limit] for clip in clips]
        length = 0
        if padding == "longest":
            length = _round_up(max(len(clip) for clip in clips), pad_to_multiple_of)
        elif padding == "max_length" and limit is not None:
            length = limit
        features, masks = zip(*(self._extract(clip, max(length, len(clip))) for clip in clips))
        data: Dict[str, Any] = {"input_features": list(features)}
        if self.return_attention_mask if return_attention_mask is None else return_attention_mask:
            data["input_features_mask"] = list(masks)
        return BatchFeature(data, tensor_type=tensor_kind(return_tensors))

    def _clips(self, raw_speech: Any, sampling_rate: Optional[int]) -> List[np.ndarray]:
        if is_torch(raw_speech) or isinstance(raw_speech, np.ndarray):
            array = to_numpy(raw_speech, name="raw_speech")
            is_stereo = array.ndim == 2 and array.shape[1] <= 2 < array.shape[0]
            clips = [array] if array.ndim < 2 or is_stereo else list(array)
        elif isinstance(raw_speech, (list, tuple)):
            is_batch = bool(raw_speech) and not np.isscalar(raw_speech[0])
            clips = list(raw_speech) if is_batch else [raw_speech]
            if not raw_speech:
                raise ValueError("raw_speech: expected at least one sound, got none")
        else:
            raise ValueError(
                "raw_speech: expected samples or a list of them, got "
                f"{type(raw_speech).__name__}; load_audio reads files"
            )
        clips = [mono(clip, "raw_speech") for clip in clips]
        if sampling_rate is not None and sampling_rate != self.sampling_rate:
            clips = [resample(clip, sampling_rate, self.sampling_rate) for clip in clips]
        return clips

    def _extract(self, clip: np.ndarray, length: int) -> Tuple[np.ndarray, np.ndarray]:
        """([T, F] float32, [T] bool) of a clip filled up to `length` samples."""
        if self.dither > 0.0:
            return self._extract_dithered(clip, length)
        features, mask = self._native()(clip, length if length > len(clip) else None)
        return features[0], mask[0]

    def _extract_dithered(self, clip: np.ndarray, length: int) -> Tuple[np.ndarray, np.ndarray]:
        """The noise is NumPy's, so numpy.random.seed decides on it; padding gets noise, too."""
        missing = length - len(clip)
        around = (0, missing) if self.padding_side == "right" else (missing, 0)
        samples = np.pad(clip, around, constant_values=self.padding_value)
        noise = np.random.randn(length).astype(np.float32)
        samples = np.asarray(samples + self.dither * noise, dtype=np.float32)
        features, _ = self._native(dither=0.0)(samples, None)
        attended = np.pad(np.ones(len(clip), dtype=bool), around)
        return features[0], attended[:: self.hop_length][: features.shape[1]]

    def fetch_audio(self, audio: Any, sampling_rate: Optional[int] = None) -> Any:
        """Paths and URLs in a list, nested or not, as samples; samples stay as they are."""
        rate = sampling_rate or self.sampling_rate
        if is_sound(audio):
            return audio
        if isinstance(audio, (list, tuple)):
            return [self.fetch_audio(item, rate) for item in audio]
        return load_audio(audio, rate)

    def to_dict(self) -> Dict[str, Any]:
        """The parameters, as preprocessor_config.json holds them."""
        config = {k: copy.deepcopy(v) for k, v in self.__dict__.items() if not k.startswith("_")}
        config["feature_extractor_type"] = type(self).__name__
        return config


def _round_up(length: int, multiple: Optional[int]) -> int:
    return length if not multiple else -(-length // multiple) * multiple
