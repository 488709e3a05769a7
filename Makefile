# Everything happens in .venv. `make label` and `make test` create it; no other set-up is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Tests run on all cores, at most four, because each worker needs about 2 GB. The tests of a file stay together and share fixtures.
# Each worker, and each process that its tests start, uses one core.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile
# Folder or file with the texts of data/reference, which are not part of the project; see data/README.md.
TEXTS ?=

.PHONY: label test check soak folds train bench peers tables docs clean

label: $(VENV)/base
	$(BIN)/communique label seeds/*.txt

# The fast tests run first, so that most failures are reported within minutes.
test: $(VENV)/full
	$(PYTEST) -m "not slow and not soak"
	$(PYTEST) -m "slow and not soak"

check: $(VENV)/full
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow and not soak"

# The longest checks. `make test` runs a short form of each.
soak: $(VENV)/full
	$(BIN)/python -m pytest -m soak

# The shipped model. `folds` computes and stores out-of-fold predictions for hours and can be interrupted; `train` uses them.
folds: $(VENV)/full
	BIN=$(BIN) sh train/communique-small.sh folds $(TEXTS)

train: $(VENV)/full
	BIN=$(BIN) sh train/communique-small.sh train $(TEXTS)

bench: $(VENV)/full
	$(BIN)/python benchmarks/speed.py $(if $(TEXTS),--texts $(TEXTS))

# Environments of the programs that `make bench` compares with.
peers: $(patsubst benchmarks/peers/%.txt,runs/peers/%/made,$(wildcard benchmarks/peers/*.txt))

runs/peers/%/made: benchmarks/peers/%.txt
	$(PYTHON) -m venv runs/peers/$*
	runs/peers/$*/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	# optimum-intel asks for torchvision. The build on PyPI is for CUDA, does not load next to a CPU build
	# of torch, and is not needed for text.
	runs/peers/$*/bin/python -m pip uninstall --quiet --yes torchvision
	touch $@

# Write the tables of README, benchmarks/README and docs from benchmarks/results.
tables: $(VENV)/full
	$(BIN)/python benchmarks/tables.py --write

# Build the documentation into runs/site. Every warning is an error.
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict -f docs/site/mkdocs.yml

clean:
	rm -rf $(VENV) runs

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/base: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e .
	touch $@

$(VENV)/docs: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e ".[docs]"
	touch $@ $(VENV)/base

$(VENV)/full: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e ".[train,analysis,app,documents,ray,setfit,docs,dev]"
	touch $@ $(VENV)/base
