#include "formula_checkpoint.h"

#include <bit>
#include <fstream>
#include <map>
#include <string>

#include "model/multimodal.h"
#include "model/text/decoder.h"
#include "stored_cases.h"

namespace gemma3n::golden {
namespace {

// Collects what is bound as tensors of a file.
class CollectingBinder : public FormulaBinder {
 public:
  CollectingBinder() : FormulaBinder(DType::kBF16) {}

  void write(const std::filesystem::path& file) const {
    nlohmann::json header;
    std::size_t offset = 0;
    for (const auto& [name, tensor] : tensors_) {
      header[name] = {{"dtype", "BF16"},
                      {"shape", tensor.shape},
                      {"data_offsets", {offset, offset + tensor.bytes.size()}}};
      offset += tensor.bytes.size();
    }
    const std::string text = header.dump();
    const std::uint64_t length = text.size();
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(&length), sizeof length) << text;
    for (const auto& [name, tensor] : tensors_) out << tensor.bytes;
  }

 private:
  struct Collected {
    std::vector<Index> shape;
    std::string bytes;
  };

  void bind_tensor(const std::string& name, Weight& slot, const Shape& shape, Access) override {
    FormulaBinder::bind_tensor(name, slot, shape, Access::kAsStored);
    Collected tensor;
    for (int axis = 0; axis < shape.rank(); ++axis) tensor.shape.push_back(shape[axis]);
    tensor.bytes.assign(static_cast<const char*>(slot.data),
                        static_cast<std::size_t>(shape.size()) * 2);
    tensors_[name] = std::move(tensor);
  }
  void bind_vector(const std::string& name, Vector& slot, Index n) override {
    FormulaBinder::bind_vector(name, slot, n);
    Collected tensor{{n}, {}};
    for (const float v : slot.values) {
      const auto bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(v) >> 16);
      tensor.bytes.append(reinterpret_cast<const char*>(&bits), sizeof bits);
    }
    tensors_[name] = std::move(tensor);
  }

  std::map<std::string, Collected> tensors_;
};

}  // namespace

void write_formula_checkpoint(const nlohmann::json& config, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "config.json") << config;
  const Config parsed = Config::from_pretrained(folder);
  CollectingBinder binder;
  Decoder decoder;
  binder.module("model.language_model", decoder, parsed.text_config);
  Multimodal multimodal;
  binder.module("model", multimodal, parsed);
  binder.write(folder / "model.safetensors");
}

}  // namespace gemma3n::golden
