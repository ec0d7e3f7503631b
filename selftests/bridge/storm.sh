#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# storm.sh: three machines, their bridges and a cluster of three NATS servers, while all of that
# goes wrong. TAP on stdout.
# shellcheck disable=SC2317 # functions are called through check
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
top=$here/../..

usage() {
	cat <<-'END'
	usage: selftests/bridge/storm.sh [--quick | --long] [--count N] [--seed N] [PHASE...]

	A work queue is fed and worked on at each machine, and a queue and a topic are mirrored to
	all of them in all directions, with N messages of 0 B to 4 MiB in each of these, in as many
	parts as there are phases. In the first nothing goes wrong; then:

	  bridges  are killed by SIGKILL, at random moments; nothing is published meanwhile
	  server   servers are, one after the other
	  node     one of the three is away
	  link     a machine is cut off
	  full     nobody receives at one machine

	  --quick     2,000 messages of each kind, few faults: what "make check" runs (the default)
	  --long      100,000, 100 kills of bridges, 20 of servers, a minute without a link
	  --count N   messages of each kind
	  --seed N    when what is killed

	No message of the work queue may be lost, each of the other ones comes once to each machine
	but its own, each fault is seen in the status and the metrics of a bridge, and all goes on by
	itself.
	END
}

all_args=("$@")
count='' seed=$(date +%s) mode=quick
while [ $# -gt 0 ]; do
	case $1 in
	--quick | --long) mode=${1#--} ;;
	--count | --seed)
		[[ ${2:-} =~ ^[0-9]+$ ]] || { usage >&2; exit 2; }
		printf -v "${1#--}" %s "$2"
		shift
		;;
	-h | --help) usage; exit ;;
	-*) usage >&2; exit 2 ;;
	*) break ;;
	esac
	shift
done
phases=(calm bridges server node link full)
[ $# -eq 0 ] || phases=("$@")
# how often, seconds of a fault, of sending in each phase, and of waiting for what is to come
# shellcheck disable=SC2034 # for faults.sh
if [ "$mode" = quick ]; then
	count=${count:-2000} kills=3 server_kills=1 away=1 cut=1 still=1 limit=60
	declare -A lasts=([calm]=1 [bridges]=2 [server]=2 [node]=2 [link]=2 [full]=2)
else
	count=${count:-100000} kills=100 server_kills=20 away=30 cut=60 still=20 limit=180
	declare -A lasts=([calm]=20 [bridges]=60 [server]=60 [node]=40 [link]=60 [full]=20)
fi

set -- "${all_args[@]}"
# shellcheck source=selftests/bridge/net.sh
. "$here/net.sh"
# shellcheck source=selftests/bridge/nats.sh
. "$here/nats.sh"
# shellcheck source=selftests/bridge/hosts.sh
. "$here/hosts.sh"
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"
# shellcheck source=selftests/bridge/faults.sh
. "$here/faults.sh"
ipcx=$top/build/bin/ipcx bin=$top/build/selftests/bridge
RANDOM=$seed
hosts=(h1 h2 h3) servers=(s1 s2 s3)
# of each origin in each phase, and in all
part=$(((count + 3 * ${#phases[@]} - 1) / (3 * ${#phases[@]})))
each=$((part * ${#phases[@]}))
sent=0 published=0 killed=0
# the local names, out and in
jobs_out=shm:jobs.out jobs_in=shm:jobs events_out=shm:events.out events_in=shm:events
news=shm:news
all_run='all(r["state_in"] == r["state_out"] == "runs" for r in d["rules"])'

begin() {
	local i
	make -s -C "$here/load" O="$bin" || return
	net_begin
	for i in 1 2 3; do
		net_host "s$i" "10.9.0.1$i"
		net_host "h$i" "10.9.0.2$i"
	done
	nats_setup s1=10.9.0.11 s2=10.9.0.12 s3=10.9.0.13
	for i in "${servers[@]}"; do
		nats_start "$i"
	done
	for i in "${servers[@]}"; do
		nats_ready "$i" || return
	done
	for i in "${hosts[@]}"; do
		bridge_conf "$i" 3 "queue jobs work both local $jobs_in" "queue events fanout both local $events_in" \
			"topic news reliable both local $news"
		# what is in a queue over shm goes with the last who has it open
		feed "$i" -o 0 -n 0 "$jobs_out"
		feed "$i" -o 0 -n 0 "$events_out"
		feed "$i" -o 0 -n 0 "$jobs_in"
		feed "$i" -o 0 -n 0 "$events_in"
		work "$i" jobs -o 3 -n "$each" "$jobs_in"
		work "$i" events -o 3 -n "$each" "$events_in"
		work "$i" news -t -o 3 -n "$each" "$news"
		bridge_keep "$i"
	done
	feed_pid=()
	memory_watch "${hosts[@]}" &
	all_run
}

all_run() {
	local i
	for i in "${hosts[@]}"; do
		sees "$i" 60 "$link_is_up and $all_run" || return
	done
}

seen() { printf "$dir/%s/$1.seen " "${hosts[@]}"; }

# judged KIND [-l]: of what was sent until now
judged() {
	local kind=each opts=() until=$sent
	case $1 in
	jobs) kind=work ;;
	events) opts=(-x) ;;
	news) until=$published ;; # and those of its own machine
	esac
	# shellcheck disable=SC2046 # one word a file
	"$bin/judge" "${opts[@]}" "${@:2}" -u "$until" -o 3 -n "$each" $kind $(seen "$1")
}

# arrived SECONDS: all that was sent is where it should be
arrived() {
	local until=$((SECONDS + $1))
	until judged jobs -l >/dev/null && judged events -l >/dev/null && judged news -l >/dev/null; do
		[ "$SECONDS" -lt "$until" ] || {
			local kind
			for kind in jobs events news; do
				echo "# $kind $(judged "$kind")"
			done
			nats_told
			return 1
		}
		sleep 0.1
	done
}

phase() {
	local i start from=$sent rate=$((part / ${lasts[$1]} + 1))
	# what is published while one begins is not sent by it
	check "$1: all bridges run" all_run
	start=$(date +%s.%N)
	sent=$((sent + part))
	for i in 1 2 3; do
		feed "h$i" -e -o $((i - 1)) -b "$from" -n "$part" -r $rate "$jobs_out"
		feed "h$i" -e -o $((i - 1)) -b "$from" -n "$part" -r $rate "$events_out"
		# what was taken from a topic goes with a bridge that is killed
		[ "$1" = bridges ] || feed "h$i" -e -t -o $((i - 1)) -b "$published" -n "$part" -r $rate "$news"
	done
	[ "$1" = bridges ] || published=$((published + part))
	"fault_$1"
	check "$1: all could be sent" feed_wait "$limit"
	mended=${mended:-$(date +%s.%N)}
	check "$1: nothing is lost" arrived "$limit"
	[ "$killed" -gt 0 ] || check "$1: and each event came once" once
	echo "# $1: $part messages of each kind and machine in $(since "$start") s," \
		"$(since "$mended") s after the last fault; jobs $(judged jobs)"
}

since() { awk -v now="$(date +%s.%N)" -v then="$1" 'BEGIN { printf "%.1f", now - then }'; }

# once [TIMES]: nothing is doubled, or no more often than that
once() { once_each events "$@" && once_each news "$@"; }
once_each() {
	judged "$1" >"$dir/verdict" && return
	sed "s/^/# $1 /" "$dir/verdict"
	[ "${2:-0}" -gt 0 ] && python3 - "$dir/verdict" "$2" <<-'END'
		import json, sys
		v = json.load(open(sys.argv[1]))
		sys.exit(any(h["lost"] + h["wrong"] for h in v) or
		         sum(h["doubled"] for h in v) > int(sys.argv[2]))
	END
}
right() {
	judged jobs >"$dir/verdict"
	sed 's/^/# jobs /' "$dir/verdict"
	grep -q '"lost": 0.*"wrong": 0' "$dir/verdict"
}
bounded() {
	read -r own all < <(memory_most)
	echo "# bridges had $own kB of memory of their own at most, $all kB with what they share"
	[ "$own" -gt 0 ] && [ "$own" -lt 131072 ]
}

echo "# seed $seed, $((3 * each)) messages of each kind"
check "three servers, three bridges" begin
if [ $bad -eq 0 ]; then
	for phase in "${phases[@]}"; do
		mended=
		phase "$phase"
	done
	sleep 1 # for what comes twice
	check "each job was done, and is what was sent" right
	# who is killed between putting a message there and noting it may do so once more
	check "each event came once to each other machine" once "$killed"
	check "memory is bounded" bounded
fi
if [ $bad -ne 0 ]; then
	mkdir -p "$top/build/logs"
	for i in "${hosts[@]}"; do
		bridge_status "$i" >"$dir/$i/status.json" 2>&1
	done
	tar -C "$dir" --exclude=store --exclude=run --exclude=status.sock -czf "$top/build/logs/storm.tar.gz" .
	echo "# logs, configurations and states are in build/logs/storm.tar.gz"
	tail -n 5 "$dir"/h*/*.log | sed 's/^/# /'
fi
echo "1..$n"
exit $bad
