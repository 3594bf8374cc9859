#include "media/fetch.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// What the callbacks of one transfer share with fetch().
struct Transfer {
  const MediaLimits& limits;
  const FetchHooks& hooks;
  std::string body;
  bool too_large = false;
  bool refused_address = false;
};

std::span<const std::uint8_t> ip_bytes(const sockaddr_in6& storage, int& port) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&storage);
  if (storage.sin6_family == AF_INET6) {
    port = ntohs(storage.sin6_port);
    return {bytes + offsetof(sockaddr_in6, sin6_addr), 16};
  }
  sockaddr_in v4{};
  std::memcpy(&v4, &storage, sizeof(v4));
  port = ntohs(v4.sin_port);
  return {bytes + offsetof(sockaddr_in, sin_addr), 4};
}

// The one place where a connection begins: libcurl hands over the very address it will connect to.
curl_socket_t open_socket(void* user, curlsocktype purpose, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(user);
  const bool is_ip = address->family == AF_INET || address->family == AF_INET6;
  bool allowed = is_ip && purpose == CURLSOCKTYPE_IPCXN;
  if (allowed && !transfer.limits.allow_private_addresses) {
    sockaddr_in6 storage{};
    std::memcpy(&storage, &address->addr, std::min<std::size_t>(sizeof(storage), address->addrlen));
    int port = 0;
    const auto bytes = ip_bytes(storage, port);
    allowed = is_public_address(bytes) ||
              (transfer.hooks.also_allowed && transfer.hooks.also_allowed(bytes, port));
  }
  if (!allowed) {
    transfer.refused_address = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t receive(char* data, std::size_t one, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (size > transfer.limits.max_fetch_bytes - transfer.body.size()) {
    transfer.too_large = true;
    return 0;
  }
  try {
    transfer.body.append(data, size);
  } catch (const std::bad_alloc&) {  // must not unwind through libcurl, which is C
    return 0;
  }
  return one * size;
}

void set_policy(CURL* easy, Transfer& transfer, char* error_text) {
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);  // each hop is parsed and checked here
  curl_easy_setopt(easy, CURLOPT_PROXY, "");           // also overrules http_proxy and friends
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "gemma3n");
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text);
}

std::unique_ptr<curl_slist, ListCleanup> resolved(const Url& url, int hop,
                                                  const FetchHooks& hooks) {
  if (!hooks.resolve) return nullptr;
  std::string entry = url.host + ":" + std::to_string(url.port) + ":";
  std::string separator;
  for (const std::string& address : hooks.resolve(url, hop)) {
    entry += separator + address;
    separator = ",";
  }
  if (separator.empty()) return nullptr;
  return std::unique_ptr<curl_slist, ListCleanup>(curl_slist_append(nullptr, entry.c_str()));
}

[[noreturn]] void fail_transfer(const Url& url, CURLcode code, const Transfer& transfer,
                                const char* error_text) {
  const std::string place = "url " + shown(url.href);
  if (transfer.too_large || code == CURLE_FILESIZE_EXCEEDED) {
    fail(ErrorCode::kInvalidArgument, place, ": expected at most ", transfer.limits.max_fetch_bytes,
         " bytes, got more");
  }
  if (transfer.refused_address) {
    fail(
        ErrorCode::kInvalidArgument, place,
        ": the host has an address that is not on the public internet; download the file, or allow "
        "private addresses");
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    fail(ErrorCode::kInvalidArgument, place, ": expected an answer within ",
         transfer.limits.fetch_timeout_ms, " ms");
  }
  fail(ErrorCode::kNotFound, place, ": ", curl_easy_strerror(code), error_text[0] ? ": " : "",
       shown(error_text));
}

// One request. Returns the URL of a redirect, or nothing when transfer.body is the answer.
std::string request(const Url& url, int hop, long timeout_ms, Transfer& transfer) {
  const std::unique_ptr<CURL, EasyCleanup> easy(curl_easy_init());
  if (!easy) throw std::bad_alloc();
  char error_text[CURL_ERROR_SIZE] = "";
  set_policy(easy.get(), transfer, error_text);
  const auto addresses = resolved(url, hop, transfer.hooks);
  if (addresses) curl_easy_setopt(easy.get(), CURLOPT_RESOLVE, addresses.get());
  curl_easy_setopt(easy.get(), CURLOPT_URL, url.href.c_str());
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, timeout_ms);

  transfer.body.clear();
  transfer.refused_address = false;
  const CURLcode code = curl_easy_perform(easy.get());
  if (code != CURLE_OK) fail_transfer(url, code, transfer, error_text);

  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  const char* location = nullptr;
  curl_easy_getinfo(easy.get(), CURLINFO_REDIRECT_URL, &location);
  if (status >= 300 && status < 400 && location != nullptr) return location;
  if (status != 200) {
    fail(ErrorCode::kNotFound, "url ", shown(url.href), ": expected status 200, got ", status);
  }
  return {};
}

}  // namespace

std::string fetch(std::string_view text, const MediaLimits& limits, const FetchHooks& hooks) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (global != CURLE_OK) {
    fail(ErrorCode::kUnsupported, "url: libcurl cannot start: ", curl_easy_strerror(global));
  }
  const auto deadline = Clock::now() + std::chrono::milliseconds(limits.fetch_timeout_ms);
  Transfer transfer{.limits = limits, .hooks = hooks, .body = {}};
  std::string next(text);
  for (int hop = 0; hop <= limits.max_redirects; ++hop) {
    const Url url = parse_url(next);
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) fail_transfer(url, CURLE_OPERATION_TIMEDOUT, transfer, "");
    next = request(url, hop, static_cast<long>(left), transfer);
    if (next.empty()) return std::move(transfer.body);
  }
  fail(ErrorCode::kInvalidArgument, "url ", shown(text), ": expected at most ",
       limits.max_redirects, " redirects, got more");
}

}  // namespace gemma3n
