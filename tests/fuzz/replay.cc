// Runs a fuzz target over a folder of seed files, each also with small deterministic changes, where
// libFuzzer is not at hand:   fuzz_NAME FOLDER
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr int kChangesPerSeed = 200;

std::vector<std::uint8_t> read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void change(std::vector<std::uint8_t>& bytes, std::mt19937& rng) {
  if (bytes.empty()) return;
  const std::size_t at = rng() % bytes.size();
  const auto value = static_cast<std::uint8_t>(rng());
  switch (rng() % 4) {
    case 0: bytes[at] = value; break;
    case 1: bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << (rng() % 8))); break;
    case 2: bytes.resize(at); break;
    default: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), value);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]), 2;
  std::size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    const auto seed = read(entry.path());
    std::mt19937 rng(1);
    for (int i = 0; i <= kChangesPerSeed; ++i) {
      auto bytes = seed;
      for (int k = 0; k < i % 8; ++k) change(bytes, rng);
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
      ++inputs;
    }
  }
  std::printf("%zu inputs\n", inputs);
  return inputs == 0;  // an empty corpus is a broken test
}
