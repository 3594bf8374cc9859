#!/usr/bin/env bash
# Compiles every layer for 64-bit Arm, without linking. The portable kernels are used there.
set -euo pipefail
cd "$(dirname "$0")/.."
headers=build/aarch64-headers  # the header-only dependencies, apart from this machine's own headers
mkdir -p "$headers"
for name in simdjson.h nlohmann; do ln -sfn "/usr/include/$name" "$headers/$name"; done

# Media decoders need Arm's builds of their libraries; the x86 kernels are not compiled there.
find src -name '*.cc' ! -name '*_test.cc' ! -path 'src/media/*' \
     ! -name 'avx*.cc' ! -name vnni_by_avx2.cc -print0 |
  xargs -0 -P "$(nproc)" -n 4 aarch64-linux-gnu-g++ -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic \
    -Wno-restrict -ffp-contract=off -Werror -DGEMMA3N_VERSION='"0"' -Iinclude -Isrc -isystem "$headers"
echo "aarch64: all layers compile"
