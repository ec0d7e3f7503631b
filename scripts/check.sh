#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh: build, and run the tests.
set -uo pipefail

usage() {
	cat <<-'END'
	usage: scripts/check.sh [--debug | --coverage | --kcsan] [--list | NAME...]

	Builds all and runs every test, or those called NAME. Each prints TAP; the last line is
	"N passed, N failed". A test that is skipped has failed: nothing may be missing here. But who is
	not root is told how many without a guest only root can run.

	  --debug     what runs in a guest, on the debug kernel, leaks looked for, and the fuzzer
	  --coverage  the same, but lines counted, for scripts/coverage.sh; no fuzzer, no leaks
	  --kcsan     what threads do beside each other, on the kernel that detects data races
	  --list      only print the names of the programs that run in a guest

	NAME may be a check of scripts/lint.sh, too. What a test said is in build/logs/NAME.

	Examples:

	  scripts/check.sh queue epoll
	  scripts/check.sh --debug race_region

	Exit status: 0 when all passed, else 1.
	END
}

top=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$top" || exit
kernel=stock list='' coverage=''
while [ $# -gt 0 ]; do
	case $1 in
	--debug | --kcsan) kernel=${1#--} ;;
	--coverage) kernel=debug coverage=$top/build/coverage ;;
	--list) list=1 ;;
	-h | --help) usage; exit ;;
	-*) echo "check: unknown option $1; --help lists them" >&2; exit 1 ;;
	*) break ;;
	esac
	shift
done
only=$*
out=$top/build/selftests
logs=$top/build/logs
rooms=${coverage:-$logs/guest} # each guest has its directory there
passed=0 failed=0 unable=0 counted=' ' started=()
mkdir -p "$out" "$logs"

say() { echo "# $*"; }
wanted() { [ -z "$only" ] || [[ " $only " = *" $1 "* ]]; }

# count NAME STATUS LOG SECONDS: what the TAP in LOG says, and whether it is all of it
count() {
	local ok bad skip plan apart=0 root=0
	counted+="$1 "
	ok=$(grep -cE '^ok ' "$3")
	bad=$(grep -cE '^not ok ' "$3")
	skip=$(grep -ciE '^ok .*# *skip' "$3")
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$3" | head -n 1)
	case $1 in
	*_host) # over which transport? But who is not root has not run what only root can
		apart=$(grep -cE '^ok [0-9]+ # SKIP needs ' "$3")
		root=$(grep -cE '^ok [0-9]+ # SKIP needs root$' "$3")
		;;
	topic_lib* | topic_wake* | topic_death*) # over which transport?
		apart=$(grep -cE '^ok [0-9]+ # SKIP needs IPCX_CAP_' "$3")
		;;
	transport*) apart=$(grep -cE '^ok [0-9]+ # SKIP needs [^/]' "$3") ;;
	esac
	ok=$((ok - skip)) skip=$((skip - apart)) plan=$((plan - apart))
	bad=$((bad + skip))
	# died on the way, or a status that its own report does not explain
	[ "${plan:-0}" -gt 0 ] && [ $((ok + bad)) -eq "$plan" ] || bad=$((bad + 1))
	[ "$2" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	if [ "$bad" -gt 0 ]; then
		echo "FAIL $1: $ok passed, $bad failed, status $2"
		grep -vE '^(ok |#  RUN|#            OK)' "$3" | tail -n 60
	else
		echo "pass $1: $ok (${4:-?} s)$([ "$root" -eq 0 ] || echo ", $root not run: only root can")"
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
	unable=$((unable + root))
}

# run NAME COMMAND...: a test on this machine
run() {
	wanted "$1" || return 0
	timed "$@"
	verdict "$1"
}

# timed NAME COMMAND...: what it says is in NAME's log, its status and seconds are for verdict()
timed() {
	local name=$1 status=0 start=$SECONDS
	shift
	rm -f "$logs/$name.status"
	"$@" >"$logs/$name" 2>&1 || status=$?
	echo "$status $((SECONDS - start))" >"$logs/$name.status"
}

# start NAME COMMAND...: a test on this machine that takes long and does not care what runs beside
start() {
	wanted "$1" || return 0
	started+=("$1")
	beside timed "$@"
}

# tap COMMAND...: what a command says and whether it succeeds, as one test of TAP
tap() {
	local status=0
	"$@" 2>&1 | sed 's/^/# /' || status=$?
	[ $status -eq 0 ] && echo "ok 1 $*" || echo "not ok 1 $*"
	echo 1..1
	return $status
}

# lint [NAME]: the checks of lint.sh, which counts them itself
lint() {
	counted+="${1:-} "
	scripts/lint.sh "$@" 2>&1 | tee "$logs/lint" |
		grep --line-buffered -vE '^[0-9]+ passed, [0-9]+ failed$'
	if [[ $(tail -n 1 "$logs/lint") =~ ^([0-9]+)' passed, '([0-9]+)' failed'$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
	else
		failed=$((failed + 1))
	fi
}

# cpus NAME: how many the guest of a program has; 2, or nothing ever runs at the same moment
cpus() {
	case $kernel/$1 in
	kcsan/*) echo 2 ;;
	stock/server_death) echo 1 ;; # it compares times, see guest()
	*/answer | */call | */server_death | */caller_death | */death | */epoll | */fdinfo | */flip | \
		*/fork | */kill | */held_back | */prefetch | */queue | */race | */race_* | */sealed | \
		*/storm | */tap_read | */tap_topic | */topic | */topic_lib | */topic_error | */topic_wake | */topic_mix | */topic_death | \
		*/topic_kill | */trace_storm | */wait | */mq_shim.sh)
		echo 2
		;;
	*) echo 1 ;;
	esac
}

# memory NAME: how much the debug kernel's guest has; kmemleak takes longer the more that is
memory() {
	case $1 in
	queue | limit | memcg | many) echo 3G ;;
	*) echo 512M ;;
	esac
}

# icount NAME: on the stock kernel, does it compare times?
icount() {
	case $kernel/$1 in
	stock/many | stock/server_death | stock/event_cost | stock/watch_cost | stock/age) ;;
	*) return 1 ;;
	esac
}

# alone NAME: is it a matter of moments, for which nothing else should run?
alone() {
	case $1 in
	race | race_* | storm | flip | death | server_death | kill | topic_kill | trace_storm) ;;
	*) return 1 ;;
	esac
}

# own NAME: does it want a guest for itself? It takes long, or the next would notice
own() {
	case $1 in
	cpp.sh | examples.sh) return 1 ;; # they leave nothing
	many | netlink_bad | queue | limit | memcg | leak | fail_nth | fail_slab | *.sh | *.py) ;;
	*) icount "$1" ;;
	esac
}

# guest NAME...: kselftest programs, one after the other in one guest
guest() {
	local dir=$rooms/$1 t files=() with=() opts
	for t; do
		case $t in
		cpp.sh | examples.sh) files+=("$top/selftests/${t%.sh}/$t") ;;
		*.sh | *.py) files+=("$top/selftests/$t") ;;
		*) files+=("$out/$t") ;;
		esac
	done
	opts=(--smp "$(cpus "$1")" --timeout $((540 + 60 * $#)) --out "$dir")
	[ "$kernel" = stock ] || with=(env IPCX_TEST_SCALE=20)
	case $kernel in
	debug)
		opts+=(--kernel debug --mem "$(memory "$1")")
		if [ "$coverage" ]; then
			opts+=(--module build/debug-gcov/ipcx.ko)
			with+=(selftests/vm/with-coverage.sh)
		else
			with+=(selftests/vm/with-leak-scan.sh)
		fi
		;;
	kcsan) opts+=(--kernel kcsan) ;;
	*)
		! icount "$1" || opts+=(--icount)
		[ "$1" != age ] || with=(env IPCX_TEST_FULL=1) # what it sleeps takes no time there
		;;
	esac
	rm -rf "$dir"
	mkdir -p "$dir"
	scripts/vm.sh "${opts[@]}" -- "${with[@]}" selftests/vm/programs.sh "${files[@]}" >"$dir/guest" 2>&1
	gather "$dir" $? "$@"
}

# gather DIR STATUS NAME...: makes logs and statuses of what a guest left, whose status that was
gather() {
	local dir=$1 status=$2 t running=''
	shift 2
	for t; do
		[ -e "$dir/$t.status" ] || [ "$running" ] || running=$t
	done
	for t; do
		cp "$dir/$t" "$logs/$t" 2>/dev/null || echo "# it was not begun" >"$logs/$t"
		if [ "$status" -eq 0 ]; then
			cp "$dir/$t.status" "$logs/$t.status"
			continue
		fi
		# what the kernel complained of is a fault of who ran then, or else of each
		if [ "$t" = "${running:-$t}" ]; then
			cat "$dir/guest" >>"$logs/$t"
		else
			echo "# its guest ended with status $status while $running ran" >>"$logs/$t"
		fi
		echo "$status" >"$logs/$t.status"
	done
}

# verdict NAME...: counts what gather() or timed() made
verdict() {
	local t status seconds
	for t; do
		status=125 seconds=0
		read -r status seconds <"$logs/$t.status" || :
		count "$t" "$status" "$logs/$t" "$seconds"
		rm -f "$logs/$t.status"
	done
}

# guests NAME...: those that are wanted, some in one guest and two guests at a time, and then those
# for which nothing else should run
guests() {
	local t kind most=8 todo=() packs=() moments=()
	local -A open=()
	[ "$kernel" = stock ] || most=5
	for t; do
		wanted "$t" || continue
		todo+=("$t")
		rm -f "$logs/$t" "$logs/$t.status" # of an earlier run
		kind=$(cpus "$t")
		! alone "$t" || kind=alone$kind
		! own "$t" || kind=$t
		open[$kind]+="$t "
		[ "$(wc -w <<<"${open[$kind]}")" -eq "$most" ] || [ "$kind" = "$t" ] || continue
		pack "${open[$kind]}"
		unset "open[$kind]"
	done
	for kind in "${!open[@]}"; do
		pack "${open[$kind]}"
	done
	for t in "${packs[@]}"; do
		# shellcheck disable=SC2086 # one word a program
		beside guest $t
	done
	wait
	for t in "${moments[@]}"; do
		# shellcheck disable=SC2086
		guest $t
	done
	verdict "${todo[@]}"
}

# pack NAMES: that is one more guest
pack() {
	if alone "${1%% *}"; then
		moments+=("$1")
	else
		packs+=("$1")
	fi
}

# beside COMMAND...: in the background, when less than two are there
beside() {
	[ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
	"$@" &
}

# programs_build: all, or those that are wanted, for 64 bits
programs_build() {
	local t todo=()
	for t in $only; do
		case $t in # without names the tests here have built them
		cpp.sh) make -s -C selftests/cpp O="$out/cpp/g++-c++17" || return ;;
		examples.sh) make -s -C selftests/examples || return ;;
		esac
		t=${t%_host} t=${t%.sh}
		[ ! -e "selftests/$t.c" ] && [ "$t" != rust_kernel ] || todo+=("$out/$t")
	done
	[ -z "$only" ] || [ ${#todo[@]} -gt 0 ] || return 0
	make -s -C selftests KSFT="$source/tools/testing/selftests" OUTPUT="$out" "${todo[@]}"
}

# guest32: those of programs32 that are wanted, built for 32 bits, in one guest
guest32() {
	local dir=$out/32 todo=() names=() t status=0
	for t in $programs32; do
		wanted "$t" || continue
		todo+=("$dir/${t%32}")
		names+=("$t")
		rm -f "$logs/$t" "$logs/$t.status"
	done
	[ ${#todo[@]} -gt 0 ] || return 0
	rm -rf "$dir/logs"
	mkdir -p "$dir"
	if ! make -s -C libuser CC='gcc -m32' O="$dir" "$dir/lib/libipcx.a" >"$logs/build32" 2>&1 ||
		! make -s -C selftests KSFT="$source/tools/testing/selftests" CC='gcc -m32' \
			LIBIPCX="$dir/lib/libipcx.a" OUTPUT="$dir" "${todo[@]}" >>"$logs/build32" 2>&1 ||
		grep -q warning "$logs/build32"; then
		cat "$logs/build32"
		failed=$((failed + 1))
		return
	fi
	mkdir -p "$dir/logs"
	scripts/vm.sh --smp 2 --timeout 600 --out "$dir/logs" -- env IPCX_SUFFIX=32 \
		selftests/vm/programs.sh "${todo[@]}" >"$dir/logs/guest" 2>&1 || status=$?
	gather "$dir/logs" "$status" "${names[@]}"
	verdict "${names[@]}"
}

# the fuzzer, always from the same beginning
fuzz() {
	scripts/fuzz.sh --seed 1 --ops 200000 --seconds 90 --fresh
}

slots_random() {
	gcc -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
		-I"$source/tools/include" selftests/slots/random.c -o "$out/slots_random" &&
		"$out/slots_random" 300000
}

# ring NAME: the user side of topics' rings, which needs no kernel
ring() {
	make -s -C selftests/ring KSFT="$source/tools/testing/selftests" O="$out" "$out/$1" && "$out/$1"
}

# what "ipcx bench" does about a host that moves CPUs, by a clock of the test
bench_near() {
	gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror -Wno-sign-compare -Wno-unused-parameter -D_GNU_SOURCE \
		-fsanitize=address,undefined -fno-sanitize-recover=all \
		-I"$source/tools/testing/selftests" -I"$source/tools/testing/selftests/kselftest" \
		selftests/peers/test/near.c selftests/peers/near.c -o "$out/bench_near" && "$out/bench_near"
}

# host NAME: a program for a guest, here, where there is no module
host() {
	mkdir -p "$out/run"
	IPCX_QUIET=1 XDG_RUNTIME_DIR="$out/run" "$out/$1"
}

programs="abi fdinfo queue asleep prefetch held_back call call_lib call_fault batch_fault server_death caller_death
	answer inline io policy credit leases expire dead_letter remove sealed wait spare wake epoll map
	inherit fdstore fork name owner timens limit memcg leak many uring death kill
	topic topic_abi topic_pairs topic_durable topic_lib topic_error topic_wake topic_mix topic_death topic_kill region queue_handles
	age netlink netlink_who netlink_bad event event_limit event_who event_cost tap_open tap_read tap_over tap_topic watch_cost netlink_set revoke revoke_who revoke_lib trace trace_topic trace_storm transport transport_call transport_bulk
	race race_time race_call race_topic race_region race_event race_tap race_revoke storm flip rust_kernel python.py cli.sh mq_shim.sh top.sh container.sh doctor.sh trace.sh bridge_kernel.sh cpp.sh examples.sh"
programs32="abi32 queue32 policy32 expire32 dead_letter32 wait32 spare32 wake32 map32 inherit32 fork32
	topic32 topic_abi32 topic_pairs32 topic_durable32 topic_lib32 topic_death32 region32 queue_handles32"
case $kernel in
debug) # the longest first; the kernels built here have no aio, no BPF, and do not look at signatures;
	# how many instructions there are says nothing of the module there
	programs="fail_nth fail_slab ${programs% top.sh*}"
	programs=${programs/ uring/}
	programs=${programs/ event_cost/}
	programs=${programs/ watch_cost/}
	programs=${programs/ mq_shim.sh/} # the library's share is not for this kernel
	programs=${programs/ rust_kernel python.py/} # the same calls, and Python itself would take most of its time
	;;
kcsan) # where threads meet
	[ -n "$only" ] || programs="wait wake epoll fdinfo call server_death caller_death
	answer death kill topic topic_wake race race_time race_call race_topic race_region race_event race_tap race_revoke storm flip"
	;;
esac
if [ "$list" ]; then
	# shellcheck disable=SC2086 # one word a program
	echo $programs
	exit
fi
# lint alone needs nothing built
checks=$(scripts/lint.sh --list)
if [ "$kernel" = stock ] && [[ $only != *' '* ]] && grep -qxF "$only" <<<"$checks"; then
	exec scripts/lint.sh "$only"
fi
exec 9>"$logs/lock"
flock -n 9 || { echo "check: another one runs in this tree" >&2; exit 1; }
say "kernels, sources"
source=$(scripts/kernel.sh source) && scripts/kernel.sh "$kernel" >/dev/null || exit 1
[ "$kernel" != stock ] || scripts/kernel.sh nats >/dev/null || exit 1
say "build"
if ! make -s module user KERNEL="$kernel" GCOV="${coverage:+1}" >"$logs/build" 2>&1 ||
	! programs_build >>"$logs/build" 2>&1; then
	cat "$logs/build"
	echo "the build failed"
	echo "0 passed, 1 failed"
	exit 1
fi
grep -E 'warning' "$logs/build" && failed=$((failed + 1))

if [ "$kernel" = stock ]; then
	[ -n "$only" ] || lint
	for t in $checks; do
		[ -z "$only" ] || ! wanted "$t" || lint "$t"
	done
	start queue_shm_step_host host queue_shm_step
	start topic_shm_step_host host topic_shm_step
	start cpp selftests/cpp/cpp.sh
	start python selftests/python.py
	start rust selftests/rust/rust.sh
	start ring_model selftests/ring/ring_model.sh
	start slots slots_random
	start slots_fuzz scripts/fuzz-slots.sh --runs 200000
	start frame_fuzz scripts/fuzz-input.sh frame --runs 200000
	start bridge_fuzz scripts/fuzz-input.sh bridge --runs 100000
	start bridge selftests/bridge/bridge.py
	start examples selftests/examples/examples.sh
	start bridge_store selftests/bridge/store.sh
	start bridge_storm selftests/bridge/storm.sh --seed 7
	start bridge_readme selftests/bridge/readme.sh
	start installed.sh selftests/installed.sh
	# what was unpacked from the archive cannot make it
	[ ! -e .git ] || start dist.sh selftests/dist.sh
	wait
	verdict "${started[@]}"
	run ring ring ring
	run ring_tsan ring ring_tsan
	for t in transport transport_call transport_bulk transport_path transport_peer transport_mq \
		transport_epoll transport_fifo transport_open asleep topic_lib topic_death topic_wake topic_shm topic_shm_kill topic_shm_long \
		topic_unix topic_unix_peer topic_unix_room topic_unix_step topic_unix_kill \
		queue_shm queue_shm_kill queue_shm_call queue_shm_reply; do
		run "${t}_host" host "$t"
	done
	run fallback.sh selftests/fallback.sh
	run bench.sh selftests/bench.sh
	run bench_near bench_near
	run mq_shim_host selftests/mq_shim.sh
	run record.sh selftests/record.sh
	# minutes, and packages of their own
	[ -z "$only" ] || run bridge_netem selftests/bridge/netem.sh
	[ -z "$only" ] || run bridge_storm_long selftests/bridge/storm.sh --long
	[ -z "$only" ] || run packages.sh selftests/packages.sh
	[ -z "$only" ] || run clean_root.sh selftests/clean_root.sh
fi
[ "$kernel" != debug ] || [ "$coverage" ] || start fuzz tap fuzz
# shellcheck disable=SC2086 # one word a program
guests $programs
[ "$kernel" != stock ] || guest32
[ "$kernel" = stock ] || verdict "${started[@]}"
for t in $only; do
	if [[ $counted != *" $t "* ]]; then
		echo "there is no test called $t"
		failed=$((failed + 1))
	fi
done
[ "$unable" -eq 0 ] || say "$unable not run: only root can"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
