# --- parts
processor = hf.AutoProcessor.from_pretrained(model_dir)
result = [type(processor).__name__, type(processor.tokenizer).__name__, type(processor.image_processor).__name__,
          type(processor.feature_extractor).__name__, processor.model_input_names, processor.image_token, processor.image_token_id,
          processor.audio_token, processor.audio_token_id, processor.boi_token, processor.boa_token, processor.image_seq_length,
          processor.audio_seq_length, processor.full_image_sequence, processor.full_audio_sequence, processor.chat_template]

# --- as a dictionary
processor = hf.AutoProcessor.from_pretrained(model_dir)
result = [processor.to_dict(), processor.to_json_string()]

# --- parts as dictionaries
processor = hf.Gemma3nProcessor.from_pretrained(model_dir)
result = [processor.image_processor.to_dict(), processor.image_processor.to_json_string(), dict(processor.image_processor.size),
          processor.feature_extractor.to_json_string(), processor.image_processor.model_input_names,
          processor.feature_extractor.model_input_names]

# --- made of parts
parts = hf.AutoProcessor.from_pretrained(model_dir)
processor = hf.Gemma3nProcessor(parts.feature_extractor, parts.image_processor, parts.tokenizer, audio_seq_length=3, image_seq_length=2)
out = processor(text="<image_soft_token><audio_soft_token>", images=image, audio=sound)
result = [out.input_ids, out.token_type_ids, processor.chat_template]

# --- made of wrong parts
parts = hf.AutoProcessor.from_pretrained(model_dir)
result = hf.Gemma3nProcessor(parts.image_processor, parts.feature_extractor, parts.tokenizer)

# --- options of from_pretrained
processor = hf.AutoProcessor.from_pretrained(model_dir, padding_side="right", size={"height": 32, "width": 48}, image_seq_length=1)
out = processor(text=["a <image_soft_token>", "b"], images=image, padding=True, return_tensors="np")
result = [dict(out), processor.tokenizer.padding_side, processor.image_seq_length]

# --- text alone
processor = hf.AutoProcessor.from_pretrained(model_dir)
result = [dict(processor(text="the river")), dict(processor(text=["a", "the river"], padding=True, return_tensors="np")),
          dict(processor(text="")), dict(processor(text=("a", "b")))]

# --- nothing
result = hf.AutoProcessor.from_pretrained(model_dir)()

# --- text that is none
result = hf.AutoProcessor.from_pretrained(model_dir)(text=[3])

# --- picture and text
processor = hf.AutoProcessor.from_pretrained(model_dir)
out = processor(text="<image_soft_token> what?", images=image, return_tensors="pt")
result = {k: as_array(v) for k, v in out.items()}

# --- picture in the middle, in each form
import PIL.Image
processor = hf.AutoProcessor.from_pretrained(model_dir)
picture = PIL.Image.open(image2)
array = np.asarray(picture)
forms = [image2, picture, array, array.transpose(2, 0, 1), [picture], [[picture]], [array]]
result = [{k: as_array(v) for k, v in processor(text="see <image_soft_token> here", images=form, return_tensors="np").items()} for form in forms]

# --- pictures of one prompt and of two
processor = hf.AutoProcessor.from_pretrained(model_dir)
token = processor.image_token
result = [{k: as_array(v) for k, v in processor(text=text, images=images, padding=True, return_tensors="np").items()}
          for text, images in [(token * 2, [image, image2]), ([token, "b" + token], [image, image2]), ([token, token], [[image], [image2]]),
                               ([token + token, "no"], [[image, image2], []])]]

# --- pictures without text
processor = hf.AutoProcessor.from_pretrained(model_dir)
flat, nested = processor(images=[image, image2]), processor(images=[[image], [image2, image]], padding=True)
result = [flat.input_ids, len(flat.pixel_values), as_array(flat.pixel_values[0]), nested.input_ids, len(nested.pixel_values), list(nested)]

# --- more placeholders than pictures
processor = hf.AutoProcessor.from_pretrained(model_dir)
result = processor(text=processor.image_token * 2, images=image)

# --- a placeholder without a picture
processor = hf.AutoProcessor.from_pretrained(model_dir)
result = processor(text=processor.image_token)

# --- a picture without a placeholder
result = hf.AutoProcessor.from_pretrained(model_dir)(text="hello", images=image)

# --- a picture that is not there
processor = hf.AutoProcessor.from_pretrained(model_dir)
result = processor(text=processor.image_token, images=tmp + "/nothing.png")

# --- a picture that is a number
processor = hf.AutoProcessor.from_pretrained(model_dir)
result = processor(text=processor.image_token, images=5)

# --- sound and text
processor = hf.AutoProcessor.from_pretrained(model_dir)
out = processor(text="<audio_soft_token> what?", audio=sound, return_tensors="pt")
result = {k: as_array(v) for k, v in out.items()}

# --- sounds in each form
processor = hf.AutoProcessor.from_pretrained(model_dir)
samples = processor.feature_extractor.fetch_audio(sound)
forms = [sound, samples, [samples], samples.tolist(), [sound], [[samples]]]
result = [{k: as_array(v) for k, v in processor(text="hear <audio_soft_token>", audio=form, return_tensors="np").items()} for form in forms]

# --- sounds without text
processor = hf.AutoProcessor.from_pretrained(model_dir)
samples = processor.feature_extractor.fetch_audio(sound)
out = processor(audio=[samples, samples[:800]])
result = [out.input_ids, [as_array(f) for f in out.input_features], [as_array(m) for m in out.input_features_mask], list(out)]

# --- a sound without a placeholder
result = hf.AutoProcessor.from_pretrained(model_dir)(text="hello", audio=sound)

# --- picture and sound without text
result = hf.AutoProcessor.from_pretrained(model_dir)(images=image, audio=sound)

# --- picture, sound and text
processor = hf.AutoProcessor.from_pretrained(model_dir)
out = processor(text=["<audio_soft_token>a<image_soft_token>", "b"], images=image, audio=sound, padding=True, return_tensors="pt")
result = [{k: as_array(v) for k, v in out.items()}, list(out.keys()), as_array(out["token_type_ids"])]

# --- soft tokens lost to truncation
processor = hf.AutoProcessor.from_pretrained(model_dir)
result = processor(text=processor.audio_token, audio=sound, text_kwargs={"max_length": 8, "truncation": True})

# --- options, flat and grouped
processor = hf.AutoProcessor.from_pretrained(model_dir)
text = processor.image_token + " it"
outs = [processor(text=text, images=image, size={"height": 16, "width": 24}, return_tensors="np"),
        processor(text=text, images=image, images_kwargs={"do_rescale": False, "size": {"height": 8, "width": 8}}, return_tensors="np"),
        processor(text=text, images=image, do_normalize=True, image_mean=[0.1, 0.2, 0.3], image_std=0.5, return_tensors="np"),
        processor(text="a", text_kwargs={"padding": "max_length", "max_length": 6}),
        processor(text="a", padding="max_length", max_length=6, padding_side="right"),
        processor(text="a", return_mm_token_type_ids=False),
        processor(text="a", common_kwargs={"return_tensors": "np"}),
        processor(text="a", add_special_tokens=False, nonsense=3),
        processor(text="a b", return_token_type_ids=True)]
result = [{k: as_array(v) for k, v in out.items()} for out in outs] + [list(outs[-1])]

# --- an option given twice
processor = hf.AutoProcessor.from_pretrained(model_dir)
result = processor(text="a", padding=True, text_kwargs={"padding": False})

# --- sound options
processor = hf.AutoProcessor.from_pretrained(model_dir)
text = processor.audio_token
outs = [processor(text=text, audio=sound, audio_kwargs={"padding": "max_length", "max_length": 32000}, return_tensors="np"),
        processor(text=text, audio=sound, audio_kwargs={"max_length": 1000}, return_tensors="np"),
        processor(text=text, audio=sound, padding="max_length", max_length=700, return_tensors="np")]
result = [{k: as_array(v) for k, v in out.items()} for out in outs]

# --- casts
processor = hf.AutoProcessor.from_pretrained(model_dir)
out = processor(text="<image_soft_token>", images=image, return_tensors="pt")
moved = out.to("cpu")
result = [moved is out, {k: as_array(v) for k, v in moved.items()}]

# --- chats to text
processor = hf.AutoProcessor.from_pretrained(model_dir)
chat = [{"role": "system", "content": [{"type": "text", "text": "Be short."}]},
        {"role": "user", "content": [{"type": "image", "url": image}, {"type": "text", "text": " what is it? "}, {"type": "audio", "audio": sound}]}]
result = [processor.apply_chat_template(chat), processor.apply_chat_template(chat, add_generation_prompt=True),
          processor.apply_chat_template([chat, chat[:1] + [{"role": "user", "content": "hello"}]])]

# --- a chat with picture and sound
processor = hf.AutoProcessor.from_pretrained(model_dir)
chat = [{"role": "user", "content": [{"type": "image", "path": image}, {"type": "text", "text": "what?"}, {"type": "audio", "path": sound}]}]
out = processor.apply_chat_template(chat, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True)
result = [{k: as_array(v) for k, v in out.items()}, list(out), processor.apply_chat_template(chat, tokenize=True)]

# --- a chat with pictures under each key
import base64, PIL.Image
processor = hf.AutoProcessor.from_pretrained(model_dir)
coded = base64.b64encode(open(image, "rb").read()).decode()
items = [{"type": "image", "image": PIL.Image.open(image2)}, {"type": "image", "base64": coded}, {"type": "image", "url": image},
         {"type": "image", "image": "data:image/png;base64," + coded}, {"type": "image_url", "image_url": {"url": image}},
         {"type": "image_url", "image_url": image2}]
out = processor.apply_chat_template([{"role": "user", "content": items}], tokenize=True, return_dict=True, return_tensors="np")
result = [as_array(out["pixel_values"]), as_array(out["input_ids"])]

# --- a chat with samples
processor = hf.AutoProcessor.from_pretrained(model_dir)
samples = np.sin(np.arange(4000) / 20).astype(np.float32)
chat = [{"role": "user", "content": [{"type": "audio", "audio": samples}, {"type": "audio", "url": sound}]}]
out = processor.apply_chat_template(chat, tokenize=True, return_dict=True, return_tensors="np")
result = {k: as_array(v) for k, v in out.items()}

# --- a batch of chats
processor = hf.AutoProcessor.from_pretrained(model_dir)
chats = [[{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": "what?"}]}],
         [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "bye"}]]
out = processor.apply_chat_template(chats, tokenize=True, return_dict=True, return_tensors="np", processor_kwargs={"padding": True})
direct = processor.apply_chat_template(chats, tokenize=True, return_dict=True, padding=True, padding_side="right", return_tensors="np")
result = [{k: as_array(v) for k, v in o.items()} for o in (out, direct)]
result.append(processor.apply_chat_template(chats, tokenize=True))

# --- the last message is continued
processor = hf.AutoProcessor.from_pretrained(model_dir)
chat = [{"role": "user", "content": "count"}, {"role": "assistant", "content": [{"type": "text", "text": "one two"}]}]
result = [processor.apply_chat_template(chat, continue_final_message=True),
          processor.apply_chat_template(chat, continue_final_message=True, tokenize=True)]

# --- chat options
processor = hf.AutoProcessor.from_pretrained(model_dir)
chat = [{"role": "user", "content": "hello"}]
result = [processor.apply_chat_template(chat, chat_template="{{ bos_token }}<{{ messages[0].content }}{{ mood }}>", mood="glad"),
          processor.apply_chat_template(chat, chat_template="{{ messages[0].content }}", tokenize=True),
          processor.apply_chat_template(chat, tokenize=True, return_dict=True, processor_kwargs={"text_kwargs": {"padding": "max_length", "max_length": 20}, "return_tensors": "np"})]

# --- control tokens in a chat
processor = hf.AutoProcessor.from_pretrained(model_dir)
chat = [{"role": "user", "content": [{"type": "image", "path": image}, {"type": "text", "text": "a<end_of_turn><image_soft_token> b<audio_soft_token>"}]}]
out = processor.apply_chat_template(chat, tokenize=True, return_dict=True, return_tensors="np", sanitize_control_tokens=True)
result = {k: as_array(v) for k, v in out.items()}

# --- where placeholders stood
processor = hf.AutoProcessor.from_pretrained(model_dir)
out = processor(text=["a<image_soft_token>b<image_soft_token>", "c"], images=[image, image2], return_text_replacement_offsets=True, padding=True, return_tensors="np")
result = [out["text_replacement_offsets"], list(out), list(processor(text="a", return_text_replacement_offsets=True).items())]

# --- no chat template
processor = hf.AutoProcessor.from_pretrained(model_dir)
processor.chat_template = None
result = processor.apply_chat_template([{"role": "user", "content": "hello"}])

# --- messages stay as they are
processor = hf.AutoProcessor.from_pretrained(model_dir)
chat = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
processor.apply_chat_template(chat, tokenize=True, return_dict=True)
result = chat

# --- ids to text
processor = hf.AutoProcessor.from_pretrained(model_dir)
ids = processor(text=["the river", "the boat"])["input_ids"]
result = [processor.decode(ids[0]), processor.decode(ids[0], skip_special_tokens=True), processor.batch_decode(ids, skip_special_tokens=True),
          processor.post_process_image_text_to_text(ids), processor.post_process_image_text_to_text(np.array(ids[:1]), skip_special_tokens=False)]

# --- saved and loaded
import os, json
processor = hf.AutoProcessor.from_pretrained(model_dir, padding_side="right")
processor.image_processor.size = {"height": 40, "width": 24}
processor.save_pretrained(tmp)
again = hf.AutoProcessor.from_pretrained(tmp)
out = again(text="a " + again.image_token, images=image, return_tensors="np")
result = [sorted(os.listdir(tmp)), json.load(open(tmp + "/processor_config.json")), {k: as_array(v) for k, v in out.items()},
          again.tokenizer.padding_side, again.chat_template == processor.chat_template]

# --- parts saved and loaded
import os, json
processor = hf.AutoProcessor.from_pretrained(model_dir)
files = processor.image_processor.save_pretrained(tmp + "/i") + processor.feature_extractor.save_pretrained(tmp + "/f")
result = [os.path.relpath(f, tmp) for f in files]
result += [json.load(open(f)) for f in files]
result += [hf.SiglipImageProcessor.from_pretrained(tmp + "/i").to_dict(), hf.Gemma3nAudioFeatureExtractor.from_pretrained(tmp + "/f").to_json_string(),
           hf.AutoImageProcessor.from_pretrained(tmp + "/i").do_normalize, hf.AutoFeatureExtractor.from_pretrained(tmp + "/f").dither]

# --- image processor by itself
processor = hf.SiglipImageProcessor(size={"height": 12, "width": 20}, resample=2)
result = [as_array(processor(image, return_tensors="np")["pixel_values"]), as_array(processor(image).pixel_values[0]),
          as_array(processor.preprocess([image, image2], do_normalize=False, return_tensors="pt").pixel_values),
          processor.size["height"], processor.image_mean, processor.to_dict()]

# --- image processor options of from_pretrained
processor = hf.SiglipImageProcessor.from_pretrained(model_dir, do_rescale=False, size={"height": 6, "width": 5})
other, unused = hf.SiglipImageProcessor.from_pretrained(model_dir, return_unused_kwargs=True, nonsense=3)
result = [processor.do_rescale, dict(processor.size), unused, as_array(processor(image, return_tensors="np").pixel_values)]

# --- one-pixel and thin pictures
processor = hf.AutoProcessor.from_pretrained(model_dir).image_processor
shapes = [(1, 1, 3), (1, 1, 1), (1, 50, 3), (50, 2, 3), (3, 1, 1), (5, 4, 1)]
result = [as_array(processor(np.arange(np.prod(s)).reshape(s).astype(np.uint8), return_tensors="np").pixel_values) for s in shapes]

# --- files of small pictures
import PIL.Image
processor = hf.AutoProcessor.from_pretrained(model_dir).image_processor
result = []
for width, height in ((1, 1), (3, 1), (1, 3), (4, 4), (5, 3), (5, 4), (4, 7)):
    name = f"{tmp}/{width}x{height}.png"
    PIL.Image.fromarray((np.arange(width * height * 3) * 11 % 256).astype(np.uint8).reshape(height, width, 3)).save(name)
    result.append(as_array(processor(name, return_tensors="np").pixel_values))

# --- arrays of each dtype
processor = hf.AutoProcessor.from_pretrained(model_dir).image_processor
values = np.arange(20 * 30 * 3).reshape(20, 30, 3) % 251
result = [as_array(processor(values.astype(t), return_tensors="np").pixel_values) for t in ("uint8", "int16", "int32", "int64", "uint16", "float32")]

# --- arrays with alpha
processor = hf.AutoProcessor.from_pretrained(model_dir).image_processor
values = (np.arange(20 * 30 * 4).reshape(20, 30, 4) * 7 % 256).astype(np.uint8)
result = [as_array(processor(v, return_tensors="np").pixel_values) for v in (values, values.transpose(2, 0, 1), (values / 255).astype(np.float32))]

# --- modes of Pillow
import PIL.Image
processor = hf.AutoProcessor.from_pretrained(model_dir).image_processor
picture = PIL.Image.open(image).convert("RGBA")
picture.putalpha(PIL.Image.linear_gradient("L").resize(picture.size))
result = [as_array(processor(picture.convert(m), return_tensors="np").pixel_values) for m in ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I", "F", "YCbCr")]

# --- a batch array and nested lists
processor = hf.AutoProcessor.from_pretrained(model_dir).image_processor
values = (np.arange(2 * 3 * 9 * 8).reshape(2, 3, 9, 8) % 256).astype(np.uint8)
result = [as_array(processor(v, return_tensors="np").pixel_values) for v in (values, [values[0], values[1]], [[values[0]], [values[1], values[0]]], list(values))]

# --- the layout of an array
processor = hf.AutoProcessor.from_pretrained(model_dir).image_processor
values = (np.arange(3 * 4 * 3) * 5).reshape(3, 4, 3).astype(np.uint8)
result = [as_array(processor(values, return_tensors="np", input_data_format=f).pixel_values) for f in (None, "channels_first", "channels_last")]

# --- a flat array as picture
result = hf.AutoProcessor.from_pretrained(model_dir).image_processor(np.zeros((4, 5), np.uint8))

# --- two channels
result = hf.AutoProcessor.from_pretrained(model_dir).image_processor(np.zeros((8, 5, 2), np.uint8))

# --- nothing as picture
result = hf.AutoProcessor.from_pretrained(model_dir).image_processor(None)

# --- an unknown image option
result = hf.AutoProcessor.from_pretrained(model_dir).image_processor(image, nonsense=3)

# --- steps switched off
processor = hf.AutoProcessor.from_pretrained(model_dir).image_processor
result = [as_array(processor(image, return_tensors="np", **o).pixel_values)
          for o in (dict(do_resize=False), dict(do_rescale=False), dict(do_resize=False, do_rescale=False), dict(do_rescale=False, do_normalize=True),
                    dict(rescale_factor=0.5), dict(do_normalize=True), dict(size=24), dict(size={"shortest_edge": 9}), dict(size=(7, 9)))]

# --- pictures of different size without resizing
processor = hf.AutoProcessor.from_pretrained(model_dir).image_processor
result = [as_array(p) for p in processor([image, image2], do_resize=False).pixel_values]

# --- normalising without a mean
result = hf.AutoProcessor.from_pretrained(model_dir).image_processor(image, do_normalize=True, image_mean=None)

# --- features of a sound
extractor = hf.Gemma3nAudioFeatureExtractor()
samples = np.sin(np.arange(16000) * 0.2).astype(np.float32) * np.linspace(0, 1, 16000, dtype=np.float32)
result = [{k: as_array(v) for k, v in extractor(samples, return_tensors="np").items()},
          {k: as_array(v) for k, v in extractor(samples, return_tensors="pt").items()}, [as_array(f) for f in extractor(samples)["input_features"]]]

# --- features of sounds of each length
extractor = hf.Gemma3nAudioFeatureExtractor()
samples = np.cos(np.arange(3000) ** 1.5 / 50).astype(np.float32)
result = [{k: as_array(v) for k, v in extractor(samples[:n], return_tensors="np").items()} for n in (1, 128, 400, 512, 513, 640, 641, 800, 3000)]
result += [{k: as_array(v) for k, v in extractor(samples[:n], return_tensors="np", padding=False).items()} for n in (400, 512, 513, 800)]

# --- features of a batch of five
extractor = hf.Gemma3nAudioFeatureExtractor()
samples = np.cos(np.arange(3000) ** 1.5 / 50).astype(np.float32)
batch = [samples, samples[:1000], samples[:30], samples[500:2500], samples]
result = [{k: as_array(v) for k, v in extractor(batch, return_tensors="np").items()},
          {k: as_array(v) for k, v in extractor(np.stack([samples, samples[::-1]]), return_tensors="np").items()},
          [as_array(f) for f in extractor(batch[:2], padding=False)["input_features"]]]

# --- features of lists and other dtypes
extractor = hf.Gemma3nAudioFeatureExtractor()
samples = np.cos(np.arange(1000) ** 1.5 / 50)
forms = [samples, samples.tolist(), [samples.tolist(), samples[:700].tolist()], (samples * 1000).astype(np.int16), samples.astype(np.float32)]
result = [{k: as_array(v) for k, v in extractor(form, return_tensors="np").items()} for form in forms]

# --- padding and truncation of sounds
extractor = hf.Gemma3nAudioFeatureExtractor()
samples = np.cos(np.arange(3000) ** 1.5 / 50).astype(np.float32)
options = [dict(max_length=1000), dict(max_length=1000, pad_to_multiple_of=None), dict(padding="max_length", max_length=5000),
           dict(padding="max_length", max_length=1000, truncation=False), dict(max_length=None, truncation=False), dict(padding=True, pad_to_multiple_of=1000),
           dict(padding="do_not_pad"), dict(return_attention_mask=None)]
result = [{k: as_array(v) for k, v in extractor(samples, return_tensors="np", **o).items()} for o in options]

# --- truncation without a length
result = hf.Gemma3nAudioFeatureExtractor()(np.zeros(1000, np.float32), max_length=None)

# --- padding of sounds of an unknown kind
result = hf.Gemma3nAudioFeatureExtractor()(np.zeros(1000, np.float32), padding="both")

# --- text as sound
result = hf.Gemma3nAudioFeatureExtractor()("hello")

# --- parameters of features
samples = np.cos(np.arange(2000) ** 1.5 / 50).astype(np.float32)
parameters = [dict(feature_size=40), dict(frame_length_ms=20.0, hop_length_ms=5.0), dict(fft_overdrive=False), dict(preemphasis=0.0),
              dict(preemphasis_htk_flavor=False), dict(input_scale_factor=3.0), dict(mel_floor=0.1), dict(min_frequency=20.0, max_frequency=4000.0),
              dict(per_bin_mean=[1.0] * 128, per_bin_stddev=[2.0] * 128), dict(sampling_rate=8000, max_frequency=3800.0), dict(padding_side="left"), dict(padding_value=0.5)]
result = []
for p in parameters:
    extractor = hf.Gemma3nAudioFeatureExtractor(**p)
    out = extractor([samples, samples[:1100]], return_tensors="np")
    result.append([as_array(out.input_features), as_array(out.input_features_mask), extractor.to_json_string()])

# --- noise
extractor = hf.Gemma3nAudioFeatureExtractor(dither=0.01)
samples = np.cos(np.arange(2000) ** 1.5 / 50).astype(np.float32)
np.random.seed(7)
out = extractor([samples, samples[:900]], return_tensors="np")
result = [as_array(out.input_features), as_array(out.input_features_mask), float(np.random.rand())]

# --- feature extractor options of from_pretrained
extractor, unused = hf.Gemma3nAudioFeatureExtractor.from_pretrained(model_dir, dither=0.5, nonsense=3, return_unused_kwargs=True)
result = [extractor.dither, unused, extractor.sampling_rate, extractor.hop_length, extractor.frame_length, extractor.fft_length]

# --- folders without parts
result = []
for part in (hf.Gemma3nAudioFeatureExtractor, hf.SiglipImageProcessor, hf.Gemma3nProcessor):
    try:
        part.from_pretrained(tmp)
    except OSError:
        result.append("OSError")

# --- pictures loaded
from importlib import import_module
load_image = import_module(hf.__name__ + ".image_utils").load_image
picture = load_image(image)
result = [picture.mode, list(picture.size), np.asarray(picture), np.asarray(load_image(picture.convert("L")))]

# --- sounds loaded
from importlib import import_module
load_audio = import_module(hf.__name__ + ".audio_utils").load_audio
result = [load_audio(sound), load_audio(sound, sampling_rate=8000), load_audio(sound, 44100), load_audio(np.ones(3))]

# --- a sound that is not there
from importlib import import_module
result = import_module(hf.__name__ + ".audio_utils").load_audio(tmp + "/nothing.wav")

# --- a sound that is a number
from importlib import import_module
result = import_module(hf.__name__ + ".audio_utils").load_audio(3)
