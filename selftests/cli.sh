#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The ipcx command as a user types it. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
ipcx=$(dirname "$(realpath "$0")")/../bin/ipcx
[ -x "$ipcx" ] || ipcx=$(dirname "$(realpath "$0")")/../build/bin/ipcx
[ -c /dev/ipcx ] || { echo "1..0 # SKIP no /dev/ipcx"; exit 4; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0 bad=0

# check NAME COMMAND...: the command succeeds
check() {
	name=$1
	shift
	n=$((n + 1))
	if "$@"; then echo "ok $n $name"; else echo "not ok $n $name"; bad=1; fi
}
# gives STATUS COMMAND...
gives() {
	want=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err" || [ $? -eq "$want" ] || return 1
}
is() { [ "$1" = "$2" ] || { echo "# got: $1"; echo "# not: $2"; false; }; }

check "doctor is content" gives 0 "$ipcx" doctor
check "create" gives 0 "$ipcx" create jobs --depth 10 --msg-max 1M --mode 0640
check "create again fails" gives 1 "$ipcx" create jobs
check "its error names the queue" grep -q jobs "$dir/err"
printf 'one\ntwo\n\nlast' >"$dir/in"
check "send lines" gives 0 sh -c "'$ipcx' send jobs <'$dir/in'"
check "ls shows four messages" sh -c "'$ipcx' ls | grep -q jobs"
check "show --json is JSON" sh -c "'$ipcx' show jobs --json | python3 -c 'import json,sys; q=json.load(sys.stdin); sys.exit(q[\"queued\"]!=4)'"
check "recv gives them back" is "$("$ipcx" recv jobs -n 4 | tr '\n' ,)" "one,two,,last,"
check "empty with a timeout exits 4" gives 4 "$ipcx" recv jobs -n 1 --timeout 50ms
head -c 300000 /dev/urandom >"$dir/a"
: >"$dir/empty"
check "send files" gives 0 "$ipcx" send jobs -f "$dir/a" "$dir/empty"
check "recv into a directory" gives 0 "$ipcx" recv jobs -n 2 -o "$dir/got"
check "every byte arrives" sh -c "cat '$dir'/got/* | cmp - '$dir/a'"
check "too long a message is refused" gives 1 sh -c "head -c 2000000 /dev/zero >'$dir/big'; '$ipcx' send jobs -f '$dir/big'"
check "with the limit named" grep -q 1048576 "$dir/err"
"$ipcx" send jobs -m 'say "hi"'
check "recv --json" sh -c "'$ipcx' recv jobs -n 1 --json | python3 -c 'import json,sys; m=json.load(sys.stdin); sys.exit(m[\"data\"]!=\"say \\\"hi\\\"\" or m[\"uid\"]!=0)'"
check "rm" gives 0 "$ipcx" rm jobs
check "rm again fails" gives 1 "$ipcx" rm jobs
check "no such queue" gives 1 "$ipcx" recv jobs -n 1
check "unknown command is wrong usage" gives 2 "$ipcx" juggle
check "help" gives 0 "$ipcx" --help
echo "1..$n"
exit $bad
