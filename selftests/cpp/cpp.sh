#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# include/ipcx.hpp with each compiler and standard, over each transport that needs no module and has
# both queues and topics; and the examples in C++. Where there is a module one of these builds, as it
# is, over that alone. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
top=$(realpath "$(dirname "$0")/../..")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_RUNTIME_DIR="$dir" IPCX_QUIET=1
unset IPCX_TRANSPORT MAKEFLAGS MAKELEVEL
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"

# all COMMAND...: its tests, as ours; it must have made as many as it planned, and end well
all() {
	timeout 300 "$@" >"$dir/tap" 2>"$dir/err"
	status=$?
	while read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			n=$((n + 1))
			said=${line#not }
			said=${said#ok *[0-9] }
			case $line in
			ok*) echo "ok $n $build, $said" ;;
			*) echo "not ok $n $build, $said"; bad=1 ;;
			esac
			;;
		1..*) ;;
		*) echo "$line" ;;
		esac
	done <"$dir/tap"
	check "$build, $(basename "$1") $2: all of them, and nothing else is said" \
		ended "$status" "$(grep -cE '^(not )?ok ' "$dir/tap")"
}
ended() { sed 's/^/# /' "$dir/err"; [ "$1" -eq 0 ] && grep -qx "1..$2" "$dir/tap" && [ ! -s "$dir/err" ]; }

# says EXAMPLE URI TEXT...: each is a line of what it prints
says() {
	timeout 60 "$out/$1" "$2" >"$dir/out" 2>"$dir/err" || { sed 's/^/# /' "$dir/err"; return 1; }
	shift 2
	for text; do
		grep -qxF "$text" "$dir/out" || { echo "# it did not print: $text"; return 1; }
	done
}

module='' transports='shm unix' compilers='g++ clang++-14' standards='c++17 c++20'
# where a module should be, one that is not there is no reason to leave it out
if [ "${IPCX_MODULE:-}" ]; then
	module=1 transports=kernel compilers=g++ standards=c++17
fi
for compiler in $compilers; do
	for std in $standards; do
		# one of the two is looked at closely
		san=''
		[ "$compiler $std" != 'g++ c++20' ] && [ "$compiler $std" != 'clang++-14 c++17' ] ||
			san=address,undefined
		build="$compiler -std=$std${san:+, sanitizers}"
		out=$top/build/selftests/cpp/$compiler-$std
		[ "$module" ] || check "$build: no warning" make -s -C "$top/selftests/cpp" CXX="$compiler" STD="$std" \
			SAN="$san" O="$out"
		for transport in $transports; do
			all "$out/cpp" "$transport"
			all "$out/no_exceptions" "$transport"
		done
	done
done
for transport in $transports; do
	check "$transport: worker.cc" says worker "$transport:worker-$$" 'job 1 is done' 'job 2 is done' \
		'job 3 comes back' 'job 3 is done' 'job 4 comes back' 'job 4 is done'
	check "$transport: sums.cc" says sums "$transport:sums-$$" 'the sum of 1 to 10 is 55' \
		'the sum of 1 to 1000 is 500500' 'the sum of 1 to 100000 is 5000050000'
	check "$transport: news.cc" says news "$transport:news-$$" 'parent: day 1, 19.5 degrees' \
		'parent: day 3, 17.5 degrees' 'child: day 2, 18.5 degrees'
done
check "nothing is left" nothing_left
echo "1..$n"
exit $bad
