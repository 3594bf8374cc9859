// Which kernel table to use on this machine.
#pragma once

#include <span>

#include "kernels/table.h"

namespace gemma3n {

inline constexpr std::size_t kMaxAltUpStreams = 64;  // of altup_predict and altup_correct

const KernelTable& portable_kernels();

// Tables this CPU can run, portable first. Tests iterate over all of them.
std::span<const KernelTable* const> supported_kernels();

// The fastest supported table, or the one named by the environment variable GEMMA3N_ISA.
// Throws: kUnsupported if that name is unknown or this CPU lacks its instructions.
const KernelTable& active_kernels();

}  // namespace gemma3n
