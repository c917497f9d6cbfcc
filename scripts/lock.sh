#!/usr/bin/env bash
# Compiles requirements/*.in into hashed files for every supported Python. Usage: scripts/lock.sh UV [--upgrade]
set -euo pipefail

uv="$1"
shift

compile() {
    "$uv" pip compile --quiet --universal --generate-hashes --python-version 3.11 --fork-strategy fewest \
        --no-emit-index-url --no-emit-find-links --no-header "$@"
}

compile "$@" requirements/uv.in --output-file requirements/uv.txt
compile "$@" --all-extras pyproject.toml requirements/test.in --output-file requirements/test.txt
compile "$@" requirements/dev.in --output-file requirements/dev.txt
compile "$@" requirements/docs.in --output-file requirements/docs.txt
compile "$@" --no-deps requirements/oracle.in --output-file requirements/oracle.txt
compile "$@" requirements/audit.in --output-file requirements/audit.txt
