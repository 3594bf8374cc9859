"""What the tokenizer does that the snippets cannot show."""
import concurrent.futures
import json
import pathlib
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest

import gemma3n
from gemma3n import tensors
from gemma3n.tokenization import AddedToken


@pytest.fixture(scope="module")
def tokenizer(model_dir):
    return gemma3n.AutoTokenizer.from_pretrained(model_dir)


def random_text(rng):
    alphabet = "abc xyz,.\n\t \u2581éß中文🎉e\u0301\u200d<>[]09"
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(0, 40)))


def test_decoding_gives_the_text_back(tokenizer):
    rng = random.Random(1)
    for _ in range(200):
        text = random_text(rng)
        ids = tokenizer(text, add_special_tokens=False).input_ids
        assert tokenizer.decode(ids) == text.replace("\u2581", " ")


def test_offsets_cover_the_text(tokenizer):
    rng = random.Random(2)
    for _ in range(200):
        text = random_text(rng)
        encoded = tokenizer(text, return_offsets_mapping=True)
        spans = [tuple(span) for span in encoded["offset_mapping"][1:]]  # without <bos>
        assert "".join(text[a:b] for a, b in dict.fromkeys(spans)) == text
        for char in range(len(text)):
            begin, end = encoded.token_to_chars(encoded.char_to_token(char))
            assert begin <= char < end


def test_windows_of_any_size_hold_every_token(tokenizer):
    ids = tokenizer("the river is long and slow in the summer", add_special_tokens=False).input_ids
    for side in ("right", "left"):
        tokenizer.truncation_side = side
        for size in (3, 4, 7):
            parts = tokenizer("the river is long and slow in the summer", add_special_tokens=False, max_length=size,
                              truncation=True, return_overflowing_tokens=True).input_ids
            parts = parts if side == "right" else parts[::-1]
            assert sum(parts, []) == ids
            assert all(len(part) <= size for part in parts)
    tokenizer.truncation_side = "right"


def test_the_stride_must_leave_room(tokenizer):
    with pytest.raises(ValueError, match="stride"):
        tokenizer("the river is long and slow", max_length=4, stride=3, truncation=True)


def test_the_vocabulary_is_that_of_the_pieces(tokenizer):
    vocab = tokenizer.get_vocab()
    assert len(vocab) == len(tokenizer)
    for piece, token_id in vocab.items():
        assert tokenizer.convert_ids_to_tokens(token_id) == piece
        assert tokenizer.convert_tokens_to_ids(piece) == token_id


def test_many_threads_may_use_it(tokenizer):
    texts = [f"the river {i} is long" * 20 for i in range(40)]
    expected = [tokenizer(text).input_ids for text in texts]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: tokenizer(text).input_ids, texts)) == expected


def test_a_folder_without_a_tokenizer(tmp_path):
    with pytest.raises(FileNotFoundError, match="tokenizer.json"):
        gemma3n.GemmaTokenizer.from_pretrained(tmp_path)


def test_a_damaged_file_is_named(model_dir, tmp_path):
    shutil.copytree(model_dir, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors"))
    (tmp_path / "m/tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=str(tmp_path / "m")):
        gemma3n.GemmaTokenizer.from_pretrained(tmp_path / "m")
    (tmp_path / "m/tokenizer_config.json").write_text("[]")
    with pytest.raises(OSError, match="tokenizer_config.json"):
        gemma3n.GemmaTokenizer.from_pretrained(tmp_path / "m")


def test_tokenizers_of_other_models_are_refused(model_dir, tmp_path):
    shutil.copytree(model_dir, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors"))
    content = json.loads((tmp_path / "m/tokenizer.json").read_text())
    content["model"]["type"] = "Unigram"
    (tmp_path / "m/tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(NotImplementedError, match="Unigram"):
        gemma3n.GemmaTokenizer.from_pretrained(tmp_path / "m")


def test_named_tokens_must_exist(model_dir):
    with pytest.raises(ValueError, match="nothing-like-it"):
        gemma3n.AutoTokenizer.from_pretrained(model_dir, pad_token="nothing-like-it")


def test_the_vocabulary_does_not_grow(tokenizer):
    assert tokenizer.add_tokens(["<bos>", AddedToken("<eos>")]) == 0
    assert tokenizer.add_special_tokens({"pad_token": "<pad>"}) == 0
    with pytest.raises(NotImplementedError, match="new_token"):
        tokenizer.add_tokens("new_token")
    with pytest.raises(NotImplementedError, match="new_token"):
        tokenizer.add_special_tokens({"extra_special_tokens": ["new_token"]})
    with pytest.raises(ValueError, match="sound_token"):
        tokenizer.add_special_tokens({"sound_token": "<bos>"})


def test_what_is_not_supported_says_so(tokenizer):
    chat = [{"role": "user", "content": "hi"}]
    for options in ({"return_assistant_tokens_mask": True}, {"continue_final_message": "reasoning"}):
        with pytest.raises(NotImplementedError, match=next(iter(options))):
            tokenizer.apply_chat_template(chat, **options)
    with pytest.raises(NotImplementedError, match="tools"):
        tokenizer.apply_chat_template(chat, tools=[len])
    with pytest.raises(NotImplementedError, match="return_overflowing_tokens"):
        tokenizer("a b c d", "e f", max_length=4, truncation=True, return_overflowing_tokens=True)


def test_a_template_says_what_is_wrong(tokenizer):
    with pytest.raises(ValueError, match="alternate"):
        tokenizer.apply_chat_template([{"role": "assistant", "content": "hi"}])
    with pytest.raises(ValueError, match="template"):
        tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], chat_template="{% if %}")
    with pytest.raises(TypeError, match="messages"):
        tokenizer.apply_chat_template(["hello"])
    with pytest.raises(TypeError, match="messages"):
        tokenizer.apply_chat_template("hello")


def test_a_text_that_is_no_text(tokenizer):
    with pytest.raises(TypeError, match="surrogate"):
        tokenizer("a\ud800")
    with pytest.raises(TypeError, match="strings"):
        tokenizer(["a", None])


def test_ids_may_be_of_any_integer_type(tokenizer):
    ids = tokenizer("the river").input_ids
    for dtype in (np.int8, np.int16, np.int32, np.int64, np.uint16):
        kept = [i for i in ids if i < np.iinfo(dtype).max]
        assert tokenizer.decode(np.array(kept, dtype=dtype)) == tokenizer.decode(kept)
    assert tokenizer.decode(np.int64(2)) == "<bos>"


def test_the_saved_tokenizer_needs_no_original(model_dir, tmp_path):
    shutil.copytree(model_dir, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors"))
    tokenizer = gemma3n.GemmaTokenizer.from_pretrained(tmp_path / "m")
    shutil.rmtree(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "saved")
    again = gemma3n.GemmaTokenizer.from_pretrained(tmp_path / "saved")
    assert again("the river").input_ids == tokenizer("the river").input_ids


def test_a_template_cannot_leave_the_folder(tokenizer, tmp_path):
    tokenizer = gemma3n.AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    tokenizer.chat_template = {"default": "x", "../../evil": "y"}
    with pytest.raises(ValueError, match="evil"):
        tokenizer.save_pretrained(tmp_path / "a/b")
    assert not (tmp_path / "evil.jinja").exists()


def test_a_tokenizer_from_a_vocabulary():
    vocab = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4}
    vocab.update({f"<0x{byte:02X}>": len(vocab) + byte for byte in range(256)})
    for piece in ("a", "b", "\u2581", "ab", "\u2581ab"):
        vocab[piece] = len(vocab)
    tokenizer = gemma3n.GemmaTokenizer(vocab=vocab, merges=[("a", "b"), ("\u2581", "ab")], add_bos_token=True)
    assert tokenizer.tokenize("ab ab\n") == ["ab", "\u2581ab", "<0x0A>"]
    assert tokenizer("b<eos>").input_ids == [2, vocab["b"], 1]
    with pytest.raises(NotImplementedError, match="byte"):
        gemma3n.GemmaTokenizer(vocab={"a": 0})


@pytest.mark.skipif(tensors.torch_is_installed(), reason="torch is installed")
def test_neither_torch_nor_pillow_is_imported(model_dir):
    code = (
        "import sys, gemma3n\n"
        "p = gemma3n.AutoProcessor.from_pretrained(sys.argv[1])\n"
        "p(text=['a'], return_tensors='pt').to('cpu')\n"
        "p(text=p.image_token, images=sys.argv[2], return_tensors='pt')\n"
        "assert not {'torch', 'PIL', 'transformers', 'jinja2'} & set(sys.modules)\n"
    )
    picture = pathlib.Path(__file__).parents[1] / "golden/media/grey.jpg"
    subprocess.run([sys.executable, "-c", code, model_dir, str(picture)], check=True)
