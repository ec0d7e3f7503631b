// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Requests and their answers.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;

use crate::deadline::{Deadline, PAST};
use crate::error::{check, Error, Kept, Result, EBUSY, EPERM};
use crate::message::Head;
use crate::{ffi, Loan, Message, Queue};

type Failed<'a> = Kept<Pending<'a>>;

/// Of the kernel: its slots are for replies too. Over shm these are memory of the heap.
const REPLY_MAPPED: u64 = ffi::IPCX_CAP_ZERO_COPY | ffi::IPCX_CAP_IDENTITY;

impl Queue {
    /// Sends a request and waits for its answer.
    ///
    /// After `EINTR`, and after `EAGAIN` with [`NOWAIT`](crate::NOWAIT), the call goes on and is
    /// what is held. After any other failure nothing is: the request is taken back. `ENOMEM` can
    /// also mean that the answer is there, and the address space has no room for it: then
    /// [`answer`](Queue::answer) may still get it.
    pub fn call<'a>(
        &'a self,
        request: Loan<'a>,
        deadline: impl Into<Deadline>,
    ) -> std::result::Result<Message<'a>, Failed<'a>> {
        let request = ManuallyDrop::new(request);
        // a loan of another queue is of no use here, and C says so
        let me = Pending {
            of: request.of,
            head: request.head.clone(),
        };
        me.wait_in(self, deadline.into())
    }

    /// The next answer to what [`Loan::commit_request`] has sent. If nobody replied its
    /// [`flags`](Head::flags) say why. One that `ENOMEM` leaves no room for stays there.
    pub fn answer(&self, deadline: impl Into<Deadline>) -> Result<Message<'_>> {
        let mut head = Head::empty();
        let ns = deadline.into().ns();
        // SAFETY: the handle is open, the struct is filled
        check(unsafe { ffi::ipcx_queue_answer(self.as_ptr(), &mut head.0, ns) })?;
        Ok(Message { of: self, head })
    }
}

/// A call that goes on without anybody who waits for its answer
///
/// One that is dropped is given up; signals do not keep it from that.
#[must_use = "a call that is dropped is given up"]
#[derive(Debug)]
pub struct Pending<'a> {
    of: &'a Queue,
    head: Head,
}

impl<'a> Pending<'a> {
    /// Waits for the answer, as [`Queue::call`] does.
    pub fn wait(
        self,
        deadline: impl Into<Deadline>,
    ) -> std::result::Result<Message<'a>, Failed<'a>> {
        let of = self.of;
        self.wait_in(of, deadline.into())
    }

    fn wait_in(
        mut self,
        of: &'a Queue,
        deadline: Deadline,
    ) -> std::result::Result<Message<'a>, Failed<'a>> {
        match self.ask(of, deadline) {
            Ok(head) => {
                let _ended = ManuallyDrop::new(self);
                Ok(Message { of, head })
            }
            Err(error) => Err(Kept {
                held: goes_on(&error).then_some(self),
                error,
            }),
        }
    }

    fn ask(&mut self, of: &Queue, deadline: Deadline) -> Result<Head> {
        let (m, mut answer) = (&mut self.head.0, Head::empty());
        let ns = deadline.ns();
        // SAFETY: the handle is open; nobody uses the payload, which is sent or given back
        check(unsafe { ffi::ipcx_queue_call(of.as_ptr(), m, &mut answer.0, ns) })?;
        Ok(answer)
    }
}

fn goes_on(e: &Error) -> bool {
    e.errno() == EBUSY
        || matches!(
            e.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
        )
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let of = self.of;
        // SAFETY: if it was sent it is no loan, and this changes nothing
        if unsafe { ffi::ipcx_queue_cancel(of.as_ptr(), &mut self.head.0) } == 0 {
            return;
        }
        // a call whose time is over is given up, if no signal comes; its answer may have been faster
        let answer = loop {
            match self.ask(of, PAST) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => (),
                answer => break answer,
            }
        };
        if let Ok(head) = answer {
            drop(Message { of, head });
        }
    }
}

impl<'a> Message<'a> {
    /// A slot for the reply to this request. Does not wait.
    pub fn loan_reply(&self, len: usize) -> Result<Loan<'a>> {
        let mut head = Head::empty();
        // SAFETY: the handle is open, the struct is filled
        check(unsafe {
            ffi::ipcx_queue_loan_reply(self.of.as_ptr(), &self.head.0, len, &mut head.0)
        })?;
        Ok(Loan::new(self.of, head, REPLY_MAPPED))
    }

    /// Answers the request with a copy, and releases it. When that fails nothing was sent.
    pub fn reply(mut self, with: &[u8]) -> std::result::Result<(), Kept<Self>> {
        let mut copied = Copied::of(self.of, with);
        // SAFETY: with is only read; the request is used no more unless that fails
        let r = check(unsafe {
            ffi::ipcx_queue_reply(self.of.as_ptr(), &mut self.head.0, &mut copied.m)
        });
        match r {
            Ok(_) => {
                copied.sent();
                let _ended = ManuallyDrop::new(self);
                Ok(())
            }
            Err(error) => Err(self.keep(error)),
        }
    }

    /// The same with what [`loan_reply`](Message::loan_reply) got.
    pub fn reply_with(
        mut self,
        mut reply: Loan<'a>,
    ) -> std::result::Result<(), Kept<(Self, Loan<'a>)>> {
        let r = if std::ptr::eq(self.of, reply.of) {
            // SAFETY: both are used no more unless that fails
            check(unsafe {
                ffi::ipcx_queue_reply(self.of.as_ptr(), &mut self.head.0, &mut reply.head.0)
            })
        } else {
            Err(Error::new(
                EPERM,
                "the loan is of another queue than the request",
            ))
        };
        match r {
            Ok(_) => {
                let _ended = (ManuallyDrop::new(self), ManuallyDrop::new(reply));
                Ok(())
            }
            Err(error) => {
                let Kept { error, held } = self.keep(error);
                let both = held.filter(|_| !reply.head.gone()).map(|m| (m, reply));
                Err(Kept { error, held: both })
            }
        }
    }

    /// Answers the request with a copy and takes the next message, in one system call.
    ///
    /// After a failure the reply may have been sent and no message taken, or not have been sent:
    /// [`Replying::again`] knows.
    pub fn reply_next(
        self,
        with: &[u8],
        deadline: impl Into<Deadline>,
    ) -> std::result::Result<Message<'a>, Kept<Replying<'a>>> {
        Replying(self).again(with, deadline)
    }
}

/// A request that [`Message::reply_next`] has answered, or not
///
/// If it has not, and this is dropped, the request is released without a reply.
#[must_use = "a request that is dropped has no reply"]
pub struct Replying<'a>(Message<'a>);

impl fmt::Debug for Replying<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replying")
    }
}

impl<'a> Replying<'a> {
    /// Does again what failed: what was sent is not sent again.
    pub fn again(
        mut self,
        with: &[u8],
        deadline: impl Into<Deadline>,
    ) -> std::result::Result<Message<'a>, Kept<Replying<'a>>> {
        let of = self.0.of;
        let (mut copied, ns) = (Copied::of(of, with), deadline.into().ns());
        let request = &mut self.0.head.0;
        // SAFETY: with is only read; the payload of the request is used no more, even if it fails
        let r =
            check(unsafe { ffi::ipcx_queue_reply_next(of.as_ptr(), request, &mut copied.m, ns) });
        match r {
            Ok(_) => {
                copied.sent();
                Ok(self.0)
            }
            Err(error) => Err(Kept {
                error,
                held: Some(self),
            }),
        }
    }
}

/// A reply that is copied; C may have put it into a slot before it failed.
struct Copied<'a> {
    of: &'a Queue,
    m: ffi::ipcx_msg,
}

impl<'a> Copied<'a> {
    fn of(of: &'a Queue, with: &[u8]) -> Copied<'a> {
        let mut m = Head::empty().0;
        m.data = with.as_ptr() as *mut _; // which is only read
        m.len = with.len();
        Copied { of, m }
    }

    fn sent(self) {
        let _ended = ManuallyDrop::new(self);
    }
}

impl Drop for Copied<'_> {
    fn drop(&mut self) {
        // SAFETY: if there is no slot this changes nothing
        unsafe { ffi::ipcx_queue_cancel(self.of.as_ptr(), &mut self.m) };
    }
}
