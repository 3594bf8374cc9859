// A model in memory: configuration, weights, what keeps them alive, and the means to run them.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/thread_pool.h"
#include "gemma3n/model.h"
#include "model/multimodal.h"
#include "model/text/decoder.h"
#include "model/text/kv_cache.h"

namespace gemma3n {

class Checkpoint;

// Arenas of forward passes that are over, for the next ones: passes in flight never share one.
class ArenaPool {
 public:
  class Lease {
   public:
    Lease(ArenaPool& pool, std::unique_ptr<Arena> arena) : pool_(pool), arena_(std::move(arena)) {}
    ~Lease() { pool_.give_back(std::move(arena_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Arena& operator*() { return *arena_; }

   private:
    ArenaPool& pool_;
    std::unique_ptr<Arena> arena_;
  };

  Lease take();

 private:
  void give_back(std::unique_ptr<Arena> arena) noexcept;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Arena>> idle_;
};

// What all sizes of a model share.
struct ModelResources {
  explicit ModelResources(int threads) : pool(threads) {}

  std::unique_ptr<const Multimodal> multimodal;     // null: text only
  std::shared_ptr<const void> weights;              // the maps or buffers decoders point into
  std::vector<std::unique_ptr<std::byte[]>> extra;  // weights in another form than on disk
  std::shared_ptr<Calibration> calibration;         // what decoders add their inputs to, or null
  ThreadPool pool;
  ArenaPool arenas;
};

struct ModelImpl {
  explicit ModelImpl(int threads) : resources(std::make_shared<ModelResources>(threads)) {}

  TextConfig config;
  std::optional<Config> outer_config;   // of a model with towers; its text_config is `config`
  std::optional<MatFormerConfig> size;  // of a part of a larger model that is in memory
  Decoder decoder;
  std::shared_ptr<ModelResources> resources;

  ThreadPool& pool() const { return resources->pool; }
  ArenaPool& arenas() const { return resources->arenas; }
  const Multimodal* multimodal() const { return resources->multimodal.get(); }
};

// A part of `model`; the model itself if nothing is cut off.   Throws: as MatFormerConfig::sliced.
std::shared_ptr<const ModelImpl> sliced_model(const std::shared_ptr<const ModelImpl>& model,
                                              const MatFormerConfig& size);

struct Cache::Impl {
  std::unique_ptr<KvCache> kv;
  std::optional<MatFormerConfig> size;  // of the model that made it
};

// Threads to compute with; 0 = one per core.   Throws: kInvalidArgument for a number out of range.
int thread_count(int asked);

// Whether the checkpoint is of the whole model, and not only described as such in config.json.
bool stores_towers(const Checkpoint& checkpoint);
inline constexpr const char* kWholeModelPrefix = "model.";  // of Gemma3nForConditionalGeneration

enum class LoadedParts { kText, kAll };  // kAll: the towers too
// Ref: the forms of Checkpoint in checkpoint_binder.h.
std::shared_ptr<const ModelImpl> load_model(const std::filesystem::path& model_dir,
                                            const LoadOptions& options,
                                            LoadedParts parts = LoadedParts::kText);
std::shared_ptr<const ModelImpl> synthetic_model(const TextConfig& config, std::uint64_t seed,
                                                 const LoadOptions& options);
std::shared_ptr<const ModelImpl> synthetic_model(const Config& config, std::uint64_t seed,
                                                 const LoadOptions& options);

// Runs a batch in passes of at most KvCache::kMaxPassRows rows; sink(first row, rows, output) sees
// each while its views live.
template <typename Sink>
void run_passes(const ModelImpl& model, Ops& op, const Batch& batch, KvCache& cache,
                bool with_states, const Sink& sink) {
  constexpr auto kRows = static_cast<std::size_t>(KvCache::kMaxPassRows);
  for (std::size_t first = 0; first < batch.size(); first += kRows) {
    const ArenaScope scope(op.arena());
    const std::size_t last = first + kRows < batch.size() ? first + kRows : batch.size();
    const Batch pass(batch.begin() + static_cast<std::ptrdiff_t>(first),
                     batch.begin() + static_cast<std::ptrdiff_t>(last));
    sink(first, pass, model.decoder.forward(op, pass, cache, with_states));
  }
}

}  // namespace gemma3n
