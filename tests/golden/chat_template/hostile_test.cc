// Templates made to exhaust the engine: each is stopped soon, in bounded memory, by a clear error.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <new>
#include <string>
#include <vector>

#include "gemma3n/chat.h"

namespace {

std::atomic<std::size_t> live_bytes = 0;
std::atomic<std::size_t> peak_bytes = 0;

void* count_allocation(std::size_t size) {
  void* memory = std::malloc(size);
  if (!memory) throw std::bad_alloc();
  const std::size_t now = live_bytes += malloc_usable_size(memory);
  if (now > peak_bytes) peak_bytes = now;
  return memory;
}

void count_release(void* memory) {
  if (memory) live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) { return count_allocation(size); }
void* operator new[](std::size_t size) { return count_allocation(size); }
void operator delete(void* memory) noexcept { count_release(memory); }
void operator delete[](void* memory) noexcept { count_release(memory); }
void operator delete(void* memory, std::size_t) noexcept { count_release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { count_release(memory); }

namespace gemma3n {
namespace {

constexpr std::size_t kMaxBytes = 16u << 20;
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GEMMA3N_IS_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(GEMMA3N_IS_SANITIZED)
constexpr double kMaxSeconds = 3.0;  // sanitizers are slow
#else
constexpr double kMaxSeconds = 0.1;
#endif

// Of this process: a busy machine must not fail the test.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

// A text of 2 MB in `s`, which the limits allow.
const std::string kLong = "{% set s = 'ab' * 1000000 %}";

std::vector<std::string> hostile_templates() {
  return {
      "{% for a in range(10**9) %}{% endfor %}",
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
      "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
      "{% for a in range(100000) %}" + repeat("0123456789", 20) + "{% endfor %}",
      "{{ 'a' * 10**9 }}",
      "{{ 10**9 * 'a' }}",
      "{{ [0] * 10**9 }}",
      "{{ (1, 2) * 10**12 }}",
      "{% set x = 'a' * 1000 %}{{ ((x * 1000) * 1000) * 1000 }}",
      "{% set ns = namespace(s='a') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% "
      "endfor %}",
      "{% set ns = namespace(s='a') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% "
      "endfor %}",
      "{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% "
      "endfor %}",
      "{% set ns = namespace(s='a') %}{% for i in range(64) %}{% set ns.s = ns.s|replace('a', "
      "'aa') %}{% endfor %}",
      "{% set ns = namespace(s=['a']) %}{% for i in range(64) %}{% set ns.s = [ns.s|join(','), "
      "ns.s|join(',')] %}{% endfor %}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ g() }}",
      "{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}",
      "{% macro f(n) %}{% if n < 60 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}{% endmacro %}{{ f(0) "
      "}}",
      "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      "{% for x in [1] recursive %}{{ loop([x, x]) }}{{ loop([x, x]) }}{% endfor %}",
      "{{ " + repeat("(", 20000) + "1" + repeat(")", 20000) + " }}",
      "{{ " + repeat("[", 5000) + repeat("]", 5000) + " }}",
      "{{ " + repeat("{1:", 5000) + "1" + repeat("}", 5000) + " }}",
      "{{ " + repeat("-", 10000) + "1 }}",
      "{{ " + repeat("not ", 10000) + "1 }}",
      "{{ 1" + repeat(" + 1", 8000) + " }}",
      "{{ a" + repeat(".a", 8000) + " }}",
      "{{ a" + repeat("[0]", 8000) + " }}",
      "{{ 'a'" + repeat("|upper", 8000) + " }}",
      "{{ f" + repeat("()", 8000) + " }}",
      "{{ 1" + repeat(" if 1 else 1", 5000) + " }}",
      repeat("{% if 1 %}", 5000) + repeat("{% endif %}", 5000),
      repeat("{% for a in [1] %}", 3000) + repeat("{% endfor %}", 3000),
      repeat("{% for a in [1, 2, 3] %}", 50) + "x" + repeat("{% endfor %}", 50),
      repeat("{{ 1 }}", 30000),
      "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor "
      "%}{{ ns.x }}",
      "{% set ns = namespace(x=1) %}{% for i in range(3000) %}{% set ns.x = {'k': ns.x} %}{% "
      "endfor %}{{ ns.x|tojson }}",
      "{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns }}",
      "{% set ns = namespace(x='a') %}{% for i in range(100000) %}{% set ns.x = ns.x|map('upper') "
      "%}{% endfor %}{{ ns.x|list }}",
      "{% set a = namespace() %}{% set b = namespace() %}{% set a.x = [b] %}{% set b.x = [a] %}{{ "
      "[a] == [b] }}{{ a }}",
      "{{ '%1000000000d' % 1 }}",
      "{{ '%.1000000000f' % 1.5 }}",
      "{{ '%*d' % (1000000000, 1) }}",
      "{{ '{:>1000000000}'.format(1) }}",
      "{{ '{:.1000000000f}'.format(1.5) }}",
      "{{ '{0:{1}}'.format(1, 10**9) }}",
      "{{ 'a'.center(10**9) }}",
      "{{ 'a'.ljust(10**9) }}",
      "{{ 'a'.zfill(10**9) }}",
      "{{ '\t'.expandtabs(10**9) }}",
      "{{ 'a'|center(10**9) }}",
      "{{ 'a\nb'|indent(10**9) }}",
      "{{ [[1]]|tojson(indent=10**9) }}",
      "{{ [1]|batch(10**9, 'x')|list }}",
      "{{ [1]|slice(10**9)|list }}",
      "{{ range(100000)|map('string')|map('upper')|map('lower')|map('trim')|list|length }}" +
          repeat("{{ range(100000)|list|length }}", 50),
      "{{ range(10**18) }}",
      "{{ range(0, 10**9, 3)|list }}",
      "{{ 10 ** 10 ** 10 }}",
      "{{ 9223372036854775807 + 1 }}",
      "{{ 99999999999999999999 }}",
      kLong + "{{ s.replace('', 'xyz') }}",
      kLong + "{{ s.split('b')|length }}{{ s|list|length }}",
      kLong + "{% for i in range(100000) %}{% if 'aa' in s %}{% endif %}{% endfor %}",
      kLong + "{% for i in range(100000) %}{{ s.count('ba') }}{% endfor %}",
      kLong + "{% for i in range(100000) %}{{ s[i] }}{% endfor %}",
      kLong + "{{ s.find(('ab' * 400000) ~ 'c') }}{{ s.rfind('c' ~ ('ab' * 400000)) }}",
      kLong + "{{ s|upper|lower|title|capitalize|upper|lower|title|upper }}",
      kLong + "{{ s|list|sort|join }}",
      kLong + "{{ [s, s]|tojson }}{{ [s, s] }}",
      kLong + "{{ s|wordwrap(1) }}",
      kLong + "{{ s|urlencode }}{{ (s|replace('a', '<'))|e }}",
      "{% set d = dict(range(100000)|map('string')|map('list')|map('first')|batch(2)) %}"
      "{% for i in range(100000) %}{% set e = dict(d, x=i) %}{{ e|tojson }}{% endfor %}",
      "{% for i in range(100000) %}{% set x = range(100000)|sort(reverse=true) %}{% endfor %}",
      "{% set ns = namespace() %}{% for i in range(100000) %}{{ dict({('k' ~ i): 1}) }}{% endfor "
      "%}",
      "{{ ''.__class__.__mro__[1].__subclasses__() }}",
      "{{ [].__class__.__base__.__subclasses__() }}",
      "{{ (range.__globals__).os.system('id') }}",
      "{{ '{0.__class__.__mro__}'.format('x') }}",
      "{{ messages.append(1) }}",
      "{{ messages[0].update({'a': 1}) }}",
      "{{ namespace(__init__=1) }}",
      "{{ cycler.__init__.__globals__.os }}",
      "{{ messages|attr('__class__')|attr('__mro__')|list }}",
      "{{ messages|map(attribute='__class__.__mro__')|list }}",
      "{% include '/etc/passwd' %}",
      "{% import 'os' as os %}{{ os }}",
      "{{ lipsum(100000) }}",
      "{{ " + repeat("'a',", 20000) + "}}",
      "{% macro f(" + repeat("a,", 20000) + "b) %}{% endmacro %}",
      "{{ 'x' is " + repeat("is ", 1000) + "}}",
      "{#" + repeat("{#", 100000),
      repeat("{% raw %}", 20000),
      repeat("{", 200000) + "{{ nothing.at.all }}",
      "{{ '" + repeat("\\N{DIGIT ONE}", 1000) + "' }}",
      std::string(300000, 'x'),
  };
}

TEST(ChatTemplateHostile, EachTemplateIsStoppedSoonAndCheaply) {
  const auto templates = hostile_templates();
  ASSERT_GE(templates.size(), 60u);
  double slowest = 0;
  std::size_t largest = 0;
  for (const std::string& source : templates) {
    const std::size_t before = live_bytes;
    peak_bytes = before;
    const double start = cpu_seconds();
    std::string outcome = "rendered";
    try {
      const std::vector<Message> messages = {text_message("user", "hello")};
      ChatTemplate(source).render(messages);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::kInvalidArgument ||
                  error.code() == ErrorCode::kCorruptData ||
                  error.code() == ErrorCode::kUnsupported);
      outcome = error.what();
    }
    const double taken = cpu_seconds() - start;
    const std::string name = source.substr(0, 120);
    EXPECT_NE(outcome, "rendered") << name;
    EXPECT_NE(outcome.find("template"), std::string::npos) << outcome;
    EXPECT_LT(outcome.size(), 500u) << name;
    EXPECT_LE(taken, kMaxSeconds) << name << " -> " << outcome;
    EXPECT_LE(peak_bytes - before, kMaxBytes) << name << " -> " << outcome;
    if (std::getenv("GEMMA3N_VERBOSE"))
      std::printf("%7.1f ms %6.2f MiB  %s\n", taken * 1000,
                  static_cast<double>(peak_bytes - before) / (1 << 20), name.c_str());
    slowest = std::max(slowest, taken);
    largest = std::max<std::size_t>(largest, peak_bytes - before);
  }
  std::printf("%zu templates, slowest %.1f ms, largest %.2f MiB\n", templates.size(),
              slowest * 1000, static_cast<double>(largest) / (1 << 20));
}

TEST(ChatTemplateHostile, DeepAndLargeMessagesAreRefused) {
  const ChatTemplate any("{{ messages|tojson }}");
  const std::vector<std::string> hostile = {
      repeat("[", 100000),
      repeat("[", 5000) + repeat("]", 5000),
      "[" + repeat("{\"a\":", 3000) + "1" + repeat("}", 3000) + "]",
      R"([{"role": "a", "role": "b"}])",
      R"([{"n": 99999999999999999999}])",
      R"([{"s": "\ud800"}])",
      "[{\"s\": \"\xff\"}]",
      "[1]",
      "{}",
      "",
      "[{}",
      "[{}] x",
      "[]"};
  for (const std::string& json : hostile) {
    EXPECT_THROW(any.render_json(json), Error) << json.substr(0, 40);
  }
}

}  // namespace
}  // namespace gemma3n
