// Sizes of a model: names, the JSON of Google's slicing table, what is allowed.
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>

#include "base/mapped_file.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/printable.h"
#include "gemma3n/matformer.h"

namespace gemma3n {
namespace {

constexpr std::size_t kMaxJsonBytes = 64u << 10;

constexpr std::string_view kName = "name", kLayers = "# Layers",
                           kParameters = "# Effective Params (B)", kAccuracy = "MMLU PT accuracy",
                           kWidths = "FFN Hidden Dims", kSkipped = "Layers Skipped";

struct Range {
  std::int64_t first = 0, last = -1;
};

// A row of the table: layers that are as wide as in E4B, all others are half as wide.
struct Published {
  std::string_view name;
  std::array<Range, 4> whole;
  bool skips_first_shared_block = false;
};

// Ref: dataset google/gemma3n-slicing-configs, in the order of effective parameters.
constexpr std::int64_t kPublishedLayers = 35, kPublishedShared = 15;
constexpr Range kFirstSharedBlock = {20, 24};
constexpr std::array<Published, 16> kPublished = {{
    {"e2b", {}, true},
    {"e1.96b", {{{4, 4}}}, true},
    {"e2.49b-block", {{{20, 24}}}},
    {"e2.54b", {{{4, 4}, {20, 24}}}},
    {"e2.69b", {{{4, 4}, {9, 9}, {14, 14}, {19, 24}}}},
    {"e2.73b-block", {{{15, 24}}}},
    {"e2.98b", {{{15, 24}, {30, 34}}}},
    {"e2.98b-block", {{{10, 24}}}},
    {"e3.18b", {{{4, 4}, {9, 24}, {29, 29}, {34, 34}}}},
    {"e3.24b-block", {{{10, 29}}}},
    {"e3.39b", {{{4, 4}, {9, 29}, {34, 34}}}},
    {"e3.49b-block", {{{5, 29}}}},
    {"e3.59b", {{{4, 29}, {34, 34}}}},
    {"e3.79b-block", {{{5, 34}}}},
    {"e3.79b", {{{4, 34}}}},
    {"e4b", {{{0, 34}}}},
}};

template <typename... Parts>
[[noreturn]] void refuse(const MatFormerConfig& size, const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, "size ", size.name.empty() ? "" : printable(size.name) + " ",
       "of the model: ", parts...);
}

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

bool is_in(std::int64_t layer, std::span<const Range> ranges) {
  return std::ranges::any_of(
      ranges, [&](const Range& range) { return layer >= range.first && layer <= range.last; });
}

// Whether half of every width is a width that a layer can be cut to.
bool can_be_halved(const TextConfig& config) {
  return std::ranges::all_of(config.intermediate_size, [](std::int64_t width) {
    return width % (2 * MatFormerConfig::kWidthStep) == 0;
  });
}

bool has_published_shape(const TextConfig& config) {
  return config.num_hidden_layers == kPublishedLayers &&
         config.num_kv_shared_layers == kPublishedShared && can_be_halved(config);
}

MatFormerConfig published(const Published& row, const TextConfig& config) {
  MatFormerConfig size{.name = std::string(row.name)};
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    if (row.skips_first_shared_block && is_in(i, {&kFirstSharedBlock, 1})) {
      size.skipped_layers.push_back(i);
      continue;
    }
    const std::int64_t width = config.intermediate_size[at(i)];
    size.intermediate_size.push_back(is_in(i, row.whole) ? width : width / 2);
  }
  return size;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  }
  return text;
}

// "[2_048 * 4, 16384]", as the table writes its lists; absent if `text` is none.
std::optional<std::vector<std::int64_t>> parse_list(std::string_view text) {
  std::string plain;  // without what means nothing
  for (const char c : text) {
    if (c != ' ' && c != '_') plain += c;
  }
  if (plain.size() < 2 || plain.front() != '[' || plain.back() != ']') return std::nullopt;
  std::vector<std::int64_t> list;
  const char* next = plain.data() + 1;
  const char* const end = plain.data() + plain.size() - 1;
  if (next == end) return list;
  for (char between = ',';; between = *next++) {
    std::int64_t factor = 0;
    const auto [after, error] = std::from_chars(next, end, factor);
    if (error != std::errc()) return std::nullopt;
    next = after;
    if (between == ',') {
      list.push_back(factor);
    } else if (between != '*' || __builtin_mul_overflow(list.back(), factor, &list.back())) {
      return std::nullopt;
    }
    if (next == end) return list;
  }
}

// Takes a list of integers, given as such or as text.
std::vector<std::int64_t> take_list(FieldReader& reader, std::string_view key) {
  auto json = reader.take(key);
  if (!json || is_null(*json)) return {};
  if (const auto* text = get_if<std::string>(*json)) {
    if (auto list = parse_list(*text)) return *list;
    reader.refuse(key, "a list such as [8192, 2_048 * 8]", *json);
  }
  std::vector<std::int64_t> list;
  FieldReader one({{std::string(key), std::move(*json)}}, reader.path());
  one(key, list);
  return list;
}

void check_order(const MatFormerConfig& size, const TextConfig& config) {
  std::int64_t before = -1;
  for (const std::int64_t layer : size.skipped_layers) {
    if (layer < 0 || layer >= config.num_hidden_layers) {
      refuse(size, "layers left out: expected 0 to ", config.num_hidden_layers - 1, ", got ",
             layer);
    }
    if (layer <= before) {
      refuse(size, "layers left out: expected ascending numbers, got ", layer, " after ", before);
    }
    before = layer;
  }
}

// Whole blocks: the order of sliding and full layers stays what it is.
void check_blocks(const MatFormerConfig& size, const TextConfig& config,
                  const std::vector<bool>& is_skipped) {
  for (std::int64_t first = 0, i = 0; i < config.num_hidden_layers; ++i) {
    if (is_skipped[at(i)] != is_skipped[at(first)]) {
      std::int64_t last = i;
      while (last + 1 < config.num_hidden_layers &&
             config.layer_types[at(last)] != AttentionType::kFull) {
        ++last;
      }
      refuse(size, "layers left out: expected all or none of the block ", first, " to ", last,
             ", got ", is_skipped[at(i)] ? i : first, " alone or with others");
    }
    if (config.layer_types[at(i)] == AttentionType::kFull) first = i + 1;
  }
}

void check_producers(const MatFormerConfig& size, const TextConfig& config,
                     const std::vector<bool>& is_skipped) {
  for (std::int64_t i = config.first_kv_shared_layer(); i < config.num_hidden_layers; ++i) {
    const std::int64_t producer = config.kv_layer(i);
    if (is_skipped[at(i)] || !is_skipped[at(producer)]) continue;
    refuse(size, "layer ", producer, " cannot be left out: layer ", i,
           " reads its keys and values");
  }
}

void check_width(const MatFormerConfig& size, std::int64_t layer, std::int64_t width,
                 std::int64_t whole) {
  if (width < 1 || width > whole) {
    refuse(size, "width of layer ", layer, ": expected 1 to ", whole, ", got ", width);
  }
  constexpr std::int64_t kStep = MatFormerConfig::kWidthStep;
  if (width == whole || (width % kStep == 0 && whole % kStep == 0)) return;
  if (whole % kStep != 0) {
    refuse(size, "width of layer ", layer, ": expected ", whole, ", which is no multiple of ",
           kStep, " and cannot be cut, got ", width);
  }
  refuse(size, "width of layer ", layer, ": expected a multiple of ", kStep, ", got ", width);
}

}  // namespace

std::vector<std::string> MatFormerConfig::names(const TextConfig& config) {
  std::vector<std::string> names = {"full"};
  if (can_be_halved(config)) names.emplace_back("half");
  if (!has_published_shape(config)) return names;
  for (const Published& row : kPublished) names.emplace_back(row.name);
  return names;
}

MatFormerConfig MatFormerConfig::named(std::string_view name, const TextConfig& config) {
  const auto known = names(config);
  if (std::ranges::find(known, name) == known.end()) {
    const bool is_published =
        std::ranges::find(kPublished, name, &Published::name) != kPublished.end();
    fail(ErrorCode::kInvalidArgument, "size: expected ", joined(known),
         " or a JSON file with FFN Hidden Dims, got ", printable(std::string(name)),
         is_published ? ", which is a size of E4B (35 layers, of which 15 share keys and values)"
                      : "");
  }
  const auto row = std::ranges::find(kPublished, name, &Published::name);
  if (row != kPublished.end()) return published(*row, config);
  MatFormerConfig size{.name = std::string(name), .intermediate_size = config.intermediate_size};
  if (name == "half") {
    for (std::int64_t& width : size.intermediate_size) width /= 2;
  }
  return size;
}

MatFormerConfig MatFormerConfig::from_json(std::string_view json) {
  if (json.size() > kMaxJsonBytes) {
    fail(ErrorCode::kCorruptData, "size: expected a JSON object of at most ", kMaxJsonBytes,
         " bytes, got ", json.size());
  }
  FieldReader reader(parse_json_object(json), "size: ");
  MatFormerConfig size;
  reader(kName, size.name);
  std::optional<std::int64_t> layers;
  reader(kLayers, layers);
  reader.take(kParameters);
  reader.take(kAccuracy);
  size.intermediate_size = take_list(reader, kWidths);
  size.skipped_layers = take_list(reader, kSkipped);
  if (const std::string more = reader.extra_json(); more != "{}") {
    fail(ErrorCode::kInvalidArgument, "size: expected the keys ", kName, ", ", kLayers, ", ",
         kParameters, ", ", kAccuracy, ", ", kWidths, " and ", kSkipped, ", got also ",
         printable(more));
  }
  const auto widths = static_cast<std::int64_t>(size.intermediate_size.size());
  if (widths == 0 || (layers && *layers != widths)) {
    fail(ErrorCode::kInvalidArgument, "size: ", kWidths, ": expected ",
         layers ? std::to_string(*layers) + " numbers (" + std::string(kLayers) + ")"
                : "a number for each layer",
         ", got ", widths);
  }
  return size;
}

std::string MatFormerConfig::to_json(const TextConfig& config) const {
  const TextConfig result = sliced(config);
  FieldWriter writer;
  writer(kName, name);
  writer(kLayers, result.num_hidden_layers);
  writer(kParameters, static_cast<double>(effective_parameters(result)) / 1e9);
  writer(kWidths, intermediate_size);
  if (skipped_layers.empty()) {
    writer.put(kSkipped, {nullptr});
  } else {
    writer(kSkipped, skipped_layers);
  }
  return to_text(writer.take());
}

MatFormerConfig MatFormerConfig::from_text(std::string_view text, const TextConfig& config) {
  if (!text.ends_with(".json")) return named(text, config);
  const std::filesystem::path file{std::string(text)};
  const std::string json = read_text_file(file, kMaxJsonBytes);
  return naming_place(file.string(), [&] {
    MatFormerConfig size = from_json(json);
    if (size.name.empty()) size.name = file.stem().string();
    size.sliced(config);
    return size;
  });
}

TextConfig MatFormerConfig::sliced(const TextConfig& config) const {
  check_order(*this, config);
  const auto left_out = static_cast<std::int64_t>(skipped_layers.size());
  const std::int64_t kept = config.num_hidden_layers - left_out;
  if (static_cast<std::int64_t>(intermediate_size.size()) != kept || kept == 0) {
    refuse(*this, "expected ", std::max<std::int64_t>(1, kept),
           " widths, one for each layer that is kept, got ", intermediate_size.size());
  }
  std::vector<bool> is_skipped(at(config.num_hidden_layers));
  for (const std::int64_t layer : skipped_layers) is_skipped[at(layer)] = true;
  check_blocks(*this, config, is_skipped);
  check_producers(*this, config, is_skipped);

  TextConfig result = config;
  result.num_hidden_layers = kept;
  result.intermediate_size = intermediate_size;
  result.layer_types.clear();
  result.activation_sparsity_pattern.clear();
  for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
    if (is_skipped[at(i)]) {
      if (i >= config.first_kv_shared_layer()) --result.num_kv_shared_layers;
      continue;
    }
    const auto width = intermediate_size[result.layer_types.size()];
    check_width(*this, i, width, config.intermediate_size[at(i)]);
    result.layer_types.push_back(config.layer_types[at(i)]);
    result.activation_sparsity_pattern.push_back(config.activation_sparsity_pattern[at(i)]);
  }
  result.validate();
  return result;
}

std::int64_t effective_parameters(const TextConfig& c) {
  const std::int64_t D = c.hidden_size, P = c.hidden_size_per_layer_input, A = c.altup_num_inputs;
  const std::int64_t queries = c.num_attention_heads * c.head_dim;
  const std::int64_t keys = c.num_key_value_heads * c.head_dim;
  const std::int64_t biases = c.attention_bias ? queries + 2 * keys + D : 0;
  const std::int64_t attention = 2 * D * (queries + keys) + 2 * c.head_dim + biases;
  const std::int64_t laurel = 2 * c.laurel_rank * D + D;
  const std::int64_t altup = A * A + A * A * A + A * D + 2 * D;
  const std::int64_t per_layer_input = 2 * P * D + D + P * D;  // and its rows of the projection
  const std::int64_t norms = 4 * D;
  std::int64_t sum = P + 2 * (A - 1) * D * D + D;
  for (const std::int64_t F : c.intermediate_size) {
    sum += attention + laurel + altup + per_layer_input + norms + 3 * D * F;
  }
  return sum;
}

}  // namespace gemma3n
