#!/usr/bin/env bash
# Refuses, in words, a machine on which the build cannot work. Usage: scripts/check-machine.sh PYTHON
set -euo pipefail

python="${1:-python3}"
oldest_glibc="2.34"
oldest_rust="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"

refuse() {
    printf 'error: %s\n' "$1" >&2
    printf 'hint: %s\n' "$2" >&2
    exit 1
}

# True when version $1 is at least version $2.
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

system="$(uname -s)"
[ "$system" = Linux ] ||
    refuse "Turnout runs on Linux only; got: \`$system\`" "use a Linux machine, a virtual machine or a container"

machine="$(uname -m)"
case "$machine" in
    x86_64 | aarch64) ;;
    *) refuse "Turnout supports \`x86_64\` and \`aarch64\`; got: \`$machine\`" "use one of these processors" ;;
esac

glibc="$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2 || true)"
[ -n "$glibc" ] ||
    refuse "Turnout needs the GNU C library" "use a distribution that has glibc $oldest_glibc or newer (not Alpine)"
at_least "$glibc" "$oldest_glibc" ||
    refuse "glibc is too old; expected $oldest_glibc or newer, got: $glibc" "use a newer distribution"

command -v "$python" >/dev/null ||
    refuse "there is no \`$python\`" "install Python 3.11 or newer: \`sudo apt install python3 python3-venv\`, or name one: \`make PYTHON=/path/to/python3\`"
version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" ||
    refuse "\`$python\` does not run" "name another: \`make PYTHON=/path/to/python3\`"
at_least "$version" 3.11 ||
    refuse "Python is too old; expected 3.11 or newer, got: $version" "name a newer one: \`make PYTHON=python3.11\`"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    refuse "\`$python\` has no \`venv\` module" "\`sudo apt install python$version-venv\` (as root without \`sudo\`)"

command -v cargo >/dev/null ||
    refuse "there is no \`cargo\`" "install Rust $oldest_rust or newer with rustup, then open a new shell"
rust="$(rustc --version | cut -d ' ' -f 2)"
at_least "$rust" "$oldest_rust" ||
    refuse "Rust is too old; expected $oldest_rust or newer, got: $rust" "\`rustup update stable\`"
command -v cc >/dev/null ||
    refuse "there is no linker \`cc\`" "\`sudo apt install gcc libc6-dev\`"
