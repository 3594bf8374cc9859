// Renders conversations for comparison with the reference: one JSON object a line in, one out.
//   {"template": T, "special_tokens": {...}, "messages": [...], "variables": {...},
//    "add_generation_prompt": B, "continue_final_message": B}  ->  {"text": S} or {"error": S}
// A line without "template" uses the last one.
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "gemma3n/chat.h"

namespace {

nlohmann::ordered_json answer(const nlohmann::ordered_json& line,
                              std::optional<gemma3n::ChatTemplate>& current) {
  if (line.contains("template")) {
    current.reset();
    current.emplace(line.at("template").get<std::string>(),
                    line.value("special_tokens", nlohmann::ordered_json::object()).dump());
  }
  gemma3n::RenderOptions options;
  options.add_generation_prompt = line.value("add_generation_prompt", false);
  options.continue_final_message = line.value("continue_final_message", false);
  options.variables_json = line.value("variables", nlohmann::ordered_json::object()).dump();
  return {{"text", current.value().render_json(line.at("messages").dump(), options)}};
}

}  // namespace

int main() {
  std::optional<gemma3n::ChatTemplate> current;
  for (std::string line; std::getline(std::cin, line);) {
    nlohmann::ordered_json result;
    try {
      result = answer(nlohmann::ordered_json::parse(line), current);
    } catch (const std::exception& error) {
      result = {{"error", error.what()}};
    }
    std::cout << result.dump() << '\n';
  }
}
