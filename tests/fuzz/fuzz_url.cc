// Picture sources that never touch the network or a file: data: URLs, and http URLs of this
// machine, which must all be refused.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gemma3n/media.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const char* prefix : {"data:", "http://[::1]:1/", "http://user@127.0.0.1:1/"}) {
    try {
      gemma3n::load_image(prefix + text);
      if (std::string_view(prefix) != "data:") std::abort();
    } catch (const gemma3n::Error& error) {
      if (error.code() == gemma3n::ErrorCode::kInternal) std::abort();
    }
  }
  return 0;
}
