// The subcommands. Each function declares its options and returns what runs with them.
#pragma once

#include "options.h"

namespace gemma3n::cli {

constexpr int kExitSlower = 3;         // bench --compare: than before
constexpr int kExitInterrupted = 130;  // by Ctrl-C

Runner declare_run(Options& options);
Runner declare_chat(Options& options);
Runner declare_transcribe(Options& options);
Runner declare_eval(Options& options);
Runner declare_tokenize(Options& options);
Runner declare_inspect(Options& options);
Runner declare_quantize_command(Options& options);
Runner declare_slice(Options& options);
Runner declare_sizes(Options& options);
Runner declare_info(Options& options);
Runner declare_bench(Options& options);

}  // namespace gemma3n::cli
