#!/usr/bin/env bash
# Installs the Python package into a fresh environment and runs its tests. Part of ./test.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=build/python-environment

rm -rf "$environment"
python3 -m venv "$environment"
# The same compiler and flags as the preset "clang", so that a compiler cache serves both.
"$environment/bin/pip" install --quiet --disable-pip-version-check '.[test]' \
  --config-settings=cmake.define.CMAKE_CXX_COMPILER=clang++-14 --config-settings=cmake.define.CMAKE_CXX_EXTENSIONS=OFF \
  --config-settings=cmake.define.GEMMA3N_WARNINGS_AS_ERRORS=ON

cmake --preset clang >/dev/null
cmake --build --preset clang --target write_checkpoint
export GEMMA3N_WRITE_CHECKPOINT=$PWD/build/clang/tests/golden/multimodal/write_checkpoint
"$environment/bin/python" -W error -m pytest -q tests/python
