#include "demo_model.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

namespace fs = std::filesystem;

class DemoModelTest : public testing::Test {
 protected:
  // Of this process alone: each test is a process, and several run at once.
  fs::path folder_ =
      fs::path(testing::TempDir()) / ("gemma3n_demo_model_" + std::to_string(getpid()));
  fs::path root_ = folder_ / "a" / "b";
  void SetUp() override {
    fs::remove_all(folder_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path make(const std::string& folder) {
    fs::create_directories(root_ / folder);
    std::ofstream(root_ / folder / "config.json") << "{}";
    return root_ / folder;
  }
};

TEST_F(DemoModelTest, IsFoundAboveAProgramInABuildFolder) {
  const auto expected = make("models/demo");
  EXPECT_EQ(find_demo_model(root_ / "build/release/apps/cli/gemma3n"), expected);
}

TEST_F(DemoModelTest, IsFoundBesideAnInstalledProgram) {
  const auto expected = make("share/gemma3n/demo");
  EXPECT_EQ(find_demo_model(root_ / "bin/gemma3n"), expected);
}

TEST_F(DemoModelTest, AFolderWithoutAConfigurationDoesNotCount) {
  fs::create_directories(root_ / "models/demo");
  try {
    find_demo_model(root_ / "bin/gemma3n");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("give the folder of a checkpoint"), std::string::npos);
  }
}

TEST_F(DemoModelTest, OfASingleArgumentPathsAreModels) {
  for (const std::string& model : {root_.string(), std::string("no/such/folder")}) {
    std::optional<std::string> prompt;
    EXPECT_EQ(model_or_demo(model, prompt).dir, model);
    EXPECT_FALSE(prompt);
  }
}

TEST_F(DemoModelTest, TwoArgumentsAreModelAndPrompt) {
  std::optional<std::string> prompt = "hello";
  EXPECT_EQ(model_or_demo("hello there", prompt).dir, "hello there");
  EXPECT_EQ(prompt, "hello");
}

}  // namespace
}  // namespace gemma3n::cli
