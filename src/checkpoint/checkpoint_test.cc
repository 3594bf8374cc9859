#include "checkpoint/checkpoint.h"

#include <sys/stat.h>

#include "checkpoint/checkpoint_test_folder.h"

namespace gemma3n {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

class CheckpointTest : public CheckpointFolder {
 protected:
  // Two shards with the tensors a, b and c, and the weight_map given as JSON.
  void write_shards() const {
    write(folder_ / kFirst, shard({"a", "b"}));
    write(folder_ / kSecond, shard({"c"}));
  }
  void write_index(const std::string& weight_map) const {
    write(folder_ / "model.safetensors.index.json",
          "{\"metadata\":{\"total_size\":3},\"weight_map\":" + weight_map + "}");
  }
  static std::string map_of(const std::vector<std::pair<std::string, std::string>>& places) {
    std::string text;
    for (const auto& [tensor, file] : places) {
      text += (text.empty() ? "{\"" : ",\"") + tensor + "\":\"" + file + "\"";
    }
    return text + "}";
  }
  static std::string good_map() { return map_of({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}}); }

  // models--x/{blobs,snapshots/rev}; the model folder is snapshots/rev.
  void make_cache() {
    const fs::path repository = root_ / "models--x";
    fs::create_directories(repository / "blobs");
    folder_ = repository / "snapshots" / "rev";
    fs::create_directories(folder_);
  }
};

TEST_F(CheckpointTest, ReadsASingleFile) {
  write(folder_ / "model.safetensors", shard({"b", "a"}));
  const Checkpoint checkpoint = Checkpoint::open(folder_);
  ASSERT_EQ(checkpoint.tensors().size(), 2u);
  EXPECT_EQ(checkpoint.tensors()[0].name(), "a");
  EXPECT_EQ(checkpoint.find("b")->file_name(), "model.safetensors");
  EXPECT_EQ(checkpoint.find("c"), nullptr);
  EXPECT_EQ(checkpoint.size_bytes(), 2u);
  EXPECT_EQ(checkpoint.directory(), folder_);
}

TEST_F(CheckpointTest, ReadsShards) {
  write_shards();
  write_index(good_map());
  const Checkpoint checkpoint = Checkpoint::open(folder_);
  EXPECT_EQ(checkpoint.tensors().size(), 3u);
  EXPECT_EQ(checkpoint.find("c")->file_name(), kSecond);
  EXPECT_EQ(checkpoint.find("c")->bytes().size(), 1u);
}

TEST_F(CheckpointTest, ASingleFileWinsOverAnIndex) {
  write(folder_ / "model.safetensors", shard({"z"}));
  write_index("null");
  EXPECT_NE(Checkpoint::open(folder_).find("z"), nullptr);
}

TEST_F(CheckpointTest, CopiesKeepTheMaps) {
  write(folder_ / "model.safetensors", shard({"a"}));
  auto first = std::make_unique<Checkpoint>(Checkpoint::open(folder_));
  const Checkpoint second = *first;
  const auto bytes = first->find("a")->bytes();
  first.reset();
  EXPECT_EQ(std::to_integer<char>(bytes[0]), 'x');
  EXPECT_EQ(second.find("a")->bytes().data(), bytes.data());
}

TEST_F(CheckpointTest, AShardReplacedAfterOpeningChangesNothing) {
  write_shards();
  write_index(good_map());
  const Checkpoint checkpoint = Checkpoint::open(folder_);
  write(root_ / "other", shard({"evil"}));
  fs::rename(root_ / "other", folder_ / kFirst);
  EXPECT_EQ(checkpoint.find("evil"), nullptr);
  EXPECT_EQ(std::to_integer<char>(checkpoint.find("a")->bytes()[0]), 'x');
}

TEST_F(CheckpointTest, LinksInsideTheFolderWork) {
  write(folder_ / "weights", shard({"a"}));
  fs::create_symlink("weights", folder_ / "model.safetensors");
  EXPECT_NE(Checkpoint::open(folder_).find("a"), nullptr);
}

TEST_F(CheckpointTest, TheFolderMayBeALink) {
  write(folder_ / "model.safetensors", shard({"a"}));
  fs::create_symlink("model", root_ / "link");
  EXPECT_NE(Checkpoint::open(root_ / "link").find("a"), nullptr);
}

TEST_F(CheckpointTest, AHuggingFaceCacheWorks) {
  make_cache();
  write(folder_ / "../../blobs/aaaa", shard({"a", "b"}));
  write(folder_ / "../../blobs/bbbb", shard({"c"}));
  fs::create_symlink("../../blobs/aaaa", folder_ / kFirst);
  fs::create_symlink("../../blobs/bbbb", folder_ / kSecond);
  write_index(good_map());
  EXPECT_EQ(Checkpoint::open(folder_).tensors().size(), 3u);
}

TEST_F(CheckpointTest, MissingFolderOrFiles) {
  expect_error(ErrorCode::kNotFound, "expected a model folder",
               [&] { Checkpoint::open(root_ / "none"); });
  write(root_ / "file", "x");
  expect_error(ErrorCode::kNotFound, "it is a file", [&] { Checkpoint::open(root_ / "file"); });
  expect_error(ErrorCode::kNotFound, "found neither", [&] { Checkpoint::open(folder_); });
  write(folder_ / "pytorch_model.bin", "x");
  expect_error(ErrorCode::kUnsupported, "safe_serialization", [&] { Checkpoint::open(folder_); });
}

// Each case prepares the folder, which already has two good shards, and names the message.
TEST_F(CheckpointTest, AtLeast40HostileFoldersAreRefused) {
  struct Case {
    const char* what;
    std::function<void()> prepare;
    const char* message;
    ErrorCode code = ErrorCode::kCorruptData;
  };
  const fs::path index = folder_ / "model.safetensors.index.json";
  const auto raw = [&](const std::string& text) { return [=] { write(index, text); }; };
  const auto map = [&](const std::string& text) { return [=, this] { write_index(text); }; };
  // "c" in another place than its shard
  const auto place = [&](const std::string& file) {
    return map(map_of({{"a", kFirst}, {"b", kFirst}, {"c", file}}));
  };
  // the second shard is something else
  const auto second = [&](const std::function<void(const fs::path&)>& make) {
    return [=, this] {
      write_index(good_map());
      fs::remove(folder_ / kSecond);
      make(folder_ / kSecond);
    };
  };
  const auto link = [&](const fs::path& target) {
    return second([=](const fs::path& path) { fs::create_symlink(target, path); });
  };
  write(root_ / "outside.safetensors", shard({"c"}));
  fs::create_directories(root_ / "blobs");
  write(root_ / "blobs/cccc", shard({"c"}));
  fs::create_directory(root_ / "models--y");
  const auto plain_name = "expected the name of a .safetensors file";
  const std::vector<Case> cases = {
      {"an empty index", raw(""), "index.json: not valid JSON"},
      {"an index that is a list", raw("[]"), "expected a JSON object"},
      {"an index cut off", raw("{\"weight_map\":{"), "not valid JSON"},
      {"an index with text behind", raw("{\"weight_map\":{}}x"), "not valid JSON"},
      {"no weight_map", raw("{}"), "got none"},
      {"two weight_maps", raw("{\"weight_map\":{},\"weight_map\":{}}"), "given twice"},
      {"weight_map null", map("null"), "got null"},
      {"weight_map a list", map("[]"), "got a list"},
      {"weight_map a string", map("\"model.safetensors\""), "got a string"},
      {"weight_map empty", map("{}"), "expected an object with a file"},
      {"a number as file", map("{\"a\":1}"), "expected a file name, got 1"},
      {"null as file", map("{\"a\":null}"), "expected a file name, got null"},
      {"a list as file", map("{\"a\":[\"x.safetensors\"]}"), "expected a file name"},
      {"a tensor twice in the index", map("{\"a\":\"x.safetensors\",\"a\":\"y.safetensors\"}"),
       "weight_map.a: the key is given twice"},
      {"a large index", raw(std::string(3u << 20, ' ')), "expected at most",
       ErrorCode::kUnsupported},
      {"a deep index", raw("{\"weight_map\":" + std::string(100'000, '[')), "not valid JSON"},
      {"not UTF-8", raw("{\"weight_map\":{\"\xff\":\"x\"}}"), "not UTF-8"},
      {"../", place("../outside.safetensors"), plain_name},
      {"../../", place("../../etc/passwd"), plain_name},
      {"./", place("./model-00002-of-00002.safetensors"), plain_name},
      {"x/../..", place("x/../../outside.safetensors"), plain_name},
      {"a subfolder", place("sub/x.safetensors"), plain_name},
      {"an absolute path", place("/etc/passwd"), plain_name},
      {"an absolute path to safetensors", place((root_ / "outside.safetensors").string()),
       plain_name},
      {"an empty name", place(""), plain_name},
      {"..", place(".."), plain_name},
      {"a NUL in the name", place("x\\u0000.safetensors"), plain_name},
      {"a file of another kind", place("pytorch_model.bin"), plain_name},
      {"a URL", place("https://example.com/x.safetensors"), plain_name},
      {"a backslash path", place("..\\\\outside.safetensors"), "cannot open", ErrorCode::kNotFound},
      {"a long name", place(std::string(5000, 'x') + ".safetensors"), "cannot open",
       ErrorCode::kNotFound},
      {"a missing shard", second([](const fs::path&) {}), "cannot open", ErrorCode::kNotFound},
      {"a dangling link", link("nowhere.safetensors"), "cannot open", ErrorCode::kNotFound},
      {"a link to itself", link(kSecond), "cannot open", ErrorCode::kNotFound},
      {"a link out of the folder", link("../outside.safetensors"), "leads out"},
      {"an absolute link out", link(root_ / "outside.safetensors"), "leads out"},
      {"a link to /etc/passwd", link("/etc/passwd"), "leads out"},
      {"a link to blobs of no cache", link("../blobs/cccc"), "leads out"},
      {"a link to a device", link("/dev/zero"), "leads out"},
      {"a link to a folder", link("."), "leads out"},
      {"a link by way of a linked folder", second([&](const fs::path& path) {
         fs::create_directory_symlink(root_, folder_ / "up");
         fs::create_symlink("up/outside.safetensors", path);
       }),
       "leads out"},
      {"a folder as shard", second([](const fs::path& path) { fs::create_directory(path); }),
       "got a directory"},
      {"a pipe as shard", second([](const fs::path& path) { ::mkfifo(path.c_str(), 0600); }),
       "got a pipe"},
      {"an empty shard", second([](const fs::path& path) { write(path, ""); }), "got 0 bytes"},
      {"a shard cut off", second([](const fs::path& path) {
         const std::string whole = shard({"c"});
         write(path, whole.substr(0, whole.size() - 1));
       }),
       "the file is cut off"},
      {"a shard of the wrong tensor",
       second([](const fs::path& path) { write(path, shard({"d"})); }), "does not have it"},
      {"a tensor in two shards", second([](const fs::path& path) {
         write(path, shard({"a", "c"}));
       }),
       "the tensor is also in"},
      {"the same file under two names", link(kFirst), "the tensor is also in"},
      {"a tensor the index does not name", second([](const fs::path& path) {
         write(path, shard({"c", "extra"}));
       }),
       "extra: the tensor is missing in the weight_map"},
      {"an unnamed tensor that sorts first", second([](const fs::path& path) {
         write(path, shard({"A", "c"}));
       }),
       "A: the tensor is missing in the weight_map"},
      {"a tensor placed in the wrong shard",
       map(map_of({{"a", kSecond}, {"b", kFirst}, {"c", kSecond}})), "found in"},
      {"a tensor no shard has",
       map(map_of({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}, {"d", kSecond}})),
       "does not have it"},
      {"a shard without any named tensor", map(map_of({{"c", kSecond}, {"zz", kFirst}})),
       "a: the tensor is missing"},
      {"a pipe as index", [&] { ::mkfifo(index.c_str(), 0600); }, "got a pipe"},
      {"a folder as index", [&] { fs::create_directory(index); }, "got a directory"},
      {"a pipe as model.safetensors",
       [&] { ::mkfifo((folder_ / "model.safetensors").c_str(), 0600); }, "got a pipe"},
      {"a dangling model.safetensors",
       [&] { fs::create_symlink("gone", folder_ / "model.safetensors"); }, "cannot open",
       ErrorCode::kNotFound},
      {"model.safetensors out of the folder",
       [&] { fs::create_symlink("../outside.safetensors", folder_ / "model.safetensors"); },
       "leads out"},
  };
  EXPECT_GE(cases.size(), 40u);
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    write_shards();
    c.prepare();
    expect_error(c.code, c.message, [&] { Checkpoint::open(folder_); });
  }
  std::printf("%zu folders refused\n", cases.size());
}

TEST_F(CheckpointTest, ACacheLeadsToItsOwnBlobsOnly) {
  make_cache();
  fs::create_directories(root_ / "models--y/blobs");
  write(root_ / "models--y/blobs/dddd", shard({"d"}));
  fs::create_symlink("../../../models--y/blobs/dddd", folder_ / "model.safetensors");
  expect_error(ErrorCode::kCorruptData, "leads out", [&] { Checkpoint::open(folder_); });
}

TEST_F(CheckpointTest, LinkedBlobsOfACacheAreOutside) {
  make_cache();
  fs::remove(folder_ / "../../blobs");
  fs::create_directory(root_ / "elsewhere");
  write(root_ / "elsewhere/eeee", shard({"e"}));
  fs::create_directory_symlink("../elsewhere", folder_ / "../../blobs");
  fs::create_symlink("../../blobs/eeee", folder_ / "model.safetensors");
  expect_error(ErrorCode::kCorruptData, "leads out", [&] { Checkpoint::open(folder_); });
}

}  // namespace
}  // namespace gemma3n
