#include "checkpoint/safetensors.h"

#include <simdjson.h>

#include <algorithm>
#include <limits>

#include "checkpoint/json.h"
#include "checkpoint/printable.h"

namespace gemma3n {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr std::size_t kLengthBytes = 8;                  // of the header's length
constexpr std::uint64_t kFormatMaxHeader = 100'000'000;  // Ref: safetensors MAX_HEADER_SIZE

struct Header {
  std::string_view json;       // without padding
  std::size_t data_begin = 0;  // from the start of the file
};

// Finds the header; checks what can be checked without reading its JSON.
Header find_header(std::span<const std::byte> file, const std::string& file_name) {
  const auto refuse = [&](ErrorCode code, const auto&... parts) {
    fail(code, file_name, ": ", parts...);
  };
  if (file.size() < kLengthBytes) {
    refuse(ErrorCode::kCorruptData, "expected a safetensors file, got ", file.size(),
           " bytes, too few for the length of the header");
  }
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length |= std::to_integer<std::uint64_t>(file[i]) << (8 * i);
  }
  if (length > kFormatMaxHeader) {
    refuse(ErrorCode::kCorruptData, "header of ", length, " bytes: the format allows at most ",
           kFormatMaxHeader, "; this is no safetensors file");
  }
  if (length > file.size() - kLengthBytes) {
    refuse(ErrorCode::kCorruptData, "header of ", length, " bytes, but only ",
           file.size() - kLengthBytes, " follow; the file is cut off");
  }
  if (length > SafetensorsFile::kMaxHeaderBytes) {
    refuse(ErrorCode::kUnsupported, "header of ", length, " bytes: at most ",
           SafetensorsFile::kMaxHeaderBytes, " are read; split the file into shards");
  }
  std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes,
                        static_cast<std::size_t>(length));
  text = text.substr(0, text.find_last_not_of(' ') + 1);  // the only padding the format allows
  if (!text.starts_with('{') || !text.ends_with('}')) {
    refuse(ErrorCode::kCorruptData, "header: expected a JSON object, padded with spaces at most");
  }
  return {text, kLengthBytes + static_cast<std::size_t>(length)};
}

// Reads the header's JSON into entries. Checks each entry by itself; how they lie in the file is
// left to check_layout().
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& file_name)
      : text_(text), parser_(text.size() + 1), file_name_(file_name) {}

  std::vector<SafetensorsEntry> read() {
    ondemand::document document;
    expect(parser_.iterate(text_).get(document));
    ondemand::object root;
    expect(document.get_object().get(root));
    for (auto item : root) {
      ondemand::field field;
      expect(std::move(item).get(field));
      tensor_ = read_key(field);
      ondemand::object value;
      expect(field.value().get_object().get(value));
      if (tensor_ == "__metadata__") {
        read_metadata(value);
      } else {
        if (entries_.size() == SafetensorsFile::kMaxTensors) {
          unsupported("more than ", SafetensorsFile::kMaxTensors,
                      " tensors; split the file into shards");
        }
        entries_.push_back(read_entry(value));
      }
      tensor_.clear();
    }
    if (document.current_location().error() != simdjson::OUT_OF_BOUNDS) {
      refuse("text behind the end of the JSON object");
    }
    refuse_duplicates();
    return std::move(entries_);
  }

 private:
  std::string read_string(simdjson::simdjson_result<std::string_view> text) const {
    std::string_view view;
    expect(std::move(text).get(view));
    return std::string(view);
  }
  std::string read_key(ondemand::field& field) const { return read_string(field.unescaped_key()); }

  // Strings only, each key once; what they say is not used. The keys stay in the parser's buffer.
  void read_metadata(ondemand::object& metadata) {
    if (std::exchange(has_metadata_, true)) refuse("the key is given twice");
    std::vector<std::string_view> keys;
    for (auto item : metadata) {
      ondemand::field field;
      expect(std::move(item).get(field));
      if (keys.size() == SafetensorsFile::kMaxMetadataKeys) {
        unsupported("more than ", SafetensorsFile::kMaxMetadataKeys, " keys");
      }
      expect(field.unescaped_key().get(keys.emplace_back()));
      std::string_view value;
      expect(field.value().get_string().get(value));
    }
    std::ranges::sort(keys);
    const auto twin = std::ranges::adjacent_find(keys);
    if (twin != keys.end()) refuse("the key ", printable(*twin), " is given twice");
  }

  SafetensorsEntry read_entry(ondemand::object& object) {
    SafetensorsEntry entry;
    refuse_control_characters(tensor_);
    bool has_dtype = false, has_shape = false, has_offsets = false;
    for (auto item : object) {
      ondemand::field field;
      expect(std::move(item).get(field));
      const std::string key = read_key(field);
      bool* seen = key == "dtype"          ? &has_dtype
                   : key == "shape"        ? &has_shape
                   : key == "data_offsets" ? &has_offsets
                                           : nullptr;
      if (seen == nullptr) {
        refuse("expected the keys dtype, shape and data_offsets, got ", printable(key));
      }
      if (std::exchange(*seen, true)) refuse("the key ", key, " is given twice");
      if (seen == &has_dtype) {
        entry.dtype = read_dtype(field.value());
      } else if (seen == &has_shape) {
        entry.shape = read_shape(field.value());
      } else {
        read_offsets(field.value(), entry);
      }
    }
    if (!has_dtype || !has_shape || !has_offsets) {
      refuse("expected dtype, shape and data_offsets, got no ", !has_dtype   ? "dtype"
                                                                : !has_shape ? "shape"
                                                                             : "data_offsets");
    }
    check_size(entry);
    entry.name = tensor_;
    return entry;
  }

  StoredDType read_dtype(ondemand::value value) const {
    const std::string text = read_string(value.get_string());
    const auto dtype = stored_dtype_from_name(text);
    if (!dtype) refuse("dtype ", printable(text), " is none of the format");
    return *dtype;
  }

  std::vector<std::int64_t> read_shape(ondemand::value value) const {
    std::vector<std::int64_t> shape;
    ondemand::array dimensions;
    expect(value.get_array().get(dimensions));
    for (auto item : dimensions) {
      const std::uint64_t dimension = read_unsigned(item);
      if (dimension > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        unsupported("dimension ", dimension, " is beyond 63 bits");
      }
      if (shape.size() == SafetensorsFile::kMaxRank) {
        unsupported("more than ", SafetensorsFile::kMaxRank, " dimensions");
      }
      shape.push_back(static_cast<std::int64_t>(dimension));
    }
    return shape;
  }

  // Offsets in the file count from the end of the header; the entry holds them like that until
  // check_layout().
  void read_offsets(ondemand::value value, SafetensorsEntry& entry) const {
    ondemand::array pair;
    expect(value.get_array().get(pair));
    std::uint64_t offsets[2] = {};
    std::size_t count = 0;
    for (auto item : pair) {
      const std::uint64_t offset = read_unsigned(item);
      if (count == 2) refuse("expected two data_offsets, got more");
      offsets[count++] = offset;
    }
    if (count != 2) refuse("expected two data_offsets, got ", count);
    if (offsets[1] < offsets[0]) {
      refuse("data_offsets [", offsets[0], ", ", offsets[1], "] end before they begin");
    }
    entry.offset = static_cast<std::size_t>(offsets[0]);
    entry.size = static_cast<std::size_t>(offsets[1] - offsets[0]);
  }

  std::uint64_t read_unsigned(simdjson::simdjson_result<ondemand::value> item) const {
    std::uint64_t number = 0;
    ondemand::value value;
    expect(std::move(item).get(value));
    expect(value.get_uint64().get(number));
    return number;
  }

  // Product of the shape times the size of an element, without overflow, must be the size in bytes.
  void check_size(const SafetensorsEntry& entry) const {
    std::uint64_t bits = static_cast<std::uint64_t>(size_bits(entry.dtype));
    std::uint64_t elements = 1;
    for (const std::int64_t dimension : entry.shape) {
      if (__builtin_mul_overflow(elements, static_cast<std::uint64_t>(dimension), &elements)) {
        refuse("the shape has more than 2^64 elements");
      }
    }
    if (__builtin_mul_overflow(bits, elements, &bits)) refuse("the shape has more than 2^64 bits");
    if (bits % 8 != 0)
      refuse(elements, " elements of ", gemma3n::name(entry.dtype), " do not fill whole bytes");
    if (bits / 8 != entry.size) {
      refuse("shape and dtype need ", bits / 8, " bytes, data_offsets span ", entry.size);
    }
  }

  void refuse_control_characters(std::string_view text) const {
    const auto is_control = [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    };
    if (std::ranges::any_of(text, is_control)) refuse("a control character in the name");
  }

  void refuse_duplicates() {
    std::ranges::sort(entries_, {}, &SafetensorsEntry::name);
    const auto twin = std::ranges::adjacent_find(entries_, {}, &SafetensorsEntry::name);
    if (twin == entries_.end()) return;
    tensor_ = twin->name;
    refuse("the tensor is given twice");
  }

  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kCorruptData, file_name_,
         ": header: ", tensor_.empty() ? "" : printable(tensor_) + ": ", parts...);
  }
  template <typename... Parts>
  [[noreturn]] void unsupported(const Parts&... parts) const {
    fail(ErrorCode::kUnsupported, file_name_, ": header: ", printable(tensor_), ": ", parts...);
  }
  void expect(simdjson::error_code error) const {
    if (error != simdjson::SUCCESS) refuse("not valid JSON: ", json_error_text(error));
  }

  simdjson::padded_string text_;
  ondemand::parser parser_;
  const std::string& file_name_;
  std::string tensor_;  // being read, for messages
  bool has_metadata_ = false;
  std::vector<SafetensorsEntry> entries_;
};

// The tensors must lie end to end from the header's end to the file's: then no two share a byte and
// no byte belongs to none. Makes the offsets count from the start of the file.
void check_layout(std::vector<SafetensorsEntry>& entries, std::size_t data_begin,
                  std::size_t file_size, const std::string& file_name) {
  std::vector<SafetensorsEntry*> by_offset;
  by_offset.reserve(entries.size());
  for (auto& entry : entries) by_offset.push_back(&entry);
  std::ranges::sort(by_offset, [](const auto* a, const auto* b) {
    return std::pair(a->offset, a->size) < std::pair(b->offset, b->size);
  });
  const std::size_t data_size = file_size - data_begin;
  std::size_t end = 0;  // of the tensors so far, from the end of the header
  for (auto* entry : by_offset) {
    if (entry->offset != end) {
      fail(ErrorCode::kCorruptData, file_name, ": ", printable(entry->name), ": begins at byte ",
           entry->offset, " of the data, expected ", end, ", where the tensor before it ends");
    }
    if (entry->size > data_size - end) {
      fail(ErrorCode::kCorruptData, file_name, ": ", printable(entry->name), ": ends behind byte ",
           data_size, " of the data, the last of the file; the file is cut off");
    }
    end += entry->size;
    entry->offset += data_begin;
  }
  if (end != data_size) {
    fail(ErrorCode::kCorruptData, file_name, ": ", data_size - end,
         " bytes behind the last tensor, expected none");
  }
}

std::vector<SafetensorsEntry> read_index(std::span<const std::byte> file,
                                         const std::string& file_name) {
  const Header header = find_header(file, file_name);
  auto entries = HeaderReader(header.json, file_name).read();
  check_layout(entries, header.data_begin, file.size(), file_name);
  return entries;
}

}  // namespace

SafetensorsFile::SafetensorsFile(MappedFile file, std::string display_name)
    : file_(std::move(file)),
      bytes_(file_.bytes()),
      name_(std::move(display_name)),
      entries_(read_index(bytes_, name_)) {}

SafetensorsFile::SafetensorsFile(std::span<const std::byte> bytes, std::string display_name)
    : bytes_(bytes), name_(std::move(display_name)), entries_(read_index(bytes_, name_)) {}

const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const {
  const auto entry = std::ranges::lower_bound(
      entries_, name, {}, [](const SafetensorsEntry& e) -> std::string_view { return e.name; });
  return entry != entries_.end() && entry->name == name ? &*entry : nullptr;
}

}  // namespace gemma3n
