#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# ipcx record and replay, over shared memory. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
dir=$(mktemp -d)
export XDG_RUNTIME_DIR="$dir" IPCX_TRANSPORT=shm
trap 'rm -rf "$dir"' EXIT
ipcx=$(dirname "$(realpath "$0")")/../build/bin/ipcx
# shellcheck source=selftests/tap.sh
. "$(dirname "$(realpath "$0")")/tap.sh"

is() { [ "$1" = "$2" ] || { echo "# got: $1"; echo "# not: $2"; false; }; }
# fails STATUS TEXT COMMAND...: it ends so and says TEXT
fails() {
	status=$1 text=$2
	shift 2
	timeout 20 "$@" >"$dir/out" 2>"$dir/err"
	is $? "$status" && { grep -qF -- "$text" "$dir/err" || { sed 's/^/# /' "$dir/err"; false; }; }
}
# holds FILE CONDITION: of m, what was recorded but for greetings: (time in ns, tag, bytes) each
holds() {
	python3 - "$@" <<-'END'
		import struct, sys
		def messages(path):
		    b = open(path, "rb").read()
		    assert b[:8] == b"ipcxrec1"
		    m, at = [], 8
		    while at < len(b):
		        time, tag, n = struct.unpack_from("<QQQ", b, at)
		        m.append((time, tag, b[at + 24:at + 24 + n]))
		        assert len(m[-1][2]) == n
		        at += 24 + n
		    return [x for x in m if x[2] != b"hello"]
		m = messages(sys.argv[1])
		sys.exit(not eval("(" + sys.argv[2] + ")"))
	END
}
# grows FILE BYTES COMMAND...: runs it again and again until the file is longer than that
grows() {
	grown=$1 bytes=$2 i=0
	shift 2
	while [ "$i" -lt 200 ] && [ "$(stat -c %s "$grown" 2>/dev/null || echo 0)" -le "$bytes" ]; do
		"$@" 2>/dev/null
		sleep 0.05
		i=$((i + 1))
	done
	[ "$i" -lt 200 ]
}

"$ipcx" record wind -c -o "$dir/a.rec" &
recorder=$!
check "record begins" grows "$dir/a.rec" 8 "$ipcx" pub wind -m hello
"$ipcx" pub wind --tag 7 -m north
sleep 0.4
head -c 300000 /dev/urandom >"$dir/long"
"$ipcx" pub wind --tag 8 -f "$dir/long" /dev/null
check "all of it gets there" grows "$dir/a.rec" 300000 true
kill -9 "$recorder"
wait "$recorder" 2>/dev/null
check "what was published is in the file, though record was killed" holds "$dir/a.rec" '
	[x[1:] for x in m[:2]] == [(7, b"north"), (8, open("'"$dir"'/long", "rb").read())]'
check "and when it came" holds "$dir/a.rec" '300000000 < m[1][0] - m[0][0] < 20000000000'

python3 - "$dir/made.rec" "$dir/long" <<-'END'
	import struct, sys
	with open(sys.argv[1], "wb") as f:
	    f.write(b"ipcxrec1")
	    for time, tag, data in (0, 7, b"north"), (300000000, 8, open(sys.argv[2], "rb").read()), (300000001, 0, b""):
	        f.write(struct.pack("<QQQ", time, tag, len(data)) + data)
END
replay() {
	begin=$(date +%s%N)
	timeout 20 "$ipcx" replay wind -i "$dir/made.rec" --json "$@" >"$dir/replayed"
	status=$?
	took=$((($(date +%s%N) - begin) / 1000000))
}
timeout 30 "$ipcx" record wind -c -o "$dir/b.rec" -n 3 --json >"$dir/told" &
recorder=$!
check "another begins" grows "$dir/b.rec" 7 true
replay
check "replay" is $status 0
check "how much was published is told" is "$(cat "$dir/replayed")" \
	"{\"file\":\"$dir/made.rec\",\"published\":3,\"bytes\":300005}"
check "it takes as long as it did" is $((took >= 300)) 1
wait "$recorder"
check "record ends after its count" is $? 0
check "how much was recorded is told" is "$(cat "$dir/told")" "{\"file\":\"$dir/b.rec\",\"recorded\":3,\"bytes\":300005}"
check "what was replayed is what was recorded" holds "$dir/b.rec" \
	'[x[1:] for x in m] == [x[1:] for x in messages("'"$dir/made.rec"'")]'
check "at the same pace" holds "$dir/b.rec" '250000000 < m[1][0] - m[0][0] < 20000000000'
replay -c --speed 0
check "without a pause" is "$status $((took < 300))" '0 1'
replay -c --speed 0.5
check "half as fast" is "$status $((took >= 600))" '0 1'
check "from standard input" sh -c "'$ipcx' replay wind -c --speed 0 <'$dir/made.rec'"

head -c 20 "$dir/made.rec" >"$dir/cut"
check "a recording that is cut" fails 1 'in the middle of a message' "$ipcx" replay wind -c -i "$dir/cut"
head -c 5000 "$dir/made.rec" >"$dir/cut"
check "or cut in the bytes of a message" fails 1 'in the middle of a message' "$ipcx" replay wind -c -i "$dir/cut" --speed 0
printf 'ipcxrec1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\377\377\377\377\377\377\377\177' >"$dir/evil"
check "a length that cannot be" fails 1 'wind' "$ipcx" replay wind -c -i "$dir/evil"
check "another file" fails 1 'no recording' "$ipcx" replay wind -i "$0"
check "a recording is not written over" fails 1 'File exists' "$ipcx" record calm -c -o "$dir/a.rec"
check "and no topic is made for it" fails 1 'none of this name' "$ipcx" record calm -o "$dir/calm.rec"
check "nor a file where there is no topic" [ ! -e "$dir/calm.rec" ]
check "a recorder needs a file" fails 2 '-o' "$ipcx" record wind
check "a speed" fails 2 'speed' "$ipcx" replay wind --speed -1
check "nothing comes" fails 4 '' "$ipcx" record wind -c -o "$dir/none.rec" --timeout 50ms

# nobody reads its standard output, or there is none: that is not where it writes
"$ipcx" record wind -c -o "$dir/c.rec" -n 2 | true &
check "a recorder behind a pipe that is closed" grows "$dir/c.rec" 8 "$ipcx" pub wind -m hello
check "goes on" grows "$dir/c.rec" 37 "$ipcx" pub wind -m hello
wait
"$ipcx" record wind -c -o "$dir/d.rec" -n 1 --json >&- 2>"$dir/err" &
check "a recorder without standard output" grows "$dir/d.rec" 8 "$ipcx" pub wind -m hello
wait
check "writes nothing but messages" is "$(stat -c %s "$dir/d.rec")" 37
(python3 -c 'import os, sys; os.set_blocking(1, False); os.execv(sys.argv[1], sys.argv[1:])' \
	"$ipcx" record wind -c -o - -n 2 | { sleep 3; cat; }) >"$dir/e.rec" &
sleep 1
"$ipcx" pub wind -f "$dir/long" "$dir/long"
wait
check "a pipe that is not to block" holds "$dir/e.rec" '[len(x[2]) for x in m] == [300000, 300000]'
cp "$dir/cut" "$dir/$(printf 'a\033[31m')"
check "what a path does to a terminal" fails 1 'a\033[31m ends' "$ipcx" replay wind -c -i "$dir/$(printf 'a\033[31m')"
"$ipcx" rm wind
echo "1..$n"
exit $bad
