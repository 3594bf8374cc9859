#!/usr/bin/env bash
# Installs what is missing and runs all tests:   ./test.sh [STEP...]
#   dev      g++, address and undefined-behaviour sanitizers: every test
#   clang    clang 14, optimised: every test
#   fuzz     libFuzzer on each parser of outside bytes, a short run
#   python   the Python package: installed into a fresh environment without torch, then its tests
#   aarch64  every layer compiles for 64-bit Arm
set -euo pipefail
cd "$(dirname "$0")"
tools/install_packages.sh test

steps=("$@")
[ ${#steps[@]} -eq 0 ] && steps=(dev clang python fuzz aarch64)

for step in "${steps[@]}"; do
  echo "== $step"
  case $step in
    dev | clang | fuzz | release | tsan)
      cmake --preset "$step" >/dev/null
      cmake --build --preset "$step"
      ctest --preset "$step" -j "$(nproc)" --timeout 900
      ;;
    python) tools/test_python.sh ;;
    aarch64) tools/check_aarch64.sh ;;
    *) echo "unknown step: $step" >&2; exit 2 ;;
  esac
done
