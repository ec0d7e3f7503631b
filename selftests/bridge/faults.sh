# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # what storm.sh has set
#
# faults.sh: what goes wrong in storm.sh, and how a bridge's status must show it. Each sets mended
# when all is as it should be again.

link_is_up='d["link"] == "up"'
is_away='any(r["away"] for r in d["rules"])'
is_full='any("is full" in r["state_in"] for r in d["rules"])'

# nap MIN MAX: so many milliseconds, at random
nap() {
	local ms=$(($1 + RANDOM % ($2 - $1 + 1)))
	sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}
now() { date +%s.%N; }

# gone HOST: its bridge is killed, and its status says so before it is started again
gone() {
	local r
	: >"$dir/$1/held"
	bridge_kill "$1"
	! bridge_status "$1" >/dev/null 2>"$dir/err" && grep -q . "$dir/err"
	r=$?
	rm "$dir/$1/held"
	return $r
}

fault_calm() { mended=$(now); }

fault_bridges() {
	local i host
	for ((i = 0; i < kills; i++)); do
		nap 200 1000
		host=${hosts[RANDOM % 3]}
		if [ $i -eq 0 ]; then
			check "bridges: the status of one that is gone says so" gone "$host"
		else
			bridge_kill "$host"
		fi
		killed=$((killed + 1))
	done
	mended=$(now)
}

fault_server() {
	local i server since behind='' stuck=0
	since=$(date +%s)
	sleep 1
	for ((i = 0; i < server_kills; i++)); do
		nap 300 1000
		server=${behind:-${servers[RANDOM % 3]}}
		[ $i -gt 0 ] || server=$(used_server) ||
			echo "# none of the servers tells of a bridge: $server may have none"
		nats_kill "$server"
		nap 500 1500
		nats_start "$server"
		# two that are behind at a time would be more than a cluster of three can bear
		behind=
		nats_ready "$server" 30 || { behind=$server stuck=$((stuck + 1)); }
	done
	mended=$(now)
	echo "# servers were killed $i times; $stuck times one was not in step with the others 30 s later"
	check "server: a status tells of a link that is new since" newer "$since"
}

# used_server: one to which a bridge is connected
used_server() {
	local server until=$((SECONDS + 20))
	while [ $SECONDS -le $until ]; do
		for server in "${servers[@]}"; do
			(nats_ask "$server" connz) | grep -q '"num_connections": [1-9]' && echo "$server" && return
		done
	done
	echo "${servers[0]}"
	return 1
}

# newer SINCE: at least one link came up after that
newer() {
	local host until=$((SECONDS + 20))
	while [ $SECONDS -le $until ]; do
		for host in "${hosts[@]}"; do
			sees "$host" 0 "$link_is_up and d[\"since\"] > $1" >/dev/null && return
		done
	done
	return 1
}

fault_node() {
	local server=${servers[RANDOM % 3]}
	nats_stop "$server"
	check "node: a status says that a server is away" sees h1 60 "$is_away"
	check "node: and the metrics" alerts h1 60 'ipcx_bridge_away{rule=".*"} [1-9]'
	sleep "$away"
	nats_start "$server"
	nats_ready "$server" 60
	mended=$(now)
	check "node: and that none is any more" sees h1 60 "not $is_away"
}

fault_link() {
	net_cut h1
	check "link: its status says that it is down" sees h1 60 'd["link"] == "down"'
	check "link: and its metrics" alerts h1 60 'ipcx_bridge_link_up 0' \
		'ipcx_bridge_runs{rule="jobs",direction="out"} 0' 'ipcx_bridge_runs{rule="jobs",direction="in"} 0'
	check "link: the others are up" sees h2 20 "$link_is_up"
	sleep "$cut"
	net_mend h1
	mended=$(now)
	check "link: its status says that it is up again" sees h1 60 "$link_is_up"
}

fault_full() {
	kill -STOP "${work_pid[h2/jobs]}" "${work_pid[h2/events]}"
	check "full: its status says so" sees h2 60 "$is_full"
	check "full: and its metrics" alerts h2 60 'ipcx_bridge_runs{rule="events",direction="in"} 0'
	sleep "$still"
	kill -CONT "${work_pid[h2/jobs]}" "${work_pid[h2/events]}"
	mended=$(now)
}
