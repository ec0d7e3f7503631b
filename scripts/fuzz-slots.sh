#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz-slots.sh: the slots' state machine under libFuzzer.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/fuzz-slots.sh [OPTION...] [INPUT...]

	Builds selftests/slots/fuzz.c with clang, ASan and UBSan, and lets libFuzzer look for
	inputs that make kmod/slots.h differ from its model (selftests/slots/model.h). Nothing is
	kept between runs: the same seed does the same. With INPUTs it runs just these.

	  --runs N    inputs per process (default 10000000, some minutes)
	  --jobs N    processes, with seeds one after the other (default 1)
	  --seed N    the first process's seed (default 1)

	Examples:

	  scripts/fuzz-slots.sh --jobs "$(nproc)"
	  scripts/fuzz-slots.sh build/fuzz/crash-0123     # again what was found

	Exit status: 0 when nothing was found, else 1; the input is then in build/fuzz.
	END
}

die() { echo "fuzz-slots: $*" >&2; exit 2; }

top=$(cd "$(dirname "$0")/.." && pwd -P)
runs=10000000 jobs=1 seed=1
while [ $# -gt 0 ]; do
	case $1 in
	--runs | --jobs | --seed)
		[[ ${2:-} =~ ^[0-9]+$ ]] || die "$1 wants a number"
		printf -v "${1#--}" %s "$2"
		shift 2
		;;
	-h | --help) usage; exit ;;
	-*) die "unknown option $1; --help lists them" ;;
	*) break ;;
	esac
done

command -v clang-14 >/dev/null || die "clang-14 is missing: run scripts/setup.sh"
source=$("$top/scripts/kernel.sh" source)
out=$top/build/fuzz
mkdir -p "$out"
clang-14 -O2 -g -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	-I"$source/tools/include" "$top/selftests/slots/fuzz.c" -o "$out/slots"
[ $# -eq 0 ] || exec "$out/slots" "$@"

echo "TAP version 13"
echo "1..$jobs"
pids=()
for ((i = 0; i < jobs; i++)); do
	"$out/slots" -runs="$runs" -seed=$((seed + i)) -max_len=128 -print_final_stats=1 \
		-artifact_prefix="$out/" >"$out/log.$i" 2>&1 &
	pids+=($!)
done

status=0
for ((i = 0; i < jobs; i++)); do
	if wait "${pids[i]}"; then
		awk -v n=$((i + 1)) -v seed=$((seed + i)) '
			/ cov: / { for (f = 1; f < NF; f++) if ($f == "cov:") edges = $(f + 1) }
			/^stat::number_of_executed_units:/ { done = $2 }
			/^stat::average_exec_per_sec:/ { rate = $2 }
			END {
				printf "ok %d slots_fuzz: %d inputs, %d a second, %d edges, seed %d\n",
					n, done, rate, edges, seed
			}' "$out/log.$i"
	else
		status=1
		echo "not ok $((i + 1)) slots_fuzz: seed $((seed + i))"
		grep -E '^slots: |ERROR: |runtime error|^    #[0-9]+ .*slots/' "$out/log.$i" | head -n 12 | sed 's/^/# /' || true
		input=$(sed -n 's/.*Test unit written to //p' "$out/log.$i")
		echo "# again: scripts/fuzz-slots.sh $input"
	fi
done
exit $status
