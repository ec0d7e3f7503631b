#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The bpftrace scripts, while known traffic runs: what they say is what there was. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
top=$(realpath "$(dirname "$(realpath "$0")")/..")
ipcx=$top/build/bin/ipcx
[ -c /dev/ipcx ] || { echo "1..0 # SKIP no /dev/ipcx"; exit 4; }
dir=$(mktemp -d)
declare -A pid
trap 'kill "${pid[@]}" 2>/dev/null; rm -rf "$dir"' EXIT
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"

# Each attached tracepoint is a file of perf's, and so is the buffer of each CPU.
attached() {
	local wait
	for wait in {1..120}; do
		[ "$(readlink "/proc/${pid[$1]}"/fd/* | grep -c perf_event)" -lt "$2" ] || return 0
		sleep 0.5
	done
	echo "# $1: not attached after $wait looks"
	cat "$dir/$1.err"
	false
}
# says SCRIPT MAP KEY: the sum of what a map said of a key, each time that it was printed
says() {
	python3 - "$dir/$1.json" "@$2" "$3" <<-'END'
		import json, sys
		path, name, key = sys.argv[1:]
		total = 0
		for line in open(path):
		    o = json.loads(line)
		    value = o["data"].get(name, {}).get(key, 0) if o["type"] in ("map", "hist") else 0
		    total += value if isinstance(value, int) else sum(b["count"] for b in value)
		print(total)
	END
}
is() { [ "$1" = "$2" ] || { echo "# got: $1, not: $2"; false; }; }
lines() { grep -c "\"printf\".*$1" "$dir/drops.json"; }
# who_woke_whom: each sleeper was woken once, by the one that sent
who_woke_whom() {
	local sender sleeper
	read -r sender
	for _ in 1 2 3 4 5; do
		read -r sleeper && is "$(says wakeups from_to "$slow,python3,$sender,$sleeper")" 1 || return
	done
}
seconds() { grep -c '"time"' "$dir/top.json"; }
id_of() { "$ipcx" show "$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])'; }

for script in latency top drops wakeups; do
	bpftrace -f json -o "$dir/$script.json" "$top/scripts/trace/$script.bt" 2>"$dir/$script.err" &
	pid[$script]=$!
done
cpus=$(nproc)
check "latency is attached" attached latency $((cpus + 3))
check "top is attached" attached top $((cpus + 3))
check "drops is attached" attached drops $((cpus + 3))
check "wakeups is attached" attached wakeups $((cpus + 4))
sleep 2 # the last of them

# What passes between a look and a clearing of top is not counted: all within one of its seconds,
# which begin with their time, or once more with another queue.
printf '%s\n' a bb ccc dddd eeeee >"$dir/lines"
for _ in {1..20}; do
	"$ipcx" create jobs
	jobs=$(id_of jobs)
	second=$(seconds)
	for _ in {1..600}; do
		[ "$(seconds)" -eq "$second" ] || break
		sleep 0.05
	done
	sleep 0.2 # it has printed
	second=$(seconds)
	for _ in 1 2; do
		"$ipcx" send jobs <"$dir/lines"
		"$ipcx" recv jobs -n 5 >/dev/null
	done
	[ "$(seconds)" -gt "$second" ] || break
	echo "# more than a second: once more"
	"$ipcx" rm jobs
done

for policy in oldest newest; do
	"$ipcx" create few --depth 4 --policy "drop-$policy"
	declare "$policy=$(id_of few)"
	seq 7 | "$ipcx" send few
	"$ipcx" rm few
done

"$ipcx" create dead
"$ipcx" create twice --max-deliveries 1 --dead-letter dead --lease 100
twice=$(id_of twice)
"$ipcx" send twice -m lost
"$ipcx" serve twice -n 1 -- sleep 1 >/dev/null 2>&1

"$ipcx" create sums
sums=$(id_of sums)
"$ipcx" serve sums -n 3 -- cat &
server=$!
for _ in 1 2 3; do
	"$ipcx" call sums -m 1 >/dev/null
done
wait $server

# five times somebody is woken for a message: by which thread, and whom
python3 - "$top/build/lib/libipcx.so" >"$dir/slept" <<-'END'
	import ctypes, os, sys, time
	lib = ctypes.CDLL(sys.argv[1])
	print(os.getpid())
	q, receive, send, create, forever = ctypes.c_void_p(), 8, 4, 1, ctypes.c_int64(2**63 - 1)
	buf = ctypes.create_string_buffer(8)
	lib.ipcx_queue_open(ctypes.byref(q), b"slow", create | receive | send, None)
	for i in range(5):
	    pid = os.fork()
	    if not pid:
	        r = ctypes.c_void_p()
	        lib.ipcx_queue_open(ctypes.byref(r), b"slow", receive, None)
	        os._exit(lib.ipcx_queue_recv(r, buf, ctypes.c_size_t(8), forever) != 8)
	    asleep = 0
	    while asleep < 3: # in a row
	        time.sleep(0.1)
	        state = open(f"/proc/{pid}/stat").read().split(")")[1].split()[0]
	        asleep = asleep + 1 if state == "S" else 0
	    lib.ipcx_queue_send(q, buf, ctypes.c_size_t(8), forever)
	    print(pid if not os.waitpid(pid, 0)[1] else -1)
END
slow=$(id_of slow)

sleep 2 # the second of top is over
kill -INT "${pid[@]}"
wait "${pid[@]}"
for name in jobs dead twice sums slow; do
	"$ipcx" rm "$name"
done

check "latency: each message is counted" is "$(says latency ns "$jobs")" 10
check "latency: what was dropped is not" is "$(says latency ns "${oldest:-}")" 0
check "latency: requests are messages" is "$(says latency ns "$sums")" 3
check "top: messages sent" is "$(says top sent "$jobs")" 10
check "top: their bytes" is "$(says top bytes "$jobs")" 30
check "top: messages released" is "$(says top released "$jobs")" 10
check "drops: the oldest" is "$(says drops drops "${oldest:-},oldest")" 3
check "drops: the newest" is "$(says drops drops "${newest:-},newest")" 4
check "drops: what came back too often" is "$(says drops drops "$twice,poison")" 1
check "drops: of which there is a copy" is "$(says drops drops "$twice,dead-lettered")" 1
check "drops: a line for each" is "$(lines " oldest ")/$(lines " newest ")/$(lines " poison ")" 3/4/1
check "drops: none of the others" is "$(lines "")" 9
check "wakeups: messages" is "$(says wakeups messages "$sums")" 3
check "wakeups: each caller is woken once" is "$(says wakeups wakeups "$sums,caller")" 3
check "wakeups: of receivers" is "$(says wakeups wakeups "$slow,receiver")" 5
check "wakeups: for messages" is "$(says wakeups woken_for "$slow,1")/$(says wakeups woken_for "$slow,0")" 5/0
check "wakeups: from whom to whom" who_woke_whom <"$dir/slept"
check "no script complained" is "$(cat "$dir"/*.err)" ""
echo "1..$n"
exit $bad
