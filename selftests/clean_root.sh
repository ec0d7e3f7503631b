#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The Debian packages in a root in which there is little else: installed, the module built by dkms,
# README's programs in C, C++ and Python built there and run by a guest's kernel with that module,
# purged, and what is left over. Minutes, so only by name: make check T=clean_root.sh. Needs root,
# and scripts/setup.sh --packages. The root before is made once, and kept in the cache. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
top=$(realpath "$(dirname "$0")/..")
[ "$(id -u)" -eq 0 ] || { echo "1..0 # SKIP needs root"; exit 4; }
# mounts are seen by this script and those that it starts, the emulator among them
[ "${IPCX_CLEAN_ROOT:-}" ] || IPCX_CLEAN_ROOT=1 exec unshare --mount -- "$0"
kernel=$("$top/scripts/kernel.sh" stock) || exit
release=$(cat "$kernel/version")
cache=$(dirname "$kernel")/root-$release
dir=$(mktemp -d)
root=$dir/root
trap 'umount -l "$root"; rm -rf "$dir"' EXIT
unset MAKEFLAGS MAKELEVEL
export DEB_BUILD_OPTIONS=noautodbgsym
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"
# shellcheck source=selftests/packages_util.sh
. "$top/selftests/packages_util.sh"

# in_root ROOT COMMAND...: the only processes there
in_root() {
	# shellcheck disable=SC2016 # for that shell
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		unshare --mount --pid --fork --kill-child \
		sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$@"
}
# sources: what apt has here of Debian 12
sources() {
	# shellcheck disable=SC2016 # apt expands it
	apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' \
		'Component: main' | awk '$2 ~ /^bookworm(-security)?$/ && !seen[$0]++ { print "deb", $0, "main" }'
}
# base: Debian 12, what the packages depend on, a compiler, and the headers of the guest's kernel
base() {
	local new=$cache.new
	local -a want=(dkms g++ pkg-config python3 udev systemd libnl-genl-3-200 libnats3.4 libjs-sphinxdoc
		"linux-headers-$release")
	if [ ! -d "$cache" ]; then
		rm -rf "$new"
		debootstrap --variant=minbase bookworm "$new" \
			"$(sources | awk '$3 == "bookworm" { print $2; exit }')" &&
			sources >"$new/etc/apt/sources.list" && cp /etc/resolv.conf "$new/etc/" || return
	elif in_root "$cache" dpkg -s "${want[@]}" >"$dir/there" 2>&1; then
		return 0
	else
		rm -rf "$new"
		mv "$cache" "$new" || return
	fi
	in_root "$new" apt-get update &&
		in_root "$new" apt-get -y --no-install-recommends install "${want[@]}" &&
		in_root "$new" depmod "$release" && in_root "$new" apt-get clean && mv "$new" "$cache"
}
# the root as it is, and a layer for what changes
overlaid() {
	mkdir -p "$dir/layer/up" "$dir/layer/work" "$root" &&
		mount -t overlay -o "lowerdir=$cache,upperdir=$dir/layer/up,workdir=$dir/layer/work" root "$root"
}
# state: each path with its kind, mode and owner; and what is in files that the packages have to do with,
# but for what etc/group and the like were before their last change
state() {
	(cd "$root" && find . -xdev -printf '%p %y %m %U %G %l\n' &&
		find etc lib/modules usr/local -type f ! -name '*-' -exec cksum {} +) | sort
}
installed() {
	cp "$dir"/*.deb "$root/root/" && in_root "$root" sh -c 'dpkg -i /root/*.deb' && rm "$root"/root/*.deb
}
programs() {
	readme c >"$root/root/hello.c" && readme cpp >"$root/root/hello.cc" &&
		readme python >"$root/root/hello.py" || return
	# shellcheck disable=SC2016 # for that shell
	in_root "$root" sh -ec 'cd /root
		cc -Wall -Werror hello.c -o hello-c $(pkg-config --cflags --libs libipcx)
		c++ -Wall -Werror hello.cc -o hello-cc $(pkg-config --cflags --libs libipcx)'
}
# runs: in a guest whose root this becomes
runs() {
	cat >"$dir/guest" <<-'END'
		set -e
		mount -t proc proc "$1/proc"
		mount --rbind /sys "$1/sys"
		mount --rbind /dev "$1/dev"
		exec chroot "$1" sh -ec 'modprobe ipcx
			grep "^ipcx " /proc/modules
			/root/hello-c
			/root/hello-cc
			python3 /root/hello.py
			ipcx recv jobs -n 3 --timeout 20s --json
			ipcx rm jobs
			modprobe -r ipcx'
	END
	loud "$top/scripts/vm.sh" --module none -- sh "$dir/guest" "$root" &&
		[ "$(grep -c '"data":"hello' "$dir/log")" -eq 3 ]
}
purged() {
	rm "$root"/root/hello*
	in_root "$root" apt-get -y -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= purge \
		ipcx-bridge ipcx-dkms ipcx-doc ipcx-tools libipcx-dev libipcx0 python3-ipcx
}
# group: stays, since files may be its; without it all else must be as before
group() { grep -q '^ipcx:' "$root/etc/group" && sed -i '/^ipcx:/d' "$root"/etc/{group,gshadow}; }
same() { diff "$dir/before" "$dir/after" | sed 's/^/# /' && cmp -s "$dir/before" "$dir/after"; }

check "a root with nothing of ipcx" loud base
check "the packages" loud eval '(unpacked && build)'
check "a layer over it" loud overlaid
state >"$dir/before"
check "they are installed" loud installed
check "dkms has built the module" [ -f "$root/lib/modules/$release/updates/dkms/ipcx.ko" ]
check "README's programs, in C, C++ and Python" loud programs
check "they run with that module" runs
check "purged" loud purged
check "the group stays" group
state >"$dir/after"
check "nothing is left" same
echo "1..$n"
exit $bad
