"""The processor. Counts and shapes are those of transformers 5.23.0; what differs says so."""
import json
import pathlib
import shutil

import numpy as np
import pytest

import gemma3n

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
PICTURE = str(GOLDEN / "media/rgb_64x48_444.jpg")
SOUND = str(GOLDEN / "audio/fixtures/sounds/rate_16000.wav")


@pytest.fixture(scope="module")
def processor(model_dir):
    return gemma3n.AutoProcessor.from_pretrained(model_dir)


@pytest.fixture
def tone():
    return (0.5 * np.sin(np.arange(8000) / 5)).astype(np.float32)


def test_soft_tokens_stand_between_their_limits(processor):
    out = processor(text=f"a{processor.image_token}b{processor.audio_token}", images=PICTURE, audio=SOUND)
    ids, types = out.input_ids[0], out.token_type_ids[0]
    tokens = processor.tokenizer.convert_ids_to_tokens(ids)
    pictures, sounds = processor.image_seq_length, processor.audio_seq_length
    begin = tokens.index("<start_of_image>")
    assert tokens[begin + 1 : begin + 1 + pictures] == [processor.image_token] * pictures
    assert tokens[begin - 1] == "\n\n" and tokens[begin + 1 + pictures : begin + 3 + pictures] == ["<end_of_image>", "\n\n"]
    begin = tokens.index("<start_of_audio>")
    assert tokens[begin + 1 : begin + 1 + sounds] == [processor.audio_token] * sounds
    assert tokens[begin + 1 + sounds :] == ["<end_of_audio>", "\n\n"]
    assert types.count(1) == pictures and types.count(3) == sounds and set(types) == {0, 1, 3}
    assert [i for i, t in zip(ids, types) if t == 1] == [processor.image_token_id] * pictures


def test_neighbouring_pictures_share_their_empty_lines(processor):
    ids = processor(text=processor.image_token * 2, images=[PICTURE, PICTURE]).input_ids[0]
    assert processor.tokenizer.convert_tokens_to_ids("\n\n\n\n") in ids


def test_options_reach_their_part(processor, tone):
    out = processor(text=["a", f"b c {processor.audio_token}"], audio=tone, padding="max_length", max_length=500,
                    return_tensors="np")
    assert out.input_ids.shape == (2, 500)
    assert out.input_features.shape[1] == 0  # max_length is the sound's, too: 500 samples, 512 rounded up
    out = processor(text=f"b c {processor.audio_token}", audio=tone, return_tensors="np",
                    text_kwargs={"padding": "max_length", "max_length": 500}, audio_kwargs={"max_length": 4000})
    assert out.input_ids.shape == (1, 500) and out.input_features.shape == (1, 23, 128)
    out = processor(text=processor.image_token, images=PICTURE, return_tensors="np",
                    images_kwargs={"size": {"height": 14, "width": 10}, "do_rescale": False})
    assert out.pixel_values.shape == (1, 3, 14, 10) and out.pixel_values.max() > 1
    with pytest.raises(ValueError, match="twice"):
        processor(text="a", padding=True, text_kwargs={"padding": "max_length"})


def test_options_of_the_tokenizer_are_kept(model_dir):
    processor = gemma3n.AutoProcessor.from_pretrained(model_dir, padding_side="right", model_max_length=50)
    assert processor.tokenizer.model_max_length == 50
    rows = processor(text=["a", "the river"], padding=True).attention_mask
    assert rows[0][0] == 1 and rows[0][-1] == 0
    rows = processor(text=["a", "the river"], padding=True, padding_side="left").attention_mask
    assert rows[0][0] == 0 and rows[0][-1] == 1


def test_the_order_of_entries(processor):
    out = processor(text=f"{processor.image_token}{processor.audio_token}", images=PICTURE, audio=SOUND)
    assert list(out) == ["input_ids", "attention_mask", "pixel_values", "input_features", "input_features_mask",
                         "token_type_ids"]
    assert set(processor.model_input_names) == set(out)


def test_stereo_and_other_rates(processor, tone):  # transformers fails, or takes any samples for 16 kHz
    text = processor.audio_token
    expected = processor(text=text, audio=tone, return_tensors="np").input_features
    for stereo in (np.stack([tone, tone]), np.stack([tone, tone], axis=1), [np.stack([tone, tone])]):
        out = processor(text=text, audio=stereo, return_tensors="np").input_features
        assert np.allclose(out, expected, atol=1e-5)
    slow = processor(text=text, audio=tone[::2].copy(), sampling_rate=8000, return_tensors="np").input_features
    assert slow.shape == expected.shape
    assert np.abs(slow - expected)[:, 5:-5, 15:25].max() < 0.2
    chat = [{"role": "user", "content": [{"type": "audio", "audio": np.stack([tone, tone])}]}]
    out = processor.apply_chat_template(chat, tokenize=True, return_dict=True, return_tensors="np")
    assert np.allclose(out.input_features, expected, atol=1e-5)


def test_sounds_of_files_have_their_own_rate(processor):
    path = str(GOLDEN / "audio/fixtures/sounds/rate_48000.wav")
    text = processor.audio_token
    expected = processor(text=text, audio=path, return_tensors="np").input_features
    out = processor(text=text, audio=path, sampling_rate=48000, return_tensors="np").input_features
    assert np.array_equal(out, expected)


def test_bytes_and_paths(processor):
    text = processor.image_token + processor.audio_token
    expected = processor(text=text, images=PICTURE, audio=SOUND, return_tensors="np")
    for images, audio in ((pathlib.Path(PICTURE), pathlib.Path(SOUND)),
                          (pathlib.Path(PICTURE).read_bytes(), pathlib.Path(SOUND).read_bytes())):
        out = processor(text=text, images=images, audio=audio, return_tensors="np")
        for key, value in expected.items():
            assert np.array_equal(out[key], value)


def test_a_start_token_stands_for_its_medium(processor):
    for start, placeholder, media in (("<start_of_image>", processor.image_token, {"images": PICTURE}),
                                      (processor.boa_token, processor.audio_token, {"audio": SOUND})):
        expected = processor(text=f"{placeholder} what?", **media)
        assert processor(text=f"{start} what?", **media)["input_ids"] == expected["input_ids"]


def test_errors_say_what_to_do(processor):
    image_token = processor.image_token
    with pytest.raises(ValueError, match=f"have 1 {image_token}, but no images were passed"):
        processor(text=image_token)
    with pytest.raises(ValueError, match=f"have 0 {image_token}, but 1 images"):
        processor(text="a picture", images=PICTURE)
    with pytest.raises(ValueError, match=f"have 0 {image_token}, but 1 images"):
        processor(text="<start_of_image> and <start_of_image>", images=PICTURE)
    with pytest.raises(ValueError, match="truncation"):
        processor(text=processor.audio_token, audio=SOUND, text_kwargs={"max_length": 9, "truncation": True})
    with pytest.raises(ValueError, match="padding"):
        processor(text=["a", "the river"], return_tensors="pt")
    with pytest.raises(TypeError, match="sounds|samples"):
        processor(text=processor.audio_token, audio=object())
    with pytest.raises(ValueError, match="`audio`"):
        processor(text="a", audios=[SOUND])


def test_what_is_not_supported_says_so(processor):
    chat = [{"role": "user", "content": "hi"}]
    for name in ("return_assistant_tokens_mask", "load_audio_from_video"):
        with pytest.raises(NotImplementedError, match=name):
            processor.apply_chat_template(chat, tokenize=True, return_dict=True, **{name: True})


def test_a_chat_has_one_bos(processor):
    chat = [{"role": "user", "content": "hi"}]
    ids = processor.apply_chat_template(chat, tokenize=True)[0]
    assert ids.count(2) == 1
    templated = processor.apply_chat_template(chat)
    assert processor(text=templated).input_ids[0][:2] == [2, 2]  # as in transformers
    assert processor(text=templated, add_special_tokens=False).input_ids[0] == ids


def test_messages_may_hold_anything(processor):
    class Picture:
        pass

    chat = [{"role": "user", "content": [{"type": "note", "note": Picture()}, {"type": "text", "text": "hi"}], "score": np.float32(1)}]
    assert "hi" in processor.apply_chat_template(chat)


def test_both_layouts_of_files_load(model_dir, tmp_path, processor):
    shutil.copytree(model_dir, tmp_path / "old", ignore=shutil.ignore_patterns("*.safetensors", "processor_config.json"))
    parts = processor.to_dict()
    flat = {**parts["feature_extractor"], **parts["image_processor"]}
    (tmp_path / "old/preprocessor_config.json").write_text(json.dumps(flat))
    (tmp_path / "old/processor_config.json").write_text(json.dumps(
        {"audio_seq_length": 5, "image_seq_length": 3, "processor_class": "Gemma3nProcessor"}))
    old = gemma3n.AutoProcessor.from_pretrained(tmp_path / "old")
    assert (old.audio_seq_length, old.image_seq_length) == (5, 3)
    assert np.array_equal(old(images=PICTURE, return_tensors="np").pixel_values,
                          processor(images=PICTURE, return_tensors="np").pixel_values)


def test_a_checkpoint_without_media_has_a_tokenizer(text_model_dir):
    assert isinstance(gemma3n.AutoProcessor.from_pretrained(text_model_dir), gemma3n.GemmaTokenizer)
    with pytest.raises(FileNotFoundError, match="processor_config.json"):
        gemma3n.Gemma3nProcessor.from_pretrained(text_model_dir)


def test_a_saved_processor_is_the_same(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    again = gemma3n.Gemma3nProcessor.from_pretrained(tmp_path)
    assert again.to_dict() == processor.to_dict()
    text = processor.image_token + processor.audio_token
    for key, value in processor(text=text, images=PICTURE, audio=SOUND, return_tensors="np").items():
        assert np.array_equal(again(text=text, images=PICTURE, audio=SOUND, return_tensors="np")[key], value)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="folder"):
        processor.save_pretrained(tmp_path / "file")
    with pytest.raises(NotImplementedError, match="push_to_hub"):
        processor.save_pretrained(tmp_path / "x", push_to_hub=True)
