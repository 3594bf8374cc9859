// Pipeline: from conversations or prompts to answers, several at a time.
#include "gemma3n/pipeline.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace gemma3n {
namespace {

constexpr std::string_view kTextGeneration = "text-generation";
constexpr std::int64_t kDefaultNewTokens = 256;
constexpr double kDefaultTemperature = 0.7;  // of text-generation

void check_task(std::string_view task) {
  if (task == kTextGeneration || task == "image-text-to-text" || task == "any-to-any") return;
  fail(ErrorCode::kInvalidArgument,
       "pipeline: expected the task text-generation, image-text-to-text or any-to-any, got ", task);
}

// ---- several requests in one pass

bool stacks(const Tensor& a, const Tensor& b) {
  return !a || !b ||
         std::ranges::equal(std::span(a.shape()).subspan(1), std::span(b.shape()).subspan(1));
}

// Pictures and clips of other sizes would have to be padded, which the towers see.
bool stacks(const MediaInputs& a, const MediaInputs& b) {
  return stacks(a.pixel_values, b.pixel_values) && stacks(a.input_features, b.input_features) &&
         stacks(a.input_features_mask, b.input_features_mask);
}

std::size_t size_in_bytes(const Tensor& tensor) {
  return static_cast<std::size_t>(tensor.size()) * size_bytes(tensor.dtype());
}

// Along the first dimension; absent ones are left out.
Tensor stacked(std::span<const Tensor> parts) {
  std::vector<Tensor> present;
  std::ranges::copy_if(parts, std::back_inserter(present), [](const Tensor& x) { return !!x; });
  if (present.size() < 2) return present.empty() ? Tensor() : present.front();
  auto shape = present.front().shape();
  shape.front() = 0;
  for (const auto& part : present) shape.front() += part.dim(0);
  Tensor all(present.front().dtype(), shape);
  std::byte* to = all.bytes();
  for (const auto& part : present) {
    std::memcpy(to, part.bytes(), size_in_bytes(part));
    to += size_in_bytes(part);
  }
  return all;
}

// `options` for requests whose first sequence is number `first` of the call.
GenerateOptions numbered_from(std::size_t first, const GenerateOptions& options) {
  GenerateOptions shifted = options;
  if (options.on_token) {
    shifted.on_token = [first, &options](GenerationStep step) {
      step.sequence += first;
      return options.on_token(step);
    };
  }
  if (options.on_text) {
    shifted.on_text = [first, &options](std::size_t sequence, std::string_view text) {
      return options.on_text(first + sequence, text);
    };
  }
  return shifted;
}

// ---- answers

bool continues_final_message(const Conversation& conversation, const PipelineOptions& options) {
  const bool is_assistants = !conversation.empty() && conversation.back().role == "assistant";
  return options.continue_final_message.value_or(is_assistants);
}

Conversation with_answer(Conversation conversation, const std::string& text, bool continues) {
  if (!continues) {
    conversation.push_back(text_message("assistant", text));
    return conversation;
  }
  auto& parts = conversation.back().parts;
  if (parts.empty() || parts.back().kind != Part::Kind::kText) parts.push_back(text_part(""));
  parts.back().text += text;
  return conversation;
}

}  // namespace

// One prompt, ready for the model, and what its answers are put together from.
struct Pipeline::Request {
  std::vector<TokenId> ids;
  MediaInputs media;
  const Conversation* conversation = nullptr;  // or
  const Prompt* prompt = nullptr;

  PipelineOutput output(const std::string& new_text, const PipelineOptions& options) const {
    PipelineOutput result;
    result.generated_text = new_text;
    result.prompt_tokens = ids.size();
    if (!options.return_full_text) return result;
    if (prompt) result.generated_text = prompt->text + new_text;
    if (conversation) {
      result.conversation =
          with_answer(*conversation, new_text, continues_final_message(*conversation, options));
    }
    return result;
  }
};

Pipeline::Pipeline(std::string task, AnyModel model, Processor processor, GenerationConfig config)
    : task_(std::move(task)),
      model_(std::move(model)),
      processor_(std::move(processor)),
      config_(std::move(config)) {
  check_task(task_);
  if (task_ != kTextGeneration && !model_.has_towers()) {
    fail(ErrorCode::kUnsupported, "pipeline: ", task_, " needs a checkpoint of ",
         "Gemma3nForConditionalGeneration, got a text model; use the task ", kTextGeneration);
  }
}

void Pipeline::check_media(const MediaInputs& media) const {
  if (!media || task_ != kTextGeneration) return;
  fail(ErrorCode::kInvalidArgument, "pipeline: ", kTextGeneration, " takes text alone; for ",
       "pictures and sounds use the task any-to-any");
}

Pipeline::Request Pipeline::request_of(const Conversation& conversation,
                                       const PipelineOptions& options) const {
  const bool continues = continues_final_message(conversation, options);
  auto inputs = processor_.apply_chat_template(conversation,
                                               {.add_generation_prompt = !continues,
                                                .continue_final_message = continues,
                                                .variables_json = options.variables_json},
                                               options.processor);
  check_media(inputs.media);
  return {std::move(inputs.input_ids.front()), std::move(inputs.media), &conversation, nullptr};
}

Pipeline::Request Pipeline::request_of(const Prompt& prompt, const PipelineOptions& options) const {
  ProcessorInputs given = {.text = {prompt.text}, .images = {}, .audio = prompt.audio};
  if (!prompt.images.empty()) given.images = {prompt.images};
  auto inputs = processor_(given, options.processor);
  check_media(inputs.media);
  return {std::move(inputs.input_ids.front()), std::move(inputs.media), nullptr, &prompt};
}

// How many requests from the first on one pass takes.
std::size_t Pipeline::pass_size(std::span<const Request> requests, std::size_t batch_size) {
  std::size_t size = 1;
  while (size < std::min(batch_size, requests.size()) &&
         std::ranges::all_of(requests.first(size), [&](const Request& earlier) {
           return stacks(earlier.media, requests[size].media);
         })) {
    ++size;
  }
  return size;
}

GenerateOutput Pipeline::generate(std::span<const Request> requests, const GenerationConfig& config,
                                  const GenerateOptions& options) const {
  std::vector<std::vector<TokenId>> prompts;
  std::vector<Tensor> pixels, features, masks;
  for (const auto& request : requests) {
    prompts.push_back(request.ids);
    pixels.push_back(request.media.pixel_values);
    features.push_back(request.media.input_features);
    masks.push_back(request.media.input_features_mask);
  }
  return model_.generate(prompts, {stacked(pixels), stacked(features), stacked(masks)}, config,
                         &processor_.tokenizer(), options);
}

GenerationConfig Pipeline::checked_config(const PipelineOptions& options) const {
  if (options.batch_size == 0) {
    fail(ErrorCode::kInvalidArgument, "pipeline: batch_size: expected 1 or more, got 0");
  }
  if (options.generate.past_key_values || options.generate.assistant_past_key_values) {
    fail(ErrorCode::kInvalidArgument, "pipeline: past_key_values: expected none; use Chat, which ",
         "keeps a cache");
  }
  GenerationConfig config = options.generation_config.value_or(config_);
  if (options.max_new_tokens) config.max_new_tokens = options.max_new_tokens;
  config.validate();
  return config;
}

std::vector<std::vector<PipelineOutput>> Pipeline::answer(std::span<const Request> requests,
                                                          const PipelineOptions& options) const {
  GenerationConfig config = checked_config(options);
  const auto copies = static_cast<std::size_t>(config.num_return_sequences);
  std::vector<std::vector<PipelineOutput>> answers;
  bool is_cancelled = false;
  while (answers.size() < requests.size() && !is_cancelled) {
    const std::size_t first = answers.size();
    const std::size_t size = pass_size(requests.subspan(first), options.batch_size);
    const auto output = generate(requests.subspan(first, size), config,
                                 numbered_from(first * copies, options.generate));
    for (std::size_t row = 0; row < size * copies; ++row) {
      if (row % copies == 0) answers.emplace_back();
      const auto& ids = output.new_tokens.at(row);
      const auto text = processor_.tokenizer().decode(ids, options.skip_special_tokens);
      auto& result =
          answers.back().emplace_back(requests[first + row / copies].output(text, options));
      result.new_tokens = ids;
      result.finish_reason = output.finish_reasons.at(row);
      is_cancelled |= result.finish_reason == FinishReason::kCancelled;
    }
    config.seed += size;  // equal prompts of the next pass draw other answers
  }
  while (answers.size() < requests.size()) {
    answers.emplace_back(copies, requests[answers.size()].output("", options));
  }
  return answers;
}

std::vector<std::vector<PipelineOutput>> Pipeline::operator()(
    std::span<const Conversation> conversations, const PipelineOptions& options) const {
  std::vector<Request> requests;
  for (const auto& conversation : conversations) {
    requests.push_back(request_of(conversation, options));
  }
  return answer(requests, options);
}

std::vector<std::vector<PipelineOutput>> Pipeline::operator()(
    std::span<const Prompt> prompts, const PipelineOptions& options) const {
  std::vector<Request> requests;
  for (const auto& prompt : prompts) requests.push_back(request_of(prompt, options));
  return answer(requests, options);
}

std::vector<PipelineOutput> Pipeline::operator()(const Conversation& conversation,
                                                 const PipelineOptions& options) const {
  return std::move((*this)(std::span(&conversation, 1), options).front());
}

std::vector<PipelineOutput> Pipeline::operator()(const Prompt& prompt,
                                                 const PipelineOptions& options) const {
  return std::move((*this)(std::span(&prompt, 1), options).front());
}

std::vector<PipelineOutput> Pipeline::operator()(const std::string& text,
                                                 const PipelineOptions& options) const {
  return (*this)(Prompt{.text = text}, options);
}

Pipeline pipeline(std::string_view task, const std::filesystem::path& model_dir,
                  const LoadOptions& options) {
  check_task(task);
  const bool is_text = task == kTextGeneration;
  GenerationConfig defaults;
  if (is_text) {
    defaults.do_sample = true;
    defaults.temperature = kDefaultTemperature;
  }
  auto config = GenerationConfig::from_pretrained(model_dir, defaults);
  if (!config.max_new_tokens && !config.max_length) config.max_new_tokens = kDefaultNewTokens;
  auto processor = Processor::from_pretrained(model_dir);
  auto model = is_text ? AnyModel(ForCausalLM::from_pretrained(model_dir, options))
                       : AnyModel::from_pretrained(model_dir, options);
  return Pipeline(std::string(task), std::move(model), std::move(processor), std::move(config));
}

}  // namespace gemma3n
