#include "media/url.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <vector>

#include "media/private_networks.h"

namespace gemma3n {
namespace {

bool is_public(const std::string& text) {
  std::vector<std::uint8_t> bytes(text.find(':') == std::string::npos ? 4 : 16);
  EXPECT_EQ(::inet_pton(bytes.size() == 4 ? AF_INET : AF_INET6, text.c_str(), bytes.data()), 1)
      << text;
  return is_public_address(bytes);
}

TEST(Address, EdgesOfEveryNetworkThatIsNotPublic) {
  for (const auto& [first, last] : kPrivateNetworks) {
    EXPECT_FALSE(is_public(first)) << first;
    EXPECT_FALSE(is_public(last)) << last;
  }
}

TEST(Address, NeighboursOfThoseNetworksArePublic) {
  for (const char* address : {"1.0.0.0",        "9.255.255.255",   "11.0.0.0",
                              "100.63.255.255", "100.128.0.0",     "126.255.255.255",
                              "128.0.0.0",      "169.253.255.255", "169.255.0.0",
                              "172.15.255.255", "172.32.0.0",      "192.0.1.0",
                              "192.0.3.0",      "192.167.255.255", "192.169.0.0",
                              "198.17.255.255", "198.20.0.0",      "223.255.255.255",
                              "8.8.8.8",        "2001:200::",      "2001:4860:4860::8888",
                              "2600::",         "2002:808:808::1", "2a00:1450::1"}) {
    EXPECT_TRUE(is_public(address)) << address;
  }
}

TEST(Address, OtherLengthsAreNotPublic) {
  const std::uint8_t bytes[20] = {8, 8, 8, 8};
  for (const std::size_t size : {0u, 3u, 5u, 20u}) {
    EXPECT_FALSE(is_public_address(std::span(bytes, size))) << size;
  }
}

TEST(Url, HasOneReading) {
  const Url url = parse_url("HTTPS://Example.COM:8443/a%20b/../c.jpg?q=1#part");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.href.find('#'), std::string::npos);
  EXPECT_TRUE(url.href.starts_with("https://")) << url.href;
  EXPECT_EQ(parse_url("http://example.com").port, 80);
  EXPECT_EQ(parse_url("https://example.com").port, 443);
  EXPECT_EQ(parse_url("http://[2001:db8::1]:81/").host, "2001:db8::1");
}

TEST(Url, RefusesWhatCouldBeReadTwoWays) {
  for (const char* text :
       {"", "example.com", "file:///etc/passwd", "ftp://example.com/", "http://a b/",
        "http://a\\b/", "http://a\tb/", "http://user@example.com/", "http://:secret@example.com/",
        "http://example.com:0/", "http://example.com:65536/",
        "http://b\xc3\xbc"
        "cher.example/",
        "http://", "javascript:alert(1)", "data:image/png;base64,AAAA"}) {
    try {
      parse_url(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    }
  }
  EXPECT_THROW(parse_url("http://example.com/" + std::string(9000, 'a')), Error);
}

TEST(Url, MessagesHideASecretAndStayOnOneLine) {
  try {
    parse_url("http://user:secret@example.com/");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
  }
  EXPECT_EQ(shown("a\r\n\x1b[31m"), "a\\x0d\\x0a\\x1b[31m");
  EXPECT_EQ(shown(std::string(200, 'a')), std::string(160, 'a') + "...");
}

}  // namespace
}  // namespace gemma3n
