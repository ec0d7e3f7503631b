#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vm.sh: run a command as root on a test kernel with the ipcx module loaded.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/vm.sh [OPTION...] [--] COMMAND [ARGUMENT...]

	Boots a guest in QEMU (emulated: no KVM needed), loads the ipcx module, and runs COMMAND
	there as root. The guest sees the files of this machine, this checkout among them, and
	starts in the current directory; what it writes is gone with it, save in /run/out.
	IPCX_MODULE there is the file that the module was loaded from.
	COMMAND's stdout and stderr appear here on stdout; its stdin is empty.

	  --kernel NAME   the kernel, see scripts/kernel.sh --help (default: stock)
	  --module FILE   the module to load, or "none" (default: what make build made for
	                  that kernel, build/ipcx.ko or build/NAME/ipcx.ko)
	  --smp N         number of CPUs (default 1; more only pays for tests of races)
	  --mem SIZE      memory (default 2G)
	  --timeout S     give up after S seconds, boot included (default 120)
	  --icount        count instead of measure: time in the guest advances by 1 ns with
	                  each instruction, so two runs tell the same times. One CPU.
	  --count FILE    with what scripts/bench.sh --where built: how often which instruction is
	                  executed, is written to FILE
	  --out DIR       mounted as /run/out, writable; also gets console.log and dmesg
	  --ram FILE      memory that is FILE's, 2^n bytes: what the guest stores survives its
	                  crash. There it is /sys/bus/pci/devices/0000:00:1e.0/resource2
	  --append ARGS   more kernel arguments
	  --host          no guest: run COMMAND here, where /dev/ipcx must exist

	Examples:

	  scripts/vm.sh -- uname -r
	  scripts/vm.sh --kernel backports --smp 2 -- selftests/run.sh
	  scripts/vm.sh --module none --out /tmp/out -- sh -c 'ls /dev >/run/out/list'

	Exit status: that of COMMAND, or

	  124  it took too long; backtraces of all CPUs and tasks are shown. A guest that has not
	       booted in 200 s is started once more first
	  125  the guest could not start COMMAND, or ended without a verdict: a panic
	  126  the kernel complained (BUG, WARNING, lockdep, KASAN, a stall...), shown on
	       stderr, whatever COMMAND said
	END
}

say() { echo "vm: $*" >&2; }
die() { say "$*"; exit 125; }

# A line of the kernel's log that makes any test fail, after time stamp and caller.
splat='^\[ *[0-9.]+\](\[ *[TC][0-9]+\])? ('
splat+='WARNING: |BUG: |kernel BUG at |Oops: |Internal error: |watchdog: BUG|NMI watchdog: Watchdog detected '
splat+='|general protection fault|invalid opcode: |divide error: |double fault: |stack segment: |unable to handle '
splat+='|(rcu: )?INFO: (rcu_|task .* blocked |trying to register |suspicious )|INFO: lockdep |rcu: rcu_.* kthread starved'
splat+='|DEBUG_LOCKS_WARN_ON|ODEBUG: |UBSAN: |KASAN: |KCSAN: |KFENCE: |(list_add|list_del) corruption|refcount_t: '
splat+='|[a-z_]+: bad unlock balance|kmemleak: [0-9]+ new suspected |Bad page |Unreferenced object |unreferenced object '
splat+=')'

# show_splat LOG: the first complaint with some context, without the task dump of a panic
show_splat() {
	local line
	line=$(grep -nEm1 "$splat" "$1" | cut -d: -f1)
	sed -n "$((line > 10 ? line - 10 : 1)),$((line + 150))p" "$1" | sed '/\] task:.* state:/,$d' >&2
	say "kernel splat, see above"
}

# own_races LOG: takes out the reports of data races of which neither access is by ipcx
own_races() {
	grep -q 'BUG: KCSAN' "$1" || return 0
	awk -f "$top/scripts/own-races.awk" "$1" >"$work/own"
	mv "$work/own" "$1"
}

top=$(cd "$(dirname "$0")/.." && pwd -P)
# the emulator hangs while it boots the second CPU, once in a thousand times or less
boot_max=200 all=("$@")
kernel=stock module='' smp='' mem=2G timeout=120 icount='' count='' out='' ram='' append='' host=''
while [ $# -gt 0 ]; do
	case $1 in
	--kernel | --module | --smp | --mem | --timeout | --count | --out | --ram | --append)
		[ $# -ge 2 ] || { say "$1 needs a value"; exit 2; }
		printf -v "${1#--}" %s "$2"
		shift 2
		;;
	--icount | --host) printf -v "${1#--}" 1; shift ;;
	-h | --help) usage; exit ;;
	--) shift; break ;;
	-*) say "unknown option $1; --help lists them"; exit 2 ;;
	*) break ;;
	esac
done
[ $# -gt 0 ] || { usage >&2; exit 2; }
[[ $timeout =~ ^[0-9]+$ && ${smp:-1} =~ ^[1-9][0-9]*$ ]] || { say "--timeout and --smp want a number"; exit 2; }
[[ -z $icount || ${smp:-1} = 1 ]] || { say "--icount works with one CPU only"; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/ipcx-vm.XXXXXX")
qemu='' sleeper=''
# shellcheck disable=SC2317 # reached by the trap
cleanup() {
	[ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true
	[ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ "$host" ]; then
	[ -c /dev/ipcx ] || die "no /dev/ipcx here: load the module first"
	dmesg >"$work/before" || die "the kernel's log cannot be read; try as root"
	status=0
	timeout --foreground -k 5 "$timeout" "$@" </dev/null || status=$?
	# the log is a ring: what is new follows the line that was the last one, if that is left
	dmesg | awk -v last="$(tail -n 1 "$work/before")" '
		{ line[NR] = $0 } $0 == last { from = NR }
		END { for (i = from + 1; i <= NR; i++) print line[i] }' >"$work/after"
	if grep -qE "$splat" "$work/after"; then
		show_splat "$work/after"
		status=126
	fi
	exit "$status"
fi

if [ -z "$module" ]; then
	module=$top/build/ipcx.ko
	[ "$kernel" = stock ] || module=$top/build/$kernel/ipcx.ko
	[ -e "$module" ] || die "$module is missing: run 'make build' first, or say --module none"
elif [ "$module" != none ]; then
	[ -e "$module" ] || die "$module is missing"
	module=$(realpath "$module")
fi
command -v qemu-system-x86_64 >/dev/null || die "qemu-system-x86_64 is missing: run scripts/setup.sh"
dir=$("$top/scripts/kernel.sh" "$kernel") || exit 125
image=$dir/vmlinux
[ -e "$image" ] || image=$dir/bzImage

# What the guest is to do goes by files: a kernel command line would spoil quotes and newlines.
ctl=$work/ctl
mkdir "$ctl"
: >"$ctl/output"
[ "$module" = none ] || echo "$module" >"$ctl/module"
# quote WORD...: for any POSIX shell, newlines and all
quote() { printf " '%s'" "${@//\'/\'\\\'\'}"; }
printf 'cd%s || exit\nexec%s\n' "$(quote "$PWD")" "$(quote "$@")" >"$ctl/command"

# Archives may follow one another in an initrd: the cached one never gets stale.
cp "$top/selftests/vm/init" "$work/init"
chmod 755 "$work/init"
(cat "$dir/initrd.cpio" && cd "$work" && echo init | cpio --quiet -o -H newc -R 0:0) >"$work/initrd"

# share NAME DIR [OPTION]
share() { args+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap${3:-}" -device "virtio-9p-pci,fsdev=$1,mount_tag=$1"); }
args=(-name 'ipcx,debug-threads=on' -nodefaults -no-user-config -machine q35 -m "$mem" -smp "${smp:-1}" -display none -no-reboot
	-kernel "$image" -initrd "$work/initrd" -device 'isa-debug-exit,iobase=0xf4,iosize=4'
	-serial "file:$work/console" -monitor stdio)
if [ "$icount" ]; then
	# copies by "rep movs" count as one instruction per byte if the CPU claims to have them fast
	args+=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -cpu 'max,la57=off,-erms,-fsrm')
else
	args+=(-accel 'tcg,thread=multi' -cpu 'max,la57=off')
fi
share host / ,readonly=on
share ctl "$ctl"
[ -z "$count" ] || args+=(-plugin "$top/build/bench/count.so,out=$(realpath "$count")")
if [ "$out" ]; then
	mkdir -p "$out"
	out=$(cd "$out" && pwd -P)
	: >"$ctl/out"
	share out "$out"
fi
if [ "$ram" ]; then
	args+=(-object "memory-backend-file,id=ram,share=on,mem-path=$ram,size=$(stat -c %s "$ram")"
		-device 'ivshmem-plain,memdev=ram,addr=1e.0')
fi
# a race of the kernel's own, as all kernels have some, must not stop the guest
warn=1
if [ "$kernel" = kcsan ]; then
	warn=0
	append="kcsan.early_enable=0 kcsan.skip_watch=500 kcsan.udelay_task=1000 $append"
fi
append="console=ttyS0 quiet printk.time=1 panic=-1 oops=panic panic_on_warn=$warn unknown_nmi_panic panic_print=1 mitigations=off nokaslr no_timer_check $append"

# pin_cpus: each CPU of the guest to one here, or two that wait for each other share one
pin_cpus() {
	local n=0 comm
	while [ "$n" -lt "$smp" ] && kill -0 "$qemu" 2>/dev/null; do
		sleep 0.1
		for comm in /proc/"$qemu"/task/*/comm; do
			[ "$(cat "$comm" 2>/dev/null)" = "CPU $n/TCG" ] || continue
			taskset -pc $((n % $(nproc))) "$(basename "$(dirname "$comm")")" >/dev/null 2>&1 || true
			n=$((n + 1))
		done
	done
}

boot=$((timeout < boot_max ? timeout : boot_max))
mkfifo "$work/monitor" "$work/nothing"
exec 8<>"$work/monitor"
: >"$work/console"
# the guest must not outlive this script, not even a killed one
setpriv --pdeathsig KILL qemu-system-x86_64 "${args[@]}" -append "$append" \
	<&8 >"$work/qemu.log" 2>&1 &
qemu=$!
[ "${smp:-1}" -eq 1 ] || pin_cpus &
tail -c +1 -f -s 0.1 --pid="$qemu" "$ctl/output" 2>/dev/null 8>&- &
tail=$!
# it ends when the guest has not booted in time, or its command has not ended in time
# shellcheck disable=SC2016 # for that shell
setpriv --pdeathsig KILL bash -c 'exec 9<>"$1"; read -rt "$2" -u 9
	[ ! -e "$4" ] || read -rt "$3" -u 9' bash "$work/nothing" "$boot" "$timeout" "$ctl/booted" >/dev/null 2>&1 8>&- &
sleeper=$!

late='' ended=''
wait -n -p ended "$qemu" "$sleeper" && status=0 || status=$?
if [ "$ended" != "$qemu" ]; then
	late=1
	# the panic that follows shows where every task is
	echo nmi >&8
	timeout 30 tail -f --pid="$qemu" /dev/null || true
	kill -KILL "$qemu" 2>/dev/null || true
	wait "$qemu" 2>/dev/null || true
fi
qemu=''
wait "$tail" || true

tr -d '\r' <"$work/console" >"$work/console.log"
: >>"$ctl/dmesg"
if [ "$out" ]; then
	cp "$work/console.log" "$ctl/dmesg" "$out"
fi
if [ "$late" ] && [ ! -e "$ctl/booted" ] && [ -z "${IPCX_VM_AGAIN:-}" ]; then
	say "the guest did not boot in $boot s: once more"
	rm -rf "$work"
	IPCX_VM_AGAIN=1 exec "$0" "${all[@]}"
fi
if [ "$late" ]; then
	# kernel threads (children of 2) are idle by the dozen, run queues are of no interest
	awk '/\] task:/ { skip = / ppid:[02] / }
		/\] Sched Debug Version/ { skip = 1 }
		/\] Showing all locks|---\[ end Kernel/ { skip = 0 }
		!skip' "$work/console.log" >&2
	[ -e "$ctl/booted" ] || timeout=$boot
	say "time-out after $timeout s: $*"
	exit 124
fi
for log in "$work/console.log" "$ctl/dmesg"; do
	own_races "$log"
	if grep -qE "$splat" "$log"; then
		show_splat "$log"
		exit 126
	fi
done
if [ -e "$ctl/failed" ]; then
	tail -n 20 "$work/console.log" >&2
	die "$(cat "$ctl/failed")"
fi
# 85: the guest's init ended QEMU by the debug port
if [ "$status" -ne 85 ] || ! verdict=$(grep -xE '[0-9]+' "$ctl/status" 2>/dev/null); then
	cat "$work/qemu.log" >&2
	sed '/\] task:.* state:/,$d' "$work/console.log" >&2
	die "the guest ended without a verdict on: $*"
fi
exit "$verdict"
