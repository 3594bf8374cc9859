# --- defaults of the text configuration
result = hf.Gemma3nTextConfig().to_dict()
result.pop("transformers_version", None)
# --- defaults of the audio configuration
result = hf.Gemma3nAudioConfig().to_dict()
result.pop("transformers_version", None)
# --- defaults of the vision configuration
result = hf.Gemma3nVisionConfig().to_dict()
result.pop("transformers_version", None)
# --- defaults of the whole configuration
result = hf.Gemma3nConfig().to_dict()
result.pop("transformers_version", None)
# --- what differs from the base
result = []
for name in ("Gemma3nTextConfig", "Gemma3nAudioConfig", "Gemma3nVisionConfig", "Gemma3nConfig", "PreTrainedConfig"):
    values = getattr(hf, name)().to_diff_dict()
    values.pop("transformers_version", None)
    result.append(values)
# --- changed values and unknown keywords in the difference
config = hf.Gemma3nConfig(
    text_config={"hidden_size": 64, "num_attention_heads": 4, "mine": [1, 2], "return_dict": False},
    audio_config={"hidden_size": 32, "id2label": {"0": "a"}},
    dtype="bfloat16", architectures=["Gemma3nForConditionalGeneration"], other={"a": (1, 2)}, chunk_size_feed_forward=3,
)
result = [config.to_diff_dict(), config.to_dict()]
for values in result:
    values.pop("transformers_version", None)
# --- JSON text
config = hf.Gemma3nConfig(vision_config=hf.Gemma3nVisionConfig(model_args={"x": float("inf"), "y": float("nan")}))
lines = [config.to_json_string(), config.to_json_string(use_diff=False), repr(config)]
result = ["\n".join(line for line in text.split("\n") if "transformers_version" not in line) for text in lines]
# --- one intermediate size for all layers, or one for each
result = [
    hf.Gemma3nTextConfig(num_hidden_layers=3, intermediate_size=96).intermediate_size,
    hf.Gemma3nTextConfig(num_hidden_layers=3, intermediate_size=[1, 2, 3]).intermediate_size,
    hf.Gemma3nTextConfig(num_hidden_layers=0).intermediate_size,
]
# --- too few intermediate sizes
result = hf.Gemma3nTextConfig(num_hidden_layers=3, intermediate_size=[1, 2])
# --- layer types by number of layers
result = [hf.Gemma3nTextConfig(num_hidden_layers=n).layer_types for n in (1, 4, 5, 11)]
# --- sparsity by number of layers
result = [hf.Gemma3nTextConfig(num_hidden_layers=n).activation_sparsity_pattern for n in (1, 10, 11, 12, 35)]
# --- too few sparsities
result = hf.Gemma3nTextConfig(activation_sparsity_pattern=[0.5])
# --- one sparsity for all layers
result = hf.Gemma3nTextConfig(activation_sparsity_pattern=0.5)
# --- wrong layer type
result = hf.Gemma3nTextConfig(layer_types=["round_attention"] * 35)
# --- too few layer types
result = hf.Gemma3nTextConfig(num_hidden_layers=3, layer_types=["full_attention"])
# --- rotary frequencies of older files
result = [
    hf.Gemma3nTextConfig(rope_theta=5.0, rope_local_base_freq=3.0).rope_parameters,
    hf.Gemma3nTextConfig(rope_scaling={"rope_type": "linear", "factor": 2.0}).rope_parameters,
    hf.Gemma3nTextConfig(rope_scaling={"type": "linear", "factor": 2.0}).rope_parameters,
    hf.Gemma3nTextConfig(rope_scaling=None, rope_theta=7.0).rope_parameters,
]
# --- rotary frequencies
result = [
    hf.Gemma3nTextConfig(rope_parameters=value).rope_parameters
    for value in (
        None,
        {},
        {"full_attention": {"rope_type": "yarn", "factor": 3.0}},
        {"sliding_attention": None, "full_attention": {"rope_type": "default", "rope_theta": 4.0}},
        {"full_attention": {"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}},
        {"full_attention": {"rope_type": "dynamic", "factor": 2.0}, "sliding_attention": {"rope_theta": 9.0}},
        {"full_attention": {"rope_type": "default", "partial_rotary_factor": 0.5}},
    )
]
# --- rotary frequencies where all layers slide
config = hf.Gemma3nTextConfig(
    num_hidden_layers=2, layer_types=["sliding_attention"] * 2, num_kv_shared_layers=0, rope_scaling={"rope_type": "yarn"}
)
result = [config.rope_parameters, config.kv_sharing_modes]
# --- rotary frequencies without what they need
result = hf.Gemma3nTextConfig(rope_scaling={"rope_type": "linear"})
# --- no rotary frequencies by a number
result = hf.Gemma3nTextConfig(rope_parameters=5)
# --- odd head size
result = hf.Gemma3nTextConfig(head_dim=7)
# --- odd tiny head size
result = hf.Gemma3nTextConfig(head_dim=3).head_dim
# --- setting rope_scaling
import warnings

config = hf.Gemma3nTextConfig()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    config.rope_scaling = {"full_attention": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1.0}}
result = [config.rope_parameters, config.rope_scaling, [w.category.__name__ for w in caught]]
# --- which layers share keys and values
result = [hf.Gemma3nTextConfig(num_kv_shared_layers=n).kv_sharing_modes for n in (0, 15, 30)]
# --- no layer left that has keys and values
result = hf.Gemma3nTextConfig(num_kv_shared_layers=35).kv_sharing_modes
# --- wrong types
result = []
for name, value in [
    ("hidden_size", "64"), ("hidden_size", 64.0), ("hidden_size", True), ("rms_norm_eps", 1), ("vocab_size", None),
    ("sliding_window", None), ("use_cache", 1), ("eos_token_id", ["1"]), ("eos_token_id", 1.5), ("hidden_activation", 3),
    ("layer_types", "full_attention"), ("attention_dropout", "0"), ("intermediate_size", [1.5] * 35),
]:
    try:
        hf.Gemma3nTextConfig(**{name: value})
        result.append("accepted")
    except Exception as error:
        result.append([type(error).__mro__[-3].__name__, name in str(error)])
# --- accepted types
config = hf.Gemma3nTextConfig(eos_token_id=[1, 106], pad_token_id=None, attention_dropout=1, return_dict=5, dtype=5)
result = [config.eos_token_id, config.pad_token_id, config.attention_dropout, config.return_dict, config.dtype]
# --- wrong type on assignment
config = hf.Gemma3nTextConfig()
config.hidden_size = 12
config.hidden_size = "a"
# --- assignments
config = hf.Gemma3nTextConfig()
config.hidden_size = 12
config.note = "mine"
result = [config.hidden_size, config.note, hf.Gemma3nTextConfig.hidden_size, hasattr(config, "absent"), "note" in config]
# --- hidden size and heads
result = hf.Gemma3nTextConfig(hidden_size=7, num_attention_heads=2)
# --- positional arguments
result = hf.Gemma3nTextConfig(64)
# --- parts as configurations, dicts and None
text = hf.Gemma3nTextConfig(hidden_size=64)
config = hf.Gemma3nConfig(text_config=text, vision_config={"hidden_size": 5}, audio_config=None)
result = [config.text_config is text, config.vision_config.hidden_size, config.audio_config.hidden_size,
          type(config.vision_config).__name__, type(config.audio_config).__name__]
# --- part by a number
result = hf.Gemma3nConfig(text_config=5)
# --- part of another kind
result = hf.Gemma3nConfig(text_config=hf.Gemma3nVisionConfig())
# --- part with a wrong value
result = hf.Gemma3nConfig(text_config={"hidden_size": "a"})
# --- attributes the whole configuration has not
result = [hasattr(hf.Gemma3nConfig(), name) for name in ("hidden_size", "vocab_size", "use_cache", "model_type", "max_length")]
# --- dtypes
result = []
for keywords in ({"dtype": "bfloat16"}, {"torch_dtype": "float16"}, {"dtype": "half"}, {"dtype": "float32", "torch_dtype": "float16"},
                 {}, {"dtype": None}):
    config = hf.Gemma3nTextConfig(**keywords)
    result.append([str(config.dtype).split(".")[-1], config.to_dict()["dtype"], str(config.torch_dtype).split(".")[-1]])
# --- unknown dtype
result = hf.Gemma3nTextConfig(dtype="bfloat17")
# --- the dtype stays where it was given
config = hf.Gemma3nConfig(dtype="bfloat16", text_config={"dtype": "float16"})
result = [config.to_dict()["dtype"], config.text_config.to_dict()["dtype"], config.audio_config.dtype]
# --- dtype overridden on reading
result = [str(hf.Gemma3nTextConfig.from_dict({"dtype": "float32"}, dtype=d).dtype) for d in ("bfloat16", "auto")]
# --- labels
a = hf.Gemma3nTextConfig(num_labels=3)
b = hf.Gemma3nTextConfig(id2label={"0": "cat", "1": "dog"}, label2id={"cat": 0, "dog": 1})
c = hf.Gemma3nTextConfig()
c.num_labels = 4
d = hf.Gemma3nTextConfig(num_labels=5, id2label={0: "a"})
result = [[x.num_labels, x.id2label, x.label2id] for x in (a, b, c, d)]
# --- classification with one label
result = hf.Gemma3nTextConfig(problem_type="single_label_classification", num_labels=1)
# --- labels of the vision configuration
result = [
    hf.Gemma3nVisionConfig(num_classes=5).num_labels,
    hf.Gemma3nVisionConfig(label_names=["a", "b"]).to_dict()["label_names"],
    hf.Gemma3nVisionConfig.from_dict({"num_classes": 3, "label_names": ["x", "y", "z"]}).to_dict(),
    hf.Gemma3nVisionConfig.from_dict({"num_classes": 3, "label_names": ["x", "x", "z"]}).label2id,
    hf.Gemma3nVisionConfig.from_dict({"num_classes": 4}, num_labels=6).to_dict(),
]
for values in (result[2], result[4]):
    values.pop("transformers_version", None)
# --- keywords of generation are dropped
config = hf.Gemma3nTextConfig(max_length=5, temperature=0.5, do_sample=True, num_beams=2, max_new_tokens=7)
result = [hasattr(config, name) for name in ("max_length", "temperature", "do_sample", "num_beams", "max_new_tokens")]
# --- keywords of generation cannot be saved
config = hf.Gemma3nTextConfig()
config.max_length = 5
config.save_pretrained(tmp)
# --- attention implementation
config = hf.Gemma3nConfig(attn_implementation="eager")
result = [config._attn_implementation, config.text_config._attn_implementation]
config._attn_implementation = {"": "sdpa", "text_config": "eager"}
result += [config._attn_implementation, config.text_config._attn_implementation, config.audio_config._attn_implementation]
# --- output_attentions
config = hf.Gemma3nTextConfig(output_attentions=True)
result = [config.output_attentions, config._attn_implementation]
config.output_attentions = True
result += [config._attn_implementation, config.to_dict()["output_attentions"]]
# --- output_attentions of another implementation
result = hf.Gemma3nTextConfig(output_attentions=True, attn_implementation="sdpa")
# --- names
config = hf.Gemma3nTextConfig(name_or_path="somewhere", model_type="other", _commit_hash="a" * 40)
result = [config.name_or_path, config.model_type, config.to_dict()["model_type"], "_commit_hash" in config.to_dict(),
          config.to_dict()["_name_or_path"], "_name_or_path" in config.to_diff_dict()]
# --- older names
config = hf.Gemma3nTextConfig(return_dict=False)
result = [config.use_return_dict, hf.PretrainedConfig is hf.PreTrainedConfig, config.rope_scaling]
# --- setting an older name that cannot be set
result = hf.Gemma3nTextConfig(use_return_dict=False)
# --- text configuration of the whole one
config = hf.Gemma3nConfig()
result = [config.get_text_config() is config.text_config, config.get_text_config(decoder=True) is config.text_config,
          config.get_text_config(encoder=True) is config, config.text_config.get_text_config() is config.text_config]
# --- equality
a, b = hf.Gemma3nTextConfig(), hf.Gemma3nTextConfig(hidden_size=64)
result = [a == hf.Gemma3nTextConfig(), a == b, a != b, a == hf.Gemma3nAudioConfig(), a == a.to_dict(), a == None,
          hf.Gemma3nConfig() == hf.Gemma3nConfig(), hf.Gemma3nConfig(text_config={"hidden_size": 64}) == hf.Gemma3nConfig()]
# --- configurations have no hash
result = hash(hf.Gemma3nTextConfig())
# --- iteration
names = list(hf.Gemma3nTextConfig(extra_one=1))
result = [[n for n in names if not n.startswith("_")], "hidden_size" in names]
# --- update
config = hf.Gemma3nTextConfig()
config.update({"hidden_size": 64, "fresh": 1})
config.update_from_string("num_attention_heads=4,use_cache=false,rms_norm_eps=0.5,hidden_activation=silu")
result = [config.hidden_size, config.fresh, config.num_attention_heads, config.use_cache, config.rms_norm_eps, config.hidden_activation]
# --- update by text of an unknown attribute
hf.Gemma3nTextConfig().update_from_string("absent=4")
# --- update by text of a list
hf.Gemma3nTextConfig().update_from_string("layer_types=4")
# --- update by text with a wrong bool
hf.Gemma3nTextConfig().update_from_string("use_cache=perhaps")
# --- from a dict with overrides
config, unused = hf.Gemma3nConfig.from_dict(
    {"text_config": {"hidden_size": 64, "num_attention_heads": 4}}, text_config={"head_dim": 8}, image_token_id=7, foo=3,
    return_unused_kwargs=True,
)
result = [config.text_config.hidden_size, config.text_config.head_dim, config.image_token_id, unused, hasattr(config, "foo")]
# --- overrides come after derived values
config = hf.Gemma3nTextConfig.from_dict({"hidden_size": 64}, num_hidden_layers=4)
result = [config.num_hidden_layers, len(config.layer_types)]
# --- save and read back
config = hf.Gemma3nConfig(text_config={"hidden_size": 64, "mine": 1}, dtype="bfloat16", other=[1, 2])
config.save_pretrained(tmp)
import json, os

values = json.load(open(os.path.join(tmp, "config.json")))
values.pop("transformers_version", None)
again = hf.Gemma3nConfig.from_pretrained(tmp)
result = [sorted(os.listdir(tmp)), values, again == config, again.other, again.text_config.mine]
# --- read a part out of a whole configuration
result = [cls.from_pretrained(model_dir).to_diff_dict() for cls in (hf.Gemma3nTextConfig, hf.Gemma3nAudioConfig)]
for values in result:
    values.pop("transformers_version", None)
# --- read a checkpoint's configuration
config = hf.Gemma3nConfig.from_pretrained(model_dir)
result = config.to_dict()
result.pop("transformers_version", None)
# --- read a text checkpoint's configuration
config = hf.Gemma3nTextConfig.from_pretrained(text_model_dir, use_cache=False)
result = config.to_dict()
result.pop("transformers_version", None)
# --- read from the file and from JSON
import os

path = os.path.join(model_dir, "config.json")
a, b = hf.Gemma3nConfig.from_pretrained(path), hf.Gemma3nConfig.from_json_file(path)
values, unused = hf.Gemma3nConfig.get_config_dict(model_dir, foo=1)
result = [a == b, a == hf.Gemma3nConfig.from_pretrained(model_dir), a.name_or_path, values["model_type"], unused]
# --- read with overrides
config, unused = hf.Gemma3nConfig.from_pretrained(model_dir, text_config={"sliding_window": 5}, foo=1, return_unused_kwargs=True)
result = [config.text_config.sliding_window, unused, config.text_config.hidden_size]
# --- not JSON
open(tmp + "/config.json", "w").write("{")
hf.Gemma3nConfig.from_pretrained(tmp)
# --- save where a file is
open(tmp + "/file", "w").close()
hf.Gemma3nConfig().save_pretrained(tmp + "/file")
# --- infinities in JSON
config = hf.Gemma3nTextConfig(mine=[float("inf"), -float("inf"), float("nan")])
config.to_json_file(tmp + "/c.json")
again = hf.Gemma3nTextConfig.from_json_file(tmp + "/c.json")
result = ["__float__" in open(tmp + "/c.json").read(), again.mine]
# --- copies
import copy, pickle

config = hf.Gemma3nConfig(dtype="bfloat16", mine={"a": [1]})
a, b = copy.deepcopy(config), pickle.loads(pickle.dumps(config))
a.text_config.hidden_size = 3
result = [a == config, b == config, config.text_config.hidden_size, b.mine, str(b.dtype).split(".")[-1]]
# --- sizes of the audio encoder's convolutions
result = [hf.Gemma3nAudioConfig(sscp_conv_channel_size=[1, 2], sscp_conv_kernel_size=[[1, 2], [3, 4]]).to_dict()[n]
          for n in ("sscp_conv_channel_size", "sscp_conv_kernel_size", "sscp_conv_stride_size")]
# --- three sizes of the audio encoder's convolutions
result = hf.Gemma3nAudioConfig(sscp_conv_channel_size=(1, 2, 3))
# --- wrong sizes of the audio encoder's convolutions
result = hf.Gemma3nAudioConfig(sscp_conv_kernel_size=((1, 2), (3, "a")))
# --- quantization settings are kept
result = [hf.Gemma3nConfig(quantization_config={"bits": 4}).to_dict()["quantization_config"],
          hf.Gemma3nConfig(quantization_config={"bits": 4}).to_diff_dict()["quantization_config"]]
# --- token ids beyond the vocabulary are kept
result = hf.Gemma3nTextConfig(pad_token_id=-1, vocab_size=16).pad_token_id
# --- overrides of names and attentions
config, unused = hf.Gemma3nTextConfig.from_dict(
    {"_name_or_path": "old"}, name_or_path="new", output_attentions=True, num_labels=3, return_unused_kwargs=True)
other = hf.Gemma3nTextConfig.from_dict({}, attn_implementation="sdpa", return_unused_kwargs=True)
result = [config.name_or_path, config._attn_implementation, config.num_labels, unused, other[0]._attn_implementation, other[1]]
# --- setting rope_scaling for all layers
import warnings

warnings.simplefilter("ignore")
config = hf.Gemma3nTextConfig()
config.rope_scaling = {"type": "yarn", "factor": 2.0}
result = [config.rope_parameters, hf.Gemma3nTextConfig(num_hidden_layers=0, num_kv_shared_layers=0).rope_parameters]
