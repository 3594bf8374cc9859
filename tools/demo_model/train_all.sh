#!/usr/bin/env bash
# Makes the data, trains, and writes models/demo:   tools/demo_model/train_all.sh PYTHON WORK
# PYTHON: of an environment with tools/reference/requirements.txt. Goes on where it stopped.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:?give the Python of the reference environment}
work=${2:?give a folder for data and states, 1 GB}

# Memory that was freed is kept: a third of the time was spent getting it back.
export MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=4000000000 OMP_NUM_THREADS=1
mkdir -p "$work"
"$python" tools/demo_model/train_vision.py "$work" &
vision=$!
"$python" tools/demo_model/speech.py "$work"
"$python" tools/demo_model/train_audio.py "$work"
wait "$vision"
"$python" tools/demo_model/train.py "$work"
"$python" tools/demo_model/export.py "$work" models/demo
"$python" tools/demo_model/make_dataset.py "$work/dataset" --seed 3000
build/release/apps/cli/gemma3n eval models/demo "$work/dataset/dataset.jsonl" --results "$work/answers.jsonl" \
  --json > "$work/eval.json"
"$python" tools/demo_model/write_card.py "$work/eval.json" models/demo/README.md
