// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Topics.

use std::ffi::OsStr;
use std::mem;
use std::os::raw::c_int;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr::{self, NonNull};

use crate::deadline::Deadline;
use crate::error::{check, name, Result};
use crate::message::{Ends, Head};
use crate::queue::check_flags;
use crate::{ffi, Channel, Loan, Message};

/// Attributes of a topic, as `struct ipcx_topic_opts` explains them; 0 is the default
#[derive(Debug, Clone, Default)]
pub struct TopicOpts<'a> {
    pub require: u64,
    pub mode: u32,
    pub depth: u32,
    pub lag_max: u32,
    pub history: u32,
    pub msg_max: u64,
    pub bytes_max: u64,
    pub first: u64,
    pub durable: Option<&'a str>,
}

/// Membership of a topic: each message goes to everybody who subscribes
///
/// ```
/// use std::time::Duration;
///
/// # std::env::set_var("IPCX_QUIET", "1");
/// # let uri = &format!("shm:rust-doc-topic-{}", std::process::id());
/// # fn talk(uri: &str) -> ipcx::Result<()> {
/// let news = ipcx::Topic::open(uri, ipcx::CREATE | ipcx::EPHEMERAL | ipcx::PUBLISH)?;
/// let one = ipcx::Topic::open(uri, ipcx::SUBSCRIBE)?;
/// let another = ipcx::Topic::open(uri, ipcx::SUBSCRIBE | ipcx::LOSSY)?;
///
/// news.send(b"first", Duration::from_secs(1))?;
/// news.send(b"second", Duration::from_secs(1))?;
/// for subscriber in [&one, &another] {
///     let message = subscriber.take(Duration::from_secs(1))?;
///     assert_eq!(&*message.contents(), b"first");
///     let message = message.next(Duration::from_secs(1))?;
///     assert_eq!(&*message.contents(), b"second");
/// }
/// # Ok(())
/// # }
/// # talk(uri).unwrap();
/// ```
///
/// Its functions are those of C with `ipcx_topic_` before their names, and fail with the errno
/// that the man page of each explains. All threads may use it at once. It is closed when dropped,
/// and cannot be while loans and messages of it are there.
#[derive(Debug)]
pub struct Topic {
    t: NonNull<ffi::ipcx_topic>,
}

// SAFETY: as of Queue
unsafe impl Send for Topic {}
unsafe impl Sync for Topic {}

impl Topic {
    /// Opens it: [`PUBLISH`](crate::PUBLISH) or [`SUBSCRIBE`](crate::SUBSCRIBE) or both,
    /// [`CREATE`](crate::CREATE) and so on.
    pub fn open(uri: impl AsRef<OsStr>, flags: u32) -> Result<Topic> {
        Topic::open_with(uri, flags, &TopicOpts::default())
    }

    pub fn open_with(uri: impl AsRef<OsStr>, flags: u32, opts: &TopicOpts<'_>) -> Result<Topic> {
        let uri = name(uri.as_ref())?;
        let durable = opts.durable.map(|n| name(OsStr::new(n))).transpose()?;
        let opts = ffi::ipcx_topic_opts {
            sz: mem::size_of::<ffi::ipcx_topic_opts>(),
            require: opts.require,
            mode: opts.mode,
            depth: opts.depth,
            lag_max: opts.lag_max,
            history: opts.history,
            msg_max: opts.msg_max,
            bytes_max: opts.bytes_max,
            first: opts.first,
            durable: durable.as_ref().map_or(ptr::null(), |n| n.as_ptr()),
        };
        let mut t = ptr::null_mut();
        check_flags(flags)?;
        // SAFETY: strings and struct are there during the call
        check(unsafe { ffi::ipcx_topic_open(&mut t, uri.as_ptr(), flags, &opts) })?;
        Ok(Topic {
            t: NonNull::new(t).expect("a topic that was opened"),
        })
    }

    /// Takes a topic's name away.
    pub fn unlink(uri: impl AsRef<OsStr>) -> Result<()> {
        let uri = name(uri.as_ref())?;
        // SAFETY: the string is there during the call
        check(unsafe { ffi::ipcx_topic_unlink(uri.as_ptr()) }).map(drop)
    }

    /// The handle of C, for functions that have no form here. It stays the topic's.
    pub fn as_ptr(&self) -> *mut ffi::ipcx_topic {
        self.t.as_ptr()
    }

    /// `CAP_...`: what is enforced
    pub fn caps(&self) -> u64 {
        // SAFETY: the handle is open
        unsafe { ffi::ipcx_topic_caps(self.as_ptr()) }
    }

    /// What the topic is
    pub fn attr(&self) -> Result<ffi::ipcx_topic_attr> {
        let mut a = ffi::ipcx_topic_attr {
            sz: mem::size_of::<ffi::ipcx_topic_attr>(),
            ..Default::default()
        };
        // SAFETY: it fills as much as sz says
        check(unsafe { ffi::ipcx_topic_attr(self.as_ptr(), &mut a) })?;
        Ok(a)
    }

    /// The next place in the ring, of `len` bytes. Messages are seen in the order of their loans.
    pub fn loan(&self, len: usize, deadline: impl Into<Deadline>) -> Result<Loan<'_, Topic>> {
        let mut head = Head::empty();
        let ns = deadline.into().ns();
        // SAFETY: the handle is open, the struct is filled
        check(unsafe { ffi::ipcx_topic_loan(self.as_ptr(), len, &mut head.0, ns) })?;
        Ok(Loan::new(self, head, ffi::IPCX_CAP_ZERO_COPY))
    }

    /// The next message. `EPIPE` and `EPROTO` come once for a publisher, and do not end the
    /// others.
    pub fn take(&self, deadline: impl Into<Deadline>) -> Result<Message<'_, Topic>> {
        let mut head = Head::empty();
        let ns = deadline.into().ns();
        // SAFETY: the handle is open, the struct is filled
        check(unsafe { ffi::ipcx_topic_take(self.as_ptr(), &mut head.0, ns) })?;
        Ok(Message { of: self, head })
    }

    /// Publishes a copy.
    pub fn send(&self, from: &[u8], deadline: impl Into<Deadline>) -> Result<()> {
        let (data, ns) = (from.as_ptr().cast(), deadline.into().ns());
        // SAFETY: the bytes are there during the call, and are only read
        check(unsafe { ffi::ipcx_topic_send(self.as_ptr(), data, from.len(), ns) }).map(drop)
    }

    /// Receives a copy. Return: the length of the message.
    pub fn recv(&self, to: &mut [u8], deadline: impl Into<Deadline>) -> Result<usize> {
        let (data, ns) = (to.as_mut_ptr().cast(), deadline.into().ns());
        // SAFETY: at most so many bytes are written
        let r = unsafe { ffi::ipcx_topic_recv(self.as_ptr(), data, to.len(), ns) };
        check(r as i64).map(|len| len as usize)
    }

    /// How many messages this subscriber missed
    pub fn missed(&self) -> u64 {
        // SAFETY: the handle is open
        unsafe { ffi::ipcx_topic_missed(self.as_ptr()) }
    }

    /// Ends a durable subscription that nobody has open.
    pub fn forget(&self, durable: &str) -> Result<()> {
        let durable = name(OsStr::new(durable))?;
        // SAFETY: the handle is open, the string is there during the call
        check(unsafe { ffi::ipcx_topic_forget(self.as_ptr(), durable.as_ptr()) }).map(drop)
    }
}

// each is the function of C, of a handle that is open
impl Ends for Topic {
    unsafe fn commit(&self, m: &mut ffi::ipcx_msg) -> c_int {
        ffi::ipcx_topic_commit(self.as_ptr(), m)
    }

    unsafe fn cancel(&self, m: &mut ffi::ipcx_msg) -> c_int {
        ffi::ipcx_topic_cancel(self.as_ptr(), m)
    }

    unsafe fn release(&self, m: &mut ffi::ipcx_msg) -> c_int {
        ffi::ipcx_topic_release(self.as_ptr(), m)
    }

    unsafe fn next(&self, m: &mut ffi::ipcx_msg, deadline: i64) -> c_int {
        ffi::ipcx_topic_next(self.as_ptr(), m, deadline)
    }

    fn capable(&self) -> u64 {
        self.caps()
    }
}

impl Channel for Topic {}

/// To poll: see `ipcx_topic_fd()`
impl AsRawFd for Topic {
    fn as_raw_fd(&self) -> RawFd {
        // SAFETY: the handle is open
        unsafe { ffi::ipcx_topic_fd(self.as_ptr()) }
    }
}

impl AsFd for Topic {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is open as long as the topic
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: nobody has it, nor loans or messages of it, which borrow it
        unsafe { ffi::ipcx_topic_close(self.as_ptr()) }
    }
}
