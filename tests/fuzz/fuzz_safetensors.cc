// Any bytes as a safetensors file: an Error or a file whose tensors can be read, nothing else.
#include <cstddef>
#include <cstdint>
#include <span>

#include "checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const gemma3n::SafetensorsFile file(std::as_bytes(std::span(data, size)), "fuzz");
    std::size_t total = 0;
    unsigned sum = 0;
    for (const auto& tensor : file.entries()) {
      for (const std::byte byte : file.bytes(tensor)) sum += std::to_integer<unsigned>(byte);
      total += tensor.size;
      if (file.find(tensor.name) != &tensor) __builtin_trap();
    }
    volatile unsigned keep = sum;
    (void)keep;
    if (total > size) __builtin_trap();  // some byte belongs to two tensors
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
