# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034 # bad is for who sources this
#
# tap.sh: what the tests that are shell scripts share.

n=0 bad=0

# check NAME COMMAND...: the command succeeds
check() {
	name=$1
	shift
	n=$((n + 1))
	if "$@"; then echo "ok $n $name"; else echo "not ok $n $name"; bad=1; fi
}
