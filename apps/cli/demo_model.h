// The demonstration model that comes with the program: what `run` and `chat` use when no model is
// named.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace gemma3n::cli {

// share/gemma3n/demo beside an installed program's bin, models/demo above one in a build folder.
// Throws: kNotFound.
std::filesystem::path find_demo_model(const std::filesystem::path& program);

struct ChosenModel {
  std::string dir;
  bool is_demo = false;
};

// `model`, or the demonstration model's folder.
ChosenModel model_or_demo(const std::optional<std::string>& model);

// As model_or_demo, for a command with the arguments [MODEL] [PROMPT]. Of a single argument, what
// exists as a file or folder, or is written like a path, is the model; anything else moves to
// `prompt`.
ChosenModel model_or_demo(const std::optional<std::string>& model,
                          std::optional<std::string>& prompt);

// A note that it is a toy, if it is the demonstration model.
void announce(const ChosenModel& model);

}  // namespace gemma3n::cli
