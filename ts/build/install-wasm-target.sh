#!/usr/bin/env bash
# Puts what `npm run build:wasm` needs on a Debian machine where rustup is not at hand: Debian's compiler, its linker for
# WebAssembly, and the sources of the standard library, which that command compiles. Does nothing where they are there already.
set -euo pipefail

sources=/usr/lib/rustlib/src/rust/library/std/Cargo.toml
if [ -x /usr/bin/rustc ] && [ -e "$sources" ] && compgen -G '/usr/bin/wasm-ld*' >/dev/null; then exit 0; fi
command -v apt-get >/dev/null || { echo 'apt-get is not here: use rustup target add wasm32-unknown-unknown' >&2; exit 1; }

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
apt() { DEBIAN_FRONTEND=noninteractive $sudo apt-get -o DPkg::Lock::Timeout=300 -qq "$@" >/dev/null; }
apt update
# lld's package carries its version; the compiler's own LLVM is as good as any newer one.
lld=$(apt-cache search --names-only '^lld-[0-9]+$' | sed 's/ .*//' | sort -t- -k2 -n | tail -1)
apt install -y --no-install-recommends rustc-web cargo-web rust-web-src "$lld"
