// gemma3n sizes MODEL: the smaller models inside it, what they cost and how good they are.
#include <algorithm>
#include <memory>

#include "commands.h"
#include "gemma3n/generation.h"
#include "interrupt.h"
#include "json.h"
#include "loading.h"
#include "messages.h"
#include "perplexity.h"
#include "progress.h"
#include "table.h"
#include "text_tokens.h"
#include "work_model.h"

namespace gemma3n::cli {
namespace {

constexpr std::size_t kContext = 2048;  // of perplexity's windows, as of eval --perplexity
constexpr std::int64_t kTimedTokens = 32;
constexpr int kRounds = 3;

struct Arguments {
  std::string model;
  std::vector<std::string> sizes;
  std::optional<std::string> measure, quantize;
  std::optional<std::int64_t> threads;
  bool json = false;
};

struct Row {
  MatFormerConfig size;
  TextConfig config;
  double text_parameters = 0, bytes_per_token = 0;
  std::vector<double> tokens_per_second = {};  // of each round
  PerplexitySum sum = {};

  double speed() const {
    auto sorted = tokens_per_second;
    std::ranges::sort(sorted);
    return sorted.empty() ? 0 : sorted[sorted.size() / 2];
  }
};

std::vector<MatFormerConfig> chosen_sizes(const Arguments& arguments, const TextConfig& config) {
  auto names = arguments.sizes;
  if (names.empty()) names = MatFormerConfig::names(config);
  std::vector<MatFormerConfig> sizes;
  for (const auto& name : names) {
    auto size = MatFormerConfig::from_text(name, config);
    const bool is_new = std::ranges::none_of(
        sizes, [&](const MatFormerConfig& known) { return known.is_same_size(size); });
    if (is_new || !arguments.sizes.empty()) sizes.push_back(std::move(size));
  }
  return sizes;
}

Row row_of(const ForCausalLM& whole, const MatFormerConfig& size) {
  const ForCausalLM model = whole.sliced(size);
  const TextConfig& c = model.config();
  const auto tables =
      c.vocab_size * c.hidden_size * (c.tie_word_embeddings ? 1 : 2) +
      c.vocab_size_per_layer_input * c.num_hidden_layers * c.hidden_size_per_layer_input;
  return {.size = size,
          .config = c,
          .text_parameters = static_cast<double>(effective_parameters(c) + tables),
          .bytes_per_token = decode_work(c, model.matrices(), CacheStorage::kF32, 0).bytes};
}

double decode_speed(const ForCausalLM& model, std::span<const TokenId> prompt) {
  GenerationConfig config;
  config.max_new_tokens = kTimedTokens + 1;  // the first belongs to the prompt
  const auto output = generate(model, {{prompt.begin(), prompt.end()}}, config);
  return static_cast<double>(kTimedTokens) / output.decode_seconds;
}

// Speeds of all sizes in turn, several times, so that what else the machine does meets all of them;
// then the perplexity of each. False if it was interrupted.
bool measure(const Arguments& arguments, const ForCausalLM& whole, std::vector<Row>& rows) {
  const auto tokenizer = Tokenizer::from_pretrained(arguments.model);
  const auto bos = tokenizer.bos_token_id();
  if (!bos) fail(ErrorCode::kUnsupported, "perplexity needs a tokenizer with a bos_token");
  const auto tokens = read_text_tokens(*arguments.measure, tokenizer).tokens;
  const auto context =
      std::min(kContext, static_cast<std::size_t>(whole.config().max_position_embeddings));
  const auto windows = perplexity_windows(tokens.size(), context, context / 2);

  const InterruptScope interrupt(InterruptScope::Second::kEndsTheProgram);
  Progress progress("measuring");
  std::vector<TokenId> prompt = {*bos};
  prompt.insert(prompt.end(), tokens.begin(),
                tokens.begin() + static_cast<std::ptrdiff_t>(std::min(tokens.size(), context / 8)));
  for (int round = 0; round < kRounds; ++round) {
    for (Row& row : rows) {
      row.tokens_per_second.push_back(decode_speed(whole.sliced(row.size), prompt));
      if (interrupt.requested()) return false;
    }
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto on_progress = [&](const PerplexitySum& so_far) {
      const double share = static_cast<double>(so_far.tokens) / static_cast<double>(tokens.size());
      progress.update((static_cast<double>(i) + share) / static_cast<double>(rows.size()),
                      rows[i].size.name);
      return !interrupt.requested();
    };
    rows[i].sum =
        measure_perplexity(whole.sliced(rows[i].size), *bos, tokens, windows, on_progress);
    if (interrupt.requested()) return false;
  }
  return true;
}

std::string widths_text(const TextConfig& config) {
  const auto [least, most] = std::ranges::minmax(config.intermediate_size);
  return least == most ? std::to_string(most)
                       : std::to_string(least) + " to " + std::to_string(most);
}

std::string table(const std::vector<Row>& rows, bool is_measured) {
  std::vector<std::vector<std::string>> cells = {
      {"size", "layers", "feed-forward", "effective", "text model", "bytes per token"}};
  std::vector<Align> columns(cells[0].size(), Align::kRight);
  columns[0] = Align::kLeft;
  if (is_measured) {
    cells[0].insert(cells[0].end(), {"tok/s", "perplexity"});
    columns.insert(columns.end(), 2, Align::kRight);
  }
  for (const Row& row : rows) {
    cells.push_back({visible_line(row.size.name), std::to_string(row.config.num_hidden_layers),
                     widths_text(row.config),
                     with_unit(static_cast<double>(effective_parameters(row.config))),
                     with_unit(row.text_parameters), with_unit(row.bytes_per_token) + "B"});
    if (is_measured) {
      cells.back().push_back(fixed(row.speed(), 1));
      cells.back().push_back(row.sum.tokens > 0 ? fixed(row.sum.perplexity(), 3) : "");
    }
  }
  return format_table(columns, cells);
}

std::string json_report(const Arguments& arguments, const std::vector<Row>& rows) {
  Json json;
  json.begin_object().member("model", arguments.model).key("sizes").begin_array();
  for (const Row& row : rows) {
    json.begin_object()
        .member("name", row.size.name)
        .member("num_hidden_layers", row.config.num_hidden_layers)
        .member("intermediate_size", std::span<const std::int64_t>(row.size.intermediate_size))
        .member("skipped_layers", std::span<const std::int64_t>(row.size.skipped_layers))
        .member("effective_parameters", effective_parameters(row.config))
        .member("text_parameters", row.text_parameters)
        .member("decode_bytes_per_token", row.bytes_per_token);
    if (!row.tokens_per_second.empty()) json.member("decode_tokens_per_second", row.speed());
    if (row.sum.tokens > 0) {
      json.member("scored_tokens", row.sum.tokens).member("perplexity", row.sum.perplexity());
    }
    json.end_object();
  }
  return json.end_array().end_object().text() + "\n";
}

int run(const Arguments& arguments, Output& out) {
  const auto sizes = chosen_sizes(arguments, TextConfig::from_pretrained(arguments.model));
  const auto whole =
      load_model(arguments.model, thread_count(arguments.threads), quantization(arguments.quantize))
          .text();
  std::vector<Row> rows;
  for (const auto& size : sizes) rows.push_back(row_of(whole, size));
  const bool is_complete = !arguments.measure || measure(arguments, whole, rows);
  out.write(arguments.json ? json_report(arguments, rows)
                           : table(rows, arguments.measure.has_value()));
  return is_complete ? 0 : kExitInterrupted;
}

constexpr const char* kFooter = R"(
Gemma 3n is a nested model: the first neurons of each feed-forward part, with or without some layers,
are a smaller model, as E2B is one inside E4B. The names are those of Google's table of sizes, for
checkpoints of E4B's shape; "half" halves the width of any model. run, chat, eval, transcribe and bench
take them as --size, and so does gemma3n slice, which writes one to disk.

effective: parameters without the embedding tables, as Google counts them. text model: with them.
bytes per token: what decoding one token reads of the weights, as they are held.

--measure FILE reads a text (UTF-8) with each size: tok/s is the median of 3 rounds in turn, of 32
decoded tokens; perplexity is that of "gemma3n eval --perplexity".

--json prints one object: model, sizes (name, num_hidden_layers, intermediate_size, skipped_layers,
effective_parameters, text_parameters, decode_bytes_per_token, and with --measure
decode_tokens_per_second, scored_tokens, perplexity).

Examples:
  gemma3n sizes gemma-3n-E4B-it
  gemma3n sizes gemma-3n-E4B-it --quantize q4 --measure book.txt --size full --size e2b
)";

}  // namespace

Runner declare_sizes(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model, "folder of the checkpoint");
  options.add("--size", "NAME", arguments->sizes,
              "list this one, a name or a JSON file; may be given several times (all names)");
  options.add("--measure", "FILE", arguments->measure, "measure speed and perplexity on this text");
  options.flag("--json", arguments->json, "print one JSON object");
  declare_threads(options, arguments->threads);
  declare_quantize(options, arguments->quantize);
  options.footer(kFooter);
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
