# `make tag MUSIC=path/to/album` and `make test` set up everything they need in .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MUSIC ?=
ARGS ?=

# A variable as one word of the shell, whatever is in it (A$AP Rocky); few shells expand the tilde in MUSIC=~/Music.
as_typed = $(subst '~/,~/','$(subst ','\'',$(value $1))')

.PHONY: help tag predict train test check lint format clean

help: ## show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

tag: $(VENV)/.base ## tag a folder of music: make tag MUSIC=path/to/album
	@test -n $(call as_typed,MUSIC) || { echo 'make tag: no music named, write make tag MUSIC=path/to/album' >&2; exit 2; }
	@$(BIN)/genretagd tag $(ARGS) $(call as_typed,MUSIC)

predict: $(VENV)/.base ## show what a folder of music sounds like; changes nothing
	@test -n $(call as_typed,MUSIC) || { echo 'make predict: no music named, write make predict MUSIC=path/to/album' >&2; exit 2; }
	@$(BIN)/genretagd predict $(ARGS) $(call as_typed,MUSIC)

train: $(VENV)/.train ## train a model: make train DATASET=path/to/dataset BUNDLE=path/to/bundle
	@test -n $(call as_typed,DATASET) && test -n $(call as_typed,BUNDLE) || \
		{ echo 'make train: write make train DATASET=path/to/dataset BUNDLE=path/to/bundle' >&2; exit 2; }
	@$(BIN)/genretagd train $(ARGS) $(call as_typed,DATASET) -o $(call as_typed,BUNDLE)

test: $(VENV)/.test ## run all tests
	$(BIN)/python -m pytest $(ARGS)

check: lint test ## lint, types, layers and tests

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.lint ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the environment and all caches
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/.venv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.base: $(VENV)/.venv pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.train: $(VENV)/.base pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	@touch $@

$(VENV)/.test: $(VENV)/.train pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[train,plugins]' --group test
	@touch $@

$(VENV)/.lint: $(VENV)/.test pyproject.toml
	$(BIN)/python -m pip install --quiet --group lint
	@touch $@
