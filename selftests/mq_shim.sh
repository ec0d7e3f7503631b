#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Programs of POSIX message queues, over the system's own and, not changed, with libipcx-mq.so: those
# here, and with the module two that others wrote. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
here=$(dirname "$(realpath "$0")")
build=$here/../build
lib=$build/lib/libipcx-mq.so
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# shellcheck source=selftests/tap.sh
. "$here/tap.sh"
export IPCX_QUIET=1 XDG_RUNTIME_DIR="$dir"

# over WHAT COMMAND...: the command with queues of that kind
over() {
	what=$1
	shift
	case $what in
	system) MQ_SHIM=$what "$@" ;;
	shm) MQ_SHIM=$what IPCX_TRANSPORT=shm LD_PRELOAD=$lib "$@" ;;
	*) MQ_SHIM=$what LD_PRELOAD=$lib "$@" ;;
	esac
}
# program WHAT NAME: its tests, but those for which this kind of queue lacks something
program() {
	over "$1" timeout 240 "$build/selftests/$2" >"$dir/log" 2>&1
	status=$?
	done=0
	while read -r line; do
		case $line in
		ok*'# SKIP needs root'*)
			done=$((done + 1)) n=$((n + 1))
			echo "ok $n # SKIP needs root"
			;;
		ok*'# SKIP needs '*) done=$((done + 1)) ;;
		ok* | not\ ok*)
			done=$((done + 1)) n=$((n + 1))
			echo "${line%%ok *}ok $n $1 $2 ${line##* }"
			;;
		*) echo "# $line" ;;
		esac
	done <"$dir/log"
	[ $status -eq 0 ] || bad=1
	[ "1..$done" = "$(grep -m 1 '^1\.\.' "$dir/log")" ] || check "$1 $2: all were run" false
}
# watch COMMAND...: as it runs: are there queues of that name in the module, or others?
watch() {
	"$@" >"$dir/out" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		# by the shell alone: it may not be there for long
		while read -r line; do
			case $line in *" $queue"*) found=1 ;; esac
		done </proc/net/ipcx
		for file in /dev/mqueue/*; do
			[ ! -e "$file" ] || other=1
		done
		sleep 0.02
	done
	wait "$pid"
	status=$?
	sed 's/^/# /' "$dir/out"
	echo "# status $status, ${found:+queues of ipcx}, ${other:+queues of the system}"
}
# seen NAME COMMAND...: the command succeeds, has queues of that name in the module, and no others;
# once more where it was over before anybody looked
seen() {
	queue=$1 found='' other=''
	shift
	for _ in 1 2 3 4 5; do
		watch "$@"
		[ "$status$found$other" = 0 ] || break
	done
	[ "$status" -eq 0 ] && [ "$found" ] && [ -z "$other" ]
}
says() { grep -qE "$1" "$dir/out"; }
fails() { ! "$@"; }
empty() { ! grep -E ' (mq-|syncmsg|testmsg)' /proc/net/ipcx; }

kinds="system mq shm"
[ ! -c /dev/ipcx ] || kinds="system kernel"
# what mq_unlink() does not find is not another transport's queue of that name
socket=$dir/ipcx/ipcx-there-is-none.sock
timeout 600 "$build/bin/ipcx" recv -c unix:ipcx-there-is-none >/dev/null &
other_queue=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -S "$socket" ] || sleep 0.2
done
for kind in $kinds; do
	for t in mq_shim mq_shim_fds mq_shim_notify mq_shim_kill; do
		program "$kind" "$t"
	done
done
check "a queue of another transport is not unlinked" test -S "$socket"
kill "$other_queue"
if [ -c /dev/ipcx ]; then
	check "stress-ng --mq" seen mq- over kernel env IPCX_MQ_PRIO_CLAMP=1 \
		timeout 100 stress-ng --mq 2 --mq-ops 12000 --verify --metrics-brief
	check "it has sent all, in order" says 'mq +1[2-9][0-9]{3} '
	check "and received what it has sent" fails says 'fail|expected'
	check "pmqtest" seen syncmsg over kernel timeout 100 pmqtest -q -l 1000 -t 2
	check "it has measured all" says 'Cycles 1000'
	check "nothing is left" empty
fi
echo "1..$n"
exit $bad
