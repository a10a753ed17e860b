#!/usr/bin/env bash
# Makes the Debian packages of gateway and aggregator in target/packages from binaries that are built.
#
#   deploy/package.sh [PROFILE]        PROFILE: release (default) or debug
#   VERSION=1.2.3                      another version than the workspace's
#   ARCH=arm64 TARGET=aarch64-unknown-linux-gnu   packages of a cross build (docs/operations.md)
#
# The same sources and compiler give the same bytes: times come from the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}
arch=${ARCH:-$(dpkg --print-architecture)}
target=${TARGET:-}
bin=target/${target:+$target/}$profile
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
out=target/packages
mkdir -p "$out"
say() { printf 'package: %s\n' "$*"; }

# A debug package is only tried out: quick to make is better than small.
if [ "$profile" = release ]; then pack=-Zxz; else pack="-Zgzip -z1"; fi
case $arch in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) say "no packages for $arch"; exit 1 ;; esac

control() { # package depends recommends description...
  cat > "$root/DEBIAN/control" <<EOF
Package: $1
Version: $version
Architecture: $arch
Maintainer: Minewatch
Section: net
Priority: optional
Depends: $2
Recommends: $3
Description: $4
$5
EOF
}

documents() { # package
  local doc=$root/usr/share/doc/$1
  mkdir -p "$doc"
  cp docs/operations.md docs/security.md README.md CHANGELOG.md "$doc/"
  cp LICENSE "$doc/copyright"
  [ -f "$out/licences.txt" ] && cp "$out/licences.txt" "$doc/"
  return 0
}

finish() { # package
  # Everything that is configuration and shipped is kept when its owner changed it.
  (cd "$root" && find etc -type f -printf '/%p\n' | LC_ALL=C sort) > "$root/DEBIAN/conffiles"
  for script in postinst prerm postrm; do
    install -m 0755 "deploy/debian/${1#minewatch-}/$script" "$root/DEBIAN/$script"
  done
  (cd "$root" && find . -path ./DEBIAN -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum | sed 's|  \./|  |') > "$root/DEBIAN/md5sums"
  chmod -R go-w "$root"
  find "$root" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
  dpkg-deb --root-owner-group $pack --build "$root" "$out/$1_${version}_$arch.deb" > /dev/null
  say "$out/$1_${version}_$arch.deb ($(du -h "$out/$1_${version}_$arch.deb" | cut -f1))"
  rm -rf "$root"
}

stage() { root=$(mktemp -d "$PWD/target/stage.XXXXXX"); mkdir -p "$root/DEBIAN"; chmod 0755 "$root" "$root/DEBIAN"; }

program() { # from to
  install -D -m 0755 "$bin/$1" "$root/$2"
  "${STRIP:-strip}" --strip-unneeded "$root/$2"
}

gateway() {
  local lib=usr/lib/minewatch-gateway more=""
  stage
  program gateway "$lib/bin/gateway"
  if [ -x "$bin/gateway-vision" ]; then program gateway-vision "$lib/bin/gateway-vision"; else say "no $bin/gateway-vision: the package watches no cameras"; fi
  mkdir -p "$root/usr/bin" "$root/etc/minewatch-gateway"
  ln -s "../lib/minewatch-gateway/bin/gateway" "$root/usr/bin/minewatch-gateway"
  if [ -e "vendor/ort/$machine/libonnxruntime.so.1" ]; then
    install -D -m 0644 "$(readlink -f "vendor/ort/$machine/libonnxruntime.so.1")" "$root/$lib/lib/libonnxruntime.so.1"
    mkdir -p "$root/$lib/share/minewatch/models"
    cp vendor/models/* "$root/$lib/share/minewatch/models/"
  else
    say "no ONNX Runtime for $machine: the package watches no cameras"
  fi
  cp -r firmware-configs/sensors firmware-configs/cameras "$root/etc/minewatch-gateway/"
  mkdir -p "$root/usr/share/minewatch-gateway/examples"
  cp -r firmware-configs/sites/. "$root/usr/share/minewatch-gateway/examples/"
  install -D -m 0644 deploy/systemd/minewatch-gateway.service "$root/lib/systemd/system/minewatch-gateway.service"
  install -m 0644 deploy/systemd/minewatch-gateway-renew.{service,timer} "$root/lib/systemd/system/"
  documents minewatch-gateway
  more="libgstreamer1.0-0, gstreamer1.0-plugins-base, gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad, gstreamer1.0-libav"
  control minewatch-gateway "libc6 (>= 2.36), libgcc-s1, adduser" "$more" "Minewatch site gateway" \
    " Reads instruments, decides and sounds alarms on site, keeps every record in a
 ledger on its own disk and forwards it to headquarters. Watches cameras where
 the recommended packages are installed."
  finish minewatch-gateway
}

aggregator() {
  stage
  program aggregator usr/bin/minewatch-aggregator
  mkdir -p "$root/etc/minewatch-aggregator" "$root/usr/share/minewatch-aggregator"
  install -m 0640 deploy/debian/aggregator/aggregator.toml "$root/etc/minewatch-aggregator/aggregator.toml"
  cp aggregator/aggregator.example.toml "$root/usr/share/minewatch-aggregator/"
  cp -r deploy/mosquitto deploy/monitoring firmware-configs/regulator "$root/usr/share/minewatch-aggregator/"
  install -D -m 0644 deploy/systemd/minewatch-aggregator.service "$root/lib/systemd/system/minewatch-aggregator.service"
  install -m 0644 deploy/systemd/minewatch-crl.{path,service} "$root/lib/systemd/system/"
  documents minewatch-aggregator
  control minewatch-aggregator "libc6 (>= 2.36), libgcc-s1, adduser" "mosquitto" "Minewatch headquarters aggregator" \
    " Commits what gateways send to a database, acknowledges it, keeps alarms and
 cases, notifies people, serves the console and publishes topics of headquarters."
  finish minewatch-aggregator
}

gateway
aggregator
(cd "$out" && sha256sum ./*_"${version}"_"$arch".deb) > "$out/SHA256SUMS.$arch"
