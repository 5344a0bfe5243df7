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
test="libcmocka-dev libclang-rt-14-dev python3-pytest python3-yaml strace openssl
	procps util-linux xdp-tools clang-format mandoc man-db systemd"
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
# Out of these Debian packages only what the tests run, unpacked: installed whole, each would start a server here.
tools=/usr/local/libexec/sekisho-tests
unpacked=()
if [[ ! ${1:-build} =~ ^(build|demo)$ ]]; then
	[[ -x $tools/promtool ]] || unpacked+=(prometheus)
	[[ -x $tools/fail2ban/usr/bin/fail2ban-server ]] || unpacked+=(fail2ban)
	[[ -x $tools/crowdsec/usr/bin/crowdsec ]] || unpacked+=(crowdsec)
fi
[[ ${#missing[@]} -gt 0 || ${#unpacked[@]} -gt 0 ]] || exit 0
[[ $EUID -eq 0 ]] || { echo "install-deps: these packages are missing, install them as root: ${missing[*]} ${unpacked[*]/%/ (unpacked)}" >&2; exit 1; }

echo "install-deps: installing ${missing[*]} ${unpacked[*]/%/ (unpacked)}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
[[ ${#missing[@]} -eq 0 ]] || apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
mkdir -p "$tools"
for package in "${unpacked[@]}"; do
	(cd "$folder" && apt-get download -qq "$package" && dpkg -x "${package}"_*.deb "$package") >&2
	if [[ $package == prometheus ]]; then
		install -m 0755 "$folder/prometheus/usr/bin/promtool" "$tools/promtool"
	else
		rm -rf "${tools:?}/$package"
		cp -a "$folder/$package" "$tools/"
	fi
done
