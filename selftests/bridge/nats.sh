# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# nats.sh: NATS servers with JetStream on machines of net.sh: a cluster of those named, or one.
# Nobody gets in without a password; user bridge has it in $dir/password.
#
#   nats_setup NAME=ADDRESS...  configurations and stores
#   nats_start NAME             a server, which listens when this returns or is said not to
#   nats_ready NAME [SECONDS]   it is there and knows its streams
#   nats_stop NAME, nats_kill NAME
#   nats_urls                   where they are, one a line
#   nats_ask NAME PATH          of its monitoring port
#   nats_told                   what each server tells of its streams, and of the consumers that it
#                               leads or that nobody does

declare -A nats_address=() nats_pid=()
nats_server=$("$(dirname "${BASH_SOURCE[0]}")/../../scripts/kernel.sh" nats)/usr/sbin/nats-server || exit
nats_store_max=${nats_store_max:-8GB}

nats_setup() {
	local one
	head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$dir/password"
	chmod 600 "$dir/password"
	for one; do
		nats_address[${one%%=*}]=${one#*=}
	done
	for one in "${!nats_address[@]}"; do
		mkdir -p "$dir/$one/store"
		nats_conf "$one" >"$dir/$one/nats.conf"
	done
}

nats_conf() {
	local password other
	password=$(cat "$dir/password")
	cat <<-END
		server_name: $1
		listen: "${nats_address[$1]}:4222"
		http: "${nats_address[$1]}:8222"
		jetstream { store_dir: "$dir/$1/store", max_memory_store: 64MB, max_file_store: $nats_store_max }
		accounts {
		  IPCX: { jetstream: enabled, users: [ { user: bridge, password: "$password" } ] }
		  SYS: { users: [ { user: admin, password: "$password" } ] }
		}
		system_account: SYS
	END
	[ ${#nats_address[@]} -gt 1 ] || return 0
	echo "cluster { name: storm, listen: \"${nats_address[$1]}:6222\","
	echo "  authorization { user: route, password: \"$password\" }, routes: ["
	for other in "${!nats_address[@]}"; do
		[ "$other" = "$1" ] || echo "    nats-route://route:$password@${nats_address[$other]}:6222"
	done
	echo '  ] }'
}

nats_start() {
	on "$1" "$nats_server" -c "$dir/$1/nats.conf" -l "$dir/$1/nats.log" &
	nats_pid[$1]=$!
}

nats_ask() {
	# shellcheck disable=SC2016 # for that shell
	on "$1" timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/8222" &&
		printf "GET /%s HTTP/1.0\r\n\r\n" "$1" >&3 && read -r _ status _ <&3 &&
		sed "1,/^\r/d" <&3 && [ "$status" = 200 ]' "${nats_address[$1]}" "$2" 2>/dev/null
}

nats_told() {
	local one
	for one in "${!nats_address[@]}"; do
		(nats_ask "$one" 'jsz?accounts=true&streams=true&consumers=true') | python3 -c '
import json, sys
me = sys.argv[1]
def leader(d):
    return d.get("cluster", {}).get("leader")
try:
    accounts = json.load(sys.stdin).get("account_details") or []
except ValueError:
    sys.exit(print("#", me, "tells nothing"))
for s in (s for a in accounts for s in a.get("stream_detail") or []):
    state = s["state"]
    print("#", me, s["name"], state["first_seq"], "to", state["last_seq"], "leader", leader(s))
    for c in s.get("consumer_detail") or []:
        if leader(c) in (me, None, ""):
            print("#  ", c["name"], "delivered", c["delivered"]["stream_seq"], "floor",
                  c["ack_floor"]["stream_seq"], "pending", c["num_pending"], "unacked",
                  c["num_ack_pending"], "again", c["num_redelivered"], "leader", leader(c))
' "$one"
	done
}

nats_ready() {
	local until=$((SECONDS + ${2:-30}))
	until (nats_ask "$1" healthz) >/dev/null; do
		[ $SECONDS -lt $until ] || { echo "# $1 is not ready: $(tail -n 1 "$dir/$1/nats.log")"; return 1; }
		sleep 0.1
	done
}

nats_signal() {
	kill "-$2" "${nats_pid[$1]}" 2>/dev/null
	wait "${nats_pid[$1]}" 2>/dev/null
	unset "nats_pid[$1]"
}
nats_stop() { nats_signal "$1" TERM; }
nats_kill() { nats_signal "$1" KILL; }

nats_urls() {
	local one
	for one in "${!nats_address[@]}"; do
		echo "nats://${nats_address[$one]}:4222"
	done
}
