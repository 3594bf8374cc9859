"""Where the configurations differ from transformers on purpose, and their errors' texts.
What is the same is in snippets/configuration.py and snippets/generation_config.py."""
import json
import logging
import subprocess
import sys

import pytest
from gemma3n.configuration import ConfigError, Gemma3nAudioConfig, Gemma3nConfig, Gemma3nTextConfig, PreTrainedConfig
from gemma3n.generation_config import GenerationConfig
from gemma3n.tensors import bfloat16


def test_numpy_and_torch_are_not_needed_to_read_a_configuration():
    code = "import gemma3n.configuration, gemma3n.generation_config, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_transformers_version_is_written(tmp_path):
    config = Gemma3nConfig(transformers_version="4.53.0")
    assert config.transformers_version == "4.53.0"
    config.save_pretrained(tmp_path)
    GenerationConfig(transformers_version="4.53.0").save_pretrained(tmp_path)
    for name in ("config.json", "generation_config.json"):
        assert "transformers_version" not in json.loads((tmp_path / name).read_text())


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="config.json"):
        Gemma3nConfig.from_pretrained(tmp_path)


def test_a_given_dict_stays_as_it_was():
    rope = {"full_attention": {"rope_type": "default"}}
    values = {"rope_parameters": rope, "hidden_size": 64}
    Gemma3nConfig(text_config=values)
    Gemma3nTextConfig.from_dict(values, hidden_size=8)
    assert values == {"rope_parameters": {"full_attention": {"rope_type": "default"}}, "hidden_size": 64}


def test_dtypes_are_this_packages():
    config = Gemma3nTextConfig(dtype="bfloat16")
    assert config.dtype == bfloat16 and config.dtype == "bfloat16" and config.torch_dtype == bfloat16


@pytest.mark.parametrize(
    "keywords, text",
    [
        ({"hidden_size": "64"}, "Gemma3nTextConfig.hidden_size: expected int, got str '64'"),
        ({"rms_norm_eps": 1}, "rms_norm_eps: expected float, got int 1"),
        ({"eos_token_id": [True]}, "eos_token_id: expected int or list[int] or None, got list [True]"),
        ({"hidden_size": 7, "num_attention_heads": 2}, "hidden_size (7) is no multiple of num_attention_heads (2)"),
        ({"head_dim": 9}, "head_dim: rotary positions need an even number, got 9"),
        ({"layer_types": ["x"] * 35}, "layer_types: expected full_attention or sliding_attention, got x"),
        ({"num_hidden_layers": 2, "layer_types": ["full_attention"]}, "layer_types: expected 2 entries"),
    ],
)
def test_errors_say_what_was_expected(keywords, text):
    with pytest.raises(ConfigError) as caught:
        Gemma3nTextConfig(**keywords)
    assert text in str(caught.value)


def test_long_values_are_shortened_in_errors():
    with pytest.raises(ConfigError) as caught:
        Gemma3nTextConfig(hidden_size="9" * 10_000)
    assert len(str(caught.value)) < 300


def test_layer_types_of_other_models_are_refused():
    with pytest.raises(ConfigError, match="chunked_attention"):
        Gemma3nTextConfig(layer_types=["chunked_attention"] * 35)


def test_what_is_not_supported(tmp_path):
    with pytest.raises(NotImplementedError, match="per_layer_config"):
        Gemma3nTextConfig(per_layer_config={0: {}})
    with pytest.raises(NotImplementedError, match="push_to_hub"):
        Gemma3nConfig().save_pretrained(tmp_path, push_to_hub=True)
    with pytest.raises(NotImplementedError, match="push_to_hub"):
        GenerationConfig().save_pretrained(tmp_path, push_to_hub=True)
    with pytest.raises(NotImplementedError, match="gguf_file"):
        Gemma3nConfig.from_pretrained(tmp_path, gguf_file="x.gguf")


def test_another_models_configuration_is_read_with_a_warning(tmp_path, caplog):
    (tmp_path / "config.json").write_text('{"model_type": "llama", "hidden_size": 64}')
    with caplog.at_level(logging.WARNING, "gemma3n"):
        config = Gemma3nTextConfig.from_pretrained(tmp_path)
    assert config.hidden_size == 64 and "'llama'" in caplog.text


def test_ignored_parameters_are_warned_of_once(caplog):
    with caplog.at_level(logging.WARNING, "gemma3n"):
        for _ in range(3):
            GenerationConfig(temperature=0.123)
    assert caplog.text.count("temperature=0.123 needs do_sample=True") == 1


def test_subclasses_add_fields():
    class Mine(Gemma3nAudioConfig):
        model_type = "mine"
        extra: int = 3

    config = Mine(extra=4, hidden_size=8)
    assert config.extra == 4 and config.hidden_size == 8 and config.to_dict()["model_type"] == "mine"
    with pytest.raises(ConfigError, match="extra"):
        Mine(extra="a")
    assert not hasattr(Gemma3nAudioConfig(), "extra")


def test_the_base_takes_anything():
    config = PreTrainedConfig(anything=[1], num_labels=3)
    assert config.anything == [1] and config.num_labels == 3 and config == PreTrainedConfig(anything=[1], num_labels=3)
