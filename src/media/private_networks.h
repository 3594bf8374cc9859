// For tests: every network that is not public, IPv4 in all its spellings in IPv6 among them.
#pragma once

#include <utility>

namespace gemma3n {

// First and last address.
inline constexpr std::pair<const char*, const char*> kPrivateNetworks[] = {
    {"0.0.0.0", "0.255.255.255"},
    {"10.0.0.0", "10.255.255.255"},
    {"100.64.0.0", "100.127.255.255"},
    {"127.0.0.0", "127.255.255.255"},
    {"169.254.0.0", "169.254.255.255"},
    {"172.16.0.0", "172.31.255.255"},
    {"192.0.0.0", "192.0.0.255"},
    {"192.0.2.0", "192.0.2.255"},
    {"192.88.99.0", "192.88.99.255"},
    {"192.168.0.0", "192.168.255.255"},
    {"198.18.0.0", "198.19.255.255"},
    {"198.51.100.0", "198.51.100.255"},
    {"203.0.113.0", "203.0.113.255"},
    {"224.0.0.0", "239.255.255.255"},
    {"240.0.0.0", "255.255.255.255"},
    {"::", "::255.255.255.255"},
    {"::ffff:127.0.0.0", "::ffff:127.255.255.255"},  // IPv4 in IPv6
    {"::ffff:10.0.0.0", "::ffff:10.255.255.255"},
    {"::ffff:0:7f00:0", "::ffff:0:7fff:ffff"},
    {"64:ff9b::7f00:0", "64:ff9b::7fff:ffff"},  // NAT64
    {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"},
    {"2002:7f00::", "2002:7fff:ffff:ffff:ffff:ffff:ffff:ffff"},  // 6to4
    {"2002:a00::", "2002:aff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"2001::", "2001::ffff:ffff:ffff:ffff:ffff:ffff"},  // Teredo
    {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"224.0.0.0", "255.255.255.255"},
    {"::", "::ffff:255.255.255.255"},
    {"64:ff9b::", "64:ff9b::ffff:ffff"},
    {"100::", "100::ffff"},
    {"2001::", "2001:1ff:ffff::"},
    {"2001:db8::", "2001:db8:ffff::"},
    {"3fff::", "3fff:fff:ffff::"},
    {"fc00::", "fdff:ffff::"},
    {"fe80::", "febf:ffff::"},
    {"fec0::", "ff02::1"},
    {"2002:a00::", "2002:aff:ffff::"},
    {"2002:7f00::", "2002:7fff:ffff::"},
};

}  // namespace gemma3n
