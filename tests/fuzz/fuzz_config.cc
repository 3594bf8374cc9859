// Any bytes as config.json: an Error, or a config that says the same after writing and reading it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gemma3n/config.h"

namespace {

template <typename AnyConfig>
void read_write_read(std::string_view text) {
  AnyConfig config;
  try {
    config = AnyConfig::from_json(text);
  } catch (const gemma3n::Error&) {
    return;
  }
  const auto written = config.to_json();
  if (AnyConfig::from_json(written).to_json() != written) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_write_read<gemma3n::TextConfig>(text);
  read_write_read<gemma3n::Config>(text);
  read_write_read<gemma3n::AudioConfig>(text);
  read_write_read<gemma3n::VisionConfig>(text);
  return 0;
}
