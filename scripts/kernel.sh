#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel.sh: keep kernels for building and testing in a cache, installing none of them.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"	# depmod and modprobe, for ordinary users

usage() {
	cat <<-'END'
	usage: scripts/kernel.sh NAME

	Makes sure that NAME is in the cache and prints its directory.

	  stock      the kernel of Debian 12 itself (6.1)
	  backports  the newest one of bookworm-backports (6.12)
	  debug      6.1 built here with everything that finds bugs (KASAN, lockdep,
	             kmemleak, fault injection...), see selftests/vm/debug.config;
	             10 to 20 minutes of CPU time, 2 with a warm compiler cache
	  kcsan      likewise, with the detector of data races, selftests/vm/kcsan.config
	  source     parts of the 6.1 sources: the kselftest harness, checkpatch.pl,
	             kernel-doc, the coccinelle scripts, and the tarball they came from
	  nats       usr/sbin/nats-server, which tests of the bridge start themselves; as a
	             package it would be a service of this machine

	The cache is $IPCX_CACHE, or else ~/.cache/ipcx. A kernel's directory there has

	  vmlinux      the image to boot (PVH: not compressed); bzImage where it was built here
	  version      what uname -r says on it
	  build/       what modules are compiled against: make -C DIR/build M=...
	  initrd.cpio  busybox and the modules a guest needs to reach its files;
	               scripts/vm.sh adds selftests/vm/init to it
	  config       the kernel's configuration; fragments where it was built here

	No root is needed and nothing outside of the cache changes. What is in the cache
	stays as it is: delete a directory to get that kernel anew, in its newest version. What
	was built here is built anew when its fragments have changed.
	END
}

say() { echo "kernel: $*" >&2; }
die() { say "$*"; exit 1; }

# debian_sources SUITE-REGEX: apt source lines for the suites, from the machine's own mirrors
debian_sources() {
	# shellcheck disable=SC2016 # apt expands these, not the shell
	apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE)' \
		'Created-By: Packages' 'Component: main' | awk -v want="^($1)\$" '
		function add(uri, suite) {
			if (suite ~ want && !seen[uri, suite]++)
				print "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", uri, suite, "main"
		}
		$2 ~ /^bookworm(-security)?$/ { add($1, $2) }
		# on the same mirror as the release, whether the machine uses it or not
		$2 == "bookworm" { add($1, "bookworm-backports") }'
}

# apt_state DIR SUITE-REGEX: sets the array apt to options for a private apt state in DIR, so
# that the machine's lists are neither needed nor touched. With the empty status file,
# installed packages are no candidates: only the suites asked for are.
apt_state() {
	local a=$1
	mkdir -p "$a"/{lists,archives}/partial "$a"/parts
	: >"$a/status"
	debian_sources "$2" >"$a/sources.list"
	[ -s "$a/sources.list" ] || die "apt's sources on this machine have no Debian 12 (bookworm) mirror"
	apt=(-q -o "Dir::Etc::SourceList=$a/sources.list" -o "Dir::Etc::SourceParts=$a/parts"
		-o "Dir::State::Lists=$a/lists" -o "Dir::State::status=$a/status"
		-o "Dir::Cache::Archives=$a/archives"
		-o "Dir::Cache::pkgcache=$a/pkgcache.bin" -o "Dir::Cache::srcpkgcache="
		-o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Update::Error-Mode=any
		-o APT::Sandbox::User=root)	# the cache may be in a home that _apt cannot enter
	apt_run "$a" apt-get "${apt[@]}" update
}

# apt_run DIR COMMAND...: apt's chatter matters only when something went wrong
apt_run() {
	local log=$1/log
	shift
	"$@" >"$log" 2>&1 && return
	cat "$log" >&2
	die "$1 failed; what it said is above"
}

depends() { apt-cache "${apt[@]}" show --no-all-versions "$1" | sed -n 's/^\(Pre-\)\?Depends://p'; }

# unpack_vmlinux BZIMAGE: the ELF image in it, found by the boot header's own fields
unpack_vmlinux() {
	local sects off len
	field() { od -An -v "-t$2" -j "$1" -N "${2#u}" "$3" | tr -d ' '; }
	sects=$(field $((0x1f1)) u1 "$1")	# size of the real-mode part
	off=$(field $((0x248)) u4 "$1")		# payload, counted from the end of that part
	len=$(field $((0x24c)) u4 "$1")		# with 4 bytes of size after the compressed data
	off=$((off + (sects + 1) * 512))
	case $(od -An -v -tx1 -j "$off" -N 4 "$1" | tr -d ' ') in
	fd377a58) set -- "$1" xz ;;
	28b52ffd) set -- "$1" zstd ;;
	*) die "$1: compressed with something other than xz or zstd" ;;
	esac
	dd if="$1" bs=64K iflag=skip_bytes,count_bytes skip="$off" count=$((len - 4)) status=none | "$2" -dcq
}

# make_initrd DIR [MODULE...]: DIR/initrd.cpio from busybox and those of DIR/root's modules
make_initrd() {
	local dir=$1 rel tree=$1/initrd file name
	shift
	rel=$(<"$dir/version")
	mkdir -p "$tree"/{bin,modules,proc,sys,dev}
	cp /bin/busybox "$tree/bin/"
	: >"$tree/modules/order"
	[ $# -eq 0 ] || depmod -b "$dir/root" "$rel"
	for name; do
		modprobe -d "$dir/root" -S "$rel" --show-depends "$name"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
		name=$(basename "$file" .xz)	# busybox's insmod takes them uncompressed only
		case $file in
		*.xz) xz -dc "$file" >"$tree/modules/$name" ;;
		*) cp "$file" "$tree/modules/$name" ;;
		esac
		echo "$name" >>"$tree/modules/order"
	done
	(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$dir/initrd.cpio"
	rm -r "$tree"
}

# debian_kernel NEW DIR SUITE-REGEX: make NEW, which will be renamed to DIR
debian_kernel() {
	local new=$1 dir=$2 apt img rel hdr common kbuild deb
	say "$name: reading package lists"
	apt_state "$new/apt" "$3"
	img=$(depends linux-image-amd64 | grep -o 'linux-image-[0-9][^ ,]*' | head -n 1) ||
		die "the mirror has no linux-image-amd64 for $3"
	rel=${img#linux-image-}
	hdr=linux-headers-$rel common=linux-headers-${rel%-amd64}-common
	kbuild=$(depends "$hdr" | grep -o 'linux-kbuild-[^ ,]*' | head -n 1) ||
		die "the mirror has no $hdr"
	say "$name: fetching Linux $rel (about 100 MB)"
	(cd "$new/apt/archives" && apt_run "$new/apt" apt-get "${apt[@]}" download "$img" "$hdr" "$common" "$kbuild")
	say "$name: unpacking"
	mkdir -p "$new/root"
	for deb in "$new"/apt/archives/*.deb; do
		case $deb in
		*/linux-image-*)
			# 300 MB of drivers stay in the package: a guest needs a dozen of them
			dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$new/root" --wildcards './boot/*' \
				'*/modules.builtin*' '*/modules.order' \
				'*/kernel/fs/*' '*/kernel/net/9p/*' '*/kernel/drivers/virtio/*'
			;;
		*) dpkg-deb -x "$deb" "$new/root" ;;
		esac
	done
	# the packages know each other as /usr/src/...
	sed -i "s#\([= ]\)/usr/src/#\1$dir/root/usr/src/#" "$new/root/usr/src/$hdr/Makefile"
	# present since 6.12 for BTF alone; with it, every module build would run resolve_btfids
	rm -f "$new/root/usr/src/$hdr/vmlinux"
	ln -s "root/usr/src/$hdr" "$new/build"
	echo "$rel" >"$new/version"
	cp "$new/root/boot/config-$rel" "$new/config"
	unpack_vmlinux "$new/root/boot/vmlinuz-$rel" >"$new/vmlinux"
	make_initrd "$new" virtio_pci 9p 9pnet_virtio overlay
	rm -rf "$new/apt" "$new/root/boot" "$new/root/lib/modules"
}

# kernel_source NEW: parts of the 6.1 sources, and the tarball
kernel_source() {
	local new=$1 apt tar=usr/src/linux-source-6.1.tar.xz
	say "source: reading package lists"
	apt_state "$new/apt" 'bookworm|bookworm-security'
	say "source: fetching linux-source-6.1 (140 MB)"
	(cd "$new/apt/archives" && apt_run "$new/apt" apt-get "${apt[@]}" download linux-source-6.1)
	say "source: unpacking"
	dpkg-deb --fsys-tarfile "$new"/apt/archives/*.deb | tar -x -C "$new" --strip-components=3 "./$tar"
	local t=linux-source-6.1 s=linux-source-6.1/tools/testing/selftests
	xz -T0 -dc "$new/$(basename "$tar")" | tar -x -C "$new" --strip-components=1 \
		"$s"/{lib.mk,kselftest.h,kselftest_harness.h,kselftest_module.h,run_kselftest.sh,kselftest} \
		"$t"/scripts/{checkpatch.pl,spelling.txt,const_structs.checkpatch,kernel-doc,coccicheck,coccinelle} \
		"$t"/.clang-format "$t"/tools/include
	rm -r "$new/apt"
}

# nats_server NEW: the program, and nothing that starts it
nats_server() {
	local new=$1 apt
	say "nats: reading package lists"
	apt_state "$new/apt" 'bookworm|bookworm-security'
	(cd "$new/apt/archives" && apt_run "$new/apt" apt-get "${apt[@]}" download nats-server)
	dpkg-deb --fsys-tarfile "$new"/apt/archives/*.deb | tar -x -C "$new" ./usr/sbin/nats-server
	rm -r "$new/apt"
}

# built_kernel NEW NAME: make NEW from the sources and two fragments. The tree stays where it was
# built, since it knows its own place: a build that was interrupted goes on there.
built_kernel() {
	local new=$1 name=$2 tree=$cache/.tree.$2 src log=$cache/.tree.$2/log symbol
	src=$("$0" source) || die "no sources to build $name from"
	if [ ! -e "$tree/src/Makefile" ]; then
		say "$name: unpacking the sources"
		rm -rf "$tree"
		mkdir -p "$tree/new" "$tree/build"
		tar -xJf "$src/linux-source-6.1.tar.xz" -C "$tree/new" --strip-components=1
		mv "$tree/new" "$tree/src"
	fi
	export CCACHE_DIR=$cache/ccache KBUILD_BUILD_TIMESTAMP=1970-01-01 KBUILD_BUILD_USER=ipcx KBUILD_BUILD_HOST=guest
	local make=(make -s -C "$tree/src" "O=$tree/build" "CC=ccache gcc" "HOSTCC=ccache gcc")
	cat "$fragments"/{guest,"$name"}.config >"$new/fragments"
	"${make[@]}" KCONFIG_ALLCONFIG="$new/fragments" allnoconfig >"$log" 2>&1 ||
		{ cat "$log" >&2; die "$name: no configuration"; }
	while read -r symbol; do
		grep -qxF "$symbol" "$tree/build/.config" || die "$name: $symbol did not stick"
	done < <(grep -E '^CONFIG_' "$new/fragments")
	say "$name: building, see $log"
	"${make[@]}" -j"$(nproc)" bzImage modules >"$log" 2>&1 || { tail -n 40 "$log" >&2; die "$name: the build failed"; }
	cp "$tree/build/arch/x86/boot/bzImage" "$new/"
	cp "$tree/build/.config" "$new/config"
	cp "$tree/build/include/config/kernel.release" "$new/version"
	ln -s "$tree/build" "$new/build"
	make_initrd "$new"
}

[ $# -eq 1 ] || { usage >&2; exit 2; }
name=$1
case $name in
-h | --help) usage; exit ;;
stock | backports | debug | kcsan | source | nats) ;;
*) die "there is no kernel '$name'; scripts/kernel.sh --help lists them" ;;
esac

cache=${IPCX_CACHE:-$HOME/.cache/ipcx}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)
fragments=$(cd "$(dirname "$0")/../selftests/vm" && pwd -P)
dir=$cache/$name

# current: is it there, and if it was built here, with the configuration that is asked for?
current() {
	[ -e "$dir" ] || return
	case $name in
	debug | kcsan) cat "$fragments"/{guest,"$name"}.config | cmp -s - "$dir/fragments" ;;
	esac
}

if ! current; then
	exec 9>"$cache/.lock.$name"
	flock -n 9 || { say "$name: another process is fetching it, waiting"; flock 9; }
fi
if ! current; then
	for tool in apt-get dpkg-deb cpio xz zstd depmod modprobe /bin/busybox; do
		command -v "$tool" >/dev/null || die "$tool is missing; run scripts/setup.sh"
	done
	[ "$(dpkg --print-architecture)" = amd64 ] || die "kernels are fetched for amd64 only"
	# under a name nobody reads until it is complete, then renamed
	new=$cache/.new.$name
	rm -rf "$new"
	trap 'rm -rf "$new"' EXIT
	mkdir "$new"
	case $name in
	stock) debian_kernel "$new" "$dir" 'bookworm|bookworm-security' ;;
	backports) debian_kernel "$new" "$dir" bookworm-backports ;;
	debug | kcsan) built_kernel "$new" "$name" ;;
	source) kernel_source "$new" ;;
	nats) nats_server "$new" ;;
	esac
	rm -rf "$dir"
	mv -T "$new" "$dir"
	say "$name: ready"
fi
echo "$dir"
