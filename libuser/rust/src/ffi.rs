// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! The library as it is in C: `ipcx.h`, by hand.
//!
//! For what has no form in the other modules. `selftests/rust/layout.py` compares all of it with
//! the headers. Where a struct of C ends in bytes that have no name they are `__padding` here, so
//! that they are 0: the library may take them for an option that it does not know.
#![allow(non_camel_case_types)]

use std::os::raw::{c_char, c_int, c_uint, c_void};

pub const IPCX_NOWAIT: i64 = 0;
pub const IPCX_FOREVER: i64 = i64::MAX;

pub const IPCX_CREATE: c_uint = 1 << 0;
pub const IPCX_EXCL: c_uint = 1 << 1;
pub const IPCX_SEND: c_uint = 1 << 2;
pub const IPCX_RECV: c_uint = 1 << 3;
pub const IPCX_EPHEMERAL: c_uint = 1 << 4;
pub const IPCX_SEALED: c_uint = 1 << 5;
pub const IPCX_PUBLISH: c_uint = 1 << 6;
pub const IPCX_SUBSCRIBE: c_uint = 1 << 7;
pub const IPCX_LOSSY: c_uint = 1 << 8;
pub const IPCX_OPEN_RELIABLE: c_uint = 1 << 9;
pub const IPCX_READ: c_uint = 1 << 10;
pub const IPCX_WRITE: c_uint = 1 << 11;
pub const IPCX_SINGLE_THREAD: c_uint = 1 << 12;
pub const IPCX_INHERIT: c_uint = 1 << 31;

pub const IPCX_CAP_ZERO_COPY: u64 = 1 << 0;
pub const IPCX_CAP_REDELIVERY: u64 = 1 << 1;
pub const IPCX_CAP_RECLAIM: u64 = 1 << 2;
pub const IPCX_CAP_IDENTITY: u64 = 1 << 3;
pub const IPCX_CAP_WALLS: u64 = 1 << 4;
pub const IPCX_CAP_ACCOUNTING: u64 = 1 << 5;
pub const IPCX_CAP_PRIORITY: u64 = 1 << 6;
pub const IPCX_CAP_MANY_SENDERS: u64 = 1 << 7;
pub const IPCX_CAP_MANY_RECEIVERS: u64 = 1 << 8;
pub const IPCX_CAP_POLL: u64 = 1 << 9;
pub const IPCX_CAP_PERSISTENT: u64 = 1 << 10;
pub const IPCX_CAP_SEALED: u64 = 1 << 11;
pub const IPCX_CAP_CALL: u64 = 1 << 12;
pub const IPCX_CAP_FAN_OUT: u64 = 1 << 13;
pub const IPCX_CAP_HISTORY: u64 = 1 << 14;
pub const IPCX_CAP_DURABLE: u64 = 1 << 15;
pub const IPCX_CAP_SEALS: u64 = 1 << 14;
pub const IPCX_CAP_REGIONS: u64 = 1 << 16;

pub const IPCX_POISON: u32 = 1 << 0;
pub const IPCX_EXPIRED: u32 = 1 << 1;
pub const IPCX_REQUEST: u32 = 1 << 2;
pub const IPCX_CANCELED: u32 = 1 << 4;
pub const IPCX_OWNERDEAD: u32 = 1 << 5;
pub const IPCX_REGIONS: u32 = 1 << 6;

pub const IPCX_BLOCK: c_uint = 0;
pub const IPCX_FAIL: c_uint = 1;
pub const IPCX_DROP_OLDEST: c_uint = 2;
pub const IPCX_DROP_NEWEST: c_uint = 3;

pub const IPCX_SEAL_SEAL: c_uint = 1 << 0;
pub const IPCX_SEAL_SHRINK: c_uint = 1 << 1;
pub const IPCX_SEAL_GROW: c_uint = 1 << 2;
pub const IPCX_SEAL_WRITE: c_uint = 1 << 3;
pub const IPCX_SEAL_FUTURE_WRITE: c_uint = 1 << 4;

pub const IPCX_LISTED_QUEUE: u32 = 1;
pub const IPCX_LISTED_TOPIC: u32 = 2;
pub const IPCX_LISTED_REGION: u32 = 3;

/// An open queue, of which only the library knows what is in it
#[repr(C)]
pub struct ipcx_queue {
    _private: [u8; 0],
}

/// A member of a topic
#[repr(C)]
pub struct ipcx_topic {
    _private: [u8; 0],
}

/// An open region
#[repr(C)]
pub struct ipcx_region {
    _private: [u8; 0],
}

/// A message, or a slot on loan for one
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ipcx_msg {
    pub data: *mut c_void,
    pub len: usize,
    pub prio: u32,
    pub flags: u32,
    pub deliveries: u32,
    pub pid: c_int,
    pub uid: u32,
    pub gid: u32,
    pub seq: u64,
    pub tag: u64,
    pub expires: i64,
    pub r#priv: [u64; 4],
}

/// Attributes of a queue that is opened
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ipcx_queue_opts {
    pub sz: usize,
    pub require: u64,
    pub depth: u32,
    pub mode: u32,
    pub msg_max: u64,
    pub bytes_max: u64,
    pub dead_letter: *const c_char,
    pub max_deliveries: u32,
    pub lease_ms: u32,
    pub policy: c_uint,
    pub leases_max: u32,
    pub prefetch: u32,
    pub __padding: u32,
}

/// What a queue is
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct ipcx_queue_attr {
    pub sz: usize,
    pub id: u64,
    pub msg_max: u64,
    pub bytes_max: u64,
    pub depth: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub dead_letter: u64,
    pub policy: c_uint,
    pub max_deliveries: u32,
    pub lease_ms: u32,
    pub flags: u32,
    pub leases_max: u32,
    pub __padding: u32,
}

/// What is in a queue, and what became of its messages
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct ipcx_queue_stats {
    pub sz: usize,
    pub sent: u64,
    pub queued: u64,
    pub leased: u64,
    pub released: u64,
    pub dropped_oldest: u64,
    pub dropped_newest: u64,
    pub expired: u64,
    pub poison: u64,
    pub redelivered: u64,
    pub dead_lettered: u64,
    pub dead_letter_failed: u64,
    pub bytes: u64,
    pub free: u64,
    pub loaned: u64,
    pub senders: u64,
    pub receivers: u64,
    pub withdrawn: u64,
    pub answers: u64,
    pub requests: u64,
    pub damaged: u64,
}

/// Attributes of a topic that is opened
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ipcx_topic_opts {
    pub sz: usize,
    pub require: u64,
    pub mode: u32,
    pub depth: u32,
    pub lag_max: u32,
    pub history: u32,
    pub msg_max: u64,
    pub bytes_max: u64,
    pub first: u64,
    pub durable: *const c_char,
}

/// What a topic is
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct ipcx_topic_attr {
    pub sz: usize,
    pub id: u64,
    pub msg_max: u64,
    pub bytes_max: u64,
    pub first: u64,
    pub depth: u32,
    pub lag_max: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub flags: u32,
}

/// Attributes of a region that is opened
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ipcx_region_opts {
    pub sz: usize,
    pub require: u64,
    pub size: u64,
    pub mode: u32,
    pub __padding: u32,
}

/// What [`ipcx_list`] tells of an object
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ipcx_listed {
    pub sz: usize,
    pub name: [c_char; 256],
    pub kind: u32,
    pub mode: u32,
    pub flags: u32,
    pub uid: u32,
    pub depth: u32,
    pub senders: u32,
    pub receivers: u32,
    pub __reserved: u32,
    pub msg_max: u64,
    pub bytes_max: u64,
}

/// Whom [`ipcx_list`] tells
pub type ipcx_each = Option<unsafe extern "C" fn(*const ipcx_listed, *mut c_void) -> c_int>;

extern "C" {
    pub fn ipcx_error() -> *const c_char;
    pub fn ipcx_list(each: ipcx_each, arg: *mut c_void) -> c_int;
    pub fn ipcx_queue_answer(q: *mut ipcx_queue, m: *mut ipcx_msg, deadline: i64) -> c_int;
    pub fn ipcx_queue_attach(
        q: *mut ipcx_queue,
        m: *mut ipcx_msg,
        r: *const ipcx_region,
        flags: c_uint,
    ) -> c_int;
    pub fn ipcx_queue_attr(q: *const ipcx_queue, attr: *mut ipcx_queue_attr) -> c_int;
    pub fn ipcx_queue_call(
        q: *mut ipcx_queue,
        request: *mut ipcx_msg,
        reply: *mut ipcx_msg,
        deadline: i64,
    ) -> c_int;
    pub fn ipcx_queue_cancel(q: *mut ipcx_queue, m: *mut ipcx_msg) -> c_int;
    pub fn ipcx_queue_caps(q: *const ipcx_queue) -> u64;
    pub fn ipcx_queue_close(q: *mut ipcx_queue);
    pub fn ipcx_queue_commit(q: *mut ipcx_queue, m: *mut ipcx_msg) -> c_int;
    pub fn ipcx_queue_commit_n(q: *mut ipcx_queue, m: *mut ipcx_msg, n: c_uint) -> c_int;
    pub fn ipcx_queue_fd(q: *const ipcx_queue) -> c_int;
    pub fn ipcx_queue_fetch(
        q: *mut ipcx_queue,
        m: *const ipcx_msg,
        index: c_uint,
        r: *mut *mut ipcx_region,
    ) -> c_int;
    pub fn ipcx_queue_loan(
        q: *mut ipcx_queue,
        len: usize,
        m: *mut ipcx_msg,
        deadline: i64,
    ) -> c_int;
    pub fn ipcx_queue_loan_n(
        q: *mut ipcx_queue,
        len: usize,
        m: *mut ipcx_msg,
        n: c_uint,
        deadline: i64,
    ) -> c_int;
    pub fn ipcx_queue_loan_reply(
        q: *mut ipcx_queue,
        request: *const ipcx_msg,
        len: usize,
        reply: *mut ipcx_msg,
    ) -> c_int;
    pub fn ipcx_queue_nack(q: *mut ipcx_queue, m: *mut ipcx_msg) -> c_int;
    pub fn ipcx_queue_next(q: *mut ipcx_queue, m: *mut ipcx_msg, deadline: i64) -> c_int;
    pub fn ipcx_queue_open(
        q: *mut *mut ipcx_queue,
        uri: *const c_char,
        flags: c_uint,
        opts: *const ipcx_queue_opts,
    ) -> c_int;
    pub fn ipcx_queue_peek(q: *mut ipcx_queue, m: *mut ipcx_msg) -> c_int;
    pub fn ipcx_queue_recv(
        q: *mut ipcx_queue,
        buf: *mut c_void,
        cap: usize,
        deadline: i64,
    ) -> isize;
    pub fn ipcx_queue_release(q: *mut ipcx_queue, m: *mut ipcx_msg) -> c_int;
    pub fn ipcx_queue_release_n(q: *mut ipcx_queue, m: *mut ipcx_msg, n: c_uint) -> c_int;
    pub fn ipcx_queue_remove(uri: *const c_char) -> c_int;
    pub fn ipcx_queue_reply(
        q: *mut ipcx_queue,
        request: *mut ipcx_msg,
        reply: *mut ipcx_msg,
    ) -> c_int;
    pub fn ipcx_queue_reply_next(
        q: *mut ipcx_queue,
        request: *mut ipcx_msg,
        reply: *mut ipcx_msg,
        deadline: i64,
    ) -> c_int;
    pub fn ipcx_queue_send(
        q: *mut ipcx_queue,
        buf: *const c_void,
        len: usize,
        deadline: i64,
    ) -> c_int;
    pub fn ipcx_queue_stat(q: *const ipcx_queue, stats: *mut ipcx_queue_stats) -> c_int;
    pub fn ipcx_queue_take(q: *mut ipcx_queue, m: *mut ipcx_msg, deadline: i64) -> c_int;
    pub fn ipcx_queue_take_n(
        q: *mut ipcx_queue,
        m: *mut ipcx_msg,
        n: c_uint,
        deadline: i64,
    ) -> c_int;
    pub fn ipcx_queue_unlink(uri: *const c_char) -> c_int;
    pub fn ipcx_region_caps(r: *const ipcx_region) -> u64;
    pub fn ipcx_region_close(r: *mut ipcx_region);
    pub fn ipcx_region_fd(r: *const ipcx_region) -> c_int;
    pub fn ipcx_region_map(
        r: *mut ipcx_region,
        offset: usize,
        len: usize,
        prot: c_int,
    ) -> *mut c_void;
    pub fn ipcx_region_open(
        r: *mut *mut ipcx_region,
        uri: *const c_char,
        flags: c_uint,
        opts: *const ipcx_region_opts,
    ) -> c_int;
    pub fn ipcx_region_resize(r: *mut ipcx_region, size: usize) -> c_int;
    pub fn ipcx_region_seal(r: *mut ipcx_region, seals: c_uint) -> c_int;
    pub fn ipcx_region_size(r: *const ipcx_region) -> i64;
    pub fn ipcx_region_unlink(uri: *const c_char) -> c_int;
    pub fn ipcx_topic_attr(t: *const ipcx_topic, attr: *mut ipcx_topic_attr) -> c_int;
    pub fn ipcx_topic_cancel(t: *mut ipcx_topic, m: *mut ipcx_msg) -> c_int;
    pub fn ipcx_topic_caps(t: *const ipcx_topic) -> u64;
    pub fn ipcx_topic_close(t: *mut ipcx_topic);
    pub fn ipcx_topic_commit(t: *mut ipcx_topic, m: *mut ipcx_msg) -> c_int;
    pub fn ipcx_topic_fd(t: *const ipcx_topic) -> c_int;
    pub fn ipcx_topic_forget(t: *mut ipcx_topic, durable: *const c_char) -> c_int;
    pub fn ipcx_topic_loan(
        t: *mut ipcx_topic,
        len: usize,
        m: *mut ipcx_msg,
        deadline: i64,
    ) -> c_int;
    pub fn ipcx_topic_missed(t: *mut ipcx_topic) -> u64;
    pub fn ipcx_topic_next(t: *mut ipcx_topic, m: *mut ipcx_msg, deadline: i64) -> c_int;
    pub fn ipcx_topic_open(
        t: *mut *mut ipcx_topic,
        uri: *const c_char,
        flags: c_uint,
        opts: *const ipcx_topic_opts,
    ) -> c_int;
    pub fn ipcx_topic_recv(
        t: *mut ipcx_topic,
        buf: *mut c_void,
        cap: usize,
        deadline: i64,
    ) -> isize;
    pub fn ipcx_topic_release(t: *mut ipcx_topic, m: *mut ipcx_msg) -> c_int;
    pub fn ipcx_topic_send(
        t: *mut ipcx_topic,
        buf: *const c_void,
        len: usize,
        deadline: i64,
    ) -> c_int;
    pub fn ipcx_topic_take(t: *mut ipcx_topic, m: *mut ipcx_msg, deadline: i64) -> c_int;
    pub fn ipcx_topic_unlink(uri: *const c_char) -> c_int;
}
