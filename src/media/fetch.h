// Remote files over http and https, from public addresses only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/media.h"
#include "media/url.h"

namespace gemma3n {

// Where the network ends and a caller begins. The defaults are what users get.
struct FetchHooks {
  // Names -> numeric addresses, for hop 0 (the URL asked for), 1, 2, ... (redirects). Empty: the
  // system resolves.
  std::function<std::vector<std::string>(const Url& url, int hop)> resolve;
  // Lets one address and port through although it is not public. Empty: none.
  std::function<bool(std::span<const std::uint8_t> address, int port)> also_allowed;
};

// The body of `url`. Every address is checked at the moment of connecting to it, so neither a
// redirect nor a name that changes its address between two look-ups reaches a private network.
// No proxies, cookies, credentials or compression; the environment is not consulted.
// Throws: kInvalidArgument for a refused URL or address and for exceeded limits (size, redirects,
// time); kNotFound if the host does not answer or answers with another status than 200.
std::string fetch(std::string_view url, const MediaLimits& limits, const FetchHooks& hooks = {});

}  // namespace gemma3n
