#!/usr/bin/env bash
# The packages of target/packages in a clean Debian 12 root: install, start, enrol, see values arrive,
# upgrade without losing anything, remove, purge. Needs root and debootstrap; MIRROR=URL chooses the mirror.
# The root is kept in target/debian12 and copied, so a second run needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$PWD/target/debian12
root=$PWD/target/package-root
say() { printf 'package-test: %s\n' "$*"; }
[ "$(id -u)" = 0 ] || { say "skipped: needs root"; exit 0; }
command -v debootstrap > /dev/null || { say "skipped: debootstrap is not installed"; exit 0; }
arch=$(dpkg --print-architecture)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
ls target/packages/*_"$version"_"$arch".deb > /dev/null || { say "no packages: make package first"; exit 1; }

if [ ! -d "$base/usr" ]; then
  say "Debian 12 root"
  rm -rf "$base.part"
  debootstrap --variant=minbase --include=adduser,ca-certificates,curl,systemd bookworm "$base.part" "${MIRROR:-http://deb.debian.org/debian}" > target/debootstrap.log 2>&1 || { tail -5 target/debootstrap.log; exit 1; }
  mv "$base.part" "$base"
fi
pids=()
clean() {
  for pid in "${pids[@]}"; do kill -9 "$pid" 2> /dev/null || true; done
  umount -l "$root/proc" "$root/dev" 2> /dev/null || true
}
trap clean EXIT
umount -l "$root/proc" "$root/dev" 2> /dev/null || true
rm -rf "$root"
cp -a --reflink=auto "$base" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
echo "127.0.0.1 localhost" > "$root/etc/hosts"
in_root() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
as() { user=$1; shift; in_root runuser -u "$user" -- "$@"; }
check() { if ! "${@:2}"; then say "FAILED: $1"; exit 1; fi; say "ok: $1"; }
wait_for() { # what seconds command...
  local what=$1 left=$(( $2 * 5 )); shift 2
  until "$@" > /dev/null 2>&1; do left=$((left - 1)); [ $left -gt 0 ] || { say "FAILED: $what: not in time"; tail -n 20 "$root"/tmp/*.log; exit 1; }; sleep 0.2; done
  say "ok: $what"
}
install_version() { cp target/packages/*_"$1"_"$arch".deb "$root/tmp/"; in_root sh -c "dpkg -i /tmp/minewatch-*_$1_$arch.deb" > target/dpkg.log 2>&1 || { cat target/dpkg.log; exit 1; }; }

# What the units say, done by hand: a chroot has no systemd of its own. The units are checked by systemd itself.
units="minewatch-gateway.service minewatch-gateway-renew.service minewatch-gateway-renew.timer minewatch-aggregator.service"
start() { # user log command...
  local user=$1 log=$2; shift 2
  chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs --bounding-set=-all "$@" > "$root/tmp/$log.log" 2>&1 &
  pids+=($!); last=$!
}
stop_last() { kill -TERM "$1"; wait "$1" 2> /dev/null || true; }

say "install $version"
install_version "$version"
check "both users exist" in_root sh -c 'id minewatch-gateway > /dev/null && id minewatch-aggregator > /dev/null'
check "state folders belong to them alone" in_root sh -c '[ "$(stat -c %U%a /var/lib/minewatch-gateway)" = minewatch-gateway700 ] && [ "$(stat -c %U%a /var/lib/minewatch-aggregator)" = minewatch-aggregator700 ]'
# shellcheck disable=SC2086
check "systemd accepts the units" in_root sh -c "cd /lib/systemd/system && systemd-analyze verify --man=no $units"
for unit in minewatch-gateway.service minewatch-aggregator.service; do
  score=$(in_root systemd-analyze security --offline=yes --no-pager "/lib/systemd/system/$unit" 2>/dev/null | sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')
  say "exposure of $unit (0 safe, 10 unsafe): ${score:-unknown}"
done
check "the programs run and know their version" in_root sh -c "minewatch-gateway --version | grep -q $version && minewatch-aggregator --version | grep -q $version"

say "headquarters with certificates"
port=$((20000 + RANDOM % 20000))
cat > "$root/etc/minewatch-aggregator/aggregator.toml" <<EOF
[store]
url = "sqlite:/var/lib/minewatch-aggregator/minewatch.db"
[broker]
listen = "127.0.0.1:$((port + 1))"
listen_v4 = "127.0.0.1:$((port + 2))"
[identity]
dir = "/var/lib/minewatch-aggregator/identity"
broker_url = "mqtts://localhost:8883"
[http]
listen = "127.0.0.1:$port"
read_token_file = "/var/lib/minewatch-aggregator/read-token"
EOF
as minewatch-aggregator sh -c 'umask 077; echo "package test read token" > /var/lib/minewatch-aggregator/read-token'
settings=/etc/minewatch-aggregator/aggregator.toml
as minewatch-aggregator minewatch-aggregator ca init --config $settings > /dev/null
as minewatch-aggregator minewatch-aggregator ca issue localhost --role server --out /var/lib/minewatch-aggregator --config $settings > /dev/null
printf 'cert_file = "/var/lib/minewatch-aggregator/localhost.pem"\nkey_file = "/var/lib/minewatch-aggregator/localhost.key"\n' >> "$root$settings"
aggregator_up() { start minewatch-aggregator aggregator /usr/bin/minewatch-aggregator run --config $settings; aggregator=$last; }
hq() { as minewatch-aggregator curl -sf --cacert /var/lib/minewatch-aggregator/identity/headquarters/ca.pem -H "authorization: Bearer package test read token" "https://localhost:$port$1"; }
aggregator_up
wait_for "the aggregator is ready" 60 hq /readyz

say "a gateway enrols"
code=$(as minewatch-aggregator minewatch-aggregator enrol-code gw-package --config $settings 2> /dev/null)
print=$(openssl x509 -noout -fingerprint -sha256 -in "$root/var/lib/minewatch-aggregator/identity/headquarters/ca.pem" | cut -d= -f2)
as minewatch-gateway minewatch-gateway enrol --url "https://localhost:$port" --code "$code" --ca-fingerprint "$print" > /dev/null
check "the key is its own" in_root sh -c '[ "$(stat -Lc %U%a /var/lib/minewatch-gateway/identity/current/gateway.key)" = minewatch-gateway600 ]'
target=${BIN:-}; for at in target/release target/debug; do [ -n "$target" ] || { [ -x $at/simulator ] && target=$at; }; done
[ -x "$target/simulator" ] || { say "no simulator: cargo build -p minewatch-simulators"; exit 1; }
"$target/simulator" run --modbus "127.0.0.1:$((port + 3))" --control "127.0.0.1:$((port + 4))" > target/simulator.log 2>&1 &
pids+=($!)
sed -e "s|^sensors = .*|sensors = \"sensors\"|" -e 's|^url = "mqtt://.*|url = "mqtt://127.0.0.1:'$((port + 1))'"|' \
    -e 's|^host = "simulator"|host = "127.0.0.1"|' -e "s|^port = 15020|port = $((port + 3))|" -e "s|127.0.0.1:8081|127.0.0.1:$((port + 5))|" \
    -e 's|gw-compose|gw-package|' deploy/container/site.toml > "$root/etc/minewatch-gateway/site.toml"
chgrp "$(in_root id -g minewatch-gateway)" "$root/etc/minewatch-gateway/site.toml"
check "the site is sound" as minewatch-gateway minewatch-gateway check /etc/minewatch-gateway/site.toml
gateway_up() { start minewatch-gateway gateway /usr/bin/minewatch-gateway run /etc/minewatch-gateway/site.toml; gateway=$last; }
gateway_up
values() { hq "/api/v1/points" | grep -q '"pond.level"'; }
wait_for "values are at headquarters" 60 values
count() { hq "/api/v1/readings?gateway=gw-package&point=pond.level&limit=10000" | { grep -o '"seq"' || true; } | wc -l; }

say "upgrade to $version+next"
VERSION="$version+next" deploy/package.sh "$(basename "$target")" > /dev/null
before=$(count)
echo "# changed by the owner" >> "$root/etc/minewatch-gateway/sensors/sim-dam-pond.toml"
stop_last "$gateway"; stop_last "$aggregator"
install_version "$version+next"
check "the owner's change is still there" grep -q "changed by the owner" "$root/etc/minewatch-gateway/sensors/sim-dam-pond.toml"
check "the identity is still there" test -s "$root/var/lib/minewatch-gateway/identity/current/gateway.pem"
aggregator_up; wait_for "the aggregator is ready again" 60 hq /readyz
gateway_up
more() { [ "$(count)" -gt "$before" ]; }
wait_for "the old readings are there and new ones come" 60 more
whole() { hq "/api/v1/ledger?gateway=gw-package" | grep -q '"unexplained":0' && ! hq "/api/v1/ledger?gateway=gw-package" | grep -q '"unexplained":[1-9]'; }
wait_for "nothing is missing in the ledger" 30 whole

say "remove, purge"
stop_last "$gateway"; stop_last "$aggregator"
in_root dpkg -r minewatch-gateway minewatch-aggregator > /dev/null 2>&1
check "removing keeps ledger, store and identity" test -d "$root/var/lib/minewatch-gateway/spool" -a -s "$root/var/lib/minewatch-aggregator/minewatch.db"
check "removing takes the programs" test ! -e "$root/usr/bin/minewatch-gateway" -a ! -e "$root/usr/bin/minewatch-aggregator"
in_root dpkg -P minewatch-gateway minewatch-aggregator > /dev/null 2>&1
left=$(cd "$root" && find etc var/lib usr lib -iname '*minewatch*' -not -path 'var/lib/dpkg/*' | head)
check "purging leaves nothing: ${left:-nothing}" test -z "$left"
check "purging takes the users" in_root sh -c '! id minewatch-gateway 2>/dev/null && ! id minewatch-aggregator 2>/dev/null'
rm -f target/packages/*_"$version+next"_*
say "passed"
