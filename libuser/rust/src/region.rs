// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Regions.

use std::ffi::OsStr;
use std::io;
use std::marker::PhantomData;
use std::mem;
use std::os::raw::{c_int, c_void};
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr::{self, NonNull};

use crate::error::{check, name, Error, Result, EINVAL};
use crate::{ffi, shared};

const PROT_READ: c_int = 1;
const PROT_WRITE: c_int = 2;

extern "C" {
    fn munmap(addr: *mut c_void, len: usize) -> c_int;
}

/// Attributes of a region, as `struct ipcx_region_opts` explains them; 0 is the default
#[derive(Debug, Clone, Default)]
pub struct RegionOpts {
    pub require: u64,
    pub size: u64,
    pub mode: u32,
}

/// What a mapping is for
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
}

/// An open region
///
/// Its functions are those of C with `ipcx_region_` before their names, and fail with the errno
/// that the man page of each explains. All threads may use it at once. It is closed when dropped,
/// and leaves its mappings.
#[derive(Debug)]
pub struct Region {
    r: NonNull<ffi::ipcx_region>,
}

// SAFETY: as of Queue
unsafe impl Send for Region {}
unsafe impl Sync for Region {}

impl Region {
    /// Opens it: [`READ`](crate::READ) or [`WRITE`](crate::WRITE) or both,
    /// [`CREATE`](crate::CREATE) and so on.
    pub fn open(uri: impl AsRef<OsStr>, flags: u32) -> Result<Region> {
        Region::open_with(uri, flags, &RegionOpts::default())
    }

    pub fn open_with(uri: impl AsRef<OsStr>, flags: u32, opts: &RegionOpts) -> Result<Region> {
        let uri = name(uri.as_ref())?;
        let opts = ffi::ipcx_region_opts {
            sz: mem::size_of::<ffi::ipcx_region_opts>(),
            require: opts.require,
            size: opts.size,
            mode: opts.mode,
            __padding: 0,
        };
        let mut r = ptr::null_mut();
        // SAFETY: string and struct are there during the call
        check(unsafe { ffi::ipcx_region_open(&mut r, uri.as_ptr(), flags, &opts) })?;
        Ok(Region {
            r: NonNull::new(r).expect("a region that was opened"),
        })
    }

    /// Takes the name of a region away.
    pub fn unlink(uri: impl AsRef<OsStr>) -> Result<()> {
        let uri = name(uri.as_ref())?;
        // SAFETY: the string is there during the call
        check(unsafe { ffi::ipcx_region_unlink(uri.as_ptr()) }).map(drop)
    }

    /// The handle of C, for functions that have no form here. It stays the region's.
    pub fn as_ptr(&self) -> *mut ffi::ipcx_region {
        self.r.as_ptr()
    }

    /// `CAP_...`: what is enforced
    pub fn caps(&self) -> u64 {
        // SAFETY: the handle is open
        unsafe { ffi::ipcx_region_caps(self.as_ptr()) }
    }

    /// How many bytes it has at this moment
    pub fn size(&self) -> Result<u64> {
        // SAFETY: the handle is open
        check(unsafe { ffi::ipcx_region_size(self.as_ptr()) })
    }

    /// Makes it larger or smaller.
    pub fn resize(&self, size: usize) -> Result<()> {
        // SAFETY: the handle is open; whose mapping is cut off is killed when he looks there, and
        // sees nothing wrong
        check(unsafe { ffi::ipcx_region_resize(self.as_ptr(), size) }).map(drop)
    }

    /// Forbids what these `SEAL_...` say, to all and for ever.
    pub fn seal(&self, seals: u32) -> Result<()> {
        // SAFETY: the handle is open
        check(unsafe { ffi::ipcx_region_seal(self.as_ptr(), seals) }).map(drop)
    }

    /// Maps all of it, as large as it is now.
    pub fn map(&self, access: Access) -> Result<Mapping> {
        self.map_part(0, self.size()? as usize, access)
    }

    /// Maps `len` bytes from `offset` on, which is a multiple of the page size.
    pub fn map_part(&self, offset: usize, len: usize, access: Access) -> Result<Mapping> {
        let prot = match access {
            Access::Read => PROT_READ,
            Access::ReadWrite => PROT_READ | PROT_WRITE,
        };
        if len == 0 {
            return Err(Error::new(EINVAL, "a part without a byte cannot be mapped"));
        }
        // SAFETY: the handle is open; it maps where nothing is
        let at = unsafe { ffi::ipcx_region_map(self.as_ptr(), offset, len, prot) };
        match NonNull::new(at) {
            Some(at) => Ok(Mapping {
                at: at.cast(),
                len,
                access,
                one_thread: PhantomData,
            }),
            None => Err(Error::last(
                io::Error::last_os_error().raw_os_error().unwrap_or(EINVAL),
            )),
        }
    }
}

/// A part of a region in the memory of this process; unmapped when dropped
///
/// Others read and write there at the same time, so there is no `&[u8]` of it: that would be
/// undefined behaviour. [`read`](Mapping::read) and [`write`](Mapping::write) copy, each byte
/// once; what others write meanwhile is old or new, byte by byte. Who has to agree with others on
/// more uses [`as_ptr`](Mapping::as_ptr) and atomics:
///
/// ```no_run
/// use std::sync::atomic::{AtomicU64, Ordering};
/// # fn main() -> ipcx::Result<()> {
/// let region = ipcx::Region::open("counters", ipcx::READ | ipcx::WRITE)?;
/// let map = region.map(ipcx::Access::ReadWrite)?;
/// assert!(map.len() >= 8);
/// // SAFETY: there are 8 bytes, at the beginning of a page, writable, as long as map is there;
/// // all who use the region use these 8 as one atomic.
/// let counter = unsafe { &*map.as_ptr().cast::<AtomicU64>() };
/// counter.fetch_add(1, Ordering::Relaxed);
/// # Ok(())
/// # }
/// ```
///
/// If somebody makes the region smaller, who touches what was cut off is killed by SIGBUS;
/// [`SEAL_SHRINK`](crate::SEAL_SHRINK) prevents that. Its copies are not atomic to other threads
/// of this process: a mapping is for one thread at a time, and each may have its own. It can go to
/// another thread, but not be shared with it:
///
/// ```
/// # fn right(map: ipcx::Mapping) {
/// std::thread::scope(|s| s.spawn(move || map.write(0, b"x")).join());
/// # }
/// ```
///
/// ```compile_fail,E0277
/// # fn wrong(map: ipcx::Mapping) {
/// std::thread::scope(|s| s.spawn(|| map.write(0, b"x")).join());
/// # }
/// ```
#[derive(Debug)]
pub struct Mapping {
    at: NonNull<u8>,
    len: usize,
    access: Access,
    one_thread: PhantomData<*mut u8>,
}

// SAFETY: any thread may unmap it. It is not Sync: two threads would race in read() and write().
unsafe impl Send for Mapping {}

impl Mapping {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: what has no byte is not mapped.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Where it lies: valid until this is dropped, writable if it was mapped so
    pub fn as_ptr(&self) -> *mut u8 {
        self.at.as_ptr()
    }

    fn part(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(
            offset <= self.len && len <= self.len - offset,
            "{len} bytes at {offset} of a mapping of {}",
            self.len
        );
        // SAFETY: it is inside
        unsafe { self.as_ptr().add(offset) }
    }

    /// Copies the part that begins at `offset` and is as long as `to`.
    ///
    /// # Panics
    /// If that is not all inside of the mapping.
    pub fn read(&self, offset: usize, to: &mut [u8]) {
        let from = self.part(offset, to.len());
        // SAFETY: it is mapped, and no other thread has this mapping
        unsafe { shared::read(from, to) }
    }

    /// Copies `from` to `offset`.
    ///
    /// # Panics
    /// If that is not all inside of the mapping, or it is mapped for reading only.
    pub fn write(&self, offset: usize, from: &[u8]) {
        let to = self.part(offset, from.len());
        assert_eq!(self.access, Access::ReadWrite, "it is mapped for reading");
        // SAFETY: it is mapped writable, and no other thread has this mapping
        unsafe { shared::write(to, from) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nobody else knows of it
        unsafe { munmap(self.at.as_ptr().cast(), self.len) };
    }
}

impl AsRawFd for Region {
    fn as_raw_fd(&self) -> RawFd {
        // SAFETY: the handle is open
        unsafe { ffi::ipcx_region_fd(self.as_ptr()) }
    }
}

impl AsFd for Region {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is open as long as the region
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: nobody has it; its mappings do not need it
        unsafe { ffi::ipcx_region_close(self.as_ptr()) }
    }
}
