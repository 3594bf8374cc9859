// JSON of a size of the model: what is accepted is a model, or is refused with an Error.
#include <cstddef>
#include <cstdint>
#include <string>

#include "gemma3n/matformer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemma3n;
  const std::string text(reinterpret_cast<const char*>(data), size);
  TextConfig whole;
  whole.num_hidden_layers = 8;
  whole.num_kv_shared_layers = 4;
  whole.intermediate_size.assign(8, 128);
  for (int i = 0; i < 8; ++i) {
    whole.layer_types.push_back(i % 2 == 0 ? AttentionType::kSliding : AttentionType::kFull);
  }
  whole.derive_defaults();
  try {
    const auto chosen = MatFormerConfig::from_json(text);
    const TextConfig sliced = chosen.sliced(whole);
    sliced.validate();
    const auto again = MatFormerConfig::from_json(chosen.to_json(whole));
    if (!again.is_same_size(chosen)) __builtin_trap();
    if (effective_parameters(sliced) > effective_parameters(whole)) __builtin_trap();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) __builtin_trap();
  }
  try {
    MatFormerConfig::named(text, whole).sliced(whole);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) __builtin_trap();
  }
  return 0;
}
