#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ring_model.sh [--whole]: have spin go through all states of ring.pml, each part as it is and then
# with one thing left out at a time, which it must notice; TAP. With --whole only as it is.
set -uo pipefail

cd "$(dirname "$0")" || exit
model=$PWD/ring.pml
parts="RING LOSSY SLEEP DOZES JOIN"
mutations="
	RING:NO_A RING:NO_B RING:NO_J RING:NO_K RING:NO_GATE
	LOSSY:NO_A LOSSY:NO_B LOSSY:NO_E LOSSY:NO_F LOSSY:NO_G LOSSY:NO_J LOSSY:NO_WRITING
	LOSSY:NO_HOLDS LOSSY:NO_LOOK_AFTER_COPY LOSSY:NO_LOOK_AFTER_HOLD
	SLEEP:NO_C SLEEP:NO_L SLEEP:NO_D_OWN SLEEP:NO_D_OTHER SLEEP:NO_LOOK_AGAIN SLEEP:NO_KICK
	DOZES:NO_FENCE DOZES:NO_N_SLEEPER DOZES:NO_N_END DOZES:NO_MEMBARRIER DOZES:NO_LOOK_AGAIN
	DOZES:NO_EXCHANGE DOZES:NO_WAKE
	JOIN:NO_A JOIN:NO_B JOIN:NO_H JOIN:NO_I JOIN:NO_SERIALISE JOIN:NO_ROOM"
[ "${1:-}" != --whole ] || mutations=
tmp=$(mktemp -d) || exit
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit

# search PART [MUTATION]: the number of errors, 0 or 1; all states were seen if 0
search() {
	rm -f pan* ./*.trail
	spin -a "-D$1" ${2:+"-D$2"} "$model" >log 2>&1 &&
		gcc -w -DSAFETY -o pan pan.c >>log 2>&1 &&
		./pan -m1000000 >>log 2>&1 || return
	! grep -q 'max search depth too small\|out of memory' log || return
	sed -n 's/^State-vector.*errors: \([0-9]*\)$/\1/p' log
}

n=0 failed=0
# result OK NAME
result() {
	n=$((n + 1))
	if [ "$1" = yes ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		tail -n 20 log | sed 's/^/# /'
		failed=1
	fi
}

echo "TAP version 13"
for part in $parts; do
	result "$([ "$(search "$part")" != 0 ] || echo yes)" "$part"
	sed -n 's/^ *\([0-9]*\) states, stored.*/# \1 states/p' log
done
for m in $mutations; do
	result "$([ "$(search "${m%:*}" "${m#*:}")" != 1 ] || echo yes)" \
		"$m is noticed: $(grep -o 'assertion violated.*\|invalid end state' log | head -n 1)"
done
echo "1..$n"
exit $failed
