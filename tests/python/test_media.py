"""Loading pictures and sounds."""
import base64
import pathlib
import sys
import zlib

import numpy as np
import pytest

import gemma3n
from gemma3n.media import load_audio, load_image, load_pixels, mono, resample

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
MEDIA = GOLDEN / "media"
SOUNDS = GOLDEN / "audio/fixtures/sounds"


def test_every_source_gives_the_same_picture():
    path = MEDIA / "rgb_64x48_444.jpg"
    data = path.read_bytes()
    coded = base64.b64encode(data).decode()
    expected = load_pixels(path)
    assert expected.shape == (48, 64, 3) and expected.dtype == np.uint8
    for source in (str(path), data, bytearray(data), memoryview(data), coded, "data:image/jpeg;base64," + coded):
        assert np.array_equal(load_pixels(source), expected)
        assert np.array_equal(np.asarray(load_image(source)), expected)


def test_pictures_of_pillow_are_turned_and_become_rgb():
    pillow = pytest.importorskip("PIL.Image")
    picture = pillow.open(MEDIA / "exif_6.jpg")
    assert np.array_equal(np.asarray(load_image(picture)), load_pixels(MEDIA / "exif_6.jpg"))
    assert load_image(pillow.new("RGBA", (2, 1), (9, 8, 7, 0))).getpixel((0, 0)) == (9, 8, 7)


def test_formats_that_torchvision_cannot_read():
    assert load_pixels(MEDIA / "bits24_33x18.bmp").shape == (18, 33, 3)
    for animation in ("animated.gif", "animated.png", "animated_rgb.webp"):
        assert load_pixels(MEDIA / animation).ndim == 3  # the first frame


def test_what_is_no_picture(tmp_path):
    with pytest.raises(ValueError, match="nothing.png"):
        load_pixels(tmp_path / "nothing.png")
    with pytest.raises(FileNotFoundError):
        load_pixels(str(tmp_path / "nothing.png"))
    with pytest.raises(gemma3n.Error):
        load_pixels(b"no picture")
    with pytest.raises(gemma3n.Error):
        load_pixels(str(tmp_path))
    with pytest.raises(TypeError, match="int"):
        load_image(5)
    with pytest.raises(ValueError, match="host|address|private"):
        load_pixels("http://127.0.0.1:9/picture.png")


def test_a_picture_may_not_claim_any_size():
    header = b"\x00\x0f\x42\x40\x00\x0f\x42\x40\x08\x02\x00\x00\x00"  # a million pixels squared
    def chunk(name, content):
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match="pixels"):
        load_pixels(png)


def test_without_pillow(monkeypatch, model_dir):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    path = str(MEDIA / "grey.jpg")
    with pytest.raises(ImportError, match="pip install Pillow"):
        load_image(path)
    processor = gemma3n.AutoProcessor.from_pretrained(model_dir)
    assert processor(images=path, return_tensors="np").pixel_values.shape[1] == 3


def test_every_source_gives_the_same_sound():
    path = SOUNDS / "rate_16000.wav"
    data = path.read_bytes()
    coded = base64.b64encode(data).decode()
    expected = load_audio(path)
    assert expected.ndim == 1 and expected.dtype == np.float32
    for source in (str(path), data, bytearray(data), coded, "data:audio/wav;base64," + coded):
        assert np.array_equal(load_audio(source), expected)
    samples = np.ones(3)
    assert load_audio(samples) is samples


def test_what_is_no_sound(tmp_path):
    with pytest.raises(ValueError, match="nothing.wav"):
        load_audio(str(tmp_path / "nothing.wav"))
    with pytest.raises(gemma3n.Error):
        load_audio(b"no sound, certainly not one")
    with pytest.raises(TypeError, match="int"):
        load_audio(5)
    for rate in (0, -1, 10**9):
        with pytest.raises(ValueError, match="sampling_rate"):
            load_audio(str(SOUNDS / "rate_16000.wav"), rate)


def test_channels_are_averaged():
    left, right = np.linspace(-1, 1, 100, dtype=np.float32), np.ones(100, np.float32)
    for samples in (np.stack([left, right]), np.stack([left, right], axis=1), [left, right]):
        assert np.allclose(mono(samples), (left + right) / 2)
    assert np.array_equal(mono(left[None]), left)
    assert np.array_equal(mono(left[:, None]), left)
    with pytest.raises(ValueError, match="channels"):
        mono(np.zeros((5, 100), np.float32))
    with pytest.raises(ValueError, match="channels"):
        mono(np.zeros((2, 2, 100), np.float32))


def test_resampling_keeps_a_tone():
    samples = np.sin(2 * np.pi * 300 * np.arange(48000) / 48000).astype(np.float32)
    out = resample(samples, 48000, 16000)
    assert out.shape == (16000,)
    expected = np.sin(2 * np.pi * 300 * np.arange(16000) / 16000)
    assert np.max(np.abs(out - expected)[200:-200]) < 1e-3
    with pytest.raises(ValueError, match="sampling_rate"):
        resample(samples, 0, 16000)


def test_modules_with_the_names_of_transformers():
    from gemma3n.audio_utils import load_audio as one
    from gemma3n.image_utils import load_image as other

    assert one is load_audio and other is load_image
