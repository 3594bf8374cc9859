#include "checkpoint/safetensors_writer.h"

#include <algorithm>
#include <cctype>

namespace gemma3n {
namespace {

constexpr std::size_t kLengthBytes = 8;  // of the header's length
constexpr std::size_t kPage = 4096;

std::size_t size_of(const NewTensor& tensor) {
  std::int64_t bits = size_bits(tensor.dtype);
  for (const std::int64_t dimension : tensor.shape) bits *= dimension;
  return static_cast<std::size_t>(bits) / 8;
}

bool is_plain(const std::string& name) {
  return std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  });
}

std::string entry_text(const NewTensor& tensor, std::size_t begin, std::size_t end) {
  check(is_plain(tensor.name), "a tensor's name needs no escapes");
  std::string text =
      "\"" + tensor.name + "\":{\"dtype\":\"" + std::string(name(tensor.dtype)) + "\",\"shape\":[";
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    text += (axis > 0 ? "," : "") + std::to_string(tensor.shape[axis]);
  }
  return text + "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     const std::vector<NewTensor>& tensors)
    : file_(path) {
  std::string json = "{";
  for (const NewTensor& tensor : tensors) {
    const std::size_t end = missing_ + size_of(tensor);
    json += (json.size() > 1 ? "," : "") + entry_text(tensor, missing_, end);
    missing_ = end;
  }
  json += "}";
  const std::size_t header = (kLengthBytes + json.size() + kPage - 1) / kPage * kPage;
  json.resize(header - kLengthBytes, ' ');
  file_.reserve(header + missing_);
  std::string length;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    length += static_cast<char>(json.size() >> (8 * i) & 0xFFu);
  }
  file_.write(std::as_bytes(std::span(length)));
  file_.write(std::as_bytes(std::span(json)));
}

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  check(bytes.size() <= missing_, "no more bytes than the tensors have");
  file_.write(bytes);
  missing_ -= bytes.size();
}

void SafetensorsWriter::finish() {
  check(missing_ == 0, "all tensors were written");
  file_.finish();
}

}  // namespace gemma3n
