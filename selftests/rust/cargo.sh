#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# cargo.sh COMMAND...: cargo with Debian's compiler, for the crates of this tree and the library
# that was built here; without a network. What it makes is in build/rust.
top=$(realpath "$(dirname "$0")/../..")
export PATH="/usr/bin:$PATH" CARGO_HOME="$top/build/rust/home" CARGO_TARGET_DIR="$top/build/rust" \
	CARGO_NET_OFFLINE=true CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0 \
	IPCX_LIB_DIR="$top/build/lib" LD_LIBRARY_PATH="$top/build/lib"
unset RUSTFLAGS RUSTDOCFLAGS
exec cargo "$@"
