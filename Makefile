# The one list of commands: people, pre-commit and .ci/run call only these.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
REQUIREMENTS := $(addprefix requirements/,uv.txt test.txt dev.txt docs.txt)
REQUIREMENTS_HASH := $(shell cat $(REQUIREMENTS) requirements/oracle.txt | sha256sum | cut -c 1-16)
DENY_VERSION := 0.20.2
DENY := .tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
ORACLE := requirements/oracle.txt
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
	@echo "Installing the Python packages (about 650 MB to download the first time)"
	@$(BIN)/uv pip sync --quiet --require-hashes $(REQUIREMENTS)
	@rm -rf .venv/oracle
	@for package in tensorflow-protobuf tensorflow-serving-api; do \
	    awk -v package="$$package" '/^[a-z]/ { wanted = index($$0, package "==") } wanted' $(ORACLE) | \
	    $(BIN)/uv pip install --quiet --no-deps --require-hashes --target .venv/oracle --requirement -; \
	done
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

.PHONY: demo
demo: setup ## Watch a model be replaced and rolled back under load (KEEP=1 leaves the server up)
	@$(BIN)/turnout demo $(if $(KEEP),--keep)

.PHONY: test
test: setup test-rust test-python test-fuzz test-load ## Set up what is missing, then run every test

# cargo-nextest is used where it is installed; nobody waits minutes for it to compile.
.PHONY: test-rust
test-rust: $(INSTALLED)
	@if cargo nextest --version > /dev/null 2>&1; \
	    then cargo nextest run --release --workspace --locked; \
	    else cargo test --release --workspace --locked --quiet; fi

.PHONY: test-python
test-python: setup
	@$(BIN)/pytest

.PHONY: test-fuzz
test-fuzz: $(INSTALLED)
	@scripts/fuzz.sh 20

.PHONY: fuzz
fuzz: $(INSTALLED) ## Search every decoder for inputs that break it (DURATION_S=300 each)
	@scripts/fuzz.sh $(or $(DURATION_S),300)

.PHONY: bench
bench: setup load-tool ## Measure requests/s and latency on this machine (about 8 minutes; PUBLISH=1 writes the docs page)
	@$(BIN)/python -m bench.run $(if $(PUBLISH),--publish)

# Apart from the others: each of these servers wants the machine for itself.
.PHONY: test-load
test-load: setup load-tool
	@$(BIN)/pytest -m load

.PHONY: load-tool
load-tool: $(INSTALLED)
	@cargo build --release --locked --quiet --package turnout-load

LINTS := lint-python lint-types lint-imports lint-stub lint-text lint-rust lint-crates docs
.PHONY: lint $(LINTS)
lint: $(LINTS) ## Check formats, types, imports, licences, spelling and docs

lint-python: $(INSTALLED)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet

lint-types: setup
	@$(BIN)/pyright

lint-imports: setup
	@$(BIN)/lint-imports --no-logo

lint-stub: setup
	@$(BIN)/stubtest turnout._dataplane --mypy-config-file pyproject.toml

lint-text: $(INSTALLED)
	@$(BIN)/typos

lint-rust: $(INSTALLED)
	@cargo fmt --all --check
	@cargo fmt --manifest-path fuzz/Cargo.toml --check
	@cargo clippy --release --workspace --all-targets --locked --quiet -- --deny warnings

lint-crates: $(DENY)
	@cargo fetch --locked --quiet
	@cargo fetch --locked --quiet --manifest-path fuzz/Cargo.toml
	@$(DENY) --offline --locked --log-level error check bans licenses sources
	@$(DENY) --manifest-path fuzz/Cargo.toml --offline --locked --log-level error --config deny.toml check licenses sources

.PHONY: format
format: $(INSTALLED) ## Format the sources and mend what can be mended automatically
	cargo fmt --all
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED) ## Build the documentation into site/, with warnings as errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --clean

# From the build that the tests use; PROFILE=wheel is slower to build and faster to serve (docs/decisions/0002).
PROFILE ?= release
.PHONY: wheel
wheel: export VIRTUAL_ENV := $(CURDIR)/.venv
wheel: setup ## Build the wheel into dist/ and try it in an empty environment (PROFILE=wheel for publication)
	@rm -rf dist
	@$(BIN)/maturin build --profile $(PROFILE) --locked --out dist > /dev/null
	@scripts/check-wheel.sh $(CURDIR)/$(BIN)/uv $(CURDIR)/$(BIN)/python dist/*.whl

.PHONY: docs-reference
docs-reference: setup ## Write docs/reference anew from the code
	@$(BIN)/python -m scripts.reference

.PHONY: audit
audit: $(INSTALLED) $(DENY) ## Ask the advisory databases about every dependency (needs a network)
	@test -x .tools/audit/bin/python || $(BIN)/uv venv --quiet .tools/audit
	@VIRTUAL_ENV=$(CURDIR)/.tools/audit $(BIN)/uv pip sync --quiet --require-hashes requirements/audit.txt
	@failed=; $(DENY) --locked check advisories || failed=yes; \
	for file in $(REQUIREMENTS) $(ORACLE); do \
	    .tools/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement $$file || failed=yes; \
	done; test -z "$$failed"

.PHONY: notebook
notebook: $(INSTALLED) ## Write the guides' notebooks anew from their scripts
	@$(BIN)/jupytext --quiet --to ipynb docs/guides/mnist-tf-serving/mnist.py

.PHONY: lock
lock: $(INSTALLED) ## Resolve the Python requirements again, keeping the versions that still fit (UPGRADE=1 takes the newest)
	@scripts/lock.sh $(BIN)/uv $(if $(UPGRADE),--upgrade)

$(DENY):
	@scripts/check-machine.sh $(PYTHON)
	@echo "Building cargo-deny $(DENY_VERSION) into .tools (about 4 minutes on 2 cores, once)"
	@cargo install cargo-deny --version $(DENY_VERSION) --locked --quiet --root .tools/cargo-deny-$(DENY_VERSION)

.PHONY: clean
clean: ## Remove everything that was built or installed here
	rm -rf .venv .tools target site build dist out .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find python tests -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f python/turnout/_dataplane*.so
