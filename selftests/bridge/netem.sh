#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# netem.sh: bridges over the kernel's queues, in a guest, with 20 ms +- 10 ms on each way out and
# one packet of twenty lost. TAP on stdout. It fetches the package of the guest's kernel, for modules
# that are not in the cache.
# shellcheck disable=SC2317 # functions are called through check
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$here/../.." && pwd -P)
modules=$top/build/netem

# fetch VERSION: what makes the network, out of that kernel's package
fetch() {
	local name got=
	for name in sch_netem veth bridge stp llc; do
		[ -e "$modules/$1/$name.ko" ] || got=no
	done
	[ "$got" ] || return 0
	mkdir -p "$modules/$1" && cd "$modules" && apt-get -q download "linux-image-$1" >&2 &&
		dpkg-deb --fsys-tarfile "linux-image-${1}_"*.deb | tar -x -C "$1" --transform 's,.*/,,' --wildcards \
			'*/sch_netem.ko' '*/veth.ko' '*/bridge/bridge.ko' '*/stp.ko' '*/llc.ko' &&
		rm -f "$modules"/*.deb
}

if [ ! -e /dev/ipcx ]; then
	kernel=$("$top/scripts/kernel.sh" stock) && (fetch "$(cat "$kernel/version")") || exit
	make -s -C "$here/load" >&2 || exit
	exec "$top/scripts/vm.sh" --smp 2 --timeout 300 -- "$0"
fi
export PATH=$PATH:/usr/sbin:/sbin
if [ -z "${IPCX_NET_DIR:-}" ]; then
	for module in llc stp bridge veth sch_netem; do
		insmod "$modules/$(uname -r)/$module.ko" || exit
	done
fi
# shellcheck source=selftests/bridge/net.sh
. "$here/net.sh"
# shellcheck source=selftests/bridge/nats.sh
. "$here/nats.sh"
# shellcheck source=selftests/bridge/hosts.sh
. "$here/hosts.sh"
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"
ipcx=$top/build/bin/ipcx bin=$top/build/selftests/bridge
count=150 max=65536 hosts=(h1 h2)

spoil() { (on "$1" tc qdisc add dev eth0 root netem delay 20ms 10ms loss 5%); }

begin() {
	local i
	net_begin
	net_host s1 10.9.0.11
	net_host h1 10.9.0.21
	net_host h2 10.9.0.22
	spoil s1 && spoil h1 && spoil h2 || return
	nats_setup s1=10.9.0.11
	nats_start s1
	nats_ready s1 60 || return
	for i in "${hosts[@]}"; do
		# names are those of one machine here
		bridge_conf "$i" 1 "queue jobs work both local kernel:jobs.$i" \
			"queue events fanout both local kernel:events.$i"
		work "$i" jobs -o 2 -n "$count" -m "$max" "kernel:jobs.$i"
		work "$i" events -o 2 -n "$count" -m "$max" "kernel:events.$i"
		bridge_keep "$i"
	done
	for i in "${hosts[@]}"; do
		sees "$i" 60 'all(r["state_in"] == r["state_out"] == "runs" for r in d["rules"])' || return
	done
}

slow() { (on h1 "$ipcx" bridge metrics "$dir/h1/bridge.conf") | grep 'ipcx_bridge_asked_ms{rule="jobs"} [0-9][0-9]'; }

feed_all() {
	local i
	for i in 1 2; do
		feed "h$i" -e -o $((i - 1)) -n "$count" -m "$max" "kernel:jobs.h$i.out"
		feed "h$i" -e -o $((i - 1)) -n "$count" -m "$max" "kernel:events.h$i.out"
	done
}

# judged KIND [-l]
judged() {
	local kind=each opts=(-x)
	[ "$1" = events ] || kind=work opts=()
	"$bin/judge" "${opts[@]}" "${@:2}" -o 2 -n "$count" "$kind" "$dir/h1/$1.seen" "$dir/h2/$1.seen"
}

arrived() {
	local until=$((SECONDS + 120))
	until judged "$1" -l >/dev/null || [ "$SECONDS" -ge "$until" ]; do
		sleep 0.5
	done
	judged "$1" | sed "s/^/# $1 /"
	judged "$1" >/dev/null
}

check "a server, two bridges, a bad network" begin
started=$SECONDS
feed_all
sleep 1
bridge_kill h2
check "the status tells of the slow link" sees h1 60 'all(r["asked_ms"] >= 50 for r in d["rules"])'
check "and the metrics" slow
check "all could be sent, though a bridge was killed" feed_wait 120
check "each job was done" arrived jobs
check "each event came once to the other machine" arrived events
echo "# $((4 * count)) messages in $((SECONDS - started)) s"
(on h1 tc -s qdisc show dev eth0) | sed 's/^/# /'
[ $bad -eq 0 ] || tail -n 8 "$dir"/h*/bridge.log "$dir"/h*/work.log | sed 's/^/# /'
echo "1..$n"
exit $bad
