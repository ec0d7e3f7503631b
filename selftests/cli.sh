#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The ipcx command as a user types it. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
ipcx=$(dirname "$(realpath "$0")")/../bin/ipcx
[ -x "$ipcx" ] || ipcx=$(dirname "$(realpath "$0")")/../build/bin/ipcx
[ -c /dev/ipcx ] || { echo "1..0 # SKIP no /dev/ipcx"; exit 4; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# shellcheck source=selftests/tap.sh
. "$(dirname "$(realpath "$0")")/tap.sh"

# gives STATUS COMMAND...
gives() {
	want=$1
	shift
	"$@" >"$dir/out" 2>"$dir/err" || [ $? -eq "$want" ] || return 1
}
# json CONDITION COMMAND...: the command writes an object j of which CONDITION is true
json() {
	condition=$1
	shift
	gives 0 "$@" && python3 -c "import json, sys
j = json.load(open('$dir/out'))
sys.exit(not ($condition))"
}
# says STATUS TEXT COMMAND...: the command fails and its error has TEXT in it
says() {
	status=$1 text=$2
	shift 2
	gives "$status" "$@" && grep -qF -- "$text" "$dir/err"
}
# shows TEXT COMMAND...: the command writes that
shows() {
	text=$1
	shift
	gives 0 "$@" && grep -qF -- "$text" "$dir/out"
}
is() { [ "$1" = "$2" ] || { echo "# got: $1"; echo "# not: $2"; false; }; }

check "doctor is content" gives 0 "$ipcx" doctor
check "create" gives 0 "$ipcx" create jobs --depth 10 --msg-max 1M --mode 0640
check "create again fails" gives 1 "$ipcx" create jobs
check "its error names the queue" grep -q jobs "$dir/err"
printf 'one\ntwo\n\nlast' >"$dir/in"
check "send lines" gives 0 sh -c "'$ipcx' send jobs <'$dir/in'"
check "ls shows four messages" sh -c "'$ipcx' ls | grep -q jobs"
check "show --json is JSON" sh -c "'$ipcx' show jobs --json | python3 -c 'import json,sys; q=json.load(sys.stdin); sys.exit(q[\"queued\"]!=4)'"
check "recv gives them back" is "$("$ipcx" recv jobs -n 4 | tr '\n' ,)" "one,two,,last,"
check "empty with a timeout exits 4" gives 4 "$ipcx" recv jobs -n 1 --timeout 50ms
head -c 300000 /dev/urandom >"$dir/a"
: >"$dir/empty"
check "send files" gives 0 "$ipcx" send jobs -f "$dir/a" "$dir/empty"
check "recv into a directory" gives 0 "$ipcx" recv jobs -n 2 -o "$dir/got"
check "every byte arrives" sh -c "cat '$dir'/got/* | cmp - '$dir/a'"
check "too long a message is refused" gives 1 sh -c "head -c 2000000 /dev/zero >'$dir/big'; '$ipcx' send jobs -f '$dir/big'"
check "with the limit named" grep -q 1048576 "$dir/err"
"$ipcx" send jobs -m 'say "hi"'
check "recv --json" sh -c "'$ipcx' recv jobs -n 1 --json | python3 -c 'import json,sys; m=json.load(sys.stdin); sys.exit(m[\"data\"]!=\"say \\\"hi\\\"\" or m[\"uid\"]!=0)'"
check "rm" gives 0 "$ipcx" rm jobs
check "rm again fails" gives 1 "$ipcx" rm jobs
check "no such queue" gives 1 "$ipcx" recv jobs -n 1
check "unknown command is wrong usage" gives 2 "$ipcx" juggle
check "help" gives 0 "$ipcx" --help

"$ipcx" create failed
check "create with limits" json 'j["policy"] == "fail" and j["max_deliveries"] == 2 and j["lease_ms"] == 60000 and j["leases_max"] == 5 and j["dead_letter"] > 0' \
	"$ipcx" create work --depth 2 --policy fail --max-deliveries 2 --lease 1m --leases-max 5 --dead-letter failed --json
check "a lease without a unit is milliseconds" json 'j["lease_ms"] == 250' "$ipcx" create lease --lease 250 --json
check "no such policy" says 2 'drop-oldest' "$ipcx" create x --policy never
check "no deliveries" says 2 'from 1' "$ipcx" create x --max-deliveries 0
check "a lease of nothing" says 2 '1 ms' "$ipcx" create x --lease 0
check "a lease of two days" says 1 'larger than 86400000' "$ipcx" create x --lease 48h
check "no such dead-letter queue" says 1 '"nowhere" does not exist' "$ipcx" create x --dead-letter nowhere
check "dead-letter queues are no chain" says 1 'has a dead-letter queue itself' "$ipcx" create x --dead-letter work
check "a dead-letter queue of others" says 1 'may not send to its dead-letter queue "failed"' \
	setpriv --reuid 1000 --clear-groups "$ipcx" create x --dead-letter failed
check "none of them made a queue" gives 1 "$ipcx" show x

"$ipcx" send work -m one -m two
check "a full queue with policy fail does not wait" gives 4 timeout 10 "$ipcx" send work -m three
check "peek" sh -c "'$ipcx' recv work --peek | grep -q '^number 1, 3 bytes,'"
check "peek --json takes nothing" json 'j["seq"] == 1 and j["deliveries"] == 0 and j["given_up"] is None' \
	"$ipcx" recv work --peek --json
check "peek takes no count" says 2 'takes nothing' "$ipcx" recv work --peek -n 1
for _ in 1 2; do "$ipcx" recv work -n 1 --timeout 5s >/dev/full 2>/dev/null; done
check "what came back too often is in the dead-letter queue" json 'j["given_up"] == "poison" and j["data"] == "one"' \
	"$ipcx" recv failed -n 1 --timeout 5s --json
check "stat --json" json 'j["sent"] == 2 and j["queued"] == 1 and j["poison"] == 1 and j["dead_lettered"] == 1 and j["receivers"] == 0' \
	"$ipcx" stat work --json
check "stat names the dead-letter queue" sh -c "'$ipcx' stat work | grep -q '^depth 2, policy fail, .*dead-letter failed$'"
check "stat takes one name" says 2 'one name' "$ipcx" stat work failed
check "stat needs a right" says 1 'must be allowed to receive or to send' setpriv --reuid 1000 --clear-groups "$ipcx" stat work
"$ipcx" recv work -n 1 --timeout 5s >/dev/null
check "peek into an empty queue exits 4" gives 4 "$ipcx" recv work --peek

check "send with a time" gives 0 "$ipcx" send work --expires 1ms -m late
sleep 0.1
check "nobody gets what expired" gives 4 "$ipcx" recv work -n 1 --timeout 0
check "the dead-letter queue has it" json 'j["given_up"] == "expired"' "$ipcx" recv failed -n 1 --timeout 5s --json
check "what has time left says so" sh -c "'$ipcx' send work --expires 1h -m x && '$ipcx' recv work --peek | grep -q 'expires in 359[0-9]'"
check "a time of nothing" says 2 'some time' "$ipcx" send work --expires 0 -m x

"$ipcx" create short --lease 20ms
"$ipcx" send short -f "$dir/a"
mkfifo "$dir/slow"
(sleep 1; cat >/dev/null) <"$dir/slow" &
check "a receiver that is too slow learns it" says 1 'lease_ms 20' sh -c "'$ipcx' recv short -n 1 --timeout 5s >'$dir/slow'"
wait
check "its message is back" json 'j["queued"] == 1 and j["redelivered"] == 1 and j["released"] == 0' "$ipcx" stat short --json

"$ipcx" create calls
serve() { timeout 20 "$ipcx" serve calls "$@" >"$dir/serve" 2>"$dir/serve.err" & }
served() { timeout 10 sh -c "until '$ipcx' show calls --json | grep -q '\"receivers\":1'; do sleep 0.05; done"; }
serve -n 5 --json -- tr '[:lower:]' '[:upper:]'
server=$!
check "a server waits" served
check "call prints the reply" is "$("$ipcx" call calls -m shout --timeout 10s)" SHOUT
check "call --json" json 'j["data"] == "TWO\nLINES" and j["len"] == 9 and j["uid"] == 0 and j["pid"] > 0' \
	sh -c "printf 'two\nlines' | '$ipcx' call calls --timeout 10s --json"
tr '[:lower:]' '[:upper:]' <"$dir/a" >"$dir/upper"
check "a long request and its reply" sh -c "'$ipcx' call calls --timeout 10s <'$dir/a' | cmp - '$dir/upper'"
check "an empty one" is "$("$ipcx" call calls -m '' --timeout 10s)" ''
"$ipcx" send calls -m plain
wait "$server"
check "serve ends after its count" is "$?" 0
check "and says what it did" sh -c "test \"\$(grep -c '\"answered\":true' '$dir/serve')\" = 4 && tail -n 1 '$dir/serve' | grep -q '\"answered\":false'"
serve false
check "a server waits" served
check "a program that fails answers nothing" says 1 'without a reply' "$ipcx" call calls -m x --timeout 10s
check "serve names it" grep -q '"false" ended with status 1' "$dir/serve.err"
"$ipcx" rm calls --now
wait
"$ipcx" create calls
check "who looks ends no call" sh -c "
	'$ipcx' call calls -m x --timeout 2s 2>/dev/null & i=0
	until '$ipcx' stat calls --json | grep -q '\"queued\":1,' || [ \$((i += 1)) -gt 100 ]; do sleep 0.1; done
	'$ipcx' stat calls >/dev/null; wait \$!; [ \$? -eq 4 ]"
check "nobody answers" says 4 'no answer at the deadline' "$ipcx" call calls -m x --timeout 50ms
check "the request was withdrawn" json 'j["withdrawn"] == 2 and j["queued"] == 0 and j["requests"] == 0 and j["answers"] == 0' \
	"$ipcx" stat calls --json
serve /nowhere/at/all
server=$!
check "a server without a program" served
"$ipcx" call calls -m x --timeout 10s 2>"$dir/call.err"
check "its caller learns it" sh -c "grep -q 'last server is gone' '$dir/call.err'"
wait "$server"
check "and it fails" grep -q '/nowhere/at/all: No such file' "$dir/serve.err"
check "call takes no time of nothing" says 2 'takes some time' "$ipcx" call calls -m x --timeout 0
check "serve needs a program" says 2 'a program' "$ipcx" serve calls

"$ipcx" create latest --depth 4 --policy drop-newest
check "drop-newest keeps all but one" json 'j["queued"] == 3 and j["dropped_newest"] == 2' \
	sh -c "'$ipcx' send latest -m 1 -m 2 -m 3 -m 4 -m 5 && '$ipcx' stat latest --json"
timeout 20 "$ipcx" recv lease 2>"$dir/removed" &
waits=$!
check "a receiver waits" timeout 10 sh -c "until '$ipcx' show lease --json | grep -q '\"receivers\":1'; do sleep 0.05; done"
check "rm --now" json 'j["removed"]' "$ipcx" rm lease --now --json
wait "$waits"
check "ends who waits" is "$?" 1
check "and says why" grep -q 'was removed' "$dir/removed"
check "rm takes no other option" gives 2 "$ipcx" rm work --later
"$ipcx" rm work failed latest short calls

check "create a topic" json 'j["depth"] == 16 and j["lag_max"] == 8 and j["mode"] == "0644" and j["open_reliable"] and j["msg_max"] == 1048576' \
	"$ipcx" create news --topic --depth 16 --lag-max 8 --mode 0644 --open-reliable --json
check "ls knows its kind" sh -c "'$ipcx' ls | grep -q '^topic .*news$'"
check "create a region" json 'j["name"] == "board" and j["size"] == 8192' \
	"$ipcx" create board --region 8K --mode 0644 --json
check "ls knows it" sh -c "'$ipcx' ls | grep -q '^region .*0644 .*board$'"
check "a region has no depth" says 2 'only --mode' "$ipcx" create x --region 4K --depth 8
check "a region is no queue" says 1 'not a queue' "$ipcx" send board -m x
check "remove a region" gives 0 "$ipcx" rm board
check "a region in a file" gives 0 "$ipcx" create shm:board --region 4K
check "remove it" gives 0 "$ipcx" rm shm:board
check "it is gone" says 1 'No such file' "$ipcx" rm shm:board
check "a topic has no policy" says 2 'for queues only' "$ipcx" create x --topic --policy fail
check "a queue has no lag" says 2 'for --topic' "$ipcx" create x --lag-max 3
check "a depth of a topic" says 1 'power of two' "$ipcx" create x --topic --depth 10
subscribed() { timeout 10 sh -c "until '$ipcx' show $1 --json | grep -q '\"receivers\":$2'; do sleep 0.05; done"; }
timeout 20 "$ipcx" sub news -n 4 >"$dir/sub1" &
one=$!
timeout 20 "$ipcx" sub news -n 4 --reliable --json >"$dir/sub2" &
two=$!
check "two subscribe" subscribed news 2
check "pub" json 'j["sent"] == 3 and j["bytes"] == 11' "$ipcx" pub news --tag 7 -m one -m two -m three --json
check "pub a line" sh -c "printf 'last' | '$ipcx' pub news"
wait "$one"
check "a subscriber ends after its count" is "$?" 0
wait "$two"
check "and so does the other" is "$?" 0
check "one has all of them" is "$(tr '\n' , <"$dir/sub1")" "one,two,three,last,"
check "and the other, with who published them" sh -c "python3 -c '
import json
m = [json.loads(l) for l in open(\"$dir/sub2\")]
assert [x[\"data\"] for x in m] == [\"one\", \"two\", \"three\", \"last\"]
assert [x[\"tag\"] for x in m] == [7, 7, 7, 0] and m[0][\"seq\"] == 0 and m[0][\"uid\"] == 0 and m[0][\"pid\"] > 0'"
timeout 20 "$ipcx" sub news -n 1 --raw >"$dir/sub1" &
one=$!
check "one subscribes" subscribed news 1
"$ipcx" pub news -f "$dir/a"
wait "$one"
check "a file arrives" cmp "$dir/a" "$dir/sub1"
timeout 20 "$ipcx" record news -n 2 -o "$dir/news.rec" &
one=$!
check "a recorder subscribes" subscribed news 1
"$ipcx" pub news -m early -m late
wait "$one"
check "a recorder ends after its count" is "$?" 0
timeout 20 "$ipcx" sub news -n 2 >"$dir/sub1" &
one=$!
check "somebody subscribes again" subscribed news 1
check "replay" json 'j["published"] == 2 and j["bytes"] == 9' "$ipcx" replay news -i "$dir/news.rec" --json
wait "$one"
check "what was recorded comes again" is "$(tr '\n' , <"$dir/sub1")" "early,late,"
check "nothing in a topic exits 4" gives 4 "$ipcx" sub news --timeout 50ms
check "no such topic" says 1 'pub -c' "$ipcx" sub nowhere
check "a topic is no queue" says 1 'not a queue' "$ipcx" send news -m x
"$ipcx" create plain
check "a queue is no topic" says 1 'not a topic' "$ipcx" pub plain -m x
check "others may not publish" says 1 'may not publish' setpriv --reuid 1000 --clear-groups "$ipcx" pub news -m x
check "but subscribe" gives 4 setpriv --reuid 1000 --clear-groups "$ipcx" sub news --reliable --timeout 0
check "rm finds its kind" json 'j["removed"]' "$ipcx" rm news --json
check "and it is gone" says 1 'none of this name' "$ipcx" rm news
"$ipcx" rm plain

evil=$(printf 'a\033[31m\nb"c\302\205')
"$ipcx" create "$evil" --depth 4
check "ls is one line for each" is "$("$ipcx" ls | wc -l)" 2
check "what a name has in it never reaches the terminal" sh -c "
	{ '$ipcx' ls; '$ipcx' show '$evil'; '$ipcx' holders; } | LC_ALL=C grep -q '[[:cntrl:]]' && exit 1
	'$ipcx' ls | grep -qF 'a\\033[31m\\012b\"c\\302\\205'"
check "but JSON" json 'j["name"] == "a\x1b[31m\nb\"c\x85" and j["kind"] == "queue" and j["mode"] == "0600" and j["policy"] == "block"' \
	"$ipcx" ls --json
"$ipcx" send "$evil" -m x
timeout 60 "$ipcx" serve "$evil" sh -c 'exec sleep 50' >/dev/null 2>&1 &
one=$!
check "somebody takes it" timeout 10 sh -c "until '$ipcx' holders | grep -q leased; do sleep 0.05; done"
check "nor that of a queue with holders" sh -c "'$ipcx' holders | grep -qF 'a\\033[31m\\012b\"c\\302\\205'"
check "holders" json 'j["state"] == "leased" and j["bytes"] == 1 and j["seq"] == 1 and j["pid"] > 0 and j["uid"] == 0 and j["held_ms"] < 20000' \
	"$ipcx" holders "$evil" --json
check "show says who has it open" json 'len(j["ends"]) == 1 and j["ends"][0]["leases"] == 1 and j["ends"][0]["rights"] == "r" and j["leased"] == 1' \
	"$ipcx" show "$evil" --json
check "others see nothing" is "$(setpriv --reuid 1000 --clear-groups "$ipcx" ls | wc -l)" 1
check "not even by name" says 1 'no object of this name' setpriv --reuid 1000 --clear-groups "$ipcx" holders "$evil"
end=$("$ipcx" show "$evil" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["ends"][0]["id"])')
check "holders and show tell the number of an end" sh -c "
	'$ipcx' holders | grep -q ' $end ' && '$ipcx' show '$evil' | grep -q ' $end\$'"
check "others may not revoke it" says 1 'no object of this name' setpriv --reuid 1000 --clear-groups "$ipcx" revoke "$evil" "$end"
check "nor is it one of another queue" says 1 'has no open end' "$ipcx" revoke "$evil" 1000000
check "revoke" json "j[\"revoked\"] and j[\"end\"] == $end" "$ipcx" revoke "$evil" "$end" --json
check "what it held is back" json 'j["queued"] == 1 and j["leased"] == 0 and j["redelivered"] == 1 and not j["ends"]' \
	"$ipcx" show "$evil" --json
check "revoke it twice" says 1 'has no open end' "$ipcx" revoke "$evil" "$end"
check "nor by its number alone" says 1 'there is no open end' "$ipcx" revoke "$end"
check "revoke without a number" gives 2 "$ipcx" revoke "$evil"
check "revoke what is no number" says 2 'is no number of an end' "$ipcx" revoke "$evil" 1x
kill "$one"
wait "$one" 2>/dev/null
check "limits are set" json 'j["bytes_max"] == 1 << 30 and j["objects_max"] == 9 and j["depth_max"] == 65536' \
	"$ipcx" limits --set bytes_max=1G --set objects_max=9 --json
check "one is wrong" says 1 'depth-max is 1 to 65536' "$ipcx" limits --set objects_max=8 --set depth_max=65537
check "others may not" says 1 'with CAP_SYS_ADMIN only' setpriv --reuid 1000 --clear-groups "$ipcx" limits --set objects_max=8
check "neither set anything" json 'j["objects_max"] == 9' "$ipcx" limits --json
check "set what is no limit" says 2 'objects_max' "$ipcx" limits --set objects=8
check "set nothing" says 2 'objects_max' "$ipcx" limits --set objects_max
check "set what is no number" says 2 'no value for objects_max' "$ipcx" limits --set objects_max=many
check "set it twice" says 2 'set twice' "$ipcx" limits --set objects_max=8 --set objects_max=7
check "set them back" json 'j["objects_max"] == 1024' "$ipcx" limits --set bytes_max=0 --set objects_max=1024 --json
check "limits" json 'j["uid"] == 0 and j["objects"] == 1 and j["bytes"] > 0 and j["objects_max"] >= 1 and j["msg_max"] > 0' \
	"$ipcx" limits --json
check "limits of all" json 'j["uid"] == 0' "$ipcx" limits --all --json
check "holders of nothing" says 1 'no object of this name' "$ipcx" holders nowhere
check "holders of two" gives 2 "$ipcx" holders a b
check "limits take no name" gives 2 "$ipcx" limits a
"$ipcx" rm "$evil"

# monitor FILE OPTION...: it is in $one, and listens, in the namespaces that $there enters
there=
monitor() {
	to=$1
	shift
	# shellcheck disable=SC2086 # words of a command, or none
	$there "$ipcx" monitor "$@" -W 30s >"$to" &
	one=$!
	for _ in $(seq 100); do
		awk -v pid="$one" '$2 == 16 && $3 % 4194304 == pid && $4 != "00000000" { ok = 1 } END { exit !ok }' \
			"/proc/$one/net/netlink" && break
		sleep 0.1
	done
}
# heard TEXT: the monitor in $one has ended well, and has written that
heard() { wait "$one" && grep -qF -- "$1" "$dir/heard"; }
"$ipcx" create "$evil" --depth 2 --policy drop-oldest
monitor "$dir/heard" --alerts -C 1
"$ipcx" send "$evil" -m a -m b -m c
check "monitor says who dropped what" heard 'a\033[31m\012b"c\302\205: 1 message dropped (oldest), sender pid '
check "and which limit it was" grep -q 'uid 0 end [0-9]*, limit depth 2$' "$dir/heard"
monitor "$dir/heard" --alerts -C 1 --json
"$ipcx" send "$evil" -m d
check "monitor --json" heard '"event":"dropped-oldest","kind":"queue"'
check "is JSON" python3 -c "import json
j = json.load(open('$dir/heard'))
assert j['group'] == 'alerts' and j['count'] == 1 and j['limit'] == 'depth' and j['limit_value'] == 2 and j['pid'] > 1 and j['uid'] == 0 and j['time_ns'] > 0 and j['seq'] > 0"
monitor "$dir/heard" --lifecycle -C 5
"$ipcx" create life
"$ipcx" rm life
check "monitor --lifecycle" heard 'queue life: made, by pid '
check "tells it in order" is "$(sed 's/^queue life: \([a-z]*\).*/\1/' "$dir/heard" | tr '\n' ' ')" "made opened closed lost gone "
"$ipcx" create life
timeout 60 "$ipcx" recv life >/dev/null 2>"$dir/waits" &
waits=$!
until end=$("$ipcx" show life --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["ends"][0]["id"])' 2>/dev/null); do
	sleep 0.1
done
monitor "$dir/heard" --lifecycle -C 1
"$ipcx" revoke "$end"
check "monitor tells by whom an end was revoked" heard ', revoked by pid '
check "and what it held" grep -q ' uid 0, it held 0 loans and 0 messages$' "$dir/heard"
wait "$waits"
check "who waited there is told" grep -q 'this handle was revoked' "$dir/waits"
"$ipcx" rm life
fake='x: 2 messages "dropped"'
"$ipcx" create "kernel:$fake" --depth 2 --policy drop-oldest
monitor "$dir/heard" --alerts -C 1
"$ipcx" send "kernel:$fake" -m a -m b -m c
check "a name does not look like what happened" heard 'queue "x: 2 messages \042dropped\042": 1 message dropped (oldest), '
"$ipcx" rm "kernel:$fake"
unshare -rn sleep 120 &
ns=$!
until [ "$(readlink "/proc/$ns/ns/net")" != "$(readlink /proc/self/ns/net)" ] && grep -q . "/proc/$ns/uid_map"; do
	sleep 0.05
done
there="nsenter -t $ns -U -n --preserve-credentials"
monitor "$dir/heard" --lifecycle -C 92
kill -STOP "$one"
for i in $(seq 30); do
	$there "$ipcx" create "many$i" --depth 1
done
kill -CONT "$one"
$there "$ipcx" rm many1
check "root of a namespace has room for more than a few" heard 'queue many1: gone'
check "and lost none" sh -c "! grep -q '^overrun\|^lost' '$dir/heard'"
kill "$ns"
wait "$ns" 2>/dev/null
there=
check "monitor ends in time" gives 4 timeout 20 "$ipcx" monitor --alerts -W 100ms
check "monitor of nobody" says 1 'CAP_NET_ADMIN' setpriv --reuid 1000 --clear-groups --bounding-set -net_admin "$ipcx" monitor -W 5
check "monitor takes no name" gives 2 "$ipcx" monitor x
check "no events are none" says 2 'from 1' "$ipcx" monitor -C 0
"$ipcx" rm "$evil"
"$ipcx" create "$evil"
"$ipcx" send "$evil" -m 'one' -m "$(printf 'a\033[31mb')"
printf '\000\377' | "$ipcx" send "$evil"
check "tap" shows "1 queued, pid 0 uid 0 gid 0, 3 bytes: one" "$ipcx" tap "$evil" -W 0
check "is safe for terminals" shows '2 queued, pid 0 uid 0 gid 0, 7 bytes: a\033[31mb' "$ipcx" tap "$evil" -n 3
check "what is no text is hex" shows '	00 ff' "$ipcx" tap "$evil" -n 3
check "tap --snap" shows '3 bytes: on ...' "$ipcx" tap "$evil" -n 1 --snap 2
check "tap --json" json 'j["seq"] == 1 and j["state"] == "queued" and j["missed"] == 0 and j["len"] == 3 and j["data"] == "one" and j["uid"] == 0' \
	"$ipcx" tap "$evil" -n 1 --json
check "nothing was received" json 'j["queued"] == 3' "$ipcx" show "$evil" --json
check "tap ends in time" gives 4 timeout 20 "$ipcx" tap "$evil" -n 4 -W 100ms
"$ipcx" create for-all --mode 0666
check "tap of nobody" says 1 'CAP_SYS_ADMIN' setpriv --reuid 1000 --clear-groups --bounding-set -sys_admin "$ipcx" tap for-all
"$ipcx" rm for-all
check "tap of nothing" says 1 'no object of this name' "$ipcx" tap nowhere
check "tap of two" gives 2 "$ipcx" tap a b
check "--snap has an end" says 2 '0 to 1M' "$ipcx" tap "$evil" --snap 2M
check "an interval is some time" says 2 'such as 1ms' "$ipcx" tap "$evil" --interval 0
# tapping OPTION...: it is in $one, and looks on
tapping() {
	"$ipcx" tap "$@" -W 30s >"$dir/seen" &
	one=$!
	for _ in $(seq 100); do
		grep -qs '^ipcx-tap:' "/proc/$one/fdinfo/"* && break
		sleep 0.1
	done
}
tapping "$evil" -n 200
"$ipcx" rm "$evil" --now
wait "$one"
check "tap ends with the queue" is $? 4
check "and has seen all" grep -q '^3 queued' "$dir/seen"
"$ipcx" create flow --policy drop-oldest
{ sleep 0.3; "$ipcx" send flow -m late; } &
check "tap looks once more at its end" shows 'late' "$ipcx" tap flow -W 2s --interval 1m
yes "$(head -c 50000 /dev/zero | tr '\0' x)" | "$ipcx" send flow &
flow=$!
# shellcheck disable=SC2016 # for that shell
check "tap ends in time while messages flow" \
	gives 0 sh -c 'timeout 10 "$@" >"$0"' "$dir/seen" "$ipcx" tap flow -W 300ms --snap 64K
check "and has seen some" grep -q 'xxxx$' "$dir/seen"
"$ipcx" rm flow --now
wait "$flow"
"$ipcx" create tapped --topic
tapping tapped -n 1 --json
mkfifo "$dir/line"
"$ipcx" pub tapped <"$dir/line" & # a ring that nobody reads goes with its publisher
pub=$!
exec 3>"$dir/line"
echo rain >&3
check "tap of a topic" wait "$one"
exec 3>&-
wait "$pub"
check "shows what is published" grep -q '"seq":0,"state":"published","missed":0,"len":4,.*"ring":0,"publisher":1,"data":"rain"' "$dir/seen"
"$ipcx" rm tapped
check "bench of the module" json '"ns" in j and j["ns"] > 0' "$ipcx" bench --json --jobs 'way, 64 B' --ways 'ipcx queue' 1
check "of its topics" json '"ns" in j and j["ns"] > 0' "$ipcx" bench --json --jobs 'way, 64 B' --ways 'k. topic' 1
monitor "$dir/heard" --alerts -C 1
check "the module stays while somebody listens" sh -c '! rmmod ipcx 2>/dev/null'
kill "$one"
wait "$one" 2>/dev/null
echo "1..$n"
exit $bad
