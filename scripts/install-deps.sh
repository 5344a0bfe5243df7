#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs what building, testing and measuring Sekisho need, from Debian's
# packages by name. Argument: build (default), demo, test, bench or vm; each includes the one before it.
# Does nothing, and needs no network, where everything is there already.
set -euo pipefail

build="gcc make clang llvm bpftool pkg-config libbpf-dev libxdp-dev libcap-dev libseccomp-dev
	libcurl4-openssl-dev libmicrohttpd-dev libsqlite3-dev libjansson-dev libyaml-dev libuv1-dev
	libsmartcols-dev libmnl-dev zlib1g-dev liblzma-dev libzstd-dev libelf-dev linux-libc-dev iproute2 ca-certificates"
demo="iputils-ping curl python3"
test="libcmocka-dev libclang-rt-14-dev python3-pytest python3-scapy openssl sqlite3
	procps ethtool util-linux strace xdp-tools clang-format mandoc systemd"
bench="nftables ipset iptables iprange time"
vm="qemu-system-x86 qemu-system-common busybox-static cpio xz-utils"

want=$build
case ${1:-build} in
build) ;;
demo) want+=" $demo" ;;
test) want+=" $demo $test" ;;
bench) want+=" $demo $test $bench" ;;
vm) want+=" $demo $test $bench $vm" ;;
*) echo "usage: install-deps.sh [build|demo|test|bench|vm]" >&2; exit 2 ;;
esac

missing=()
for package in $want; do
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
# promtool alone, out of Debian's package prometheus: installed whole, that would start a server here.
promtool=/usr/local/libexec/sekisho-tests/promtool
wants_promtool=$([[ ${1:-build} =~ ^(build|demo)$ || -x $promtool ]] || echo yes)
[[ ${#missing[@]} -gt 0 || $wants_promtool ]] || exit 0
[[ $wants_promtool ]] && missing+=("promtool (of prometheus)")
[[ $EUID -eq 0 ]] || { echo "install-deps: these packages are missing, install them as root: ${missing[*]}" >&2; exit 1; }

echo "install-deps: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
[[ ! $wants_promtool ]] || unset 'missing[-1]'
[[ ${#missing[@]} -eq 0 ]] || apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
if [[ $wants_promtool ]]; then
	folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
	(cd "$folder" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb .) >&2
	install -D -m 0755 "$folder/usr/bin/promtool" "$promtool"
fi
