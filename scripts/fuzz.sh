#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz.sh: run the fuzzer of /dev/ipcx in a guest of the debug kernel.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/fuzz.sh [OPTION...]

	Builds the module with coverage and the fuzzer, boots a guest with two CPUs on the
	debug kernel and runs programs of calls there: those in selftests/fuzz/seeds, those
	that earlier runs kept in build/fuzz, and new ones made from them.

	  --seed S       where random numbers begin (default: the time)
	  --ops N        stop after N calls (default 1000000)
	  --seconds N    stop after N seconds in the guest, if that is earlier (default 600)
	  --kernel NAME  another kernel, see scripts/kernel.sh --help; without KCOV it is blind
	  --icount       one CPU, and time counted in instructions, see scripts/vm.sh --help
	  --fresh        begin with the seeds alone, and keep nothing but what fails
	  --run FILE     run the programs in FILE instead, up to --ops calls if that is given
	  --out DIR      where to keep what is kept (default: build/fuzz)
	  --json         the report as JSON

	Examples:

	  scripts/fuzz.sh --seconds 60
	  scripts/fuzz.sh --run build/fuzz/failed/recent-3.txt --ops 10000

	In DIR: corpus.txt, what was kept; after a failure failed/, with recent-0.txt to
	recent-7.txt, the last programs, and the kernel's log.

	Exit status: 0; that of scripts/vm.sh --help if the kernel complained; 1 if the fuzzer
	saw a promise broken. Then the last program is shown and how to run it again.
	END
}

top=$(cd "$(dirname "$0")/.." && pwd -P)
kernel=debug seed=$(date +%s) ops='' seconds=600 fresh='' run='' json=() cpus=(--smp 2) out=$top/build/fuzz
while [ $# -gt 0 ]; do
	case $1 in
	--seed | --ops | --seconds | --kernel | --run | --out)
		[ $# -ge 2 ] || { usage >&2; exit 2; }
		printf -v "${1#--}" %s "$2"
		shift 2
		;;
	--icount) cpus=(--icount); shift ;;
	--fresh) fresh=1; shift ;;
	--json) json=(--json); shift ;;
	-h | --help) usage; exit ;;
	*) usage >&2; exit 2 ;;
	esac
done

mkdir -p "$out"
out=$(cd "$out" && pwd -P)
"${CC:-gcc}" -O2 -g -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-sign-compare \
	-Wno-unused-parameter -static -I"$top/include/uapi" -o "$out/fuzz" "$top"/selftests/fuzz/*.c
make -s -C "$top" module KERNEL="$kernel" KCOV=1
[ -z "$fresh" ] || rm -f "$out/corpus.txt"
rm -f "$out/recent"
truncate -s 1M "$out/recent"

args=(--seed "$seed" --seconds "$seconds" --corpus /run/out "${json[@]}"
	--recent /sys/bus/pci/devices/0000:00:1e.0/resource2)
if [ "$run" ]; then
	args+=(--run "$(realpath "$run")" ${ops:+--ops "$ops"})
else
	args+=(--seeds "$top/selftests/fuzz/seeds" --ops "${ops:-1000000}")
fi
status=0
# nobody scans for leaks here, so kmemleak would only take time
"$top/scripts/vm.sh" --kernel "$kernel" --module "$top/build/$kernel-kcov/ipcx.ko" "${cpus[@]}" --mem 3G \
	--timeout $((seconds + 180)) --out "$out" --ram "$out/recent" --append kmemleak=off -- "$out/fuzz" "${args[@]}" || status=$?
[ $status -ne 0 ] || exit 0

failed=$out/failed
mkdir -p "$failed"
cp "$out/dmesg" "$out/console.log" "$failed/"
for n in 0 1 2 3 4 5 6 7; do
	dd if="$out/recent" bs=128K skip="$n" count=1 status=none | head -z -n 1 | tr -d '\0' >"$failed/recent-$n.txt"
done
# the program with the highest number was begun last
last=$(grep -aH '^# program ' "$failed"/recent-*.txt | sort -t ' ' -k 3n | tail -n 1 | cut -d: -f1 || true)
if [ "$last" ]; then
	echo "the last program of seed $seed; the others are beside it in $failed:"
	cat "$last"
	echo "to run it again: scripts/fuzz.sh --kernel $kernel --run $last --ops 10000"
fi
exit $status
