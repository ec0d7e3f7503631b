#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The ipcx command where there is no module, as a user who is not root and cannot write his home.
# TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
[ ! -e /dev/ipcx ] || { echo "1..0 # SKIP there is /dev/ipcx"; exit 4; }
dir=$(mktemp -d)
chmod 755 "$dir"
trap 'rm -rf "$dir" "/tmp/ipcx-$user"' EXIT
cp "$(dirname "$(realpath "$0")")/../build/bin/ipcx" "$dir/ipcx"
user=$(id -u)
[ "$user" != 0 ] || user=54321
# shellcheck source=selftests/tap.sh
. "$(dirname "$(realpath "$0")")/tap.sh"

# ipcx ARGUMENT...: with almost no environment
ipcx() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid "$user" --regid "$user" --clear-groups env -i HOME=/nowhere \
			IPCX_TRANSPORT="$transport" timeout 20 "$dir/ipcx" "$@"
	else
		env -i HOME=/nowhere IPCX_TRANSPORT="$transport" timeout 20 "$dir/ipcx" "$@"
	fi
}
is() { [ "$1" = "$2" ] || { echo "# got: $1"; echo "# not: $2"; false; }; }
says() { ipcx "$@" 2>&1 | grep -qF "$text"; }
fails() { ! ipcx "$@" 2>/dev/null; }

for transport in '' mq unix unix-stream fifo shm; do
	queue=${transport:-any}-$$
	ipcx recv "$queue" -c -n 3 >"$dir/out" 2>"$dir/err" &
	receiver=$!
	check "${transport:-no transport}: send" ipcx send "$queue" -c -m one -m two -m three 2>/dev/null
	wait "$receiver"
	check "${transport:-no transport}: recv" is "$(tr '\n' , <"$dir/out")" one,two,three,
	if [ -z "$transport" ]; then
		check "which is taken is said once" is "$(grep -c '/dev/ipcx is not there' "$dir/err")" 1
	else
		check "$transport: nothing else is said" is "$(cat "$dir/err")" ''
	fi
	check "${transport:-no transport}: rm" ipcx rm "$queue"
done
transport=unix
ipcx recv "looked-$$" -c -n 1 >"$dir/out" 2>/dev/null &
receiver=$!
i=0
until ipcx stat "looked-$$" >"$dir/stat" 2>/dev/null || [ $((i += 1)) -gt 100 ]; do sleep 0.1; done
check "stat: no number beside a receiver is below 0" sh -c "grep -q '^senders .* 0 ' '$dir/stat' && ! grep -q 1844674 '$dir/stat'"
ipcx send "looked-$$" -m x
wait "$receiver"
check "and it takes nothing" is "$(cat "$dir/out")" x
check "stat: rm" ipcx rm "looked-$$"
transport=
ipcx sub "topic-$$" -c -n 2 --timeout 15s >"$dir/out" 2>"$dir/err" &
receiver=$!
i=0
while [ $i -lt 100 ] && [ "$(stat -c %s "/tmp/ipcx-$user/.topic-$$.topic" 2>/dev/null || echo 0)" -lt 1025 ]; do
	sleep 0.1
	i=$((i + 1))
done
sleep 0.5
check "topic: pub" ipcx pub "topic-$$" -m one -m two 2>/dev/null
wait "$receiver"
check "topic: sub" is "$(tr '\n' , <"$dir/out")" one,two,
check "topic: which transport is taken is said" grep -qF 'over "shm"' "$dir/err"
check "topic: rm" ipcx rm "topic-$$"
ipcx sub "unix:topic-$$" -c -n 2 --timeout 15s >"$dir/out" 2>"$dir/err" &
receiver=$!
i=0
while [ $i -lt 100 ] && ! ls "/tmp/ipcx-$user"/.ipcx-* >/dev/null 2>&1; do
	sleep 0.1
	i=$((i + 1))
done
sleep 0.5
check "topic over unix: pub" ipcx pub "unix:topic-$$" -m one -m two
wait "$receiver"
check "topic over unix: sub" is "$(tr '\n' , <"$dir/out")" one,two,
check "topic over unix: nothing is said" is "$(cat "$dir/err")" ''
check "topic over unix: rm" ipcx rm "unix:topic-$$"
check "topic over unix: nothing is left" is \
	"$(find "/tmp/ipcx-$user" -name ".ipcx-*" -o -name "*topic-$$*")" ''
ipcx sub "listed-$$" -c -n 1 --timeout 15s >"$dir/out" 2>"$dir/err" &
receiver=$!
i=0
while [ $i -lt 100 ] && ! ipcx ls --json | grep -q '"receivers":1'; do
	sleep 0.1
	i=$((i + 1))
done
check "ls: a topic" is "$(ipcx ls | awk '$NF ~ /listed/ { print $1, $2, $5, $(NF - 1), $NF }')" "topic 0600 - 1 shm:listed-$$"
check "ls: a region" ipcx create "shm:region-$$" --region 4K
check "ls: names" is "$(ipcx ls -0 | tr '\0' '\n' | sort | tr '\n' ,)" "shm:listed-$$,shm:region-$$,"
check "ls: as JSON" sh -c "test \"$(ipcx ls --json | grep -c '"uid":'"$user")\" = 2"
ipcx pub "listed-$$" -m one 2>/dev/null
wait "$receiver"
check "rm: what was listed" ipcx rm "shm:listed-$$" "shm:region-$$"
for len in 240 241 250; do
	long=shm:$(printf "%0${len}d" $$)
	check "a region with a name of $len bytes" ipcx create "$long" --region 4K
	check "rm: that" ipcx rm "$long"
	check "it is gone" fails rm "$long"
done
text='too long'
check "rm: none has a name of 251 bytes" says rm "shm:$(printf %0251d 0)"
check "ls: nothing is left" is "$(ipcx ls -0)" ''
text='limits of leases'
check "what is missing is said in words" says create x --lease 1s
text='there is no queue'
check "no such queue" says send nothing -m x
transport=pigeon
text='known are'
check "an unknown transport" says send x -m x
check "the directory is the user's own" is "$(stat -c '%u %a' "/tmp/ipcx-$user")" "$user 700"
check "and empty" is "$(ls -A "/tmp/ipcx-$user")" ''
echo "1..$n"
exit $bad
