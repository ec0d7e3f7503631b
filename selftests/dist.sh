#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# "make dist": all files of the commit, and the same archive wherever it is made. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
top=$(realpath "$(dirname "$0")/..")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset MAKEFLAGS MAKELEVEL
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"

archive=ipcx-$(sed -n 's/^VERSION := //p' "$top/libuser/Makefile").tar.gz
# elsewhere: by somebody with other habits, from a clone with other times
elsewhere() {
	git clone -q "$top" "$dir/clone" && sleep 1 && find "$dir/clone" -type f -exec touch {} + &&
		(umask 077 && TZ=Asia/Tokyo LC_ALL=C GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=tar.umask \
			GIT_CONFIG_VALUE_0=0077 GIT_CONFIG_KEY_1=core.autocrlf GIT_CONFIG_VALUE_1=true \
			make -s -C "$dir/clone" dist)
}
# complete: as many files as the commit has, each as it is there
complete() {
	mkdir "$dir/unpacked" && tar -C "$dir/unpacked" --strip-components 1 -xzf "$dir/$archive" &&
		(cd "$dir/unpacked" && git init -q . && git add -f -A && git write-tree) >"$dir/got" &&
		git -C "$top" rev-parse 'HEAD^{tree}' >"$dir/want" && cmp "$dir/want" "$dir/got"
}

check "make dist" make -s -C "$top" dist O="$dir"
check "once more" make -s -C "$top" dist O="$dir/again"
check "gives the same" cmp "$dir/$archive" "$dir/again/$archive"
check "elsewhere" elsewhere
check "gives the same, too" cmp "$dir/$archive" "$dir/clone/build/$archive"
check "it is the commit" complete
check "all files have one time" [ "$(tar --full-time -tvzf "$dir/$archive" | awk '{ print $4, $5 }' | sort -u | wc -l)" -eq 1 ]
echo "1..$n"
exit $bad
