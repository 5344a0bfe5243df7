#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A lab in network namespaces: an attacker, a victim with Sekisho, a feed server. Every command is shown with its real
# output, and what an answer must be is checked. All of it lives in namespaces of PID, mount and network that end with
# this script, so nothing is left, on Ctrl-C neither. usage: demo.sh [BUILD]; needs root.
set -euo pipefail

build=$(realpath "${1:-build}")
[[ $EUID -eq 0 ]] || { echo "demo: needs root, for network namespaces and XDP: sudo make demo" >&2; exit 1; }
[[ -x $build/sekishod ]] || { echo "demo: $build/sekishod is not there: run make first" >&2; exit 1; }
# In a session of its own, so that Ctrl-C is for this shell alone: half way through, each command would fail in a way of its own.
# The first process inside takes all others with it.
interrupted() {
	local first
	trap '' INT TERM
	first=$(pgrep -P "$lab") || first=$lab
	kill -KILL "$first" 2>/dev/null || true # it may just have ended
	wait "$lab" || true # killed on purpose
	echo "demo: interrupted; everything is taken away"
	exit 130
}
if [[ ${2:-} != inside ]]; then
	setpriv --pdeathsig KILL setsid unshare -n -m -p --fork --kill-child --mount-proc --propagation private "$0" "$build" inside & lab=$!
	trap interrupted INT TERM
	wait "$lab"
	exit
fi
PATH=$build:$PATH
edge=10.99.0.1 listed=198.51.100.7 innocent=203.0.113.9 late=203.0.113.50 flooder=203.0.113.66

title='' prompt='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
	title=$'\033[1m' prompt=$'\033[36m' plain=$'\033[0m'
fi
say() { printf '\n%s== %s%s\n' "$title" "$*" "$plain"; }
fail() { echo "demo: $*" >&2; tail -n 20 /run/agent.log >&2 || true; exit 1; }
# on HOST COMMAND...: shows the command with its output.
on() {
	local host=$1 word words=''; shift
	for word; do
		[[ $word != *\ * ]] || word="\"$word\""
		words+=" $word"
	done
	printf '%s%s$%s%s\n' "$prompt" "$host" "$plain" "$words"
	if [[ $host == victim ]]; then "$@"; else nsenter --net="/run/netns/$host" "$@"; fi
}
# pings SOURCE ANSWERS: three pings from SOURCE to the victim, of which ANSWERS must be answered.
pings() {
	local said
	said=$(on attacker ping -q -n -c 3 -i 0.2 -W 1 -I "$1" "$edge" || true)
	grep -E '\$ ping|packets transmitted' <<<"$said"
	[[ $said == *" $2 received"* ]] || fail "$1: $2 of 3 should have been answered"
}
until_true() {
	local i
	for ((i = 0; i < 100; i++)); do ! "$@" >/dev/null 2>&1 || return 0; sleep 0.1; done
	fail "this did not come true in 10 s: $*"
}
ready() { curl -sf http://127.0.0.1:9477/readyz; }
start_agent() { sekishod -c /run/sekisho.yaml --state-dir /run/state >>/run/agent.log 2>&1 & agent=$!; }
passes() { sekisho --json explain "$1" | grep -q '"verdict": "pass"'; }
has() { sekisho --json status | grep -q "$1"; }

make_lab() {
	mount -t tmpfs -o mode=0755 tmpfs /run
	mount -t bpf bpf /sys/fs/bpf
	ip link set lo up
	local host
	for host in attacker feedserver; do
		ip netns add "$host"
		ip link add "to-$host" type veth peer name eth0 netns "$host"
		ip link set "to-$host" up
		ip -n "$host" link set eth0 up
	done
	ip addr add "$edge/24" dev to-attacker
	ip addr add 10.98.0.1/24 dev to-feedserver
	ip -n feedserver addr add 10.98.0.2/24 dev eth0
	ip -n attacker addr add 10.99.0.2/24 dev eth0
	for host in "$listed" "$innocent" "$late" "$flooder"; do
		ip -n attacker addr add "$host/32" dev eth0
		ip route add "$host/32" dev to-attacker
	done
	mkdir /run/www
	printf '# bad sources\n%s.0/24\n192.0.2.0/24 ; also bad\n2001:db8:bad::/48\n' "${listed%.*}" >/run/www/bad.txt
	cat >/run/sekisho.yaml <<-EOF
		interfaces: [to-attacker]
		metrics: {listen: "127.0.0.1:9477"}
		feeds:
		  - {name: bad-sources, url: "http://10.98.0.2/bad.txt", format: plain, interval: 12h}
		limits:
		  - {name: pings, protocol: icmp, packets: 50/s, ban: {after: 2s, for: 10m, repeat: 2, at-most: 1d}}
	EOF
	serve
	until_true curl -sf http://10.98.0.2/bad.txt
}
serve() { nsenter --net=/run/netns/feedserver python3 -m http.server -b 10.98.0.2 -d /run/www 80 >/dev/null 2>&1 & server=$!; }

show_feeds() {
	say "Before: the attacker reaches the victim"
	pings "$listed" 3
	say "The victim starts Sekisho, which fetches a list of bad sources over HTTP"
	on victim cat /run/sekisho.yaml
	printf '%svictim$%s sekishod -c /run/sekisho.yaml --state-dir /run/state &\n' "$prompt" "$plain"
	start_agent
	until_true ready
	until_true has '"prefixes_v4": [1-9]'
	on victim sekisho feed list
	say "A listed source is dropped at the network card, another one passes"
	pings "$listed" 0
	pings "$innocent" 3
	on victim sekisho explain "$listed"
	say "The list changes on the server: in force as soon as it is fetched"
	echo "$late" >>/run/www/bad.txt
	pings "$late" 3
	on victim sekisho feed update bad-sources
	pings "$late" 0
	say "The feed server dies: the last good list stays"
	kill "$server"
	wait "$server" 2>/dev/null || true # killed on purpose: its status says only that
	! on victim sekisho feed update bad-sources 2>&1 || fail "an update from a dead server should have failed"
	on victim sekisho feed list
	pings "$listed" 0
}

show_entries() {
	say "Block by hand, for four seconds: in force when the command returns, and it ends by itself"
	on victim sekisho block add "$innocent" --for 4s --reason "an example"
	on victim sekisho block list
	pings "$innocent" 0
	until_true passes "$innocent"
	pings "$innocent" 3
	say "Allow wins over every list"
	on victim sekisho allow add "$listed" --reason "our scanner"
	pings "$listed" 3
	on victim sekisho explain "$listed"
	on victim sekisho allow del "$listed"
	pings "$listed" 0
}

# The one live ban's number, once the agent has recorded it.
ban_id() { sekisho --json review list | python3 -c 'import json, sys
print(*[row["id"] for row in json.load(sys.stdin)["bans"] if row["state"] == "live"])' | grep .; }
# At least that many packets of the ban's were dropped.
has_dropped() { sekisho --json review show "$1" | python3 -c "import json, sys
sys.exit(json.load(sys.stdin)['dropped']['packets'] < $2)"; }
show_limits() {
	local id flood
	say "A limit: 50 pings a second from one source. One that stays over it for two seconds is banned for ten minutes"
	printf '%sattacker$%s ping -q -n -i 0.002 -I %s %s &\n' "$prompt" "$plain" "$flooder" "$edge"
	nsenter --net=/run/netns/attacker ping -q -n -i 0.002 -I "$flooder" "$edge" >/run/flood.out & flood=$!
	until_true ban_id
	id=$(ban_id)
	until_true has_dropped "$id" 200
	kill -INT "$flood"
	wait "$flood" || true # lost packets are its failure, and what we want to see
	pings "$flooder" 0
	pings "$innocent" 3
	on victim sekisho explain "$flooder"
	say "Was that right? The ban's evidence"
	on victim sekisho review list
	on victim sekisho review show "$id"
	say "It was our own monitoring: the ban is rejected, the source allowed for a day; that counts against the limit"
	on victim sekisho review reject "$id" --reason "our own monitoring" --allow 24h
	pings "$flooder" 3
	on victim sekisho limit list
	on victim sekisho allow list
	on victim sekisho review list
}

show_modes() {
	say "Monitor mode counts and drops nothing; unless it is confirmed, it goes back by itself"
	on victim sekisho mode monitor --confirm 4s
	pings "$listed" 3
	on victim sekisho status
	until_true has '"mode": "enforce"'
	pings "$listed" 0
	say "Prometheus sees the same"
	on victim curl -s http://127.0.0.1:9477/metrics | grep -E '\$ curl|^sekisho_(feed_(dropped|would_drop)_packets|limit_dropped_packets|bans_(total|rejected)|feed_up|table_prefixes|attached|entries)'
}

show_restart() {
	say "The agent is killed and started again under a stream of packets: not one of a listed source gets through"
	nsenter --net=/run/netns/attacker ping -q -n -i 0.02 -I "$listed" "$edge" >/run/listed.out & local one=$!
	nsenter --net=/run/netns/attacker ping -q -n -i 0.02 -I "$innocent" "$edge" >/run/innocent.out & local two=$!
	sleep 0.5
	printf '%svictim$%s kill -9 %s; sleep 1; sekishod ... &\n' "$prompt" "$plain" "$agent"
	kill -9 "$agent"
	wait "$agent" 2>/dev/null || true # killed on purpose: its status says only that
	sleep 1
	start_agent
	until_true ready
	grep adopted /run/agent.log | tail -n 1
	kill -INT "$one" "$two"
	wait "$one" || true # ping without an answer exits 1, as it should here: the counts below are checked
	wait "$two" || true # its loss is checked below, which says more than a status
	grep -h -A1 statistics /run/listed.out | sed "1s/.*/from $listed:/"
	grep -h -A1 statistics /run/innocent.out | sed "1s/.*/from $innocent:/"
	grep -q ' 0 received' /run/listed.out || fail "packets of $listed got through"
	grep -q ' 0% packet loss' /run/innocent.out || fail "packets of $innocent were lost"
	say "detach takes the program away"
	on victim sekisho detach
	pings "$listed" 3
	kill "$agent"
	wait "$agent" || true # the end of the demo; what it had to do was checked before
}

make_lab
show_feeds
show_entries
show_limits
show_modes
show_restart
say "That was Sekisho. Everything of the lab is taken away now."
