#!/usr/bin/env bash
# Tries a wheel as its users get it: an empty environment, the `onnx` extra, one answer over REST and gRPC.
# Usage: scripts/check-wheel.sh UV PYTHON WHEEL
set -euo pipefail

uv="$1"
python="$2"
wheel="$(realpath "$3")"
limit_mb=60

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
grep -oE '^[a-z0-9_-]+==[^ ;]+' requirements/test.txt >"$folder/versions.txt"
"$uv" venv --quiet --python "$python" "$folder/venv"
VIRTUAL_ENV="$folder/venv" "$uv" pip install --quiet --link-mode copy --constraint "$folder/versions.txt" "$wheel[onnx]"

# The runtime and numpy are what somebody who serves ONNX has anyway; everything else is the price of Turnout.
size_mb="$(du --summarize --block-size=1M --exclude='numpy*' --exclude='onnxruntime*' "$folder"/venv/lib/python*/site-packages |
    cut -f 1)"
echo "installed: $size_mb MB besides numpy and onnxruntime; allowed: $limit_mb MB"
[ "$size_mb" -lt "$limit_mb" ] || {
    echo "error: the wheel and its dependencies are too large" >&2
    exit 1
}
cd "$folder"
time env -i PATH="$folder/venv/bin:/usr/bin:/bin" HOME="$folder" turnout demo --quick
