// Sources that never touch the network or a file: data: URLs, and http URLs of this machine, which
// must all be refused. What the policy lets through is read again as the same URL.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gemma3n/media.h"
#include "media/url.h"

namespace {

void parse(const std::string& text) {
  try {
    const gemma3n::Url url = gemma3n::parse_url(text);
    const gemma3n::Url again = gemma3n::parse_url(url.href);
    const bool is_same = again.href == url.href && again.host == url.host && again.port == url.port;
    if (!is_same || url.host.empty() || url.port < 1 || url.port > 65535) std::abort();
  } catch (const gemma3n::Error& error) {
    if (error.code() != gemma3n::ErrorCode::kInvalidArgument) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const char* prefix : {"", "http://", "https://a.example:"}) parse(prefix + text);

  gemma3n::MediaLimits limits;
  limits.max_pixels = 1 << 20;  // the fuzzer's time goes into many inputs, not into large ones
  for (const char* prefix : {"data:", "http://[::1]:1/", "http://user@127.0.0.1:1/"}) {
    try {
      gemma3n::load_image(prefix + text, limits);
      if (std::string_view(prefix) != "data:") std::abort();
    } catch (const gemma3n::Error& error) {
      if (error.code() == gemma3n::ErrorCode::kInternal) std::abort();
    }
  }
  return 0;
}
