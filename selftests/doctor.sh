#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# ipcx doctor on systems where something is wrong. Takes the module out and puts it back, so only
# for a guest. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
tests=$(dirname "$(realpath "$0")")
ipcx=$tests/../build/bin/ipcx
[ -n "$IPCX_MODULE" ] || { echo "1..0 # SKIP no guest"; exit 4; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# shellcheck source=selftests/tap.sh
. "$tests/tap.sh"

user=0
# finds STATUS CHECK TEXT [NEXT]: doctor ends so and says that, with the next step if it is wrong
finds() {
	setpriv --reuid "$user" --clear-groups "$ipcx" doctor --json >"$dir/out"
	python3 - $? "$dir/out" "$@" <<-'END'
		import json, sys
		got, out, status, check, text, *next = sys.argv[1:]
		said = [json.loads(line) for line in open(out)]
		assert got == status, (got, said)
		for j in said:
		    if j["check"] == check and text in j["text"]:
		        assert j["ok"] == (not next) and (not next or next[0] in j["next"]), j
		        break
		else:
		    raise AssertionError(said)
	END
}
check "all is well" finds 0 signing 'not signed, and was taken; Secure Boot is not there, lockdown none'
check "no limit of memory" finds 0 cgroup 'no memory limit'
check "headers are needed for building only" finds 0 headers "no /lib/modules/$(uname -r)/build; only"
mkdir -p "/lib/modules/$(uname -r)/build"
check "headers" finds 0 headers "/lib/modules/$(uname -r)/build"

user=1000
head -c 3000000 /dev/zero >"$dir/file"
chmod 755 "$dir"
setpriv --reuid 1000 --clear-groups "$ipcx" create big --depth 4 --bytes-max 64M
setpriv --reuid 1000 --clear-groups "$ipcx" send big -f "$dir/file"
check "use of limits" finds 0 limits 'you have 1 of 1024 objects'
check "use of memory" finds 0 limits 'you have 2.9 MiB of'
echo 3100000 >/sys/module/ipcx/parameters/user_bytes_max
check "most of the bytes" finds 3 limits 'you have 2.9 MiB of 3.0 MiB' \
	'echo 6200000 | sudo tee /sys/module/ipcx/parameters/user_bytes_max'
echo 0 >/sys/module/ipcx/parameters/user_bytes_max
echo 1 >/sys/module/ipcx/parameters/user_queues_max
check "all of the objects" finds 3 limits '1 of 1 objects' 'echo 2 | sudo tee /sys/module/ipcx/parameters/user_queues_max'
check "so a queue of its own cannot be had" finds 3 queue '' 'ipcx rm'
chgrp daemon /dev/ipcx
chmod 660 /dev/ipcx
check "a group that one is not in" finds 3 device 'may not open /dev/ipcx: mode 0660, owner root, group daemon' \
	'sudo usermod -aG daemon '
chmod 600 /dev/ipcx
check "nobody else" finds 3 device 'mode 0600' 'sudo chmod 666 /dev/ipcx'
chmod 666 /dev/ipcx
user=0
"$ipcx" create mine
check "which does not stop root" finds 0 limits '1 of 1 objects, which does not stop CAP_SYS_RESOURCE'
echo 1024 >/sys/module/ipcx/parameters/user_queues_max
"$ipcx" rm big mine

mkdir /sys/fs/cgroup/outer
echo +memory >/sys/fs/cgroup/outer/cgroup.subtree_control
mkdir /sys/fs/cgroup/outer/inner
echo 64M >/sys/fs/cgroup/outer/memory.max
in_group() { (
	echo 0 >/sys/fs/cgroup/outer/inner/cgroup.procs
	finds "$@"
); }
check "a limit of the group above" in_group 0 cgroup 'of 64 MiB of memory are used in /sys/fs/cgroup/outer'
(
	echo 0 >/sys/fs/cgroup/outer/inner/cgroup.procs
	head -c 58M /dev/zero >/dev/shm/full
)
check "it is nearly full" in_group 3 cgroup 'of 64 MiB' "echo 134217728 | sudo tee '/sys/fs/cgroup/outer/memory.max'"
rm /dev/shm/full
rmmod ipcx
check "not loaded, headers are there" finds 3 module 'not loaded' \
	"make -C '$(realpath "$tests/..")' build KDIR=/lib/modules/$(uname -r)/build && sudo insmod '"
tree=$ipcx
# as make install puts it, below another root
cp "$tree" "$dir/ipcx"
ipcx=$dir/ipcx
check "nobody knows where the sources are" finds 3 module 'not loaded' \
	"in the sources of ipcx: make build KDIR=/lib/modules/$(uname -r)/build && sudo insmod build/ipcx.ko"
# as the packages do
cp "$tree" /usr/bin/ipcx
ipcx=/usr/bin/ipcx
mkdir -p /usr/share/doc/ipcx-tools
check "a package has put it here" finds 3 module 'not loaded' 'sudo apt-get install ./ipcx-dkms_*.deb'
mkdir -p /usr/src/ipcx-0.0.1
: >/usr/src/ipcx-0.0.1/dkms.conf
check "dkms has the sources" finds 3 module 'not loaded' "sudo dkms install ipcx/0.0.1 -k $(uname -r) && sudo modprobe"
rmdir "/lib/modules/$(uname -r)/build"
check "and no headers" finds 3 module "no /lib/modules/$(uname -r)/build" 'then sudo modprobe ipcx'
mkdir -p "/lib/modules/$(uname -r)/build"
check "no signature is needed" finds 3 signing 'need no signature'
mount -t tmpfs lockdown /sys/kernel/security
echo 'none [integrity] confidentiality' >/sys/kernel/security/lockdown
check "locked down, and dkms signs" finds 3 signing 'lockdown integrity' 'sudo mokutil --import /var/lib/dkms/mok.pub'
rm -r /usr/src/ipcx-0.0.1
echo extra/ipcx.ko: >>"/lib/modules/$(uname -r)/modules.dep"
# shellcheck disable=SC2016 # doctor says it so
check "one that is installed" finds 3 signing 'lockdown integrity' 'mok.der "$(modinfo -n ipcx)"'
check "which can be loaded" finds 3 module 'not loaded' 'sudo modprobe ipcx'
: >"/lib/modules/$(uname -r)/modules.dep"
check "locked down" finds 3 signing 'signed modules only: Secure Boot is not there, lockdown integrity' \
	"sudo /lib/modules/$(uname -r)/build/scripts/sign-file sha256 mok.key mok.der build/ipcx.ko"
echo '[none] integrity confidentiality' >/sys/kernel/security/lockdown
check "or not" finds 3 signing 'lockdown none'
echo Y >"$dir/enforce"
mount --bind "$dir/enforce" /sys/module/module/parameters/sig_enforce
check "told to take signed ones only" finds 3 signing 'module.sig_enforce is set' mokutil
umount /sys/module/module/parameters/sig_enforce
umount /sys/kernel/security
check "as text" sh -c "'$ipcx' doctor | grep -q '^wrong *module'"
insmod "$IPCX_MODULE"
check "all is well again" finds 0 message 'came out the same'
echo "1..$n"
exit $bad
