#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Runs test layers, several files at once, and ends with `N passed, N failed[, N skipped]`.
# usage: run-tests.sh BUILD LAYER|LAYER/FILE...   with LAYER one of unit fuzz prog e2e vm systemd, FILE such as e2e/test_feeds.py
# Each file is a job with namespaces of its own (e2e: a mount namespace; prog: a network too). What bears no neighbour (pytest's
# mark `alone`) comes after all others, one by one. TEST_JOBS is how many run at once.
# vm is for the guests of `make vmtest`: real agents alone and in libxdp's dispatcher, which needs a kernel with freplace;
# systemd for those that systemd has booted: the unit.
# SEKISHO_SLOW=1, which those guests set, makes prog tests repeat less and run one by one; what they assert stays.
set -uo pipefail

# The longest files, started first so that none of them is what the run waits for in the end.
long="no_gap upgrade limits control metrics feeds bench ban_stories rails agent"

# Leaves "passed failed skipped" of job @1 in its file, and shows what it said where something failed or was skipped.
finish() {
	local job=$1 ok=$2 bad=$3 skip=$4 out=$5
	echo "$ok $bad $skip" >"$out.count"
	{
		printf '== %s: %s passed' "$job" "$ok"
		[[ $bad -eq 0 ]] || printf ', %s FAILED' "$bad"
		[[ $skip -eq 0 ]] || printf ', %s skipped' "$skip"
		printf ' (%s s)\n' "$SECONDS"
		[[ $bad -eq 0 ]] || tail -n 120 "$out"
		[[ $skip -eq 0 ]] || grep -E -B2 '^(\[  SKIPPED \]|SKIPPED)' "$out"
	} >"$out.said"
	cat "$out.said" # in one go, so that the lines of two jobs do not mix
	[[ $bad -eq 0 ]] || echo "FAILED: $job" >>"$log/failed"
}

# A cmocka program: its lines [       OK ], [  FAILED  ], [  SKIPPED ] are counted.
run_cmocka() {
	local job=$1 out=$2 rc ok bad skip
	if [[ $job == prog/* ]]; then
		unshare -n -m --propagation private bash -c 'mount -t bpf bpf /sys/fs/bpf && ip link set lo up && exec timeout 300 "$0"' "$build/$job" >"$out" 2>&1
	else
		timeout 300 "$build/$job" >"$out" 2>&1
	fi
	rc=$?
	ok=$(grep -c '^\[       OK \]' "$out"); skip=$(grep -c '^\[  SKIPPED \] [^0-9]*$' "$out")
	bad=$(grep -E '^\[  FAILED  \] [a-z_0-9]+$' "$out" | sort -u | wc -l) # named again in the summary
	[[ $rc -eq 0 || $bad -gt 0 ]] || bad=1
	[[ $((ok + bad + skip)) -gt 0 ]] || bad=1
	finish "$job" "$ok" "$bad" "$skip" "$out"
}

# The folders and files that fuzz target @1 reads whole, one a line: our own, and for a feed parser the recorded lists, where they are there.
fuzz_whole() {
	local real=${SEKISHO_SHARED:-../shared}/feeds/open own=tests/golden/${1#fuzz_}
	[[ $1 != fuzz_feed_* || $1 == fuzz_feed_file ]] || own=tests/golden/feeds
	[[ ! -d $own ]] || echo "$own"
	[[ $own != tests/golden/feeds || ! -d $real ]] || echo "$real"
}

# The corpus of fuzz target @1 into folder @2: what it reads whole, the recorded lists cut to what tells them apart: how they begin
# and how they end. Short entries are many executions.
make_corpus() {
	local folder file
	mkdir -p "$2"
	/usr/bin/python3 tests/fuzz/seeds.py "$1" "$2" # of binary formats
	fuzz_whole "$1" | while read -r folder; do
		if [[ $folder == tests/golden/* ]]; then
			cp "$folder"/* "$2"
			continue
		fi
		find "$folder" -type f | while read -r file; do
			{ head -c 800 "$file"; tail -c +801 "$file" | tail -c 200; } >"$2/${file##*/}"
		done
	done
}

# "N executions in S s", from what a target said in file @1.
fuzz_done() {
	sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) .*/\1 executions in \2 s/p' "$1"
}

# Fuzz target @1 beside the slow reference, on corpus @2 and what it reads whole; leaves what was found in @3. Prints "N corpus entries,
# ..." for the line of the target. table_check has none: it is a check of the engine's image, which tests/prog hold against lookups.
fuzz_agree() {
	local name=$1 corpus=$2 out=$3 whole rc
	if [[ $name == fuzz_table_check ]]; then
		echo "$(find "$corpus" -type f | wc -l) corpus entries, no reading to compare"
		return 0
	fi
	mapfile -t whole < <(fuzz_whole "$name")
	nice -n 19 /usr/bin/python3 tests/fuzz/agree.py "$build/fuzz/$name" "$corpus" "${whole[@]}" >"$out.agree" 2>&1
	rc=$?
	cat "$out.agree" >>"$out"
	sed -n 's/^agree: //p' "$out.agree"
	return "$rc"
}

# A fuzz target for FUZZ_S seconds, or FUZZ_RUNS executions where it is set, at the lowest priority: it takes what is left over.
# Where next to nothing was, fuzz_least executions follow. Then the slow reference reads what was found. What ends a target stays in
# BUILD/fuzz. A small quarantine and short stacks of allocations: a target frees what it used within one execution.
fuzz_least=1000
run_fuzz() {
	local job=$1 out=$2 name=${1#fuzz/} limit=-max_total_time=${FUZZ_S:-5} done bad=0 agree
	local words=(-max_len=1024 -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$build/$job.found-" "$out.corpus")
	export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=8:malloc_context_size=4}
	[[ -z ${FUZZ_RUNS:-} ]] || limit=-runs=$FUZZ_RUNS
	make_corpus "$name" "$out.corpus"
	nice -n 19 "$build/$job" "$limit" "${words[@]}" >"$out" 2>&1 || bad=1
	done=$(fuzz_done "$out")
	if [[ $bad -eq 0 && -z ${FUZZ_RUNS:-} && ${done%% *} -lt $fuzz_least ]]; then
		"$build/$job" -runs=$fuzz_least "${words[@]}" >"$out" 2>&1 || bad=1
		done=$(fuzz_done "$out")
	fi
	if [[ $bad -ne 0 ]]; then
		done="ended by a finding: $build/$job.found-*"
	elif [[ ${done%% *} -lt ${FUZZ_RUNS:-$fuzz_least} ]]; then
		bad=1; echo "fewer than ${FUZZ_RUNS:-$fuzz_least} executions" >>"$out"
	elif [[ -n ${FUZZ_RUNS:-} ]]; then
		agree=$(fuzz_agree "$name" "$out.corpus" "$out") || bad=1
		done+=", 0 findings; $agree"
	fi
	finish "$job${done:+ ($done)}" $((1 - bad)) "$bad" 0 "$out"
}

# The number before @2 in the last line of pytest in file @1, such as "3 failed, 12 passed in 4.05s"; 0 where it is not there.
pytest_count() {
	tail -n 1 "$1" | awk -v word="$2" '{ for (i = 2; i <= NF; i++) if (index($i, word) == 1) n = $(i - 1) } END { print n + 0 }'
}

# Ends job @1, which pytest left with code @2 and its words in @3.
finish_pytest() {
	local job=$1 rc=$2 out=$3 bad
	bad=$(($(pytest_count "$out" failed) + $(pytest_count "$out" error)))
	[[ $rc -eq 0 || $bad -gt 0 ]] || bad=1
	finish "$job" "$(pytest_count "$out" passed)" "$bad" "$(pytest_count "$out" skipped)" "$out"
}

pytest=(/usr/bin/python3 -m pytest -p no:cacheprovider -rs --color=no --tb=short)

# The rows with mark @3 of the files @4...; a file may have none.
run_e2e() {
	local job=$1 out=$2 mark=$3 rc; shift 3
	SEKISHO_OWN_MOUNTS=1 SEKISHO_BUILD=$(realpath "$build") unshare -m --propagation private "${pytest[@]}" -q --durations=10 --durations-min=3 \
		-m "$mark" "$@" >"$out" 2>&1
	rc=$?
	if [[ $rc -eq 5 && $(pytest_count "$out" deselected) -gt 0 ]]; then
		echo "0 0 0" >"$out.count"
		return
	fi
	finish_pytest "$job" "$rc" "$out"
}

# In a guest: each test is shown as it ends and how long it took; one that hangs says where, and all end in time.
run_vm() {
	local job=$1 out=$2 rc; shift 2
	SEKISHO_VM=1 SEKISHO_OWN_MOUNTS=1 SEKISHO_BUILD=$(realpath "$build") timeout -s INT -k 30 900 unshare -m --propagation private \
		"${pytest[@]}" -o faulthandler_timeout=120 -v --durations=0 --durations-min=1 "$@" 2>&1 | tee "$out"
	rc=${PIPESTATUS[0]}
	[[ $rc -ne 124 ]] || echo "FAILED: $job: over 900 s, the tests behind the last one shown did not run"
	finish_pytest "$job" "$rc" "$out"
}

# One job: LAYER/FILE, or with more words `alone FILE...`.
run_job() {
	local job=$1 out=$log/${1//\//-}; shift
	case $job in
	unit/* | prog/*) run_cmocka "$job" "$out" ;;
	fuzz/*) run_fuzz "$job" "$out" ;;
	e2e/*) run_e2e "$job" "$out" 'not alone' "tests/$job" ;;
	alone) run_e2e alone "$out" alone "$@" ;;
	vm) run_vm vm "$out" tests/e2e/test_attach.py::test_{alone_says_so,foreign_program_cannot_replace_ours} tests/e2e/test_dispatcher.py ;;
	systemd) SEKISHO_SYSTEMD=1 run_vm systemd "$out" tests/e2e/test_systemd.py ;;
	*) echo "run-tests: unknown job $job" >&2; echo "0 1 0" >"$out.count" ;;
	esac
}

# The jobs of layer @1, one a line, the long ones first.
jobs_of() {
	local name
	case $1 in
	unit | prog | fuzz)
		for name in "$build/$1"/{test,fuzz}_*; do
			[[ ! -x $name || $name == *.* ]] && continue
			[[ $1 == fuzz && -n ${FUZZ_TARGETS:-} && " $FUZZ_TARGETS " != *" ${name##*/} "* ]] || echo "$1/${name##*/}"
		done ;;
	e2e)
		for name in $long; do echo "e2e/test_$name.py"; done
		for name in tests/e2e/test_*.py; do
			name=${name#tests/e2e/test_}
			[[ " $long dispatcher systemd " == *" ${name%.py} "* ]] || echo "e2e/test_$name" # those two are for guests
		done ;;
	vm | systemd | */?*) echo "$1" ;;
	*) echo "run-tests: unknown layer $1" >&2; return 2 ;;
	esac
}

# What lies where an agent lives by default, with the files' numbers: a socket bound again is another one.
default_folders() {
	find /run/sekisho /var/lib/sekisho /sys/fs/bpf/sekisho /etc/sekisho -maxdepth 1 -printf '%p %i\n' 2>/dev/null | sort
}

# Tests use folders of their own: what came into the default ones since @1 would meet a user's agent. One more failure.
# Only the guests' test of the unit is meant to use them.
check_left_behind() {
	local came
	[[ " ${jobs[*]} " != *" systemd "* ]] || return 0
	came=$(comm -13 <(echo "$1") <(default_folders))
	[[ -n $came ]] || return 0
	echo "FAILED: left behind, by this run or an agent that was started meanwhile:"
	echo "$came"
	echo "0 1 0" >"$log/left.count"
}

build=$1; shift
if [[ ${1:-} == --job ]]; then
	log=$2 SECONDS=0
	shift 2
	run_job "$@"
	exit 0
fi
jobs=()
for layer; do
	list=$(jobs_of "$layer") || exit 2
	mapfile -t -O "${#jobs[@]}" jobs <<<"$list"
done
log=$(mktemp -d); trap 'rm -rf "$log"' EXIT
before=$(default_folders)
many=${TEST_JOBS:-$(($(nproc) + 2))} # most of a job's time is waiting
[[ -z ${SEKISHO_SLOW:-} ]] || many=1
printf '%s\n' "${jobs[@]}" | xargs -d '\n' -P "$many" -n 1 "$0" "$build" --job "$log"
alone=()
for job in "${jobs[@]}"; do [[ $job != e2e/* ]] || alone+=("tests/$job"); done
[[ ${#alone[@]} -eq 0 ]] || "$0" "$build" --job "$log" alone "${alone[@]}"
[[ ! -e $log/failed ]] || sort "$log/failed" # once more, where they are seen
missing=$((${#jobs[@]} - $(find "$log" -name '*.count' ! -name alone.count | wc -l)))
check_left_behind "$before"
cat "$log"/*.count | awk -v missing="$missing" '
	{ passed += $1; failed += $2; skipped += $3 }
	END { printf "%d passed, %d failed%s\n", passed, failed + missing, skipped ? ", " skipped " skipped" : ""; exit !(passed && !failed && !missing) }'
