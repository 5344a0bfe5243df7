#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs test layers and ends with `N passed, N failed[, N skipped]`.
# usage: run-tests.sh BUILD LAYER...   with LAYER one of unit fuzz prog e2e vm systemd
# vm is for the guests of `make vmtest`: real agents alone and in libxdp's dispatcher, which needs a kernel with freplace;
# systemd for those that systemd has booted: the unit.
# SEKISHO_SLOW=1, which those guests set, makes prog tests repeat less; what they assert stays.
set -uo pipefail
build=$1; shift
passed=0 failed=0 skipped=0
log=$(mktemp -d); trap 'rm -rf "$log"' EXIT

# Counts the lines of a cmocka run: [       OK ], [  FAILED  ], [  SKIPPED ].
count_cmocka() {
	local file=$1 rc=$2 ok bad skip
	ok=$(grep -c '^\[       OK \]' "$file"); skip=$(grep -c '^\[  SKIPPED \] [^0-9]*$' "$file")
	bad=$(grep -E '^\[  FAILED  \] [a-z_0-9]+$' "$file" | sort -u | wc -l) # named again in the summary
	[[ $rc -eq 0 || $bad -gt 0 ]] || bad=1
	[[ $((ok + bad + skip)) -gt 0 ]] || bad=1
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	[[ $bad -eq 0 ]] || { echo "FAILED: $3"; tail -n 60 "$file"; }
	[[ $skip -eq 0 ]] || grep -B2 '^\[  SKIPPED \]' "$file"
}

run_cmocka() {
	local test name rc
	for test in "$build/$1"/test_*; do
		[[ -x $test && ! $test == *.* ]] || continue
		name=$1/${test##*/} SECONDS=0
		printf '== %s' "$name"
		if [[ $1 == prog ]]; then
			unshare -n -m --propagation private bash -c 'mount -t bpf bpf /sys/fs/bpf && ip link set lo up && exec timeout 300 "$0"' "$test" >"$log/out" 2>&1
		else
			timeout 300 "$test" >"$log/out" 2>&1
		fi
		rc=$?
		echo " ($SECONDS s)"
		count_cmocka "$log/out" "$rc" "$name"
	done
}

run_fuzz() {
	local test name corpus real=${SEKISHO_SHARED:-../shared}/feeds/open
	for test in "$build"/fuzz/fuzz_*; do
		[[ -x $test ]] || continue
		name=${test##*/} corpus=tests/golden/${test##*/fuzz_}
		echo "== fuzz/$name"
		mkdir -p "$log/$name"
		if [[ $name == fuzz_feed_* && -d $real ]]; then # the recorded lists, cut short
			find "$real" -type f -exec sh -c 'head -c 4096 "$1" >"$2/${1##*/}"' - {} "$log/$name" \;
		fi
		if "$test" -max_total_time="${FUZZ_S:-5}" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$log/$name-" \
			"$log/$name" $([[ ! -d $corpus ]] || echo "$corpus") >"$log/out" 2>&1; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1)); echo "FAILED: fuzz/$name"; tail -n 40 "$log/out"
		fi
	done
}

# The number before @1 in pytest's last line, such as "3 failed, 12 passed in 4.05s"; 0 where it is not there.
pytest_count() {
	tail -n 1 "$log/out" | awk -v word="$1" '{ for (i = 2; i <= NF; i++) if (index($i, word) == 1) n = $(i - 1) } END { print n + 0 }'
}

# Runs pytest on @2..., printed as layer @1.
run_e2e() {
	echo "== $1"; shift
	SEKISHO_OWN_MOUNTS=1 SEKISHO_BUILD=$(realpath "$build") unshare -m --propagation private /usr/bin/python3 -m pytest -p no:cacheprovider -rs -q --color=no --tb=short "$@" >"$log/out" 2>&1
	local rc=$?
	count_pytest "$rc"
	if [[ $rc -eq 0 ]]; then grep '^SKIPPED' "$log/out"; else tail -n 120 "$log/out"; fi
}

# In a guest: each test is shown as it ends and how long it took; one that hangs says where, and all end in time.
run_vm() {
	local name=$1; shift
	echo "== $name"
	SEKISHO_VM=1 SEKISHO_OWN_MOUNTS=1 SEKISHO_BUILD=$(realpath "$build") timeout -s INT -k 30 900 unshare -m --propagation private \
		/usr/bin/python3 -m pytest -p no:cacheprovider -o faulthandler_timeout=120 -rs -v --durations=0 --durations-min=1 \
		--color=no --tb=short "$@" 2>&1 | tee "$log/out"
	local rc=${PIPESTATUS[0]}
	[[ $rc -ne 124 ]] || echo "FAILED: $name: over 900 s, the tests behind the last one shown did not run"
	count_pytest "$rc"
}

# Adds pytest's last line to the counts; @1 is its exit code.
count_pytest() {
	local rc=$1 bad
	bad=$(($(pytest_count failed) + $(pytest_count error)))
	[[ $rc -eq 0 || $bad -gt 0 ]] || bad=1
	passed=$((passed + $(pytest_count passed))) failed=$((failed + bad)) skipped=$((skipped + $(pytest_count skipped)))
}

for layer; do
	case $layer in
	unit | prog) run_cmocka "$layer" ;;
	fuzz) run_fuzz ;;
	e2e) run_e2e e2e tests/e2e ;;
	vm) run_vm vm tests/e2e/test_attach.py::test_{alone_says_so,foreign_program_cannot_replace_ours} tests/e2e/test_dispatcher.py ;;
	systemd) SEKISHO_SYSTEMD=1 run_vm systemd tests/e2e/test_systemd.py ;;
	*) echo "run-tests: unknown layer $layer" >&2; exit 2 ;;
	esac
done
echo "$passed passed, $failed failed$([[ $skipped -eq 0 ]] || echo ", $skipped skipped")"
[[ $failed -eq 0 && $passed -gt 0 ]]
