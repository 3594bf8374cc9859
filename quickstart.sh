#!/usr/bin/env bash
# Installs what is missing, builds the program and answers a prompt:
#   ./quickstart.sh [MODEL_DIR ["PROMPT"]]
# Without a model folder it runs a tiny one with random weights that comes with the tests: its words
# mean nothing, but every step is the real one.
set -euo pipefail
cd "$(dirname "$0")"
tools/install_packages.sh build

cmake --preset release -DGEMMA3N_BUILD_TESTS=OFF >&2
cmake --build --preset release >&2

gemma3n=build/release/apps/cli/gemma3n
model=${1:-}
prompt=${2:-Why is the sky blue?}
if [ -z "$model" ]; then
  model=tests/golden/fixtures/checkpoints/chat
  echo "no model given: running $model, whose weights are random" >&2
fi
"$gemma3n" info >&2
exec "$gemma3n" run "$model" "$prompt" --max-tokens 64
