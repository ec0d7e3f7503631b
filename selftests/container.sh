#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Documentation/examples/container.sh: who is in a container, and who is not. For a guest: it changes
# the mode of /dev/ipcx. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
tests=$(dirname "$(realpath "$0")")
ipcx=$tests/../build/bin/ipcx
example=$tests/../Documentation/examples/container.sh
[ -n "$IPCX_MODULE" ] || { echo "1..0 # SKIP no guest"; exit 4; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"; chmod 666 /dev/ipcx' EXIT
# shellcheck source=selftests/tap.sh
. "$tests/tap.sh"

group=777 groups=--groups=777
chgrp $group /dev/ipcx
chmod 660 /dev/ipcx
# inside [--unshare-net] COMMAND...: as user 1000 in a container, in the group or not
inside() {
	timeout 20 setpriv --reuid 1000 --regid 1000 "$groups" sh "$example" "$@"
}
# says TEXT COMMAND...: it fails, and says so
says() {
	text=$1
	shift
	if "$@" >"$dir/out" 2>&1 || ! grep -q "$text" "$dir/out"; then
		sed 's/^/# /' "$dir/out"
		return 1
	fi
}
# prints TEXT COMMAND...
prints() {
	text=$1
	shift
	"$@" >"$dir/out" 2>&1
	[ "$(cat "$dir/out")" = "$text" ] || { sed 's/^/# /' "$dir/out"; false; }
}
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,}\"]*\).*/\1/p" "$2"; }

check "no other device" prints "no" inside sh -c '[ -c /dev/ipcx ] && [ ! -e /dev/mem ] && [ ! -e /dev/port ] && echo no'
groups=--clear-groups
check "who is not in the group is told so" says 'you may not open /dev/ipcx' inside "$ipcx" send jobs -m in
groups=--groups=$group
"$ipcx" create jobs --mode 0666
check "its names are ours" prints jobs inside sh -c "'$ipcx' ls | grep -o jobs"
check "but not with a network of its own" prints '' inside --unshare-net sh -c "'$ipcx' ls | grep -o jobs"
check "there is no such queue then" says 'there is none of this name' inside --unshare-net "$ipcx" send jobs -m in
check "it may have one of that name" prints inner inside --unshare-net sh -c "
	'$ipcx' send jobs -c -m inner && '$ipcx' recv jobs -n 1"

mkfifo "$dir/fifo"
# from the container to us: we see the number that its process has here
inside "$ipcx" send jobs <"$dir/fifo" >"$dir/log" 2>&1 &
exec 9>"$dir/fifo"
echo out >&9
timeout 20 "$ipcx" recv jobs -n 1 --json >"$dir/got"
pid=$(field pid "$dir/got")
check "its sender's pid is ours" [ "$(cat "/proc/$pid/comm")" = ipcx ]
check "there it has another" [ "$(sed -n 's/^NSpid:.*\t//p' "/proc/$pid/status")" -lt "$pid" ]
check "its sender's user is ours" [ "$(field uid "$dir/got")" = 1000 ]
exec 9>&-
wait
# and back: a process that is not seen from there has no number
"$ipcx" send jobs <"$dir/fifo" &
exec 9>"$dir/fifo"
echo in >&9
inside "$ipcx" recv jobs -n 1 --json >"$dir/got"
check "our message comes there" [ "$(field data "$dir/got")" = in ]
check "a sender out here has no pid there" [ "$(field pid "$dir/got")" = 0 ]
check "nor a user" [ "$(field uid "$dir/got")" = 65534 ]
exec 9>&-
wait
timeout 20 "$ipcx" serve jobs -n 1 tr a-z A-Z >"$dir/log" &
check "a request from there is answered here" prints HELLO inside "$ipcx" call jobs -m hello
wait
"$ipcx" rm jobs
echo "1..$n"
exit $bad
