#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Documentation/examples/files.c over every transport that is here, those with loops over some,
# those of the tutorial, which print what stands there. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
top=$(dirname "$(realpath "$0")")/..
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_RUNTIME_DIR="$dir" IPCX_QUIET=1
# shellcheck source=selftests/tap.sh
. "$(dirname "$(realpath "$0")")/tap.sh"

# fetches FILE: what the client prints is the file
fetches() {
	timeout 60 "$dir/files" client "$uri" "$1" >"$dir/got" && cmp "$1" "$dir/got"
}
refuses() {
	timeout 60 "$dir/files" client "$uri" "$1" 2>"$dir/err"
	[ $? -eq 1 ] && grep -q 'without a reply' "$dir/err"
}

# lines COMMAND...: what it prints, sorted
lines() {
	timeout 60 "$@" >"$dir/got" && is "$(sort "$dir/got" | tr '\n' ,)" "$want"
}
is() { [ "$1" = "$2" ] || { echo "# got: $1"; echo "# not: $2"; false; }; }

# prints EXAMPLE COMMAND...: what the tutorial shows of it
prints() {
	shown=$top/Documentation/examples/$1.out
	shift
	timeout 60 "$@" >"$dir/got" && diff "$shown" "$dir/got" >"$dir/diff" && return
	sed 's/^/# /' "$dir/diff"
	return 1
}
# who ends first is not always the same
camera() { prints camera sh -c "'$dir/camera' $1 | sort"; }

# compiles EXAMPLE [PACKAGE]
compiles() {
	# shellcheck disable=SC2046 # words
	gcc -Wall -Wextra -Werror -D_GNU_SOURCE -I"$top/include" "$top/Documentation/examples/$1.c" \
		"$top/build/lib/libipcx.a" ${2:+$(pkg-config --cflags --libs "$2")} -pthread -o "$dir/$1"
}

for example in files epoll uring pipeline server camera counters 'libuv libuv' 'sd-event libsystemd' 'glib glib-2.0'; do
	# shellcheck disable=SC2086
	check "${example% *}.c compiles" compiles $example
done
: >"$dir/empty"
echo hello >"$dir/small"
head -c 3000000 /dev/urandom >"$dir/large"
port=$((20000 + $$ % 40000))
uris="mq:files-$$ unix:files unix:$dir/files.sock fifo:files fifo:$dir/files.fifo tcp:127.0.0.1:$port files-$$"
[ ! -c /dev/ipcx ] || uris="$uris kernel:files-$$"
for uri in $uris; do
	short=$(echo "$uri" | sed "s,$dir,DIR,; s,$$,N,; s,:$port,:PORT,")
	timeout 100 "$dir/files" server "$uri" 2>"$dir/server.err" &
	server=$!
	check "$short: a file in one message" fetches "$dir/small"
	check "$short: an empty one" fetches "$dir/empty"
	check "$short: one in pieces" fetches "$dir/large"
	check "$short: two clients" sh -c "
		timeout 60 '$dir/files' client '$uri' '$dir/large' >'$dir/a' & a=\$!
		timeout 60 '$dir/files' client '$uri' '$dir/large' >'$dir/b' && wait \$a &&
		cmp '$dir/large' '$dir/a' && cmp '$dir/large' '$dir/b'"
	check "$short: no such file" refuses /nowhere
	timeout 20 "$dir/files" client "$uri" '' >/dev/null
	check "$short: the server ends when told" wait "$server"
	case $uri in
	tcp:*) ;;
	*) check "$short: unlink" "$top/build/bin/ipcx" rm "$uri" ;;
	esac
done
transports='shm unix'
[ ! -c /dev/ipcx ] || transports="$transports kernel"
for transport in $transports; do
	want='queue: a job,queue: end,topic: more,topic: news,'
	for loop in epoll libuv sd-event glib; do
		check "$transport: a queue and a topic by $loop" lines "$dir/$loop" "$transport:$loop-$$" "$transport:$loop-topic-$$"
	done
	want='end,one,one,one,two,two,two,'
	check "$transport: a queue by io_uring" lines "$dir/uring" "$transport:uring-$$"
done
for transport in mq fifo; do
	check "$transport: a pipeline of workers" prints pipeline "$dir/pipeline" "$transport:numbers-$$" "$transport:squares-$$"
done
for uri in "mq:upper-$$" unix:upper fifo:upper shm:upper "tcp:127.0.0.1:$port"; do
	check "${uri%%:*}: a server" prints server "$dir/server" "$uri"
done
for transport in shm unix; do
	check "$transport: a camera" camera "$transport:camera"
done
for uri in "shm:counters-$$" "file:$dir/region"; do
	check "${uri%%:*}: counters in a region" prints counters "$dir/counters" "$uri"
done
if [ -c /dev/ipcx ]; then
	check "kernel: a pipeline of workers" prints pipeline "$dir/pipeline" "numbers-$$" "squares-$$"
	check "kernel: a server" prints server "$dir/server" "upper-$$"
	check "kernel: a camera" camera "camera-$$"
	check "kernel: counters in a region" prints counters "$dir/counters" "counters-$$"
fi
check "nothing is left" [ -z "$(ls -A "$dir/ipcx")" ]
echo "1..$n"
exit $bad
