// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Queues.

use std::ffi::{CString, OsStr};
use std::mem;
use std::os::raw::{c_int, c_uint};
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr::{self, NonNull};

use crate::deadline::Deadline;
use crate::error::{check, name, Error, Kept, Result, EINVAL, EPERM};
use crate::message::{forget_first, Ends, Head};
use crate::{ffi, Channel, Loan, Message};

/// Loans and messages that go by one call at most
const BATCH: usize = 64;

/// What a loan does when the queue is full
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// It waits until its deadline.
    #[default]
    Block,
    /// It fails with `EAGAIN`.
    Fail,
    /// It drops the oldest message of the lowest priority.
    DropOldest,
    /// The commit drops what would leave no room for a loan.
    DropNewest,
}

/// Attributes of a queue, as `struct ipcx_queue_opts` explains them; 0 is the default
#[derive(Debug, Clone, Default)]
pub struct QueueOpts<'a> {
    pub require: u64,
    pub depth: u32,
    pub mode: u32,
    pub msg_max: u64,
    pub bytes_max: u64,
    pub dead_letter: Option<&'a str>,
    pub max_deliveries: u32,
    pub lease_ms: u32,
    pub policy: Policy,
    pub leases_max: u32,
    pub prefetch: u32,
}

/// What cannot be had here: it says which thread uses a handle, which the compiler does not know.
pub(crate) fn check_flags(flags: c_uint) -> Result<()> {
    if flags & ffi::IPCX_SINGLE_THREAD == 0 {
        return Ok(());
    }
    Err(Error::new(
        EINVAL,
        "IPCX_SINGLE_THREAD is not for Rust: handles there may be shared by threads",
    ))
}

/// An open queue
///
/// Its functions are those of C with `ipcx_queue_` before their names, and fail with the errno
/// that the man page of each explains. All threads may use it at once. It is closed when dropped,
/// and cannot be while loans and messages of it are there.
#[derive(Debug)]
pub struct Queue {
    q: NonNull<ffi::ipcx_queue>,
}

// SAFETY: all functions may be called from any thread, unless it was opened with
// IPCX_SINGLE_THREAD, which check_flags() refuses; Drop is the only one that closes it.
unsafe impl Send for Queue {}
unsafe impl Sync for Queue {}

impl Queue {
    /// Opens it: [`SEND`](crate::SEND) or [`RECV`](crate::RECV) or both,
    /// [`CREATE`](crate::CREATE) and so on.
    pub fn open(uri: impl AsRef<OsStr>, flags: u32) -> Result<Queue> {
        Queue::open_with(uri, flags, &QueueOpts::default())
    }

    pub fn open_with(uri: impl AsRef<OsStr>, flags: u32, opts: &QueueOpts<'_>) -> Result<Queue> {
        let uri = name(uri.as_ref())?;
        let dead_letter: Option<CString> =
            opts.dead_letter.map(|n| name(OsStr::new(n))).transpose()?;
        let opts = ffi::ipcx_queue_opts {
            sz: mem::size_of::<ffi::ipcx_queue_opts>(),
            require: opts.require,
            depth: opts.depth,
            mode: opts.mode,
            msg_max: opts.msg_max,
            bytes_max: opts.bytes_max,
            dead_letter: dead_letter.as_ref().map_or(ptr::null(), |n| n.as_ptr()),
            max_deliveries: opts.max_deliveries,
            lease_ms: opts.lease_ms,
            policy: opts.policy as c_uint,
            leases_max: opts.leases_max,
            prefetch: opts.prefetch,
            __padding: 0,
        };
        let mut q = ptr::null_mut();
        check_flags(flags)?;
        // SAFETY: strings and struct are there during the call
        check(unsafe { ffi::ipcx_queue_open(&mut q, uri.as_ptr(), flags, &opts) })?;
        Ok(Queue {
            q: NonNull::new(q).expect("a queue that was opened"),
        })
    }

    /// Takes a queue's name away.
    pub fn unlink(uri: impl AsRef<OsStr>) -> Result<()> {
        let uri = name(uri.as_ref())?;
        // SAFETY: the string is there during the call
        check(unsafe { ffi::ipcx_queue_unlink(uri.as_ptr()) }).map(drop)
    }

    /// Takes its name away, and ends it for all who have it open.
    pub fn remove(uri: impl AsRef<OsStr>) -> Result<()> {
        let uri = name(uri.as_ref())?;
        // SAFETY: the string is there during the call
        check(unsafe { ffi::ipcx_queue_remove(uri.as_ptr()) }).map(drop)
    }

    /// The handle of C, for functions that have no form here. It stays the queue's.
    pub fn as_ptr(&self) -> *mut ffi::ipcx_queue {
        self.q.as_ptr()
    }

    /// `CAP_...`: what is enforced
    pub fn caps(&self) -> u64 {
        // SAFETY: the handle is open
        unsafe { ffi::ipcx_queue_caps(self.as_ptr()) }
    }

    /// What the queue is
    pub fn attr(&self) -> Result<ffi::ipcx_queue_attr> {
        let mut a = ffi::ipcx_queue_attr {
            sz: mem::size_of::<ffi::ipcx_queue_attr>(),
            ..Default::default()
        };
        // SAFETY: it fills as much as sz says
        check(unsafe { ffi::ipcx_queue_attr(self.as_ptr(), &mut a) })?;
        Ok(a)
    }

    /// What is in it, and what became of its messages
    pub fn stat(&self) -> Result<ffi::ipcx_queue_stats> {
        let mut s = ffi::ipcx_queue_stats {
            sz: mem::size_of::<ffi::ipcx_queue_stats>(),
            ..Default::default()
        };
        // SAFETY: it fills as much as sz says
        check(unsafe { ffi::ipcx_queue_stat(self.as_ptr(), &mut s) })?;
        Ok(s)
    }

    /// An empty slot of `len` bytes
    pub fn loan(&self, len: usize, deadline: impl Into<Deadline>) -> Result<Loan<'_>> {
        let mut head = Head::empty();
        let ns = deadline.into().ns();
        // SAFETY: the handle is open, the struct is filled
        check(unsafe { ffi::ipcx_queue_loan(self.as_ptr(), len, &mut head.0, ns) })?;
        Ok(Loan::new(self, head, ffi::IPCX_CAP_ZERO_COPY))
    }

    /// The next message
    pub fn take(&self, deadline: impl Into<Deadline>) -> Result<Message<'_>> {
        let mut head = Head::empty();
        let ns = deadline.into().ns();
        // SAFETY: the handle is open, the struct is filled
        check(unsafe { ffi::ipcx_queue_take(self.as_ptr(), &mut head.0, ns) })?;
        Ok(Message { of: self, head })
    }

    /// The head of the next message, which stays where it is
    pub fn peek(&self) -> Result<Head> {
        let mut head = Head::empty();
        // SAFETY: the handle is open, the struct is filled
        check(unsafe { ffi::ipcx_queue_peek(self.as_ptr(), &mut head.0) })?;
        Ok(head)
    }

    /// Sends a copy, which for up to 64 bytes is cheaper than a loan.
    pub fn send(&self, from: &[u8], deadline: impl Into<Deadline>) -> Result<()> {
        let (data, ns) = (from.as_ptr().cast(), deadline.into().ns());
        // SAFETY: the bytes are there during the call, and are only read
        check(unsafe { ffi::ipcx_queue_send(self.as_ptr(), data, from.len(), ns) }).map(drop)
    }

    /// Receives a copy. Return: the length of the message.
    pub fn recv(&self, to: &mut [u8], deadline: impl Into<Deadline>) -> Result<usize> {
        let (data, ns) = (to.as_mut_ptr().cast(), deadline.into().ns());
        // SAFETY: at most so many bytes are written
        let r = unsafe { ffi::ipcx_queue_recv(self.as_ptr(), data, to.len(), ns) };
        check(r as i64).map(|len| len as usize)
    }

    /// Up to `n` slots of `len` bytes, 1..64; the first is waited for.
    pub fn loan_n(
        &self,
        len: usize,
        n: usize,
        deadline: impl Into<Deadline>,
    ) -> Result<Vec<Loan<'_>>> {
        let ns = deadline.into().ns();
        // SAFETY: the handle is open, so many structs are there to be filled
        let heads = batch(n, |m, n| unsafe {
            ffi::ipcx_queue_loan_n(self.as_ptr(), len, m, n, ns)
        })?;
        let loan = |head| Loan::new(self, head, ffi::IPCX_CAP_ZERO_COPY);
        Ok(heads.map(loan).collect())
    }

    /// Up to `n` messages, 1..64; the first is waited for.
    pub fn take_n(&self, n: usize, deadline: impl Into<Deadline>) -> Result<Vec<Message<'_>>> {
        let ns = deadline.into().ns();
        // SAFETY: the handle is open, so many structs are there to be filled
        let heads = batch(n, |m, n| unsafe {
            ffi::ipcx_queue_take_n(self.as_ptr(), m, n, ns)
        })?;
        Ok(heads.map(|head| Message { of: self, head }).collect())
    }

    /// Sends those in front, 64 at most. Return: how many of them, which are taken out; none if
    /// there is none.
    pub fn commit_n(&self, loans: &mut Vec<Loan<'_>>) -> Result<usize> {
        let mut m: Vec<_> = loans.iter().take(BATCH).map(|l| l.head.0).collect();
        let n = m.len() as c_uint;
        if n == 0 {
            return Ok(0);
        }
        // SAFETY: those that are sent are used no more
        let sent = check(unsafe { ffi::ipcx_queue_commit_n(self.as_ptr(), m.as_mut_ptr(), n) })?;
        forget_first(loans, sent as usize);
        Ok(sent as usize)
    }

    /// Releases those in front, 64 at most. Return: how many of them, which are taken out; none
    /// if there is none. If it fails the first one has ended all the same, and is taken out, but
    /// for one of another queue.
    pub fn release_n(&self, messages: &mut Vec<Message<'_>>) -> Result<usize> {
        let mut m: Vec<_> = messages.iter().take(BATCH).map(|m| m.head.0).collect();
        let n = m.len() as c_uint;
        if n == 0 {
            return Ok(0);
        }
        if !ptr::eq(messages[0].of, self) {
            return Err(Error::new(EPERM, "the first message is of another queue"));
        }
        // SAFETY: those that are released are used no more
        let r = check(unsafe { ffi::ipcx_queue_release_n(self.as_ptr(), m.as_mut_ptr(), n) });
        forget_first(messages, r.as_ref().map_or(1, |n| *n as usize));
        r.map(|n| n as usize)
    }
}

/// What a function of C fills: at most `n` structs, of which [`Head`] is one
fn batch(
    n: usize,
    fill: impl FnOnce(*mut ffi::ipcx_msg, c_uint) -> c_int,
) -> Result<impl Iterator<Item = Head>> {
    if n > BATCH {
        let words = format!("{n} at a time: there are 1..{BATCH}");
        return Err(Error::new(EINVAL, &words));
    }
    let mut m = vec![Head::empty(); n];
    let got = check(fill(m.as_mut_ptr().cast(), n as c_uint))?;
    m.truncate(got as usize);
    Ok(m.into_iter())
}

impl Loan<'_> {
    /// 0..31, higher is taken first
    pub fn set_prio(&mut self, prio: u32) {
        self.head.0.prio = prio;
    }

    /// Until when it has to be taken; [`FOREVER`](crate::FOREVER), as after a loan: no limit
    pub fn set_expires(&mut self, when: impl Into<Deadline>) {
        self.head.0.expires = match when.into() {
            crate::FOREVER => 0,
            crate::NOWAIT => 1,
            when => when.ns(),
        };
    }

    /// Sends it as a request, which [`Queue::answer`] gets the answer to. Return: the `seq` that
    /// the answer has.
    pub fn commit_request(mut self) -> std::result::Result<u64, Kept<Self>> {
        self.head.0.flags = ffi::IPCX_REQUEST;
        self.end().map_err(|mut kept| {
            if let Some(loan) = &mut kept.held {
                loan.head.0.flags = 0;
            }
            kept
        })
    }
}

impl Message<'_> {
    /// Puts it back, to be delivered again. As [`release`](Message::release) else.
    pub fn nack(self) -> Result<()> {
        let mut me = mem::ManuallyDrop::new(self);
        // SAFETY: this is the only one who has it, and has it no more
        check(unsafe { ffi::ipcx_queue_nack(me.of.as_ptr(), &mut me.head.0) }).map(drop)
    }
}

// each is the function of C, of a handle that is open
impl Ends for Queue {
    unsafe fn commit(&self, m: &mut ffi::ipcx_msg) -> c_int {
        ffi::ipcx_queue_commit(self.as_ptr(), m)
    }

    unsafe fn cancel(&self, m: &mut ffi::ipcx_msg) -> c_int {
        ffi::ipcx_queue_cancel(self.as_ptr(), m)
    }

    unsafe fn release(&self, m: &mut ffi::ipcx_msg) -> c_int {
        ffi::ipcx_queue_release(self.as_ptr(), m)
    }

    unsafe fn next(&self, m: &mut ffi::ipcx_msg, deadline: i64) -> c_int {
        ffi::ipcx_queue_next(self.as_ptr(), m, deadline)
    }

    fn capable(&self) -> u64 {
        self.caps()
    }
}

impl Channel for Queue {}

/// To poll: readable when a take would succeed, see `ipcx_queue_fd()`
impl AsRawFd for Queue {
    fn as_raw_fd(&self) -> RawFd {
        // SAFETY: the handle is open
        unsafe { ffi::ipcx_queue_fd(self.as_ptr()) }
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is open as long as the queue
        unsafe { BorrowedFd::borrow_raw(self.as_raw_fd()) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: nobody has it, nor loans or messages of it, which borrow it
        unsafe { ffi::ipcx_queue_close(self.as_ptr()) }
    }
}
