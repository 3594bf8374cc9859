#include "checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "checkpoint/safetensors_test_files.h"

namespace gemma3n {
namespace {

using test_files::Bytes;
using test_files::entry;
using test_files::file_of;
using test_files::one;
using test_files::two;

TEST(Safetensors, ReadsNamesTypesShapesAndBytes) {
  const std::string header =
      two(entry("\"F32\"", "[2,1]", "[4,12]"), entry("\"BF16\"", "[2]", "[0,4]"));
  const Bytes bytes = file_of(header, 12);
  const SafetensorsFile file(bytes, "x.safetensors");
  ASSERT_EQ(file.entries().size(), 2u);
  const SafetensorsEntry* a = file.find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->name, "a");
  EXPECT_EQ(a->dtype, StoredDType::kF32);
  EXPECT_EQ(a->shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(a->offset, 8 + header.size() + 4);
  EXPECT_EQ(a->size, 8u);
  EXPECT_EQ(std::to_integer<int>(file.bytes(*a)[0]), 4);
  const SafetensorsEntry* b = file.find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dtype, StoredDType::kBF16);
  EXPECT_EQ(std::to_integer<int>(file.bytes(*b)[3]), 3);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(file.find(""), nullptr);
}

TEST(Safetensors, EntriesAreInOrderOfName) {
  const Bytes bytes = file_of(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                              R"("a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},)"
                              R"("aa":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                              3);
  const SafetensorsFile file(bytes, "x");
  EXPECT_EQ(file.entries()[0].name, "a");
  EXPECT_EQ(file.entries()[1].name, "aa");
  EXPECT_EQ(file.entries()[2].name, "b");
}

// What is unusual but allowed by the format.
TEST(Safetensors, AcceptsEveryFormOfTheFormat) {
  const struct {
    const char* what;
    std::string header;
    std::size_t data_size;
  } cases[] = {
      {"no tensors", "{}", 0},
      {"padding", "{}      ", 0},
      {"white space inside", "{\n\t\"a\" : " + entry("\"U8\"", "[ 1 ]", "[ 0 , 1 ]") + "\r\n}", 1},
      {"metadata", R"({"__metadata__":{"format":"pt","x":""}})", 0},
      {"empty metadata", R"({"__metadata__":{}})", 0},
      {"a scalar", one("\"F32\"", "[]", "[0,4]"), 4},
      {"an empty tensor", one("\"F32\"", "[0]", "[0,0]"), 0},
      {"an empty tensor of rank 3", one("\"F32\"", "[3,0,5]", "[0,0]"), 0},
      {"an empty tensor before another",
       two(entry("\"F32\"", "[0]", "[0,0]"), entry("\"F32\"", "[1]", "[0,4]")), 4},
      {"an empty tensor after another",
       two(entry("\"F32\"", "[1]", "[0,4]"), entry("\"F32\"", "[0]", "[4,4]")), 4},
      {"two empty tensors", two(entry("\"F32\"", "[0]", "[0,0]"), entry("\"I8\"", "[0]", "[0,0]")),
       0},
      {"header order is not file order",
       two(entry("\"U8\"", "[2]", "[1,3]"), entry("\"U8\"", "[1]", "[0,1]")), 3},
      {"unaligned data", two(entry("\"U8\"", "[1]", "[0,1]"), entry("\"F32\"", "[1]", "[1,5]")), 5},
      {"an empty name", "{\"\":" + entry("\"U8\"", "[1]", "[0,1]") + "}", 1},
      {"a name that is not ASCII", "{\"\xC3\xA9\\u00e9\":" + entry("\"U8\"", "[1]", "[0,1]") + "}",
       1},
      {"an escaped key", R"({"a":{"\u0064type":"U8","shape":[1],"data_offsets":[0,1]}})", 1},
      {"keys in another order", R"({"a":{"data_offsets":[0,1],"shape":[1],"dtype":"U8"}})", 1},
      {"two F4 in a byte", one("\"F4\"", "[2]", "[0,1]"), 1},
      {"four F6 in three bytes", one("\"F6_E2M3\"", "[4]", "[0,3]"), 3},
      {"64 dimensions",
       one(
           "\"U8\"",
           [] {
             std::string shape = "[1";
             for (int i = 1; i < 64; ++i) shape += ",1";
             return shape + "]";
           }(),
           "[0,1]"),
       1},
  };
  for (const auto& c : cases) {
    const Bytes bytes = file_of(c.header, c.data_size);
    EXPECT_NO_THROW(SafetensorsFile(bytes, "x")) << c.what;
  }
}

// Sizes of the format's types. Ref: safetensors, Dtype::bitsize
TEST(Safetensors, KnowsAllTypes) {
  const std::pair<const char*, std::int64_t> types[] = {
      {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
      {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
      {"I64", 64},        {"U64", 64}};
  for (const auto& [type, bits] : types) {
    const auto size = static_cast<std::size_t>(bits);  // 8 elements of `bits` bits
    const Bytes bytes = file_of(
        one("\"" + std::string(type) + "\"", "[8]", "[0," + std::to_string(size) + "]"), size);
    const SafetensorsFile file(bytes, "x");
    EXPECT_EQ(name(file.entries()[0].dtype), type);
    EXPECT_EQ(size_bits(file.entries()[0].dtype), bits);
  }
}

TEST(Safetensors, OnlyThreeTypesAreWeights) {
  EXPECT_EQ(weight_dtype(StoredDType::kF32), DType::kF32);
  EXPECT_EQ(weight_dtype(StoredDType::kF16), DType::kF16);
  EXPECT_EQ(weight_dtype(StoredDType::kBF16), DType::kBF16);
  EXPECT_EQ(weight_dtype(StoredDType::kF64), std::nullopt);
  EXPECT_EQ(weight_dtype(StoredDType::kF8E4M3), std::nullopt);
}

TEST(Safetensors, ReadsAMappedFileAndSurvivesAMove) {
  const auto path =
      std::filesystem::temp_directory_path() / ("safetensors_test_" + std::to_string(::getpid()));
  const Bytes bytes = file_of(one("\"U8\"", "[3]", "[0,3]"), 3);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  SafetensorsFile first(MappedFile(path), "m");
  std::filesystem::remove(path);
  const SafetensorsFile second(std::move(first));
  EXPECT_EQ(std::to_integer<int>(second.bytes(second.entries()[0])[2]), 2);
  EXPECT_EQ(second.mapped_file().size(), bytes.size());
}

TEST(Safetensors, TheMessageNamesFileTensorAndFault) {
  const Bytes bytes = file_of(one("\"F32\"", "[2]", "[0,4]"), 4);
  try {
    SafetensorsFile(bytes, "model.safetensors");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "model.safetensors: header: a: shape and dtype need 8 bytes, data_offsets span 4");
  }
}

TEST(Safetensors, NamesFromOutsideCannotForgeLines) {
  const Bytes bytes = file_of("{\"a\\n\\u001b[31m" + std::string(1000, 'x') + "\":3}", 0);
  try {
    SafetensorsFile(bytes, "x");
    FAIL();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_LT(message.size(), 300u);
    EXPECT_EQ(message.find_first_of("\n\x1b"), std::string::npos);
  }
}

}  // namespace
}  // namespace gemma3n
