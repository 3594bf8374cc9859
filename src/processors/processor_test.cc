#include "gemma3n/processor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/expect_error.h"
#include "processors/generated_media.h"

namespace gemma3n {
namespace {

const std::filesystem::path kCheckpoint = GEMMA3N_CHECKPOINTS "/chat";

class ProcessorTest : public testing::Test {
 protected:
  ProcessorTest() {
    std::filesystem::create_directories(folder_);
    for (const char* file : {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}) {
      std::filesystem::copy_file(kCheckpoint / file, folder_ / file);
    }
  }
  ~ProcessorTest() override { std::filesystem::remove_all(folder_); }

  void write(const char* file, std::string_view text) const {
    std::ofstream(folder_ / file) << text;
  }

  static std::shared_ptr<const Image> picture() {
    return std::make_shared<const Image>(generated_image(7, 5));
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("gemma3n-processor-" + std::to_string(::getpid()));
};

TEST_F(ProcessorTest, ReadsBothLayoutsOfFiles) {
  write("preprocessor_config.json", R"({"size": {"height": 12, "width": 8}, "resample": 2,
                                        "do_normalize": false, "feature_size": 20})");
  write("processor_config.json", R"({"image_seq_length": 3, "processor_class": "x"})");
  const auto old = Processor::from_pretrained(folder_);
  EXPECT_EQ(old.config().image_seq_length, 3);
  EXPECT_EQ(old.config().audio_seq_length, 188);
  EXPECT_EQ(old.image_processor().config().width, 8);
  EXPECT_EQ(old.feature_extractor().config().feature_size, 20);

  std::filesystem::remove(folder_ / "preprocessor_config.json");
  write("processor_config.json", R"({"audio_seq_length": 5,
      "image_processor": {"size": {"height": 9, "width": 9}, "resample": 2, "do_normalize": false},
      "feature_extractor": {"feature_size": 30}})");
  const auto nested = Processor::from_pretrained(folder_);
  EXPECT_EQ(nested.config().image_seq_length, 256);
  EXPECT_EQ(nested.config().audio_seq_length, 5);
  EXPECT_EQ(nested.image_processor().config().height, 9);
  EXPECT_EQ(nested.feature_extractor().config().feature_size, 30);
}

TEST_F(ProcessorTest, WithoutAPartOnlyCallsThatNeedItAreRefused) {
  std::filesystem::remove(folder_ / "chat_template.jinja");
  const auto processor = Processor::from_pretrained(folder_);
  EXPECT_EQ(processor({.text = {"the river"}}).input_ids.size(), 1u);
  expect_error(ErrorCode::kNotFound, "no image processor",
               [&] { processor({.images = {{picture()}}}); });
  expect_error(ErrorCode::kNotFound, "no feature extractor", [&] {
    processor({.audio = {std::make_shared<const AudioClip>(generated_clip(600))}});
  });
  expect_error(ErrorCode::kNotFound, "no chat template",
               [&] { processor.apply_chat_template({text_message("user", "hi")}); });
}

TEST_F(ProcessorTest, RefusesMediaThatTheTokenizerHasNoTokensFor) {
  write("tokenizer_config.json", R"({"bos_token": "<bos>", "tokenizer_class": "GemmaTokenizer"})");
  const Processor processor(Tokenizer::from_pretrained(folder_), {}, ImageProcessor());
  expect_error(ErrorCode::kUnsupported, "expected \"image_token\"",
               [&] { processor({.images = {{picture()}}}); });
}

TEST_F(ProcessorTest, RefusesDamagedConfigurationsByFileAndKey) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"image_seq_length": 0})", "image_seq_length: expected 1 to"},
      {R"({"image_seq_length": -1})", "image_seq_length: expected 1 to"},
      {R"({"audio_seq_length": 2147483648})", "audio_seq_length: expected 1 to"},
      {R"({"audio_seq_length": 9223372036854775808})", "audio_seq_length: expected"},
      {R"({"audio_seq_length": "188"})", "audio_seq_length: expected an integer, got string"},
      {R"({"audio_seq_length": 1.5})", "audio_seq_length: expected an integer, got number"},
      {R"({"audio_seq_length": null})", "audio_seq_length: expected an integer, got null"},
  };
  for (const auto& [json, message] : cases) {
    SCOPED_TRACE(json);
    write("processor_config.json", json);
    expect_error(ErrorCode::kInvalidArgument, std::string("processor_config.json: ") + message,
                 [&] { Processor::from_pretrained(folder_); });
  }
  for (const char* json : {"", "[]", "{", "7", "\xff"}) {
    SCOPED_TRACE(json);
    write("processor_config.json", json);
    expect_error(ErrorCode::kCorruptData, "processor_config.json",
                 [&] { Processor::from_pretrained(folder_); });
  }
}

TEST_F(ProcessorTest, ResamplesClipsAtAnotherRate) {
  const Processor processor(Tokenizer::from_pretrained(folder_), {}, {}, AudioFeatureExtractor());
  AudioClip clip = generated_clip(48000);
  clip.sample_rate_hz = 48000;
  const auto features = processor({.audio = {std::make_shared<const AudioClip>(clip)}});
  const auto expected = AudioFeatureExtractor()(resample(clip, 16000).samples);
  const auto got = features.media.input_features.f32(), want = expected.input_features.f32();
  EXPECT_TRUE(std::equal(got.begin(), got.end(), want.begin(), want.end()));
}

TEST_F(ProcessorTest, RefusesNullMedia) {
  const Processor processor(Tokenizer::from_pretrained(folder_), {}, ImageProcessor(),
                            AudioFeatureExtractor());
  expect_error(ErrorCode::kInvalidArgument, "got null",
               [&] { processor({.images = {{nullptr}}}); });
  expect_error(ErrorCode::kInvalidArgument, "got null", [&] { processor({.audio = {nullptr}}); });
}

TEST_F(ProcessorTest, PadsOnTheLeft) {
  ProcessorConfig config;
  config.image_seq_length = 1;
  ImageProcessorConfig images;
  images.width = images.height = 4;
  const Processor processor(Tokenizer::from_pretrained(folder_), {}, ImageProcessor(images), {},
                            config);
  const auto output = processor({.text = {"", "<image_soft_token>"}, .images = {{picture()}}});
  const auto padded = processor.pad(output);
  const auto values = [](const Tensor& t) {
    return std::vector<std::int64_t>(t.i64().begin(), t.i64().end());
  };
  ASSERT_EQ(padded.input_ids.shape(), (std::vector<std::int64_t>{2, 6}));
  EXPECT_EQ(values(padded.input_ids),
            (std::vector<std::int64_t>{0, 0, 0, 0, 0, 2, 2, 8, 11, 401, 400, 8}));
  EXPECT_EQ(values(padded.attention_mask),
            (std::vector<std::int64_t>{0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(values(padded.token_type_ids),
            (std::vector<std::int64_t>{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}));
}

TEST_F(ProcessorTest, DecodesBatches) {
  const Processor processor(Tokenizer::from_pretrained(folder_));
  const auto ids = processor({.text = {"the river", ""}}).input_ids;
  EXPECT_EQ(processor.batch_decode(ids), (std::vector<std::string>{"<bos>the river", "<bos>"}));
  EXPECT_EQ(processor.batch_decode(ids, true), (std::vector<std::string>{"the river", ""}));
}

}  // namespace
}  // namespace gemma3n
