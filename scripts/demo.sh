#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh: ship a directory tree from one process to another through one queue, one file one
# message, in a guest; compare every file; do the same over what the kernel already has.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/demo.sh

	Takes the kernel's headers and the compiler's binaries (some 6,000 files, 0 bytes to
	tens of megabytes), boots a guest with two CPUs, and sends them as messages from a
	process of root to one of uid 65534, which computes the SHA-256 of each where it lies.
	The sums are compared with those of sha256sum on this machine. The same job then goes
	over POSIX message queues and an AF_UNIX SOCK_SEQPACKET socket.

	make demo builds what this needs. Exit status: 0 if every byte arrived.
	END
}

top=$(cd "$(dirname "$0")/.." && pwd -P)
dir=$top/build/demo
ways=(ipcx mq mq-root seqpacket)

# collect: the tree, its list, the sums that are expected, and an archive for the guest
collect() {
	local gcc headers
	headers=$(echo "$("$top/scripts/kernel.sh" stock)"/root/usr/src/linux-headers-*-common/include)
	gcc=$(dirname "$(gcc -print-prog-name=cc1)")
	rm -rf "$dir/tree"
	mkdir -p "$dir/tree/gcc"
	cp -r "$headers" "$dir/tree/"
	find "$gcc" -maxdepth 1 -type f -exec cp -t "$dir/tree/gcc" {} +
	: >"$dir/tree/empty"
	cd "$dir/tree"
	find . -type f | LC_ALL=C sort >"$dir/list"
	xargs -d '\n' sha256sum <"$dir/list" | LC_ALL=C sort >"$dir/expected"
	tar -cf "$dir/tree.tar" .
}

# in_guest: run all ways, from memory to memory, so that no disk is measured
in_guest() {
	local way
	mkdir /run/tree
	cd /run/tree
	tar -xf "$dir/tree.tar"
	for way in "${ways[@]}"; do
		echo "demo: shipping over $way"
		"$dir/ship" "$way" "$dir/list" /run/sums >/run/out/"$way.hashed"
		cp /run/sums "/run/out/$way.sums"
		cut -c 67- /run/sums >/run/delivered
		"$dir/ship" "$way" /run/delivered none >/run/out/"$way.plain"
		"$dir/ship" ipcx /run/delivered none >/run/out/"$way.same"
	done
}

# verify WAY: what arrived must be right; what did not must have been refused
verify() {
	local wrong missing refused
	LC_ALL=C sort "$dir/out/$1.sums" >"$dir/out/$1.sorted"
	wrong=$(LC_ALL=C comm -13 "$dir/expected" "$dir/out/$1.sorted" | wc -l)
	missing=$(LC_ALL=C comm -23 "$dir/expected" "$dir/out/$1.sorted" | wc -l)
	refused=$(cut -f5 "$dir/out/$1.hashed")
	[ "$1" != ipcx ] || [ "$refused" -eq 0 ] || wrong=$((wrong + refused))
	[ "$wrong" -eq 0 ] && [ "$missing" -eq "$refused" ] && return
	echo "demo: $1: $wrong sums differ, $missing files are missing, $refused were refused" >&2
	return 1
}

table() {
	local way
	printf '\n| %-9s | files | refused | refuses from | %10s | %9s | %10s | %8s | %8s | %5s | %15s |\n' \
		transport bytes largest copied 's hashed' 's plain' 'MB/s' 'ipcx, s (MB/s)'
	echo '|:----------|------:|--------:|-------------:|-----------:|----------:|-----------:|---------:|---------:|------:|----------------:|'
	for way in "${ways[@]}"; do
		paste "$dir/out/$way.hashed" "$dir/out/$way.plain" "$dir/out/$way.same"
	done | awk -F'\t' '
		function rate(s) { return $3 / 1e6 / (s > 0 ? s : 0.01) }
		{
			printf "| %-9s | %5d | %7d | %12s | %10d | %9d | %10.0f | %8.2f | %8.2f | %5.0f | %8.2f (%4.0f) |\n",
				$1, $2, $5, $5 ? $6 : "-", $3, $4, $8, $7, $15, rate($15), $23, rate($23)
		}'
	cat <<-'END'

	mq is what an unprivileged user may have (8 KiB a message), mq-root what root can raise it
	to (16 MiB); seqpacket has the default send buffer. "Refuses from" is the smallest file
	refused. "Copied" counts the bytes copied between the two processes; each way also reads
	every file once. "s hashed" is the whole job with SHA-256 in the receiver. "s plain" is only
	the files that were not refused, with one byte in 64 read there, and MB/s is of that; the
	last column is ipcx with the same files as "s plain" of that row. The guest is emulated
	and seconds vary: compare these two, and only roughly.
	END
}

main() {
	local way bad=0 cc=${CC:-gcc}
	mkdir -p "$dir"
	rm -rf "$dir/out"
	"$cc" -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$top/include" -o "$dir/ship" \
		"$top"/selftests/bench/ship{,_ways}.c "$top/build/lib/libipcx.a" -lcrypto
	echo "demo: collecting files"
	(collect)
	echo "demo: $(wc -l <"$dir/list") files, $(du -sb --apparent-size "$dir/tree.tar" | cut -f1) bytes as an archive; booting a guest"
	"$top/scripts/vm.sh" --smp 2 --mem 3G --timeout 300 --out "$dir/out" -- "$top/scripts/demo.sh" --in-guest
	for way in "${ways[@]}"; do
		verify "$way" || bad=1
	done
	table
	if [ "$bad" -ne 0 ]; then
		echo "demo: FAILED" >&2
		exit 1
	fi
	echo
	echo "demo: passed: all $(wc -l <"$dir/list") files arrived through one ipcx queue, byte for byte"
}

case ${1:-} in
'') main ;;
--in-guest) in_guest ;;
-h | --help) usage ;;
*) usage >&2; exit 2 ;;
esac
