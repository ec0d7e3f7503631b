#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh: count the instructions a message costs, for ipcx and for the kernel's own ways.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/bench.sh [--json | --where WAY]

	Counts instructions of two processes and the kernel together, per message, in a guest
	of one CPU whose clock counts instructions: two runs tell the same figures, whatever
	else this machine does. They are the length of the path: they know nothing of caches,
	and a byte copied weighs about twice as much as on silicon. Both processes run under
	SCHED_BATCH, so that nobody preempts its waker; in the rows that say "preempt" they run
	under the default policy, where that depends on which of the two has run less so far.

	  --json        one object a line instead of a Markdown table
	  --where WAY   for one WAY, as the table calls it, in which functions a message of 8 bytes
	                spends its instructions, one way, or there and back if it only calls

	make bench builds what this needs. Exit status: 0 if the targets are met: one way, at
	most 0.6 of a POSIX mq of the same depth, with prefetch 16 at most 0.7 of a pipe (sent
	by ipcx_queue_send() at most both), in batches of 32 at most 0.1 of a pipe; a call and its answer, less than a round trip over
	POSIX mq and over a pipe; to publish in a topic, take and release, where nobody waits,
	at most 240 instructions and no system call.
	END
}

case ${1:-} in
'' | --json) ;;
--where) [ $# -eq 2 ] || { usage >&2; exit 2; } ;;
-h | --help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac

top=$(cd "$(dirname "$0")/.." && pwd -P)
dir=$top/build/bench
mkdir -p "$dir"
sources=("$top"/selftests/bench/{bench,transport,alone}.c "$top/build/lib/libipcx.a")
flags=(-O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$top/include")
if [ "${1:-}" = --where ]; then
	"${CC:-gcc}" "${flags[@]}" -shared -fPIC -o "$dir/count.so" "$top/selftests/bench/count.c"
	# static: addresses are known; the linker would warn of what getaddrinfo() needs then
	"${CC:-gcc}" "${flags[@]}" -static -no-pie -Wl,--no-warnings -o "$dir/bench-where" \
		"${sources[@]}"
	# shellcheck disable=SC2016 # for that shell
	n=$("$top/scripts/vm.sh" --icount --mem 3G --timeout 600 --count "$dir/counts" \
		--out "$dir/where" -- sh -c '"$0" --where "$1" && cat /proc/kallsyms >/run/out/kallsyms' \
		"$dir/bench-where" "$2") || { echo "$n"; exit 1; }
	exec "$top/scripts/bench-where.py" "$dir/counts" "$dir/where/kallsyms" "$dir/bench-where" "$n"
fi
"${CC:-gcc}" "${flags[@]}" -o "$dir/bench" "${sources[@]}"
if [ "${1:-}" = --json ]; then
	echo '{"machine":"qemu tcg, icount, one CPU","unit":"instructions","command":"scripts/bench.sh --json"}'
else
	echo 'Instructions per message; QEMU TCG with icount, one CPU; scripts/bench.sh'
fi
exec "$top/scripts/vm.sh" --icount --mem 3G --timeout 600 -- "$dir/bench" "$@"
