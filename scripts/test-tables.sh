#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# test-tables.sh: which test stands against which class of bugs, and what it said last.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/test-tables.sh [--check]

	Writes Documentation/test-tables.rst from selftests/bug_classes.txt, selftests/attacks.txt
	and the logs of the last tests in build/logs, so run make check and make check-debug
	before. A test is PROGRAM, PROGRAM.TEST, or race.DRILL, or race_time.,
	race_call., race_topic. and race_revoke.DRILL, with _ for blanks.

	  --check   writes nothing, and says which tests named there, or in Documentation/promises.rst,
	            do not exist

	Exit status: 0 if every test that is named exists and, without --check, has passed.
	END
}

case ${1:-} in
'' | --check) ;;
-h | --help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
logs=build/logs

# there TEST: is it in the sources?
there() {
	local program=${1%%.*} test=${1#*.}
	case $1 in
	race.* | race_time.* | race_call.* | race_topic.* | race_revoke.*) grep -qF "\"$test\"" < <(tr ' ' _ <"selftests/$program.c") ;;
	*.*) grep -qE "^TEST(_[A-Z_]+)?\((\w+, )?${test}[,)]" "selftests/$program.c" ;;
	*) grep -qE "((run|start) |^programs32=.*)\<$program\>" scripts/check.sh ||
		grep -qwF -- "$program" < <(scripts/check.sh --list && scripts/check.sh --debug --list) ||
		grep -qxF "$program" < <(scripts/lint.sh --list) ;;
	esac
}

# result TEST: what its log says
result() {
	local program=${1%%.*} test=${1#*.} line
	[ -e "$logs/$program" ] || program+=_host # some need no guest
	[ -e "$logs/$program" ] || { echo 'not run'; return; }
	case $1 in
	race.* | race_time.* | race_call.* | race_topic.* | race_region.* | race_revoke.*) line=$(tr ' ' _ <"$logs/$program" | grep -F "_$test:_" | tr _ ' ' || true) ;;
	*.*) line=$(grep -E "^(not )?ok [0-9]+ [a-z_.]+\.$test$" "$logs/$program" || true) ;;
	*) line=$(grep -E '^(not )?ok ' "$logs/$program" || # a check says nothing if all is well
		{ [ -s "$logs/$program" ] && echo 'not ok' || echo ok; }) ;;
	esac
	case $line in
	*'not ok'*) echo FAILED ;; # in one of its variants
	'ok'*) echo passed ;;
	'') echo 'not run' ;;
	*) echo FAILED ;;
	esac
}

# rows FILE: of a list table
rows() {
	local what tests remark test
	while IFS=$'\t' read -r what tests remark; do
		[[ $what != \#* ]] || continue
		echo "   * - $what"
		if [ "$tests" = - ]; then
			printf '     - none: %s\n     -\n' "$remark"
			continue
		fi
		printf '     - '
		for test in $tests; do
			printf '%s ' "\`\`$test\`\`"
		done | sed 's/ $//'
		printf '%s\n     - ' "${remark:+ ($remark)}"
		for test in $tests; do result "$test"; done | sort | uniq -c | awk '{ printf "%s%d %s", s, $1, $2 " " $3; s = ", " }' | sed 's/ \(,\|$\)/\1/g'
		echo
	done <"$1"
}

table() {
	printf '%s\n%s\n\n' "$1" "${1//?/=}"
	printf '.. list-table::\n   :header-rows: 1\n   :widths: 25 60 15\n\n   * - %s\n     - tests\n     - result\n' "$2"
	rows "$3"
	echo
}

# transports: each case of the programs transport* over each transport; the module is in the guest
transports() {
	printf 'Transports\n==========\n\n.. list-table::\n   :header-rows: 1\n\n'
	printf '   * - case\n     - kernel\n     - mq\n     - unix\n     - unix-stream\n     - fifo\n     - tcp\n     - shm\n'
	{ cat "$logs"/transport{,_call,_bulk,_path}{_host,} 2>/dev/null || true; } | awk '
		/^#  RUN +transport\./ { split($3, name, "."); next }
		/^(not )?ok / && name[3] {
			what = /^not/ ? "FAILED" : /# SKIP/ ? substr($0, index($0, "needs")) : "passed"
			if (!(name[3] in seen)) cases[++n] = name[3]
			seen[name[3]] = 1
			if (what != "needs /dev/ipcx" && result[name[3], name[2]] != "FAILED")
				result[name[3], name[2]] = what
			name[3] = ""
		}
		END {
			columns = split("kernel mq unix unix_stream fifo tcp shm", t, " ")
			for (i = 1; i <= n; i++) {
				printf "   * - ``%s``\n", cases[i]
				for (j = 1; j <= columns; j++)
					print "     - " ((cases[i], t[j]) in result ? result[cases[i], t[j]] : "not run")
			}
		}'
	echo
}

missing=0
while read -r test; do
	there "$test" || { echo "$test: there is no such test"; missing=1; }
done < <({
	cut -sf2 selftests/bug_classes.txt selftests/attacks.txt | tr ' ' '\n' | grep -v '^-\?$'
	sed -n 's/.*Tests: //p' Documentation/promises.rst | tr -d '`' | tr ' ' '\n'
} | sort -u)
[ $missing -eq 0 ] || exit 1
[ $# -eq 0 ] || exit 0

{
	cat <<-'END'
		.. SPDX-License-Identifier: GPL-2.0-only
		.. made by scripts/test-tables.sh

		========================
		What the tests stand for
		========================

	END
	table 'Classes of bugs' class selftests/bug_classes.txt
	table 'Cases of attack and accident' case selftests/attacks.txt
	transports
} >Documentation/test-tables.rst
! grep -E '^     - .*(not run|FAILED)' Documentation/test-tables.rst
