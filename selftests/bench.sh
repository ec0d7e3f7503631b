#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# "ipcx bench": every way that needs no library of others is measured here, and each row makes sense.
# TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
ipcx=$(dirname "$(realpath "$0")")/../build/bin/ipcx
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# shellcheck source=selftests/tap.sh
. "$(dirname "$(realpath "$0")")/tap.sh"

gives() {
	want=$1
	shift
	timeout 120 "$@" >"$dir/out" 2>"$dir/err" || [ $? -eq "$want" ] || { sed 's/^/# /' "$dir/out" "$dir/err"; return 1; }
}
sane() {
	python3 - "$dir/out" "$@" <<-'END'
	import json, sys
	rows = [json.loads(line) for line in open(sys.argv[1])]
	want = set(sys.argv[2].split(','))
	parts = ('lock', 'depth', 'ends', 'polled', 'backlog', 'open')
	bad = [r for r in rows if 'ns' in r and not 0 < r['low'] <= r['ns'] <= r['high']]
	bad += [r for r in rows if 'ns' in r and not r['job'].startswith(parts) and not (r['cpu_ns'] > 0
	        and 0 <= r['rss_kib'] < 1 << 20 and r['mb_s'] > 0
	        and r.get('p50', 1) <= r.get('p99', 1) <= r.get('p999', 1))]
	turns = [r for r in rows if 'turns' in r]
	bad += [r for r in turns if not (r['near_ns'] < 100000 and r['waited_s'] >= 0
	        and (r['near_ns'] > 0 or r['not_known'] == r['turns']) and r['far'] + r['not_known'] <= r['turns'])]
	bad += [r for r in rows if 'not_near' in r and not 0 < r['not_near'] <= r['of'] <= 7]
	bad += [r for r in rows if 'ns' not in r and r not in turns and r['is'] not in ('cannot', 'not there')]
	missing = want - {r['way'] for r in rows if 'ns' in r}
	for what in bad, missing:
	    if what:
	        print('#', what)
	sys.exit(bool(bad or missing))
	END
}
absent() {
	for way in iceoryx ZeroMQ nng; do
		grep -q "\"way\":\"$way\",.*\"is\":\"not there\",\"why\":\"built without package lib" "$dir/out" || return 1
	done
}
columns() {
	python3 -c 'import csv, sys
rows = list(csv.DictReader(open(sys.argv[1]), strict=True))
sys.exit(not rows or any(None in r or None in r.values() or not r["ns"] for r in rows))' "$dir/out"
}
words() { grep -q 'times as fast as pipe\|fast as pipe\|SLOWER than pipe' "$dir/out" && grep -q 'us is a millionth of a second' "$dir/out"; }
# what there is of it; keys are those of sysv.c and locks.c
left() {
	find /dev/shm /tmp -maxdepth 1 -name 'ipcx-peers-*'
	awk '$1 >= 1769472000 && $1 < 1769537536 { print FILENAME, $1 }' /proc/sysvipc/msg /proc/sysvipc/sem
}
nothing_left() {
	left | sort >"$dir/after"
	! comm -13 "$dir/before" "$dir/after" | grep .
}

left | sort >"$dir/before"
check "--quick --json" gives 0 "$ipcx" bench --quick --json --jobs '64 B' 1
check "each row makes sense, and all ways are there" sane \
	"bare ring,futex ring,eventfd slots,ipcx topic,ipcx shm,pipe,seqpacket,UNIX datagram,UNIX stream,POSIX mq,SysV msg,FIFO,TCP,ipcx unix,ipcx mq,ipcx fifo,ipcx tcp"
check "libraries of others are not, and that is said" absent
check "from several, and to all" gives 0 "$ipcx" bench --json --jobs ' to ' --ways ipcx 1
check "these make sense too" sane "ipcx shm,ipcx topic"
check "to one of several" gives 0 "$ipcx" bench --json --jobs 'to any' --ways mq 1
check "and these" sane "POSIX mq"
check "vmsplice, long messages" gives 0 "$ipcx" bench --json --jobs 'y, 64 KiB' --ways vms 1
check "these too" sane vmsplice
check "each length, each alone" gives 0 "$ipcx" bench --json --jobs 'one way' --ways 'ipcx' 1
check "and those" sane "ipcx shm,ipcx topic,ipcx unix,ipcx mq,ipcx fifo,ipcx tcp"
check "--sizes" gives 0 "$ipcx" bench --sizes --json --jobs 'size 4096' --ways ip 1
check "is as sane" sane "ipcx shm,ipcx topic,pipe"
check "--locks" gives 0 "$ipcx" bench --locks --json 1
check "is as sane" sane \
	"mutex,robust mutex,rwlock,futex,POSIX sem,named sem,SysV sem,fcntl,flock,eventfd,pipe"
check "--growth" gives 0 "$ipcx" bench --growth --json --jobs d 1
check "is as sane" sane "ipcx shm,ipcx topic"
check "--csv" gives 0 "$ipcx" bench --csv --quick --jobs '64 B' --ways pipe 1
check "each line has as many columns as the first" columns
check "in words, and saved" gives 0 "$ipcx" bench --quick --save "$dir/saved" --jobs 'way, 64 B' --ways ip 1
check "how much faster, and what a unit is" words
mv "$dir/saved" "$dir/out"
check "what is saved is as sane" sane "ipcx shm,ipcx topic,pipe"
check "nothing is left behind" nothing_left
check "a wrong option" gives 2 "$ipcx" bench --slow
check "no number" gives 2 "$ipcx" bench 0
echo "1..$n"
exit $bad
