#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz-input.sh frame|bridge [--runs N] [--seed N] [INPUT...]: what anybody may send, frames
# (libuser/frame.c) or parcels of the bridge (libuser/bridge/parcel.c), under libFuzzer with ASan and
# UBSan, 5,000,000 inputs if not told otherwise; or just the INPUTs. Nothing is kept between runs.
# What is found is in build/fuzz. Exit status: 0 when nothing was found.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd -P)
what=${1:-}
case $what in
frame) len=4096 include=(-I"$top/include/uapi") about=frame ;;
bridge) len=2048 include=(-I"$top/libuser/bridge") about=parcel ;;
*) sed -n 's/^# \(fuzz-input.sh\)/usage: scripts\/\1/p' "$0" >&2; exit 2 ;;
esac
shift
runs=5000000 seed=1
while [ $# -ge 2 ]; do
	case $1 in
	--runs) runs=$2 ;;
	--seed) seed=$2 ;;
	*) break ;;
	esac
	shift 2
done
command -v clang-14 >/dev/null || { echo "fuzz-input: clang-14 is missing: run scripts/setup.sh" >&2; exit 2; }
out=$top/build/fuzz
mkdir -p "$out"
clang-14 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all -I"$top/libuser" -I"$top/include" "${include[@]}" \
	"$top/selftests/$what/fuzz.c" -o "$out/$what"
[ $# -eq 0 ] || exec "$out/$what" "$@"

echo 1..1
if "$out/$what" -runs="$runs" -seed="$seed" -max_len=$len -print_final_stats=1 \
	-artifact_prefix="$out/" >"$out/$what.log" 2>&1; then
	awk -v seed="$seed" -v what="$what" '
		/ cov: / { for (f = 1; f < NF; f++) if ($f == "cov:") edges = $(f + 1) }
		/^stat::number_of_executed_units:/ { done = $2 }
		END { printf "ok 1 %s_fuzz: %d inputs, %d edges, seed %d\n", what, done, edges, seed }' "$out/$what.log"
else
	echo "not ok 1 ${what}_fuzz: seed $seed"
	grep -E "^$about: |ERROR: |runtime error|^    #[0-9]+ .*$about" "$out/$what.log" | head -n 12 | sed 's/^/# /' || true
	echo "# again: scripts/fuzz-input.sh $what $(sed -n 's/.*Test unit written to //p' "$out/$what.log")"
	exit 1
fi
