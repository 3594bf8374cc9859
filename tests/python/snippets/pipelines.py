# --- a picture and a text
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
result = [pipe(image, text="Hello <image_soft_token> you", max_new_tokens=4),
          pipe(images=image2, text="<image_soft_token>", max_new_tokens=4, return_full_text=False)]
# --- pictures and texts
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
result = [pipe([image, image2], text=["a <image_soft_token>", "b c d <image_soft_token> e"], max_new_tokens=3),
          pipe([[image, image2], [image]], text=["<image_soft_token> <image_soft_token>", "a <image_soft_token>"], max_new_tokens=3)]
# --- a picture of Pillow
from PIL import Image

pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
result = pipe(Image.open(image).convert("RGB"), text="What <image_soft_token>", max_new_tokens=4)
# --- a dict of pictures and text
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
result = pipe({"images": image, "text": "a <image_soft_token>"}, max_new_tokens=3)
# --- a dict without pictures
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)({"image": image, "text": "a <image_soft_token>"}, max_new_tokens=3)
# --- dicts that are no messages
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)([{"images": image, "text": "a <image_soft_token>"}], max_new_tokens=3)
# --- text alone
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
result = [pipe(text="Hi", max_new_tokens=3), pipe(text=["Hi", "Hello you"], max_new_tokens=3), pipe(text="", max_new_tokens=2),
          pipe("first", max_new_tokens=2)]
# --- a chat, by position and by name
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
chat = [{"role": "user", "content": [{"type": "image", "url": image}, {"type": "text", "text": "What is it?"}]}]
result = [pipe(chat, max_new_tokens=4), pipe(text=chat, max_new_tokens=4, return_full_text=False),
          pipe(text=tuple(chat), max_new_tokens=2)]
# --- chats of several turns
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
chat = [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "image", "image": image}, {"type": "image", "url": image2}, {"type": "text", "text": "Compare."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Same."}]},
        {"role": "user", "content": "Really?"}]
result = pipe(text=chat, max_new_tokens=4)
# --- a batch of chats
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
chats = [[{"role": "user", "content": [{"type": "text", "text": text}]}] for text in ("Hello", "A longer one", "x", "y z", "!")]
result = pipe(text=chats, max_new_tokens=3)
# --- chats of a generator
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
seen = []

def chats():
    for text in ("a", "b", "c"):
        seen.append(text)
        yield [{"role": "user", "content": text}]

answers = iter(pipe(chats(), max_new_tokens=2))
first = next(answers)
result = [first, list(seen), list(answers), list(seen)]
# --- messages of a generator
pipe = hf.pipeline("text-generation", model=model_dir, dtype="float32", do_sample=False)
result = pipe((m for m in [{"role": "user", "content": "a"}]), max_new_tokens=2)
# --- an empty generator
result = hf.pipeline("text-generation", model=text_model_dir, dtype="float32")(s for s in [])
# --- the start of an answer is given
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
chat = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Well,"}]}]
result = [pipe(text=chat, max_new_tokens=3), pipe(text=chat, max_new_tokens=3, return_full_text=False),
          pipe(text=chat, max_new_tokens=3, continue_final_message=False)]
# --- token ids
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
chat = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
(record,) = pipe(text=chat, max_new_tokens=3, return_tensors=True)
result = [list(record), record["generated_token_ids"], record["input_text"].messages]
# --- token ids and full text exclude each other
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)(text="a", max_new_tokens=2, return_tensors=True, return_full_text=True)
# --- several answers
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
chat = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
result = [pipe(text=chat, generate_kwargs={"num_return_sequences": 2, "do_sample": True, "top_k": 1, "max_new_tokens": 3}),
          pipe(text="Hello", generate_kwargs={"num_return_sequences": 2, "do_sample": True, "top_k": 1, "max_new_tokens": 3})]
# --- number of new tokens twice
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)(text="a", max_new_tokens=2, generate_kwargs={"max_new_tokens": 3})
# --- keywords of the constructor
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", max_new_tokens=2, return_full_text=False, do_sample=False)
other = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", generate_kwargs={"max_new_tokens": 2, "do_sample": False})
result = [pipe(text="Hi"), pipe(text="Hi", max_new_tokens=4), pipe(text="Hi", return_full_text=True), other(text="Hi")]
# --- a generation configuration
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", max_new_tokens=5, do_sample=False)
config = hf.GenerationConfig(max_new_tokens=2, repetition_penalty=1.5, do_sample=False)
result = [pipe("Hi", generation_config=config), config.do_sample, config.max_new_tokens, pipe("Hi")]
# --- stop sequences
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
text = pipe("Hi", max_new_tokens=8, return_full_text=False)[0]["generated_text"]
result = [text, pipe("Hi", max_new_tokens=8, stop_sequence=text[2:4] or "x"), pipe("Hi", max_new_tokens=8, stop_sequence=["never there", "q"])]
# --- special tokens
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
result = [pipe(text="Hi", max_new_tokens=3, skip_special_tokens=False), pipe(image, text="<image_soft_token>", max_new_tokens=2, skip_special_tokens=False)]
# --- nothing
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)()
# --- a picture without a text
from PIL import Image

hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)(Image.open(image))
# --- pictures beside a chat
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)(image, text=[{"role": "user", "content": "a"}])
# --- an array as a picture
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)(np.zeros((5, 5, 3), np.uint8), text="a <image_soft_token>", max_new_tokens=2)
# --- messages without a role
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)(text=[{"content": "a"}])
# --- no messages
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)(text=[])
# --- a number
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)(text=5)
# --- a picture without its token
hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)(image, text="none", max_new_tokens=2)
# --- any to any: texts, pictures, sounds
pipe = hf.pipeline("any-to-any", model=model_dir, dtype="float32", do_sample=False)
result = [pipe("Hi", max_new_tokens=3), pipe(["Hi", "you two"], max_new_tokens=3), pipe("a <image_soft_token>", images=image, max_new_tokens=3),
          pipe("a <audio_soft_token>", audio=sound, max_new_tokens=3),
          pipe("<image_soft_token> and <audio_soft_token>", images=image2, audio=[sound], max_new_tokens=3)]
# --- any to any: samples
pipe = hf.pipeline("any-to-any", model=model_dir, dtype="float32", do_sample=False)
samples = np.sin(np.arange(8000) * 0.3).astype(np.float32)
result = [pipe("a <audio_soft_token>", audio=samples, max_new_tokens=3), pipe("a <audio_soft_token>", audio=[samples[:800]], max_new_tokens=3)]
# --- any to any: dicts
pipe = hf.pipeline("any-to-any", model=model_dir, dtype="float32", do_sample=False)
result = [pipe({"text": "a <audio_soft_token>", "audio": sound}, max_new_tokens=3),
          pipe([{"text": "a"}, {"text": "b <image_soft_token>", "images": image}], max_new_tokens=3)]
# --- any to any: a dict is left as it was
pipe = hf.pipeline("any-to-any", model=model_dir, dtype="float32", do_sample=False)
given = {"text": "a <audio_soft_token>", "audio": sound}
pipe(given, max_new_tokens=2)
result = [sorted(given), given["audio"] == sound]
# --- any to any: chats
pipe = hf.pipeline("any-to-any", model=model_dir, dtype="float32", do_sample=False)
chat = [{"role": "user", "content": [{"type": "audio", "audio": sound}, {"type": "image", "url": image}, {"type": "text", "text": "Well?"}]}]
more = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}, {"role": "assistant", "content": [{"type": "text", "text": "So"}]}]
result = [pipe(chat, max_new_tokens=3), pipe(text=[more, more[:1]], max_new_tokens=3), pipe(text=more, max_new_tokens=3, return_full_text=False),
          pipe(text=more, max_new_tokens=2, generation_mode="text")]
# --- any to any: the constructor's return type is not kept
pipe = hf.pipeline("any-to-any", model=model_dir, dtype="float32", return_full_text=False, do_sample=False)
result = pipe("Hi", max_new_tokens=2)
# --- any to any: no sounds come out
hf.pipeline("any-to-any", model=model_dir, dtype="float32", do_sample=False)("Hi", generation_mode="audio")
# --- any to any: nothing known comes out
hf.pipeline("any-to-any", model=model_dir, dtype="float32", do_sample=False)("Hi", generation_mode="smell")
# --- any to any: no text
hf.pipeline("any-to-any", model=model_dir, dtype="float32", do_sample=False)(images=image)
# --- any to any: a dict without a text
hf.pipeline("any-to-any", model=model_dir, dtype="float32", do_sample=False)({"images": image})
# --- texts
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32")
result = [pipe("Hi", max_new_tokens=3, do_sample=False), pipe(["Hi", "you", "", "a b c", "\n"], max_new_tokens=3, do_sample=False),
          pipe("Hi", max_new_tokens=3, do_sample=False, return_full_text=False), pipe(text_inputs="Hi", max_new_tokens=3, do_sample=False, return_text=True)]
# --- texts in batches
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
texts = ["Hi", "you there", "a", "something longer than that", "b"]
result = [pipe(texts, max_new_tokens=3, batch_size=2), pipe(texts, max_new_tokens=3, batch_size=8),
          hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False, batch_size=3)(texts, max_new_tokens=3)]
# --- texts of a generator in batches
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
result = list(pipe((text for text in ("Hi", "you there", "a")), max_new_tokens=3, batch_size=2))
# --- token ids of a text
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
result = [pipe("Hi", max_new_tokens=3, return_tensors=True), pipe(["a", "b"], max_new_tokens=3, return_tensors=True)]
# --- chats as texts
pipe = hf.pipeline("text-generation", model=model_dir, dtype="float32", do_sample=False)
chat = [{"role": "user", "content": "Hello"}]
start = chat + [{"role": "assistant", "content": "Well,"}]
result = [pipe(chat, max_new_tokens=3), pipe([chat, start], max_new_tokens=3), pipe(start, max_new_tokens=3, continue_final_message=False),
          pipe(start, max_new_tokens=3, return_full_text=False), pipe([chat, start], max_new_tokens=3, batch_size=2)]
# --- an answer's start in parts
pipe = hf.pipeline("text-generation", model=model_dir, dtype="float32", do_sample=False)
chat = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
result = pipe(chat, max_new_tokens=3)
# --- several continuations
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
result = [pipe("Hi", max_new_tokens=3, do_sample=True, top_k=1, num_return_sequences=2), pipe(["Hi", "a b"], max_new_tokens=3, do_sample=True, top_k=1, num_return_sequences=2, batch_size=2)]
# --- several greedy continuations
hf.pipeline("text-generation", model=text_model_dir, dtype="float32")("Hi", max_new_tokens=3, do_sample=False, num_return_sequences=2)
# --- sampling
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32")
records = pipe("Hi", max_new_tokens=3, num_return_sequences=4)
result = [len(records), [record["generated_text"].startswith("Hi") for record in records]]
# --- a prefix
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
result = [pipe("Hi", max_new_tokens=3, prefix="Oh "), pipe("Hi", max_length=7, prefix="Oh "),
          hf.pipeline("text-generation", model=text_model_dir, dtype="float32", prefix="Oh ", do_sample=False)("Hi", max_new_tokens=3)]
# --- lengths
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
ids = [pipe("Hi", return_tensors=True, **keywords)[0]["generated_token_ids"]
       for keywords in ({"max_length": 5}, {"max_new_tokens": 5}, {"max_new_tokens": 5, "min_new_tokens": 5})]
result = [len(ids[0]), len(ids[2]), ids]
# --- scores
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
(record,) = pipe("Hi", max_new_tokens=2, return_dict_in_generate=True, output_scores=True, output_logits=True)
result = [sorted(record), np.array(record["scores"], np.float32), np.array(record["logits"], np.float32)]
# --- long prompts
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
pipe.tokenizer.model_max_length = 12
result = [pipe("a long prompt of many words that are many", max_new_tokens=4, handle_long_generation="hole", return_tensors=True),
          pipe("Hi", max_new_tokens=4, handle_long_generation="hole")]
# --- long prompts without room
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
pipe.tokenizer.model_max_length = 12
pipe("a long prompt of many words", max_new_tokens=20, handle_long_generation="hole")
# --- another way with long prompts
hf.pipeline("text-generation", model=text_model_dir, dtype="float32")("Hi", handle_long_generation="mountain")
# --- tokenizer's keywords
pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
result = [pipe("Hi", max_new_tokens=3, add_special_tokens=False, return_tensors=True), pipe("", max_new_tokens=2, add_special_tokens=False),
          pipe("Hi there you", max_new_tokens=2, tokenizer_encode_kwargs={"truncation": True, "max_length": 3}, return_tensors=True)]
# --- return_text and return_full_text
hf.pipeline("text-generation", model=text_model_dir, dtype="float32")("Hi", return_text=True, return_full_text=True)
# --- a number as text
hf.pipeline("text-generation", model=text_model_dir, dtype="float32")(5)
# --- texts in a tuple
hf.pipeline("text-generation", model=text_model_dir, dtype="float32")(("Hi", "a"))
# --- no texts
hf.pipeline("text-generation", model=text_model_dir, dtype="float32")([])
# --- an unknown keyword
hf.pipeline("text-generation", model=text_model_dir, dtype="float32")("Hi", frob=3)
# --- a model and its parts
model = hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32")
tokenizer = hf.AutoTokenizer.from_pretrained(text_model_dir)
pipes = [hf.pipeline("text-generation", model=model, tokenizer=tokenizer), hf.pipeline("text-generation", model=model, tokenizer=text_model_dir),
         hf.TextGenerationPipeline(model=model, tokenizer=tokenizer)]
result = [[p.task, p.model is model, p.device.type, p("Hi", max_new_tokens=2, do_sample=False)] for p in pipes]
# --- a model and its processor
model = hf.AutoModelForImageTextToText.from_pretrained(model_dir, dtype="float32")
processor = hf.AutoProcessor.from_pretrained(model_dir)
pipe = hf.pipeline("image-text-to-text", model=model, processor=processor)
other = hf.ImageTextToTextPipeline(model=model, processor=processor)
result = [pipe.processor is processor, pipe.tokenizer is processor.tokenizer, other.task, other(text="Hi", generate_kwargs={"max_new_tokens": 2, "do_sample": False}),
          str(pipe.dtype).split(".")[-1], pipe.device.type, type(pipe).__name__]
# --- what a pipeline says of itself
result = [repr(hf.pipeline("text-generation", model=text_model_dir, dtype="float32")), hf.pipeline("image-to-text", model=model_dir).task,
          repr(hf.pipeline("any-to-any", model=model_dir, dtype="float32"))]
# --- dtypes
result = [str(hf.pipeline("text-generation", model=text_model_dir, **keywords).dtype).split(".")[-1]
          for keywords in ({}, {"dtype": "float32"}, {"torch_dtype": "bfloat16"}, {"model_kwargs": {"dtype": "bfloat16"}}, {"dtype": "bfloat16"})]
# --- dtype twice
hf.pipeline("text-generation", model=text_model_dir, dtype="float32", model_kwargs={"dtype": "float32"})
# --- devices
result = [hf.pipeline("text-generation", model=text_model_dir, dtype="float32", device=device).device.type for device in (None, 0, -1, "cpu")]
# --- an unknown device
hf.pipeline("text-generation", model=text_model_dir, dtype="float32", device="abacus")
# --- an unknown task
hf.pipeline("mind-reading", model=model_dir, dtype="float32")
# --- neither task nor model
hf.pipeline()
# --- a tokenizer without its model
hf.pipeline("text-generation", tokenizer=text_model_dir)
# --- a model without a task
hf.pipeline(model=hf.AutoModelForCausalLM.from_pretrained(text_model_dir, dtype="float32"))
# --- saving
import os

pipe = hf.pipeline("text-generation", model=text_model_dir, dtype="float32", do_sample=False)
pipe.save_pretrained(tmp)
again = hf.pipeline("text-generation", model=tmp, dtype="float32", do_sample=False)
short = hf.pipeline("text-generation", model=tmp, dtype="float32", do_sample=False, max_new_tokens=2)
result = [again("Hi", max_new_tokens=3) == pipe("Hi", max_new_tokens=3), "config.json" in os.listdir(tmp), short.predict("Hi") == short.transform("Hi")]
# --- the prompt's template and the processor get keywords
pipe = hf.pipeline("image-text-to-text", model=model_dir, dtype="float32", do_sample=False)
chat = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
result = [pipe(text=chat, max_new_tokens=2, my_variable=3), pipe(text=chat, max_new_tokens=2, do_sample=False),
          pipe(text=chat, max_new_tokens=2, processor_kwargs={"add_special_tokens": False})]
