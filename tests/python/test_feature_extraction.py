"""Sound to features. The numbers are those of transformers 5.23.0."""
import numpy as np
import pytest

import gemma3n
from gemma3n import Gemma3nAudioFeatureExtractor


def tone(hertz, samples=16000):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(samples) / 16000)).astype(np.float32)


@pytest.mark.parametrize(
    "samples, frames",
    [(1, 0), (100, 0), (512, 0), (513, 1), (640, 1), (1000, 4), (1281, 6), (8000, 48), (16000, 97), (47999, 297),
     (479999, 2997), (480000, 2997), (480001, 2997), (500000, 2997)],
)
def test_frames_of_a_sound(samples, frames):
    out = Gemma3nAudioFeatureExtractor()(np.zeros(samples, np.float32), return_tensors="np")
    assert out.input_features.shape == (1, frames, 128) and out.input_features.dtype == np.float32
    assert out.input_features_mask.shape == (1, frames) and out.input_features_mask.dtype == np.bool_
    assert out.input_features_mask.all()
    assert np.allclose(out.input_features, np.log(1e-5))  # silence


@pytest.mark.parametrize(
    "hertz, loudest, level, mean",
    [(200, 4, 1.679926, -9.180501), (440, 17, 2.6968145, -8.29019), (1000, 39, 3.680955, -7.81452),
     (4000, 96, 5.550514, -8.226727)],
)
def test_a_tone_is_heard_in_its_bin(hertz, loudest, level, mean):
    frame = Gemma3nAudioFeatureExtractor()(tone(hertz), return_tensors="np").input_features[0, 50]
    assert frame.argmax() == loudest
    assert np.isclose(frame.max(), level, atol=1e-4) and np.isclose(frame.mean(), mean, atol=1e-4)


def test_values_of_a_tone():
    features = Gemma3nAudioFeatureExtractor()(tone(440), return_tensors="np").input_features[0]
    got = features[[0, 0, 0, 1, 49, 96], [0, 10, 19, 19, 64, 127]]
    assert np.allclose(got, [-5.7379303, -3.5460725, 1.5558462, 1.5558285, -9.7170515, -11.512925], atol=1e-4)


def test_masks_of_a_batch():
    batch = [tone(440), tone(440, 7000), tone(440, 100)]
    out = Gemma3nAudioFeatureExtractor()(batch, return_tensors="np")
    assert out.input_features.shape == (3, 97, 128)
    assert out.input_features_mask.sum(axis=1).tolist() == [97, 44, 1]
    mask = Gemma3nAudioFeatureExtractor(padding_side="left")(batch, return_tensors="np").input_features_mask
    assert mask.sum(axis=1).tolist() == [97, 40, 0] and mask[1].argmax() == 57


def test_truncation_and_padding():
    extractor = Gemma3nAudioFeatureExtractor()
    batch = [tone(440), tone(440, 7000)]
    out = extractor(batch, max_length=4000, return_tensors="np")
    assert out.input_features_mask.sum(axis=1).tolist() == [23, 23]
    out = extractor(batch, max_length=20000, padding="max_length", return_tensors="np")
    assert out.input_features.shape == (2, 123, 128)
    assert out.input_features_mask.sum(axis=1).tolist() == [100, 44]


def test_a_batch_is_its_sounds_one_by_one():
    extractor = Gemma3nAudioFeatureExtractor()
    whole = extractor([tone(440), tone(700, 9000)], return_tensors="np").input_features
    assert np.array_equal(whole[0], extractor(tone(440))["input_features"][0])
    alone = extractor(tone(700, 9000), pad_to_multiple_of=None)["input_features"][0]
    assert np.array_equal(whole[1][: len(alone)], alone)


def test_two_channels_are_averaged():  # transformers fails, or takes each moment for a sound
    extractor = Gemma3nAudioFeatureExtractor()
    left, right = tone(440), tone(1000)
    expected = extractor((left + right) / 2)["input_features"]
    for stereo in ([np.stack([left, right])], [np.stack([left, right], axis=1)], np.stack([left, right], axis=1)):
        assert np.array_equal(extractor(stereo)["input_features"], expected)
    assert len(extractor(np.stack([left, right]))["input_features"]) == 2  # [B, n] is a batch


def test_another_rate_is_resampled():  # transformers takes any samples for 16 kHz
    extractor = Gemma3nAudioFeatureExtractor()
    fast = (0.5 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)).astype(np.float32)
    out = extractor(fast, sampling_rate=48000, return_tensors="np").input_features
    expected = extractor(tone(440), return_tensors="np").input_features
    assert out.shape == expected.shape
    assert np.abs(out - expected)[:, 2:-2, :60].max() < 0.2


def test_the_mask_may_be_left_out():  # transformers fails
    out = Gemma3nAudioFeatureExtractor()(tone(440), return_attention_mask=False, return_tensors="np")
    assert list(out) == ["input_features"]
    assert list(Gemma3nAudioFeatureExtractor(return_attention_mask=False)(tone(440), return_attention_mask=None)) == [
        "input_features"]


def test_one_bin():  # transformers fails
    assert Gemma3nAudioFeatureExtractor(feature_size=1)(tone(440), return_tensors="np").input_features.shape == (1, 97, 1)


def test_what_makes_no_sense():
    extractor = Gemma3nAudioFeatureExtractor()
    for samples in (np.full(1000, np.nan, np.float32), np.full(1000, np.inf, np.float32)):
        with pytest.raises(ValueError, match="finite"):
            extractor(samples)
    for samples in ([], None, "a.wav", np.zeros((3, 4, 5)), [[None]], 5):
        with pytest.raises((ValueError, TypeError)):
            extractor(samples)
    for options in (dict(feature_size=0), dict(sampling_rate=0), dict(frame_length_ms=0.0), dict(hop_length_ms=0.0),
                    dict(per_bin_mean=[1.0]), dict(padding_side="top"), dict(max_frequency=1.0)):
        with pytest.raises(ValueError):
            Gemma3nAudioFeatureExtractor(**options)
    with pytest.raises(ValueError, match="sampling_rate"):
        extractor(tone(440), sampling_rate=-5)


def test_parameters_may_be_changed_later():
    extractor = Gemma3nAudioFeatureExtractor()
    before = extractor(tone(440))["input_features"][0]
    extractor.mel_floor = 0.5
    after = extractor(tone(440))["input_features"][0]
    assert np.isclose(after.min(), np.log(0.5)) and before.min() < -11


def test_noise_is_that_of_numpy():
    extractor = Gemma3nAudioFeatureExtractor(dither=0.01)
    np.random.seed(3)
    first = extractor(tone(440))["input_features"][0]
    second = extractor(tone(440))["input_features"][0]
    np.random.seed(3)
    assert np.array_equal(extractor(tone(440))["input_features"][0], first)
    assert not np.array_equal(first, second)
    silent = Gemma3nAudioFeatureExtractor()(tone(440))["input_features"][0]
    assert np.abs(first - silent)[:, 10:20].mean() < 1.0


def test_results_are_lists_without_return_tensors():
    out = Gemma3nAudioFeatureExtractor()([tone(440), tone(440, 3000)])
    assert isinstance(out, gemma3n.BatchFeature)
    assert isinstance(out["input_features"], list) and len(out["input_features"]) == 2
