// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Slots on loan, and messages.

use std::borrow::Cow;
use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::ops::{Deref, DerefMut};
use std::os::raw::c_int;
use std::ptr::{self, NonNull};
use std::slice;

use crate::deadline::Deadline;
use crate::error::{check, Error, Kept, Result};
use crate::{ffi, shared, Queue};

/// How a loan and a message of each kind of object end, by functions of C.
///
/// # Safety
/// Nobody uses the payload of `m` afterwards, unless the function fails.
pub trait Ends {
    unsafe fn commit(&self, m: &mut ffi::ipcx_msg) -> c_int;
    unsafe fn cancel(&self, m: &mut ffi::ipcx_msg) -> c_int;
    unsafe fn release(&self, m: &mut ffi::ipcx_msg) -> c_int;
    unsafe fn next(&self, m: &mut ffi::ipcx_msg, deadline: i64) -> c_int;
    fn capable(&self) -> u64;
}

/// What has messages: a [`Queue`] or a [`Topic`](crate::Topic)
pub trait Channel: Ends {}

/// What is known of a message beside its payload
#[derive(Clone)]
#[repr(transparent)]
pub struct Head(pub(crate) ffi::ipcx_msg);

// SAFETY: nothing here looks where its pointer points to.
unsafe impl Send for Head {}
unsafe impl Sync for Head {}

impl Head {
    pub(crate) fn empty() -> Head {
        Head(ffi::ipcx_msg {
            data: ptr::null_mut(),
            len: 0,
            prio: 0,
            flags: 0,
            deliveries: 0,
            pid: 0,
            uid: 0,
            gid: 0,
            seq: 0,
            tag: 0,
            expires: 0,
            r#priv: [0; 4],
        })
    }

    /// Has it a payload that is gone? After some failures of C, see `reply()` there.
    pub(crate) fn gone(&self) -> bool {
        self.0.len > 0 && self.0.data.is_null()
    }

    /// Where the payload lies; what has no byte lies nowhere.
    fn data(&self) -> NonNull<u8> {
        NonNull::new(self.0.data.cast()).unwrap_or_else(NonNull::dangling)
    }

    /// Bytes of the payload
    pub fn len(&self) -> usize {
        self.0.len
    }

    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The application's word
    pub fn tag(&self) -> u64 {
        self.0.tag
    }

    /// Its number in its queue; of an answer, that of the request
    pub fn seq(&self) -> u64 {
        self.0.seq
    }

    /// 0..31, higher is taken first
    pub fn prio(&self) -> u32 {
        self.0.prio
    }

    /// [`REQUEST`](crate::REQUEST), [`POISON`](crate::POISON), [`EXPIRED`](crate::EXPIRED),
    /// [`CANCELED`](crate::CANCELED), [`OWNERDEAD`](crate::OWNERDEAD)
    pub fn flags(&self) -> u32 {
        self.0.flags
    }

    /// How often it was taken before and came back
    pub fn deliveries(&self) -> u32 {
        self.0.deliveries
    }

    /// Its sender's process; 0: gone or not visible from here, -1: the transport verifies none
    pub fn pid(&self) -> i32 {
        self.0.pid
    }

    /// Its sender's user, if [`pid`](Head::pid) is not -1
    pub fn uid(&self) -> u32 {
        self.0.uid
    }

    /// Its sender's group, if [`pid`](Head::pid) is not -1
    pub fn gid(&self) -> u32 {
        self.0.gid
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("len", &self.len())
            .field("tag", &self.tag())
            .field("seq", &self.seq())
            .field("prio", &self.prio())
            .field("flags", &self.flags())
            .field("deliveries", &self.deliveries())
            .field("pid", &self.pid())
            .finish()
    }
}

/// An empty slot to write a message into
///
/// It is the bytes of the slot, as a `[u8]`. Before it is written it has zeros where the transport
/// copies, else what was in the slot. One that is dropped is cancelled.
///
/// Over the kernel the owner of the queue and root may revoke this end of it (`ipcx revoke`). Loans
/// that it has then are all one page of zeros, which is not what a `&mut [u8]` promises: who may
/// revoke is trusted as is one with a debugger. The next call says `ESTALE`.
#[must_use = "a loan that is dropped is cancelled"]
#[derive(Debug)]
pub struct Loan<'a, C: Channel = Queue> {
    pub(crate) of: &'a C,
    pub(crate) head: Head,
}

impl<'a, C: Channel> Loan<'a, C> {
    /// `maps`: where those that have these capabilities get it from is mapped. Else it is memory of
    /// the heap, which C leaves as it is: this must not be read before it is written, nor sent.
    pub(crate) fn new(of: &'a C, head: Head, maps: u64) -> Loan<'a, C> {
        if of.capable() & maps != maps {
            // SAFETY: so many bytes are there to be written
            unsafe { head.data().as_ptr().write_bytes(0, head.len()) };
        }
        Loan { of, head }
    }

    /// Makes the message shorter; longer than it is it stays.
    pub fn truncate(&mut self, len: usize) {
        self.head.0.len = self.head.0.len.min(len);
    }

    /// The application's word, carried unchanged
    pub fn set_tag(&mut self, tag: u64) {
        self.head.0.tag = tag;
    }

    /// Sends it.
    pub fn commit(self) -> std::result::Result<(), Kept<Self>> {
        self.end().map(drop)
    }

    /// Gives the slot back, as dropping does, and tells what failed.
    pub fn cancel(self) -> Result<()> {
        let mut me = ManuallyDrop::new(self);
        // SAFETY: this is the only one who has it, and has it no more
        check(unsafe { me.of.cancel(&mut me.head.0) }).map(drop)
    }

    /// Return: its number, if it is a request
    pub(crate) fn end(mut self) -> std::result::Result<u64, Kept<Self>> {
        // SAFETY: it is used no more unless that fails
        match check(unsafe { self.of.commit(&mut self.head.0) }) {
            Ok(_) => Ok(ManuallyDrop::new(self).head.0.seq),
            Err(error) => Err(self.keep(error)),
        }
    }

    fn keep(self, error: Error) -> Kept<Self> {
        Kept {
            error,
            held: Some(self).filter(|l| !l.head.gone()),
        }
    }
}

impl<C: Channel> Deref for Loan<'_, C> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: these bytes are mapped until the loan ends, which this cannot outlive. Whom the
        // library gives a slot on loan is the only one who writes there, unless it is revoked.
        unsafe { slice::from_raw_parts(self.head.data().as_ptr(), self.head.len()) }
    }
}

impl<C: Channel> DerefMut for Loan<'_, C> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; nobody reads it before it is committed.
        unsafe { slice::from_raw_parts_mut(self.head.data().as_ptr(), self.head.len()) }
    }
}

impl<C: Channel> Drop for Loan<'_, C> {
    fn drop(&mut self) {
        // SAFETY: as cancel()
        unsafe { self.of.cancel(&mut self.head.0) };
    }
}

/// A message, read where it lies
///
/// It is its [`Head`]. How its payload is read depends on who could still write there:
///
/// - Nobody can where there is [`CAP_SEALED`](crate::CAP_SEALED), in queues made with
///   [`SEALED`](crate::SEALED) and over transports that copy: [`bytes`](Message::bytes).
/// - Else its sender can, by mistake or by intent. A `&[u8]` of that would be undefined
///   behaviour, so [`bytes`](Message::bytes) is None: copy what you need, and check the copy.
/// - [`contents`](Message::contents) does what is right of both.
/// - Who trusts all senders not to write takes [`bytes_unchecked`](Message::bytes_unchecked).
///
/// One that is dropped is released: for its sender that is an acknowledgement, also where `?` or a
/// panic was what dropped it. Who wants it to be delivered again calls [`nack`](Message::nack). A
/// request is answered so, with [`CANCELED`](crate::CANCELED); over transports that copy that can
/// take a second, if who asked does not read its answers.
#[must_use = "a message that is dropped is released"]
#[derive(Debug)]
pub struct Message<'a, C: Channel = Queue> {
    pub(crate) of: &'a C,
    pub(crate) head: Head,
}

impl<'a, C: Channel> Message<'a, C> {
    /// The payload where it lies, if nobody can change it; but see [`Loan`] for who may revoke, by
    /// whom it becomes zeros
    pub fn bytes(&self) -> Option<&[u8]> {
        let sealed = self.of.capable() & ffi::IPCX_CAP_SEALED != 0;
        // SAFETY: nobody can change it, which is what that capability says
        sealed.then(|| unsafe { self.bytes_unchecked() })
    }

    /// The payload where it lies
    ///
    /// # Safety
    /// While the reference is used nobody writes to the payload. Its sender could, where there is
    /// no [`CAP_SEALED`](crate::CAP_SEALED): all processes that may send there are trusted not to
    /// touch a message after the commit. And though all of them obey, the payload of a message that
    /// is held changes
    ///
    /// - in a topic with `lag_max`: when its publisher has cut this subscriber off, and goes on;
    /// - in a topic whose publisher has ended, or died: when its ring makes place for another's;
    /// - over shm: when others have taken this process for dead, because it stood still;
    ///   it learns that by `ENOTCONN`;
    /// - over the kernel: when somebody revokes this end, see [`Loan`].
    ///
    /// None of these must come about, or the reference must not be used any more by then.
    pub unsafe fn bytes_unchecked(&self) -> &[u8] {
        slice::from_raw_parts(self.as_ptr(), self.len())
    }

    /// Where the payload lies; for reading, with the care that [`Message`] tells of. Valid until
    /// the message ends.
    pub fn as_ptr(&self) -> *const u8 {
        self.head.data().as_ptr()
    }

    /// The payload where it lies if nobody can change it, else a copy
    pub fn contents(&self) -> Cow<'_, [u8]> {
        match self.bytes() {
            Some(bytes) => Cow::Borrowed(bytes),
            None => Cow::Owned(self.to_vec()),
        }
    }

    /// A copy of all of it
    pub fn to_vec(&self) -> Vec<u8> {
        let mut copy = vec![0; self.len()];
        self.copy_to(0, &mut copy);
        copy
    }

    /// Copies the part that begins at `offset` and is as long as `to`.
    ///
    /// # Panics
    /// If that is not all inside of the payload.
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) {
        assert!(
            offset <= self.len() && to.len() <= self.len() - offset,
            "{} bytes at {offset} of a message of {}",
            to.len(),
            self.len()
        );
        // SAFETY: that much is mapped, for reading only
        unsafe { shared::read(self.as_ptr().add(offset), to) }
    }

    /// A copy of `N` bytes that begin at `offset`, for `u64::from_ne_bytes()` and the like; None
    /// if the message is too short
    pub fn array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let mut copy = [0; N];
        self.len().checked_sub(offset)?.checked_sub(N)?;
        self.copy_to(offset, &mut copy);
        Some(copy)
    }

    /// Is done with it. Held no more whether it fails or not; `ESTALE`, it had been given to
    /// another receiver, is what dropping does not tell.
    pub fn release(self) -> Result<()> {
        let mut me = ManuallyDrop::new(self);
        // SAFETY: this is the only one who has it, and has it no more
        check(unsafe { me.of.release(&mut me.head.0) }).map(drop)
    }

    /// Releases it and takes the next, in one system call. When there is none until the deadline
    /// it is released all the same.
    pub fn next(self, deadline: impl Into<Deadline>) -> Result<Message<'a, C>> {
        let ns = deadline.into().ns(); // which may panic, and then it is released
        let mut m = ManuallyDrop::new(self);
        let of = m.of;
        // SAFETY: as above; what it holds then is the next
        check(unsafe { of.next(&mut m.head.0, ns) })?;
        Ok(ManuallyDrop::into_inner(m))
    }

    /// What is still held after a failure
    pub(crate) fn keep(self, error: Error) -> Kept<Self> {
        Kept {
            error,
            held: Some(self).filter(|m| !m.head.gone()),
        }
    }
}

impl<C: Channel> Deref for Message<'_, C> {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl<C: Channel> Drop for Message<'_, C> {
    fn drop(&mut self) {
        // SAFETY: as release()
        unsafe { self.of.release(&mut self.head.0) };
    }
}

/// Forgets those that C has ended, the first of them.
pub(crate) fn forget_first<T>(held: &mut Vec<T>, n: usize) {
    held.drain(..n).for_each(mem::forget);
}
