#!/usr/bin/env bash
# Puts a Rust compiler for wasm32-unknown-unknown on a Debian machine where rustup is not at hand: Debian's rustc-web, its linker,
# and a standard library built from Debian's sources (about a minute). Does nothing where it is there already.
set -euo pipefail

target=wasm32-unknown-unknown
library=/usr/lib/rustlib/$target/lib
if compgen -G "$library/libstd-*.rlib" >/dev/null; then exit 0; fi
command -v apt-get >/dev/null || { echo "apt-get is not here: use rustup target add $target" >&2; exit 1; }

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
apt() { DEBIAN_FRONTEND=noninteractive $sudo apt-get -o DPkg::Lock::Timeout=300 -qq "$@" >/dev/null; }
apt update
# lld's package carries its version; the compiler's own LLVM is as good as any newer one.
lld=$(apt-cache search --names-only '^lld-[0-9]+$' | sed 's/ .*//' | sort -t- -k2 -n | tail -1)
apt install -y --no-install-recommends rustc-web cargo-web rust-web-src "$lld"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/src" "$work/.cargo"
cat > "$work/Cargo.toml" <<'TOML'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"
[profile.release]
panic = "abort"
TOML
echo 'pub fn probe() {}' > "$work/src/lib.rs"
cat > "$work/.cargo/config.toml" <<'TOML'
[source.crates-io]
replace-with = "std-vendor"
[source.std-vendor]
directory = "/usr/lib/rustlib/src/rust/library/vendor"
TOML
(
  cd "$work"
  PATH=/usr/bin:$PATH RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/target" \
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="wasm-ld-${lld#lld-}" \
    /usr/bin/cargo build --quiet --release --offline --target $target -Zbuild-std=std,panic_abort
)
$sudo mkdir -p "$library"
find "$work/target/$target/release/deps" -name '*.rlib' ! -name 'libprobe-*' -exec $sudo cp {} "$library/" \;
