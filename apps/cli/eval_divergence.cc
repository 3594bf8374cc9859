#include "eval_divergence.h"

#include <algorithm>
#include <chrono>

#include "commands.h"
#include "divergence.h"
#include "eval_conversation.h"
#include "interrupt.h"
#include "json.h"
#include "loading.h"
#include "messages.h"
#include "progress.h"
#include "prompt_reader.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct CategorySum {
  std::string category;
  std::size_t items = 0;
  DivergenceSum sum;
};

class Evaluation {
 public:
  Evaluation(const DivergenceArguments& arguments, Output& out)
      : arguments_(arguments),
        out_(out),
        items_(read_dataset(
            arguments.dataset,
            {.transcribe_prompt = arguments.transcribe_prompt.value_or(kTranscribePrompt)})),
        chosen_(choose_items(items_, arguments.categories, arguments.limit)),
        conversations_(arguments.dataset, arguments.system, arguments.media),
        processor_(load_processor(arguments.model, arguments.media)) {
    conversations_.check_media_files(chosen_);
    processor_.chat_template();  // throws if there is none
  }

  int run() {
    load();
    {
      InterruptScope interrupt(InterruptScope::Second::kEndsTheProgram);
      Progress progress("comparing");
      const auto start = Clock::now();
      for (const EvalItem* item : chosen_) {
        if (interrupt.requested()) break;
        show_progress(progress, seconds_since(start));
        compare(*item);
        ++all_.items;
      }
      compare_seconds_ = seconds_since(start);
    }
    if (arguments_.json) {
      out_.write(json_report());
    } else if (all_.sum.tokens() > 0) {
      out_.write(text_report());
    }
    out_.flush();
    if (all_.items == chosen_.size()) return 0;
    print_note("interrupted after " + std::to_string(all_.items) + " of " +
               std::to_string(chosen_.size()) + " items");
    return kExitInterrupted;
  }

 private:
  void load() {
    const auto start = Clock::now();
    const int threads = thread_count(arguments_.threads);
    reference_.emplace(arguments_.reference.value_or(arguments_.model), threads,
                       Quantization::kNone);
    model_.emplace(arguments_.model, threads, quantization(arguments_.quantize), arguments_.size);
    load_seconds_ = seconds_since(start);
    const auto expected = reference_->text().config().vocab_size;
    if (const auto found = model_->text().config().vocab_size; found != expected) {
      fail(ErrorCode::kInvalidArgument, "--reference: expected a model with the same vocabulary, ",
           "got one of ", expected, " tokens, not ", found);
    }
  }

  void compare(const EvalItem& item) {
    try {
      const auto inputs = conversations_.answered_prompt(item, processor_);
      CategorySum& category = category_of(item);
      ++category.items;
      compare(inputs, category);
    } catch (const Error& error) {
      fail(error.code(), conversations_.place_of(item), error.what());
    }
  }

  void compare(const ProcessorOutput& inputs, CategorySum& category) {
    const std::vector<std::int64_t> ids(inputs.input_ids.at(0).begin(),
                                        inputs.input_ids.at(0).end());
    reference_->start(ids.size());
    model_->start(ids.size());
    std::size_t image = 0, sound = 0;
    for (const auto& part : prompt_parts(inputs.token_type_ids.at(0), kMostScored)) {
      const auto media = media_of_part(inputs.media, part, image, sound);
      image += part.images;
      sound += part.sounds;
      const Tensor p = reference_->read(ids, part, media), q = model_->read(ids, part, media);
      for (std::size_t i = 0; i < part.scored.size(); ++i) {
        const auto V = static_cast<std::size_t>(p.dim(2));
        const auto token = token_divergence(p.f32().subspan(i * V, V), q.f32().subspan(i * V, V));
        category.sum.add(token);
        all_.sum.add(token);
      }
    }
  }

  CategorySum& category_of(const EvalItem& item) {
    auto found = std::ranges::find(categories_, item.category, &CategorySum::category);
    if (found == categories_.end()) found = categories_.insert(found, {item.category, 0, {}});
    return *found;
  }

  void show_progress(Progress& progress, double seconds) const {
    const auto done = static_cast<double>(all_.items), items = static_cast<double>(chosen_.size());
    std::string details = std::to_string(all_.items) + " of " + std::to_string(chosen_.size());
    if (all_.sum.tokens() > 0) {
      details += ", mean KL " + fixed(all_.sum.mean(), 6) + ", " +
                 rough_duration(seconds / done * (items - done)) + " left";
    }
    progress.update(done / items, details);
  }

  std::string text_report() const {
    std::vector<std::vector<std::string>> rows = {
        {"CATEGORY", "ITEMS", "TOKENS", "MEAN KL", "99% KL", "SAME TOP TOKEN"}};
    const auto add = [&](const std::string& name, const CategorySum& c) {
      if (c.sum.tokens() == 0) return;
      rows.push_back({name, std::to_string(c.items), std::to_string(c.sum.tokens()),
                      fixed(c.sum.mean(), 6), fixed(c.sum.percentile(0.99), 6),
                      fixed(100 * c.sum.top_agreement(), 2) + "%"});
    };
    if (categories_.size() > 1 || !categories_.front().category.empty()) {
      for (const auto& c : categories_) {
        add(c.category.empty() ? "(none)" : visible_line(c.category), c);
      }
    }
    add("all", all_);
    std::vector<Align> columns(rows.front().size(), Align::kRight);
    columns.front() = Align::kLeft;
    return format_table(columns, rows);
  }

  static void write_sum(Json& json, const CategorySum& c) {
    json.member("items", c.items).member("tokens", c.sum.tokens());
    if (c.sum.tokens() == 0) return;
    json.member("mean_kl", c.sum.mean())
        .member("p99_kl", c.sum.percentile(0.99))
        .member("max_kl", c.sum.percentile(1))
        .member("top1_agreement", c.sum.top_agreement());
  }

  std::string json_report() const {
    Json json;
    json.begin_object()
        .member("model", arguments_.model)
        .member("quantize", arguments_.quantize.value_or("none"))
        .member("size", arguments_.size.value_or("full"))
        .member("reference", arguments_.reference.value_or(arguments_.model))
        .member("dataset", arguments_.dataset)
        .member("chosen_items", chosen_.size());
    write_sum(json, all_);
    json.key("categories").begin_array();
    for (const auto& c : categories_) {
      json.begin_object().member("category", c.category);
      write_sum(json, c);
      json.end_object();
    }
    json.end_array().key("timings").begin_object();
    json.member("load_seconds", load_seconds_)
        .member("compare_seconds", compare_seconds_)
        .end_object();
    return json.member("threads", model_->text().threads()).end_object().text() + "\n";
  }

  const DivergenceArguments& arguments_;
  Output& out_;
  const std::vector<EvalItem> items_;
  const std::vector<const EvalItem*> chosen_;  // in order
  const EvalConversations conversations_;
  const Processor processor_;
  std::optional<PromptReader> reference_, model_;
  CategorySum all_;
  std::vector<CategorySum> categories_;  // in the order of their first items
  double load_seconds_ = 0, compare_seconds_ = 0;
};

}  // namespace

int run_divergence(const DivergenceArguments& arguments, Output& out) {
  return Evaluation(arguments, out).run();
}

}  // namespace gemma3n::cli
