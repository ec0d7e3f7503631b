#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lint.sh: what can be said about ipcx without running it.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/lint.sh [--list | NAME]

	Runs every check, or the one called NAME; --list prints the names. A check is good when
	its tools end well and say nothing. The last line is "N passed, N failed". Nothing is
	skipped: a tool that is missing is an error, scripts/setup.sh installs it.

	What a check said is in build/logs/NAME. That of clang_format is a patch, so this
	formats the sources as wanted:

	  patch -lp0 <build/logs/clang_format

	When the library's interface was changed on purpose, commit what this writes:

	  make baseline
	END
}

# in the order of starting: the longest first
checks=(coccinelle modules sparse checkpatch headers layout kernel_doc clang_format abidiff
	shellcheck mandoc man_pages man_examples errnos ioctls codespell one_place own_races test_tables
	netlink_spec html spdx versions)

top=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$top"
out=$top/build/lint
logs=$top/build/logs

# what kbuild says, less what is always said
quiet() {
	"$@" 2>&1 | { grep -vE 'Skipping BTF|^$' || true; }
}

# Semantic patches that need an OCaml compiler, which coccinelle does without for all others:
# badzero (0 for NULL) is what sparse reports too, check_bq27xxx_data is about one battery driver.
cocci_ocaml='/null/badzero\.cocci$|/api/check_bq27xxx_data\.cocci$'

# semantic_patch FILE: what it reports, less what it says about itself. One that takes
# longer than 30 s (they take one) says so, and has failed.
semantic_patch() {
	local options said status=0
	read -ra options < <(sed -n 's,^// Options:,,p' "$1") || true
	said=$(spatch -D report --very-quiet --no-show-diff --timeout 30 "${options[@]}" \
		--cocci-file "$1" --dir kmod 2>&1) || status=$?
	sed -E '/^warning: line [0-9]+: should .* be a metavariable\?$/d; /^$/d' <<<"$said"
	[ $status -eq 0 ] || echo "$1: status $status"
}

coccinelle() {
	# what it cannot parse it passes over in silence
	spatch --parse-c kmod/*.[ch] 2>&1 | grep -E '^NB total files' | grep -v 'pbs = 0; timeout = 0' || true
	export -f semantic_patch
	find "$source/scripts/coccinelle" -name '*.cocci' | grep -vE "$cocci_ocaml" |
		xargs -P "$(nproc)" -I{} bash -c 'semantic_patch {}'
}

# module NAME KERNEL ARGUMENT...: build it from nothing, so that no warning hides behind an object
# made before, and from what dkms has of it
module() {
	local dir=$out/$1 kernel=$2
	shift 2
	rm -rf "$dir"
	make -s -C libuser install-dkms DESTDIR="$dir" DKMSDIR=
	quiet make -s -C "$kernel/build" M="$dir" KCFLAGS=-Werror "$@" modules
}

modules() {
	module stock "$stock" W=1
	module backports "$backports" W=1
}

sparse() { module sparse "$stock" C=2 CF='-D__CHECK_ENDIAN__ -Wsparse-error'; }

# Not for kmod: compat.h is where kernel versions are known.
# Not for user space: there are no u64, BIT(), READ_ONCE(), __cold; a message may be longer than
# a line, and hold a word that is also a function; clang_format sees to the spaces, and knows
# FIXTURE_DATA() for a type; a macro may be a list (COMMON_OPTIONS) or a loop (for_each_op);
# selftests/slots defines the kernel's types, and libFuzzer the name of its entry.
# Not for the tests: an ASSERT_EQ() of the harness is two statements and needs its braces; what
# clang-format leaves alone, the fuzzer's tables, is not aligned to parentheses.
checkpatch() {
	local strict=(perl "$source/scripts/checkpatch.pl" --no-tree --strict --terse
		--show-types --no-summary --max-line-length=100) user=PREFER_KERNEL_TYPES
	user+=,BIT_MACRO,VOLATILE,PREFER_DEFINED_ATTRIBUTE_MACRO,SPLIT_STRING,EMBEDDED_FUNCTION_NAME
	user+=,SPACING,COMPLEX_MACRO,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE,NEW_TYPEDEFS,CAMELCASE
	"${strict[@]}" --ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON \
		-f kmod/*.[ch] include/uapi/linux/*.h || true
	find include/*.h libuser Documentation -name '*.[ch]' -print0 |
		xargs -0 "${strict[@]}" --ignore "$user" -f || true
	find selftests -name '*.[ch]' -print0 |
		xargs -0 "${strict[@]}" --ignore "$user,BRACES,PARENTHESIS_ALIGNMENT,MACRO_WITH_FLOW_CONTROL" -f || true
}

# what is said to be tested has a test
test_tables() { scripts/test-tables.sh --check; }

# alone, as C and C++
headers() {
	local h
	for h in include/uapi/linux/*.h; do
		gcc -x c -std=c90 -Wpedantic -Wno-long-long -Werror -fsyntax-only -Wpadded \
			-Iinclude/uapi "$h"
	done
	for h in include/*.h; do
		gcc -x c -std=c99 -Wpedantic -Werror -fsyntax-only "$h"
	done
	for h in include/*.h include/*.hpp include/uapi/linux/*.h; do
		g++ -x c++ -std=c++17 -Werror -fsyntax-only -Iinclude/uapi "$h"
	done
	for h in include/*.hpp; do
		g++ -x c++ -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "$h"
	done
}

# the structs of the ioctls: no holes, and the same to programs of 32 bits
layout() {
	local bits name names
	names=$(sed -n 's/^struct \([a-z0-9_]*\) {.*/\1/p' include/uapi/linux/*.h)
	{
		printf '#include "%s"\n' "$top"/include/uapi/linux/*.h
		for name in $names; do
			echo "struct $name a_$name;"
		done
	} >"$out/layout.c"
	for bits in 32 64; do
		gcc -m$bits -g -Iinclude/uapi -isystem /usr/include/x86_64-linux-gnu \
			-c "$out/layout.c" -o "$out/layout.o"
		pahole "$out/layout.o" >"$out/layout.$bits"
	done
	diff "$out/layout.32" "$out/layout.64"
	awk '/^struct/ { name = $2 } /XXX|padding/ { print name ":", $0 }' "$out/layout.64"
	diff <(sort <<<"$names") <(sed -n 's/^struct \([a-z0-9_]*\) {.*/\1/p' "$out/layout.64" | sort)
}

# comments are complete, and what programs use has one
kernel_doc() {
	local public=(include/*.h include/uapi/linux/*.h)
	"$source/scripts/kernel-doc" -v -none -Werror "${public[@]}" kmod/*.[ch] 2>&1 | sed "/: info: /d"
	comm -23 <(sed -nE 's/^(struct \w+) \{.*/\1/p' "${public[@]}" | sort) \
		<(sed -nE 's/^ \* (struct \w+) - .*/\1/p' "${public[@]}" | sort)
	comm -23 <(grep -oE '\<ipcx_[a-z_]+' libuser/libipcx.map | sort) \
		<(sed -nE 's/^ \* (ipcx_\w+)\(\) - .*/\1/p' "${public[@]}" | sort)
}

# A tab inside of a line aligns a column by hand, for which clang-format has no words: it is
# shown one space.
clang_format() {
	local f
	spaced() { sed -E 's/([^\t ]) *\t[\t ]*/\1 /g' "$1"; }
	find include kmod libuser selftests Documentation -regex '.*\.\([ch]\|cc\|hpp\)' | sort | while read -r f; do
		diff -u --label "$f" --label "$f" <(spaced "$f") \
			<(spaced "$f" | clang-format --style=file --assume-filename="$top/$f") || true
	done
}

# The baseline is what programs were linked with. Additions count too: what is not in the
# baseline could be taken away again unnoticed. (abidiff alone would do, but the one of Debian
# 12 filters changed structs out when it is to ignore private types.)
abidiff() {
	make -s baseline BASELINE="$out/libipcx.abi" >/dev/null
	command abidiff selftests/baseline/libipcx.abi "$out/libipcx.abi"
}

shellcheck() {
	local files
	mapfile -t files < <(grep -rlE '^#!/.*sh( |$)' .ci scripts selftests)
	command shellcheck -x "${files[@]}"
}

mandoc() {
	local pages
	mapfile -t pages < <(find Documentation/man -type f | sort)
	command mandoc -T lint -W warning "${pages[@]}"
}

# every public function has a page, every page a function
man_pages() {
	comm -3 <(grep -oE '\<ipcx_[a-z_]+' libuser/libipcx.map | sort) \
		<(find Documentation/man -name 'ipcx_*.3' -printf '%f\n' | sed 's/\.3$//' | sort)
}

# the programs in the pages and in examples/ compile
man_examples() {
	local dir=$out/man_examples page loops
	rm -rf "$dir"
	mkdir -p "$dir"
	find Documentation/man -type f -name 'ipcx*.[34]' | while read -r page; do
		awk -v base="$dir/${page##*/}" '
			/^\.Bd -literal -offset indent/ { begins = 1; next }
			/^\.Ed/ { file = "" }
			begins && /^#include/ { file = base "." ++n ".c" }
			{ begins = 0 }
			file { gsub(/\\e/, "\\"); print >file }
			END { if (!n) print base ": no program" }' "$page"
	done
	read -ra loops <<<"$(pkg-config --cflags libuv libsystemd glib-2.0)"
	gcc -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -Iinclude -Iinclude/uapi "${loops[@]}" \
		"$dir"/*.c Documentation/examples/*.c
	g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude Documentation/examples/*.cc
}

# what a test has seen a function fail with, its page names; ipcx.4 has those of the ioctls
errnos() {
	local function errno page
	grep -rhoE 'EQ\(-E[A-Z0-9]+, *(ipcx_(queue|topic)_[a-z_]+|raw_[a-z_]+|end_open|xioctl)\(' selftests/*.c |
		sed -E 's/EQ\(-//; s/, */ /; s/\($//' | sort -u | while read -r errno function; do
		case $function in
		ipcx_*) page=$function.3 ;;
		*) page=ipcx.4 ;;
		esac
		grep -qw "Er $errno" "Documentation/man/$page" ||
			echo "$function fails with $errno, which $page does not name"
	done
}

# the header of the netlink family is what its specification says
netlink_spec() { scripts/netlink-header.py --check; }

# the site: no warning, and no link that leads nowhere
html() { scripts/html.sh; }

# every ioctl is explained, every one explained exists
ioctls() {
	comm -3 <(sed -nE 's/^#define (IPCX_IOC_[A-Z_]+)\s+_IO.*/\1/p' include/uapi/linux/*.h | sort) \
		<(grep -rohE '\<IPCX_IOC_[A-Z_]+' Documentation | sort -u)
}

# -L: words of mdoc(7), of the kernel, of syzkaller and of Rust
codespell() {
	command codespell -L nd,fo,iput,inout,crate ./*.md Makefile Kbuild dkms.conf debian .ci Documentation \
		include kmod libuser scripts selftests
}

one_place() {
	grep -l LINUX_VERSION_CODE kmod/* | grep -v compat.h || true
	grep -ln 'libuser/' kmod/* || true
	find kmod libuser include selftests scripts -type f -regex '.*\.\([ch]\|cc\|hpp\|sh\)' -print0 |
		xargs -0 wc -l | awk '$2 != "total" && $1 > 600 { print $2, "has", $1, "lines, 600 are the limit" }'
}

# each file says its licence; COPYING says it of those that cannot
spdx() {
	find . \( -path ./build -o -path ./.git -o -path ./LICENSES -o -path ./debian -o -path ./selftests/bugs \
		-o -path ./selftests/baseline \) -prune -o -type f ! -name '.checkpatch-*' ! -path './selftests/*.txt' ! -path '*/examples/*.out' \
		! -path './selftests/vm/races.*' ! -path ./selftests/settings ! -path ./selftests/config -print |
		while read -r file; do
			head -n 3 "$file" | grep -q 'SPDX-License-Identifier' || echo "$file says no licence"
		done
}

# one version in all places
versions() {
	local want
	want=$(sed -n 's/^VERSION := //p' libuser/Makefile)
	grep -qxF "MODULE_VERSION(\"$want\");" kmod/main.c || echo "kmod/main.c: not $want"
	grep -qxF "PACKAGE_VERSION=\"$want\"" dkms.conf || echo "dkms.conf: not $want"
	grep -qxF "version = \"$want\"" libuser/rust/Cargo.toml || echo "libuser/rust/Cargo.toml: not $want"
	head -n 1 debian/changelog | grep -qF "ipcx ($want) " || echo "debian/changelog: not $want"
	grep -m 1 '^## ' CHANGELOG.md | grep -qE "^## ${want//./\\.}( |$)" || echo "CHANGELOG.md: not $want"
}

# of the data races in a log, those of ipcx are told from the kernel's own
own_races() { awk -f scripts/own-races.awk selftests/vm/races.log | diff selftests/vm/races.own -; }

# finish NAME STATUS: say how it went, in one piece, since others run at the same time
finish() {
	if [ "$2" -eq 0 ] && ! [ -s "$logs/$1" ]; then
		touch "$out/passed/$1"
		echo "pass $1" >&3
	else
		printf 'FAIL %s: status %d\n%s\n' "$1" "$2" "$(tail -n 40 "$logs/$1")" >&3
	fi
}

# start NAME: in a shell of its own, that an error ends
start() {
	(
		check=$1
		trap 'finish "$check" $?' EXIT
		exec >"$logs/$check" 2>&1
		"$check"
	) &
}

case ${1:-} in
-h | --help) usage; exit ;;
--list) printf '%s\n' "${checks[@]}"; exit ;;
'') ;;
*)
	if [[ " ${checks[*]} " != *" $1 "* ]]; then
		echo "lint: there is no check called $1; scripts/lint.sh --list has the names" >&2
		exit 2
	fi
	checks=("$1")
	;;
esac

for tool in abidiff abidw clang-format codespell g++ gcc make mandoc pahole perl shellcheck sparse spatch sphinx-build; do
	command -v "$tool" >/dev/null || { echo "lint: $tool is missing; run scripts/setup.sh" >&2; exit 1; }
done
stock=$(scripts/kernel.sh stock)
source=$(scripts/kernel.sh source)
backports=$(scripts/kernel.sh backports)
mkdir -p "$out" "$logs"
exec 9>"$out/.lock"
flock 9
rm -rf "$out/passed"
mkdir "$out/passed"
exec 3>&1
for name in "${checks[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
		wait -n || true
	done
	start "$name"
done
wait
passed=$(find "$out/passed" -type f | wc -l)
echo "$passed passed, $((${#checks[@]} - passed)) failed"
[ "$passed" -eq ${#checks[@]} ]
