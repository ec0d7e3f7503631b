# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034,SC2154 # bad is for who sources this
#
# tap.sh: what the tests that are shell scripts share. Some of it has their top, dir and module.

n=0 bad=0

# check NAME COMMAND...: the command succeeds
check() {
	name=$1
	shift
	n=$((n + 1))
	if "$@"; then echo "ok $n $name"; else echo "not ok $n $name"; bad=1; fi
}

# nothing_left: over the kernel, if that is what module says, or in $dir, which is XDG_RUNTIME_DIR
nothing_left() {
	if [ "$module" ]; then
		! tail -n +2 /proc/net/ipcx | grep .
	else
		[ -z "$(ls -A "$dir/ipcx")" ]
	fi
}

# readme LANGUAGE: README's program in c, cpp or python
readme() {
	awk -v begin="\`\`\`$1" '/^```$/ { on = 0 } on { n++; print } $0 == begin { on = 1 } END { exit !n }' \
		"$top/README.md"
}
