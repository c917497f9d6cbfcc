# The one list of commands: people, pre-commit and .ci/run call only these.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
REQUIREMENTS := $(addprefix requirements/,uv.txt test.txt dev.txt docs.txt)
REQUIREMENTS_HASH := $(shell cat $(REQUIREMENTS) | sha256sum | cut -c 1-16)
INSTALLED := .venv/.installed-$(REQUIREMENTS_HASH)
EDITABLE := .venv/.editable-$(shell sha256sum < pyproject.toml | cut -c 1-16)
BUILT_LIBRARY := target/release/lib_dataplane.so
LIBRARY := python/turnout/_dataplane.abi3.so

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(INSTALLED) rust ## Make .venv with Turnout and everything that the tests and lints need

# pip brings only uv, both checked against committed hashes; uv brings the rest in seconds.
$(INSTALLED): export VIRTUAL_ENV := $(CURDIR)/.venv
$(INSTALLED):
	@scripts/check-machine.sh $(PYTHON)
	@test -x $(BIN)/python || { echo "Making .venv"; $(PYTHON) -m venv .venv; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt
	@echo "Installing the Python packages (about 350 MB to download the first time)"
	@$(BIN)/uv pip sync --quiet --require-hashes $(REQUIREMENTS)
	@rm -f .venv/.installed-* .venv/.editable-*
	@touch $@

# Cargo decides what is stale. The library is replaced, never written in place: a running server has it mapped.
.PHONY: rust
rust: $(EDITABLE)
	@cargo build --release --locked --package turnout-py
	@cmp --silent $(BUILT_LIBRARY) $(LIBRARY) || install -m 755 $(BUILT_LIBRARY) $(LIBRARY)

# Puts the `turnout` command and an editable installation into .venv; needed again only when pyproject.toml changes.
$(EDITABLE): export VIRTUAL_ENV := $(CURDIR)/.venv
$(EDITABLE): export PATH := $(CURDIR)/$(BIN):$(PATH)
$(EDITABLE): $(INSTALLED)
	@test -d target/release/deps || echo "Building the data plane (Rust; about 2 minutes on 2 cores the first time)"
	@cargo build --release --locked --package turnout-py
	@rm -f $(LIBRARY)
	@maturin develop --release --locked --uv > /dev/null
	@rm -f .venv/.editable-*
	@touch $@

.PHONY: clean
clean: ## Remove everything that was built or installed here
	rm -rf .venv .tools target site build dist out .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find python tests -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f python/turnout/_dataplane*.so
