#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# setup.sh: install the Debian packages ipcx is built and tested with.
# Kernels are not among them: scripts/kernel.sh keeps those in a cache of its own.
set -euo pipefail

usage() {
	cat <<-'END'
	usage: scripts/setup.sh [--peers | --packages]

	Installs, by apt-get, the Debian 12 packages needed to build and test ipcx.
	What is there already is left alone; when nothing is missing, it ends at once.
	Needs root for the installation itself and calls sudo for that if necessary.

	  --peers     also what "make bench-peers" measures ipcx beside, and plots with
	  --packages  also what makes Debian packages, for "make check T=packages.sh"
	END
}

more=
case ${1:-} in
'') ;;
--peers) more=" libzmq3-dev libnng-dev iceoryx libiceoryx-posh-dev libiceoryx-binding-c-dev gnuplot-nox" ;;
--packages) more=" debhelper debootstrap dh-dkms dh-python dkms dpkg-dev lintian" ;;
-h | --help) usage; exit ;;
*) usage >&2; exit 2 ;;
esac

# compile the module, the library, and the test programs
packages="gcc libc6-dev make pkg-config"
# what kbuild runs: module objects need libelf and libcrypto, a debug kernel also the parsers
packages+=" bc bison flex libelf-dev libssl-dev perl xz-utils zstd kmod"
# the guest: emulator, its first user space, the archive it boots from
packages+=" qemu-system-x86 busybox-static cpio python3"
# fetching kernels: package archives, and the lock that keeps two fetches apart
packages+=" ca-certificates dpkg tar util-linux"
# kselftest's install target copies with rsync; its runner wants perl (above)
packages+=" rsync"
# programs of 32 bits, on the same kernel
packages+=" gcc-multilib"
# the command asks the module by netlink; the header of that is made from a specification
packages+=" libnl-3-dev libnl-genl-3-dev python3-yaml"
# static checks: of C, of the headers as C++ sees them, of what is in the binaries, of texts
packages+=" sparse coccinelle clang-format g++ dwarves abigail-tools shellcheck mandoc codespell"
# the documentation as a site
packages+=" python3-sphinx"
# fuzzing what compiles in user space: libFuzzer is part of clang's run-time library
packages+=" clang-14 libclang-rt-14-dev"
# the crate of Rust
packages+=" cargo rustc rustfmt rust-clippy"
# going through all states of a model of the rings
packages+=" spin"
# debug kernels are built once and rebuilt from the compiler cache
packages+=" ccache"
# programs that use the installed library; pages are found by man
packages+=" cmake man-db"
# examples: loops, a container
packages+=" libuv1-dev libsystemd-dev libglib2.0-dev bubblewrap"
# make dist
packages+=" git"
# programs of POSIX message queues, for libipcx-mq.so
packages+=" stress-ng rt-tests"
# scripts for tracepoints
packages+=" bpftrace"
# queues and topics that go on to other machines, and the server for that
packages+=" libnats-dev"
# machines that are network namespaces
packages+=" iproute2"
# putting bugs in on purpose
packages+=" patch"
# looking at a misbehaving test
packages+=" strace"
packages+=$more

read -ra want <<<"$packages"

present=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${want[@]}" 2>/dev/null |
	awk '$1 == "installed" { printf "%s ", $2 }' || true)"
missing=()
for p in "${want[@]}"; do
	[[ $present == *" $p "* ]] || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
	echo "setup: all ${#want[@]} packages are installed"
	exit 0
fi

echo "setup: to be installed: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "setup: installing packages needs root and there is no sudo; run this as root" >&2
		exit 1
	fi
	echo "setup: apt-get needs root for this, so sudo may ask for your password"
	as_root=(sudo)
fi

log=$(mktemp "${TMPDIR:-/tmp}/ipcx-setup.XXXXXX")
trap 'rm -f "$log"' EXIT

# apt's chatter matters only when something went wrong
quietly() {
	local what=$1
	shift
	echo "setup: $what..."
	if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null; then
		cat "$log" >&2
		echo "setup: $what failed; what apt-get said is above" >&2
		exit 1
	fi
}

# 10 minutes for a lock held by unattended-upgrades or a colleague
apt=(apt-get -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
quietly "reading the package lists" "${apt[@]}" update
quietly "installing ${#missing[@]} packages" "${apt[@]}" install --no-install-recommends "${missing[@]}"
echo "setup: done"
