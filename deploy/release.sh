#!/usr/bin/env bash
# A release in target/release-VERSION: programs, packages, SBOM, licences, checksums, signature. Run on a
# clean checkout; the same commit, compiler and path give the same bytes.
#
#   deploy/release.sh                     builds, packs, signs with RELEASE_KEY (Ed25519, PEM)
#   RELEASE_KEY=FILE                      openssl genpkey -algorithm ed25519 -out FILE (mode 0600); without
#                                         it nothing is signed, and that is said
#   openssl pkeyutl -verify -pubin -inkey release.pub -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
# Paths of this machine stay out of the programs.
export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=minewatch --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
say() { printf 'release: %s\n' "$*"; }
out=target/release-$version
rm -rf "$out"; mkdir -p "$out" target/packages

if [ -n "$(git status --porcelain)" ]; then say "the checkout is not clean: this is no release"; dirty=1; fi
if [ -z "${SKIP_BUILD:-}" ]; then cargo build --release --locked --workspace --bins; fi
packages="minewatch-aggregator minewatch-gateway"
# shellcheck disable=SC2086
deploy/sbom.py sbom $packages > "$out/sbom.cdx.json"
# shellcheck disable=SC2086
deploy/sbom.py licences $packages > target/packages/licences.txt
cp target/packages/licences.txt "$out/"
deploy/package.sh release
cp target/packages/*_"$version"_*.deb "$out/"
stage=$(mktemp -d target/stage.XXXXXX)
mkdir "$stage/minewatch-$version"
for program in aggregator gateway gateway-vision simulator; do
  [ -x "target/release/$program" ] && install -m 0755 "target/release/$program" "$stage/minewatch-$version/"
done
cp -r deploy/mosquitto deploy/systemd deploy/monitoring deploy/kubernetes deploy/container firmware-configs LICENSE README.md CHANGELOG.md docs "$stage/minewatch-$version/"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$stage" -cf - "minewatch-$version" | gzip -n9 > "$out/minewatch-$version-$(uname -m).tar.gz"
rm -rf "$stage"
printf '{"version":"%s","commit":"%s","clean":%s,"rustc":"%s"}\n' "$version" "$(git rev-parse HEAD)" "$([ -z "${dirty:-}" ] && echo true || echo false)" "$(rustc --version)" > "$out/build.json"
(cd "$out" && sha256sum -- * > SHA256SUMS)
if [ -n "${RELEASE_KEY:-}" ]; then
  openssl pkey -in "$RELEASE_KEY" -pubout -out "$out/release.pub"
  openssl pkeyutl -sign -inkey "$RELEASE_KEY" -rawin -in "$out/SHA256SUMS" -out "$out/SHA256SUMS.sig"
  openssl pkeyutl -verify -pubin -inkey "$out/release.pub" -rawin -in "$out/SHA256SUMS" -sigfile "$out/SHA256SUMS.sig" > /dev/null
  say "signed"
else
  say "not signed: give RELEASE_KEY"
fi
say "$out"; ls -l "$out"
