#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs the layers vm and prog under each kernel named, and systemd in a guest that it boots; ends with one
# `N passed, N failed` of them all.
# usage: vmtest-all.sh BUILD KERNEL...
set -uo pipefail
build=$1; shift
passed=0 failed=0
log=$(mktemp -d); trap 'rm -rf "$log"' EXIT

# run_guest KERNEL OPTIONS LAYER...: one guest, its counts added.
run_guest() {
	local kernel=$1 options=$2 code count; shift 2
	SECONDS=0
	scripts/vmtest.sh -k "$kernel" $options -t 1500 -- scripts/run-tests.sh "$build" "$@" 2>&1 | tee "$log/out"
	code=${PIPESTATUS[0]}
	echo "== kernel $kernel: $* took $SECONDS s"
	count=$(tr -d '\r' <"$log/out" | grep -E '^[0-9]+ passed, [0-9]+ failed' | tail -n 1)
	if [[ $count =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
		[[ $code -eq 0 || ${BASH_REMATCH[2]} -gt 0 ]] || failed=$((failed + 1))
	else
		echo "FAILED: kernel $kernel: no count, exit code $code"
		failed=$((failed + 1))
	fi
}

for kernel; do
	echo "== kernel $kernel"
	run_guest "$kernel" "" vm prog
	run_guest "$kernel" -b systemd
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
