#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The last commit as Debian packages, and their module built by dkms for both kernels. Two minutes,
# so only by name: make check T=packages.sh. Needs scripts/setup.sh --packages. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
top=$(realpath "$(dirname "$0")/..")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset MAKEFLAGS MAKELEVEL
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"
# shellcheck source=selftests/packages_util.sh
. "$top/selftests/packages_util.sh"

names() {
	(cd "$dir" && ls ./*.deb) | sed -n 's,^\./\([a-z0-9-]*\)_.*,\1,p' | grep -v dbgsym | tr '\n' ' '
}
remarks() {
	local user=()
	[ "$(id -u)" -ne 0 ] || user=(--allow-root)
	lintian "${user[@]}" --fail-on error,warning,info --display-info "$dir"/*.changes
}
# extracted: their files as after an installation
extracted() {
	local deb
	mkdir "$dir/root" "$dir/tree" && for deb in "$dir"/*.deb; do
		dpkg-deb -x "$deb" "$dir/root" || return 1
	done
}
dkms_build() {
	local kernel
	kernel=$("$top/scripts/kernel.sh" "$1") && dkms build "ipcx/$version" -k "$(cat "$kernel/version")" \
		--kernelsourcedir "$kernel/build" --sourcetree "$dir/root/usr/src" --dkmstree "$dir/tree" \
		--no-depmod -q && modinfo "$(find "$dir/tree/ipcx/$version/$(cat "$kernel/version")" -name ipcx.ko)"
}
# refuses_old: what is older than Linux 6.1, whatever headers it has
refuses_old() {
	local kernel
	kernel=$("$top/scripts/kernel.sh" stock) && ! dkms build "ipcx/$version" -k "$1" \
		--kernelsourcedir "$kernel/build" --sourcetree "$dir/root/usr/src" --dkmstree "$dir/tree" \
		--no-depmod >"$dir/log" 2>&1 && grep -q BUILD_EXCLUSIVE "$dir/log"
}

check "make dist" loud unpacked
check "dpkg-buildpackage without a network" loud build
check "the packages" [ "$(names)" = "ipcx-bridge ipcx-dkms ipcx-doc ipcx-tools libipcx-dev libipcx0 python3-ipcx " ]
check "lintian has no remark" loud remarks
check "they extract" loud extracted
check "the command runs" loud "$dir/root/usr/bin/ipcx" help
check "Python imports its package" loud env PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" \
	LD_LIBRARY_PATH="$dir/root/usr/lib/x86_64-linux-gnu" /usr/bin/python3 -Bc 'import ipcx'
for kernel in stock backports; do
	check "dkms builds for $kernel" loud dkms_build $kernel
done
check "not for Linux 6.0" refuses_old 6.0.0-1-amd64
check "not for Linux 5.10" refuses_old 5.10.0-1-amd64
echo "1..$n"
exit $bad
