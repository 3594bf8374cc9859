// Runs a tower at its full size, for comparison with the reference by tools/reference:
//   tower_tool vision|audio THREADS OUTPUT
// Weights and inputs follow the formulas of stored_cases.h. Each line of standard input is the size
// of an input: HEIGHT WIDTH of a picture, or the frames of a clip. For each, OUTPUT becomes the
// result as bare f32 values, and a line with the seconds it took is printed. An empty line comes
// first, once the weights are there.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "gemma3n/config.h"
#include "model/audio/audio_tower.h"
#include "model/vision/vision_tower.h"
#include "stored_cases.h"

namespace gemma3n::golden {
namespace {

class Tool {
 public:
  Tool(const std::string& tower, int threads, std::string output)
      : is_vision_(tower == "vision"), pool_(threads), output_(std::move(output)) {
    if (is_vision_) {
      binder_.module("model.vision_tower.timm_model", vision_, VisionConfig{});
    } else {
      binder_.module("model.audio_tower", audio_, AudioConfig{});
    }
  }

  // Answers one line; false at the end of the input.
  bool answer(std::istream& sizes) {
    std::size_t first = 0, second = 0;
    if (!(sizes >> first) || (is_vision_ && !(sizes >> second))) return false;
    const double seconds = is_vision_ ? picture(first, second) : clip(first);
    std::printf("%.4f\n", seconds);
    std::fflush(stdout);
    return true;
  }

 private:
  double picture(std::size_t height, std::size_t width) {
    const auto input = pixels(static_cast<std::uint32_t>(height + width), height, width);
    const Shape shape = {static_cast<Index>(height), static_cast<Index>(width), 3};
    return timed([&] { return vision_.forward(op_, View<const float>(input.data(), shape)); });
  }

  double clip(std::size_t frames) {
    const auto input = features(static_cast<std::uint32_t>(frames), frames,
                                static_cast<std::size_t>(audio_.mel_bins));
    const Shape shape = {static_cast<Index>(frames), audio_.mel_bins};
    const auto is_sound = std::make_unique<bool[]>(frames);
    std::fill_n(is_sound.get(), frames, true);
    return timed([&] {
      return audio_.forward(op_, View<const float>(input.data(), shape), {is_sound.get(), frames})
          .encodings;
    });
  }

  template <typename Forward>
  double timed(const Forward& forward) {
    const ArenaScope scratch(arena_);
    const auto start = std::chrono::steady_clock::now();
    const auto result = forward();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    std::ofstream file(output_, std::ios::binary);
    file.write(reinterpret_cast<const char*>(result.data()),
               static_cast<std::streamsize>(result.span().size_bytes()));
    if (!file.flush()) fail(ErrorCode::kNotFound, output_, ": cannot be written");
    return taken.count();
  }

  bool is_vision_;
  ThreadPool pool_;
  Arena arena_;
  Ops op_{active_kernels(), arena_, pool_};
  std::string output_;
  FormulaBinder binder_;
  VisionTower vision_;
  AudioTower audio_;
};

}  // namespace
}  // namespace gemma3n::golden

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: tower_tool vision|audio THREADS OUTPUT\n");
    return 1;
  }
  try {
    gemma3n::golden::Tool tool(argv[1], std::stoi(argv[2]), argv[3]);
    std::puts("");
    std::fflush(stdout);
    while (tool.answer(std::cin)) {
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tower_tool: %s\n", error.what());
    return 1;
  }
}
