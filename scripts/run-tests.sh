#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs test layers and ends with `N passed, N failed[, N skipped]`.
# usage: run-tests.sh BUILD LAYER...   with LAYER one of unit fuzz prog e2e vm
# vm is for the guests of `make vmtest`: real agents alone and in libxdp's dispatcher, which needs a kernel with freplace.
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

# The corpus of fuzz target @1 into folder @2: our own files, and where they are there the recorded lists, cut to what tells
# them apart: how they begin and how they end. Short entries are many executions.
make_corpus() {
	local real=${SEKISHO_SHARED:-../shared}/feeds/open file own=tests/golden/${1#fuzz_}
	mkdir -p "$2"
	[[ $1 != fuzz_feed_* ]] || own=tests/golden/feeds
	[[ ! -d $own ]] || cp "$own"/* "$2"
	[[ $1 == fuzz_feed_* && -d $real ]] || return 0
	find "$real" -type f | while read -r file; do
		{ head -c 800 "$file"; tail -c +801 "$file" | tail -c 200; } >"$2/${file##*/}"
	done
}

# FUZZ_RUNS executions of each target where it is set, else FUZZ_S seconds; then the slow reference reads what was found.
run_fuzz() {
	local test name limit done
	for test in "$build"/fuzz/fuzz_*; do
		[[ -x $test && (-z ${FUZZ_TARGETS:-} || " $FUZZ_TARGETS " == *" ${test##*/} "*) ]] || continue
		name=${test##*/} limit=-max_total_time=${FUZZ_S:-5}
		[[ -z ${FUZZ_RUNS:-} ]] || limit=-runs=$FUZZ_RUNS
		printf '== fuzz/%s' "$name"
		make_corpus "$name" "$log/$name"
		if ! nice -n 10 "$test" "$limit" -max_len=1024 -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$log/$name-" "$log/$name" >"$log/out" 2>&1; then
			failed=$((failed + 1)); echo; echo "FAILED: fuzz/$name"; tail -n 40 "$log/out"
			continue
		fi
		done=$(sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) .*/\1 executions in \2 s/p' "$log/out")
		echo " ($done)"
		if [[ ${done%% *} -lt ${FUZZ_RUNS:-1} ]]; then
			failed=$((failed + 1)); echo "FAILED: fuzz/$name: fewer than ${FUZZ_RUNS:-1} executions"
		elif [[ -n ${FUZZ_RUNS:-} && $name == fuzz_feed_* ]] && ! SEKISHO_BUILD=$(realpath "$build") nice -n 10 /usr/bin/python3 tests/fuzz/agree.py "$name" "$log/$name"; then
			failed=$((failed + 1)); echo "FAILED: fuzz/$name: the readings differ"
		else
			passed=$((passed + 1))
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
	echo "== vm"
	SEKISHO_VM=1 SEKISHO_OWN_MOUNTS=1 SEKISHO_BUILD=$(realpath "$build") timeout -s INT -k 30 900 unshare -m --propagation private \
		/usr/bin/python3 -m pytest -p no:cacheprovider -o faulthandler_timeout=120 -rs -v --durations=0 --durations-min=1 \
		--color=no --tb=short "$@" 2>&1 | tee "$log/out"
	local rc=${PIPESTATUS[0]}
	[[ $rc -ne 124 ]] || echo "FAILED: vm: over 900 s, the tests behind the last one shown did not run"
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
	vm) run_vm tests/e2e/test_attach.py::test_{alone_says_so,foreign_program_cannot_replace_ours} tests/e2e/test_dispatcher.py ;;
	*) echo "run-tests: unknown layer $layer" >&2; exit 2 ;;
	esac
done
echo "$passed passed, $failed failed$([[ $skipped -eq 0 ]] || echo ", $skipped skipped")"
[[ $failed -eq 0 && $passed -gt 0 ]]
