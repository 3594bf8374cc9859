#include "gemma3n/model.h"

#include <nanobind/stl/filesystem.h>
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

LoadOptions load_options(int threads, const std::string& quantization, const Callable& on_warning,
                         const Callable& on_progress) {
  LoadOptions options;
  options.threads = threads;
  options.quantization = quantization_from_name(quantization);
  if (on_warning) {
    options.on_warning = [&on_warning](std::string_view line) {
      nb::gil_scoped_acquire gil;
      on_warning.get()(nb::str(line.data(), line.size()));
    };
  }
  options.on_progress = [&on_progress](double share) {
    nb::gil_scoped_acquire gil;
    raise_signals();
    if (on_progress) on_progress.get()(share);
  };
  return options;
}

// size: a name, the path of a JSON file, or JSON itself.   config: of the whole model.
MatFormerConfig size_of(const std::string& size, const TextConfig& config) {
  return size.starts_with('{') ? MatFormerConfig::from_json(size)
                               : MatFormerConfig::from_text(size, config);
}

template <typename Model>
Model load(const std::filesystem::path& folder, int threads, const std::string& quantization,
           const std::string& matformer, nb::object on_warning, nb::object on_progress) {
  const Callable warning(std::move(on_warning)), progress(std::move(on_progress));
  nb::gil_scoped_release release;
  LoadOptions options = load_options(threads, quantization, warning, progress);
  if (!matformer.empty()) {
    options.matformer = size_of(matformer, TextConfig::from_pretrained(folder));
  }
  return Model::from_pretrained(folder, options);
}

const TextConfig& text_config_of(const TextConfig& config) { return config; }
const TextConfig& text_config_of(const Config& config) { return config.text_config; }

std::shared_ptr<Cache> cache_of(nb::handle cache) {
  return cache.is_none() ? nullptr : nb::cast<std::shared_ptr<Cache>>(cache);
}

nb::object get(const nb::kwargs& inputs, const char* name) {
  return inputs.contains(name) ? nb::object(inputs[name]) : nb::none();
}

Tensor tensor_of(const nb::kwargs& inputs, DType dtype, const char* name) {
  return to_tensor(get(inputs, name), dtype, name);
}

// The arguments of forward() that are there, into the inputs of any of the models.
void fill(const nb::kwargs& from, TextInputs& in) {
  in.input_ids = tensor_of(from, DType::kI64, "input_ids");
  in.inputs_embeds = tensor_of(from, DType::kF32, "inputs_embeds");
  in.per_layer_inputs = tensor_of(from, DType::kF32, "per_layer_inputs");
  in.attention_mask = tensor_of(from, DType::kI64, "attention_mask");
  in.position_ids = tensor_of(from, DType::kI64, "position_ids");
  in.past_key_values = cache_of(get(from, "past_key_values"));
  if (from.contains("use_cache")) in.use_cache = nb::cast<bool>(from["use_cache"]);
  if (from.contains("output_hidden_states")) {
    in.output_hidden_states = nb::cast<bool>(from["output_hidden_states"]);
  }
}

void fill(const nb::kwargs& from, CausalLMInputs& in) {
  fill(from, static_cast<TextInputs&>(in));
  if (from.contains("logits_to_keep")) {
    in.logits_to_keep = nb::cast<std::int64_t>(from["logits_to_keep"]);
  }
  in.logits_indices = tensor_of(from, DType::kI64, "logits_indices");
  in.labels = tensor_of(from, DType::kI64, "labels");
}

MediaInputs media_of(const nb::kwargs& from) {
  return {tensor_of(from, DType::kF32, "pixel_values"),
          tensor_of(from, DType::kF32, "input_features"),
          tensor_of(from, DType::kBool, "input_features_mask")};
}

void fill(const nb::kwargs& from, MultimodalInputs& in) {
  fill(from, static_cast<CausalLMInputs&>(in));
  in.media = media_of(from);
}

// Of Model, whose media are an argument of their own.
struct ModelInputs : TextInputs {
  MediaInputs media = {};
};

void fill(const nb::kwargs& from, ModelInputs& in) {
  fill(from, static_cast<TextInputs&>(in));
  in.media = media_of(from);
}

ModelOutputs run(const Model& model, const ModelInputs& in) { return model.forward(in, in.media); }

template <typename Class, typename Inputs>
auto run(const Class& model, const Inputs& in) {
  return model.forward(in);
}

nb::object states_of(const std::vector<Tensor>& states) {
  if (states.empty()) return nb::none();
  nb::list list;
  for (const Tensor& state : states) list.append(to_numpy(state));
  return nb::tuple(list);
}

void put(nb::dict& d, const TextOutputs& out) {
  d["last_hidden_state"] = to_numpy(out.last_hidden_state);
  d["hidden_states"] = states_of(out.hidden_states);
  d["past_key_values"] = out.past_key_values;
}

void put(nb::dict& d, const CausalLMOutputs& out) {
  d["loss"] = to_numpy(out.loss);
  d["logits"] = to_numpy(out.logits);
  d["hidden_states"] = states_of(out.hidden_states);
  d["past_key_values"] = out.past_key_values;
}

void put(nb::dict& d, const MediaStates& out) {
  d["image_hidden_states"] = to_numpy(out.image_hidden_states);
  d["audio_hidden_states"] = to_numpy(out.audio_hidden_states);
}

void put(nb::dict& d, const ModelOutputs& out) {
  put(d, static_cast<const TextOutputs&>(out));
  put(d, static_cast<const MediaStates&>(out));
}

void put(nb::dict& d, const MultimodalOutputs& out) {
  put(d, static_cast<const CausalLMOutputs&>(out));
  put(d, static_cast<const MediaStates&>(out));
}

template <typename Class, typename Inputs>
nb::dict forward(const Class& model, const nb::kwargs& arguments) {
  Inputs in;
  fill(arguments, in);
  const auto out = [&] {
    nb::gil_scoped_release release;
    return run(model, in);
  }();
  nb::dict d;
  put(d, out);
  return d;
}

template <typename Class>
void bind_common(Class& c) {
  using Type = typename Class::Type;
  c.def_static("from_pretrained", &load<Type>, "folder"_a, "threads"_a = 0,
               "quantization"_a = "none", "matformer"_a = "", "on_warning"_a = nb::none(),
               "on_progress"_a = nb::none());
  c.def(
      "sliced",
      [](const Type& model, const std::string& size) {
        return model.sliced(size_of(size, text_config_of(model.config())));
      },
      "size"_a);
  c.def("text_config_json",
        [](const Type& model) { return text_config_of(model.config()).to_json(); });
  c.def(
      "new_cache",
      [](const Type& model, std::int64_t batch_size, bool is_static, std::int64_t max_cache_len,
         const std::string& storage) {
        CacheOptions options;
        options.storage = cache_storage_from_name(storage);
        if (is_static) options.implementation = CacheOptions::Implementation::kStatic;
        options.max_cache_len = max_cache_len;
        return model.new_cache(batch_size, options);
      },
      "batch_size"_a, "static"_a = false, "max_cache_len"_a = 0, "storage"_a = "f32");
}

nb::dict image_features(const Model& model, nb::handle pixel_values) {
  const Tensor pixels = to_tensor(pixel_values, DType::kF32, "pixel_values");
  ImageFeatures out;
  {
    nb::gil_scoped_release release;
    out = model.get_image_features(pixels);
  }
  nb::dict d;
  d["last_hidden_state"] = to_numpy(out.last_hidden_state);
  d["pooler_output"] = to_numpy(out.pooler_output);
  return d;
}

nb::dict audio_features(const Model& model, nb::handle input_features,
                        nb::handle input_features_mask) {
  const Tensor features = to_tensor(input_features, DType::kF32, "input_features");
  const Tensor mask = to_tensor(input_features_mask, DType::kBool, "input_features_mask");
  AudioFeaturesOutput out;
  {
    nb::gil_scoped_release release;
    out = model.get_audio_features(features, mask);
  }
  nb::dict d;
  d["last_hidden_state"] = to_numpy(out.last_hidden_state);
  d["pooler_output"] = to_numpy(out.pooler_output);
  d["audio_mel_mask"] = to_numpy(out.audio_mel_mask);
  return d;
}

}  // namespace

void bind_model(nb::module_& m) {
  nb::class_<Cache>(m, "Cache")
      .def_prop_ro("batch_size", &Cache::batch_size)
      .def("get_seq_length", &Cache::get_seq_length)
      .def("clone", &Cache::clone)
      .def_prop_ro("size_bytes", &Cache::size_bytes);

  auto text = nb::class_<TextModel>(m, "TextModel")
                  .def("forward", &forward<TextModel, TextInputs>)
                  .def(
                      "get_per_layer_inputs",
                      [](const TextModel& model, nb::handle ids) {
                        return to_numpy(
                            model.get_per_layer_inputs(to_tensor(ids, DType::kI64, "input_ids")));
                      },
                      "input_ids"_a)
                  .def(
                      "get_input_embeddings",
                      [](const TextModel& model, nb::handle ids) {
                        return to_numpy(
                            model.get_input_embeddings(to_tensor(ids, DType::kI64, "input_ids")));
                      },
                      "input_ids"_a);
  bind_common(text);

  auto causal = nb::class_<ForCausalLM>(m, "ForCausalLM")
                    .def("forward", &forward<ForCausalLM, CausalLMInputs>)
                    .def("model", &ForCausalLM::model)
                    .def_prop_ro("threads", &ForCausalLM::threads);
  bind_common(causal);
  causal.def_static(
      "synthetic",
      [](const std::string& config, std::uint64_t seed, int threads) {
        nb::gil_scoped_release release;
        return ForCausalLM::synthetic(TextConfig::from_json(config), seed, {.threads = threads});
      },
      "config"_a, "seed"_a, "threads"_a = 0);

  auto model =
      nb::class_<Model>(m, "Model")
          .def("forward", &forward<Model, ModelInputs>)
          .def("get_image_features", &image_features, "pixel_values"_a)
          .def("get_audio_features", &audio_features, "input_features"_a, "input_features_mask"_a)
          .def("language_model", &Model::language_model);
  bind_common(model);

  auto whole = nb::class_<ForConditionalGeneration>(m, "ForConditionalGeneration")
                   .def("forward", &forward<ForConditionalGeneration, MultimodalInputs>)
                   .def("model", &ForConditionalGeneration::model)
                   .def("language_model", &ForConditionalGeneration::language_model)
                   .def_prop_ro("threads", &ForConditionalGeneration::threads);
  bind_common(whole);
  whole.def_static(
      "synthetic",
      [](const std::string& config, std::uint64_t seed, int threads) {
        nb::gil_scoped_release release;
        return ForConditionalGeneration::synthetic(Config::from_json(config), seed,
                                                   {.threads = threads});
      },
      "config"_a, "seed"_a, "threads"_a = 0);

  // What the checkpoint holds: a list of (name, dtype, shape, file, is used, is the text model's,
  // number of parameters), whether it has towers, and how it is quantised.
  m.def(
      "inspect_checkpoint",
      [](const std::filesystem::path& folder) {
        const CheckpointInfo info = [&] {
          nb::gil_scoped_release release;
          return inspect_checkpoint(folder);
        }();
        nb::list tensors;
        for (const TensorInfo& t : info.tensors) {
          tensors.append(nb::make_tuple(t.name, t.dtype, t.shape, t.file, t.used, t.of_text_model,
                                        t.parameters));
        }
        nb::dict d;
        d["tensors"] = tensors;
        d["architecture"] = info.architecture;
        d["has_towers"] = info.has_towers;
        d["quantization"] = std::string(quantization_name(info.quantization));
        return d;
      },
      "folder"_a);
}

}  // namespace gemma3n::python
