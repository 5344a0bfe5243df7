#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Times the feed parsers beside FireHOL's iprange: one list of a million lines, and ten that overlap, each parsed, merged
# and reduced to disjoint prefixes as text. Both read the same files in turn, the results must be the same, and the
# least processor time of ROUNDS counts. No root.
# usage: bench-feeds.sh BUILD [ROUNDS]   the exit status tells of failures and differing results, not of speed
set -euo pipefail
build=$1 rounds=${2:-3}
command -v iprange >/dev/null || { echo "bench-feeds: iprange is missing: scripts/install-deps.sh bench" >&2; exit 1; }
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT

# 2.8 million lines, four of five an address, the rest a /16 to /31 with its host bits clear; list N begins 200,000 lines
# behind list N-1, so that neighbours share 800,000.
awk 'BEGIN { srand(7); for (i = 0; i < 2800000; i++) {
	a = int(rand() * 65536); b = int(rand() * 65536); len = 32
	if (rand() < 0.2) { len = 16 + int(rand() * 16); b -= b % 2 ^ (32 - len) }
	printf "%d.%d.%d.%d%s\n", a / 256, a % 256, b / 256, b % 256, len < 32 ? "/" len : "" } }' >"$folder/all"
for n in {0..9}; do
	sed -n "$((n * 200000 + 1)),$((n * 200000 + 1000000))p" "$folder/all" >"$folder/list$n"
done

# run NAME COMMAND...: processor time in ms and peak memory in kB of one run into $folder/NAME.time, output in $folder/NAME
run() {
	local name=$1; shift
	/usr/bin/time -o "$folder/time" -f '%U %S %M' "$@" >"$folder/$name"
	awk '{ printf "%d %d\n", ($1 + $2) * 1000, $3 }' "$folder/time" >>"$folder/$name.time"
}

row() {
	local what=$1 i; shift
	rm -f "$folder"/*.time
	for ((i = 0; i < rounds; i++)); do
		run ours "$build/bench/feeds" merge "$@"
		run theirs iprange "$@"
		cmp -s "$folder/ours" "$folder/theirs" || { echo "bench-feeds: $what: results differ" >&2; exit 1; }
	done
	read -r ours_ms ours_kb < <(sort -n "$folder/ours.time")
	read -r theirs_ms theirs_kb < <(sort -n "$folder/theirs.time")
	awk -v what="$what" -v a="$ours_ms" -v b="$theirs_ms" -v c="$ours_kb" -v d="$theirs_kb" -v n="$(wc -l <"$folder/ours")" 'BEGIN {
		printf "%-28s %9d prefixes %6d ms %7.1f MB   iprange %6d ms %7.1f MB   time x %.2f %s\n", what, n, a, c / 1024, b, d / 1024, a / b, a <= b ? "met" : "missed" }'
}

echo "feeds: parse, merge and reduce to disjoint prefixes; aim: not slower than iprange"
row "1 list of 1,000,000 lines" "$folder/list0"
row "10 lists that overlap" "$folder"/list[0-9]
