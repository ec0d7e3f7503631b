# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154 # top and dir are of who sources this
#
# packages_util.sh: the last commit as Debian packages in $dir, for packages.sh and clean_root.sh.

version=$(sed -n 's/^VERSION := //p' "$top/libuser/Makefile")
# loud COMMAND...: what it says, if it fails
loud() { "$@" >"$dir/log" 2>&1 || { sed 's/^/# /' "$dir/log" | tail -n 40; return 1; }; }
unpacked() {
	make -s -C "$top" dist O="$dir" && mkdir "$dir/ipcx" &&
		tar -C "$dir/ipcx" --strip-components 1 -xzf "$dir/ipcx-$version.tar.gz"
}
# build: where no network is
build() {
	cd "$dir/ipcx" && unshare --net --map-current-user -- dpkg-buildpackage -us -uc -b
}
