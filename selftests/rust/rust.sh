#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# libuser/rust: against the headers, how it is written, its own tests and those of its pages; then
# what it does, over each transport that is here, and the examples. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
top=$(realpath "$(dirname "$0")/../..")
here=$top/selftests/rust
built=$top/build/rust/debug
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_RUNTIME_DIR="$dir" IPCX_QUIET=1 IPCX_LIB_DIR="$top/build/lib" PATH="/usr/bin:$PATH"
unset IPCX_TRANSPORT MAKEFLAGS MAKELEVEL
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"

# loud COMMAND...: what it says is seen if it fails
loud() {
	timeout 600 "$@" >"$dir/said" 2>&1 || { sed 's/^/# /' "$dir/said"; return 1; }
}

# cargo CRATE COMMAND...
cargo() {
	crate=$1
	shift
	(cd "$top/$crate" && loud "$here/cargo.sh" "$@")
}

# of the program, as ours; it must have made as many as it planned, and end well
all() {
	timeout 300 "$built/rust" >"$dir/tap" 2>"$dir/err"
	status=$?
	while read -r line; do
		case $line in
		'ok '*) n=$((n + 1)); echo "ok $n ${line#ok *[0-9] }" ;;
		'not ok '*) n=$((n + 1)) bad=1; echo "not ok $n ${line#not ok *[0-9] }" ;;
		1..*) ;;
		*) echo "$line" ;;
		esac
	done <"$dir/tap"
	check "all of them, and nothing else is said" ended "$status" "$(grep -cE '^(not )?ok ' "$dir/tap")"
}
ended() { sed 's/^/# /' "$dir/err"; [ "$1" -eq 0 ] && grep -qx "1..$2" "$dir/tap" && [ ! -s "$dir/err" ]; }

# finds WHERE COMMAND...: what build.rs tells the linker
finds() {
	where=$1
	shift
	"$@" "$dir/build" >"$dir/out" && grep -qx "cargo:rustc-link-search=native=$where" "$dir/out"
}

# where names are; the directory must be there
none_left() {
	files=$(ls -A "$dir/ipcx") || return 1
	names=$(ls -A /dev/shm && cat /proc/net/ipcx 2>/dev/null)
	left="$files$(echo "$names" | grep -wE "(worker|sums)-$$")"
	[ -z "$left" ] || { echo "$left" | sed 's/^/# /'; false; }
}

# says EXAMPLE URI TEXT...: its lines
says() {
	timeout 60 "$built/examples/$1" "$2" >"$dir/out" 2>"$dir/err" || { sed 's/^/# /' "$dir/err"; return 1; }
	shift 2
	printf '%s\n' "$@" | diff - "$dir/out" | sed 's/^/# /' >"$dir/diff"
	cat "$dir/diff"
	[ ! -s "$dir/diff" ]
}

check "it is as rustfmt wants it" loud rustfmt --edition 2021 --check "$top/libuser/rust/build.rs" \
	"$top/libuser/rust/src/lib.rs" "$here/build.rs" "$here/src/main.rs" "$top"/Documentation/examples/*.rs
check "it has what the headers have" loud python3 -B "$here/layout.py" "$dir"
printf 'Name: libipcx\nDescription: one\nVersion: 1\nLibs: -L/there -lipcx\n' >"$dir/libipcx.pc"
check "build.rs is built" loud rustc --edition 2021 -o "$dir/build" "$top/libuser/rust/build.rs"
check "it takes the directory that is given" finds /here env IPCX_LIB_DIR=/here PKG_CONFIG_PATH="$dir"
check "or asks pkg-config" finds /there env -u IPCX_LIB_DIR PKG_CONFIG_PATH="$dir"
check "clippy has nothing to say of it" cargo libuser/rust clippy -q --all-targets -- -D warnings
check "nor of the tests and examples" cargo selftests/rust clippy -q --all-targets -- -D warnings
check "its own tests, and what its comments show" cargo libuser/rust test -q
check "the tests are built" cargo selftests/rust build -q --bins --examples
all
for transport in shm $([ ! -c /dev/ipcx ] || echo kernel); do
	check "$transport: worker.rs" says worker "$transport:worker-$$" 'job 1 is done' 'job 2 is done' \
		'a worker has died, here is the next' 'job 3 is done, delivery 2' 'job 4 is done'
	check "$transport: sums.rs" says sums "$transport:sums-$$" 'the sum of 1 to 10 is 55' \
		'the sum of 1 to 1000 is 500500' 'the sum of 1 to 100000 is 5000050000'
done
check "nothing is left" none_left
echo "1..$n"
exit $bad
