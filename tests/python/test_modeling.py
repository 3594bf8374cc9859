"""What snippets cannot show: threads, memory, interrupts, arrays of every kind, refusals."""
import copy
import gc
import os
import pathlib
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import gemma3n


@pytest.fixture(scope="module")
def text_model(text_model_dir):
    return gemma3n.Gemma3nForCausalLM.from_pretrained(text_model_dir)


@pytest.fixture(scope="module")
def whole_model(model_dir):
    return gemma3n.Gemma3nForConditionalGeneration.from_pretrained(model_dir)


def resident_bytes():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# ---- inputs and results


@pytest.mark.parametrize("make", [list, tuple, np.array, lambda r: np.array(r, np.int32), lambda r: np.array(r, np.uint8)])
def test_ids_of_every_kind(text_model, make):
    expected = text_model(np.array([[2, 5, 7]])).logits
    assert np.array_equal(text_model(make([[2, 5, 7]])).logits, expected)
    assert expected.dtype == np.float32 and isinstance(expected, gemma3n.Tensor)


def test_arrays_that_are_not_contiguous(text_model):
    ids = np.arange(2, 14).reshape(2, 6)
    assert np.array_equal(text_model(ids[:, ::2]).logits, text_model(ids[:, ::2].copy()).logits)


@pytest.mark.parametrize(
    "ids, error",
    [
        ([[2, 999999]], ValueError), ([[-1]], ValueError), ([2, 5], ValueError), ([[[2]]], ValueError), ([[2.5]], TypeError),
        ([["a"]], TypeError), ([[2], [3, 4]], ValueError), ("text", TypeError), ([[]], ValueError),
    ],
)  # fmt: skip
def test_refuses_other_ids(text_model, ids, error):
    with pytest.raises(error):
        text_model(ids)


def test_refuses_unknown_arguments(text_model):
    with pytest.raises(TypeError, match="colour"):
        text_model([[2]], colour="blue")
    with pytest.raises(NotImplementedError, match="output_attentions"):
        text_model([[2]], output_attentions=True)
    with pytest.raises(TypeError, match="past_key_values"):
        text_model([[2]], past_key_values=((1, 2),))


def test_a_static_cache_says_when_it_is_full(text_model):
    with pytest.raises(gemma3n.ContextFullError, match="max_cache_len"):
        text_model([[2, 3, 4]], past_key_values=gemma3n.StaticCache(config=text_model.config, max_cache_len=2))
    with pytest.raises(ValueError, match="max_cache_len"):
        gemma3n.StaticCache(config=text_model.config)


@pytest.mark.parametrize("storage", ["f32", "bf16", "int8"])
def test_keys_and_values_of_fewer_bits(text_model, storage):
    exact = text_model([[2, 3, 4, 5]]).logits
    for cache in [
        gemma3n.DynamicCache(storage=storage),
        gemma3n.StaticCache(config=text_model.config, max_cache_len=4, storage=storage),
    ]:
        logits = text_model([[2, 3, 4, 5]], past_key_values=cache).logits
        assert np.array_equal(logits, exact) == (storage == "f32")
        assert np.abs(logits - exact).max() < 0.1 * np.abs(exact).max()
    options = dict(max_new_tokens=6, do_sample=False, cache_config={"storage": storage})
    dynamic, static = (text_model.generate([[2, 3, 4]], cache_implementation=c, **options) for c in (None, "static"))
    assert np.array_equal(dynamic, static)
    if storage == "int8":
        options["cache_config"] = {"backend": "quanto", "nbits": 8}
        assert np.array_equal(text_model.generate([[2, 3, 4]], cache_implementation="quantized", **options), dynamic)


def test_unknown_storages_of_keys_and_values(text_model):
    with pytest.raises(ValueError, match="storage: expected f32, bf16, int8"):
        gemma3n.DynamicCache(storage="int4")
    with pytest.raises(ValueError, match="storage: expected f32, bf16, int8"):
        text_model.generate([[2]], max_new_tokens=1, cache_config={"storage": "int4"})
    with pytest.raises(NotImplementedError, match="nbits"):
        text_model.generate([[2]], max_new_tokens=1, cache_implementation="quantized")


def test_media_without_towers(text_model):
    with pytest.raises(ValueError, match="pixel_values"):
        text_model.generate([[2]], pixel_values=np.zeros((1, 3, 8, 8), np.float32))


@pytest.mark.parametrize(
    "options",
    [{"num_beams": 2}, {"penalty_alpha": 0.6, "top_k": 4}, {"guidance_scale": 2.0}, {"prompt_lookup_num_tokens": 3}, {"inputs_embeds": np.zeros((1, 1, 32))}],
)  # fmt: skip
def test_names_options_that_are_not_supported(text_model, options):
    inputs = {} if "inputs_embeds" in options else {"inputs": [[2, 3]]}
    with pytest.raises(NotImplementedError, match=next(iter(options))):
        text_model.generate(**inputs, max_new_tokens=2, **options)


# The model itself, and one of other weights; both with and without towers.
def test_an_assistant_changes_no_greedy_token(text_model, whole_model):
    gemma3n.set_seed(4)
    stranger = gemma3n.Gemma3nForCausalLM(text_model.config)
    prompts, mask = [[0, 2, 5, 7], [2, 3, 9, 11]], [[0, 1, 1, 1], [1, 1, 1, 1]]
    options = dict(attention_mask=mask, max_new_tokens=20, do_sample=False)
    expected = text_model.generate(prompts, **options)
    for assistant in (text_model, stranger, whole_model):
        for chosen in ({}, {"num_assistant_tokens": 3, "num_assistant_tokens_schedule": "constant"}, {"assistant_confidence_threshold": 0.0}):
            seen = []
            options["stopping_criteria"] = [lambda ids, scores: seen.append(ids.shape[1]) or False]
            assert np.array_equal(text_model.generate(prompts, assistant_model=assistant, **options, **chosen), expected)
            assert seen == list(range(5, 25))
    gemma3n.set_seed(5)
    sampled = [text_model.generate(prompts, assistant_model=stranger, max_new_tokens=8, do_sample=True, num_return_sequences=2)]
    gemma3n.set_seed(5)
    sampled += [text_model.generate(prompts, assistant_model=stranger, max_new_tokens=8, do_sample=True, num_return_sequences=2)]
    assert np.array_equal(*sampled) and sampled[0].shape[0] == 4


def test_refuses_assistants_that_do_not_fit(text_model):
    for wrong in (object(), text_model.model, "model"):
        with pytest.raises(TypeError, match="assistant_model"):
            text_model.generate([[2]], max_new_tokens=2, assistant_model=wrong)
    config = copy.deepcopy(text_model.config)
    config.vocab_size += 1
    with pytest.raises(ValueError, match="assistant_model: vocab_size"):
        text_model.generate([[2]], max_new_tokens=2, assistant_model=gemma3n.Gemma3nForCausalLM(config))
    for option in ({"num_assistant_tokens": 0}, {"num_assistant_tokens_schedule": "x"}, {"assistant_confidence_threshold": 2.0}):
        with pytest.raises(ValueError, match=next(iter(option))):
            text_model.generate([[2]], max_new_tokens=2, assistant_model=text_model, **option)


def test_position_ids_of_generation(text_model):
    mask, ids = [[0, 1, 1], [1, 1, 1]], [[0, 5, 7], [2, 5, 7]]
    options = dict(attention_mask=mask, max_new_tokens=3, do_sample=False)
    expected = text_model.generate(ids, **options)
    assert np.array_equal(text_model.generate(ids, position_ids=[[0, 0, 1], [0, 1, 2]], **options), expected)
    with pytest.raises(NotImplementedError, match="position_ids"):
        text_model.generate(ids, position_ids=[[0, 1, 2], [0, 1, 2]], **options)


def test_a_model_of_random_weights(text_model):
    gemma3n.set_seed(3)
    model = gemma3n.Gemma3nForCausalLM(text_model.config)
    gemma3n.set_seed(3)
    same = gemma3n.Gemma3nForCausalLM(text_model.config)
    other = gemma3n.Gemma3nForCausalLM(text_model.config)
    logits = model([[2, 3]]).logits
    assert np.array_equal(logits, same([[2, 3]]).logits)
    assert not np.array_equal(logits, other([[2, 3]]).logits)
    with pytest.raises(NotImplementedError, match="random"):
        model.save_pretrained("unused")
    with pytest.raises(TypeError, match="Gemma3nTextConfig"):
        gemma3n.Gemma3nForCausalLM({"hidden_size": 8})


def test_configuration_of_stored_weights_cannot_change(text_model_dir):
    config = gemma3n.AutoConfig.from_pretrained(text_model_dir)
    gemma3n.Gemma3nForCausalLM.from_pretrained(text_model_dir, config=config, use_cache=False)
    config.sliding_window = 3
    with pytest.raises(NotImplementedError, match="sliding_window"):
        gemma3n.Gemma3nForCausalLM.from_pretrained(text_model_dir, config=config)
    with pytest.raises(NotImplementedError, match="sliding_window"):
        gemma3n.Gemma3nForCausalLM.from_pretrained(text_model_dir, sliding_window=3)
    with pytest.raises(TypeError, match="colour"):
        gemma3n.Gemma3nForCausalLM.from_pretrained(text_model_dir, colour="blue")


def test_files_that_are_missing_or_damaged(tmp_path, text_model_dir):
    with pytest.raises(FileNotFoundError):
        gemma3n.Gemma3nForCausalLM.from_pretrained(tmp_path)
    config = pathlib.Path(text_model_dir, "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(FileNotFoundError, match="safetensors"):
        gemma3n.Gemma3nForCausalLM.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(gemma3n.CorruptDataError) as caught:
        gemma3n.Gemma3nForCausalLM.from_pretrained(tmp_path)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, gemma3n.Error)
    (tmp_path / "config.json").write_text(config.replace("gemma3n_text", "llama").replace('"gemma3n"', '"llama"'))
    with pytest.raises(NotImplementedError, match="llama"):
        gemma3n.Gemma3nForCausalLM.from_pretrained(tmp_path)


def test_cannot_save_over_the_weights_it_reads(tmp_path, text_model_dir):
    gemma3n.Gemma3nForCausalLM.from_pretrained(text_model_dir).save_pretrained(tmp_path)
    model = gemma3n.Gemma3nForCausalLM.from_pretrained(tmp_path)
    expected = model([[2, 3]]).logits
    with pytest.raises(ValueError, match="another folder"):
        model.save_pretrained(tmp_path)
    assert np.array_equal(gemma3n.Gemma3nForCausalLM.from_pretrained(tmp_path)([[2, 3]]).logits, expected)


# ---- generation


def test_sampling_is_repeatable_and_fresh(text_model):
    options = dict(inputs=[[2, 5, 7]], max_new_tokens=12, do_sample=True, top_k=0, temperature=2.0, eos_token_id=None)
    gemma3n.set_seed(7)
    first, second = text_model.generate(**options), text_model.generate(**options)
    gemma3n.set_seed(7)
    assert np.array_equal(text_model.generate(**options), first)
    assert not np.array_equal(first, second)


def test_hidden_states_of_generation_are_those_of_forward(text_model):
    out = text_model.generate([[2, 5, 7]], max_new_tokens=4, do_sample=False, eos_token_id=None,
                              return_dict_in_generate=True, output_hidden_states=True, output_logits=True)
    whole = text_model(out.sequences[:, :-1], output_hidden_states=True)
    steps = np.concatenate([step[-1] for step in out.hidden_states], axis=2)
    assert np.array_equal(steps, whole.hidden_states[-1])
    assert np.array_equal(np.stack(out.logits, 1)[0], whole.logits[0, 2:])


def test_an_exception_in_a_callback_comes_out(text_model):
    def fails(input_ids, scores):
        raise KeyError("mine")

    for options in ({"logits_processor": [fails]}, {"stopping_criteria": [fails]}):
        with pytest.raises(KeyError, match="mine"):
            text_model.generate([[2, 5]], max_new_tokens=3, **options)
    with pytest.raises(ValueError, match="not a number"):
        text_model.generate([[2, 5]], max_new_tokens=3, logits_processor=[lambda ids, s: s * np.nan])
    with pytest.raises((ValueError, TypeError)):
        text_model.generate([[2, 5]], max_new_tokens=3, logits_processor=[lambda ids, s: s[:, :5]])
    assert text_model.generate([[2, 5]], max_new_tokens=3, do_sample=False).shape[1] <= 5


def test_one_answer_of_a_criterion_counts_for_all(text_model):
    for answer in (True, np.bool_(True), np.array(True), [True, True]):
        out = text_model.generate([[2, 5], [2, 7]], max_new_tokens=9, stopping_criteria=[lambda ids, s, a=answer: a])
        assert out.shape == (2, 3)
    with pytest.raises(ValueError, match="stopping criterion"):
        text_model.generate([[2, 5], [2, 7]], max_new_tokens=9, stopping_criteria=[lambda ids, s: [True] * 3])


def test_a_loss_is_a_number_without_dimensions(text_model):
    assert text_model([[2, 5]], labels=[[2, 5]]).loss.shape == ()


def test_ctrl_c_ends_a_generation(text_model_dir):
    code = f"""
import gemma3n, os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where tests run in the background
model = gemma3n.Gemma3nForCausalLM.from_pretrained({text_model_dir!r})
steps = []
def count(input_ids, scores):
    steps.append(1)
    if len(steps) == 5:
        os.kill(os.getpid(), signal.SIGINT)
    return False
try:
    model.generate([[2, 5, 7]], max_new_tokens=1000, eos_token_id=None, stopping_criteria=[count])
except KeyboardInterrupt:
    print("stopped after", len(steps))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() in ("stopped after 5", "stopped after 6"), done.stderr


# ---- many at once


def test_threads_give_what_each_would_give_alone(text_model, whole_model):
    jobs = [(text_model, [[2, 5, 7]]), (text_model, [[2, 9, 11, 13]]), (whole_model, [[2, 5, 7]]), (whole_model, [[2, 30]])] * 2
    options = dict(max_new_tokens=40, do_sample=False, eos_token_id=None)
    alone = [model.generate(ids, **options) for model, ids in jobs]
    results = [None] * len(jobs)

    def work(i):
        model, ids = jobs[i]
        for _ in range(3):
            results[i] = model.generate(ids, **options)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for expected, result in zip(alone, results):
        assert np.array_equal(expected, result)


def test_other_threads_run_while_the_engine_computes(text_model):
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.is_set():
            ticks.append(1)
            stop.wait(0.001)

    thread = threading.Thread(target=tick)
    ids = np.full((64, 256), 7)
    thread.start()
    ticks.clear()
    text_model(ids, logits_to_keep=1)  # one call of the engine, some hundred milliseconds
    during = len(ticks)
    stop.set()
    thread.join()
    assert during > 3


def test_a_thousand_models_leave_memory_flat(text_model_dir):
    def cycle():
        model = gemma3n.Gemma3nForCausalLM.from_pretrained(text_model_dir, threads=1)
        out = model.generate([[2, 5]], max_new_tokens=1, return_dict_in_generate=True, output_logits=True,
                             stopping_criteria=[lambda ids, scores: True])
        return model.model, out

    for _ in range(100):
        cycle()
    gc.collect()
    before = resident_bytes()
    for _ in range(1000):
        cycle()
    gc.collect()
    assert resident_bytes() - before < 8 << 20


def test_a_thousand_tokenizers_and_processors_leave_memory_flat(model_dir, files):
    def cycle():
        tokenizer = gemma3n.GemmaTokenizer.from_pretrained(model_dir)
        return tokenizer("hello there", return_tensors="np")

    for _ in range(100):
        cycle()
    gc.collect()
    before = resident_bytes()
    for _ in range(1000):
        cycle()
    gc.collect()
    assert resident_bytes() - before < 8 << 20


def test_signals_are_left_alone(text_model):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSEGV)]
    text_model.generate([[2, 5]], max_new_tokens=3)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSEGV)] == before


# ---- sizes of a nested model


def test_a_size_is_the_same_in_all_ways(text_model, text_model_dir, tmp_path):
    import json

    config = text_model.config
    widths = list(config.intermediate_size)[:2]
    size = {"FFN Hidden Dims": widths, "Layers Skipped": [2]}
    (tmp_path / "size.json").write_text(json.dumps(size))
    ids = np.array([[2, 5, 7, 11]])
    part = text_model.sliced(size)
    assert list(part.config.intermediate_size) == widths and list(config.intermediate_size) != widths
    expected = part(ids).logits
    assert not np.array_equal(expected, text_model(ids).logits)
    loaded = gemma3n.Gemma3nForCausalLM.from_pretrained(text_model_dir, matformer=tmp_path / "size.json")
    assert np.array_equal(loaded(ids).logits, expected)
    assert loaded.config.to_dict() == part.config.to_dict()
    tokens = part.generate(ids, max_new_tokens=5, do_sample=False)
    assert np.array_equal(text_model.generate(ids, max_new_tokens=5, do_sample=False, size=size), tokens)
    assert np.array_equal(loaded.generate(ids, max_new_tokens=5, do_sample=False), tokens)
    assert np.array_equal(text_model.sliced("full")(ids).logits, text_model(ids).logits)
    for model in (part, loaded):
        with pytest.raises(NotImplementedError, match="gemma3n slice"):
            model.save_pretrained(tmp_path / "out")
        with pytest.raises(NotImplementedError, match="gemma3n slice"):
            model.num_parameters()
    with pytest.raises(ValueError, match="each size needs a cache of its own"):
        text_model(ids, past_key_values=part(ids, use_cache=True).past_key_values)


@pytest.mark.parametrize("size", ["e2b", "none", {"FFN Hidden Dims": [0]}, {"Layers Skipped": [1]}, "missing.json"])
def test_sizes_that_do_not_fit(text_model, size):
    with pytest.raises((ValueError, FileNotFoundError), match="size|missing.json"):
        text_model.sliced(size)
