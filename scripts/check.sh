#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh [--debug | --kcsan] [NAME]: build and run every test, or the one called NAME. Each
# prints TAP; the last line is "N passed, N failed". A test that is skipped has failed: nothing
# may be missing here. With --debug only what runs in a guest, on the debug kernel, leaks looked
# for; with --kcsan on the kernel that detects data races.
set -uo pipefail

top=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$top" || exit
kernel=stock
case ${1:-} in
--debug | --kcsan)
	kernel=${1#--}
	shift
	;;
esac
only=${1:-}
out=$top/build/selftests
logs=$top/build/logs
passed=0 failed=0
mkdir -p "$out" "$logs"

say() { echo "# $*"; }
wanted() { [ -z "$only" ] || [ "$only" = "$1" ]; }

# count NAME STATUS LOG: what the TAP in LOG says, and whether it is all of it
count() {
	local ok bad skip plan
	ok=$(grep -cE '^ok ' "$3")
	bad=$(grep -cE '^not ok ' "$3")
	skip=$(grep -ciE '^ok .*# *skip' "$3")
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$3" | head -n 1)
	ok=$((ok - skip))
	bad=$((bad + skip))
	# died on the way, or a status that its own report does not explain
	[ "${plan:-0}" -gt 0 ] && [ $((ok + bad)) -eq "$plan" ] || bad=$((bad + 1))
	[ "$2" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	if [ "$bad" -gt 0 ]; then
		echo "FAIL $1: $ok passed, $bad failed, status $2"
		grep -vE '^(ok |#  RUN|#            OK)' "$3" | tail -n 60
	else
		echo "pass $1: $ok"
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
}

# run NAME COMMAND...: a test on this machine
run() {
	local name=$1 status=0
	shift
	wanted "$name" || return 0
	"$@" >"$logs/$name" 2>&1 || status=$?
	count "$name" "$status" "$logs/$name"
}

# tap COMMAND...: what a command says and whether it succeeds, as one test of TAP
tap() {
	local status=0
	"$@" 2>&1 | sed 's/^/# /' || status=$?
	[ $status -eq 0 ] && echo "ok 1 $*" || echo "not ok 1 $*"
	echo 1..1
	return $status
}

# check NAME COMMAND...: a command that just has to succeed, silently
check() {
	local name=$1 status=0
	shift
	wanted "$name" || return 0
	"$@" >"$logs/$name" 2>&1 || status=$?
	if [ $status -eq 0 ] && ! [ -s "$logs/$name" ]; then
		passed=$((passed + 1))
		echo "pass $name"
	else
		failed=$((failed + 1))
		echo "FAIL $name: status $status"
		tail -n 40 "$logs/$name"
	fi
}

# guest NAME: a kselftest program, in a guest of its own
guest() {
	local name=$1 prog=$out/$1
	[ "${name%.sh}" = "$name" ] || prog=$top/selftests/$name
	case $name in
	death | queue | race | wait) smp=2 ;; # two CPUs, or nothing ever runs at the same moment
	*) smp=1 ;;
	esac
	case $kernel in
	debug)
		run "$name" scripts/vm.sh --kernel debug --smp "$smp" --mem 3G --timeout 600 -- \
			selftests/vm/with-leak-scan.sh "$prog"
		;;
	kcsan)
		run "$name" scripts/vm.sh --kernel kcsan --smp 2 --timeout 600 -- \
			env IPCX_TEST_SCALE=20 "$prog"
		;;
	*) run "$name" scripts/vm.sh --smp "$smp" --timeout 300 -- "$prog" ;;
	esac
}

# the fuzzer, a minute of always the same beginning
fuzz() {
	scripts/fuzz.sh --seed 1 --ops 200000 --seconds 60 --fresh
}

# what kbuild says, less what is always said; its status
quiet() {
	local status=0 said
	said=$("$@" 2>&1) || status=$?
	grep -vE 'Skipping BTF|^$' <<<"$said"
	return $status
}

build_backports() { quiet make -s module KERNEL=backports; }

sparse_module() {
	local dir=$top/build/kbuild/sparse
	mkdir -p "$dir" && cp -rsf "$top"/{Kbuild,kmod,include} "$dir/" &&
		quiet make -s -C "$stock/build" M="$dir" C=2 CF='-D__CHECK_ENDIAN__ -Wsparse-error' \
			KCFLAGS=-Werror modules
}

slots_random() {
	gcc -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
		-I"$source/tools/include" selftests/slots/random.c -o "$out/slots_random" &&
		"$out/slots_random" 300000
}

headers_alone() {
	local h=$top/include
	gcc -x c -std=c90 -Wpedantic -Wno-long-long -Werror -fsyntax-only -Wpadded "$h/uapi/linux/ipcx.h" &&
		gcc -x c -std=c99 -Wpedantic -Werror -fsyntax-only "$h/ipcx.h" &&
		g++ -x c++ -std=c++17 -Werror -fsyntax-only "$h/ipcx.h" "$h/uapi/linux/ipcx.h"
}

checkpatch() {
	perl "$source/scripts/checkpatch.pl" --no-tree --strict --terse --no-summary \
		--max-line-length=100 --ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON \
		-f kmod/*.[ch] include/uapi/linux/ipcx.h
}

# every public function has a page, every page a function
man_pages() {
	comm -3 <(grep -oE '\<ipcx_[a-z_]+' libuser/libipcx.map | sort) \
		<(find Documentation/man -name 'ipcx_*.3' -printf '%f\n' | sed 's/\.3$//' | sort)
}

one_place() {
	grep -l LINUX_VERSION_CODE kmod/* | grep -v compat.h
	grep -ln 'libuser/' kmod/*
	find kmod libuser selftests scripts -type f \( -name '*.[ch]' -o -name '*.sh' \) -print0 |
		xargs -0 wc -l | awk '$2 != "total" && $1 > 600 { print $2, "has", $1, "lines, 600 are the limit" }'
}

say "kernels, sources"
stock=$(scripts/kernel.sh stock) && source=$(scripts/kernel.sh source) &&
	scripts/kernel.sh backports >/dev/null && scripts/kernel.sh "$kernel" >/dev/null || exit 1
say "build"
if ! make -s module user KERNEL="$kernel" >"$logs/build" 2>&1 ||
	! make -s -C selftests KSFT="$source/tools/testing/selftests" OUTPUT="$out" >>"$logs/build" 2>&1; then
	cat "$logs/build"
	echo "the build failed"
	echo "0 passed, 1 failed"
	exit 1
fi
grep -E 'warning' "$logs/build" && failed=$((failed + 1))

if [ "$kernel" = stock ]; then
	check headers headers_alone
	check backports build_backports
	check sparse sparse_module
	check shellcheck shellcheck scripts/*.sh selftests/*.sh selftests/vm/*.sh
	check checkpatch checkpatch
	check man_pages man_pages
	check one_place one_place
	run slots slots_random
	run slots_fuzz scripts/fuzz-slots.sh --runs 200000
fi
programs="abi queue wait spare wake map name limit leak death race cli.sh"
[ "$kernel" != debug ] || programs+=" fail_nth"
for t in $programs; do
	guest "$t"
done
if [ $kernel = debug ]; then
	run fuzz tap fuzz
fi
if [ -n "$only" ] && [ $((passed + failed)) -eq 0 ]; then
	echo "there is no test called $only"
	failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
