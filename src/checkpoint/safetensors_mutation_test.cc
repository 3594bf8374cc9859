// Every truncation and every flipped header bit of three small files, and then some: the reader may
// accept a file only if an independent checker, built differently, accepts it too.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_test_files.h"

namespace gemma3n {
namespace {

using test_files::Bytes;
using test_files::entry;
using test_files::file_of;

using nlohmann::json;

// Parses with nlohmann::json; throws if an object has a key twice.
json parse_without_twins(const std::string& text) {
  std::vector<std::set<std::string>> open_objects;
  const json::parser_callback_t watch = [&](int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) open_objects.emplace_back();
    if (event == json::parse_event_t::object_end) open_objects.pop_back();
    if (event == json::parse_event_t::key && !open_objects.back().insert(parsed).second) {
      throw std::runtime_error("twin key");
    }
    return true;
  };
  return json::parse(text, watch);
}

__extension__ typedef unsigned __int128 Wide;  // no product of a test file overflows it

// Bits an element takes. Ref: safetensors, Dtype::bitsize
const std::map<std::string, Wide> kBits = {
    {"BOOL", 8},    {"U8", 8},   {"I8", 8},      {"F8_E5M2", 8},     {"F8_E4M3", 8},
    {"F8_E8M0", 8}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"F8_E4M3FNUZ", 8},
    {"I16", 16},    {"U16", 16}, {"F16", 16},    {"F8_E5M2FNUZ", 8}, {"BF16", 16},
    {"I32", 32},    {"U32", 32}, {"F32", 32},    {"C64", 64},        {"F64", 64},
    {"I64", 64},    {"U64", 64}};

Wide unsigned_of(const json& value) {
  if (!value.is_number_unsigned()) throw std::runtime_error("not an unsigned integer");
  return value.get<std::uint64_t>();
}

// Marks the bytes of each tensor on a map of the data: none twice, none left over.
bool covers_data_once(const json& header, std::size_t data_size) {
  std::vector<int> owners(data_size, 0);
  for (const auto& [name, info] : header.items()) {
    if (name == "__metadata__") {
      for (const auto& text : info) {
        if (!info.is_object() || !text.is_string()) return false;
      }
      if (!info.is_object()) return false;
      continue;
    }
    if (info.size() != 3 || info.at("data_offsets").size() != 2) return false;
    const Wide begin = unsigned_of(info["data_offsets"][0]);
    const Wide end = unsigned_of(info["data_offsets"][1]);
    if (begin > end || end > data_size) return false;
    Wide bits = kBits.at(info.at("dtype").get<std::string>());
    if (!info.at("shape").is_array() || !info["data_offsets"].is_array()) return false;
    for (const auto& dimension : info["shape"]) {
      bits *= unsigned_of(dimension);
      if (bits > (Wide(1) << 64)) return false;  // the seeds' data has a few bytes
    }
    if (bits != (end - begin) * 8) return false;
    for (Wide i = begin; i < end; ++i) ++owners[static_cast<std::size_t>(i)];
  }
  return std::ranges::all_of(owners, [](int count) { return count == 1; });
}

bool checker_accepts(const Bytes& file) {
  std::string text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.size() < 8) return false;
  Wide length = 0;
  for (int i = 7; i >= 0; --i)
    length = length * 256 + static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
  if (length > 100'000'000 || length > text.size() - 8) return false;
  const std::string header = text.substr(8, static_cast<std::size_t>(length));
  if (header.empty() || header[0] != '{') return false;
  for (std::size_t i = header.size(); header[--i] != '}';) {
    if (i == 0 || header[i] != ' ') return false;
  }
  try {
    return covers_data_once(parse_without_twins(header), text.size() - 8 - header.size());
  } catch (const std::exception&) {
    return false;
  }
}

bool reader_accepts(const Bytes& file) {
  try {
    const SafetensorsFile parsed(file, "x");
    // What was accepted must be usable: touch every byte of every tensor.
    unsigned sum = 0;
    for (const auto& tensor : parsed.entries()) {
      for (const std::byte byte : parsed.bytes(tensor)) sum += std::to_integer<unsigned>(byte);
    }
    return sum < 1u << 30;
  } catch (const Error&) {  // and nothing else
    return false;
  }
}

struct Tally {
  int files = 0, accepted = 0, wrong = 0;
  int stricter = 0;  // of those compared both ways

  // The checker is slow: it sees what the reader accepts, and everything only if asked for.
  void add(const Bytes& file, bool compare_both_ways) {
    ++files;
    if (!reader_accepts(file)) {
      stricter += compare_both_ways && checker_accepts(file);
      return;
    }
    ++accepted;
    if (!checker_accepts(file) && ++wrong <= 3) {
      ADD_FAILURE() << "accepted, but not by the checker: "
                    << std::string(reinterpret_cast<const char*>(file.data()), file.size());
    }
  }
};

std::vector<Bytes> seeds() {
  std::string layers = "{\"__metadata__\":{\"format\":\"pt\"}";
  for (int i = 0; i < 3; ++i) {
    const auto offset = [](int value) { return std::to_string(value); };
    layers += ",\"layers." + offset(i) + ".norm.weight\":" +
              entry("\"BF16\"", "[2]", "[" + offset(4 * i) + "," + offset(4 * i + 4) + "]");
  }
  return {
      file_of(R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}} )", 8),
      file_of(R"({"w":{"dtype":"U8","shape":[3],"data_offsets":[2,5]},"e\u00e9":)"
              R"({"dtype":"F4","shape":[],"data_offsets":[5,5]},"z":)"
              R"({"dtype":"F6_E3M2","shape":[0,4],"data_offsets":[5,5]},)"
              R"("b":{"dtype":"I16","shape":[1],"data_offsets":[0,2]}})",
              5),
      file_of(layers + "}", 12),
  };
}

void flip(Bytes& file, std::size_t bit) {
  file[bit / 8] ^= std::byte{static_cast<unsigned char>(1u << (bit % 8))};
}

TEST(SafetensorsMutations, TheCheckerAcceptsAndRefusesWhatItShould) {
  EXPECT_TRUE(checker_accepts(seeds()[0]));
  EXPECT_TRUE(checker_accepts(seeds()[2]));
  EXPECT_FALSE(checker_accepts(file_of("{}", 1)));
  EXPECT_FALSE(checker_accepts(file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                                       1)));
}

TEST(SafetensorsMutations, EveryTruncationAndEveryFlippedHeaderBitAgreesWithTheChecker) {
  Tally tally;
  for (const Bytes& seed : seeds()) {
    for (std::size_t length = 0; length < seed.size(); ++length) {
      tally.add(Bytes(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(length)), true);
    }
    const std::size_t header_bits = 8 * seed.size();  // the few data bytes too
    for (std::size_t bit = 0; bit < header_bits; ++bit) {
      Bytes changed = seed;
      flip(changed, bit);
      tally.add(changed, true);
    }
  }
  EXPECT_EQ(tally.wrong, 0);
  EXPECT_GT(tally.accepted, 0);  // a flipped bit in a name is still a file
  EXPECT_EQ(tally.stricter, 6);  // an o or w that became the control character DEL
  std::printf("%d files, %d accepted\n", tally.files, tally.accepted);
}

// Two changes at once: a truncation or flipped bit together with one byte made a digit, a bracket
// or another character that JSON gives a meaning.
TEST(SafetensorsMutations, PairsOfChangesAgreeWithTheChecker) {
  constexpr std::string_view kMeaningful = "0123456789-.e{}[],:\" \\utfn\n";
  constexpr int kFilesPerSeed = 70'000;
  Tally tally;
  std::mt19937 random(7);
  for (const Bytes& seed : seeds()) {
    for (int i = 0; i < kFilesPerSeed; ++i) {
      Bytes changed = seed;
      changed[8 + random() % (changed.size() - 8)] =
          static_cast<std::byte>(kMeaningful[random() % kMeaningful.size()]);
      switch (random() % 4) {
        case 0:
          flip(changed, random() % (8 * changed.size()));
          break;
        case 1:
          changed.resize(changed.size() - random() % 3);
          break;
        case 2:
          changed[0] ^= std::byte{static_cast<unsigned char>(random() % 4)};
          break;
        default:
          changed[8 + random() % (changed.size() - 8)] =
              static_cast<std::byte>(kMeaningful[random() % kMeaningful.size()]);
      }
      tally.add(changed, false);
    }
  }
  EXPECT_GE(tally.files, 200'000);
  EXPECT_EQ(tally.wrong, 0);
  EXPECT_GT(tally.accepted, 0);
  std::printf("%d files, %d accepted\n", tally.files, tally.accepted);
}

}  // namespace
}  // namespace gemma3n
