#include "bench_measure.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <numeric>

#include "bench_model.h"
#include "progress.h"
#include "table.h"

namespace gemma3n::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A run of one model, and what it has given so far.
struct Task {
  const BenchModel* model;
  const BenchRun* run;
  std::vector<BenchResult> results;          // by case
  std::vector<std::vector<double>> seconds;  // by case
  double last_seconds = 0;                   // of all that a run takes
  std::string text;                          // "q4, 2 threads, prefill 512"
};

struct Configuration {
  std::string storage;
  int threads;
};

std::vector<Configuration> configurations(const BenchPlan& plan) {
  std::vector<Configuration> list;
  for (const auto& storage : plan.storages) {
    for (const int threads : plan.threads) list.push_back({storage, threads});
  }
  return list;
}

bool fit_together(const BenchPlan& plan, std::size_t models) {
  if (plan.is_synthetic) return models == 1;
  double bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(plan.model)) {
    std::error_code ignored;  // loading will say what is wrong with a file
    if (entry.path().extension() != ".safetensors") continue;
    const auto size = entry.file_size(ignored);
    if (!ignored) bytes += static_cast<double>(size);
  }
  const auto memory =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  return bytes * static_cast<double>(models) <= memory / 4;
}

MachineLimits best_of(const MachineLimits& a, const MachineLimits& b) {
  return {std::max(a.read_bytes_per_second, b.read_bytes_per_second),
          std::max(a.f32_flops_per_second, b.f32_flops_per_second),
          std::max(a.int8_ops_per_second, b.int8_ops_per_second)};
}

class Measurement {
 public:
  explicit Measurement(const BenchPlan& plan) : plan_(plan), progress_("timing") {
    report_.model = (plan.is_synthetic ? "synthetic " : "") + plan.model;
    report_.system = system_info();
    report_.cache = plan.cache;
    if (plan.size) report_.size = plan.size->name;
    report_.repeats = plan.repeats;
    report_.decode_tokens = plan.decode_tokens;
  }

  BenchReport run() {
    const auto all = configurations(plan_);
    all_runs_ = all.size() * plan_.runs.size() * static_cast<std::size_t>(plan_.repeats);
    const auto start = Clock::now();
    measure_limits_of_all();
    const std::size_t together = fit_together(plan_, all.size()) ? all.size() : 1;
    for (std::size_t first = 0; first < all.size(); first += together) {
      time_models({all.begin() + static_cast<std::ptrdiff_t>(first),
                   all.begin() + static_cast<std::ptrdiff_t>(first + together)});
    }
    // The better of before and after, where much may have happened meanwhile.
    constexpr double kLongSeconds = 10;
    if (seconds_since(start) > kLongSeconds) measure_limits_of_all();
    for (auto& result : report_.results) {
      if (!result.work) continue;
      const auto found =
          std::ranges::find(report_.limits, result.threads, &std::pair<int, MachineLimits>::first);
      result.limit = bound_of(result.work, found->second);
    }
    return std::move(report_);
  }

 private:
  void measure_limits_of_all() {
    progress_.update(done_share(), "the machine's limits");
    for (const int threads : plan_.threads) {
      const auto limits = measure_limits(threads);
      const auto found =
          std::ranges::find(report_.limits, threads, &std::pair<int, MachineLimits>::first);
      if (found == report_.limits.end()) {
        report_.limits.emplace_back(threads, limits);
      } else {
        found->second = best_of(found->second, limits);
      }
    }
  }

  double done_share() const {
    return static_cast<double>(done_runs_) / static_cast<double>(all_runs_);
  }

  void time_models(const std::vector<Configuration>& group) {
    std::vector<std::unique_ptr<const BenchModel>> models;
    std::vector<Task> tasks;
    for (const auto& [storage, threads] : group) {
      models.push_back(std::make_unique<const BenchModel>(plan_, storage, threads));
      for (const auto& run : plan_.runs) {
        Task task = {models.back().get(), &run, models.back()->describe(run), {}, 0, {}};
        task.seconds.resize(run.cases.size());
        task.text = storage + ", " + std::to_string(threads) +
                    (threads == 1 ? " thread, " : " threads, ") + run.cases.front();
        tasks.push_back(std::move(task));
      }
    }
    for (auto& task : tasks) {
      progress_.update(done_share(), task.text);
      task.model->warm_up(*task.run);
    }
    for (std::int64_t round = 0; round < plan_.repeats; ++round) {
      for (auto task = tasks.begin(); task != tasks.end(); ++task) {
        show(*task, seconds_left(tasks, task, round));
        time_once(*task);
      }
    }
    for (auto& task : tasks) keep(task);
  }

  void time_once(Task& task) {
    const auto start = Clock::now();
    const auto seconds = task.model->time(*task.run);
    task.last_seconds = seconds_since(start);
    for (std::size_t i = 0; i < seconds.size(); ++i) task.seconds.at(i).push_back(seconds[i]);
    ++done_runs_;
  }

  // Of these models; known from the second round on.
  std::optional<double> seconds_left(const std::vector<Task>& tasks,
                                     std::vector<Task>::iterator next, std::int64_t round) const {
    if (round == 0) return std::nullopt;
    const auto add = [](double sum, const Task& task) { return sum + task.last_seconds; };
    const double a_round = std::accumulate(tasks.begin(), tasks.end(), 0.0, add);
    return std::accumulate(std::vector<Task>::const_iterator(next), tasks.end(), 0.0, add) +
           a_round * static_cast<double>(plan_.repeats - round - 1);
  }

  void show(const Task& task, std::optional<double> left) {
    progress_.update(done_share(),
                     task.text + (left ? ", " + rough_duration(*left) + " left" : ""));
  }

  void keep(Task& task) {
    for (std::size_t i = 0; i < task.results.size(); ++i) {
      task.results[i].seconds = spread_of(std::move(task.seconds[i]));
      report_.results.push_back(std::move(task.results[i]));
    }
  }

  const BenchPlan& plan_;
  BenchReport report_;
  Progress progress_;
  std::size_t all_runs_ = 0, done_runs_ = 0;
};

}  // namespace

BenchReport measure_bench(const BenchPlan& plan) { return Measurement(plan).run(); }

}  // namespace gemma3n::cli
