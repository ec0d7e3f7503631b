// SPDX-License-Identifier: GPL-2.0-only
//! Errors, deadlines, threads, descriptors.

use std::io;
use std::os::raw::{c_int, c_short, c_ulong};
use std::os::unix::io::{AsFd, AsRawFd};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use ipcx::{Error, Queue, QueueOpts};

use crate::util::*;

pub fn errors(uri: &str) {
    let bare = uri.split_once(':').unwrap().1;
    let e = Queue::open(uri, ipcx::RECV).unwrap_err();
    assert_eq!((e.errno(), e.kind()), (ENOENT, io::ErrorKind::NotFound));
    assert!(e.to_string().contains(bare), "{e}");
    assert!(!e.timed_out());
    let e = io::Error::from(e);
    assert_eq!(e.kind(), io::ErrorKind::NotFound);
    assert!(e.to_string().contains(bare));
    let inner = e.get_ref().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(inner.errno(), ENOENT);

    fails(EINVAL, Queue::open(uri, 0));
    fails(
        EINVAL,
        Queue::open(uri.to_owned() + "\0x", ipcx::CREATE | ipcx::RECV),
    );
    let one_thread = ipcx::ffi::IPCX_SINGLE_THREAD;
    fails(
        EINVAL,
        Queue::open(uri, ipcx::CREATE | ipcx::RECV | one_thread),
    );
    fails(
        EINVAL,
        ipcx::Topic::open(uri, ipcx::CREATE | ipcx::SUBSCRIBE | one_thread),
    );
    let opts = QueueOpts {
        prefetch: 1000,
        ..Default::default()
    };
    fails(
        EINVAL,
        Queue::open_with(uri, ipcx::CREATE | ipcx::RECV, &opts),
    );

    let (rx, tx) = pair(uri);
    fails(EEXIST, Queue::open(uri, FRESH | ipcx::RECV));
    fails(EPERM, tx.take(ipcx::NOWAIT));
    fails(EPERM, rx.loan(1, ipcx::NOWAIT));
    let attr = rx.attr().unwrap();
    assert_eq!(attr.flags & ipcx::EPHEMERAL, ipcx::EPHEMERAL);
    fails(EMSGSIZE, tx.loan(attr.msg_max as usize + 1, LONG));
    tx.send(b"long", LONG).unwrap();
    fails(EMSGSIZE, rx.recv(&mut [0; 3], LONG));
    assert_eq!(rx.recv(&mut [0; 4], LONG).unwrap(), 4);
}

/// That threads may share it and hand it on is known when this compiles.
fn share<T: Send + Sync>() {}

pub fn deadlines(uri: &str) {
    let (rx, _tx) = pair(uri);
    let start = Instant::now();

    fails(EAGAIN, rx.take(ipcx::NOWAIT));
    fails(EAGAIN, rx.take(Duration::ZERO));
    for past in [start - SHORT, start] {
        fails(ETIMEDOUT, rx.take(past));
    }
    fails(ETIMEDOUT, rx.take(Duration::from_nanos(1)));
    let before = Instant::now();
    fails(ETIMEDOUT, rx.take(SHORT));
    assert!(before.elapsed() >= SHORT);
    fails(ETIMEDOUT, rx.take(before + 3 * SHORT));
    assert!(before.elapsed() >= 3 * SHORT);
    assert_eq!(ipcx::Deadline::from(Duration::MAX), ipcx::FOREVER);
}

/// A handle is shared, a message taken by one thread is released by another.
pub fn threads(uri: &str) {
    let (rx, tx) = pair(uri);
    let got = Mutex::new(Vec::new());

    share::<Queue>();
    share::<ipcx::Topic>();
    share::<ipcx::Region>();
    share::<ipcx::Loan<'_>>();
    share::<ipcx::Message<'_>>();
    share::<ipcx::Message<'_, ipcx::Topic>>();
    share::<ipcx::Pending<'_>>();
    share::<Error>();

    thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| loop {
                let m = rx.take(LONG).unwrap();
                let n = m.array(0).map(u32::from_ne_bytes);
                thread::scope(|s| s.spawn(move || m.release().unwrap()).join().unwrap());
                match n {
                    Some(n) => got.lock().unwrap().push(n),
                    None => break,
                }
            });
        }
        for half in [0, 100] {
            let tx = &tx;
            s.spawn(move || {
                for n in half..half + 100u32 {
                    let mut l = tx.loan(4, LONG).unwrap();
                    l.copy_from_slice(&n.to_ne_bytes());
                    l.commit().unwrap();
                }
            });
        }
        while got.lock().unwrap().len() < 200 {
            thread::sleep(Duration::from_millis(1));
        }
        (0..3).for_each(|_| tx.send(b"", LONG).unwrap());
    });
    let mut got = got.into_inner().unwrap();
    got.sort_unstable();
    assert!(got.into_iter().eq(0..200));
    assert!(idle(&rx, &tx));
}

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

extern "C" {
    fn poll(fds: *mut PollFd, n: c_ulong, ms: c_int) -> c_int;
}

pub fn descriptors(uri: &str) {
    let (rx, tx) = pair(uri);
    let readable = |ms| {
        let mut p = PollFd {
            fd: rx.as_raw_fd(),
            events: 1,
            revents: 0,
        };
        // SAFETY: it is one struct
        unsafe { poll(&mut p, 1, ms) == 1 }
    };
    assert_eq!(rx.as_fd().as_raw_fd(), rx.as_raw_fd());
    if rx.caps() & ipcx::CAP_POLL == 0 {
        return;
    }
    // whatever it is awake for, a take sees to it
    fails(EAGAIN, rx.take(ipcx::NOWAIT));
    assert!(!readable(0));
    tx.send(b"x", LONG).unwrap();
    assert!(readable(LONG.as_millis() as c_int));
    rx.take(ipcx::NOWAIT).unwrap().release().unwrap();
}
