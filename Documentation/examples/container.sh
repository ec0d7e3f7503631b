#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# usage: container.sh [--unshare-net] COMMAND...
#
# Runs COMMAND in user, mount and PID namespaces of its own, in which no device is but /dev/ipcx and
# those that programs take for granted (null, zero, random, tty...): what the engines of containers
# do, by bubblewrap. With one of these it is
#
#   docker run --device /dev/ipcx --group-add "$(getent group ipcx | cut -d: -f3)" --network host ...
#
# It is no sandbox: COMMAND may read all files that you may.
#
# Names are those of the network namespace. With --unshare-net, or without "--network host", the
# container has names of its own: who is in it meets only others that are in it.
net=
[ "$1" != --unshare-net ] || { net=$1 && shift; }
exec bwrap --unshare-user --unshare-pid --unshare-ipc --unshare-uts ${net:+"$net"} \
	--ro-bind / / --tmpfs /tmp --proc /proc --dev /dev --dev-bind /dev/ipcx /dev/ipcx --die-with-parent \
	-- "$@"
