#!/bin/sh
# Train the model that ships in models/communique-small, export it, and print the parity check of the export.
# Usage: train/communique-small.sh [TEXTS]   (TEXTS: file or folder with the texts of data/reference)
# Without TEXTS it trains on data/authored alone; what it trains on is printed.
# A killed run resumes where it stopped when the same command is run again.
set -eu
cd "$(dirname "$0")/.."
bin=${BIN:-.venv/bin}
texts=${1:-}

"$bin/communique" train train/recipes/communique-small.yaml --out runs/communique-small --overwrite ${texts:+--texts "$texts"}
# Without the texts of data/reference the model is weaker, and it must not replace the one that ships.
out=${texts:+models/communique-small}
"$bin/communique" export runs/communique-small --out "${out:-runs/communique-small-bundle}" --overwrite
