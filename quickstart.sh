#!/usr/bin/env bash
# Installs what is missing, builds the program and shows it at work:
#   ./quickstart.sh [MODEL_DIR ["PROMPT"]]
# Without a model folder, the demonstration model (a toy) tells what is in a picture, writes down what is
# said in a sound, and answers a spoken question about a picture.
set -euo pipefail
cd "$(dirname "$0")"
tools/install_packages.sh build

cmake --preset release -DGEMMA3N_BUILD_TESTS=OFF >&2
cmake --build --preset release >&2

gemma3n=build/release/apps/cli/gemma3n
"$gemma3n" info >&2
if [ $# -gt 0 ]; then
  exec "$gemma3n" run "$1" "${2:-Why is the sky blue?}" --max-tokens 64
fi

show() {
  printf '\n$ gemma3n'
  printf ' %q' "$@"
  printf '\n'
  "$gemma3n" "$@"
}
samples=examples/media
show run --image $samples/star.png "What is in the picture?"
show run --audio $samples/number.flac "Write down what is said."
show run --image $samples/shapes.png --audio $samples/question.flac
