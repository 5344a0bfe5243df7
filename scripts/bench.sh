#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the benchmarks on the last CPU, in a network and mount namespace of their own. Needs root.
# usage: bench.sh BUILD SIZE...   with SIZE the entries of a list
set -euo pipefail
build=$1; shift
[[ $EUID -eq 0 ]] || { echo "bench: needs root, to load programs into the kernel" >&2; exit 1; }
printf '%s, %s CPUs, kernel %s, load %s\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
	"$(nproc)" "$(uname -r)" "$(cut -d ' ' -f 1 /proc/loadavg)"
exec unshare -n -m --propagation private taskset -c "$(($(nproc) - 1))" "$build/bench/lookup" "$@"
