// Files made to break a safetensors reader. Each must be refused with an Error that says what is
// wrong, in at most 50 ms, and without using much more memory than its header.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdio>
#include <ctime>
#include <fstream>

#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_test_files.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GEMMA3N_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GEMMA3N_TEST_SANITIZED 1
#endif
#endif
#ifndef GEMMA3N_TEST_SANITIZED
#define GEMMA3N_TEST_SANITIZED 0
#endif

namespace gemma3n {
namespace {

using test_files::Bytes;
using test_files::entry;
using test_files::file_of;
using test_files::one;
using test_files::to_bytes;
using test_files::two;

struct Case {
  const char* what;
  Bytes bytes;
  const char* message;  // a part of it
  ErrorCode code = ErrorCode::kCorruptData;
};

const std::string kByte = entry("\"U8\"", "[1]", "[0,1]");
constexpr const char* kBadJson = "not valid JSON";

std::string repeat(const std::string& text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

std::vector<Case> broken_lengths() {
  const std::string good = one("\"U8\"", "[1]", "[0,1]");
  const auto claim = [&](std::uint64_t length) { return file_of(good, 1, length); };
  const std::uint64_t whole = good.size() + 1;
  return {
      {"an empty file", {}, "got 0 bytes"},
      {"one byte", to_bytes("x"), "got 1 bytes"},
      {"seven bytes", to_bytes("1234567"), "got 7 bytes"},
      {"N = 0 and nothing else", file_of("", 0), "expected a JSON object"},
      {"N = 0 before a header", claim(0), "expected a JSON object"},
      {"N = 1", claim(1), "expected a JSON object"},
      {"N = 7", claim(7), "expected a JSON object"},
      {"N one too short", claim(good.size() - 1), kBadJson},
      {"N takes the data too", claim(whole), "expected a JSON object"},
      {"N one beyond the file", claim(whole + 1), "the file is cut off"},
      {"N beyond the file", claim(100'000'000), "the file is cut off"},
      {"N one beyond the format's limit", claim(100'000'001), "the format allows at most"},
      {"N = 2^31", claim(1ull << 31), "the format allows at most"},
      {"N = 2^32", claim(1ull << 32), "the format allows at most"},
      {"N = 2^32 + header", claim((1ull << 32) + good.size()), "the format allows at most"},
      {"N = 2^63 - 1", claim((1ull << 63) - 1), "the format allows at most"},
      {"N = 2^63", claim(1ull << 63), "the format allows at most"},
      {"N = 2^64 - 8, where N + 8 wraps", claim(~0ull - 7), "the format allows at most"},
      {"N = 2^64 - 1", claim(~0ull), "the format allows at most"},
      {"big-endian N", claim(__builtin_bswap64(good.size())), "the format allows at most"},
  };
}

std::vector<Case> other_formats() {
  return {
      {"a zip file", to_bytes("PK\x03\x04" + std::string(100, '\0')), "header"},
      {"a pickle", to_bytes("\x80\x02}q\x01." + std::string(100, '\0')), "header"},
      {"GGUF", to_bytes("GGUF\x03" + std::string(100, '\0')), "header"},
      {"HDF5", to_bytes("\x89HDF\r\n\x1a\n" + std::string(100, 'h')), "the format allows at most"},
      {"plain JSON", to_bytes(one("\"U8\"", "[1]", "[0,1]")), "the format allows at most"},
      {"a git LFS pointer", to_bytes("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
       "the format allows at most"},
      {"zeros", Bytes(4096), "expected a JSON object"},
      {"a pickle behind a good file",
       [] {
         Bytes file = file_of(one("\"U8\"", "[1]", "[0,1]"), 1);
         const Bytes pickle = to_bytes("\x80\x02}q\x01.");
         file.insert(file.end(), pickle.begin(), pickle.end());
         return file;
       }(),
       "6 bytes behind the last tensor"},
  };
}

std::vector<Case> broken_json() {
  const std::string good = one("\"U8\"", "[1]", "[0,1]");
  const auto in = [](const std::string& header) { return file_of(header, 1); };
  return {
      {"leading space", in(" " + good), "expected a JSON object"},
      {"leading newline", in("\n" + good), "expected a JSON object"},
      {"byte order mark", in("\xEF\xBB\xBF" + good), "expected a JSON object"},
      {"padded with newlines", in(good + "\n"), "expected a JSON object"},
      {"padded with tabs", in(good + "\t"), "expected a JSON object"},
      {"padded with zeros", in(good + std::string(3, '\0')), "expected a JSON object"},
      {"padding then text", in(good + "  x"), "expected a JSON object"},
      {"two objects", in(good + good), "behind the end"},
      {"an object and a bracket", in(good + "}"), "behind the end"},
      {"only spaces", in("        "), "expected a JSON object"},
      {"a list", in("[]"), "expected a JSON object"},
      {"a list of an object", in("[" + good + "]"), "expected a JSON object"},
      {"null", in("null"), "expected a JSON object"},
      {"a number", in("12"), "expected a JSON object"},
      {"a string", in("\"{}\""), "expected a JSON object"},
      {"only an opening brace", in("{"), "expected a JSON object"},
      {"only a closing brace", in("}"), "expected a JSON object"},
      {"single quotes", in("{'a':" + kByte + "}"), kBadJson},
      {"a bare key", in("{a:" + kByte + "}"), kBadJson},
      {"a number as key", in("{1:" + kByte + "}"), kBadJson},
      {"no colon", in("{\"a\"" + kByte + "}"), kBadJson},
      {"no value", in("{\"a\":}"), kBadJson},
      {"trailing comma", in("{\"a\":" + kByte + ",}"), kBadJson},
      {"leading comma", in("{,\"a\":" + kByte + "}"), kBadJson},
      {"two commas", in("{\"a\":" + kByte + ",,\"b\":" + kByte + "}"), kBadJson},
      {"a comment", in("{/**/\"a\":" + kByte + "}"), kBadJson},
      {"an unclosed object", in("{\"a\":" + kByte), kBadJson},
      {"an unclosed string", in("{\"a:" + kByte + "}"), kBadJson},
      {"a bad escape", in("{\"\\x\":" + kByte + "}"), kBadJson},
      {"half a surrogate pair", in("{\"\\ud800\":" + kByte + "}"), kBadJson},
      {"a raw control character in a name", in("{\"a\nb\":" + kByte + "}"), kBadJson},
      {"a raw NUL in a name", in("{\"a" + std::string(1, '\0') + "\":" + kByte + "}"), kBadJson},
      {"not UTF-8", in("{\"\xFF\":" + kByte + "}"), "not UTF-8"},
      {"overlong UTF-8", in("{\"\xC0\xAF\":" + kByte + "}"), "not UTF-8"},
      {"a surrogate in UTF-8", in("{\"\xED\xA0\x80\":" + kByte + "}"), "not UTF-8"},
      {"cut UTF-8", in("{\"\xE2\x82\":" + kByte + "}"), "not UTF-8"},
      {"UTF-16", file_of(std::string("{\0\"\0a\0\"\0:\0}\0", 12), 0), "expected a JSON object"},
      {"brackets that cross", in(R"({"a":{"shape":[1},"x":]})"), kBadJson},
  };
}

std::vector<Case> broken_entries() {
  const auto in = [](const std::string& value) { return file_of("{\"a\":" + value + "}", 1); };
  const auto with = [](const std::string& dtype, const std::string& shape,
                       const std::string& offsets,
                       std::size_t size) { return file_of(one(dtype, shape, offsets), size); };
  return {
      {"an entry that is null", in("null"), "a: not valid JSON"},
      {"an entry that is a number", in("1"), kBadJson},
      {"an entry that is a list", in("[]"), kBadJson},
      {"an entry that is a string", in("\"x\""), kBadJson},
      {"an empty entry", in("{}"), "got no dtype"},
      {"no dtype", in(R"({"shape":[1],"data_offsets":[0,1]})"), "got no dtype"},
      {"no shape", in(R"({"dtype":"U8","data_offsets":[0,1]})"), "got no shape"},
      {"no data_offsets", in(R"({"dtype":"U8","shape":[1]})"), "got no data_offsets"},
      {"an unknown key", in(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1})"),
       "expected the keys"},
      {"dtype twice", in(R"({"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]})"),
       "twice"},
      {"shape twice", in(R"({"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]})"),
       "twice"},
      {"data_offsets twice",
       in(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]})"), "twice"},
      {"shape twice, once escaped",
       in(R"({"dtype":"U8","shape":[1],"\u0073hape":[1],"data_offsets":[0,1]})"), "twice"},
      {"Shape", in(R"({"dtype":"U8","Shape":[1],"data_offsets":[0,1]})"), "expected the keys"},
      {"dtype in lower case", with("\"u8\"", "[1]", "[0,1]", 1), "dtype u8 is none"},
      {"dtype in mixed case", with("\"Bf16\"", "[1]", "[0,2]", 2), "dtype Bf16 is none"},
      {"an unknown dtype", with("\"F128\"", "[1]", "[0,16]", 16), "dtype F128 is none"},
      {"an empty dtype", with("\"\"", "[1]", "[0,1]", 1), "is none of the format"},
      {"dtype with a space", with("\"F32 \"", "[1]", "[0,4]", 4), "is none of the format"},
      {"dtype with a NUL", with("\"F32\\u0000\"", "[1]", "[0,4]", 4), "is none of the format"},
      {"a dtype of PyTorch", with("\"torch.float32\"", "[1]", "[0,4]", 4), "is none of the format"},
      {"dtype null", with("null", "[1]", "[0,1]", 1), kBadJson},
      {"dtype a number", with("8", "[1]", "[0,1]", 1), kBadJson},
      {"dtype a list", with("[\"U8\"]", "[1]", "[0,1]", 1), kBadJson},
      {"shape null", with("\"U8\"", "null", "[0,1]", 1), kBadJson},
      {"shape a number", with("\"U8\"", "1", "[0,1]", 1), kBadJson},
      {"shape a string", with("\"U8\"", "\"1\"", "[0,1]", 1), kBadJson},
      {"shape an object", with("\"U8\"", "{}", "[0,1]", 1), kBadJson},
      {"shape in shape", with("\"U8\"", "[[1]]", "[0,1]", 1), kBadJson},
      {"a dimension of -1", with("\"U8\"", "[-1]", "[0,1]", 1), kBadJson},
      {"a dimension of -0", with("\"U8\"", "[-0]", "[0,0]", 0), kBadJson},
      {"a dimension of 1.0", with("\"U8\"", "[1.0]", "[0,1]", 1), kBadJson},
      {"a dimension of 1e0", with("\"U8\"", "[1e0]", "[0,1]", 1), kBadJson},
      {"a dimension of 01", with("\"U8\"", "[01]", "[0,1]", 1), kBadJson},
      {"a dimension of +1", with("\"U8\"", "[+1]", "[0,1]", 1), kBadJson},
      {"a dimension of 0x1", with("\"U8\"", "[0x1]", "[0,1]", 1), kBadJson},
      {"a dimension of \"1\"", with("\"U8\"", "[\"1\"]", "[0,1]", 1), kBadJson},
      {"a dimension of true", with("\"U8\"", "[true]", "[0,1]", 1), kBadJson},
      {"a dimension of null", with("\"U8\"", "[null]", "[0,1]", 1), kBadJson},
      {"a dimension of NaN", with("\"U8\"", "[NaN]", "[0,1]", 1), kBadJson},
      {"a dimension of 2^64", with("\"U8\"", "[18446744073709551616]", "[0,1]", 1), kBadJson},
      {"a shape with a trailing comma", with("\"U8\"", "[1,]", "[0,1]", 1), kBadJson},
      {"a shape without commas", with("\"U8\"", "[1 1]", "[0,1]", 1), kBadJson},
      {"65 dimensions", with("\"U8\"", "[1" + repeat(",1", 64) + "]", "[0,1]", 1),
       "more than 64 dimensions", ErrorCode::kUnsupported},
      {"100,000 dimensions", with("\"U8\"", "[1" + repeat(",1", 99'999) + "]", "[0,1]", 1),
       "more than 64 dimensions", ErrorCode::kUnsupported},
      {"a dimension of 2^63 in an empty tensor",
       with("\"U8\"", "[9223372036854775808,0]", "[0,0]", 0), "beyond 63 bits",
       ErrorCode::kUnsupported},
      {"data_offsets null", with("\"U8\"", "[1]", "null", 1), kBadJson},
      {"data_offsets a number", with("\"U8\"", "[1]", "1", 1), kBadJson},
      {"no offsets", with("\"U8\"", "[1]", "[]", 1), "got 0"},
      {"one offset", with("\"U8\"", "[1]", "[0]", 1), "got 1"},
      {"three offsets", with("\"U8\"", "[1]", "[0,1,1]", 1), "got more"},
      {"100,000 offsets", with("\"U8\"", "[1]", "[0" + repeat(",1", 99'999) + "]", 1), "got more"},
      {"negative offsets", with("\"U8\"", "[1]", "[-1,0]", 1), kBadJson},
      {"float offsets", with("\"U8\"", "[1]", "[0.0,1.0]", 1), kBadJson},
      {"offset 1e3", with("\"U8\"", "[1000]", "[0,1e3]", 1000), kBadJson},
      {"offsets as strings", with("\"U8\"", "[1]", "[\"0\",\"1\"]", 1), kBadJson},
      {"offset of 2^64", with("\"U8\"", "[1]", "[0,18446744073709551616]", 1), kBadJson},
      {"offsets that run backwards", with("\"U8\"", "[1]", "[1,0]", 1), "end before they begin"},
      {"a NUL in the name", file_of("{\"a\\u0000\":" + kByte + "}", 1), "control character"},
      {"a newline in the name", file_of("{\"a\\nb\":" + kByte + "}", 1), "control character"},
      {"an escape sequence in the name", file_of("{\"\\u001b[2J\":" + kByte + "}", 1),
       "control character"},
  };
}

std::vector<Case> broken_sizes() {
  const auto with = [](const std::string& dtype, const std::string& shape,
                       const std::string& offsets,
                       std::size_t size) { return file_of(one(dtype, shape, offsets), size); };
  return {
      {"one byte too few", with("\"F32\"", "[1]", "[0,3]", 3), "need 4 bytes, data_offsets span 3"},
      {"one byte too many", with("\"F32\"", "[1]", "[0,5]", 5),
       "need 4 bytes, data_offsets span 5"},
      {"a scalar of no bytes", with("\"F32\"", "[]", "[0,0]", 0), "need 4 bytes"},
      {"an empty tensor with bytes", with("\"F32\"", "[0]", "[0,4]", 4), "need 0 bytes"},
      {"4 elements by a product that wraps",
       with("\"U8\"", "[4194305,4194305,211106198978564]", "[0,4]", 4), "more than 2^64 elements"},
      {"the same in F32", with("\"F32\"", "[4194305,4194305,211106198978564]", "[0,16]", 16),
       "more than 2^64 elements"},
      {"0 elements by a product that wraps", with("\"U8\"", "[4294967296,4294967296]", "[0,0]", 0),
       "more than 2^64 elements"},
      {"2^62 elements whose bits wrap to 0", with("\"F32\"", "[4611686018427387904]", "[0,0]", 0),
       "more than 2^64 bits"},
      {"2^61 bytes, whose bits wrap", with("\"U8\"", "[2305843009213693952]", "[0,0]", 0),
       "more than 2^64 bits"},
      {"2^60 elements that are not there", with("\"U8\"", "[1152921504606846976]", "[0,1]", 1),
       "need 1152921504606846976 bytes"},
      {"overflow before a 0",
       with("\"U8\"", "[9223372036854775807,9223372036854775807,0]", "[0,0]", 0),
       "more than 2^64 elements"},
      {"one F4", with("\"F4\"", "[1]", "[0,1]", 1), "do not fill whole bytes"},
      {"three F4", with("\"F4\"", "[3]", "[0,2]", 2), "do not fill whole bytes"},
      {"a scalar F4", with("\"F4\"", "[]", "[0,1]", 1), "do not fill whole bytes"},
      {"one F6_E2M3", with("\"F6_E2M3\"", "[1]", "[0,1]", 1), "do not fill whole bytes"},
      {"three F6_E3M2", with("\"F6_E3M2\"", "[3]", "[0,3]", 3), "do not fill whole bytes"},
      {"five F6_E3M2", with("\"F6_E3M2\"", "[5]", "[0,4]", 4), "do not fill whole bytes"},
  };
}

std::vector<Case> broken_layouts() {
  const auto both = [](const std::string& a, const std::string& b, std::size_t size) {
    return file_of(two(a, b), size);
  };
  const auto bytes = [](const std::string& count, const std::string& offsets) {
    return entry("\"U8\"", "[" + count + "]", offsets);
  };
  return {
      {"data missing", file_of(one("\"U8\"", "[4]", "[0,4]"), 3), "the file is cut off"},
      {"no data at all", file_of(one("\"U8\"", "[4]", "[0,4]"), 0), "the file is cut off"},
      {"trailing byte", file_of(one("\"U8\"", "[4]", "[0,4]"), 5),
       "1 bytes behind the last tensor"},
      {"data without tensors", file_of("{}", 1), "1 bytes behind the last tensor"},
      {"data with metadata only", file_of("{\"__metadata__\":{}}", 9), "9 bytes behind"},
      {"a hole at the start", file_of(one("\"U8\"", "[1]", "[1,2]"), 2), "begins at byte 1"},
      {"a hole between", both(bytes("1", "[0,1]"), bytes("1", "[2,3]"), 3), "begins at byte 2"},
      {"an overlap", both(bytes("2", "[0,2]"), bytes("2", "[1,3]"), 3), "begins at byte 1"},
      {"two tensors on the same bytes", both(bytes("2", "[0,2]"), bytes("2", "[0,2]"), 2),
       "begins at byte 0"},
      {"one tensor inside another", both(bytes("4", "[0,4]"), bytes("2", "[1,3]"), 4),
       "begins at byte 1"},
      {"a prefix of another", both(bytes("4", "[0,4]"), bytes("2", "[0,2]"), 4),
       "begins at byte 0"},
      {"an empty tensor inside another", both(bytes("4", "[0,4]"), bytes("0", "[2,2]"), 4),
       "begins at byte 2"},
      {"an empty tensor that claims another's bytes",
       both(bytes("4", "[0,4]"), bytes("0", "[0,4]"), 4), "need 0 bytes, data_offsets span 4"},
      {"an empty tensor behind the end", both(bytes("4", "[0,4]"), bytes("0", "[9,9]"), 4),
       "begins at byte 9"},
      {"only an empty tensor, not at 0", file_of(one("\"U8\"", "[0]", "[1,1]"), 1),
       "begins at byte 1"},
      {"begins at 2^64 - 1",
       file_of(one("\"U8\"", "[0]", "[18446744073709551615,18446744073709551615]"), 0),
       "begins at byte 18446744073709551615"},
      {"offsets that reach into the header", both(bytes("1", "[0,1]"), bytes("1", "[0,1]"), 2),
       "begins at byte 0"},
      {"the second ends behind the file", both(bytes("1", "[0,1]"), bytes("9", "[1,10]"), 5),
       "the file is cut off"},
  };
}

std::vector<Case> broken_names_and_metadata() {
  const auto meta = [](const std::string& value) {
    return file_of("{\"__metadata__\":" + value + "}", 0);
  };
  return {
      {"a tensor twice", file_of("{\"a\":" + kByte + ",\"a\":" + kByte + "}", 1), "given twice"},
      {"a tensor twice, on other bytes",
       file_of("{\"a\":" + kByte + ",\"a\":" + entry("\"U8\"", "[1]", "[1,2]") + "}", 2),
       "a: the tensor is given twice"},
      {"a tensor twice, once escaped",
       file_of("{\"a\":" + kByte + ",\"\\u0061\":" + entry("\"U8\"", "[1]", "[1,2]") + "}", 2),
       "a: the tensor is given twice"},
      {"a tensor twice, far apart",
       file_of("{\"a\":" + kByte + ",\"b\":" + entry("\"U8\"", "[1]", "[1,2]") +
                   ",\"a\":" + entry("\"U8\"", "[1]", "[2,3]") + "}",
               3),
       "a: the tensor is given twice"},
      {"metadata twice", file_of("{\"__metadata__\":{},\"__metadata__\":{}}", 0), "given twice"},
      {"metadata null", meta("null"), kBadJson},
      {"metadata a string", meta("\"pt\""), kBadJson},
      {"metadata a list", meta("[]"), kBadJson},
      {"metadata a number", meta("1"), kBadJson},
      {"a number in metadata", meta("{\"a\":1}"), kBadJson},
      {"null in metadata", meta("{\"a\":null}"), kBadJson},
      {"true in metadata", meta("{\"a\":true}"), kBadJson},
      {"an object in metadata", meta("{\"a\":{}}"), kBadJson},
      {"a list in metadata", meta("{\"a\":[\"x\"]}"), kBadJson},
      {"a key twice in metadata", meta("{\"a\":\"1\",\"a\":\"2\"}"), "the key a is given twice"},
      {"metadata that is a tensor", meta(kByte), kBadJson},
  };
}

// Large headers: 1,000,000 tensors, and JSON as deep as it is long.
std::vector<Case> big_headers() {
  const std::string empty = entry("\"U8\"", "[0]", "[0,0]");
  std::string many = "{", fitting = "{";
  const auto add_tensor = [&](std::string& header, int i) {
    header.append("\"").append(std::to_string(i)).append("\":").append(empty).append(",");
  };
  for (int i = 0; i < 1'000'000; ++i) add_tensor(many, i);
  many.back() = '}';
  for (std::size_t i = 0; i + 1 < SafetensorsFile::kMaxTensors; ++i) {
    add_tensor(fitting, static_cast<int>(i));
  }
  std::string too_many = fitting;
  add_tensor(too_many, -1);
  add_tensor(too_many, -2);
  too_many.back() = '}';
  const std::string last_twice = fitting + "\"0\":" + empty + "}";
  const std::string last_broken = fitting + "\"x\":" + entry("\"U8\"", "[1]", "[0,0]") + "}";
  std::string metadata = "{\"__metadata__\":{";
  const auto add_key = [&](std::size_t i) {
    metadata.append("\"").append(std::to_string(i)).append("\":\"\",");
  };
  for (std::size_t i = 0; i + 1 < SafetensorsFile::kMaxMetadataKeys; ++i) add_key(i);
  const std::string metadata_twice = metadata + "\"0\":\"\"}}";
  for (std::size_t i = 20'000; metadata.size() + 40 < SafetensorsFile::kMaxHeaderBytes; ++i)
    add_key(i);
  metadata += "\"x\":\"\"}}";
  const std::size_t deep = 1'000'000, limit = SafetensorsFile::kMaxHeaderBytes;
  return {
      {"1,000,000 tensors", file_of(many, 0), "split the file into shards",
       ErrorCode::kUnsupported},
      {"one byte over the limit", file_of("{}" + std::string(limit - 1, ' '), 0), "at most 4194304",
       ErrorCode::kUnsupported},
      {"as many tensors as allowed, the first twice", file_of(last_twice, 0), "given twice"},
      {"as many tensors as allowed, the last broken", file_of(last_broken, 0),
       "x: shape and dtype"},
      {"one tensor more than allowed", file_of(too_many, 0), "more than 20000 tensors",
       ErrorCode::kUnsupported},
      {"as much metadata as allowed, a key twice", file_of(metadata_twice, 0), "given twice"},
      {"as much metadata as fits", file_of(metadata, 0), "more than 20000 keys",
       ErrorCode::kUnsupported},
      {"lists 1,000,000 deep", file_of("{\"a\":" + repeat("[", deep) + repeat("]", deep) + "}", 0),
       kBadJson},
      {"lists 1,000,000 deep in a shape",
       file_of(one("\"U8\"", repeat("[", deep) + repeat("]", deep), "[0,0]"), 0), kBadJson},
      {"objects 500,000 deep", file_of(repeat("{\"a\":", 500'000) + "1" + repeat("}", 500'000), 0),
       "expected the keys"},
      {"unclosed lists", file_of("{\"a\":" + repeat("[", limit - 8) + "}", 0), kBadJson},
      {"a name of 4 MB", file_of("{\"" + std::string(limit - 8, 'n') + "\":1}", 0), kBadJson},
      {"escapes only", file_of("{\"" + repeat("\\u0041", limit / 6 - 4) + "\":1}", 0), kBadJson},
      {"a number of 4 MB", file_of("{\"a\":" + std::string(limit - 8, '9') + "}", 0), kBadJson},
      {"commas", file_of("{" + std::string(limit - 2, ',') + "}", 0), kBadJson},
      {"quotes", file_of("{" + std::string(limit - 2, '"') + "}", 0), kBadJson},
  };
}

std::vector<Case> make_cases() {
  std::vector<Case> all;
  for (const auto& group : {broken_lengths, other_formats, broken_json, broken_entries,
                            broken_sizes, broken_layouts, broken_names_and_metadata, big_headers}) {
    for (auto& c : group()) all.push_back(c);
  }
  return all;
}

const std::vector<Case>& all_cases() {
  static const std::vector<Case> cases = make_cases();
  return cases;
}

// Of this thread; other processes' load does not count.
double processor_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// A line of /proc/self/status, in bytes; 0 if there is none.
std::size_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return std::stoul(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

bool reset_peak_memory() {
  ::malloc_trim(0);
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5" << std::flush;
  return clear.good();
}

TEST(SafetensorsHostile, AtLeast120FilesAreRefusedWithTheirReason) {
  const auto& cases = all_cases();
  EXPECT_GE(cases.size(), 120u);
  std::printf("%zu files\n", cases.size());
  for (const auto& c : cases) {
    try {
      SafetensorsFile(c.bytes, "x.safetensors");
      ADD_FAILURE() << c.what << ": accepted";
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_EQ(error.code(), c.code) << c.what << ": " << message;
      EXPECT_TRUE(message.starts_with("x.safetensors: ")) << c.what << ": " << message;
      EXPECT_NE(message.find(c.message), std::string::npos) << c.what << ": " << message;
      EXPECT_LT(message.size(), 500u) << c.what;
    }
  }
}

TEST(SafetensorsHostile, EachIsRefusedWithin50Milliseconds) {
  constexpr double kLimitMs = GEMMA3N_TEST_SANITIZED ? 1000.0 : 50.0;
  double slowest_ms = 0;
  for (const auto& c : all_cases()) {
    const double start_ms = processor_ms();
    EXPECT_THROW(SafetensorsFile(c.bytes, "x"), Error) << c.what;
    const double used_ms = processor_ms() - start_ms;
    EXPECT_LE(used_ms, kLimitMs) << c.what;
    slowest_ms = std::max(slowest_ms, used_ms);
  }
  std::printf("slowest refusal: %.1f ms\n", slowest_ms);
}

TEST(SafetensorsHostile, RefusalsUseLittleMemory) {
  if (GEMMA3N_TEST_SANITIZED) GTEST_SKIP() << "sanitizers keep freed memory";
  constexpr std::size_t kAllowance = 32u << 20;
  std::size_t most = 0;
  for (const auto& c : all_cases()) {
    if (!reset_peak_memory()) GTEST_SKIP() << "the kernel does not reset the peak of this process";
    const std::size_t before = status_bytes("VmRSS");
    EXPECT_THROW(SafetensorsFile(c.bytes, "x"), Error) << c.what;
    const std::size_t peak = status_bytes("VmHWM");
    ASSERT_GT(before, 0u);
    const std::size_t used = peak > before ? peak - before : 0;
    EXPECT_LE(used, c.bytes.size() + kAllowance) << c.what;
    most = std::max(most, used);
  }
  std::printf("most memory for a refusal: %.1f MiB\n", static_cast<double>(most) / (1 << 20));
}

}  // namespace
}  // namespace gemma3n
