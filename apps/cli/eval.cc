// gemma3n eval MODEL DATASET: how often the model is right.
#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <system_error>

#include "answer.h"
#include "commands.h"
#include "eval_conversation.h"
#include "eval_dataset.h"
#include "eval_divergence.h"
#include "eval_perplexity.h"
#include "eval_report.h"
#include "eval_results.h"
#include "gemma3n/processor.h"
#include "generation_options.h"
#include "interrupt.h"
#include "json.h"
#include "loading.h"
#include "media_options.h"
#include "messages.h"
#include "progress.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string model;
  std::optional<std::string> dataset, results, metric, system, transcribe_prompt, perplexity,
      quantize, size, draft, kv_cache, reference;
  std::vector<std::string> categories;
  std::optional<std::int64_t> limit, max_tokens, errors, threads, context, stride;
  bool json = false, overwrite = false, divergence = false;
  MediaOptions media;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::size_t positive(const char* option, std::int64_t value) {
  if (value < 1) fail(ErrorCode::kInvalidArgument, option, ": expected 1 or more, got ", value);
  return static_cast<std::size_t>(value);
}

DatasetOptions dataset_options(const Arguments& arguments) {
  DatasetOptions options;
  options.transcribe_prompt = arguments.transcribe_prompt.value_or(kTranscribePrompt);
  if (!arguments.metric) return options;
  options.metric = metric_named(*arguments.metric);
  if (!options.metric) {
    fail(ErrorCode::kInvalidArgument, "--metric: expected ", kMetricNames, ", got '",
         *arguments.metric, "'");
  }
  return options;
}

// What tells one checkpoint from another, also one that was written in its place.
std::string checkpoint_identity(const std::filesystem::path& model) {
  std::set<std::string> lines;
  for (const auto& entry : std::filesystem::directory_iterator(model)) {
    if (entry.path().extension() != ".safetensors") continue;
    std::error_code ignored;  // loading will say what is wrong with a file
    lines.insert(entry.path().filename().string() + " " + std::to_string(entry.file_size(ignored)) +
                 " " + std::to_string(entry.last_write_time(ignored).time_since_epoch().count()));
  }
  std::string identity = std::filesystem::canonical(model).string();
  for (const auto& line : lines) identity += "\n" + line;
  return identity;
}

// The most likely words up to the end of the turn.
GenerationConfig greedy_config(const Arguments& arguments, const Tokenizer& tokenizer) {
  auto defaults = GenerationConfig::from_pretrained(arguments.model);
  defaults.num_return_sequences = 1;
  GenerationOptions given;
  given.greedy = true;
  given.max_new_tokens = arguments.max_tokens;
  given.kv_cache = arguments.kv_cache;
  auto config = generation_config(given, std::move(defaults), tokenizer);
  const auto end_of_turn = tokenizer.token_to_id("<end_of_turn>");
  if (end_of_turn && std::ranges::count(config.eos_token_id, *end_of_turn) == 0) {
    config.eos_token_id.push_back(*end_of_turn);
  }
  return config;
}

// Model, dataset, options and output of one run of the command.
class Evaluation {
 public:
  Evaluation(const Arguments& arguments, Output& out)
      : arguments_(arguments),
        out_(out),
        items_(read_dataset(*arguments.dataset, dataset_options(arguments))),
        chosen_(choose_items(items_, arguments.categories, arguments.limit)),
        errors_(arguments.errors ? positive("--errors", *arguments.errors) : 0),
        conversations_(*arguments.dataset, arguments.system, arguments.media) {
    conversations_.check_media_files(chosen_);
    processor_ = load_processor(arguments.model, arguments.media);
    processor_->chat_template();  // throws if there is none
    config_ = greedy_config(arguments, processor_->tokenizer());
    const std::string settings = settings_text();
    for (const auto& item : items_) fingerprints_.push_back(fingerprint(item, settings));
    if (arguments.results) open_results();
  }

  int run() {
    const auto pending = take_known_answers();
    answer(pending);
    std::ranges::sort(results_, {}, [](const auto& result) { return result.item->index; });
    out_.write(arguments_.json ? json_report() : text_report());
    out_.flush();
    if (results_.size() == chosen_.size()) return 0;
    print_note("interrupted after " + std::to_string(results_.size()) + " of " +
               std::to_string(chosen_.size()) + " items; " +
               (arguments_.results ? "the same command goes on from there"
                                   : "with --results FILE a run can go on where it stopped"));
    return kExitInterrupted;
  }

 private:
  // All that the answers depend on, but for the items.
  std::string settings_text() const {
    return Json()
        .begin_object()
        .member("model", checkpoint_identity(arguments_.model))
        .member("system", arguments_.system.value_or(""))
        .member("quantize", arguments_.quantize.value_or("none"))
        .member("size", size_text())
        .member("image_size", arguments_.media.image_size.value_or(0))
        .member("split_audio", conversations_.splits_audio())
        .member("generation", config_.to_json())
        .end_object()
        .text();
  }

  // Of a JSON file, what it says.
  std::string size_text() const {
    const auto size = model_size(arguments_.model, arguments_.size);
    return size ? size->to_json(TextConfig::from_pretrained(arguments_.model)) : "full";
  }

  void open_results() {
    std::error_code ignored;
    if (std::filesystem::equivalent(*arguments_.results, *arguments_.dataset, ignored)) {
      fail(ErrorCode::kInvalidArgument, "--results: expected another file than the dataset");
    }
    file_ = std::make_unique<ResultsFile>(*arguments_.results, fingerprints_, arguments_.overwrite);
  }

  // Returns the items that are left.
  std::vector<const EvalItem*> take_known_answers() {
    std::vector<const EvalItem*> pending;
    for (const EvalItem* item : chosen_) {
      const Answer* known = file_ ? file_->find(item->index) : nullptr;
      known != nullptr ? record(*item, *known) : pending.push_back(item);
    }
    return pending;
  }

  void answer(const std::vector<const EvalItem*>& pending) {
    if (pending.empty()) return;
    const auto start = Clock::now();
    auto [model, draft] =
        load_model_and_draft(arguments_.model, thread_count(arguments_.threads),
                             quantization(arguments_.quantize), arguments_.size, arguments_.draft);
    model_ = std::move(model);
    draft_ = std::move(draft);
    load_seconds_ = seconds_since(start);

    InterruptScope interrupt(InterruptScope::Second::kEndsTheProgram);
    Progress progress("answering");
    const auto answering_start = Clock::now();
    for (const EvalItem* item : pending) {
      show_progress(progress, seconds_since(answering_start));
      const auto said = ask(*item, interrupt);
      if (!said) break;
      record(*item, *said);
      if (file_) file_->append(results_.back(), fingerprints_[item->index]);
      ++answered_;
      answer_seconds_ = seconds_since(answering_start);
    }
  }

  void show_progress(Progress& progress, double seconds) const {
    const auto done = static_cast<double>(results_.size());
    const auto items = static_cast<double>(chosen_.size());
    std::string details = std::to_string(results_.size()) + " of " + std::to_string(chosen_.size());
    if (!results_.empty()) {
      details += ", " + fixed(100 * static_cast<double>(correct_) / done, 1) + "% right";
    }
    if (answered_ > 0) {  // items that were known took no time
      const double per_item = seconds / static_cast<double>(answered_);
      details += ", " + rough_duration(per_item * (items - done)) + " left";
    }
    progress.update(done / items, details);
  }

  void record(const EvalItem& item, Answer said) {
    const auto found = score(item.metric, said.text, item.expected);
    if (found.is_correct) ++correct_;
    results_.push_back({&item, std::move(said), found});
  }

  // Nothing if it was interrupted.
  std::optional<Answer> ask(const EvalItem& item, const InterruptScope& interrupt) {
    GenerateOptions options;
    options.assistant_model = draft_;
    options.on_encode = [&](double) { return !interrupt.requested(); };
    options.on_prefill = options.on_encode;
    options.on_token = [&](const GenerationStep&) { return !interrupt.requested(); };
    auto config = config_;
    if (item.max_tokens) config.max_new_tokens = item.max_tokens;
    const auto start = Clock::now();
    try {
      const auto inputs = processor_->apply_chat_template(
          conversations_.conversation_of(item, sample_rate_hz(*processor_)),
          {.add_generation_prompt = true});
      const auto output = model_->generate(inputs.input_ids, inputs.media, config,
                                           &processor_->tokenizer(), options);
      const auto reason = output.finish_reasons.at(0);
      if (reason == FinishReason::kCancelled) return {};
      drafts_.add(output);
      decoded_tokens_ += output.generated_tokens - 1;
      decode_seconds_ += output.decode_seconds;
      return Answer{.text = output.text.at(0),
                    .finish_reason = std::string(finish_reason_name(reason)),
                    .generated_tokens = static_cast<std::int64_t>(output.generated_tokens),
                    .seconds = seconds_since(start)};
    } catch (const Error& error) {
      fail(error.code(), conversations_.place_of(item), error.what());
    }
  }

  std::string text_report() const {
    if (results_.empty()) return "";
    std::string text = eval_table(results_);
    if (const auto cut_off = tally_of(results_).cut_off; cut_off > 0) {
      text += "cut off at the length limit: " + std::to_string(cut_off) + " of " +
              std::to_string(results_.size()) + " answers\n";
    }
    if (drafts_.rounds > 0) text += drafts_.text() + "\n";
    return text + wrong_answers(results_, errors_);
  }

  std::string json_report() const {
    Json json;
    json.begin_object()
        .member("model", arguments_.model)
        .member("dataset", *arguments_.dataset)
        .member("chosen_items", chosen_.size());
    write_tally(json, tally_of(results_));
    json.key("categories").begin_array();
    for (const auto& [category, tally] : tallies_by_category(results_)) {
      json.begin_object().member("category", category);
      write_tally(json, tally);
      json.end_object();
    }
    json.end_array().key("results").begin_array();
    for (const auto& result : results_) {
      write_result(json, result, fingerprints_[result.item->index]);
    }
    json.end_array().key("timings").begin_object();
    json.member("load_seconds", load_seconds_)
        .member("answer_seconds", answer_seconds_)
        .member("answered_items", answered_)
        .member("decoded_tokens", decoded_tokens_)
        .member("decode_seconds", decode_seconds_)
        .end_object();
    if (draft_) {
      json.member("draft_rounds", drafts_.rounds)
          .member("drafted_tokens", drafts_.drafted)
          .member("accepted_tokens", drafts_.accepted);
    }
    if (model_) json.member("threads", model_->text().threads());
    return json.end_object().text() + "\n";
  }

  const Arguments& arguments_;
  Output& out_;
  const std::vector<EvalItem> items_;
  const std::vector<const EvalItem*> chosen_;  // in order
  const std::size_t errors_;                   // how many are shown
  const EvalConversations conversations_;
  std::optional<Processor> processor_;
  GenerationConfig config_;
  std::vector<std::string> fingerprints_;  // of all items
  std::unique_ptr<ResultsFile> file_;
  std::optional<AnyModel> model_;  // loaded if an answer is missing
  std::vector<ItemResult> results_;
  std::size_t correct_ = 0;
  std::size_t answered_ = 0;  // in this run
  double load_seconds_ = 0, answer_seconds_ = 0;
  std::optional<ForCausalLM> draft_;
  DraftTally drafts_;
  std::size_t decoded_tokens_ = 0;  // after the first of each answer
  double decode_seconds_ = 0;
};

// What does not go with --divergence, and what it needs.
void check_divergence(const Arguments& arguments) {
  if (!arguments.divergence) {
    if (arguments.reference) {
      fail(ErrorCode::kInvalidArgument, "--reference goes with --divergence");
    }
    return;
  }
  const std::pair<const char*, bool> of_others[] = {
      {"--perplexity", arguments.perplexity.has_value()},
      {"--results", arguments.results.has_value()},
      {"--metric", arguments.metric.has_value()},
      {"--max-tokens", arguments.max_tokens.has_value()},
      {"--errors", arguments.errors.has_value()},
      {"--draft", arguments.draft.has_value()}};
  for (const auto& [option, is_given] : of_others) {
    if (is_given) {
      fail(ErrorCode::kInvalidArgument, option, " and --divergence exclude each other");
    }
  }
  if (!arguments.quantize && !arguments.size && !arguments.reference) {
    fail(ErrorCode::kInvalidArgument, "--divergence: expected --quantize, --size or --reference, ",
         "so that there are two models to compare");
  }
}

// Options that only one of DATASET and --perplexity has.
void check_combination(const Arguments& arguments) {
  if (arguments.dataset.has_value() == arguments.perplexity.has_value()) {
    fail(ErrorCode::kInvalidArgument,
         "expected either DATASET or --perplexity; see gemma3n eval --help");
  }
  const bool is_perplexity = arguments.perplexity.has_value();
  const std::pair<const char*, bool> of_the_other[] = {
      {"--context", !is_perplexity && arguments.context},
      {"--stride", !is_perplexity && arguments.stride},
      {"--results", is_perplexity && arguments.results},
      {"--overwrite", is_perplexity && arguments.overwrite},
      {"--limit", is_perplexity && arguments.limit},
      {"--category", is_perplexity && !arguments.categories.empty()},
      {"--metric", is_perplexity && arguments.metric},
      {"--max-tokens", is_perplexity && arguments.max_tokens},
      {"--system", is_perplexity && arguments.system},
      {"--transcribe-prompt", is_perplexity && arguments.transcribe_prompt},
      {"--errors", is_perplexity && arguments.errors},
      {"--draft", is_perplexity && arguments.draft},
      {"--image-size", is_perplexity && arguments.media.image_size},
      {"--long-audio", is_perplexity && arguments.media.long_audio},
      {"--allow-private-urls", is_perplexity && arguments.media.allow_private_urls}};
  for (const auto& [option, is_given] : of_the_other) {
    if (is_given) {
      fail(ErrorCode::kInvalidArgument, option, " goes with ",
           is_perplexity ? "DATASET" : "--perplexity");
    }
  }
  if (arguments.overwrite && !arguments.results) {
    fail(ErrorCode::kInvalidArgument, "--overwrite goes with --results");
  }
  if (arguments.errors && arguments.json) {
    fail(ErrorCode::kInvalidArgument, "--errors and --json exclude each other; the object has all");
  }
}

int run(const Arguments& arguments, Output& out) {
  check_divergence(arguments);
  check_combination(arguments);
  if (arguments.divergence) {
    return run_divergence({.model = arguments.model,
                           .dataset = *arguments.dataset,
                           .reference = arguments.reference,
                           .quantize = arguments.quantize,
                           .size = arguments.size,
                           .system = arguments.system,
                           .transcribe_prompt = arguments.transcribe_prompt,
                           .categories = arguments.categories,
                           .limit = arguments.limit,
                           .threads = arguments.threads,
                           .media = arguments.media,
                           .json = arguments.json},
                          out);
  }
  if (!arguments.perplexity) return Evaluation(arguments, out).run();
  return run_perplexity({.model = arguments.model,
                         .file = *arguments.perplexity,
                         .context = arguments.context,
                         .stride = arguments.stride,
                         .threads = arguments.threads,
                         .quantize = arguments.quantize,
                         .size = arguments.size,
                         .kv_cache = arguments.kv_cache,
                         .json = arguments.json},
                        out);
}

constexpr const char* kFooter = R"(
DATASET has one JSON object on each line, of one of these shapes:
  {"messages": [{"role": "user", "content": "What is 2 + 2?"}], "expected": ["4", "four"]}
  {"messages": [{"role": "user", "content": [{"type": "image", "path": "cat.jpg"},
   {"type": "text", "text": "What is it?"}]}, {"role": "assistant", "content": "A cat."},
   {"role": "user", "content": "How old?"}], "expected": "young", "metric": "contains"}
  {"image": "chart.png", "query": "How many?", "label": "14"}
  {"audio": "speech.wav", "transcription": "what is said"}
A conversation may have several turns, with the assistant's given; the last is a user's. Its parts are
of the type text ("text"), image or audio ("path", "url", or a key of the type's name). Also taken:
"question" for "query", "answer" for "label", "raw_transcription" or "text" for "transcription", and
{"path": ...} for a path. Paths are relative to the folder of DATASET. What is expected is a text or a
list of accepted ones. Any line may have "id", "category", "max_tokens" and "metric", which win over
the options; other keys are ignored. Answers are greedy and end with the turn.

Metrics:
  exact     the same text but for space around it; case and final full stops count. For "messages".
  contains  an accepted text stands in the answer as whole words, case ignored; a number is not
            found within another (5 in 3.5).
  relaxed   a number at most 5% away from the expected one (1,234 and 12% are numbers, and 12% is
            12 or 0.12 if the other has no percent sign); another text: equal, case and a final full
            stop ignored. For "image" with "query", as ChartQA has it.
  wer       word error rate: insertions, deletions and replacements of words over the number of
            expected words, summed over all items; right if there are none. Words are compared in
            lower case and without punctuation and symbols. CER is the same for their characters.
            For "audio", as FLEURS has it.

The table tells the share of right answers, and the interval in which it would be, with a confidence
of 95%, over all questions of this kind (Wilson). Each category has a line, and all together.

With --results, each answer is written to FILE as soon as there is one: a JSON object with index, line,
id, category, metric, expected, answer, correct; edits, words, character_edits, characters (of wer);
finish_reason, generated_tokens, seconds, and a fingerprint of the item, the model (its folder, and
sizes and times of its weights) and the options. The same command goes on where a run was stopped,
with Ctrl-C or otherwise, and a larger --limit adds to a smaller one. If the fingerprints differ, it
is refused.

--perplexity reads a text in windows of --context tokens, each beginning with <bos> and --stride
further on than the one before. In each, only tokens that were not scored before are scored; the rest
is what the model may look back at. Perplexity is exp of the mean negative log-likelihood of a token;
bits per byte can be compared between models with different tokens.

--divergence tells how much fewer bits change, whether answers are right or not. Of each item the whole
conversation, the first expected answer included, is read twice: by the model as --quantize holds it
and --size cuts it, and by the reference, the same checkpoint (or that of --reference) as it is
stored, computed in f32; each encodes pictures and sounds itself. For all positions that are followed
by a token of text, KL is the Kullback-Leibler divergence of the next token's probabilities from the
reference's, in nats: its mean, and what it does not exceed for 99% of the tokens; and how often the
most likely token is the same. Of a model and itself it is 0.

--draft changes no answer; the report says how many of the proposed tokens were accepted.

Ctrl-C ends it: the table of what there is, is printed, and the exit code is 130.

--json prints one object: model, dataset, chosen_items; items, correct, accuracy, interval, cut_off
(answers ended by the length limit) and wer (items, edits, words, rate, character_edits, characters,
character_rate); the same for each of categories; results (as in FILE); timings (load_seconds,
answer_seconds, answered_items, decoded_tokens, decode_seconds); draft_rounds, drafted_tokens,
accepted_tokens (with --draft); threads. With --perplexity: model, file, bytes, tokens,
scored_tokens, context, stride, windows, nats_per_token, perplexity, bits_per_byte, timings
(load_seconds, score_seconds), threads. With --divergence: model, quantize, size, reference, dataset,
chosen_items; items, tokens, mean_kl, p99_kl, max_kl, top1_agreement; the same for each of categories;
timings (load_seconds, compare_seconds), threads.

Exit codes are those of "gemma3n --help": 0 however many answers are wrong, 1 for a line or a medium
that cannot be used, 2 for FILE of another run.

Examples:
  gemma3n eval gemma-3n-E2B-it questions.jsonl --max-tokens 32 --results answers.jsonl
  gemma3n eval gemma-3n-E2B-it chartqa.jsonl --system "Answer with one word or number." --limit 100
  gemma3n eval gemma-3n-E2B-it fleurs.jsonl --errors 10
  gemma3n eval gemma-3n-E2B-it questions.jsonl --quantize q4 --divergence
  gemma3n eval gemma-3n-E2B-it --perplexity book.txt --context 1024 --stride 512
)";

}  // namespace

Runner declare_eval(Options& options) {
  auto arguments = std::make_shared<Arguments>();
  options.positional("MODEL", arguments->model, "folder of the checkpoint");
  options.positional("DATASET", arguments->dataset, "questions and answers, JSON lines");
  options.add("--results", "FILE", arguments->results,
              "write each answer to FILE at once, and go on from what is there");
  options.flag("--overwrite", arguments->overwrite, "drop what is in FILE, and start again");
  options.add("--limit", "N", arguments->limit, "the first N items");
  options.add("--category", "NAME", arguments->categories,
              "items of this category; may be given several times");
  options.add("--metric", "NAME", arguments->metric,
              std::string(kMetricNames) + ", for items that do not name one");
  options.add("--max-tokens,--max-new-tokens", "N", arguments->max_tokens,
              "end answers after N tokens (the checkpoint's limit, or 2048)");
  options.add("--system", "TEXT", arguments->system,
              "instructions for items that have no system message");
  options.add("--transcribe-prompt", "TEXT", arguments->transcribe_prompt,
              std::string("what to ask about \"audio\" (\"") + kTranscribePrompt + "\")");
  options.add("--errors", "N", arguments->errors, "show the first N wrong answers");
  options.flag("--json", arguments->json, "print one JSON object instead of a table");
  declare_threads(options, arguments->threads);
  declare_quantize(options, arguments->quantize);
  declare_size(options, arguments->size);
  declare_draft(options, arguments->draft);
  declare_kv_cache(options, arguments->kv_cache);
  options.heading("Pictures and sounds");
  declare_image_size(options, arguments->media);
  declare_long_audio(options, arguments->media);
  declare_url_options(options, arguments->media);
  options.heading("Divergence");
  options.flag("--divergence", arguments->divergence,
               "instead of answers: how far fewer bits move the next token's probabilities");
  options.add("--reference", "FOLDER", arguments->reference,
              "the checkpoint to compare with, as it is stored (MODEL)");
  options.heading("Perplexity");
  options.add("--perplexity", "FILE", arguments->perplexity,
              "instead of DATASET: how well the model predicts a text");
  options.add("--context", "N", arguments->context,
              "tokens of a window (2048, or the model's context if that is less)");
  options.add("--stride", "N", arguments->stride, "tokens from window to window (half of them)");
  options.footer(kFooter);
  return [arguments](Output& out) { return run(*arguments, out); };
}

}  // namespace gemma3n::cli
