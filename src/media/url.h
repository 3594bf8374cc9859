// Which URLs and which network addresses may be fetched from. Parsing is libcurl's own, so what is
// checked is what is connected to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "gemma3n/error.h"

namespace gemma3n {

struct Url {
  std::string href;  // the whole URL as libcurl writes it, without a fragment
  std::string host;  // without the brackets of an IPv6 address
  int port = 0;      // 1 to 65535
};

// An absolute http or https URL.
// Throws: kInvalidArgument for anything else: other schemes, user names or passwords, bytes that
// are not printable ASCII, backslashes, ports outside 1 to 65535. The message names the URL.
Url parse_url(std::string_view text);

// Is this an address of the public internet? False for loopback, private, link-local, shared,
// multicast, documentation, benchmark and reserved networks, and for IPv6 forms that carry such an
// IPv4 address (mapped, NAT64, 6to4, Teredo) or may carry any.
//   address: 4 bytes (IPv4) or 16 bytes (IPv6), network byte order
// Ref: the IANA special-purpose address registries.
bool is_public_address(std::span<const std::uint8_t> address);

// `text` for an error message: printable ASCII, everything else as \xNN, cut after 160 bytes.
std::string shown(std::string_view text);

}  // namespace gemma3n
