#include "model/calibration.h"

#include <algorithm>

#include "checkpoint/binder.h"

namespace gemma3n {
namespace {

// Whether the inputs say which weights of a group count more. Not of columns, whose groups lie
// along the outputs and share one input; nor of what is only looked up, or has 8 bits in any case.
bool has_uneven_groups(Access access) {
  return access == Access::kProduct || access == Access::kRows;
}

// Goes through the tables of a model that is bound already.
class MeasuringBinder : public TensorBinder {
 public:
  MeasuringBinder(std::string prefix, std::map<std::string, InputSquares>& inputs)
      : prefix_(std::move(prefix)), inputs_(inputs) {}

 private:
  void bind_tensor(const std::string& name, Weight& slot, const Shape& shape,
                   Access access) override {
    bind_top_tensor(prefix_ + name, slot, shape, access);
  }
  void bind_top_tensor(const std::string& name, Weight& slot, const Shape&,
                       Access access) override {
    if (has_uneven_groups(access)) slot.inputs = &inputs_[name];
  }
  void bind_vector(const std::string&, Vector&, Index) override {}
  bool has_tensor(const std::string&) const override { return true; }

  const std::string prefix_;
  std::map<std::string, InputSquares>& inputs_;
};

}  // namespace

void measure_inputs(ModelImpl& model, const std::string& prefix,
                    std::shared_ptr<Calibration> calibration) {
  MeasuringBinder binder(prefix, calibration->impl().inputs);
  bind(binder, model.decoder, model.config);
  model.resources->calibration = std::move(calibration);
}

Calibration::Calibration() : impl_(std::make_unique<Impl>()) {}
Calibration::~Calibration() = default;

bool Calibration::is_empty() const {
  return std::ranges::all_of(impl_->inputs,
                             [](const auto& entry) { return entry.second.means().empty(); });
}

std::vector<float> Calibration::mean_squares(const std::string& tensor) const {
  const auto found = impl_->inputs.find(tensor);
  return found == impl_->inputs.end() ? std::vector<float>() : found->second.means();
}

}  // namespace gemma3n
