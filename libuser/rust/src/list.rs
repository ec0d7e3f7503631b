// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! What there is over shared memory.

use std::ffi::{CStr, OsStr, OsString};
use std::mem;
use std::os::raw::{c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use crate::error::{check, Result};
use crate::ffi;

/// What an object is
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    Queue,
    Topic,
    Region,
}

/// What [`list`] tells of an object
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Listed {
    /// Without "shm:"
    pub name: OsString,
    pub kind: Kind,
    pub mode: u32,
    /// [`EPHEMERAL`](crate::EPHEMERAL)
    pub flags: u32,
    pub uid: u32,
    pub depth: u32,
    /// Open ends that send or publish
    pub senders: u32,
    /// Open ends that receive or subscribe
    pub receivers: u32,
    pub msg_max: u64,
    /// Bytes of a region
    pub bytes_max: u64,
}

impl Listed {
    fn new(o: &ffi::ipcx_listed) -> Option<Listed> {
        // SAFETY: the library ends it by a zero
        let name = unsafe { CStr::from_ptr(o.name.as_ptr()) };
        let kind = match o.kind {
            ffi::IPCX_LISTED_QUEUE => Kind::Queue,
            ffi::IPCX_LISTED_TOPIC => Kind::Topic,
            ffi::IPCX_LISTED_REGION => Kind::Region,
            _ => return None,
        };
        Some(Listed {
            name: OsStr::from_bytes(name.to_bytes()).to_owned(),
            kind,
            mode: o.mode,
            flags: o.flags,
            uid: o.uid,
            depth: o.depth,
            senders: o.senders,
            receivers: o.receivers,
            msg_max: o.msg_max,
            bytes_max: o.bytes_max,
        })
    }
}

unsafe extern "C" fn each(o: *const ffi::ipcx_listed, list: *mut c_void) -> c_int {
    // SAFETY: all zero is a value of it
    let mut known: ffi::ipcx_listed = mem::zeroed();
    // one that knows less has less of it
    let size = (*o).sz.min(mem::size_of_val(&known));
    ptr::copy_nonoverlapping(o.cast::<u8>(), ptr::addr_of_mut!(known).cast(), size);
    (*list.cast::<Vec<Listed>>()).extend(Listed::new(&known));
    0
}

/// What this user has over the transport "shm"
pub fn list() -> Result<Vec<Listed>> {
    let mut all = Vec::<Listed>::new();
    // SAFETY: only each() uses the pointer, which is right for it, during the call
    check(unsafe { ffi::ipcx_list(Some(each), ptr::addr_of_mut!(all).cast()) })?;
    Ok(all)
}
