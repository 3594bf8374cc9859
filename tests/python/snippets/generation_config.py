# --- defaults
result = hf.GenerationConfig().to_dict()
result.pop("transformers_version", None)
# --- default attributes
config = hf.GenerationConfig()
result = [config.max_length, config.do_sample, config.temperature, config.top_k, config.num_beams, config.use_cache, config.eos_token_id]
# --- what was given
config = hf.GenerationConfig(max_new_tokens=5, do_sample=True, top_k=3, eos_token_id=[1, 106], bad_words_ids=[[5]], mine={"a": 1})
result = [config.to_diff_dict(), config.to_dict()]
for values in result:
    values.pop("transformers_version", None)
# --- JSON text
config = hf.GenerationConfig(max_new_tokens=5, sequence_bias={(1, 2): -1.0}, mine=[1])
texts = [config.to_json_string(), config.to_json_string(use_diff=False), config.to_json_string(ignore_metadata=True),
         config.to_json_string(keys_to_pop=["mine"]), repr(config)]
result = ["\n".join(line.rstrip(",") for line in text.split("\n") if "transformers_version" not in line) for text in texts]
# --- no new tokens
result = hf.GenerationConfig(max_new_tokens=0)
# --- early stopping
result = [hf.GenerationConfig(early_stopping=v, num_beams=2).early_stopping for v in (True, False, None, "never")]
# --- wrong early stopping
result = hf.GenerationConfig(early_stopping="maybe")
# --- several sequences of greedy search
result = hf.GenerationConfig(num_return_sequences=2)
# --- several sequences
result = [hf.GenerationConfig(num_return_sequences=2, do_sample=True).num_return_sequences,
          hf.GenerationConfig(num_return_sequences=2, num_beams=2).num_return_sequences]
# --- more sequences than beams
result = hf.GenerationConfig(num_return_sequences=3, num_beams=2)
# --- wrong cache
result = hf.GenerationConfig(cache_implementation="round")
# --- caches
result = [hf.GenerationConfig(cache_implementation=c).cache_implementation
          for c in ("static", "dynamic", "offloaded", "quantized", "hybrid", "sliding_window", "offloaded_static", "paged")]
# --- wrong compile configuration
result = hf.GenerationConfig(compile_config={"mode": "x"})
# --- compile configuration
config = hf.GenerationConfig(compile_config=hf.CompileConfig(dynamic=True))
config.save_pretrained(tmp)
result = [config.compile_config.to_dict(), "compile_config" in open(tmp + "/generation_config.json").read(),
          "fullgraph" in config.to_json_string()]
# --- forced and suppressed tokens
result = hf.GenerationConfig(forced_eos_token_id=5, suppress_tokens=[4, 5])
# --- forced tokens of which some are suppressed
result = hf.GenerationConfig(forced_eos_token_id=[5, 6], suppress_tokens=[4, 5]).forced_eos_token_id
# --- arguments of generate
result = []
for name in ("logits_processor", "stopping_criteria", "streamer", "assistant_model", "prefix_allowed_tokens_fn"):
    try:
        hf.GenerationConfig(**{name: None})
    except ValueError as error:
        result.append(name in str(error))
# --- strict checks
result = []
for keywords in ({"temperature": 0.5}, {"top_k": 5}, {"top_p": 0.5}, {"min_p": 0.1}, {"length_penalty": 2.0}, {"early_stopping": True},
                 {"output_scores": True}, {"use_cache": False, "cache_implementation": "static"}, {"pad_token_id": -1},
                 {"temperature": 1.0, "top_k": 50, "top_p": 1.0, "length_penalty": 1.0}, {"temperature": 0.5, "do_sample": True},
                 {"epsilon_cutoff": 0.1}, {"eta_cutoff": 0.0}, {"typical_p": 0.3, "do_sample": False}):
    config = hf.GenerationConfig(**keywords)
    config.validate()
    try:
        config.validate(strict=True)
        result.append("valid")
    except ValueError as error:
        result.append(next(iter(keywords)) in str(error))
# --- strict checks of what others chose
config = hf.GenerationConfig(do_sample=False, top_k=5, num_beams=1, length_penalty=2.0)
config.validate(strict=True, user_set_attributes={"do_sample", "num_beams"})
result = "valid"
# --- strict checks of what the caller chose
config = hf.GenerationConfig(do_sample=False, top_k=5)
config.validate(strict=True, user_set_attributes={"do_sample", "top_k"})
# --- invalid values are not saved
hf.GenerationConfig(temperature=0.5).save_pretrained(tmp)
# --- invalid values are saved as they were loaded
open(tmp + "/generation_config.json", "w").write('{"temperature": 0.5}')
config = hf.GenerationConfig.from_pretrained(tmp)
config.save_pretrained(tmp + "/again")
result = "0.5" in open(tmp + "/again/generation_config.json").read()
# --- save and read back
import json, os

config = hf.GenerationConfig(max_new_tokens=5, eos_token_id=[1, 2], stop_strings=["a"], mine=3)
config.save_pretrained(tmp)
config.save_pretrained(tmp, "other.json")
values = json.load(open(tmp + "/generation_config.json"))
values.pop("transformers_version", None)
again = hf.GenerationConfig.from_pretrained(tmp)
result = [sorted(os.listdir(tmp)), values, again == config, again.mine, hf.GenerationConfig.from_pretrained(tmp, "other.json") == config]
# --- nothing to read
try:
    hf.GenerationConfig.from_pretrained(tmp)
except OSError as error:
    result = "generation_config.json" in str(error)
# --- not JSON
open(tmp + "/generation_config.json", "w").write("{")
hf.GenerationConfig.from_pretrained(tmp)
# --- save where a file is
open(tmp + "/file", "w").close()
hf.GenerationConfig().save_pretrained(tmp + "/file")
# --- read with overrides
hf.GenerationConfig(max_new_tokens=5, top_k=3, do_sample=True).save_pretrained(tmp)
config, unused = hf.GenerationConfig.from_pretrained(tmp, top_k=7, foo=False, return_unused_kwargs=True)
result = [config.top_k, config.max_new_tokens, unused, hasattr(config, "foo")]
# --- from a dict
config, unused = hf.GenerationConfig.from_dict({"max_length": 5, "a": 1}, max_length=6, b=2, return_unused_kwargs=True)
result = [config.max_length, config.a, unused]
# --- a checkpoint's generation configuration
result = hf.GenerationConfig.from_pretrained(model_dir).to_dict()
result.pop("transformers_version", None)
# --- from a model's configuration
result = []
for config in (hf.Gemma3nConfig(), hf.Gemma3nTextConfig(eos_token_id=[1, 106], use_cache=False), hf.Gemma3nConfig(text_config={"pad_token_id": 3}).to_dict(),
               hf.Gemma3nTextConfig(output_hidden_states=True)):
    values = hf.GenerationConfig.from_model_config(config).to_dict()
    values.pop("transformers_version", None)
    result.append(values)
# --- update
config = hf.GenerationConfig(max_length=5)
result = [config.update(max_length=6, top_k=4, foo=1), config.max_length, config.top_k, hasattr(config, "foo")]
# --- update only what nobody chose
config = hf.GenerationConfig(max_length=5)
result = [config.update(defaults_only=True, max_length=6, do_sample=True), config.max_length, config.do_sample]
# --- update with new names
config = hf.GenerationConfig()
result = [config.update(allow_custom_entries=True, foo=1, max_length=3), config.foo, config.max_length]
# --- update with a wrong value
hf.GenerationConfig().update(max_new_tokens=-1)
# --- equality
a = hf.GenerationConfig(max_length=5)
result = [a == hf.GenerationConfig(max_length=5), a == hf.GenerationConfig(max_length=6), a != hf.GenerationConfig(max_length=6),
          a == a.to_dict(), hash(a) == hash(hf.GenerationConfig(max_length=5)), a == hf.GenerationConfig(max_length=5, mine=1)]
# --- copies
import copy, pickle

a = hf.GenerationConfig(max_length=5, mine=[1])
b = copy.deepcopy(a)
b.mine.append(2)
result = [a == b, a.mine, pickle.loads(pickle.dumps(a)) == a]
# --- modes of generation
modes = []
for keywords in ({}, {"do_sample": True}, {"num_beams": 2}, {"num_beams": 2, "do_sample": True}, {"penalty_alpha": 0.5, "top_k": 4},
                 {"num_beams": 4, "num_beam_groups": 2}, {"prompt_lookup_num_tokens": 3}, {"dola_layers": "low"}, {"force_words_ids": [[1]]},
                 {"num_beams": 2, "prompt_lookup_num_tokens": 3}, {"assistant_early_exit": 2, "do_sample": True}):
    modes.append(hf.GenerationConfig(**keywords).get_generation_mode().value)
result = [modes, hf.GenerationConfig().get_generation_mode(assistant_model=object()).value]
# --- watermark
config = hf.GenerationConfig(watermarking_config={"bias": 3.0})
result = [config.watermarking_config.to_dict(), config.to_json_string(ignore_metadata=True)]
# --- wrong watermark
hf.GenerationConfig(watermarking_config={"greenlist_ratio": 2.0})
# --- watermark with an unknown value
hf.GenerationConfig(watermarking_config={"colour": 1})
# --- ensemble weight of an assistant
hf.GenerationConfig(assistant_ensemble_weight=1.0)
# --- keywords of a model's configuration are not copied
config = hf.GenerationConfig(_from_model_config=True, hidden_size=5, max_length=7)
result = [hasattr(config, "hidden_size"), config.max_length]
