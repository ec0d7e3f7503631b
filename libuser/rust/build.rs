// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Tells the linker where libipcx is: in the directory `IPCX_LIB_DIR`, or where pkg-config says.

use std::env;
use std::process::Command;

/// What `pkg-config --libs-only-L libipcx` prints; nothing if it does not know.
fn asked() -> String {
    let pkg_config = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    match Command::new(pkg_config)
        .args(["--libs-only-L", "libipcx"])
        .output()
    {
        Ok(said) if said.status.success() => String::from_utf8_lossy(&said.stdout).into_owned(),
        _ => String::new(),
    }
}

fn main() {
    for name in ["IPCX_LIB_DIR", "PKG_CONFIG", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-lib=ipcx");
    if let Ok(dir) = env::var("IPCX_LIB_DIR") {
        println!("cargo:rustc-link-search=native={dir}");
        return;
    }
    // without either the linker looks where it always does
    for word in asked().split_whitespace() {
        if let Some(dir) = word.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={dir}");
        }
    }
}
