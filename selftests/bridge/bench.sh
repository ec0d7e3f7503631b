#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh: what a bridge costs beside libnats alone, in one run, in turns.
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
top=$here/../..

usage() {
	cat <<-'END'
	usage: selftests/bridge/bench.sh [--json] [--count N] [--requests N] [--rounds N]

	Two machines and a NATS server, which are network namespaces here. In each round:

	  out      N messages of 1 KiB from a queue over shared memory to a stream, until each is
	           acknowledged and released; against asynchronous publishing by libnats, and
	           "numbered" against the same with an id by which the server knows copies
	  in       the same from the stream to a queue and its receiver, each acknowledged; against
	           fetching and acknowledging by libnats
	  request  requests of 64 bytes, one after the other, to a server at the other machine, and
	           their answers; against requests by libnats
	  floor    the same by bare relays: a socket of each machine, and requests by libnats between
	           them, with nothing stored; against requests by libnats, too

	Who sends fills each message in the same way, with libnats alone too.
	The stream is a work queue in files. Medians of all rounds; ratio: the bridge's messages in a
	second by those of libnats, or its microseconds likewise, in each round, and of that the median.
	END
}

all_args=("$@")
json='' count=30000 requests=500 rounds=9
while [ $# -gt 0 ]; do
	case $1 in
	--json) json=1 ;;
	--count | --requests | --rounds)
		[[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }
		printf -v "${1#--}" %s "$2"
		shift
		;;
	-h | --help) usage; exit ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
set -- "${all_args[@]}"
# shellcheck source=selftests/bridge/net.sh
. "$here/net.sh"
# shellcheck source=selftests/bridge/nats.sh
. "$here/nats.sh"
# shellcheck source=selftests/bridge/hosts.sh
. "$here/hosts.sh"
ipcx=$top/build/bin/ipcx bin=$top/build/selftests/bridge size=1024
die() { echo "bench: $*" >&2; tail -n 5 "$dir"/h*/*.log >&2; exit 1; }

begin() {
	make -s -C "$here/load" O="$bin" || exit
	net_begin
	net_host s1 10.9.0.11
	net_host h1 10.9.0.21
	net_host h2 10.9.0.22
	nats_setup s1=10.9.0.11
	nats_start s1
	nats_ready s1 || exit
	bridge_conf h1 1 "queue bulk work out local shm:bulk" "queue ask work out local shm:ask"
	bridge_conf h2 1 "queue bulk work in local shm:bulk" "queue ask work in local shm:ask"
	# as deep as who has it first says: kept, or the bridge would make one of 64
	: >"$dir/deep"
	(on h1 "$bin/feed" -d 1024 -o 0 -n 0 shm:bulk) >"$dir/deep" &
	ready "$dir/deep" sent
}

# bare HOST STREAM COUNT SIZE WHAT
bare() {
	(on "$1" timeout 300 "$bin/bare" nats://10.9.0.11:4222 bridge "$(cat "$dir/password")" "${@:2}")
}

# note WHAT COMMAND...: the figure that it prints is one more of that
note() {
	echo -n "$1 " >>"$dir/figures"
	("${@:2}") >>"$dir/figures" || die "it failed: $*"
}

bridge_up() {
	rm -f "$dir/$1/end"
	bridge_keep "$1"
	sees "$1" 20 'd["link"] == "up"' || die "the bridge at $1 does not come up"
}

bridge_down() {
	bridge_end "$1"
	while kill -0 "$(cat "$dir/$1/pid")" 2>/dev/null; do
		sleep 0.1
	done
}

round_bare() {
	bare h1 bare 0 0 make
	note bare_out bare h1 bare "$count" $size publish
	note bare_in bare h2 bare "$count" $size pull
	bare h1 bare 0 0 delete
	bare h1 bare 0 0 make
	note bare_numbered bare h1 bare "$count" $size number
	bare h1 bare 0 0 delete
}

round_bridge() {
	bridge_up h1
	note bridge_out on h1 timeout 300 "$bin/feed" -ew -o 0 -n "$count" -s $size shm:bulk
	bridge_down h1
	rm -f "$dir/h2/bulk.seen"
	(on h2 timeout 300 "$bin/work" -o 1 -n "$count" -s $size -e "$count" -f "$dir/h2/bulk.seen" \
		shm:bulk) >"$dir/in" &
	receiver=$!
	bridge_up h2
	wait "$receiver" || die "not all came, or not as sent: $(cat "$dir/in")"
	note bridge_in cat "$dir/in"
	bridge_down h2
}

# ready FILE [WORD]: waits until it says so
ready() {
	local until=$((SECONDS + 20))
	until grep -q "${2:-ready}" "$1"; do
		[ $SECONDS -lt $until ] || die "in 20 s nothing was ready for ${1##*/}"
		sleep 0.1
	done
}

# relay HOST NAME WHAT: in the background, until it is ready
relay() {
	: >"$dir/$3"
	(cd "$dir/$1" && on "$1" "$bin/bare" nats://10.9.0.11:4222 bridge "$(cat "$dir/password")" \
		"$2" 0 0 "$3") >"$dir/$3" &
	relays+=($!)
	ready "$dir/$3"
}

round_floor() {
	relays=()
	relay h2 ask.floor answer
	relay h2 ask.floor serve_by
	relay h1 ask.floor relay
	note floor_request on_there h1 "$bin/bare" nats://10.9.0.11:4222 bridge "$(cat "$dir/password")" \
		ask.floor "$requests" 64 call
	kill "${relays[@]}" 2>/dev/null
}

on_there() {
	cd "$dir/$1" && on "$1" timeout 300 "${@:2}"
}

round_request() {
	: >"$dir/serve"
	local server
	(on h2 "$bin/bare" nats://10.9.0.11:4222 bridge "$(cat "$dir/password")" ask.bare 0 0 serve) \
		>"$dir/serve" &
	server=$!
	ready "$dir/serve"
	note bare_request bare h1 ask.bare "$requests" 64 request
	kill "$server"
	round_floor
	(on h2 "$bin/call" -a shm:ask) &
	server=$!
	bridge_up h1
	bridge_up h2
	note bridge_request on h1 timeout 300 "$bin/call" -n "$requests" -s 64 shm:ask
	bridge_down h1
	bridge_down h2
	kill "$server"
}

report() {
	python3 - "$dir/figures" "$count" "$json" <<'PYTHON'
import json, platform, statistics, sys
path, count, as_json = sys.argv[1:]
figures = {}
for line in open(path):
    what, figure = line.split(" ", 1)
    f = json.loads(figure)
    figures.setdefault(what, []).append(f.get("median_us") or int(count) / f["seconds"])
def of(what):
    f = figures[what]
    return {"median": round(statistics.median(f), 1), "min": round(min(f), 1), "max": round(max(f), 1)}
def ratio_of(one, other):
    return round(statistics.median(a / b for a, b in zip(figures[one], figures[other])), 3)
out = {"kernel": platform.release(), "count": int(count), "rounds": len(figures["bare_out"])}
for what, unit in ("out", "messages/s"), ("numbered", "messages/s"), ("in", "messages/s"), ("request", "us"):
    bridge, bare = of("bridge_" + what.replace("numbered", "out")), of("bare_" + what)
    out[what] = {"unit": unit, "bridge": bridge, "libnats": bare,
                 "ratio": ratio_of("bridge_" + what.replace("numbered", "out"), "bare_" + what)}
floor = of("floor_request")
out["floor"] = {"unit": "us", "relays": floor, "libnats": of("bare_request"), "ratio": ratio_of("floor_request", "bare_request")}
if as_json:
    print(json.dumps(out, indent=2))
else:
    for what in "out", "numbered", "in", "request":
        w = out[what]
        print("%-8s bridge %9.1f  libnats %9.1f %-10s  ratio %.2f" %
              (what, w["bridge"]["median"], w["libnats"]["median"], w["unit"], w["ratio"]))
    print("floor    relays %9.1f  libnats %9.1f %-10s  ratio %.2f" %
          (floor["median"], out["floor"]["libnats"]["median"], "us", out["floor"]["ratio"]))
PYTHON
}

begin
for ((round = 0; round < rounds; round++)); do
	if ((round % 2)); then
		round_bridge
		round_bare
	else
		round_bare
		round_bridge
	fi
	round_request
done
report
