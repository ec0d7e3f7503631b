#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# coverage.sh: which lines of the module the tests reach.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/coverage.sh [--json]

	Builds the module so that it counts how often each line ran, runs every test that needs
	a guest on the debug kernel (stderr tells how they do), and prints for each file how many
	of its lines were reached. Lines that were not are listed with the reason that
	selftests/uncovered.txt gives.

	  --json   one object a file, and one for the sum, instead of the table

	Exit status: 0 if at least 90 % of all lines were reached and each of the others has a
	reason, which is to say that somebody looked at it.
	END
}

json=''
case ${1:-} in
'') ;;
--json) json=1 ;;
-h | --help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac

top=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$top"
out=$top/build/coverage
tree=$top/build/kbuild/debug-gcov
rm -rf "$out"
mkdir -p "$out"
status=0
scripts/check.sh --coverage >&2 || status=$?

# each program's counts, beside the notes that the compiler made
for counts in "$out"/*/; do
	cp "$tree"/kmod/*.gcno "$counts"
	(cd "$counts" && gcov ./*.gcda >gcov.log 2>&1) || status=1
done

# FILE LINE TEXT of each line that never ran, whatever copy of a header it stands in
awk -v dir="$tree/" 'BEGIN { FS = ":" }
	FNR == 1 { src = "" }
	$2 + 0 == 0 && $3 == "Source" { src = $4; sub(dir, "", src) }
	$2 + 0 == 0 || src !~ /^kmod\// { next }
	{ n = $1; gsub(/ /, "", n); text = $0; sub(/^[^:]*:[^:]*:[ \t]*/, "", text); key = src ":" $2 + 0 }
	n == "-" || text == "}" { next }
	{ seen[key] = text; if (n !~ /^[#=]/) ran[key] = 1 }
	END { for (k in seen) print k "\t" (k in ran) "\t" seen[k] }' "$out"/*/*.gcov | sort -t: -k1,1 -k2,2n >"$out/lines"

awk -F'\t' -v json="$json" '
	NR == FNR { if (!/^#/ && NF == 3) { file[++n] = $1; part[n] = $2; why[n] = $3 } next }
	{ split($1, at, ":"); all[at[1]]++; sum++ }
	$2 { ran[at[1]]++; good++; next }
	{
		reason = ""
		for (i = 1; i <= n; i++)
			if (file[i] == at[1] && index($3, part[i])) { reason = why[i]; used[i] = 1 }
		if (reason == "") { reason = "NO REASON GIVEN"; open++ }
		miss[++m] = sprintf("%-18s %-60s %s", $1, $3, reason)
	}
	END {
		for (f in all)
			if (json) printf "{\"file\":\"%s\",\"lines\":%d,\"reached\":%d}\n", f, all[f], ran[f]
			else printf "%-18s %4d of %4d lines  %5.1f %%\n", f, ran[f], all[f], 100 * ran[f] / all[f] | "sort"
		close("sort")
		if (json) printf "{\"lines\":%d,\"reached\":%d,\"without_reason\":%d}\n", sum, good, open
		else {
			printf "\nnever reached:\n"
			for (i = 1; i <= m; i++) print "  " miss[i]
			for (i = 1; i <= n; i++)
				if (!(i in used)) printf "  (reached now: %s, %s)\n", file[i], part[i]
			printf "\ncoverage: %d of %d lines, %.1f %%; %d without a reason\n", good, sum, 100 * good / sum, open
		}
		exit !(good >= 0.9 * sum && !open)
	}' selftests/uncovered.txt "$out/lines" || status=1
exit $status
