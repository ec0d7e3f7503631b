#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# readme.sh: README's five lines for two machines and one queue, as they stand there, on three
# machines of net.sh. TAP on stdout.
# shellcheck disable=SC2317 # functions are called through check
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$here/../.." && pwd -P)
# shellcheck source=selftests/bridge/net.sh
. "$here/net.sh"
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"
export IPCX_TRANSPORT=shm # so names are of one machine
server=$("$top/scripts/kernel.sh" nats)/usr/sbin || exit
export PATH=$server:$PATH
mapfile -t line < <(sed -n '/^    nats-server /,/^$/s/^    //p' "$top/README.md")

# there MACHINE LINE: in a directory of that machine, and what it leaves in the background
there() {
	on "$1" env HOSTNAME="$1" bash -c "cd '$dir/$1' && $2
wait" 2>>"$dir/$1/log"
}

begin() {
	local host
	[ ${#line[@]} -eq 5 ] || return
	net_begin
	net_host srv 10.9.0.11
	net_host alpha 10.9.0.21
	net_host beta 10.9.0.22
	sed '$a10.9.0.11 srv' /etc/hosts >"$dir/hosts"
	mount --bind "$dir/hosts" /etc/hosts
	for host in srv alpha beta; do
		ln -s "$top/build" "$dir/$host/build"
	done
	there srv "${line[0]}" &
	for host in alpha beta; do
		there "$host" "${line[1]}
${line[2]}" &
	done
}

# runs MACHINE: its bridge does
runs() {
	local tries
	for ((tries = 0; tries < 100; tries++)); do
		[ "$( (there "$1" 'build/bin/ipcx bridge status bridge.conf' 2>&1) | grep -c ': runs$')" -eq 2 ] && return
		sleep 0.2
	done
	return 1
}

arrives() {
	local one other
	there alpha "timeout 30 ${line[4]}" >"$dir/alpha/got" &
	one=$!
	there beta "timeout 30 ${line[4]}" >"$dir/beta/got" &
	other=$!
	(there beta "${line[3]}") || return
	wait -n "$one" "$other"
	[ "$(cat "$dir"/{alpha,beta}/got)" = hello ]
}

check "a server, two bridges" begin
check "the bridges run" eval 'runs alpha && runs beta'
check "what one sends, one of them gets" arrives
[ $bad -eq 0 ] || tail -n 5 "$dir"/*/log | sed 's/^/# /'
echo "1..$n"
exit $bad
