// A temporary model folder, for tests.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/safetensors_test_files.h"

namespace gemma3n {

class CheckpointFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "checkpoint_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = std::filesystem::canonical(pattern);
    folder_ = root_ / "model";
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  // A safetensors file in which each tensor is one F32 (or `dtype`) vector of the given bytes.
  struct Tensor {
    std::string name;
    std::string dtype;
    std::vector<int> shape;
    std::string bytes;
  };
  static std::string safetensors(const std::vector<Tensor>& tensors) {
    std::string header, data;
    for (const auto& tensor : tensors) {
      std::string shape;
      for (const int dimension : tensor.shape) {
        shape.append(shape.empty() ? "" : ",").append(std::to_string(dimension));
      }
      header.append(header.empty() ? "{\"" : ",\"").append(tensor.name).append("\":");
      header += test_files::entry("\"" + tensor.dtype + "\"", "[" + shape + "]",
                                  "[" + std::to_string(data.size()) + "," +
                                      std::to_string(data.size() + tensor.bytes.size()) + "]");
      data += tensor.bytes;
    }
    header = header.empty() ? "{}" : header + "}";
    const auto bytes = test_files::file_of(header, 0);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) + data;
  }
  // One U8 tensor for each name.
  static std::string shard(const std::vector<std::string>& names) {
    std::vector<Tensor> tensors;
    for (const auto& name : names) tensors.push_back({name, "U8", {1}, "x"});
    return safetensors(tensors);
  }

  static void write(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  static void expect_error(ErrorCode code, const std::string& message,
                           const std::function<void()>& call) {
    try {
      call();
      ADD_FAILURE() << "no error; expected: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  }

  std::filesystem::path root_, folder_;  // folder_ lies in root_
};

}  // namespace gemma3n
