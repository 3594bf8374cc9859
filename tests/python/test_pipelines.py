"""What pipelines do beyond transformers, and their errors. What is the same is in snippets/pipelines.py."""
import io
import logging
import subprocess
import sys

import gemma3n
import numpy as np
import pytest
from gemma3n import log
from gemma3n.pipelines.base import Chat
from gemma3n.pipelines.pt_utils import KeyDataset, KeyPairDataset, PipelineIterator


@pytest.fixture(scope="module")
def pipe(model_dir):
    return gemma3n.pipeline("image-text-to-text", model=model_dir, do_sample=False)


@pytest.fixture(scope="module")
def any_to_any(model_dir):
    return gemma3n.pipeline("any-to-any", model=model_dir, do_sample=False)


@pytest.fixture(scope="module")
def text_pipe(text_model_dir):
    return gemma3n.pipeline("text-generation", model=text_model_dir, do_sample=False)


@pytest.fixture(autouse=True)
def every_warning_is_new(monkeypatch):
    monkeypatch.setattr(log, "_warned", set())


def chat(*content):
    return [{"role": "user", "content": list(content)}]


def text(words):
    return {"type": "text", "text": words}


def test_chats_with_media_go_through_the_model_in_batches(any_to_any, files):
    sound, image = ({"type": t, t: str(files[name])} for t, name in (("audio", "sound"), ("image", "image")))
    chats = [chat(text("a")), chat(text("a longer one")), chat(image, text("x")), chat(image, text("x y z")),
             chat(sound, text("hear")), chat(sound, text("hear this, too"))]  # fmt: skip
    alone = [any_to_any(text=one, max_new_tokens=4) for one in chats]
    for size in (1, 2, 3, 6):
        assert any_to_any(text=chats, max_new_tokens=4, batch_size=size) == alone


def test_the_model_sees_whole_batches(text_pipe, monkeypatch):
    rows = []
    generate = text_pipe.model.generate
    monkeypatch.setattr(text_pipe.model, "generate", lambda **k: rows.append(len(k["input_ids"])) or generate(**k))
    text_pipe(["a", "b c", "d", "e", "f g h"], max_new_tokens=1, batch_size=2)
    assert rows == [2, 2, 1]


def test_sounds_of_different_lengths_are_padded_at_their_end(any_to_any):
    prepared = [any_to_any.preprocess({"text": "<audio_soft_token>", "audio": np.ones(n, np.float32)}) for n in (1600, 4800)]
    batch = any_to_any._collate(prepared)
    assert batch["input_features"].shape[0] == 2
    assert batch["input_features_mask"].dtype == prepared[0]["input_features_mask"].dtype
    short = prepared[0]["input_features"].shape[1]
    assert np.array_equal(batch["input_features"][0, :short], prepared[0]["input_features"][0])
    assert not batch["input_features_mask"][0, short:].any()


def test_a_batch_without_a_padding_token(text_model_dir):
    pipe = gemma3n.pipeline("text-generation", model=text_model_dir, do_sample=False)
    pipe.tokenizer.pad_token = None
    with pytest.raises(ValueError, match="pad_token"):
        pipe(["a", "b c"], max_new_tokens=1, batch_size=2)


@pytest.mark.parametrize("size", [0, -1])
def test_batches_of_nothing(text_pipe, size):
    with pytest.raises(ValueError, match="batch_size"):
        text_pipe(["a"], batch_size=size)


def test_there_are_256_new_tokens_unless_told_otherwise(text_pipe, text_model_dir, monkeypatch):
    monkeypatch.setattr(text_pipe.model.generation_config, "eos_token_id", None)
    (record,) = text_pipe("a", return_tensors=True)
    assert len(record["generated_token_ids"]) == len(text_pipe.tokenizer("a")["input_ids"]) + 256
    monkeypatch.setattr(text_pipe.model.generation_config, "max_length", 9)
    (record,) = text_pipe("a", return_tensors=True)
    assert len(record["generated_token_ids"]) == 9


def test_texts_are_sampled_unless_told_otherwise(text_model_dir, monkeypatch):
    pipe = gemma3n.pipeline("text-generation", model=text_model_dir)
    for name in ("do_sample", "temperature", "top_k", "top_p", "cache_implementation"):
        monkeypatch.setattr(pipe.model.generation_config, name, None)
    seen = []
    monkeypatch.setattr(pipe.model, "generate", lambda **k: seen.append(k) or k["input_ids"])
    pipe("a")
    pipe("a", do_sample=False)
    pipe("a", temperature=0.2)
    assert [(k["do_sample"], k.get("temperature"), k["max_new_tokens"]) for k in seen] == [
        (True, 0.7, 256), (False, None, 256), (True, 0.2, 256)]  # fmt: skip


class Dataset:
    def __init__(self, items):
        self.items, self.read = items, []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        self.read.append(index)
        return self.items[index]


def test_datasets_are_read_as_their_results_are_asked_for(text_pipe):
    data = Dataset(["a", "b", "c"])
    answers = text_pipe(data, max_new_tokens=2)
    assert isinstance(answers, PipelineIterator) and len(answers) == 3 and data.read == []
    first = next(iter(answers))
    assert data.read == [0] and first == text_pipe("a", max_new_tokens=2)
    assert list(answers) == text_pipe(["a", "b", "c"], max_new_tokens=2)
    assert list(answers) == list(answers)


def test_columns_of_datasets(text_pipe, pipe):
    rows = [{"prompt": "a", "chat": chat(text("a"))}, {"prompt": "b", "chat": chat(text("b c"))}]
    answers = text_pipe(KeyDataset(rows, "prompt"), max_new_tokens=2, batch_size=2)
    assert isinstance(answers, PipelineIterator) and list(answers) == text_pipe(["a", "b"], max_new_tokens=2)
    chats = [row["chat"] for row in rows]
    for answer in (pipe(text=KeyDataset(rows, "chat"), max_new_tokens=2), pipe(KeyDataset(rows, "chat"), max_new_tokens=2)):
        assert answer == pipe(text=chats, max_new_tokens=2)
    assert list(pipe(Dataset(chats), max_new_tokens=2)) == pipe(text=chats, max_new_tokens=2)
    assert KeyPairDataset(rows, "prompt", "chat")[1] == {"text": "b", "text_pair": chats[1]}


def test_endless_generators_are_not_exhausted(text_pipe):
    def endless():
        while True:
            yield "a"

    answers = text_pipe(endless(), max_new_tokens=1)
    assert next(answers) == next(answers)
    with pytest.raises(TypeError):
        len(answers)


def test_generators_of_chats_in_any_to_any(any_to_any):
    answers = list(any_to_any((chat(text(word)) for word in "ab"), max_new_tokens=2))
    assert answers == any_to_any(text=[chat(text("a")), chat(text("b"))], max_new_tokens=2)


def test_the_start_of_an_answer_may_be_a_plain_text(pipe):
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Well,"}]
    (record,) = pipe(text=messages, max_new_tokens=2)
    last = record["generated_text"][-1]
    assert last["role"] == "assistant" and last["content"].startswith("Well,") and len(last["content"]) > 5
    assert messages[-1]["content"] == "Well,"


def test_what_is_given_stays_as_it_was(pipe, files):
    options, processor_options = {"do_sample": False}, {}
    messages = chat({"type": "image", "url": str(files["image"])}, text("x"))
    for _ in range(2):
        pipe(text=messages, max_new_tokens=1, stop_sequence="q", generate_kwargs=options, processor_kwargs=processor_options)
    assert options == {"do_sample": False} and processor_options == {}
    assert messages == chat({"type": "image", "url": str(files["image"])}, text("x"))


def test_the_task_follows_the_checkpoint(model_dir, text_model_dir):
    assert gemma3n.pipeline(model=model_dir).task == "image-text-to-text"
    assert gemma3n.pipeline(model=text_model_dir).task == "text-generation"


def test_a_path_object_as_model(text_model_dir):
    import pathlib

    assert gemma3n.pipeline("text-generation", model=pathlib.Path(text_model_dir)).task == "text-generation"


def test_no_model_names_the_default(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with caplog.at_level(logging.WARNING, "gemma3n"), pytest.raises(FileNotFoundError, match="hf download google/gemma-3n-E4B-it"):
        gemma3n.pipeline("any-to-any")
    assert "google/gemma-3n-E4B-it" in caplog.text


def test_a_repository_of_the_cache(text_model_dir, tmp_path, monkeypatch):
    repository = tmp_path / "models--me--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "snapshots").mkdir()
    (repository / "refs" / "v1").write_text("a" * 40)
    (repository / "snapshots" / ("a" * 40)).symlink_to(text_model_dir)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    pipe = gemma3n.pipeline("text-generation", model="me/tiny", revision="v1", do_sample=False)
    assert pipe("a", max_new_tokens=1)
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    assert gemma3n.pipeline("text-generation", model="me/tiny", revision="v1", model_kwargs={"cache_dir": str(tmp_path)})
    with pytest.raises(FileNotFoundError, match="--revision v2"):
        gemma3n.pipeline("text-generation", model="me/tiny", revision="v2", model_kwargs={"cache_dir": str(tmp_path)})


def test_unknown_tasks_name_the_known_ones(model_dir):
    for task in ("fill-mask", "translation_en_to_fr", ""):
        with pytest.raises(KeyError, match="any-to-any, image-text-to-text, text-generation"):
            gemma3n.pipeline(task, model=model_dir)


def test_parts_that_cannot_be_told(text_pipe):
    with pytest.raises(RuntimeError, match="tokenizer"):
        gemma3n.pipeline("text-generation", model=text_pipe.model)
    with pytest.raises(RuntimeError, match="processor"):
        gemma3n.pipeline("any-to-any", model=text_pipe.model)


def test_a_text_model_has_no_processor(text_model_dir):
    for task in ("image-text-to-text", "any-to-any"):
        with pytest.raises(TypeError, match="expected a processor, got a GemmaTokenizer"):
            gemma3n.pipeline(task, model=text_model_dir)


def test_accelerators_are_named_once_and_the_cpu_computes(text_model_dir, caplog):
    with caplog.at_level(logging.WARNING, "gemma3n"):
        for device in ("cuda:1", "cuda:1", "mps"):
            pipe = gemma3n.pipeline("text-generation", model=text_model_dir, device=device, do_sample=False)
            assert pipe.device.type == "cpu" and pipe("a", max_new_tokens=1)
    assert caplog.text.count("'cuda:1' was asked for") == 1 and "'mps'" in caplog.text


def test_device_maps_are_accepted(text_model_dir):
    assert gemma3n.pipeline("text-generation", model=text_model_dir, device_map="auto").device.type == "cpu"
    with pytest.raises(ValueError, match="device_map"):
        gemma3n.pipeline("text-generation", model=text_model_dir, device_map="auto", model_kwargs={"device_map": "auto"})


def test_what_is_not_supported(text_pipe):
    with pytest.raises(NotImplementedError, match="assistant_model"):
        gemma3n.pipeline("text-generation", model=text_pipe.model, tokenizer=text_pipe.tokenizer, assistant_model=text_pipe.model)


def test_videos_are_ignored_with_a_warning(any_to_any, caplog):
    with caplog.at_level(logging.WARNING, "gemma3n"):
        assert any_to_any("a", videos="x", max_new_tokens=1) == any_to_any("a", max_new_tokens=1)
    assert "videos" in caplog.text


def test_errors_say_what_was_expected(pipe, any_to_any, text_pipe, files):
    for call, text_of_error in [
        (lambda: pipe(text=[]), "expected at least one input"),
        (lambda: text_pipe([]), "expected at least one input"),
        (lambda: pipe(text=5), "expected a text"),
        (lambda: any_to_any(5), "expected a text"),
        (lambda: text_pipe({"text": "a"}), "expected a text or a chat, got dict"),
        (lambda: pipe(text=[{"content": "a"}]), "expected messages"),
        (lambda: pipe(str(files["image"]), text=chat(text("a"))), "put the pictures of a chat into its messages"),
        (lambda: any_to_any("a", generation_mode="image"), "gives 'text' only"),
        (lambda: Chat([5]), "expected messages"),
    ]:
        with pytest.raises((ValueError, TypeError, IndexError)) as caught:
            call()
        assert text_of_error in str(caught.value)


def test_long_lists_show_a_bar(text_pipe, monkeypatch):
    from gemma3n import progress

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "_SHOWN_AFTER_S", 0)
    monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS", raising=False)
    text_pipe(["a", "b", "c"], max_new_tokens=1)
    assert "text-generation: 100%" in terminal.getvalue() and "3/3" in terminal.getvalue()
    terminal.truncate(0)
    text_pipe(["a"], max_new_tokens=1)
    assert "text-generation" not in terminal.getvalue()


def test_pictures_of_files_need_no_pillow(model_dir, files):
    code = f"""
import sys
sys.modules["PIL"] = None
import gemma3n
pipe = gemma3n.pipeline("image-text-to-text", model={model_dir!r})
pipe({str(files["image"])!r}, text="a <image_soft_token>", max_new_tokens=1)
pipe(text=[{{"role": "user", "content": [{{"type": "image", "url": {str(files["image2"])!r}}}]}}], max_new_tokens=1)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_pipelines_of_ones_own(text_pipe):
    class Counting(gemma3n.Pipeline):
        def _sanitize_parameters(self, start=0):
            return {}, {"start": start}, {}

        def preprocess(self, inputs):
            return {"input_ids": np.array([[len(inputs)]])}

        def _forward(self, model_inputs, start):
            return {"count": model_inputs["input_ids"] + start}

        def postprocess(self, outputs):
            return int(outputs["count"][0, 0])

    count = Counting(model=text_pipe.model, tokenizer=text_pipe.tokenizer)
    assert count("abc") == 3 and count(["a", "bb"], start=1, batch_size=2) == [2, 3]
    assert gemma3n.pipeline("counting", model=text_pipe.model, tokenizer=text_pipe.tokenizer, pipeline_class=Counting)("ab") == 2


def test_saving_where_a_file_is(text_pipe, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="save_directory"):
        text_pipe.save_pretrained(tmp_path / "file")
