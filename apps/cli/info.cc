// gemma3n info: the program and the machine.
#include <histedit.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <memory>
#include <span>

#include "commands.h"
#include "gemma3n/system.h"
#include "json.h"
#include "messages.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

std::string operating_system() {
  utsname name = {};
  if (::uname(&name) != 0) return "unknown";
  return std::string(name.sysname) + " " + name.release + " " + name.machine;
}

double memory_bytes() {
  const auto pages = ::sysconf(_SC_PHYS_PAGES);
  const auto page_bytes = ::sysconf(_SC_PAGESIZE);
  return static_cast<double>(pages) * static_cast<double>(page_bytes);
}

std::vector<std::string> library_versions() {
  const std::string libedit =
      "libedit " + std::to_string(LIBEDIT_MAJOR) + "." + std::to_string(LIBEDIT_MINOR);
  return {command_line_library_version(), libedit};
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string json_report(const SystemInfo& info) {
  const auto libraries = library_versions();
  Json json;
  json.begin_object()
      .member("version", info.version)
      .member("compiler", info.compiler)
      .member("libraries", std::span<const std::string>(libraries))
      .member("operating_system", operating_system())
      .member("cpu", info.cpu)
      .member("memory_bytes", memory_bytes())
      .member("threads", info.threads)
      .member("instruction_sets", std::span<const std::string>(info.instruction_sets))
      .member("active_instruction_set", info.active_instruction_set)
      .end_object();
  return json.text() + "\n";
}

std::string text_report(const SystemInfo& info) {
  return format_table({Align::kLeft, Align::kLeft},
                      {{"version", info.version},
                       {"compiler", info.compiler},
                       {"libraries", joined(library_versions())},
                       {"system", operating_system()},
                       {"cpu", visible_line(info.cpu)},
                       {"memory", with_unit(memory_bytes()) + "B"},
                       {"threads", std::to_string(info.threads)},
                       {"instruction sets", joined(info.instruction_sets)},
                       {"in use", info.active_instruction_set}});
}

constexpr const char* kFooter = R"(
threads           cores this process may use; other commands use as many unless --threads is given
instruction sets  kernels that this processor can run; "in use" names the chosen ones, the fastest

Environment:
  GEMMA3N_ISA=NAME   use these kernels: portable, avx2, avx2_vnni, avx512, avx512_vnni
)";

}  // namespace

Runner declare_info(Options& options) {
  auto as_json = std::make_shared<bool>(false);
  options.flag("--json", *as_json, "print one JSON object");
  options.footer(kFooter);
  return [as_json](Output& out) {
    const auto info = system_info();
    out.write(*as_json ? json_report(info) : text_report(info));
    return 0;
  };
}

}  // namespace gemma3n::cli
