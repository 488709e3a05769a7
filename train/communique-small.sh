#!/bin/sh
# Train the model that ships in models/communique-small, export it, and print the parity check of the export.
# Usage: train/communique-small.sh [TEXTS]   (TEXTS: file or folder with the texts of data/reference)
# Without TEXTS, the model is trained on data/authored only. The script prints which data it uses.
# To resume an interrupted run, run the same command again.
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
texts=${1:-}

"$bin/communique" train train/recipes/communique-small.yaml --out runs/communique-small --overwrite ${texts:+--texts "$texts"}
# A model trained without the texts of data/reference is weaker and must not replace the shipped one.
out=${texts:+models/communique-small}
"$bin/communique" export runs/communique-small --out "${out:-runs/communique-small-bundle}" --overwrite
