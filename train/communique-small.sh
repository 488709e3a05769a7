#!/bin/sh
# Train the model that ships in models/communique-small, export it, and print the parity check of the export.
# Usage: train/communique-small.sh folds|train [TEXTS]   (TEXTS: file or folder with the texts of data/reference)
# `folds` computes the out-of-fold predictions and stores them in runs/. `train` computes those that are missing, tunes the model on
# them and trains it once on all rows. Without TEXTS, the model is trained on data/authored only. The script prints which data it uses.
# To resume an interrupted run, run the same command again.
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
step=${1:?"name the step: folds or train"}
texts=${2:-}
run=runs/communique-small

set -- train/recipes/communique-small.yaml --out "$run" --folds "$run.folds" ${texts:+--texts "$texts"}
case $step in
folds) "$bin/communique" train "$@" --only-folds ;;
train)
  "$bin/communique" train "$@" --overwrite
  # A model trained without the texts of data/reference is weaker and must not replace the shipped one.
  out=${texts:+models/communique-small}
  "$bin/communique" export "$run" --out "${out:-$run-bundle}" --overwrite
  ;;
*) echo "unknown step: $step. Name folds or train" >&2; exit 2 ;;
esac
