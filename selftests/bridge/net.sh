# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# net.sh: machines that are network namespaces, with a switch between them, for the scripts here.
# Source it first. Who sources it runs again in namespaces of processes, mounts and network of its
# own, as root there: whatever it starts or mounts is gone with it, however it ends. $dir is a
# directory that is removed then.
#
#   net_begin             the switch
#   net_host NAME ADDRESS one more machine
#   on NAME COMMAND...    runs it there; its objects without the module are of that machine
#   net_cut NAME, net_mend NAME

if [ -z "${IPCX_NET_DIR:-}" ]; then
	IPCX_NET_DIR=$(mktemp -d "${TMPDIR:-/tmp}/ipcx-net.XXXXXX") || exit
	export IPCX_NET_DIR
	trap 'rm -rf "$IPCX_NET_DIR"' EXIT
	trap 'kill "$net_inside" 2>/dev/null; wait "$net_inside"; exit 143' INT TERM
	net_user=()
	[ "$(id -u)" -eq 0 ] || net_user=(--user --map-root-user)
	setpriv --pdeathsig KILL unshare "${net_user[@]}" --mount --net --ipc --pid --fork \
		--kill-child --mount-proc "$BASH" "$0" "$@" &
	net_inside=$!
	wait "$net_inside"
	exit
fi
dir=$IPCX_NET_DIR
export IPCX_QUIET=1

net_begin() {
	mount -t tmpfs -o mode=755 run /run
	mkdir /run/netns
	ip link set lo up
	ip netns add switch
	ip -n switch link add switch type bridge
	ip -n switch link set switch up
}

net_host() {
	ip netns add "$1"
	ip -n "$1" link set lo up
	ip -n switch link add "$1" type veth peer name eth0 netns "$1"
	ip -n switch link set "$1" master switch up
	ip -n "$1" address add "$2/24" dev eth0
	ip -n "$1" link set eth0 up
	mkdir -p "$dir/$1/run"
}

# with exec, so that the process is the command
on() {
	local host=$1
	shift
	XDG_RUNTIME_DIR=$dir/$host/run exec nsenter --net="/run/netns/$host" "$@"
}

net_cut() { ip -n switch link set "$1" down; }
net_mend() { ip -n switch link set "$1" up; }
