// SPDX-License-Identifier: GPL-2.0-only
//! The program finds the library that it was linked with.

fn main() {
    println!("cargo:rerun-if-env-changed=IPCX_LIB_DIR");
    let dir = std::env::var("IPCX_LIB_DIR").expect("IPCX_LIB_DIR, where libipcx.so is");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{dir}");
}
