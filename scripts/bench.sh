#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the benchmarks in a network and mount namespace of their own. Needs root.
# usage: bench.sh BUILD [--quick | --lists-only] [--rounds N] [--adds N] [--packets N] SIZE...   with SIZE the entries of a list
#        bench.sh BUILD limits [--rounds N] [--packets N] [--played PERCENT]   what limits cost, alone
#        bench.sh BUILD waits [--entries N] [--bans N]   how long control requests wait while the agent is busy, alone
set -euo pipefail
build=$1; shift
[[ $EUID -eq 0 ]] || { echo "bench: needs root, to load programs into the kernel" >&2; exit 1; }
printf '%s, %s CPUs, kernel %s, load %s\n' "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
	"$(nproc)" "$(uname -r)" "$(cut -d ' ' -f 1 /proc/loadavg)"
folder=$(dirname "$0")
"$folder/create-users.sh"
program=bench.py
if [[ ${1:-} == limits || ${1:-} == waits ]]; then
	program=$1.py; shift
elif [[ " $* " != *" --quick "* && " $* " != *" --lists-only "* ]]; then
	"$folder/bench-feeds.sh" "$build"
fi
export SEKISHO_BUILD=$build PYTHONDONTWRITEBYTECODE=1
exec unshare -n -m --propagation private bash -c 'mount -t bpf bpf /sys/fs/bpf && ip link set lo up && exec "$@"' - \
	/usr/bin/python3 "$folder/../tests/bench/$program" "$build" "$@"
