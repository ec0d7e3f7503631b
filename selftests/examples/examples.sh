#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Documentation/examples/files.c over every transport, those with loops over some, those of the
# tutorial, which print what stands there; where there is a module all of them, as they were built
# before, over that alone. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
top=$(realpath "$(dirname "$0")/../..")
built=$top/build/selftests/examples
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_RUNTIME_DIR="$dir" IPCX_QUIET=1
unset IPCX_TRANSPORT MAKEFLAGS MAKELEVEL
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"

# fetches FILE: what the client prints is the file
fetches() {
	timeout 60 "$built/files" client "$uri" "$1" >"$dir/got" && cmp "$1" "$dir/got"
}
refuses() {
	timeout 60 "$built/files" client "$uri" "$1" 2>"$dir/err"
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
camera() { prints camera sh -c "'$built/camera' $1 | sort"; }

port=$((20000 + $$ % 40000))
# where a module should be, one that is not there is no reason to leave it out
if [ "${IPCX_MODULE:-}" ]; then
	module=1 uris="files-$$" loops=kernel pipelines=kernel servers="upper-$$"
	cameras=kernel regions="counters-$$"
else
	module='' loops='shm unix' pipelines='mq fifo' cameras='shm unix'
	uris="mq:files-$$ unix:files unix:$dir/files.sock fifo:files fifo:$dir/files.fifo tcp:127.0.0.1:$port files-$$"
	servers="mq:upper-$$ unix:upper fifo:upper shm:upper tcp:127.0.0.1:$port"
	regions="shm:counters-$$ file:$dir/region"
	for example in "$top"/Documentation/examples/*.c; do
		example=$(basename "$example" .c)
		check "$example.c compiles" make -s -C "$top/selftests/examples" "$built/$example"
	done
fi
: >"$dir/empty"
echo hello >"$dir/small"
head -c 3000000 /dev/urandom >"$dir/large"
for uri in $uris; do
	short=$(echo "$uri" | sed "s,$dir,DIR,; s,$$,N,; s,:$port,:PORT,")
	timeout 100 "$built/files" server "$uri" 2>"$dir/server.err" &
	server=$!
	check "$short: a file in one message" fetches "$dir/small"
	check "$short: an empty one" fetches "$dir/empty"
	check "$short: one in pieces" fetches "$dir/large"
	check "$short: two clients" sh -c "
		timeout 60 '$built/files' client '$uri' '$dir/large' >'$dir/a' & a=\$!
		timeout 60 '$built/files' client '$uri' '$dir/large' >'$dir/b' && wait \$a &&
		cmp '$dir/large' '$dir/a' && cmp '$dir/large' '$dir/b'"
	check "$short: no such file" refuses /nowhere
	timeout 20 "$built/files" client "$uri" '' >/dev/null
	check "$short: the server ends when told" wait "$server"
	case $uri in
	tcp:*) ;;
	*) check "$short: unlink" "$top/build/bin/ipcx" rm "$uri" ;;
	esac
done
for transport in $loops; do
	want='queue: a job,queue: end,topic: more,topic: news,'
	for loop in epoll libuv sd-event glib; do
		check "$transport: a queue and a topic by $loop" lines "$built/$loop" "$transport:$loop-$$" "$transport:$loop-topic-$$"
	done
	want='end,one,one,one,two,two,two,'
	check "$transport: a queue by io_uring" lines "$built/uring" "$transport:uring-$$"
done
for transport in $pipelines; do
	check "$transport: a pipeline of workers" prints pipeline "$built/pipeline" "$transport:numbers-$$" "$transport:squares-$$"
done
for uri in $servers; do
	check "${uri%%[:-]*}: a server" prints server "$built/server" "$uri"
done
for transport in $cameras; do
	check "$transport: a camera" camera "$transport:camera"
done
for uri in $regions; do
	check "${uri%%[:-]*}: counters in a region" prints counters "$built/counters" "$uri"
done
check "nothing is left" nothing_left
echo "1..$n"
exit $bad
