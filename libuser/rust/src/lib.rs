// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Messages between processes that are not copied: libipcx from Rust.
//!
//! [`Queue`], [`Topic`] and [`Region`] are open handles. [`Queue::loan`] gets a slot, which is
//! written where it lies and sent by [`Loan::commit`]; [`Queue::take`] gets a [`Message`], which
//! is read where it lies and released when dropped. Names are those of C without `ipcx_`:
//! `man ipcx_queue_take` tells more of [`Queue::take`].
//!
//! ```
//! use std::time::Duration;
//!
//! # std::env::set_var("IPCX_QUIET", "1");
//! # let uri = &format!("shm:rust-doc-{}", std::process::id());
//! # fn talk(uri: &str) -> ipcx::Result<()> {
//! let receiver = ipcx::Queue::open(uri, ipcx::CREATE | ipcx::EPHEMERAL | ipcx::RECV)?;
//! let sender = ipcx::Queue::open(uri, ipcx::SEND)?;
//!
//! let mut loan = sender.loan(5, Duration::from_secs(1))?;
//! loan.copy_from_slice(b"hello");
//! loan.commit()?;
//!
//! let message = receiver.take(Duration::from_secs(1))?;
//! assert_eq!(&*message.contents(), b"hello");
//! message.release()?;
//!
//! let nothing = receiver.take(ipcx::NOWAIT).unwrap_err();
//! assert!(nothing.timed_out());
//! # Ok(())
//! # }
//! # talk(uri).unwrap();
//! ```
//!
//! A message cannot outlive its queue. This compiles, and with one line more it does not:
//!
//! ```
//! # fn right(queue: ipcx::Queue) -> ipcx::Result<()> {
//! let message = queue.take(ipcx::FOREVER)?;
//! println!("{}", message.len());
//! # Ok(())
//! # }
//! ```
//!
//! ```compile_fail,E0505
//! # fn wrong(queue: ipcx::Queue) -> ipcx::Result<()> {
//! let message = queue.take(ipcx::FOREVER)?;
//! drop(queue);
//! println!("{}", message.len());
//! # Ok(())
//! # }
//! ```
//!
//! Nor is a loan used after its end:
//!
//! ```
//! # fn right(queue: ipcx::Queue) -> ipcx::Result<()> {
//! let mut loan = queue.loan(1, ipcx::FOREVER)?;
//! loan[0] = 1;
//! loan.commit()?;
//! # Ok(())
//! # }
//! ```
//!
//! ```compile_fail,E0382
//! # fn wrong(queue: ipcx::Queue) -> ipcx::Result<()> {
//! let mut loan = queue.loan(1, ipcx::FOREVER)?;
//! loan[0] = 1;
//! loan.commit()?;
//! loan[0] = 2;
//! # Ok(())
//! # }
//! ```
//!
//! # Threads and processes
//!
//! Handles, loans and messages may be shared by threads and sent to them.
//!
//! A child that was forked must not touch those of its parent, nor drop them: handles opened
//! without [`INHERIT`] are closed in it, and where a message or a loan was there is nothing, which
//! kills who looks there, or by then something else. `fork()` is unsafe for such reasons.
//! `std::process::Command` forks and executes at once, which is well.
//!
//! With `panic = "abort"` nothing is dropped: a process that panics has died, with messages in hand.
// what fails hands back what it was given, as it is
#![allow(unknown_lints, clippy::result_large_err)]

mod call;
mod deadline;
mod error;
pub mod ffi;
mod list;
mod message;
mod queue;
mod region;
mod shared;
mod topic;

pub use call::{Pending, Replying};
pub use deadline::{Deadline, FOREVER, NOWAIT};
pub use error::{Error, Kept, Result};
pub use ffi::{
    ipcx_queue_attr as QueueAttr, ipcx_queue_stats as QueueStats, ipcx_topic_attr as TopicAttr,
};
pub use list::{list, Kind, Listed};
pub use message::{Channel, Head, Loan, Message};
pub use queue::{Policy, Queue, QueueOpts};
pub use region::{Access, Mapping, Region, RegionOpts};
pub use topic::{Topic, TopicOpts};

/// The constants of C, without `IPCX_`
macro_rules! constants {
    ($($name:ident = $of:ident: $type:ty, $doc:literal;)*) => {
        $(#[doc = $doc] pub const $name: $type = ffi::$of;)*
    };
}

constants! {
    CREATE = IPCX_CREATE: u32, "Create it if there is none.";
    EXCL = IPCX_EXCL: u32, "With `CREATE`: `EEXIST` if there is one.";
    SEND = IPCX_SEND: u32, "Of a queue: loan, commit, send.";
    RECV = IPCX_RECV: u32, "Of a queue: take, release, recv.";
    EPHEMERAL = IPCX_EPHEMERAL: u32, "With `CREATE`: the last close unlinks.";
    SEALED = IPCX_SEALED: u32, "With `CREATE`: no sender can change what it sent.";
    PUBLISH = IPCX_PUBLISH: u32, "Of a topic: loan, commit, send.";
    SUBSCRIBE = IPCX_SUBSCRIBE: u32, "Of a topic: take, release, recv.";
    LOSSY = IPCX_LOSSY: u32, "With `SUBSCRIBE`: publishers do not wait for it.";
    OPEN_RELIABLE = IPCX_OPEN_RELIABLE: u32, "With `CREATE`: `LOSSY` is never a must.";
    READ = IPCX_READ: u32, "Of a region: it may be read.";
    WRITE = IPCX_WRITE: u32, "Of a region: it may be written; a writable mapping needs both.";
    INHERIT = IPCX_INHERIT: u32, "Forked children keep it.";

    CAP_ZERO_COPY = IPCX_CAP_ZERO_COPY: u64, "Longer than 64 bytes: never copied on its way.";
    CAP_REDELIVERY = IPCX_CAP_REDELIVERY: u64, "A dead receiver's messages come back.";
    CAP_RECLAIM = IPCX_CAP_RECLAIM: u64, "A dead sender's slots come back.";
    CAP_IDENTITY = IPCX_CAP_IDENTITY: u64, "`pid`, `uid`, `gid` of a message are verified.";
    CAP_WALLS = IPCX_CAP_WALLS: u64, "Receivers cannot write, senders cannot read.";
    CAP_ACCOUNTING = IPCX_CAP_ACCOUNTING: u64, "Payload is charged; exhaustion is an errno.";
    CAP_PRIORITY = IPCX_CAP_PRIORITY: u64, "Higher priorities are taken first.";
    CAP_MANY_SENDERS = IPCX_CAP_MANY_SENDERS: u64, "There may be many senders.";
    CAP_MANY_RECEIVERS = IPCX_CAP_MANY_RECEIVERS: u64, "Each message goes to one of them.";
    CAP_POLL = IPCX_CAP_POLL: u64, "The descriptor works with poll and epoll.";
    CAP_PERSISTENT = IPCX_CAP_PERSISTENT: u64, "Messages wait while nobody has it open.";
    CAP_SEALED = IPCX_CAP_SEALED: u64, "Nobody can change a message that was sent.";
    CAP_CALL = IPCX_CAP_CALL: u64, "Requests and replies.";
    CAP_FAN_OUT = IPCX_CAP_FAN_OUT: u64, "Of a topic: each message to all receivers.";
    CAP_HISTORY = IPCX_CAP_HISTORY: u64, "Of a topic: who comes late may get the last messages.";
    CAP_DURABLE = IPCX_CAP_DURABLE: u64, "Of a topic: subscriptions that stay.";
    CAP_SEALS = IPCX_CAP_SEALS: u64, "Of a region: `seal()` works.";

    POISON = IPCX_POISON: u32, "Dead letter: taken `max_deliveries` times, came back each time.";
    EXPIRED = IPCX_EXPIRED: u32, "Dead letter or answer: not taken in time.";
    REQUEST = IPCX_REQUEST: u32, "Its sender waits for an answer.";
    CANCELED = IPCX_CANCELED: u32, "Answer: released without a reply, or dropped.";
    OWNERDEAD = IPCX_OWNERDEAD: u32, "Answer: the last receiver is gone.";

    SEAL_SEAL = IPCX_SEAL_SEAL: u32, "Forbids further seals.";
    SEAL_SHRINK = IPCX_SEAL_SHRINK: u32, "Forbids a smaller size.";
    SEAL_GROW = IPCX_SEAL_GROW: u32, "Forbids a larger size.";
    SEAL_WRITE = IPCX_SEAL_WRITE: u32, "Forbids writing; not while it is mapped writable.";
    SEAL_FUTURE_WRITE = IPCX_SEAL_FUTURE_WRITE: u32, "Forbids writing but by mappings there are.";
}
