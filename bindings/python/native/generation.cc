#include "gemma3n/generation.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "arrays.h"
#include "callbacks.h"
#include "module.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace gemma3n::python {
namespace {

using Prompts = std::vector<std::vector<TokenId>>;

nb::list lists_of(std::span<const std::vector<TokenId>> sequences) {
  nb::list lists;
  for (const auto& ids : sequences) lists.append(nb::cast(ids));
  return lists;
}

// The callables of one call.
struct Callbacks {
  Callable on_token;        // (sequence, token) -> None
  Callable on_progress;     // (share) -> None, of encoding and prefill
  Callable process_scores;  // (sequences, scores [S, V]) -> scores
  Callable should_stop;     // (sequences, scores of this step or None) -> a bool for each sequence

  GenerateOptions options(std::shared_ptr<Cache> cache) const {
    GenerateOptions options;
    options.past_key_values = std::move(cache);
    options.on_token = [this](const GenerationStep& step) {
      nb::gil_scoped_acquire gil;
      raise_signals();
      if (on_token) on_token.get()(step.sequence, step.token);
      return true;
    };
    options.on_prefill = options.on_encode = [this](double share) {
      nb::gil_scoped_acquire gil;
      raise_signals();
      if (on_progress) on_progress.get()(share);
      return true;
    };
    if (process_scores) {
      options.batch_logits_processor = [this](std::span<const std::vector<TokenId>> sequences,
                                              Tensor& scores) {
        nb::gil_scoped_acquire gil;
        const nb::object result = process_scores.get()(lists_of(sequences), to_numpy(scores));
        scores = to_tensor(result, DType::kF32, "scores of a logits processor");
      };
    }
    if (should_stop) {
      options.stopping_criteria = [this](std::span<const std::vector<TokenId>> sequences,
                                         std::span<const Tensor> scores, std::vector<bool>& stop) {
        nb::gil_scoped_acquire gil;
        const nb::object last = scores.empty() ? nb::none() : to_numpy(scores.back());
        stop = nb::cast<std::vector<bool>>(should_stop.get()(lists_of(sequences), last));
      };
    }
    return options;
  }
};

nb::object steps_of(const std::vector<Tensor>& steps) {
  nb::list list;
  for (const Tensor& step : steps) list.append(to_numpy(step));
  return nb::tuple(list);
}

nb::dict to_dict(const GenerateOutput& out) {
  nb::dict d;
  d["sequences"] = out.sequences;
  d["new_tokens"] = out.new_tokens;
  nb::list reasons;
  for (const FinishReason reason : out.finish_reasons) {
    reasons.append(std::string(finish_reason_name(reason)));
  }
  d["finish_reasons"] = reasons;
  d["scores"] = steps_of(out.scores);
  d["logits"] = steps_of(out.logits);
  d["past_key_values"] = out.past_key_values;
  return d;
}

template <typename Generate>
nb::dict run(const Generate& generate, nb::handle past_key_values, nb::object on_token,
             nb::object on_progress, nb::object process_scores, nb::object should_stop,
             const ForCausalLM* assistant) {
  const Callbacks callbacks{Callable(std::move(on_token)), Callable(std::move(on_progress)),
                            Callable(std::move(process_scores)), Callable(std::move(should_stop))};
  const auto cache = past_key_values.is_none() ? std::shared_ptr<Cache>()
                                               : nb::cast<std::shared_ptr<Cache>>(past_key_values);
  GenerateOptions options = callbacks.options(cache);
  if (assistant) options.assistant_model = *assistant;
  GenerateOutput out;
  {
    nb::gil_scoped_release release;
    out = generate(options);
  }
  return to_dict(out);
}

}  // namespace

void bind_generation(nb::module_& m) {
  nb::class_<GenerationConfig>(m, "GenerationConfig")
      .def(nb::init<>())
      .def_rw("max_new_tokens", &GenerationConfig::max_new_tokens)
      .def_rw("max_length", &GenerationConfig::max_length)
      .def_rw("min_new_tokens", &GenerationConfig::min_new_tokens)
      .def_rw("min_length", &GenerationConfig::min_length)
      .def_rw("do_sample", &GenerationConfig::do_sample)
      .def_rw("temperature", &GenerationConfig::temperature)
      .def_rw("top_k", &GenerationConfig::top_k)
      .def_rw("top_p", &GenerationConfig::top_p)
      .def_rw("min_p", &GenerationConfig::min_p)
      .def_rw("typical_p", &GenerationConfig::typical_p)
      .def_rw("repetition_penalty", &GenerationConfig::repetition_penalty)
      .def_rw("no_repeat_ngram_size", &GenerationConfig::no_repeat_ngram_size)
      .def_rw("bad_words_ids", &GenerationConfig::bad_words_ids)
      .def_rw("stop_strings", &GenerationConfig::stop_strings)
      .def_rw("eos_token_id", &GenerationConfig::eos_token_id)
      .def_rw("num_return_sequences", &GenerationConfig::num_return_sequences)
      .def_rw("seed", &GenerationConfig::seed)
      .def_rw("cache_implementation", &GenerationConfig::cache_implementation)
      .def_prop_rw(
          "cache_storage",
          [](const GenerationConfig& c) {
            return std::string(cache_storage_name(c.cache_storage));
          },
          [](GenerationConfig& c, const std::string& name) {
            c.cache_storage = cache_storage_from_name(name);
          })
      .def_rw("prefill_chunk_size", &GenerationConfig::prefill_chunk_size)
      .def_rw("num_assistant_tokens", &GenerationConfig::num_assistant_tokens)
      .def_rw("num_assistant_tokens_schedule", &GenerationConfig::num_assistant_tokens_schedule)
      .def_rw("assistant_confidence_threshold", &GenerationConfig::assistant_confidence_threshold)
      .def_rw("output_scores", &GenerationConfig::output_scores)
      .def_rw("output_logits", &GenerationConfig::output_logits)
      .def("validate", &GenerationConfig::validate);

  m.def(
      "generate",
      [](const ForCausalLM& model, const Prompts& prompts, const GenerationConfig& config,
         const Tokenizer* tokenizer, nb::handle past_key_values, nb::object on_token,
         nb::object on_progress, nb::object process_scores, nb::object should_stop,
         const ForCausalLM* assistant_model) {
        return run(
            [&](const GenerateOptions& options) {
              return generate(model, prompts, config, tokenizer, options);
            },
            past_key_values, on_token, on_progress, process_scores, should_stop, assistant_model);
      },
      "model"_a, "prompts"_a, "config"_a, "tokenizer"_a.none() = nb::none(),
      "past_key_values"_a = nb::none(), "on_token"_a = nb::none(), "on_progress"_a = nb::none(),
      "process_scores"_a = nb::none(), "should_stop"_a = nb::none(),
      "assistant_model"_a.none() = nb::none());
  m.def(
      "generate",
      [](const ForConditionalGeneration& model, const Prompts& prompts,
         const GenerationConfig& config, const Tokenizer* tokenizer, nb::handle past_key_values,
         nb::object on_token, nb::object on_progress, nb::object process_scores,
         nb::object should_stop, const ForCausalLM* assistant_model, nb::handle pixel_values,
         nb::handle input_features, nb::handle input_features_mask) {
        const MediaInputs media{
            to_tensor(pixel_values, DType::kF32, "pixel_values"),
            to_tensor(input_features, DType::kF32, "input_features"),
            to_tensor(input_features_mask, DType::kBool, "input_features_mask")};
        return run(
            [&](const GenerateOptions& options) {
              return generate(model, prompts, media, config, tokenizer, options);
            },
            past_key_values, on_token, on_progress, process_scores, should_stop, assistant_model);
      },
      "model"_a, "prompts"_a, "config"_a, "tokenizer"_a.none() = nb::none(),
      "past_key_values"_a = nb::none(), "on_token"_a = nb::none(), "on_progress"_a = nb::none(),
      "process_scores"_a = nb::none(), "should_stop"_a = nb::none(),
      "assistant_model"_a.none() = nb::none(), "pixel_values"_a = nb::none(),
      "input_features"_a = nb::none(), "input_features_mask"_a = nb::none());
}

}  // namespace gemma3n::python
