#include "gemma3n/processor.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "processors/preprocessor_config.h"

namespace gemma3n {
namespace {

constexpr std::int64_t kMostSoftTokens = 1 << 20;

// How one kind of medium stands in a prompt.
struct Medium {
  std::string_view name;         // "image"
  std::string_view inputs;       // "images": how messages call what was passed
  std::int64_t type_id = 0;      // in token_type_ids
  std::string placeholder = {};  // empty: the tokenizer has none, so there is no such medium
  TokenId token = 0;             // of the placeholder, which is the soft token too
  std::string expansion = {};    // what a placeholder becomes
};

struct MediumTokens {
  std::string_view start, soft, end;  // names in tokenizer_config.json
};

// Ref: HF Gemma3nProcessor.__init__, full_image_sequence and full_audio_sequence
Medium make_medium(Medium medium, const Tokenizer& tokenizer, const MediumTokens& names,
                   std::int64_t soft_tokens) {
  const auto start = tokenizer.named_token(names.start), soft = tokenizer.named_token(names.soft),
             end = tokenizer.named_token(names.end);
  if (!start || !soft || !end || soft->empty()) return medium;
  const auto token = tokenizer.token_to_id(*soft);
  if (!token) return medium;
  medium.placeholder = *soft;
  medium.token = *token;
  medium.expansion = "\n\n" + *start;
  for (std::int64_t i = 0; i < soft_tokens; ++i) medium.expansion += *soft;
  medium.expansion += *end + "\n\n";
  return medium;
}

std::size_t count_of(std::string_view text, std::string_view token) {
  if (token.empty()) return 0;
  std::size_t count = 0;
  for (auto at = text.find(token); at != std::string_view::npos;
       at = text.find(token, at + token.size())) {
    ++count;
  }
  return count;
}

// Ref: HF ProcessorMixin.validate_inputs
void check_counts(const Medium& medium, const std::vector<std::string>& text, std::size_t passed) {
  if (passed > 0 && medium.placeholder.empty()) {
    fail(ErrorCode::kUnsupported, "tokenizer_config.json: expected \"", medium.name,
         "_token\" and the tokens around it, for ", passed, " ", medium.inputs, "; got none");
  }
  std::size_t found = 0;
  for (const auto& prompt : text) found += count_of(prompt, medium.placeholder);
  if (found == passed) return;
  if (passed == 0) {
    fail(ErrorCode::kInvalidArgument, "Found ", found, " ", medium.placeholder,
         " tokens in the text but no ", medium.inputs, " were passed.");
  }
  fail(ErrorCode::kInvalidArgument, "The total number of ", medium.placeholder,
       " tokens in the prompts should be the same as the number of ", medium.inputs,
       " passed. Found total ", found, " ", medium.placeholder, " tokens and ", passed, " ",
       medium.inputs, ".");
}

// Ref: HF ProcessorMixin.get_text_with_replacements
std::string expanded(std::string_view text, std::span<const Medium> media) {
  std::string result;
  while (!text.empty()) {
    auto first = std::string_view::npos;
    const Medium* next = nullptr;
    for (const Medium& medium : media) {
      if (medium.placeholder.empty()) continue;
      const auto at = text.find(medium.placeholder);
      if (at < first) {
        first = at;
        next = &medium;
      }
    }
    result += text.substr(0, first);
    if (next == nullptr) break;
    result += next->expansion;
    text.remove_prefix(first + next->placeholder.size());
  }
  return result;
}

std::string list_of(const std::vector<std::size_t>& counts) {
  std::string text;
  for (const auto count : counts) text += (text.empty() ? "" : ", ") + std::to_string(count);
  return "[" + text + "]";
}

// Ref: HF ProcessorMixin._check_special_mm_tokens
void check_soft_tokens(const Medium& medium, const std::vector<std::string>& text,
                       const std::vector<std::vector<TokenId>>& ids) {
  if (medium.placeholder.empty()) return;
  std::vector<std::size_t> in_text, in_ids;
  for (std::size_t i = 0; i < text.size(); ++i) {
    in_text.push_back(count_of(text[i], medium.placeholder));
    in_ids.push_back(static_cast<std::size_t>(std::ranges::count(ids[i], medium.token)));
  }
  if (in_text == in_ids) return;
  fail(ErrorCode::kInvalidArgument, "Mismatch in `", medium.name,
       "` token count between text and `input_ids`. Got ids=", list_of(in_ids),
       " and text=", list_of(in_text),
       ". Likely due to `truncation='max_length'`. Please disable truncation or increase "
       "`max_length`.");
}

// Ref: HF Gemma3nProcessor.prepare_inputs_layout
std::vector<std::string> prompts_of(const ProcessorInputs& inputs, const Medium& image,
                                    const Medium& audio) {
  if (!inputs.text.empty()) return inputs.text;
  std::vector<std::string> text;
  for (const auto& sample : inputs.images) {
    std::string prompt;
    for (std::size_t i = 0; i < sample.size(); ++i) {
      prompt += (i > 0 ? " " : "") + image.placeholder;
    }
    text.push_back(std::move(prompt));
  }
  if (text.empty()) text.assign(inputs.audio.size(), audio.placeholder);
  return text;
}

void add_features(const AudioFeatureExtractor& extractor,
                  const std::vector<std::shared_ptr<const AudioClip>>& clips,
                  const AudioFeatureOptions& options, MediaInputs& media) {
  const auto rate = static_cast<int>(extractor.config().sampling_rate);
  std::vector<std::shared_ptr<const AudioClip>> kept;  // what the spans point into
  std::vector<std::span<const float>> samples;
  for (auto clip : clips) {
    if (!clip) fail(ErrorCode::kInvalidArgument, "audio: expected a clip, got null");
    if (clip->sample_rate_hz != rate) {
      clip = std::make_shared<const AudioClip>(resample(*clip, rate));
    }
    samples.emplace_back(clip->samples);
    kept.push_back(std::move(clip));
  }
  auto features = extractor(samples, options);
  media.input_features = std::move(features.input_features);
  media.input_features_mask = std::move(features.input_features_mask);
}

template <typename Part>
const Part& required(const std::optional<Part>& part, const char* what) {
  if (!part) fail(ErrorCode::kNotFound, "this checkpoint has no ", what);
  return *part;
}

// What `load` returns, or nothing if its files are not there.
template <typename Load>
auto if_there(const Load& load) -> std::optional<decltype(load())> {
  try {
    return load();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return std::nullopt;
    throw;
  }
}

}  // namespace

// ---- configuration

void ProcessorConfig::validate() const {
  const auto check_length = [](std::int64_t length, const char* name) {
    if (length < 1 || length > kMostSoftTokens) {
      fail(ErrorCode::kInvalidArgument, name, ": expected 1 to ", kMostSoftTokens, ", got ",
           length);
    }
  };
  check_length(image_seq_length, "image_seq_length");
  check_length(audio_seq_length, "audio_seq_length");
}

ProcessorConfig ProcessorConfig::from_pretrained(const std::filesystem::path& model_dir) {
  ProcessorConfig config;
  const auto found = find_processor_config(model_dir);
  if (!found) return config;
  const auto json = nlohmann::json::parse(found->json);
  const auto read = [&](const char* key, std::int64_t& field) {
    const auto value = json.find(key);
    if (value == json.end()) return;
    if (!value->is_number_integer()) {
      fail(ErrorCode::kInvalidArgument, found->file, ": ", key, ": expected an integer, got ",
           value->type_name());
    }
    field = value->get<std::int64_t>();
  };
  read("image_seq_length", config.image_seq_length);
  read("audio_seq_length", config.audio_seq_length);
  try {
    config.validate();
  } catch (const Error& error) {
    fail(error.code(), found->file, ": ", error.what());
  }
  return config;
}

// ---- the processor

struct Processor::Impl {
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
  std::optional<ImageProcessor> image_processor;
  std::optional<AudioFeatureExtractor> feature_extractor;
  ProcessorConfig config;
  Medium media[2];  // pictures, sounds

  const Medium& image() const { return media[0]; }
  const Medium& audio() const { return media[1]; }

  bool writes_bos(std::string_view prompt) const {
    const auto bos = tokenizer.bos_token_id();
    const auto text = bos ? tokenizer.id_to_token(*bos) : std::nullopt;
    return text && prompt.starts_with(*text);
  }
};

Processor::Processor(Tokenizer tokenizer, std::optional<ChatTemplate> chat_template,
                     std::optional<ImageProcessor> image_processor,
                     std::optional<AudioFeatureExtractor> feature_extractor,
                     const ProcessorConfig& config) {
  config.validate();
  const auto image =
      make_medium({.name = "image", .inputs = "images", .type_id = 1}, tokenizer,
                  {"boi_token", "image_token", "eoi_token"}, config.image_seq_length);
  const auto audio =
      make_medium({.name = "audio", .inputs = "audio inputs", .type_id = 3}, tokenizer,
                  {"boa_token", "audio_token", "eoa_token"}, config.audio_seq_length);
  impl_ = std::make_shared<const Impl>(Impl{std::move(tokenizer),
                                            std::move(chat_template),
                                            std::move(image_processor),
                                            std::move(feature_extractor),
                                            config,
                                            {image, audio}});
}

Processor Processor::from_pretrained(const std::filesystem::path& model_dir) {
  return Processor(Tokenizer::from_pretrained(model_dir),
                   if_there([&] { return ChatTemplate::from_pretrained(model_dir); }),
                   if_there([&] { return ImageProcessor::from_pretrained(model_dir); }),
                   if_there([&] { return AudioFeatureExtractor::from_pretrained(model_dir); }),
                   ProcessorConfig::from_pretrained(model_dir));
}

Processor Processor::with_image_size(std::int64_t size) const {
  ImageProcessorConfig config = image_processor().config();
  config.height = config.width = size;
  Processor changed = *this;
  auto impl = std::make_shared<Impl>(*impl_);
  impl->image_processor = ImageProcessor(config);
  changed.impl_ = std::move(impl);
  return changed;
}

ProcessorOutput Processor::operator()(const ProcessorInputs& inputs,
                                      const ProcessorOptions& options) const {
  if (inputs.text.empty() && inputs.images.empty() && inputs.audio.empty()) {
    fail(ErrorCode::kInvalidArgument,
         "You need to provide at least one input to call Gemma3nProcessor");
  }
  std::vector<std::shared_ptr<const Image>> images;
  for (const auto& sample : inputs.images)
    images.insert(images.end(), sample.begin(), sample.end());
  auto text = prompts_of(inputs, impl_->image(), impl_->audio());
  check_counts(impl_->image(), text, images.size());
  check_counts(impl_->audio(), text, inputs.audio.size());

  ProcessorOutput output;
  if (!images.empty()) output.media.pixel_values = image_processor()(images, options.image_options);
  if (!inputs.audio.empty()) {
    add_features(feature_extractor(), inputs.audio, options.audio_options, output.media);
  }
  if (options.max_length && *options.max_length < 1) {
    fail(ErrorCode::kInvalidArgument, "max_length: expected 1 or more, got ", *options.max_length);
  }
  for (auto& prompt : text) {
    prompt = expanded(prompt, impl_->media);
    auto ids = impl_->tokenizer.encode(prompt, options.add_special_tokens);
    if (options.max_length && std::ssize(ids) > *options.max_length) {
      ids.resize(static_cast<std::size_t>(*options.max_length));
    }
    output.input_ids.push_back(std::move(ids));
  }
  for (const auto& medium : impl_->media) check_soft_tokens(medium, text, output.input_ids);
  for (const auto& ids : output.input_ids) {
    auto& types = output.token_type_ids.emplace_back(ids.size(), 0);
    for (const auto& medium : impl_->media) {
      if (medium.placeholder.empty()) continue;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] == medium.token) types[i] = medium.type_id;
      }
    }
  }
  return output;
}

// Ref: HF ProcessorMixin.apply_chat_template
ProcessorOutput Processor::apply_chat_template(std::span<const std::vector<Message>> conversations,
                                               const RenderOptions& render_options,
                                               const ProcessorOptions& options) const {
  if (conversations.empty()) {
    fail(ErrorCode::kInvalidArgument, "conversations: expected at least one");
  }
  ProcessorInputs inputs;
  for (const auto& conversation : conversations) {
    inputs.text.push_back(chat_template().render(conversation, render_options));
    auto& images = inputs.images.emplace_back();
    for (const auto& message : conversation) {
      for (const auto& part : message.parts) {
        if (part.image) images.push_back(part.image);
        if (part.audio) inputs.audio.push_back(part.audio);
      }
    }
  }
  ProcessorOptions with_bos = options;
  if (impl_->writes_bos(inputs.text.front())) with_bos.add_special_tokens = false;
  return (*this)(inputs, with_bos);
}

ProcessorOutput Processor::apply_chat_template(const std::vector<Message>& conversation,
                                               const RenderOptions& render_options,
                                               const ProcessorOptions& options) const {
  return apply_chat_template(std::span(&conversation, 1), render_options, options);
}

PaddedText Processor::pad(const ProcessorOutput& output) const {
  std::size_t longest = 0, shortest = SIZE_MAX;
  for (const auto& ids : output.input_ids) {
    longest = std::max(longest, ids.size());
    shortest = std::min(shortest, ids.size());
  }
  const auto pad = impl_->tokenizer.pad_token_id();
  if (shortest < longest && !pad) {
    fail(ErrorCode::kInvalidArgument,
         "prompts of unequal length: expected a pad token in tokenizer_config.json, got none");
  }
  const auto batch = std::ssize(output.input_ids), length = static_cast<std::int64_t>(longest);
  PaddedText padded = {Tensor(DType::kI64, {batch, length}), Tensor(DType::kI64, {batch, length}),
                       Tensor(DType::kI64, {batch, length})};
  std::size_t row = 0;
  for (std::size_t b = 0; b < output.input_ids.size(); ++b, row += longest) {
    const auto& ids = output.input_ids[b];
    const std::size_t first = row + longest - ids.size();
    std::fill(padded.input_ids.i64().begin() + static_cast<std::ptrdiff_t>(row),
              padded.input_ids.i64().begin() + static_cast<std::ptrdiff_t>(first), pad.value_or(0));
    for (std::size_t i = 0; i < ids.size(); ++i) {
      padded.input_ids.i64()[first + i] = ids[i];
      padded.attention_mask.i64()[first + i] = 1;
      padded.token_type_ids.i64()[first + i] = output.token_type_ids[b][i];
    }
  }
  return padded;
}

std::vector<std::string> Processor::batch_decode(std::span<const std::vector<TokenId>> sequences,
                                                 bool skip_special_tokens) const {
  std::vector<std::string> text;
  for (const auto& ids : sequences) {
    text.push_back(impl_->tokenizer.decode(ids, skip_special_tokens));
  }
  return text;
}

const Tokenizer& Processor::tokenizer() const { return impl_->tokenizer; }
const ChatTemplate& Processor::chat_template() const {
  return required(impl_->chat_template,
                  "chat template (chat_template.jinja, or in tokenizer_config.json)");
}
const ImageProcessor& Processor::image_processor() const {
  return required(impl_->image_processor,
                  "image processor (preprocessor_config.json, or in processor_config.json)");
}
const AudioFeatureExtractor& Processor::feature_extractor() const {
  return required(impl_->feature_extractor,
                  "feature extractor (preprocessor_config.json, or in processor_config.json)");
}
const ProcessorConfig& Processor::config() const { return impl_->config; }

}  // namespace gemma3n
