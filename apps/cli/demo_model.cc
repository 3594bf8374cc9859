#include "demo_model.h"

#include <system_error>

#include "gemma3n/error.h"
#include "messages.h"

namespace gemma3n::cli {
namespace {

namespace fs = std::filesystem;

// How far above the program its folder is looked for: build/release/apps/cli/gemma3n.
constexpr int kMaxParents = 6;

bool is_written_like_path(const std::string& text) {
  return text.find('/') != std::string::npos && text.find(' ') == std::string::npos;
}

ChosenModel demo_model() {
  std::error_code error;
  return {find_demo_model(fs::read_symlink("/proc/self/exe", error)).string(), true};
}

}  // namespace

fs::path find_demo_model(const fs::path& program) {
  std::error_code error;
  fs::path above = program.parent_path();
  for (int i = 0; i < kMaxParents && above.has_relative_path(); ++i, above = above.parent_path()) {
    for (const char* place : {"share/gemma3n/demo", "models/demo"}) {
      if (fs::exists(above / place / "config.json", error)) return above / place;
    }
  }
  fail(ErrorCode::kNotFound,
       "no model named, and the demonstration model (share/gemma3n/demo or models/demo) is not "
       "near the program; give the folder of a checkpoint");
}

ChosenModel model_or_demo(const std::optional<std::string>& model) {
  return model ? ChosenModel{*model} : demo_model();
}

ChosenModel model_or_demo(const std::optional<std::string>& model,
                          std::optional<std::string>& prompt) {
  std::error_code error;
  const bool is_prompt =
      model && !prompt && !fs::exists(*model, error) && !is_written_like_path(*model);
  if (!is_prompt) return model_or_demo(model);
  prompt = *model;
  return demo_model();
}

void announce(const ChosenModel& model) {
  if (!model.is_demo) return;
  print_note(
      "no model named: using the demonstration model, a toy that knows coloured shapes, short "
      "speech and a small world");
}

}  // namespace gemma3n::cli
