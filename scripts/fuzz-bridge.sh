#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz-bridge.sh [--runs N] [--seed N] [INPUT...]: parcels of the bridge (libuser/bridge/parcel.c)
# under libFuzzer with ASan and UBSan, 5,000,000 inputs if not told otherwise; or just the INPUTs.
# Nothing is kept between runs. What is found is in build/fuzz. Exit status: 0 when nothing was found.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd -P)
runs=5000000 seed=1
while [ $# -ge 2 ]; do
	case $1 in
	--runs) runs=$2 ;;
	--seed) seed=$2 ;;
	*) break ;;
	esac
	shift 2
done
command -v clang-14 >/dev/null || { echo "fuzz-bridge: clang-14 is missing: run scripts/setup.sh" >&2; exit 2; }
out=$top/build/fuzz
mkdir -p "$out"
clang-14 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all -I"$top/libuser" -I"$top/libuser/bridge" -I"$top/include" \
	"$top/selftests/bridge/fuzz.c" -o "$out/bridge"
[ $# -eq 0 ] || exec "$out/bridge" "$@"

echo 1..1
if "$out/bridge" -runs="$runs" -seed="$seed" -max_len=2048 -print_final_stats=1 \
	-artifact_prefix="$out/" >"$out/bridge.log" 2>&1; then
	awk -v seed="$seed" '
		/ cov: / { for (f = 1; f < NF; f++) if ($f == "cov:") edges = $(f + 1) }
		/^stat::number_of_executed_units:/ { done = $2 }
		END { printf "ok 1 bridge_fuzz: %d inputs, %d edges, seed %d\n", done, edges, seed }' "$out/bridge.log"
else
	echo "not ok 1 bridge_fuzz: seed $seed"
	grep -E '^parcel: |ERROR: |runtime error|^    #[0-9]+ .*parcel' "$out/bridge.log" | head -n 12 | sed 's/^/# /' || true
	echo "# again: scripts/fuzz-bridge.sh $(sed -n 's/.*Test unit written to //p' "$out/bridge.log")"
	exit 1
fi
