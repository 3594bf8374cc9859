"""Pictures to pixels: what differs from transformers, and what is refused."""
import io
import pathlib

import numpy as np
import pytest

import gemma3n
from gemma3n import SiglipImageProcessor

MEDIA = pathlib.Path(__file__).resolve().parents[1] / "golden/media"
SMALL = {"size": {"height": 8, "width": 12}, "resample": 2, "do_normalize": False}


def pixels(picture, **options):
    return SiglipImageProcessor(**{**SMALL, **options})(picture, return_tensors="np").pixel_values


def test_resizing_a_plain_picture():
    grey = np.full((100, 50, 3), 51, np.uint8)
    out = pixels(grey)
    assert out.shape == (1, 3, 8, 12) and out.dtype == np.float32
    assert np.array_equal(out, np.full((1, 3, 8, 12), np.float32(51) * np.float32(1 / 255)))
    assert np.allclose(pixels(grey, do_normalize=True), (51 / 255 - 0.5) / 0.5, atol=1e-6)


def test_transparency_of_files_and_of_pictures():
    pillow = pytest.importorskip("PIL.Image")
    clear = pillow.new("RGBA", (4, 4), (255, 0, 0, 0))
    file = io.BytesIO()
    clear.save(file, "PNG")
    assert np.all(pixels(clear) == 1)  # over white
    dropped = pixels(file.getvalue())[0]
    assert np.all(dropped[0] == 1) and np.all(dropped[1:] == 0)


def test_four_channels_where_the_file_says_null():  # transformers leaves four channels, and the model fails
    pillow = pytest.importorskip("PIL.Image")
    processor = SiglipImageProcessor(**SMALL, do_convert_rgb=None)
    assert processor.to_dict()["do_convert_rgb"] is None
    for picture in (pillow.new("RGBA", (4, 4)), pillow.new("L", (4, 4)), np.zeros((4, 5, 1), np.uint8)):
        assert processor(picture, return_tensors="np").pixel_values.shape == (1, 3, 8, 12)
    for picture in (pillow.new("RGBA", (4, 4)), pillow.new("L", (4, 4))):
        with pytest.raises(ValueError, match="do_convert_rgb is off"):
            pixels(picture, do_convert_rgb=False)


def test_files_that_transformers_cannot_read():
    assert pixels(str(MEDIA / "bits24_33x18.bmp")).shape == (1, 3, 8, 12)
    assert pixels(MEDIA / "animated.gif").shape == (1, 3, 8, 12)  # the first frame; transformers takes all
    assert pixels((MEDIA / "grey.jpg").read_bytes()).shape == (1, 3, 8, 12)
    assert np.array_equal(pixels(str(MEDIA / "exif_6.jpg"), do_resize=False).shape[2:], (21, 10))


def test_arrays_of_other_kinds():
    values = np.arange(6 * 5 * 3).reshape(6, 5, 3)
    assert np.array_equal(pixels(values.astype(np.float64)), pixels(values.astype(np.float32)))
    assert pixels(values.astype(np.float64)).dtype == np.float32
    assert pixels(np.asfortranarray(values.astype(np.uint8))).shape == (1, 3, 8, 12)
    assert np.array_equal(pixels(values.astype(np.uint8)[::-1]), pixels(values.astype(np.uint8)[::-1].copy()))
    with pytest.raises(ValueError, match="four channels"):
        pixels(np.zeros((6, 5, 4), np.int64))
    with pytest.raises(ValueError, match="from 0 to 1"):
        pixels(np.full((6, 5, 4), 200, np.float32))


def test_what_is_no_picture():
    for picture in ([], np.zeros((0, 5, 3), np.uint8), np.zeros((4, 5), np.uint8), np.zeros((1, 1, 3, 4, 5), np.uint8),
                    np.zeros((7, 5, 2), np.uint8), np.array([["a"]])):
        with pytest.raises((ValueError, TypeError)):
            pixels(picture)
    for picture in (None, 5, {}, [None], [[5]]):
        with pytest.raises(TypeError):
            pixels(picture)


def test_what_is_not_supported_says_so():
    picture = np.zeros((4, 5, 3), np.uint8)
    for options in (dict(do_center_crop=True, crop_size=2), dict(do_pad=True)):
        with pytest.raises(NotImplementedError, match=next(iter(options))):
            pixels(picture, **options)
    for resample in (0, 1, 3, 4, 5):
        with pytest.raises(NotImplementedError):
            pixels(picture, resample=resample)
    with pytest.raises(NotImplementedError, match="size"):
        pixels(picture, size={"longest_edge": 8})
    with pytest.raises(ValueError, match="size"):
        pixels(picture, size={"height": 0, "width": 5})
    with pytest.raises(ValueError, match="size"):
        SiglipImageProcessor(size="large")


def test_different_sizes_make_no_tensor():
    processor = SiglipImageProcessor(**{**SMALL, "do_resize": False})
    pictures = [np.zeros((7, 5, 3), np.uint8), np.zeros((6, 5, 3), np.uint8)]
    assert [p.shape for p in processor(pictures).pixel_values] == [(3, 7, 5), (3, 6, 5)]
    with pytest.raises(ValueError, match="pixel_values"):
        processor(pictures, return_tensors="pt")


def test_parameters_may_be_changed_later():
    processor = SiglipImageProcessor(**SMALL)
    processor.size = {"height": 3, "width": 4}
    processor.do_rescale = False
    out = processor(np.full((9, 9, 3), 7, np.uint8), return_tensors="np").pixel_values
    assert out.shape == (1, 3, 3, 4) and out.dtype == np.uint8 and np.all(out == 7)


def test_results_without_torch():
    out = SiglipImageProcessor(**SMALL)(np.zeros((4, 5, 3), np.uint8))
    assert isinstance(out, gemma3n.BatchFeature) and isinstance(out.pixel_values, list)
    assert tuple(out.pixel_values[0].shape) == (3, 8, 12)
