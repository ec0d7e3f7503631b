# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# hosts.sh: bridges on machines of net.sh, and the load on them. $ipcx is the command, $bin has the
# programs of load/.
#
#   bridge_conf NAME REPLICAS LINE...  its configuration, with these rules, in $dir/NAME/bridge.conf
#   bridge_keep NAME        keeps one running: starts it again whenever it ends, as systemd does
#   bridge_kill NAME        SIGKILL; while there is $dir/NAME/held it is not started again
#   bridge_status NAME      in JSON
#   sees NAME SECONDS EXPR  within that time its status, d, is such that the Python holds
#   alerts NAME SECONDS METRIC... within that time its metrics have lines that are such patterns
#   feed NAME ARG...        in the background; feed_wait SECONDS: all have sent theirs
#   work NAME KIND ARG...   a receiver, which notes in $dir/NAME/KIND.seen; its pid is in
#                           work_pid[NAME/KIND]

declare -A work_pid=() feed_pid=()

bridge_conf() {
	local name=$1 replicas=$2
	shift 2
	mkdir -p "$dir/$name/state"
	{
		echo "host $name"
		echo "realm storm"
		nats_urls | sort | sed 's/^/server /'
		echo "user bridge $dir/password"
		echo "state $dir/$name/state"
		echo "replicas $replicas"
		printf '%s\n' "$@"
	} >"$dir/$name/bridge.conf"
}

bridge_keep() {
	bridge_loop "$1" 2>/dev/null &
}

bridge_loop() {
	while [ ! -e "$dir/$1/end" ]; do
		(on "$1" "$ipcx" bridge run "$dir/$1/bridge.conf") 2>>"$dir/$1/bridge.log" &
		echo $! >"$dir/$1/pid"
		wait $!
		echo "# it ended with status $?" >>"$dir/$1/bridge.log"
		sleep 0.2
		while [ -e "$dir/$1/held" ]; do
			sleep 0.1
		done
	done
}

bridge_kill() { kill -KILL "$(cat "$dir/$1/pid")" 2>/dev/null; }

# ends it by SIGTERM, for good
bridge_end() {
	: >"$dir/$1/end"
	kill -TERM "$(cat "$dir/$1/pid")" 2>/dev/null
}

bridge_status() {
	(on "$1" timeout 5 "$ipcx" bridge status "$dir/$1/bridge.conf" --json)
}

sees() {
	local until=$((SECONDS + $2))
	while [ $SECONDS -le $until ]; do
		bridge_status "$1" >"$dir/$1/status.json" 2>"$dir/$1/status.err" &&
			python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2]))' "$dir/$1/status.json" "$3" 2>>"$dir/$1/status.err" && return
		sleep 0.2
	done
	echo "# the status of $1 was never so: $3"
	head -c 3000 "$dir/$1/status.json" "$dir/$1/status.err" | sed 's/^/#   /'
	return 1
}

alerts() {
	local name=$1 until=$((SECONDS + $2)) line missing
	shift 2
	while [ $SECONDS -le $until ]; do
		(on "$name" timeout 5 "$ipcx" bridge metrics "$dir/$name/bridge.conf") >"$dir/$name/metrics" 2>&1
		missing=
		for line; do
			grep -qx "$line" "$dir/$name/metrics" || missing=$line
		done
		[ "$missing" ] || return 0
		sleep 0.2
	done
	echo "# the metrics of $name never had: $missing"
	return 1
}

# memory_watch: notes the most that each bridge ever has, in kB, of its own and with what it shares
memory_watch() {
	local name
	while sleep 0.3; do
		for name; do
			awk '/^RssAnon:/ { own = $2 } /^VmRSS:/ { all = $2 }
				END { if (all) print own, all }' \
				"/proc/$(cat "$dir/$name/pid" 2>/dev/null)/status" 2>/dev/null
		done >>"$dir/memory"
	done
}

memory_most() {
	awk '$1 > own { own = $1 } $2 > all { all = $2 } END { print own + 0, all + 0 }' "$dir/memory"
}

feed() {
	local name=$1
	shift
	on "$name" "$bin/feed" "$@" >>"$dir/$name/feed.log" 2>&1 &
	feed_pid[$!]=$name
}

feed_wait() {
	local until=$((SECONDS + $1)) pid
	for pid in "${!feed_pid[@]}"; do
		while kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $until ]; do
			sleep 0.1
		done
		kill -0 "$pid" 2>/dev/null && { echo "# on ${feed_pid[$pid]} not all was sent"; return 1; }
		wait "$pid" || { echo "# feed: $(tail -n 1 "$dir/${feed_pid[$pid]}/feed.log")"; return 1; }
		unset "feed_pid[$pid]"
	done
}

work() {
	local name=$1 kind=$2
	shift 2
	on "$name" "$bin/work" -f "$dir/$name/$kind.seen" "$@" >>"$dir/$name/work.log" 2>&1 &
	work_pid[$name/$kind]=$!
}
