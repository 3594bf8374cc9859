# --- one text
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
encoded = tokenizer("The river is long, é中 and slow.")
result = dict(encoded)

# --- class and alias
tokenizer = hf.GemmaTokenizer.from_pretrained(text_model_dir)
result = [type(tokenizer).__name__, tokenizer("hello").input_ids, hf.GemmaTokenizerFast.from_pretrained(text_model_dir)("hello").input_ids]

# --- empty texts
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = [dict(tokenizer("")), dict(tokenizer([""])), dict(tokenizer("", add_special_tokens=False)),
          as_array(tokenizer("", return_tensors="np")["input_ids"])]

# --- empty batch
result = hf.AutoTokenizer.from_pretrained(model_dir)([])

# --- no text
result = hf.AutoTokenizer.from_pretrained(model_dir)()

# --- a number as text
result = hf.AutoTokenizer.from_pretrained(model_dir)(5)

# --- a list of numbers as text
result = hf.AutoTokenizer.from_pretrained(model_dir)([1, 2])

# --- half a surrogate pair
result = hf.AutoTokenizer.from_pretrained(model_dir)("a\ud800")

# --- white space and newlines
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = [tokenizer(t).input_ids for t in [" ", "   a  b ", "\n", "\n\n\n\n\n", "\t", "a\r\nb", "\u2581", "\u3000"]]

# --- special tokens in the text
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
text = "<bos>a<start_of_turn>user\nhi <end_of_turn><image_soft_token><eos> <unk> <bo"
result = [tokenizer(text).input_ids, tokenizer.tokenize(text), tokenizer.encode(text, add_special_tokens=False)]

# --- batch of five, padded on the left
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
texts = ["a", "the river", "", "How many apples are in the basket?", "x y z"]
result = [{k: as_array(v) for k, v in tokenizer(texts, padding=True, return_tensors="pt").items()},
          dict(tokenizer(texts)), dict(tokenizer(texts, padding="longest", padding_side="right"))]

# --- tensors of one text
tokenizer = hf.AutoTokenizer.from_pretrained(text_model_dir)
encoded = tokenizer("the boat", return_tensors="pt")
result = [as_array(encoded["input_ids"]), as_array(encoded.attention_mask), list(encoded.keys()), tuple(encoded.input_ids.shape)]

# --- ragged torch tensor
result = hf.AutoTokenizer.from_pretrained(model_dir)(["a", "the river"], return_tensors="pt")

# --- tensors of an unknown kind
result = hf.AutoTokenizer.from_pretrained(model_dir)("a", return_tensors="jax")

# --- padding to max_length and to a multiple
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = [dict(tokenizer("the river", padding="max_length", max_length=9)),
          dict(tokenizer(["the river", "a"], padding=True, pad_to_multiple_of=8)),
          dict(tokenizer("the river", padding="max_length")),
          dict(tokenizer("the river", padding="max_length", max_length=9, pad_to_multiple_of=4)),
          dict(tokenizer("the river is long", padding="max_length", max_length=3))]

# --- padding of an unknown kind
result = hf.AutoTokenizer.from_pretrained(model_dir)("a", padding="always")

# --- padding without a pad token
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
tokenizer.pad_token = None
result = tokenizer(["a", "the river"], padding=True)

# --- truncation
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
text = "The user asks a question and the model gives an answer."
result = [tokenizer(text, max_length=n, truncation=True).input_ids for n in (1, 2, 5, 100)]
result += [tokenizer(text, max_length=4).input_ids, tokenizer(text, max_length=4, truncation=False).input_ids,
           tokenizer(text, truncation=True).input_ids, tokenizer(text, truncation="only_first", max_length=4).input_ids]

# --- truncation on the left
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir, truncation_side="left")
result = [tokenizer.truncation_side, tokenizer("the river is long and slow", max_length=4, truncation=True).input_ids]

# --- truncation and padding together
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = dict(tokenizer(["a", "the river is long and slow"], max_length=5, truncation=True, padding="max_length",
                        return_tensors="np", return_length=True))

# --- truncation to no multiple
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = tokenizer("the river", max_length=5, truncation=True, padding=True, pad_to_multiple_of=4)

# --- model_max_length
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir, model_max_length=6)
result = [tokenizer.model_max_length, tokenizer.max_len_single_sentence, tokenizer.max_len_sentences_pair,
          tokenizer("the river is long and slow", truncation=True).input_ids, tokenizer("a", padding="max_length").input_ids,
          tokenizer("the river is long and slow").input_ids]

# --- windows of a long text
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
text = "the river is long and slow in the summer"
result = [dict(tokenizer(text, max_length=8, stride=s, truncation=True, return_overflowing_tokens=True)) for s in (0, 2)]
result.append(dict(tokenizer(["a", text], max_length=8, truncation=True, return_overflowing_tokens=True, padding=True,
                             return_tensors="np")))

# --- pairs
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = [dict(tokenizer("the river", "a boat", return_token_type_ids=True)),
          dict(tokenizer(["a", "b"], ["c d", "e"], padding=True, return_token_type_ids=True)),
          dict(tokenizer([("a", "b"), ("c", "d e")])), tokenizer.encode("a", "b")]

# --- pairs cut to length
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
first, second = "the river is long and slow", "the boat"
result = [tokenizer(first, second, max_length=n, truncation=t).input_ids
          for n in (6, 9) for t in (True, "longest_first", "only_first")]
result += [tokenizer(second, first, max_length=n, truncation=True).input_ids for n in (3, 4, 5, 7, 10, 12)]
result += [tokenizer(second, first, max_length=n, truncation="only_second").input_ids for n in (9, 12)]

# --- pairs of different number
result = hf.AutoTokenizer.from_pretrained(model_dir)(["a", "b"], ["c"])

# --- a pair of a batch and a text
result = hf.AutoTokenizer.from_pretrained(model_dir)(["a", "b"], "c")

# --- words
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
encoded = tokenizer(["the", "river bed", "<eos>", "é"], is_split_into_words=True)
result = [dict(encoded), encoded.word_ids(), encoded.tokens(),
          dict(tokenizer([["a", "b"], ["the river"]], is_split_into_words=True, padding=True))]

# --- targets
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = [dict(tokenizer("a b", text_target="the river")), dict(tokenizer(text_target="the"))]

# --- masks, lengths and offsets
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
encoded = tokenizer("a <start_of_image> é中 x\n\ny", return_special_tokens_mask=True, return_offsets_mapping=True,
                    return_length=True, return_token_type_ids=True)
result = [dict(encoded), encoded.word_ids(), encoded.sequence_ids(), encoded.tokens(), encoded.char_to_token(3),
          encoded.char_to_token(2), encoded.is_fast, encoded.n_sequences]

# --- offsets of a padded batch
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
encoded = tokenizer(["the river", "a"], padding=True, return_offsets_mapping=True, return_special_tokens_mask=True,
                    return_attention_mask=False)
result = [dict(encoded), encoded.tokens(1), encoded[1].ids, encoded[1].attention_mask, encoded.char_to_token(0, 5)]

# --- encode
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = [tokenizer.encode("hello"), as_array(tokenizer.encode("hello", return_tensors="pt")), tokenizer.encode(["a", "b c"]),
          tokenizer.encode("hello there", max_length=3, truncation=True), tokenizer.encode("a", padding="max_length", max_length=4)]

# --- tokenize
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = [tokenizer.tokenize("The river!"), tokenizer.tokenize("a", add_special_tokens=True), tokenizer.tokenize("")]

# --- decode
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
ids = tokenizer("The river <end_of_turn>\n é <mask>").input_ids
result = [tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=True), tokenizer.decode(np.array(ids)),
          tokenizer.decode([ids, ids[:3]]), tokenizer.decode(ids[1]), tokenizer.decode([]), tokenizer.decode(tuple(ids[:4])),
          tokenizer.decode(np.array([ids[:4], ids[4:8]])), tokenizer.decode(ids, clean_up_tokenization_spaces=True)]

# --- decode what has no token
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
byte = tokenizer.convert_tokens_to_ids("<0xC3>")
result = [tokenizer.decode([402, 403, 10**6]), tokenizer.decode([byte, byte, 300]), tokenizer.decode([byte]), tokenizer.decode([300, byte])]

# --- decode a negative id
result = hf.AutoTokenizer.from_pretrained(model_dir).decode([-100])

# --- decode text
result = hf.AutoTokenizer.from_pretrained(model_dir).decode("hello")

# --- batch_decode
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
encoded = tokenizer(["the river", "a"], padding=True, return_tensors="pt")
result = [tokenizer.batch_decode(encoded["input_ids"]), tokenizer.batch_decode(encoded.input_ids, skip_special_tokens=True),
          tokenizer.batch_decode([2, 300]), tokenizer.batch_decode([[2], []]), tokenizer.batch_decode([])]

# --- pieces and ids
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = [tokenizer.convert_tokens_to_ids("<bos>"), tokenizer.convert_tokens_to_ids(["a", "nothing like it", "<0x0A>"]),
          tokenizer.convert_ids_to_tokens(2), tokenizer.convert_ids_to_tokens([2, 7, 300, 10**6]),
          tokenizer.convert_ids_to_tokens([2, 300, 1], skip_special_tokens=True), tokenizer.convert_ids_to_tokens(10**6),
          tokenizer.convert_tokens_to_string(["\u2581the", "\u2581", "<0xC3>", "<0xA9>", "<0xC3>", "x"])]

# --- the vocabulary
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
vocab = tokenizer.get_vocab()
result = [tokenizer.vocab_size, len(tokenizer), len(vocab), dict(sorted(vocab.items(), key=lambda e: e[1])),
          tokenizer.vocab["<eos>"], tokenizer.get_added_vocab(), tokenizer.added_tokens_encoder, bool(tokenizer)]

# --- added tokens
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = {i: [str(t), t.special, t.normalized, t.lstrip, t.rstrip, t.single_word, repr(t)]
          for i, t in tokenizer.added_tokens_decoder.items()}

# --- special tokens by name
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
names = ["bos", "eos", "unk", "pad", "mask", "sep", "cls", "image", "audio", "boi", "eoi", "boa", "eoa"]
result = [[getattr(tokenizer, n + "_token"), getattr(tokenizer, n + "_token_id")] for n in names]
result += [tokenizer.all_special_tokens, tokenizer.all_special_ids, tokenizer.special_tokens_map, tokenizer.extra_special_tokens,
           tokenizer.pad_token_type_id, tokenizer.num_special_tokens_to_add(), tokenizer.num_special_tokens_to_add(pair=True)]

# --- an unknown attribute
result = hf.AutoTokenizer.from_pretrained(model_dir).sound_token_id

# --- attributes
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = [tokenizer.padding_side, tokenizer.truncation_side, tokenizer.model_input_names, tokenizer.is_fast, tokenizer.chat_template,
          tokenizer.add_bos_token, tokenizer.add_eos_token, tokenizer.name_or_path == model_dir, tokenizer.clean_up_tokenization_spaces,
          tokenizer.model_max_length > 10**20]

# --- the pad token is set
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
tokenizer.pad_token = tokenizer.eos_token
result = [tokenizer.pad_token, tokenizer.pad_token_id, tokenizer(["a", "the river"], padding=True).input_ids]
tokenizer.pad_token_id = 0
tokenizer.padding_side = "right"
result += [tokenizer.pad_token, tokenizer(["a", "the river"], padding=True).input_ids]

# --- the pad token is set to a number
hf.AutoTokenizer.from_pretrained(model_dir).pad_token = 3
result = None

# --- options of from_pretrained
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir, padding_side="right", pad_token="<unk>", model_max_length=17)
result = [tokenizer.padding_side, tokenizer.pad_token_id, tokenizer.model_max_length, dict(tokenizer(["a", "the river"], padding=True))]

# --- a wrong padding side
result = hf.AutoTokenizer.from_pretrained(model_dir, padding_side="top")

# --- saved and loaded
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir, padding_side="right")
tokenizer.pad_token = "<eos>"
files = tokenizer.save_pretrained(tmp)
again = hf.AutoTokenizer.from_pretrained(tmp)
result = [sorted(f.split("/")[-1] for f in files), again("the river <eos>").input_ids, again.padding_side, again.pad_token_id,
          again.chat_template == tokenizer.chat_template, again.special_tokens_map]

# --- copied and pickled
import copy, pickle
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
tokenizer.padding_side = "right"
other, third = copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))
tokenizer.pad_token = "<eos>"
result = [[t.padding_side, t.pad_token, t("the river").input_ids] for t in (tokenizer, other, third)]

# --- pad
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
rows = [{"input_ids": [2, 300]}, {"input_ids": [2, 300, 301, 302]}]
masked = [dict(r, attention_mask=[1] * len(r["input_ids"]), token_type_ids=[1] * len(r["input_ids"])) for r in rows]
result = [dict(tokenizer.pad(rows)), dict(tokenizer.pad(masked, padding_side="right")),
          {k: as_array(v) for k, v in tokenizer.pad(masked, return_tensors="pt", pad_to_multiple_of=8).items()},
          dict(tokenizer.pad({"input_ids": [2, 300]}, padding="max_length", max_length=4)),
          dict(tokenizer.pad(tokenizer(["a", "the river"]), return_attention_mask=False)),
          {k: as_array(v) for k, v in tokenizer.pad({"input_ids": [np.array([2, 3]), np.array([2])]}).items()}]

# --- pad without ids
result = hf.AutoTokenizer.from_pretrained(model_dir).pad([{"ids": [1, 2]}])

# --- special tokens mask of ids
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
result = tokenizer.get_special_tokens_mask([2, 5, 300, 1], already_has_special_tokens=True)

# --- a chat
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
chat = [{"role": "system", "content": "Be short."}, {"role": "user", "content": " Where is the boat? "},
        {"role": "assistant", "content": "On the sea."}, {"role": "user", "content": [{"type": "text", "text": "Why?"}]}]
result = [tokenizer.apply_chat_template(chat, tokenize=False), dict(tokenizer.apply_chat_template(chat)),
          tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False),
          {k: as_array(v) for k, v in tokenizer.apply_chat_template(chat, return_tensors="pt").items()},
          as_array(tokenizer.apply_chat_template(chat, return_tensors="np", return_dict=False))]

# --- chats of a batch
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
chats = [[{"role": "user", "content": "hello"}], [{"role": "user", "content": "how many apples?"}, {"role": "assistant", "content": "seven"}]]
result = [tokenizer.apply_chat_template(chats, tokenize=False), dict(tokenizer.apply_chat_template(chats)),
          dict(tokenizer.apply_chat_template(chats, padding=True, return_tensors="np", add_generation_prompt=True)),
          dict(tokenizer.apply_chat_template(chats, padding="max_length", truncation=True, max_length=7))]

# --- a chat to continue
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
chat = [{"role": "user", "content": "count"}, {"role": "assistant", "content": "one two "}]
blocks = [{"role": "user", "content": "count"}, {"role": "assistant", "content": [{"type": "text", "text": "one"}]}]
result = [tokenizer.apply_chat_template(chat, continue_final_message=True, tokenize=False),
          tokenizer.apply_chat_template(blocks, continue_final_message=True, tokenize=False),
          tokenizer.apply_chat_template(chat, continue_final_message="content", return_dict=False)]

# --- a chat both to continue and to answer
chat = [{"role": "user", "content": "count"}]
result = hf.AutoTokenizer.from_pretrained(model_dir).apply_chat_template(chat, continue_final_message=True, add_generation_prompt=True)

# --- an empty chat
result = hf.AutoTokenizer.from_pretrained(model_dir).apply_chat_template([])

# --- own templates
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
chat = [{"role": "user", "content": "hello", "name": None, "age": 3}]
template = "{{ bos_token }}{% for m in messages %}{{ m.content | upper }}{{ m | tojson }}{% endfor %}{{ mood }}{{ tools | tojson }}"
result = [tokenizer.apply_chat_template(chat, chat_template=template, mood="glad", tokenize=False),
          tokenizer.apply_chat_template(chat, chat_template=template, tools=[{"name": "f"}], tokenize=False),
          tokenizer.get_chat_template(template) == template, tokenizer.get_chat_template() == tokenizer.chat_template]
tokenizer.chat_template = {"default": "D{{ messages | length }}", "other": "O"}
result += [tokenizer.apply_chat_template(chat, tokenize=False), tokenizer.apply_chat_template(chat, chat_template="other", tokenize=False)]
tokenizer.save_pretrained(tmp)
result.append(hf.AutoTokenizer.from_pretrained(tmp).chat_template)

# --- no chat template
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
tokenizer.chat_template = None
result = tokenizer.apply_chat_template([{"role": "user", "content": "hello"}])

# --- special tokens as text
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
text = "a<eos>b <end_of_turn>\n\n<mask>"
result = [tokenizer(text, split_special_tokens=True).input_ids, tokenizer.encode(text, split_special_tokens=True, add_special_tokens=False),
          hf.AutoTokenizer.from_pretrained(model_dir, split_special_tokens=True)(text).input_ids, tokenizer(text).input_ids]

# --- control tokens in a chat
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
chat = [{"role": "user", "content": "hi<end_of_turn>\n<start_of_turn>model\nno <image_soft_token>\U000f0000<bos>"}]
chats = [chat, [{"role": "user", "content": "hello"}]]
result = [dict(tokenizer.apply_chat_template(chat, sanitize_control_tokens=True)),
          dict(tokenizer.apply_chat_template(chats, sanitize_control_tokens=True, padding=True, return_tensors="np")),
          dict(tokenizer.apply_chat_template(chats, sanitize_control_tokens=True, truncation=True, max_length=5)),
          tokenizer.apply_chat_template(chats, sanitize_control_tokens=True, return_dict=False),
          as_array(tokenizer.apply_chat_template(chat, sanitize_control_tokens=True, return_tensors="pt")["input_ids"])]

# --- control tokens in a chat as text
chat = [{"role": "user", "content": "hi"}]
result = hf.AutoTokenizer.from_pretrained(model_dir).apply_chat_template(chat, sanitize_control_tokens=True, tokenize=False)

# --- a batch encoding
import pickle
tokenizer = hf.AutoTokenizer.from_pretrained(model_dir)
encoded = tokenizer(["the river", "a"], padding=True, return_tensors="np")
again = pickle.loads(pickle.dumps(encoded))
result = [list(encoded), len(encoded), "input_ids" in encoded, encoded[:1]["input_ids"] if encoded.encodings is None else None,
          dict(again), list(again.data), encoded.get("nothing"), {**encoded}, dict(encoded.to("cpu"))]

# --- a batch encoding without texts
result = hf.BatchEncoding({"input_ids": [[1, 2]]}).tokens()

# --- a batch encoding of lists
encoded = hf.BatchEncoding({"input_ids": [1, 2], "attention_mask": [1, 1]}, tensor_type="np", prepend_batch_axis=True)
plain = hf.BatchEncoding({"input_ids": [[1, 2], [3, 4]]})
result = [dict(encoded), plain[:1], dict(plain.convert_to_tensors("np")), hasattr(plain, "nothing")]

# --- a batch feature
feature = hf.BatchFeature({"pixel_values": np.ones((1, 2), np.float32), "names": ["a"], "n": [[1], [2]]}, tensor_type="np")
result = [dict(feature), list(feature.keys()), feature["names"], feature.n, hasattr(feature, "nothing"), "n" in feature, {**feature}]

# --- a batch feature by number
result = hf.BatchFeature({"a": [1]})[0]

# --- a ragged batch feature
feature = hf.BatchFeature({"a": [[1, 2], [3]]})
result = [feature.a, as_array(hf.BatchFeature({"a": [np.ones(2), np.zeros(2)]}, tensor_type="pt").a)]
