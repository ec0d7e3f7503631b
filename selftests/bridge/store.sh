#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# store.sh: a NATS server whose store is full, by its limit or by its file system. TAP on stdout.
# shellcheck disable=SC2317 # functions are called through check
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
top=$here/../..
export nats_store_max=${nats_store_max:-24MB}
# shellcheck source=selftests/bridge/net.sh
. "$here/net.sh"
# shellcheck source=selftests/bridge/nats.sh
. "$here/nats.sh"
# shellcheck source=selftests/bridge/hosts.sh
. "$here/hosts.sh"
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"
ipcx=$top/build/bin/ipcx bin=$top/build/selftests/bridge
# more than the store holds, and the queue
count=5000 size=8192
refused='any("refuse" in r["state_out"] for r in d["rules"])'

begin() {
	make -s -C "$here/load" O="$bin" || return
	net_begin
	net_host s1 10.9.0.11
	net_host h1 10.9.0.21
	net_host h2 10.9.0.22
	nats_setup s1=10.9.0.11
	bridge_conf h1 1 "queue limit work out local shm:limit" "queue room work out local shm:room"
	bridge_conf h2 1 "queue limit work in local shm:limit" "queue room work in local shm:room"
	nats_start s1
	nats_ready s1 || return
	bridge_keep h1
	sees h1 60 'd["link"] == "up"'
}

arrived() {
	local until=$((SECONDS + 60))
	until "$bin/judge" -l -o 1 -n "$count" work "$dir/h2/$1.seen" >/dev/null; do
		[ "$SECONDS" -lt "$until" ] || break
		sleep 0.2
	done
	"$bin/judge" -o 1 -n "$count" work "$dir/h2/$1.seen" | sed "s/^/# $1 /"
	"$bin/judge" -o 1 -n "$count" work "$dir/h2/$1.seen" >/dev/null
}

waits() { # feeders have not come to their end: what the server refuses stays in the queue
	local pid
	for pid in "${!feed_pid[@]}"; do
		kill -0 "$pid" || return
	done
}

# the file system that the store is on has so much room
room() { mount -o "remount,size=$1" "$dir/s1/store"; }

echo "# $count messages of $size bytes, a store of $nats_store_max"
check "a server, two bridges" begin
feed h1 -e -o 0 -n "$count" -s "$size" shm:limit
check "limit: the status says that the server refuses" sees h1 60 "$refused"
check "limit: and the metrics" alerts h1 60 'ipcx_bridge_runs{rule="limit",direction="out"} 0'
check "limit: and what it refuses waits" waits
work h2 limit -o 1 -n "$count" -s "$size" shm:limit
bridge_keep h2
check "limit: when there is room, all of it goes on" feed_wait 60
check "limit: nothing is lost" arrived limit

bridge_end h2
nats_stop s1
mount -t tmpfs -o size=16m store "$dir/s1/store"
nats_start s1
nats_ready s1
feed h1 -e -o 0 -n "$count" -s "$size" shm:room
check "room: the status says that something is wrong" sees h1 60 "d[\"link\"] == \"down\" or $refused"
check "room: and the metrics" alerts h1 60 'ipcx_bridge_runs{rule="room",direction="out"} 0'
check "room: and what is refused waits" waits
room 256m
nats_stop s1
nats_start s1
nats_ready s1
rm "$dir/h2/end"
work h2 room -o 1 -n "$count" -s "$size" shm:room
bridge_keep h2
check "room: when there is some, all of it goes on" feed_wait 60
check "room: nothing is lost" arrived room
if [ $bad -ne 0 ]; then
	tail -n 8 "$dir"/h*/bridge.log "$dir/s1/nats.log" | sed 's/^/# /'
fi
echo "1..$n"
exit $bad
