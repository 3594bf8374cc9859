# --- logits, loss and hidden states of a text model
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32", attn_implementation="eager")
ids = hf.AutoTokenizer.from_pretrained(text_model_dir)(["hello there, river", "the sea"], padding=True, padding_side="right", return_tensors="pt")
keep = as_array(ids["attention_mask"]) == 1
labels = ids["input_ids"].clone()
labels[ids["attention_mask"] == 0] = -100
out = m(**ids, labels=labels, output_hidden_states=True)
result = {
    "keys": list(out.keys()), "loss": out.loss, "logits": as_array(out.logits)[keep], "hidden": len(out.hidden_states),
    "first": as_array(out.hidden_states[0])[:, keep], "last": as_array(out.hidden_states[-1])[:, keep],
    "length": out.past_key_values.get_seq_length(), "type": type(out).__name__,
}
# --- logits_to_keep, return_dict=False and no cache
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32").eval()
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("hello there", return_tensors="pt").input_ids
a = m(x, logits_to_keep=1, use_cache=False)
b = m(x, logits_to_keep=2, use_cache=False, return_dict=False)
result = [list(a.keys()), a.logits, len(b), b[0], a[0], a["logits"], a.past_key_values, a.loss]
# --- a cache handed from call to call
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("the river is long and the sea is wide", return_tensors="pt").input_ids
cache = hf.DynamicCache(config=m.config) if hasattr(hf, "DynamicCache") else None
lengths = [cache.get_seq_length()]
parts = []
for part in (x[:, :3], x[:, 3:4], x[:, 4:]):
    parts.append(as_array(m(part, past_key_values=cache, use_cache=True).logits))
    lengths.append(cache.get_seq_length())
result = [lengths, np.concatenate(parts, axis=1), m(x).logits]
# --- a static cache
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("the river", return_tensors="pt").input_ids
cache = hf.StaticCache(config=m.config, max_cache_len=32)
out = m(x, past_key_values=cache)
result = [int(cache.get_seq_length()), as_array(out.logits)]
# --- both or none of input_ids and inputs_embeds
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32")
m()
# --- position_ids
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("the river is", return_tensors="pt").input_ids
positions = x.clone()
positions[0] = positions[0] * 0 + 3
result = m(x, position_ids=positions).logits
# --- inputs_embeds with and without per-layer inputs
m = hf.Gemma3nTextModel.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("the river is", return_tensors="pt").input_ids
embeds, per_layer = m.get_input_embeddings()(x), m.get_per_layer_inputs(x)
result = [embeds, per_layer, m(inputs_embeds=embeds).last_hidden_state,
          m(inputs_embeds=embeds, per_layer_inputs=per_layer).last_hidden_state, m(x).last_hidden_state]
# --- the text model alone: keys and shapes
m = hf.AutoModel.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("the river is", return_tensors="pt").input_ids
out = m(x, output_hidden_states=True)
result = [type(m).__name__, type(out).__name__, list(out.keys()), out.last_hidden_state, len(out.hidden_states), m.config.num_hidden_layers]
# --- one token
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("", return_tensors="pt").input_ids
result = [list(x.shape), m(x).logits]
# --- a batch of five, padded on the left
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir, padding_side="left")
x = t(["a", "the river", "hello there, how are you", "", "The sea is wide and deep, is it not?"], padding=True, return_tensors="pt")
logits = as_array(m(**x).logits)
result = [list(x["input_ids"].shape), logits[as_array(x["attention_mask"]) == 1]]
# --- num_parameters
w = hf.Gemma3nForConditionalGeneration.from_pretrained(model_dir)
c = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir)
result = [w.num_parameters(), w.model.num_parameters(), c.num_parameters(), c.num_parameters(exclude_embeddings=True),
          w.model.language_model.num_parameters()]
# --- what a model says of itself
m = hf.Gemma3nForConditionalGeneration.from_pretrained(model_dir, dtype="float32", device_map="cpu")
result = [str(m.device), str(m.dtype).split(".")[-1], m.can_generate(), m.model.can_generate(), m.main_input_name, m.base_model_prefix,
          type(m.model).__name__, type(m.model.language_model).__name__, m.name_or_path == model_dir, type(m.config).__name__,
          m.config.text_config.num_hidden_layers, m.generation_config.top_k, m.generation_config.eos_token_id, m.training,
          type(m.get_decoder()).__name__, type(m.base_model).__name__]
# --- eval, to and the dtype return the model itself
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, torch_dtype="float32")
result = [m.eval() is m, m.to("cpu") is m, m.requires_grad_(False) is m, m.float() is m]
# --- Auto classes
result = [type(hf.AutoModelForCausalLM.from_pretrained(model_dir)).__name__, type(hf.AutoModelForCausalLM.from_pretrained(text_model_dir)).__name__,
          type(hf.AutoModelForImageTextToText.from_pretrained(model_dir)).__name__, type(hf.AutoModel.from_pretrained(model_dir)).__name__,
          type(hf.AutoModelForMultimodalLM.from_pretrained(model_dir)).__name__, type(hf.AutoConfig.from_pretrained(model_dir)).__name__,
          type(hf.AutoConfig.from_pretrained(text_model_dir)).__name__, type(hf.AutoProcessor.from_pretrained(model_dir)).__name__]
# --- an Auto class for pictures refuses a text model
hf.AutoModelForImageTextToText.from_pretrained(text_model_dir)
# --- AutoModel cannot be made without a checkpoint
hf.AutoModel()
# --- a folder that is not there
try:
    hf.Gemma3nForCausalLM.from_pretrained("./no/such/folder")
except OSError:
    result = "OSError"
# --- an unknown attention implementation
hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, attn_implementation="telepathy")
# --- a picture and a text: forward
p = hf.AutoProcessor.from_pretrained(model_dir)
m = hf.Gemma3nForConditionalGeneration.from_pretrained(model_dir, dtype="float32")
x = p.apply_chat_template([{"role": "user", "content": [{"type": "image", "path": image}, {"type": "text", "text": "What is this?"}]}],
                          tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True)
out = m(**x)
result = [type(out).__name__, list(out.keys()), out.logits, out.image_hidden_states, out.audio_hidden_states]
# --- two pictures and a sound: forward without a head
p = hf.AutoProcessor.from_pretrained(model_dir)
m = hf.Gemma3nModel.from_pretrained(model_dir, dtype="float32")
x = p.apply_chat_template([{"role": "user", "content": [{"type": "image", "path": image}, {"type": "text", "text": "and"}, {"type": "image", "path": image2},
                           {"type": "audio", "path": sound}]}], tokenize=True, return_dict=True, return_tensors="pt")
out = m(**x)
result = [type(out).__name__, list(out.keys()), out.last_hidden_state, out.image_hidden_states, out.audio_hidden_states]
# --- get_image_features
p = hf.AutoProcessor.from_pretrained(model_dir)
m = hf.Gemma3nForConditionalGeneration.from_pretrained(model_dir, dtype="float32")
x = p.image_processor([hf.image_utils.load_image(image) if hasattr(hf, "image_utils") else hf.load_image(image)], return_tensors="pt")
out = m.get_image_features(x["pixel_values"])
result = [list(out.keys()), out.last_hidden_state, out.pooler_output]
# --- get_audio_features
p = hf.AutoProcessor.from_pretrained(model_dir)
m = hf.Gemma3nModel.from_pretrained(model_dir, dtype="float32")
wave = np.sin(np.arange(9000) * 0.05).astype(np.float32)
x = p.feature_extractor([wave, wave[:4000]], return_tensors="pt")
mask = as_array(x["input_features_mask"]).astype(bool)
inverted = x["input_features_mask"] == 0
out = m.get_audio_features(x["input_features"], inverted)
sound_there = ~as_array(out.audio_mel_mask)
result = [list(out.keys()), as_array(out.pooler_output)[sound_there], as_array(out.last_hidden_state)[sound_there], out.audio_mel_mask]
# --- more placeholders than pictures
m = hf.Gemma3nForConditionalGeneration.from_pretrained(model_dir, dtype="float32")
p = hf.AutoProcessor.from_pretrained(model_dir)
x = p(images=[image], text="<image_soft_token> hello", return_tensors="pt")
x["input_ids"][0, -1] = m.config.image_token_id
m(**x)
# --- the placeholder masks
m = hf.Gemma3nForConditionalGeneration.from_pretrained(model_dir, dtype="float32")
c = m.config
x = hf.AutoTokenizer.from_pretrained(model_dir)("abc", return_tensors="pt").input_ids
x[0, 0], x[0, 1] = c.image_token_id, c.audio_token_id
embeds = m.get_input_embeddings()(x)
masks = m.model.get_placeholder_mask(x, inputs_embeds=embeds)
result = [as_array(mask) for mask in masks]
# --- saved and opened again: whole model
m = hf.Gemma3nForConditionalGeneration.from_pretrained(model_dir, dtype="float32")
m.save_pretrained(tmp)
again = hf.AutoModelForImageTextToText.from_pretrained(tmp, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(model_dir)("the river is", return_tensors="pt").input_ids
result = [m(x).logits, again(x).logits, type(again).__name__]
# --- saved and opened again: text model without a head, from one with a head
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32")
m.model.save_pretrained(tmp)
again = hf.Gemma3nTextModel.from_pretrained(tmp, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("the river is", return_tensors="pt").input_ids
result = again(x).last_hidden_state
# --- the text model of a whole checkpoint
m = hf.Gemma3nForConditionalGeneration.from_pretrained(model_dir, dtype="float32").model.language_model
x = hf.AutoTokenizer.from_pretrained(model_dir)("the river is", return_tensors="pt").input_ids
result = [type(m.config).__name__, m(x).last_hidden_state]
# --- labels that are ignored, and none that count
m = hf.Gemma3nForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("the river is long", return_tensors="pt").input_ids
some = x.clone()
some[0, :3] = -100
none = x.clone()
none[0, :] = -100
result = [m(x, labels=some).loss, m(x, labels=none).loss, m(x, labels=x)[0]]
