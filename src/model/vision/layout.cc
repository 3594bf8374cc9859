#include "model/vision/layout.h"

#include <algorithm>
#include <cmath>

#include "checkpoint/config_fields.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

struct ModelArguments {
  double channel_multiplier = 1.0;
  bool fix_stem = false;
  std::int64_t msfa_output_resolution = 16;
};

ModelArguments read_arguments(const VisionConfig& config) {
  ModelArguments arguments;
  if (config.model_args_json == "null") return arguments;
  FieldReader reader(parse_json_object(config.model_args_json), "vision_config.model_args.");
  reader("channel_multiplier", arguments.channel_multiplier);
  arguments.fix_stem = arguments.channel_multiplier < 1.0;
  reader("fix_stem", arguments.fix_stem);
  reader("msfa_output_resolution", arguments.msfa_output_resolution);
  if (reader.extra_json() != "{}") {
    fail(ErrorCode::kUnsupported, "vision_config.model_args: expected channel_multiplier, ",
         "fix_stem and msfa_output_resolution at most, got also ", reader.extra_json());
  }
  if (!(arguments.channel_multiplier > 0.0 && arguments.channel_multiplier <= 8.0)) {
    fail(ErrorCode::kInvalidArgument,
         "vision_config.model_args.channel_multiplier: expected above 0 and at most 8, got ",
         arguments.channel_multiplier);
  }
  if (arguments.msfa_output_resolution < 1 || arguments.msfa_output_resolution > 256) {
    fail(ErrorCode::kInvalidArgument,
         "vision_config.model_args.msfa_output_resolution: expected 1 to 256, got ",
         arguments.msfa_output_resolution);
  }
  return arguments;
}

// The multiple of 8 nearest to channels * multiplier, but at least 90 % of it.
Index rounded(Index channels, double multiplier) {
  const double wanted = static_cast<double>(channels) * multiplier;
  const Index nearest = std::max<Index>(8, static_cast<Index>(wanted + 4.0) / 8 * 8);
  return static_cast<double>(nearest) < 0.9 * wanted ? nearest + 8 : nearest;
}

// Adds blocks to a stage, each taking what the last one gives.
class StageBuilder {
 public:
  StageBuilder(Index in, Index out) : channels_(in), out_(out) {}

  void edge_residual(Index expansion, Index stride) {
    add({.kind = BlockKind::kEdgeResidual, .mid = channels_ * expansion, .stride = stride});
  }
  void inverted_residual(Index expansion, Index start_kernel, Index mid_kernel = 0,
                         Index stride = 1) {
    add({.kind = BlockKind::kInvertedResidual,
         .mid = channels_ * expansion,
         .start_kernel = start_kernel,
         .mid_kernel = mid_kernel,
         .stride = stride});
  }
  void attention(Index heads, Index head_dim, Index key_stride) {
    add({.kind = BlockKind::kAttention,
         .heads = heads,
         .head_dim = head_dim,
         .key_stride = key_stride});
  }
  std::vector<BlockLayout> take() { return std::move(blocks_); }

 private:
  void add(BlockLayout block) {
    block.in = channels_;
    block.out = channels_ = out_;
    blocks_.push_back(block);
  }

  Index channels_, out_;
  std::vector<BlockLayout> blocks_;
};

}  // namespace

VisionLayout VisionLayout::of(const VisionConfig& config) {
  if (config.architecture != "mobilenetv5_300m_enc") {
    fail(ErrorCode::kUnsupported,
         "vision_config.architecture: expected 'mobilenetv5_300m_enc', got '", config.architecture,
         "'");
  }
  const ModelArguments arguments = read_arguments(config);
  const auto width = [&](Index channels) {
    return rounded(channels, arguments.channel_multiplier);
  };
  VisionLayout layout;
  layout.stem = arguments.fix_stem ? 64 : width(64);
  layout.resolution = arguments.msfa_output_resolution;

  StageBuilder first(layout.stem, width(128));
  first.edge_residual(4, 2);
  for (int i = 0; i < 2; ++i) first.edge_residual(4, 1);

  StageBuilder second(width(128), width(256));
  second.inverted_residual(6, 3, 5, 2);
  for (const Index kernel : {5, 3, 5, 3}) second.inverted_residual(4, kernel);

  StageBuilder third(width(256), width(640));
  third.inverted_residual(6, 5, 5, 2);
  for (int i = 0; i < 7; ++i) third.inverted_residual(4, 5);
  third.inverted_residual(1, 0);
  for (int i = 0; i < 14; ++i) {
    third.attention(12, 64, 2);
    third.inverted_residual(2, 0);
  }

  StageBuilder fourth(width(640), width(1280));
  fourth.inverted_residual(6, 5, 5, 2);
  for (int i = 0; i < 19; ++i) {
    fourth.attention(16, 96, 1);
    fourth.inverted_residual(2, 0);
  }
  for (StageBuilder* stage : {&first, &second, &third, &fourth}) {
    layout.stages.push_back(stage->take());
  }
  return layout;
}

}  // namespace gemma3n
