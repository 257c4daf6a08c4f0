# Every target sets itself up: Python 3.11 or newer, make and a network (or a pip cache) are all that a machine needs.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.lock
UV_VERSION := 0.13.9
# What is formatted, linted and typed. `wildcard`, because a release without benchmarks or examples is one too.
TYPED := $(wildcard src/limen examples benchmarks tools)
# A tree that some other tool left in the environment must not be imported in place of this one.
unexport PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.PHONY: help
help: ## list what make can do
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.ready ## start two real APIs behind Limen, print a key for each and calls to try
	@$(BIN)/limen demo

.PHONY: test
test: $(VENV)/.ready ## run the tests (make test T="tests/core -k scopes" for some of them)
	@$(BIN)/python -m pytest -n auto -m "not soak" $(T)

.PHONY: check
check: $(VENV)/.ready ## format, lint, types, imports, and the rules of the house
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/architecture

.PHONY: bench
bench: $(VENV)/.ready ## measure what has a budget (make bench B="gate --json" for one)
	@$(BIN)/python -m benchmarks $(B)

.PHONY: soak
soak: $(VENV)/.ready ## the long runs: load, kills, faults
	@$(BIN)/python -m pytest -m soak --timeout 0 tests/faults

.PHONY: fuzz
fuzz: $(VENV)/.ready ## made-up requests to all three APIs (make fuzz F="--api creator --max-examples 200")
	@$(BIN)/python -m tests.fuzz $(F)

.PHONY: docs
docs: $(VENV)/.ready ## write the generated pages and build the site into site/
	@$(BIN)/python -m tools.requirements
	@$(BIN)/zensical build --clean --strict

.PHONY: format
format: $(VENV)/.ready ## put the code into its format and mend what can be mended
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

.PHONY: lock
lock: $(VENV)/lock/bin/uv ## pin every dependency anew, with hashes
	@$(VENV)/lock/bin/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --upgrade --quiet --custom-compile-command "make lock" --output-file $(LOCK)

.PHONY: clean
clean: ## remove what make and the tools have made
	@rm -rf $(VENV) site build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests tools examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A Python is asked, not trusted by its name: shims answer to versions that are not installed, and some systems
# leave out what makes a virtual environment.
define find-python
for name in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	if "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		python=$$name; break; \
	fi; \
done; \
if [ -z "$${python:-}" ]; then \
	echo "No Python 3.11 or newer with venv and ensurepip was found (tried: $(strip $(PYTHON) python3.11) to python3.14, python3)." >&2; \
	echo "Install one (on Debian: apt-get install python3 python3-venv), or name it: make PYTHON=/path/to/python3 ..." >&2; \
	exit 1; \
fi
endef

# Made from nothing whenever the lock changes, so that the environment never holds what the lock does not.
$(VENV)/.locked: $(LOCK)
	@set -eu; $(find-python); \
	echo "setting up $(VENV) with $$("$$python" --version) ..."; \
	"$$python" -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --require-hashes --requirement $(LOCK)
	@touch $@

$(VENV)/.ready: $(VENV)/.locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/lock/bin/uv:
	@set -eu; $(find-python); "$$python" -m venv --clear $(VENV)/lock; \
	$(VENV)/lock/bin/python -m pip install --quiet uv==$(UV_VERSION)
