#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz-frame.sh [--runs N] [--seed N] [INPUT...]: frames (libuser/frame.c) under libFuzzer with ASan
# and UBSan, 10,000,000 inputs if not told otherwise; or just the INPUTs. Nothing is kept between
# runs. What is found is in build/fuzz. Exit status: 0 when nothing was found.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd -P)
runs=10000000 seed=1
while [ $# -ge 2 ]; do
	case $1 in
	--runs) runs=$2 ;;
	--seed) seed=$2 ;;
	*) break ;;
	esac
	shift 2
done
command -v clang-14 >/dev/null || { echo "fuzz-frame: clang-14 is missing: run scripts/setup.sh" >&2; exit 2; }
out=$top/build/fuzz
mkdir -p "$out"
clang-14 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all -I"$top/libuser" -I"$top/include" -I"$top/include/uapi" \
	"$top/selftests/frame/fuzz.c" -o "$out/frame"
[ $# -eq 0 ] || exec "$out/frame" "$@"

echo 1..1
if "$out/frame" -runs="$runs" -seed="$seed" -max_len=4096 -print_final_stats=1 \
	-artifact_prefix="$out/" >"$out/frame.log" 2>&1; then
	awk -v seed="$seed" '
		/ cov: / { for (f = 1; f < NF; f++) if ($f == "cov:") edges = $(f + 1) }
		/^stat::number_of_executed_units:/ { done = $2 }
		END { printf "ok 1 frame_fuzz: %d inputs, %d edges, seed %d\n", done, edges, seed }' "$out/frame.log"
else
	echo "not ok 1 frame_fuzz: seed $seed"
	grep -E '^frame: |ERROR: |runtime error|^    #[0-9]+ .*frame' "$out/frame.log" | head -n 12 | sed 's/^/# /' || true
	echo "# again: scripts/fuzz-frame.sh $(sed -n 's/.*Test unit written to //p' "$out/frame.log")"
	exit 1
fi
