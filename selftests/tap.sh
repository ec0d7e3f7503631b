# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034,SC2154 # bad is for who sources this
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

# readme LANGUAGE: README's program in c, cpp or python; top is of who sources this
readme() {
	awk -v begin="\`\`\`$1" '/^```$/ { on = 0 } on { n++; print } $0 == begin { on = 1 } END { exit !n }' \
		"$top/README.md"
}
