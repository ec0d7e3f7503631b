#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What there is, in numbers: ipcx top, hz, metrics, and completion. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
tests=$(dirname "$(realpath "$0")")
ipcx=$tests/../bin/ipcx
[ -x "$ipcx" ] || ipcx=$tests/../build/bin/ipcx
[ -c /dev/ipcx ] || { echo "1..0 # SKIP no /dev/ipcx"; exit 4; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# shellcheck source=selftests/tap.sh
. "$tests/tap.sh"

# gives STATUS COMMAND...
gives() {
	want=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err" || [ $? -eq "$want" ] || return 1
}
# says STATUS TEXT COMMAND...: the command fails and its error has TEXT in it
says() {
	status=$1 text=$2
	shift 2
	gives "$status" "$@" && grep -qF -- "$text" "$dir/err"
}
# lines CONDITION COMMAND...: the command writes objects o[NAME] of which CONDITION is true
lines() {
	condition=$1
	shift
	gives 0 "$@" && python3 -c "import json
a = [json.loads(l) for l in open('$dir/out')]
o = {j['name']: j for j in a}
assert ($condition), o"
}
# screen ROWSxCOLUMNS STEP... -- COMMAND...
screen() { python3 "$tests/screen.py" "$@" 2>"$dir/err" || { sed 's/^/# /' "$dir/err"; false; }; }
is() { [ "$1" = "$2" ] || { echo "# got: $1"; echo "# not: $2"; false; }; }
clean() { ! LC_ALL=C grep -q '[[:cntrl:]]' "$1"; }

evil=$(printf 'a\033[31m\nb"c\302\205')
"$ipcx" create jobs --depth 16
"$ipcx" create small --depth 4 --policy drop-oldest
"$ipcx" create late
"$ipcx" create news --topic
"$ipcx" create board --region 4K
"$ipcx" create "$evil" --depth 8
seq 12 | "$ipcx" send jobs
"$ipcx" recv jobs -n 5 >/dev/null
seq 10 | "$ipcx" send small
seq 3 | "$ipcx" send late --expires 1ms
sleep 0.1
"$ipcx" recv late --timeout 0 >/dev/null 2>&1 # finds them expired
check "the numbers are those of what was done" lines 'o["jobs"]["sent"] == 12 and o["jobs"]["released"] == 5 and
o["jobs"]["queued"] == 7 and o["jobs"]["depth"] == 16 and o["small"]["dropped_oldest"] == 6 and
o["small"]["queued"] == 4 and o["late"]["expired"] == 3 and o["late"]["queued"] == 0 and
o["jobs"]["sent_bytes"] == 15 and o["jobs"]["bytes_per_s"] == 0 and o["small"]["sent_bytes"] == 11' "$ipcx" top --once --json -d 10ms
check "queues and topics, no regions" lines 'len(a) == 5 and o["news"]["kind"] == "topic" and "board" not in o' \
	"$ipcx" top --once --json -d 10ms
"$ipcx" ls --json >"$dir/ls"
check "every number is that of ls" lines 'all(o[k["name"]][m] == k[m] for k in map(json.loads, open("'"$dir"'/ls"))
	if k["kind"] != "region" for m in k if m != "oldest_ms")' "$ipcx" top --once --json -d 10ms
check "what nobody sends to is not fast" lines 'o["jobs"]["sent_per_s"] == 0 and o["jobs"]["done_per_s"] == 0' \
	"$ipcx" top --once --json -d 10ms
check "topics have no rate" lines 'o["news"]["sent_per_s"] is None and o["news"]["bytes_per_s"] is None' "$ipcx" top --once --json -d 10ms
(sleep 1; seq 8 | "$ipcx" send "$evil") &
check "two seconds, eight messages, a byte each" lines '3 < o["a\x1b[31m\nb\"c\x85"]["sent_per_s"] * 2 <= 8.01 and
	all(j["bytes_per_s"] == j["sent_per_s"] for j in a if j["sent_per_s"])' "$ipcx" top --once --json -d 2
wait

"$ipcx" create aged --depth 16
seq 6 | "$ipcx" send aged
sleep 1.1
"$ipcx" recv aged -n 2 >/dev/null
check "ages are those of what was taken" lines 'sum(o["aged"]["ages_ms"].values()) == 2 and
	min(map(int, o["aged"]["ages_ms"])) > 1000 and o["aged"]["oldest_ms"] > 1000 and
	o["aged"]["ages_sum_ms"] > 2000 and o["aged"]["taps"] == 0 and o["small"]["ages_ms"] == {} and
	"ages_ms" not in o["news"] and "oldest_ms" not in o["news"] and o["news"]["taps"] == 0 and
	all(j["age_p50_at_most_ms"] is j["age_p99_at_most_ms"] is None for j in a)' "$ipcx" top --once --json -d 10ms
"$ipcx" recv aged -n 2 >/dev/null
(sleep 1; seq 5 | "$ipcx" send aged; "$ipcx" recv aged -n 7 >/dev/null) &
check "and p50 and p99 of those between the looks" lines '
	sum(o["aged"]["ages_ms"].values()) == 11 and o["aged"]["released"] == 11 and o["aged"]["oldest_ms"] == 0 and
	o["aged"]["age_p50_at_most_ms"] < o["aged"]["age_p99_at_most_ms"] > 1000' "$ipcx" top aged --once --json -d 4
wait
check "as text, on a wide line" sh -c "'$ipcx' top aged --once -d 10ms | grep -q 'P50<=  P99<= OLDEST'"
check "show tells them, too" sh -c "'$ipcx' show aged | grep -q '^ages_ms .* <= .* ms; p50 <= .* ms, p99 <= .* ms\$'"
"$ipcx" metrics >"$dir/aged"
# histogram FILE: of what show wrote last, how many were not older than each bound
histogram() {
	python3 - "$1" "$dir/out" <<-'END'
		import json, re, sys
		ages = json.load(open(sys.argv[2]))["ages_ms"]
		n, last = 0, -1
		for line in open(sys.argv[1]):
		    m = re.fullmatch(r'ipcx_queue_age_seconds_bucket{.*name="aged",le="(.*)"} (.*)\n', line)
		    if m:
		        le, v = float(m[1]), int(m[2])
		        assert le > last and v == sum(k for b, k in ages.items() if float(b) <= le * 1000), line
		        n, last = n + 1, le
		assert n == 20 and v == 11 and last == float("inf")
	END
}
check "and as JSON" gives 0 "$ipcx" show aged --json
check "the histogram is cumulative" histogram "$dir/aged"
check "and has a count" grep -qx 'ipcx_queue_age_seconds_count{.*name="aged"} 11' "$dir/aged"
"$ipcx" rm aged
"$ipcx" sub news >/dev/null &
sub=$!
cp "$ipcx" "$dir/$(printf 'x\033[1m')"
"$dir/$(printf 'x\033[1m')" recv jobs -n 100 >/dev/null &
recv=$!
check "both are there" timeout 10 sh -c "until '$ipcx' show news --json | grep -q '\"receivers\":1' && '$ipcx' show jobs --json | grep -q '\"queued\":0'; do sleep 0.05; done"
check "who has it open" lines 'o["news"]["ends"][0]["pid"] == '$sub' and o["news"]["ends"][0]["comm"] == "ipcx" and
o["jobs"]["ends"][0]["pid"] == '$recv' and o["jobs"]["ends"][0]["comm"] == "x\x1b[1m" and o["jobs"]["ends"][0]["rights"] == "r"' \
	"$ipcx" top --once --json -d 10ms
check "as text" gives 0 "$ipcx" top --once -d 10ms
check "a line for each" sh -c "[ \$(wc -l <'$dir/out') = 6 ]"
check "nothing in it reaches the terminal" clean "$dir/out"
check "but as octal numbers" grep -qF 'a\033[31m\012b"c\302\205' "$dir/out"
check "the bar" sh -c "grep -q '########.* 4 .* 6 .*root.*small' '$dir/out'"
kill "$sub" "$recv"
wait 2>/dev/null
check "those named" lines 'list(o) == ["small"]' "$ipcx" top small --once --json -d 10ms
check "one that there is not" says 1 'no object of this name' "$ipcx" top nowhere --once
check "three times" gives 0 "$ipcx" top jobs -n 3 -d 10ms --json
check "are three lines" sh -c "[ \$(wc -l <'$dir/out') = 3 ]"
check "others see nothing" lines 'not a' setpriv --reuid 1000 --clear-groups "$ipcx" top --once --json -d 10ms
check "no time" says 2 '10ms' "$ipcx" top -d 0
check "no count" says 2 'from 1' "$ipcx" top -n 0
check "once is once" says 2 'not 3 times' "$ipcx" top --once -n 3
check "nobody reads it" says 1 'No space' sh -c "'$ipcx' top --once -d 10ms >/dev/full"

check "a screen" screen 24x80 'see:OPENED BY' see:small keys:q end:0 -- "$ipcx" top
check "no raw name on it" screen 24x80 'see:a\033[31m\012' 'not:c\u0085' keys:q end:0 -- "$ipcx" top
check "colors" screen 24x80 "see:$(printf '\033[31m')####" keys:q end:0 -- "$ipcx" top
check "or none" screen 24x80 see:######## "not:$(printf '\033[3')" keys:q end:0 -- env NO_COLOR=1 "$ipcx" top
check "sort" screen 24x80 'see:by IN/s' keys:s 'see:by OUT/s' keys:sssss 'see:by NAME' keys:s 'see:by IN/s' keys:q end:0 -- "$ipcx" top
check "filter" screen 24x80 see:top keys:/sma 'see:names with: sma' "keys:$(printf '\r')" 'see:1 by IN/s' not:jobs keys:q end:0 \
	-- "$ipcx" top
check "filter given up" screen 24x80 see:top keys:/xx 'see:with: xx' "keys:$(printf '\177')" 'see:with: x ' \
	"keys:$(printf '\033')" see:jobs keys:q end:0 -- "$ipcx" top
check "pause" screen 24x80 see:top keys:p see:paused keys:p see:jobs not:paused keys:q end:0 -- "$ipcx" top
check "help" screen 24x80 see:top 'keys:?' 'see:threads that sleep' keys:x see:jobs keys:q end:0 -- "$ipcx" top
check "arrows are no keys" screen 24x80 see:top "keys:$(printf '\033[A')" see:jobs keys:q end:0 -- "$ipcx" top
check "another size" screen 50x200 "see:$(printf '%85s' '')" size:4x80 'see:4 more' size:24x80 see:news keys:q end:0 -- "$ipcx" top
check "bytes a second where there is room" screen 24x100 'see:OUT/s    B/s' keys:q end:0 -- "$ipcx" top
check "and not where there is none" screen 24x99 'see:OUT/s  FULL' 'not:B/s' keys:q end:0 -- "$ipcx" top
check "a tiny one" screen 1x1 see:+ size:2x10 see:ipcx keys:q end:0 -- "$ipcx" top
check "the count ends it" screen 24x80 see:jobs end:0 -- "$ipcx" top -n 2 -d 100ms
for signal in 1 2 3 15; do
	check "signal $signal ends it" screen 24x80 see:jobs signal:$signal end:-$signal -- "$ipcx" top
done
check "the key for that" screen 24x80 see:jobs "keys:$(printf '\003')" end:-2 -- "$ipcx" top
check "stopped, and it goes on" screen 24x80 see:jobs signal:20 stop:20 see:jobs keys:q end:0 -- "$ipcx" top
check "the output is no terminal" screen 24x80 end:0 -- sh -c "'$ipcx' top --once -d 10ms | grep -q jobs"
# last CONDITION COMMAND...: of the last object written
last() {
	condition=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err"
	status=$?
	tail -n 1 "$dir/out" | python3 -c "import json, sys
j = json.load(sys.stdin)
assert ($condition), j"
}
"$ipcx" create beat --depth 1000
sent() { "$ipcx" stat beat --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["sent"])'; }
(sleep 1; seq 3 | "$ipcx" send beat; sleep 1; "$ipcx" send beat -m x) &
check "hz: what is sent meanwhile" last 'j["name"] == "beat" and j["messages"] == 4 and j["seconds"] > 1' \
	"$ipcx" hz beat -n 4 --json
wait
cp "$dir/out" "$dir/reports"
check "as many as wanted" is "$status" 0
check "rates and times fit" last 'abs(j["per_s"] - j["messages"] / j["seconds"]) < 0.01 and
	abs(j["mean_ms"] - 1000 * j["seconds"] / j["messages"]) < 0.01 and
	j["shortest_at_most_ms"] < 1000 and 500 < j["longest_at_least_ms"] < 20000' cat "$dir/reports"
check "a report each second" sh -c "[ \$(wc -l <'$dir/reports') -ge 2 ]"
(sleep 0.5; seq 5 | "$ipcx" send beat) &
check "until there were enough" last 'j["messages"] >= 2' "$ipcx" hz beat -n 2 --json
wait
check "and not longer" is "$status" 0
check "all were sent and none received" is "$(sent)" 9
check "nothing came" last 'j["messages"] == 0 and j["per_s"] == 0 and j["mean_ms"] is None and
	j["longest_at_least_ms"] is None' "$ipcx" hz beat -W 100ms --json
check "is exit code 4" is "$status" 4
(sleep 0.3; "$ipcx" send beat -m x) &
check "one message has no time to the next" last 'j["messages"] == 1 and j["mean_ms"] is None' "$ipcx" hz beat -n 5 -W 4 --json
wait
check "less than the count is exit code 4" is "$status" 4
(for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.2; done) | "$ipcx" send beat &
check "in words" gives 0 "$ipcx" hz beat -W 3
wait
check "with bounds" grep -qE '/s in 3\.[0-9] s: [0-9]+ messages, every .* ms, shortest <= .* ms, longest >= .* ms$' "$dir/out"
(sleep 0.5; "$ipcx" rm beat) &
check "the queue goes" says 1 'the queue is gone' "$ipcx" hz beat
wait
check "a topic is not counted" says 1 'of queues only, and this is a topic' "$ipcx" hz news -W 1
check "hz of nothing" says 1 'no object of this name' "$ipcx" hz nowhere
check "hz for no time" says 2 '10s' "$ipcx" hz small -W 0
check "hz of two" says 2 'one name' "$ipcx" hz small jobs

# prometheus FILE: what its parser wants: help and type before all samples of a metric together
prometheus() {
	python3 - "$1" <<-'END'
		import re, sys
		label = r'[a-zA-Z_]+="(?:[^"\\\n]|\\["\\n])*"'
		sample = re.compile(r'([a-z_]+)\{' + label + '(?:,' + label + r')*\} [0-9]+(?:\.[0-9]{3})?')
		done, seen, now, kind = set(), set(), None, None
		text = open(sys.argv[1], newline="").read()
		assert text.endswith("\n")
		for line in text[:-1].split("\n"):
		    if line.startswith("# HELP "):
		        now, kind = line.split()[2], None
		        assert now not in done, now
		        done.add(now)
		    elif line.startswith("# TYPE "):
		        assert kind is None and line.split()[2] == now
		        kind = line.split()[3]
		        assert kind == ("counter" if now.endswith("_total") else
		                        "histogram" if now == "ipcx_queue_age_seconds" else "gauge")
		    else:
		        name = sample.fullmatch(line).group(1)
		        assert name == now if kind != "histogram" else name in {
		            now + "_bucket", now + "_count", now + "_sum"}, line
		        assert kind, line
		        key = line.rsplit(" ", 1)[0]
		        assert key not in seen, key
		        seen.add(key)
	END
}
check "metrics" gives 0 "$ipcx" metrics
cp "$dir/out" "$dir/metrics"
check "are text for Prometheus" prometheus "$dir/metrics"
for sample in 'ipcx_messages_total{object="1",uid="0",kind="queue",name="jobs"} 12' \
	'ipcx_message_bytes_total{object="1",uid="0",kind="queue",name="jobs"} 15' \
	'ipcx_messages_lost_total{object="2",uid="0",kind="queue",name="small",reason="dropped_oldest"} 6' \
	'ipcx_messages_lost_total{object="3",uid="0",kind="queue",name="late",reason="expired"} 3' \
	'ipcx_depth{object="4",uid="0",kind="topic",name="news"} 64' \
	'ipcx_memory_max_bytes{object="5",uid="0",kind="region",name="board"} 4096' \
	'ipcx_queued{object="6",uid="0",kind="queue",name="a\\033[31m\\012b\"c\\302\\205"} 8' \
	'ipcx_user_objects{uid="0"} 6'; do
	check "$sample" grep -qxF "$sample" "$dir/metrics"
done
"$ipcx" create "$(printf 'back\\slash \377')"
check "what is no UTF-8" sh -c "'$ipcx' metrics >'$dir/out' && grep -qF 'name=\"back\\\\134slash \\\\377\"' '$dir/out'"
"$ipcx" rm "$(printf 'back\\slash \377')"
check "as JSON" sh -c "'$ipcx' metrics --json | python3 -c '
import json, sys
a = [json.loads(l) for l in sys.stdin]
b = [j[\"value\"] for j in a if j[\"metric\"] == \"ipcx_messages_lost_total\" and j[\"name\"] == \"late\" and j[\"reason\"] == \"expired\"]
assert b == [3], a'"

"$ipcx" metrics --listen 9464 &
loopback=$!
"$ipcx" metrics --listen '[::1]:9465' &
six=$!
"$ipcx" metrics --socket "$dir/socket" &
local=$!
# ask FAMILY ADDRESS REQUEST: what comes back, as bytes of Python in r; CONDITION is true
ask() {
	python3 - "$@" <<-'END'
		import socket, sys, time
		family, address, request, condition = sys.argv[1:]
		for i in range(200):
		    s = socket.socket(getattr(socket, family))
		    try:
		        s.connect(eval(address))
		        break
		    except OSError:
		        time.sleep(0.05)
		start = time.monotonic()
		r = b""
		try:
		    s.sendall(eval(request))
		    while True:
		        got = s.recv(65536)
		        if not got:
		            break
		        r += got
		except ConnectionError:
		    pass
		seconds = time.monotonic() - start
		head, _, body = r.partition(b"\r\n\r\n")
		assert eval("(" + condition + ")"), (seconds, r)
	END
}
scrape='b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"'
good='head.startswith(b"HTTP/1.1 200 OK\r\n") and b"text/plain; version=0.0.4" in head and
b"Content-Length: %d" % len(body) in head and b"ipcx_messages_total" in body'
at='("127.0.0.1", 9464)'
check "scraped" ask AF_INET "$at" "$scrape" "$good and open('$dir/metrics', 'wb').write(body)"
check "the same text" prometheus "$dir/metrics"
check "over IPv6" ask AF_INET6 '("::1", 9465)' "$scrape" "$good"
check "over a socket" ask AF_UNIX "'$dir/socket'" "$scrape" "$good"
check "which is for its owner" is "$(stat -c %a "$dir/socket")" 600
check "with a query" ask AF_INET "$at" 'b"GET /metrics?x=1 HTTP/1.0\n\n"' "$good"
check "only the head" ask AF_INET "$at" 'b"HEAD /metrics HTTP/1.1\r\n\r\n"' 'b" 200 " in head and not body'
check "something else" ask AF_INET "$at" 'b"GET /etc/passwd HTTP/1.1\r\n\r\n"' 'b" 404 " in head'
check "another method" ask AF_INET "$at" 'b"POST /metrics HTTP/1.1\r\n\r\n"' 'b" 405 " in head'
check "no request" ask AF_INET "$at" 'b"\x16\x03\x01\r\n\r\n"' 'b" 400 " in head'
check "a request without an end" ask AF_INET "$at" 'b"GET /" + 9000 * b"x"' 'b" 200 " not in head'
check "who says nothing is sent away" ask AF_INET "$at" 'b""' 'not r and seconds < 10'
check "who goes away at once" ask AF_INET "$at" 's.shutdown(socket.SHUT_WR) or b""' 'not r and seconds < 10'
python3 -c "import socket, time
s = [socket.create_connection(('127.0.0.1', 9464)) for i in range(15)]
time.sleep(60)" &
silent=$!
check "behind many who say nothing" ask AF_INET "$at" "$scrape" "$good and seconds < 10"
kill "$silent"
check "nobody else may listen there" says 1 'Address already in use' timeout 5 "$ipcx" metrics --listen 9464
check "nor at the socket" says 1 'Address already in use' timeout 5 "$ipcx" metrics --socket "$dir/socket"
# shellcheck disable=SC2016 # for awk
check "at no other address" awk '$2 ~ /:24F8$/ && $4 == "0A" && $2 != "0100007F:24F8" { exit 1 }' /proc/net/tcp
kill "$loopback" "$six" "$local"
wait 2>/dev/null
"$ipcx" metrics --socket "$dir/socket" &
local=$!
check "a socket that was left over" ask AF_UNIX "'$dir/socket'" "$scrape" "$good"
kill "$local"
wait 2>/dev/null
echo x >"$dir/file"
check "a file is not replaced" says 1 'Address already in use' timeout 5 "$ipcx" metrics --socket "$dir/file"
check "no port" says 2 'in numbers' "$ipcx" metrics --listen localhost:http
check "both" says 2 'only one of' "$ipcx" metrics --listen 1 --socket x
check "metrics of a name" says 2 'no names' "$ipcx" metrics jobs

check "only names" is "$("$ipcx" ls --null | tr '\0' '|')" "jobs|small|late|news|board|$evil|"
"$ipcx" create 'two words'
# shellcheck disable=SC2016 # it is not to be run
"$ipcx" create '$(touch x)'
"$ipcx" create kernel:-n
# complete_line WORD...: what bash is offered for the last one, evaluated as it would when entered
complete_line() {
	PATH=$(dirname "$ipcx"):$PATH bash -c '
		. "$0"/../scripts/completion/ipcx.bash
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_ipcx
		! printf "%s\n" "${COMPREPLY[@]}" | tr -d "\n" | LC_ALL=C grep -q "[^ -~]" || exit 1
		eval "words=(${COMPREPLY[*]})"
		[ ${#words[@]} = ${#COMPREPLY[@]} ] && printf "%s|" "${words[@]}"' "$tests" "$@"
}
check "bash: a command" is "$(complete_line ipcx me)" 'metrics|'
check "bash: of all" is "$(complete_line ipcx '' | tr '|' '\n' | grep -c .)" "$("$ipcx" help | grep -c '^  [a-z]')"
check "bash: an option" is "$(complete_line ipcx send jobs --pr)" '--prio|'
check "bash: a name" is "$(complete_line ipcx send j)" 'jobs|'
check "bash: every name" is "$(complete_line ipcx rm '')" "jobs|small|late|news|board|$evil|two words|\$(touch x)|kernel:-n|"
check "bash: one begun with a quoted blank" is "$(complete_line ipcx rm 'two\ w')" 'two words|'
check "bash: nothing for what there is not" is "$(complete_line ipcx send nowhere)" '|'
check "bash: help of a command" is "$(complete_line ipcx help ho)" 'holders|'
check "bash: create takes no name that is there" is "$(complete_line ipcx create j)" '|'
check "bash: nothing ran" sh -c '[ ! -e x ]'
# shellcheck disable=SC2016
"$ipcx" rm 'two words' '$(touch x)' kernel:-n

"$ipcx" rm jobs small late news board "$evil"
check "nothing is left to see" lines 'not a' "$ipcx" top --once --json -d 10ms
check "an empty screen" screen 24x80 'see:top: 0 by' keys:s see:OUT keys:q end:0 -- "$ipcx" top
echo "1..$n"
exit $bad
