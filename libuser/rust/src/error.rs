// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! What went wrong: an errno, and the library's words.

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::ffi;

pub(crate) const EPERM: i32 = 1;
pub(crate) const EBUSY: i32 = 16;
pub(crate) const EINVAL: i32 = 22;

/// What went wrong
///
/// It shows what `ipcx_error()` said: what, with which object, which limit, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    errno: i32,
    words: Box<str>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Of the library's last failure in this thread
    pub(crate) fn last(errno: i32) -> Error {
        // SAFETY: it is a string, until the next call of the library by this thread
        let words = unsafe { CStr::from_ptr(ffi::ipcx_error()) };
        Error::new(errno, &words.to_string_lossy())
    }

    pub(crate) fn new(errno: i32, words: &str) -> Error {
        Error {
            errno,
            words: words.into(),
        }
    }

    /// The errno, positive, as the man page of the function explains it
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// The same as the standard library calls it, if it has a name for it
    pub fn kind(&self) -> io::ErrorKind {
        io::Error::from_raw_os_error(self.errno).kind()
    }

    /// Was there nothing, or no room, until the deadline?
    pub fn timed_out(&self) -> bool {
        matches!(
            self.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Error {}

/// It has the words, so its `raw_os_error()` is None: the errno is that of the [`Error`] which
/// `get_ref()` gives, as a `dyn std::error::Error` to be downcast.
impl From<Error> for io::Error {
    fn from(e: Error) -> io::Error {
        io::Error::new(e.kind(), e)
    }
}

/// A failure that may have left something in hand, to be tried again
///
/// `?` makes an [`Error`] of it, and then what is held is let go: a loan is cancelled, a message
/// released.
pub struct Kept<T> {
    pub error: Error,
    /// None if it has ended all the same
    pub held: Option<T>,
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("error", &self.error)
            .field("held", &self.held.is_some())
            .finish()
    }
}

impl<T> fmt::Display for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> From<Kept<T>> for Error {
    fn from(k: Kept<T>) -> Error {
        k.error
    }
}

impl<T> From<Kept<T>> for io::Error {
    fn from(k: Kept<T>) -> io::Error {
        k.error.into()
    }
}

/// What a function of C returned: a number, or a negative errno
pub(crate) fn check<N: Into<i64>>(r: N) -> Result<u64> {
    let r = r.into();
    if r < 0 {
        Err(Error::last(-r as i32))
    } else {
        Ok(r as u64)
    }
}

/// A name as C has it
pub(crate) fn name(uri: &OsStr) -> Result<CString> {
    CString::new(uri.as_bytes()).map_err(|_| Error::new(EINVAL, "a name has no zero byte"))
}
