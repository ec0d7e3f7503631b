#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# seeded-bugs.sh: do the tests notice what they are there for?
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/seeded-bugs.sh [OPTION...] [NAME...]

	Applies each of the deliberate faults in selftests/bugs/ (or those called NAME) to a copy
	of this tree, never to the tree itself, builds it, and runs the tests that its head says
	will catch it, until one does. A bug whose head names no test is run against all of them.
	A test that fails without the bug, too, catches nothing: each is run so once.

	  --list   only show the bugs; fails if one does not apply to this tree any more
	  --json   print the result as JSON

	The head of selftests/bugs/NAME.patch is three lines:

	  breaks: what goes wrong
	  class: the kind of bug that it stands for
	  caught by: KERNEL/TEST...     as in stock/map debug/queue; "all" for every test

	KERNEL is stock, debug or kcsan, TEST what scripts/check.sh calls it. Logs are in
	build/seeded/. About 15 seconds a bug on the stock kernel, a minute on a debug kernel.

	Exit status: 0 when all bugs but one at most were caught, 1 when more were missed,
	2 when something else is wrong.
	END
}

die() { echo "seeded-bugs: $*" >&2; exit 2; }

top=$(cd "$(dirname "$0")/.." && pwd -P)
bugs=$top/selftests/bugs
list='' json=''
while [ $# -gt 0 ]; do
	case $1 in
	--list | --json) printf -v "${1#--}" 1; shift ;;
	-h | --help) usage; exit ;;
	-*) die "unknown option $1; --help lists them" ;;
	*) break ;;
	esac
done
if [ $# -eq 0 ]; then
	set -- "$bugs"/*.patch
	set -- "${@##*/}"
	set -- "${@%.patch}"
fi

# head_of NAME FIELD: a line of the head of a patch
head_of() { sed -n "/^--- /q; s/^$2: //p" "$bugs/$1.patch"; }

apply() { patch -d "$copy" -p1 -F0 -s --no-backup-if-mismatch "${@:2}" <"$bugs/$1.patch"; }

# progress TEXT: what is being done, where somebody may be watching
progress() {
	[ -t 2 ] || return 0
	printf '\r\033[K%s' "$1" >&2
}

# expected NAME: the tests that are to catch it, as KERNEL/TEST
expected() {
	local want t
	want=$(head_of "$1" 'caught by')
	if [ "$want" = all ]; then
		for t in $all_tests; do
			printf '%s\n' "stock/$t" "debug/$t"
		done | sort -r
	else
		printf '%s\n' "$want"
	fi | tr ' ' '\n'
}

# suite KERNEL/TEST LOG: that test in the copy. Return: 0 passed, 1 failed, 2 not run.
suite() {
	local kernel=${1%/*} flag=()
	[ "$kernel" = stock ] || flag=("--$kernel")
	if "$copy/scripts/check.sh" "${flag[@]}" "${1#*/}" >"$2" 2>&1; then
		return 0
	fi
	! grep -qE '^the build failed|^there is no test called' "$2" || return 2
	return 1
}

# reason TEST LOG: the first thing that a failed test said
reason() {
	local pattern
	for pattern in '^not ok .*' '(BUG|WARNING|KASAN|KCSAN|UBSAN|kmemleak|INFO|refcount_t): .*' \
		'Kernel panic .*|vm: .*|FAIL .*'; do
		grep -hm 1 -oE "$pattern" "$copy/build/logs/$1" "$2" || continue
		break
	done | head -n 1 | sed -E 's/^not ok [0-9]+ //; s/["\\[:cntrl:]]//g'
}

copy=$(mktemp -d "${TMPDIR:-/tmp}/ipcx-bugs.XXXXXX")
trap 'progress ""; rm -rf "$copy"' EXIT
tar -C "$top" --exclude=./build --exclude=./.git -c . | tar -C "$copy" -x
logs=$top/build/seeded
mkdir -p "$logs"
all_tests="$("$top/scripts/check.sh" --list) slots"

for bug; do
	[ -e "$bugs/$bug.patch" ] || die "there is no bug called $bug; --list shows them"
	for field in breaks class 'caught by'; do
		[ "$(head_of "$bug" "$field")" ] || die "$bug.patch: no '$field:' in its head"
	done
	apply "$bug" --dry-run >&2 || die "$bug.patch does not apply to this tree"
	[ -z "$list" ] || printf '%-20s %-14s %s (%s)\n' "$bug" "$(head_of "$bug" class)" \
		"$(head_of "$bug" breaks)" "$(head_of "$bug" 'caught by')"
done
[ -z "$list" ] || exit 0

declare -A sound # tests that pass without a bug
# passes KERNEL/TEST: without a bug
passes() {
	[ -z "${sound[$1]:-}" ] || return 0
	progress "without a bug: $1"
	suite "$1" "$logs/none.${1//\//.}" || return 1
	sound[$1]=1
}

n=0 missed=0 broken='' sep='['
[ "$json" ] || printf '%-20s %-14s %-14s %4s  %s\n' bug class 'caught by' s how
for bug; do
	n=$((n + 1))
	start=$SECONDS catcher='' how='not caught'
	for t in $(expected "$bug"); do
		progress "$n/$# $bug: $t"
		log=$logs/$bug.${t//\//.}
		status=0
		apply "$bug"
		suite "$t" "$log" || status=$?
		[ $status -ne 1 ] || how=$(reason "${t#*/}" "$log")
		apply "$bug" -R
		case $status in
		1) passes "$t" && catcher=$t || how="$t fails without it, too, see $logs" ;;
		2) broken=1 how="$t could not be run, see $log" ;;
		*) continue ;;
		esac
		break
	done
	progress ''
	[ "$catcher" ] || missed=$((missed + 1))
	if [ "$json" ]; then
		printf '%s{"name": "%s", "class": "%s", "breaks": "%s", "caught_by": "%s", "how": "%s", "seconds": %d}' \
			"$sep" "$bug" "$(head_of "$bug" class)" "$(head_of "$bug" breaks | sed 's/["\\]/\\&/g')" \
			"$catcher" "$how" $((SECONDS - start))
		sep=$',\n '
	else
		printf '%-20s %-14s %-14s %4d  %s\n' "$bug" "$(head_of "$bug" class)" \
			"${catcher:--}" $((SECONDS - start)) "$how"
	fi
done
[ -z "$json" ] || echo ']'
echo "$((n - missed)) of $n bugs caught" >&2
[ -z "$broken" ] || exit 2
[ $missed -le 1 ]
