# --- greedy
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir)
x = t("The river", return_tensors="pt")
out = m.generate(**x, max_new_tokens=12, do_sample=False)
result = [out, t.decode(out[0]), t.decode(out[0], skip_special_tokens=True), t.batch_decode(out, skip_special_tokens=True)]
# --- input_ids by position, default length
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
result = m.generate(x["input_ids"], do_sample=False)
# --- max_length counts the prompt
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
result = m.generate(**x, do_sample=False, max_length=9)
# --- max_length below the prompt
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river is long and wide and deep", return_tensors="pt")
m.generate(**x, do_sample=False, max_length=2)
# --- a batch padded on the left, rows end at different times
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir, padding_side="left")
x = t(["The river", "hello there, how are you", "sea"], padding=True, return_tensors="pt")
result = m.generate(**x, max_new_tokens=20, do_sample=False)
# --- a batch without a mask: padding is recognized
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir, padding_side="left")
x = t(["The river", "hello there, how are you"], padding=True, return_tensors="pt")
result = m.generate(x["input_ids"], max_new_tokens=6, do_sample=False)
# --- from nothing
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
result = as_array(m.generate(max_new_tokens=5, do_sample=False))
# --- a dict of results
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
out = m.generate(**x, max_new_tokens=5, do_sample=False, return_dict_in_generate=True, output_scores=True, output_logits=True, output_hidden_states=True)
result = {"keys": list(out.keys()), "type": type(out).__name__, "sequences": out.sequences, "scores": list(out.scores), "logits": list(out.logits),
          "states": [[len(step), step[0], step[-1]] for step in out.hidden_states], "length": out.past_key_values.get_seq_length()}
# --- processed scores and raw logits differ
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
out = m.generate(**x, max_new_tokens=4, do_sample=False, repetition_penalty=1.5, return_dict_in_generate=True, output_scores=True, output_logits=True)
result = [out.sequences, list(out.scores), list(out.logits)]
# --- repetition penalty, n-grams and bad words
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river The river", return_tensors="pt")
result = [m.generate(**x, max_new_tokens=10, do_sample=False, repetition_penalty=1.3),
          m.generate(**x, max_new_tokens=10, do_sample=False, no_repeat_ngram_size=2),
          m.generate(**x, max_new_tokens=10, do_sample=False, bad_words_ids=[[5], [71], [9, 9]])]
# --- least lengths
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
first = int(as_array(m.generate(**x, max_new_tokens=1, do_sample=False))[0, -1])
result = [m.generate(**x, max_new_tokens=6, do_sample=False, eos_token_id=first), m.generate(**x, max_new_tokens=6, do_sample=False, eos_token_id=first, min_new_tokens=3),
          m.generate(**x, max_new_tokens=6, do_sample=False, eos_token_id=first, min_length=8)]
# --- several end tokens
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
tokens = as_array(m.generate(**x, max_new_tokens=8, do_sample=False, eos_token_id=None))[0]
result = m.generate(**x, max_new_tokens=8, do_sample=False, eos_token_id=[int(tokens[-2]), int(tokens[-3])])
# --- stop strings
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir)
x = t("The river", return_tensors="pt")
text = t.decode(m.generate(**x, max_new_tokens=12, do_sample=False, eos_token_id=None)[0, x["input_ids"].shape[1]:])
ascii_part = [c for c in text if c.isascii() and c.isalpha()][3]
result = m.generate(**x, max_new_tokens=12, do_sample=False, eos_token_id=None, stop_strings=[ascii_part], tokenizer=t)
# --- stop strings without a tokenizer
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
m.generate(**x, max_new_tokens=12, stop_strings=["a"])
# --- a GenerationConfig object
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
config = hf.GenerationConfig(max_new_tokens=7, do_sample=False, repetition_penalty=1.2)
result = [m.generate(**x, generation_config=config), config.max_new_tokens, m.generation_config.max_new_tokens]
# --- the model's own generation config is used
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
m.generation_config.max_new_tokens = 3
m.generation_config.do_sample = False
result = m.generate(**x)
# --- an argument nobody knows
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
m.generate(**x, max_new_tokens=3, colour="blue")
# --- impossible values
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
result = []
for options in ({"max_new_tokens": 0}, {"max_new_tokens": -1}, {"do_sample": True, "temperature": -1.0}, 
                {"num_return_sequences": 2, "do_sample": False}, {"do_sample": False, "repetition_penalty": -1.0}):
    try:
        m.generate(**x, **{"max_new_tokens": 3, **options})
        result.append(None)
    except (ValueError, TypeError) as error:
        result.append("refused")
# --- sampling is greedy when one token is left
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
hf.set_seed(1)
result = [m.generate(**x, max_new_tokens=8, do_sample=True, top_k=1), m.generate(**x, max_new_tokens=8, do_sample=True, top_p=1e-6, top_k=0),
          m.generate(**x, max_new_tokens=8, do_sample=True, temperature=1e-4, num_return_sequences=3)]
# --- scores of sampling are warped
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
out = m.generate(**x, max_new_tokens=1, do_sample=True, top_k=5, temperature=0.7, return_dict_in_generate=True, output_scores=True)
result = list(out.scores)
# --- several sequences of one prompt
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)(["The river", "sea is"], return_tensors="pt", padding=True, padding_side="left")
result = list(m.generate(**x, max_new_tokens=4, min_new_tokens=4, do_sample=True, num_return_sequences=3).shape)
# --- a logits processor
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)(["The river", "hello there, how are you"], padding=True, padding_side="left", return_tensors="pt")
shapes = []
class Only(hf.LogitsProcessor):
    def __call__(self, input_ids, scores):
        shapes.append([list(input_ids.shape), list(scores.shape)])
        scores = scores + 0.0
        scores[:, : 50 + len(shapes)] = -float("inf")
        return scores
result = [m.generate(**x, max_new_tokens=5, do_sample=False, eos_token_id=None, logits_processor=hf.LogitsProcessorList([Only()])), shapes]
# --- a stopping criterion for all
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
seen = []
class AfterThree(hf.StoppingCriteria):
    def __call__(self, input_ids, scores, **kwargs):
        seen.append(list(input_ids.shape))
        return len(seen) == 3
result = [m.generate(**x, max_new_tokens=10, do_sample=False, eos_token_id=None, stopping_criteria=hf.StoppingCriteriaList([AfterThree()])), seen]
# --- a stopping criterion per sequence
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)(["The river", "hello there"], padding=True, padding_side="left", return_tensors="pt")
calls = []
def first_stops(input_ids, scores, **kwargs):
    calls.append(1)
    answer = input_ids[:, 0] != input_ids[:, 0]
    answer[0] = len(calls) >= 2
    return answer
result = m.generate(**x, max_new_tokens=5, do_sample=False, eos_token_id=None, stopping_criteria=[first_stops])
# --- allowed tokens
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)(["The river", "hello"], padding=True, padding_side="left", return_tensors="pt")
result = m.generate(**x, max_new_tokens=5, do_sample=False, prefix_allowed_tokens_fn=lambda row, ids: [20 + row, 30 + row, 40 + len(ids)])
# --- suppressed tokens
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river", return_tensors="pt")
free = [int(i) for i in as_array(m.generate(**x, max_new_tokens=4, do_sample=False, eos_token_id=None))[0, -4:]]
result = [free, m.generate(**x, max_new_tokens=4, do_sample=False, eos_token_id=None, suppress_tokens=free),
          m.generate(**x, max_new_tokens=4, do_sample=False, eos_token_id=None, begin_suppress_tokens=free[:1])]
# --- a streamer
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir)
x = t("The river is long", return_tensors="pt")
class Collect(hf.TextStreamer):
    pieces = []
    def on_finalized_text(self, text, stream_end=False):
        self.pieces.append(text)
a, b = Collect(t), Collect(t, skip_prompt=True, skip_special_tokens=True)
a.pieces, b.pieces = [], []
m.generate(**x, max_new_tokens=10, do_sample=False, eos_token_id=None, streamer=a)
m.generate(**x, max_new_tokens=10, do_sample=False, eos_token_id=None, streamer=b)
result = [a.pieces, b.pieces]
# --- an iterator streamer in a thread
import threading
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir)
x = t("The river is long", return_tensors="pt")
s = hf.TextIteratorStreamer(t, skip_prompt=True)
thread = threading.Thread(target=m.generate, kwargs=dict(x, streamer=s, max_new_tokens=8, do_sample=False, eos_token_id=None))
thread.start()
result = "".join(s)
thread.join()
# --- a streamer and a batch
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir)
x = t(["The river", "a b"], padding=True, padding_side="left", return_tensors="pt")
m.generate(**x, max_new_tokens=3, streamer=hf.TextStreamer(t))
# --- static and dynamic caches give the same
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
x = hf.AutoTokenizer.from_pretrained(text_model_dir)("The river is long", return_tensors="pt")
result = [m.generate(**x, max_new_tokens=8, do_sample=False, cache_implementation="static"), m.generate(**x, max_new_tokens=8, do_sample=False, cache_implementation="dynamic"),
          m.generate(**x, max_new_tokens=8, do_sample=False, use_cache=True)]
# --- a conversation that keeps its cache
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir)
cache = hf.DynamicCache(config=m.config)
messages, texts, lengths = [], [], []
for question in ("hello", "and the river?"):
    messages.append({"role": "user", "content": question})
    x = t.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    out = m.generate(**x, max_new_tokens=6, min_new_tokens=6, do_sample=False, past_key_values=cache)
    texts.append(out)
    lengths.append(cache.get_seq_length())
    x_length = x["input_ids"].shape[1]
    messages.append({"role": "assistant", "content": "ok"})
    cache = hf.DynamicCache(config=m.config)
result = [texts, lengths]
# --- going on from a cache
import copy
m = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
t = hf.AutoTokenizer.from_pretrained(text_model_dir)
prefix, whole = t("The river is", return_tensors="pt"), t("The river is long and wide", return_tensors="pt")
cache = hf.DynamicCache(config=m.config)
m(**prefix, past_key_values=cache, use_cache=True)
other = copy.deepcopy(cache)
a = m.generate(**whole, past_key_values=cache, max_new_tokens=6, do_sample=False)
b = m.generate(**whole, past_key_values=other, max_new_tokens=6, do_sample=False)
result = [a, b, m.generate(**whole, max_new_tokens=6, do_sample=False)]
# --- the page's example with a picture
p = hf.AutoProcessor.from_pretrained(model_dir, padding_side="left")
m = hf.Gemma3nForConditionalGeneration.from_pretrained(model_dir, dtype="float32", device_map="auto", attn_implementation="sdpa")
messages = [{"role": "system", "content": [{"type": "text", "text": "You are a helpful assistant."}]},
            {"role": "user", "content": [{"type": "image", "url": image}, {"type": "text", "text": "What is shown in this image?"}]}]
x = p.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True).to(m.device)
out = m.generate(**x, max_new_tokens=16, do_sample=False, cache_implementation="static")
result = [out, p.decode(out[0], skip_special_tokens=True)]
# --- two pictures, a sound, a batch
p = hf.AutoProcessor.from_pretrained(model_dir, padding_side="left")
m = hf.AutoModelForImageTextToText.from_pretrained(model_dir, dtype="float32")
chats = [[{"role": "user", "content": [{"type": "image", "path": image}, {"type": "image", "path": image2}, {"type": "text", "text": "Which?"}]}],
         [{"role": "user", "content": [{"type": "audio", "path": sound}, {"type": "text", "text": "What is said?"}]}]]
x = p.apply_chat_template(chats, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True, padding=True)
result = m.generate(**x, max_new_tokens=8, do_sample=False)
# --- media go on from a cache
p = hf.AutoProcessor.from_pretrained(model_dir)
m = hf.AutoModelForImageTextToText.from_pretrained(model_dir, dtype="float32")
x = p.apply_chat_template([{"role": "user", "content": [{"type": "image", "path": image}, {"type": "text", "text": "What?"}]}],
                          tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True)
out = m.generate(**x, max_new_tokens=5, do_sample=False, return_dict_in_generate=True, output_logits=True)
result = [out.sequences, list(out.logits), out.past_key_values.get_seq_length()]
# --- generate with a class that has no head
m = hf.Gemma3nModel.from_pretrained(model_dir, dtype="float32")
try:
    m.generate(max_new_tokens=1)
    result = "generated"
except (AttributeError, TypeError):
    result = "refused"
