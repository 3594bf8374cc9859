// The URL policy against servers on this machine: a redirector, which a test lets through, and a
// canary on another port, which nothing may ever connect to.
#include "media/fetch.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "base/expect_error.h"
#include "media/private_networks.h"

namespace gemma3n {
namespace {

using namespace std::string_literals;

// Accepts connections on every local address, IPv4 and IPv6, and answers with what `reply` makes of
// the request's path.
class Server {
 public:
  using Reply = std::function<std::string(const std::string& path)>;

  explicit Server(Reply reply) : reply_(std::move(reply)) {
    socket_ = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int off = 0;
    ::setsockopt(socket_, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_any;
    socklen_t size = sizeof(address);
    if (::bind(socket_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(socket_, 64) != 0 ||
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error("cannot listen");
    }
    port_ = ntohs(address.sin6_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    stop_ = true;
    thread_.join();
    ::close(socket_);
  }

  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void serve() {
    while (!stop_) {
      pollfd waiting{socket_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const int client = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      ++connections_;
      answer(client);
      ::close(client);
    }
  }

  void answer(int client) {
    const timeval limit{2, 0};
    ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    std::string request(4096, '\0');
    const auto size = ::recv(client, request.data(), request.size(), 0);
    request.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    const auto begin = request.find(' ');
    if (begin == std::string::npos) return;
    const std::string path = request.substr(begin + 1, request.find(' ', begin + 1) - begin - 1);
    const std::string reply = reply_(path);
    std::size_t sent = 0;
    while (sent < reply.size()) {
      const auto count = ::send(client, reply.data() + sent, reply.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<std::size_t>(count);
    }
  }

  Reply reply_;
  int socket_ = -1, port_ = 0;
  std::atomic<int> connections_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

std::string found(const std::string& location) {
  return "HTTP/1.1 302 Found\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n";
}
std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

constexpr std::uint8_t kLoopback[] = {127, 0, 0, 1};

FetchHooks only(const Server& server) {
  FetchHooks hooks;
  hooks.also_allowed = [port = server.port()](std::span<const std::uint8_t> address, int to) {
    return to == port && std::ranges::equal(address, kLoopback);
  };
  // No name leaves this machine: all of them mean loopback.
  hooks.resolve = [](const Url& url, int) -> std::vector<std::string> {
    in_addr ignored{};
    const bool is_name = url.host.find(':') == std::string::npos &&
                         ::inet_pton(AF_INET, url.host.c_str(), &ignored) != 1;
    return is_name ? std::vector<std::string>{"127.0.0.1"} : std::vector<std::string>{};
  };
  return hooks;
}

MediaLimits quick() {
  MediaLimits limits;
  limits.fetch_timeout_ms = 5000;
  return limits;
}

// Ways to spell an address of this machine or of a private network.
std::vector<std::string> private_hosts() {
  std::vector<std::string> hosts = {"127.0.0.1",
                                    "127.1",
                                    "127.0.1",
                                    "127.255.255.254",
                                    "2130706433",
                                    "017700000001",
                                    "0x7f000001",
                                    "0x7f.1",
                                    "0x7f.0.0.1",
                                    "0177.0.0.1",
                                    "0177.1",
                                    "127.0.0.01",
                                    "0",
                                    "0.0.0.0",
                                    "00",
                                    "0x0",
                                    "127.0.0.1.",
                                    "localhost",
                                    "LOCALHOST",
                                    "localhost.",
                                    "a.localhost",
                                    "ip6-localhost",
                                    "names.example",
                                    "xn--bcher-kva.example",
                                    "10.0.0.1",
                                    "10.255.255.255",
                                    "012.1.2.3",
                                    "167772161",
                                    "169.254.169.254",
                                    "0xa9fea9fe",
                                    "2852039166",
                                    "169.254.1",
                                    "172.16.0.1",
                                    "172.31.255.255",
                                    "192.168.0.1",
                                    "192.168.257",
                                    "100.64.0.1",
                                    "100.127.255.255",
                                    "224.0.0.1",
                                    "239.255.255.255",
                                    "240.0.0.1",
                                    "255.255.255.255",
                                    "192.0.0.1",
                                    "192.0.2.1",
                                    "198.18.0.1",
                                    "198.19.255.255",
                                    "198.51.100.7",
                                    "203.0.113.7",
                                    "192.88.99.1",
                                    "0.1.2.3",
                                    "[::1]",
                                    "[::]",
                                    "[0:0:0:0:0:0:0:1]",
                                    "[::ffff:127.0.0.1]",
                                    "[::ffff:7f00:1]",
                                    "[::ffff:10.0.0.1]",
                                    "[::ffff:169.254.169.254]",
                                    "[::127.0.0.1]",
                                    "[64:ff9b::7f00:1]",
                                    "[64:ff9b::10.0.0.1]",
                                    "[64:ff9b:1::1]",
                                    "[2002:7f00:1::]",
                                    "[2002:a00:1::1]",
                                    "[2002:c0a8:1::1]",
                                    "[2001:0:53aa:64c:0:0:80ff:fffe]",
                                    "[2001:db8::1]",
                                    "[fc00::1]",
                                    "[fd12:3456::1]",
                                    "[fe80::1]",
                                    "[fe80::1%25lo]",
                                    "[fec0::1]",
                                    "[ff02::1]",
                                    "[100::1]",
                                    "[::ffff:0:127.0.0.1]"};
  for (const char* decorated : {"%31%32%37.0.0.1", "127%2e0.0.1", "%6cocalhost"}) {
    hosts.push_back(decorated);
  }
  return hosts;
}

// ... and whole URLs that are no http URL, or try to be two things at once.
std::vector<std::string> odd_urls(const std::string& port) {
  const std::string at = "127.0.0.1:" + port;
  return {"file:///etc/passwd",
          "file://" + at + "/",
          "ftp://" + at + "/",
          "gopher://" + at + "/_x",
          "dict://" + at + "/d",
          "ldap://" + at + "/",
          "ws://" + at + "/",
          "smb://" + at + "/x",
          "tftp://" + at + "/",
          "scp://" + at + "/",
          "unix:///tmp/socket",
          "jar:http://" + at + "/",
          "http+unix://%2ftmp%2fs/",
          "telnet://" + at,
          "rtsp://" + at + "/",
          "imap://" + at + "/",
          "http://user@" + at + "/",
          "http://user:secret@" + at + "/",
          "http://example.com@" + at,
          "http://example.com:80@" + at + "/",
          "http://" + at + "@example.com/",
          "http://example.com\\@" + at + "/",
          "http:\\\\" + at + "\\",
          "http://" + at + "\\x",
          "http://" + at + "/a b",
          "http://" + at + "/a\tb",
          "http://" + at + "/\r\nHost: x",
          "http://" + at + "\n/",
          "ht\ttp://" + at + "/",
          " http://" + at + "/",
          "http://" + at + "/\x01",
          std::string("http://127.0.0.1\0.example/", 26),
          "http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1:" + port + "/",
          "http://127\xe3\x80\x82"
          "0.0.1:" +
              port + "/",
          "http://127.0.0.1:0/",
          "http://127.0.0.1:65536/",
          "http://127.0.0.1:99999999999/",
          "http://127.0.0.1:-1/",
          "http://127.0.0.1:" + port + "x/",
          "http://127.0.0.1:/",
          "http:///" + at,
          "http:" + at,
          "http://[::1",
          "http://::1:" + port + "/",
          "http://[127.0.0.1]:" + port + "/",
          "http://",
          "http://:" + port + "/",
          "//" + at + "/",
          "http://?x",
          "http://#x",
          "",
          "http://" + at + "#@example.com/",
          "http://" + at + "?@example.com/",
          "HTTP://" + at + "/",
          "HtTpS://" + at + "/",
          "https://" + at + "/"};
}

std::vector<std::string> refused_urls(int canary_port) {
  const std::string port = std::to_string(canary_port);
  std::vector<std::string> urls = odd_urls(port);
  for (const std::string& host : private_hosts()) {
    for (const char* tail : {"/", "/a.jpg?x=http://example.com/"}) {
      urls.push_back("http://" + host + ":" + port + tail);
    }
  }
  return urls;
}

void expect_refused(const std::string& url, const FetchHooks& hooks) {
  try {
    fetch(url, quick(), hooks);
    ADD_FAILURE() << "fetched " << url;
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
    EXPECT_NE(error.code(), ErrorCode::kInternal) << what;
  }
}

TEST(Fetch, NoUrlReachesThePrivateCanaryDirectlyOrByRedirect) {
  Server canary([](const std::string&) { return ok("secret"); });
  const auto urls = refused_urls(canary.port());
  EXPECT_GE(urls.size(), 200u);
  // "/1/N" redirects to URL N, "/2/N" does so over another hop of its own.
  Server redirector([&](const std::string& path) {
    const std::string number = path.substr(3);
    if (number.empty() || number.find_first_not_of("0123456789") != std::string::npos) {
      return "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"s;
    }
    return path[1] == '2' ? found("/1/" + number) : found(urls.at(std::stoul(number)));
  });
  const FetchHooks hooks = only(redirector);
  const std::string origin = "http://127.0.0.1:" + std::to_string(redirector.port());
  for (std::size_t i = 0; i < urls.size(); ++i) {
    expect_refused(urls[i], hooks);
    expect_refused(origin + "/1/" + std::to_string(i), hooks);
    expect_refused(origin + "/2/" + std::to_string(i), hooks);
  }
  EXPECT_EQ(canary.connections(), 0);
  EXPECT_GE(redirector.connections(), static_cast<int>(urls.size()) * 3);
}

TEST(Fetch, TheCanaryIsReachedWherePrivateAddressesAreAllowed) {
  Server canary([](const std::string&) { return ok("secret"); });
  MediaLimits limits = quick();
  limits.allow_private_addresses = true;
  const std::string port = std::to_string(canary.port());
  for (const char* host : {"127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"}) {
    EXPECT_EQ(fetch("http://" + std::string(host) + ":" + port + "/", limits), "secret") << host;
  }
  EXPECT_EQ(canary.connections(), 5);
}

// The edges of every network that is not public, and their neighbours inside.
std::vector<std::string> private_addresses() {
  std::vector<std::string> addresses;
  const auto add = [&](const char* text, int step) {
    const int family =
        std::string_view(text).find(':') == std::string_view::npos ? AF_INET : AF_INET6;
    std::uint8_t bytes[16];
    EXPECT_EQ(::inet_pton(family, text, bytes), 1) << text;
    std::uint8_t& last = bytes[family == AF_INET ? 3 : 15];
    last = static_cast<std::uint8_t>(last + step);
    char out[INET6_ADDRSTRLEN];
    ::inet_ntop(family, bytes, out, sizeof(out));
    addresses.push_back(family == AF_INET ? out : "[" + std::string(out) + "]");
  };
  for (const auto& [first, last] : kPrivateNetworks) {
    for (const int step : {0, 1}) add(first, step);
    for (const int step : {-1, 0}) add(last, step);
  }
  return addresses;
}

TEST(Fetch, ANameThatChangesItsAddressReachesNothingPrivate) {
  Server canary([](const std::string&) { return ok("secret"); });
  Server first([&](const std::string& path) {
    return found("http://rebind" + path.substr(1) + ".example:" + std::to_string(canary.port()) +
                 "/");
  });
  FetchHooks hooks = only(first);
  int urls = 0;
  // The second look-up of a name gives a private address, alone or behind another that is refused.
  for (const std::string& address : private_addresses()) {
    const std::string refused = address[0] == '[' ? "192.0.2.1" : "[2001:db8::1]";
    for (const auto& later : {std::vector<std::string>{address}, {refused, address}}) {
      hooks.resolve = [&](const Url&, int hop) {
        return hop == 0 ? std::vector<std::string>{"127.0.0.1"} : later;
      };
      const std::string number = std::to_string(urls++);
      expect_refused(
          "http://rebind" + number + ".example:" + std::to_string(first.port()) + "/" + number,
          hooks);
    }
  }
  EXPECT_GE(urls, 200);
  EXPECT_EQ(first.connections(), urls);
  EXPECT_EQ(canary.connections(), 0);
}

// As above, but the first look-up already lies.
TEST(Fetch, ANameWithAPrivateAddressReachesNothing) {
  Server canary([](const std::string&) { return ok("secret"); });
  FetchHooks hooks;
  int urls = 0;
  for (const std::string& address : private_addresses()) {
    hooks.resolve = [&](const Url&, int) { return std::vector<std::string>{address}; };
    expect_refused("http://inside" + std::to_string(urls++) +
                       ".example:" + std::to_string(canary.port()) + "/",
                   hooks);
  }
  EXPECT_GE(urls, 100);
  EXPECT_EQ(canary.connections(), 0);
}

TEST(Fetch, FollowsUpToThreeRedirects) {
  Server server([](const std::string& path) {
    const int left = std::stoi(path.substr(1));
    return left == 0 ? ok("done") : found("/" + std::to_string(left - 1));
  });
  const FetchHooks hooks = only(server);
  const std::string origin = "http://127.0.0.1:" + std::to_string(server.port());
  EXPECT_EQ(fetch(origin + "/0", quick(), hooks), "done");
  EXPECT_EQ(fetch(origin + "/3", quick(), hooks), "done");
  expect_refused(origin + "/4", hooks);
}

TEST(Fetch, StopsAtTheSizeTheTimeAndOtherAnswers) {
  Server server([](const std::string& path) {
    if (path == "/large") return ok(std::string(70'000, 'x'));
    if (path == "/endless") return "HTTP/1.1 200 OK\r\n\r\n" + std::string(1 << 20, 'x');
    if (path == "/slow") std::this_thread::sleep_for(std::chrono::milliseconds(700));
    if (path == "/gone") return std::string("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    return std::string("not http at all");
  });
  const FetchHooks hooks = only(server);
  const std::string origin = "http://127.0.0.1:" + std::to_string(server.port());
  MediaLimits limits = quick();
  limits.max_fetch_bytes = 70'000;
  EXPECT_EQ(fetch(origin + "/large", limits, hooks).size(), 70'000u);
  limits.max_fetch_bytes = 69'999;
  for (const char* path : {"/large", "/endless"}) {
    expect_error(ErrorCode::kInvalidArgument, "at most 69999 bytes",
                 [&] { fetch(origin + path, limits, hooks); });
  }
  limits.fetch_timeout_ms = 300;
  expect_error(ErrorCode::kInvalidArgument, "within 300 ms",
               [&] { fetch(origin + "/slow", limits, hooks); });
  expect_error(ErrorCode::kNotFound, "got 404", [&] { fetch(origin + "/gone", quick(), hooks); });
  expect_error(ErrorCode::kNotFound, "url ", [&] { fetch(origin + "/odd", quick(), hooks); });
}

TEST(Fetch, TheEnvironmentDoesNotChooseAProxy) {
  Server proxy([](const std::string&) { return ok("through the proxy"); });
  Server server([](const std::string&) { return ok("direct"); });
  const std::string address = "http://127.0.0.1:" + std::to_string(proxy.port());
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) {
    ::setenv(name, address.c_str(), 1);
  }
  EXPECT_EQ(fetch("http://127.0.0.1:" + std::to_string(server.port()) + "/", quick(), only(server)),
            "direct");
  for (const char* name : {"http_proxy", "all_proxy", "ALL_PROXY"}) ::unsetenv(name);
  EXPECT_EQ(proxy.connections(), 0);
}

}  // namespace
}  // namespace gemma3n
