# Everything a newcomer needs: `make demo`, `make test`. `make help` lists the rest.
PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)))')
VENV := .venv
BIN := $(VENV)/bin
UV := uv==0.13.9
RESULTS := results
export PYTHONHASHSEED = 0

.PHONY: help setup demo test lint docs site bench lock clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

setup: $(VENV)/.installed ## make .venv and install the locked versions

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, found " + sys.version if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: setup ## run everything on the synthetic dataset and print the scores
	$(BIN)/snakemake --cores $(CORES)
	@$(BIN)/ssenet results $(RESULTS)/shapes/report/results.json
	@echo "Report: $(RESULTS)/shapes/report/index.html"

test: lint ## all checks and all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

lint: setup ## style, types, the workflow's own lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

docs: setup ## write docs/configuration.md, config.schema.json and the drawing in README.md anew
	$(BIN)/python docs/make_configuration.py
	$(BIN)/python docs/make_rule_graph.py

site: setup ## build the documentation site into site/
	$(BIN)/zensical build --strict --clean

bench: setup ## measure every speed claim against its plain alternative, into docs/benchmarks.md
	$(BIN)/python benchmarks/page.py

lock: ## resolve requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
	    --no-annotate --no-header --constraint envs/pins.txt pyproject.toml envs/build.txt --output-file requirements.lock

clean: ## remove the environment (results stay)
	rm -rf $(VENV)
