#include <algorithm>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/new_folder.h"
#include "checkpoint/checkpoint_binder.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/quantization_config.h"
#include "checkpoint/safetensors_writer.h"
#include "model/checkpoint_folder.h"
#include "model/loaded_model.h"
#include "model/weight_parts.h"
#include "ops/quantize.h"

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

struct Stopped {};  // on_progress said so

// A tensor of the new checkpoint: a matrix in another form, or bytes as they are.
struct Planned {
  const CheckpointTensor* tensor;
  Weight matrix = {};  // null for bytes
  Access access = Access::kAsStored;
  WeightForm form = {};
};

// Binds a model and keeps account of all its tensors, in order.
class PlanBinder : public CheckpointBinder {
 public:
  PlanBinder(const Checkpoint& checkpoint, const std::string& prefix, Quantization quantization)
      : CheckpointBinder(checkpoint, prefix), to_(quantization) {}

  std::vector<Planned> plan;

 private:
  void bind_top_tensor(const std::string& name, Weight& slot, const Shape& shape,
                       Access access) override {
    CheckpointBinder::bind_top_tensor(name, slot, shape, access);
    const CheckpointTensor* tensor = checkpoint().find(name);
    const WeightForm form = form_of(shape, slot.dtype, access, to_);
    if (form.storage == Storage::kRows) {
      plan.push_back({tensor});
    } else {
      plan.push_back({tensor, slot, access, form});
    }
  }
  void bind_vector(const std::string& name, Vector& slot, Index n) override {
    CheckpointBinder::bind_vector(name, slot, n);
    plan.push_back({checkpoint().find(prefix() + name)});
  }

  Quantization to_;
};

// Blocks first, then what has fewer bytes to a value: so everything is aligned as its type wants,
// without gaps. Groups, which want least, come last.
int place_of(const Planned& planned) {
  if (is_blocks(planned.form.storage)) return 0;
  if (planned.matrix) return 3;
  return size_bits(planned.tensor->entry->dtype) == 32 ? 1 : 2;
}

std::vector<Planned> plan_of(const fs::path& model_dir, const Checkpoint& checkpoint,
                             Quantization quantization) {
  PlanBinder text(checkpoint, text_prefix(checkpoint), quantization);
  Decoder decoder;
  bind(text, decoder, TextConfig::from_pretrained(model_dir));
  auto plan = std::move(text.plan);
  if (stores_towers(checkpoint)) {
    PlanBinder towers(checkpoint, kWholeModelPrefix, quantization);
    Multimodal multimodal;
    bind(towers, multimodal, Config::from_pretrained(model_dir));
    plan.insert(plan.end(), towers.plan.begin(), towers.plan.end());
  }
  std::ranges::stable_sort(plan, {}, place_of);
  return plan;
}

NewTensor new_tensor(const Planned& planned) {
  const SafetensorsEntry& entry = *planned.tensor->entry;
  if (!planned.matrix) return {entry.name, entry.dtype, entry.shape};
  const Shape shape =
      quantized_shape(shape_as_read(planned.matrix.shape, planned.access), planned.form.storage);
  return {entry.name, StoredDType::kU8, {shape[0], shape[1], shape[2]}};
}

class Work {
 public:
  Work(const std::vector<Planned>& plan, const QuantizeOptions& options,
       std::shared_ptr<const Calibration> calibration)
      : pool_(thread_count(options.threads)),
        on_progress_(options.on_progress),
        calibration_(std::move(calibration)) {
    for (const Planned& planned : plan) all_ += static_cast<double>(planned.tensor->bytes().size());
  }

  void write(SafetensorsWriter& writer, const Planned& planned) {
    planned.matrix ? write_matrix(writer, planned) : write_bytes(writer, planned);
  }

 private:
  void write_matrix(SafetensorsWriter& writer, const Planned& planned) {
    const Weight& matrix = planned.matrix;
    const WeightForm form = planned.form;
    const Index width = shape_as_read(matrix.shape, planned.access)[1];
    const auto importance = importance_of(planned, width);
    for_parts(matrix, planned.access, form, true, [&](Index first, Index n) {
      buffer_.resize(size_bytes(form, {n, width}));
      write_part(planned, first, n, importance);
      writer.write(buffer_);
      report(static_cast<std::size_t>(n * width) * size_bytes(matrix.dtype));
    });
  }
  // Of the inputs of a matrix; empty if they were not measured.
  std::vector<float> importance_of(const Planned& planned, Index width) const {
    if (calibration_ == nullptr) return {};
    auto importance = calibration_->mean_squares(planned.tensor->name());
    if (!importance.empty() && std::ssize(importance) != width) {
      fail(ErrorCode::kInvalidArgument, "calibration: ", planned.tensor->name(), ": expected ",
           width, " inputs, got ", importance.size(), "; it is of another model");
    }
    return importance;
  }
  void write_part(const Planned& planned, Index first, Index n, std::span<const float> importance) {
    try {
      write_rows(pool_, planned.matrix, planned.access, planned.form, first, n, buffer_.data(),
                 importance);
    } catch (const Error& error) {
      fail(error.code(), planned.tensor->name(), ": ", error.what());
    }
  }
  void write_bytes(SafetensorsWriter& writer, const Planned& planned) {
    constexpr std::size_t kPart = 16 << 20;
    auto bytes = planned.tensor->bytes();
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min(kPart, bytes.size()));
      writer.write(part);
      release_mapped_pages(part.data(), part.size());
      bytes = bytes.subspan(part.size());
      report(part.size());
    }
  }
  void report(std::size_t bytes) {
    done_ += static_cast<double>(bytes);
    if (on_progress_ && !on_progress_(std::min(1.0, done_ / all_))) throw Stopped();
  }

  ThreadPool pool_;
  const std::function<bool(double)>& on_progress_;
  const std::shared_ptr<const Calibration> calibration_;  // may be null
  double done_ = 0, all_ = 0;                             // bytes that are read
  std::vector<std::byte> buffer_;
};

void write_config(const fs::path& folder, Quantization quantization, const fs::path& to) {
  write_text_file(
      to / "config.json",
      with_quantization(read_text_file(folder / "config.json", kMaxConfigBytes), quantization));
}

// Only what this function wrote is replaced: a slip of the pen must not cost anybody a folder.
void check_replaceable(const fs::path& folder) {
  bool is_own = false;
  try {
    is_own = stored_quantization(folder) != Quantization::kNone;
  } catch (const Error&) {  // then it is none of ours
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    const bool is_known = entry.path().filename() == kTemplatesFolder;
    is_own = is_own && (is_known || entry.symlink_status().type() != fs::file_type::directory);
  }
  if (is_own) return;
  fail(ErrorCode::kInvalidArgument, folder.string(),
       ": is no quantised checkpoint, and is not replaced; choose another name");
}

void check_options(const QuantizeOptions& options) {
  if (options.to != Quantization::kInt8 && options.to != Quantization::kInt4) {
    fail(ErrorCode::kInvalidArgument, "to: expected q8 or q4, got ", quantization_name(options.to));
  }
  if (options.calibrate && options.to != Quantization::kInt4) {
    fail(ErrorCode::kInvalidArgument, "calibration: goes with q4; q8 has no scales to choose from");
  }
}

// Null if there is none.
std::shared_ptr<const Calibration> calibration_of(const QuantizeOptions& options) {
  if (!options.calibrate) return nullptr;
  auto calibration = options.calibrate();
  if (calibration == nullptr) throw Stopped();
  if (calibration->is_empty()) {
    fail(ErrorCode::kInvalidArgument, "calibration: nothing was measured; ",
         "the model that was loaded with it has to read a text first");
  }
  return calibration;
}

void write_checkpoint(const Checkpoint& checkpoint, const fs::path& model_dir,
                      const QuantizeOptions& options, const fs::path& to) {
  const auto plan = plan_of(model_dir, checkpoint, options.to);
  const auto calibration = calibration_of(options);
  copy_files_beside_weights(checkpoint.directory(), to);
  write_config(checkpoint.directory(), options.to, to);
  std::vector<NewTensor> tensors;
  for (const Planned& planned : plan) tensors.push_back(new_tensor(planned));
  SafetensorsWriter writer(to / "model.safetensors", tensors);
  Work work(plan, options, calibration);
  for (const Planned& planned : plan) work.write(writer, planned);
  writer.finish();
}

}  // namespace

bool quantize_checkpoint(const fs::path& model_dir, const fs::path& out_dir,
                         const QuantizeOptions& options) {
  check_options(options);
  NewFolder folder(out_dir, options.replace);
  if (folder.replaces()) check_replaceable(folder.target());
  TextConfig::from_pretrained(model_dir);  // before anything else is read
  if (const auto stored = stored_quantization(model_dir); stored != Quantization::kNone) {
    fail(ErrorCode::kUnsupported, model_dir.string(), ": is quantised already, as ",
         quantization_name(stored), "; quantise the original checkpoint");
  }
  try {
    write_checkpoint(Checkpoint::open(model_dir), model_dir, options, folder.path());
  } catch (const Stopped&) {
    return false;
  }
  folder.publish();
  return true;
}

}  // namespace gemma3n
