#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What "make install" puts into two empty roots is enough to build and run programs, and is all
# that "make uninstall" takes away. TAP on stdout.
# shellcheck disable=SC2317 # the functions are called through check
top=$(realpath "$(dirname "$0")/..")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_RUNTIME_DIR="$dir" IPCX_QUIET=1
unset IPCX_TRANSPORT PKG_CONFIG_PATH MAKEFLAGS MAKELEVEL
# shellcheck source=selftests/tap.sh
. "$top/selftests/tap.sh"

# make_to TARGET...: make, to or from $root
make_to() {
	# shellcheck disable=SC2086 # one word a variable
	make -s -C "$top" "$@" DESTDIR="$root" $where
}
same() { diff "$dir/want" "$dir/got" | sed 's/^/# /' && cmp -s "$dir/want" "$dir/got"; }
pkg() { PKG_CONFIG_LIBDIR="$root$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root" pkg-config "$@" libipcx; }

# what is exported is what the map names: a name that nothing defines is no error of the linker
exports() {
	sed -n 's/^\t\t\(ipcx_[a-z_]*\);$/\1/p' "$top/libuser/libipcx.map" | sort >"$dir/want"
	nm -D --defined-only "$root$libdir/libipcx.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' |
		sort >"$dir/got"
	[ -s "$dir/want" ] && same
}
links() {
	[ "$(readlink "$root$libdir/libipcx.so")" = libipcx.so.0 ] && [ -f "$root$libdir/libipcx.so" ] &&
		[ "$(readelf -d "$root$libdir/libipcx.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')" = libipcx.so.0 ]
}
# pkg_build COMPILER FILE PROGRAM
pkg_build() {
	# shellcheck disable=SC2046 # one word an option
	"$1" -Wall -Werror "$dir/$2" -o "$dir/$3" $(pkg --cflags --libs) &&
		readelf -d "$dir/$3" | grep -q 'NEEDED.*\[libipcx.so.0\]'
}
static_build() {
	# shellcheck disable=SC2046 # one word an option
	gcc -Wall -Werror $(pkg --cflags) "$dir/hello.c" "$root$libdir/libipcx.a" $(pkg --static --libs-only-other) \
		-o "$dir/by-static" && ! readelf -d "$dir/by-static" | grep -q 'NEEDED.*libipcx'
}
# cmake_find VERSION: a project that wants this one
cmake_find() {
	rm -rf "$dir/cmake"
	mkdir "$dir/cmake"
	cat >"$dir/cmake/CMakeLists.txt" <<-END
		cmake_minimum_required(VERSION 3.18)
		project(hello C)
		find_package(ipcx $1 REQUIRED)
		add_executable(by-cmake ../hello.c)
		target_link_libraries(by-cmake ipcx::ipcx)
	END
	cmake -S "$dir/cmake" -B "$dir/cmake" -DCMAKE_PREFIX_PATH="$root$prefix" >"$dir/cmake.log" 2>&1
}
cmake_build() {
	cmake_find 0.1 && make -s -C "$dir/cmake" >>"$dir/cmake.log" 2>&1 && cp "$dir/cmake/by-cmake" "$dir" &&
		readelf -d "$dir/by-cmake" | grep -q 'NEEDED.*\[libipcx.so.0\]'
}
cmake_refuses() { ! cmake_find "$1" && tr -s ' \n' ' ' <"$dir/cmake.log" | grep -q "compatible with requested version \"$1\""; }

# runs COMMAND...: what it sends the installed command receives
runs() {
	timeout 20 "$root$prefix/bin/ipcx" recv jobs -c -n 1 --timeout 15s >"$dir/out" &
	if ! LD_LIBRARY_PATH="$root$libdir" timeout 20 "$@"; then
		kill "$!"
		return 1
	fi
	wait "$!" && [ "$(tr -d '\0' <"$dir/out")" = hello ]
}
# compiles EXTENSION COMMAND...: each header alone
compiles() {
	(cd "$root$prefix/include" && find . -name "*.$1" | sort) >"$dir/got"
	(cd "$top/include" && ls ./*."$1" && cd uapi && find ./linux -name "*.$1") | sort >"$dir/want"
	shift
	same || return 1
	while read -r header; do
		echo "#include <$header>" | "$@" -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
			-isystem "$root$prefix/include" - || return 1
	done <"$dir/got"
}
# every page is found by its name, and has text
pages() {
	(cd "$top/Documentation/man" && ls) >"$dir/pages"
	while read -r page; do
		file=$(man -M "$root$prefix/share/man" -w "${page##*.}" "${page%.*}") && [ -s "$file" ] || return 1
	done <"$dir/pages"
	man -M "$root$prefix/share/man" -P cat 3 ipcx_queue_commit_n | grep -q 'ERRORS'
}
completes() {
	PATH="$root$prefix/bin:$PATH" bash -c '. "$0" && complete -p ipcx >/dev/null &&
		COMP_WORDS=(ipcx sen) COMP_CWORD=1 && _ipcx && [ "${COMPREPLY[*]}" = send ]' \
		"$root$prefix/share/bash-completion/completions/ipcx"
}
# Python has the package and finds the library
imports() {
	PYTHONPATH="$root$prefix/lib/python3/dist-packages" LD_LIBRARY_PATH="$root$libdir" timeout 20 python3 -Bc \
		'import ipcx; q = ipcx.Queue.open("shm:py", ipcx.CREATE | ipcx.EPHEMERAL | ipcx.SEND); q.send(b"x")
import sys; sys.exit(not ipcx.__file__.startswith(sys.argv[1]))' "$root"
}
# the rule gives the device to a group that there will be, and to nobody else
device() {
	rule=$(grep -h '^KERNEL==' "$root$udevdir"/*.rules) && group=$(expr "$rule" : '.*GROUP="\([a-z]*\)"') &&
		grep -qx "g $group -" "$root$prefix/lib/sysusers.d/ipcx.conf" &&
		case $rule in *'MODE="0660"'*) ;; *) false ;; esac
}
loaded_at_boot() { grep -qx ipcx "$root/usr/local/lib/modules-load.d/ipcx.conf"; }
# gone: what others have is all there is, and no directory of ours without a file
gone() {
	(cd "$root" && find . ! -type d) >"$dir/got"
	same && ! find "$root" -depth -type d -empty -name '*ipcx*' | grep .
}

# what make takes for two paths: $dir/my is not its own
takes_one() {
	mkdir -p "$dir/my" "$dir/my tree/libuser" && cp "$top/Makefile" "$dir/my tree" &&
		cp -r "$top/scripts" "$dir/my tree" && cp "$top/libuser/Makefile" "$dir/my tree/libuser" || return 1
	! make -s -C "$dir/my tree" clean 2>"$dir/log" && [ -d "$dir/my" ] && grep -q 'with a blank' "$dir/log"
}
refuses_dkms() {
	! make_to uninstall-dkms 2>"$dir/log" && grep -q 'dkms remove' "$dir/log" &&
		[ -f "$root/usr/src/ipcx-$version/dkms.conf" ]
}
refuses() { ! make_to "$@" 2>"$dir/log" && grep -q 'choose another' "$dir/log"; }
relative() {
	(cd "$dir" && make -s -C "$top" install-dkms DESTDIR="$(realpath -m --relative-to="$top" "$root")") &&
		[ -f "$root/usr/src/ipcx-$version/dkms.conf" ]
}

version=$(sed -n 's/^VERSION := //p' "$top/libuser/Makefile")
readme c >"$dir/hello.c"
readme cpp >"$dir/hello.cc"
readme python >"$dir/hello.py"
for layout in default multiarch; do
	root=$dir/$layout prefix=/usr/local libdir=/usr/local/lib udevdir=/usr/local/lib/udev/rules.d where=''
	if [ $layout = multiarch ]; then
		prefix=/usr libdir=/usr/lib/x86_64-linux-gnu udevdir=/lib/udev/rules.d
		where="PREFIX=/usr LIBDIR=$libdir UDEVDIR=$udevdir"
	fi
	mkdir -p "$root$prefix/share/doc/ipcx"
	: >"$root$prefix/share/doc/ipcx/other"
	(cd "$root" && find . ! -type d) >"$dir/want.left"
	check "$layout: install" make_to install
	check "$layout: links of the shared library" links
	check "$layout: it exports what its map names" exports
	check "$layout: pkg-config has the version" [ "$(pkg --modversion)" = "$version" ]
	check "$layout: README's program in C, by pkg-config" pkg_build gcc hello.c by-pkg
	check "$layout: it runs" runs "$dir/by-pkg"
	check "$layout: that in C++" pkg_build g++ hello.cc in-cpp
	check "$layout: it runs, too" runs "$dir/in-cpp"
	check "$layout: that in Python runs" runs env PYTHONPATH="$root$prefix/lib/python3/dist-packages" \
		python3 -B "$dir/hello.py"
	check "$layout: by cmake" cmake_build
	check "$layout: that runs" runs "$dir/by-cmake"
	check "$layout: with the static library" static_build
	check "$layout: and that" runs "$dir/by-static"
	check "$layout: cmake refuses a newer one" cmake_refuses 0.99
	check "$layout: cmake refuses another major version" cmake_refuses 1.0
	check "$layout: headers alone, in C" compiles h gcc -x c -std=c99
	check "$layout: headers alone, in C++" compiles h g++ -x c++ -std=c++11
	check "$layout: headers of C++ alone" compiles hpp g++ -x c++ -std=c++17
	check "$layout: man finds the pages" pages
	check "$layout: bash completes" completes
	check "$layout: Python imports it" imports
	check "$layout: who may open the device" device
	check "$layout: nothing loads a module that is not there" [ ! -e "$root$prefix/lib/modules-load.d" ]
	cp "$dir/want.left" "$dir/want"
	check "$layout: uninstall" make_to uninstall
	check "$layout: nothing is left, and others' files are" gone
done

where='' root=$dir/module
: >"$dir/want"
check "modules_install" make_to modules_install 2>"$dir/kbuild.log"
check "the module is where modprobe looks" test -f \
	"$root/lib/modules/$(cat "$("$top/scripts/kernel.sh" stock)/version")/extra/ipcx.ko"
check "which is loaded at boot" loaded_at_boot
root=$dir/dkms
check "install-dkms" make_to install-dkms
check "dkms.conf is there" test -f "$root/usr/src/ipcx-$version/dkms.conf"
check "it is loaded at boot, too" loaded_at_boot
mkdir -p "$root/var/lib/dkms/ipcx/$version"
check "uninstall-dkms waits for dkms" refuses_dkms
rm -r "${root:?}/var"
check "uninstall-dkms" make_to uninstall-dkms
check "nothing is left of it" gone
root=$dir/relative
check "a relative DESTDIR" relative
check "a tree with a blank in its path" takes_one
root=$dir/never
for path in "/opt/my tools" /a:b; do
	check "PREFIX=$path" refuses install-dkms PREFIX="$path"
done
check "nothing was made there" [ ! -e "$root" ]
root="$dir/a b"
check "DESTDIR with a blank" refuses install-dkms
echo "1..$n"
exit $bad
