#!/usr/bin/env bash
# Replays the committed corpus of every fuzz target, then searches for SECONDS in each. Usage: scripts/fuzz.sh SECONDS
#
# The targets are ordinary binaries on stable Rust: libFuzzer is linked by libfuzzer-sys, and its coverage counters are put
# in by the compiler passes below. What is found on the way stays under target/fuzz; fuzz/corpus/TARGET is committed.
set -euo pipefail

seconds="$1"
host="$(rustc --version --verbose | sed -n 's/^host: //p')"
out="target/fuzz"

command -v c++ >/dev/null || {
    echo "error: there is no C++ compiler \`c++\`, which libFuzzer is built with" >&2
    echo "hint: \`sudo apt install g++\`" >&2
    exit 1
}

export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
cargo build --release --locked --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$out"

# Runs a target without libFuzzer's small talk; what it says about a failure stays.
quietly() {
    "$@" 2>&1 | { grep -vE '^("|#+ |WARNING: Failed to find function|INFO: |stat::(average|new|slowest|peak))' || true; }
}

for source in fuzz/src/bin/*.rs; do
    name="$(basename "$source" .rs)"
    binary="$out/$host/release/$name"
    corpus="fuzz/corpus/$name"
    found="$out/corpus/$name"
    mkdir -p "$found" "$out/artifacts"
    [ -d "$corpus" ] || {
        echo "error: the fuzz target has no corpus: \`$corpus\`" >&2
        exit 1
    }
    echo "fuzz $name: the corpus once, then $seconds s"
    limits=(-timeout=10 -rss_limit_mb=2048 -verbosity=0 -artifact_prefix="$out/artifacts/$name-")
    quietly "$binary" -runs=0 "${limits[@]}" "$corpus"
    quietly "$binary" -max_total_time="$seconds" -print_final_stats=1 "${limits[@]}" "$found" "$corpus"
done
