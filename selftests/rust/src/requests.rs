// SPDX-License-Identifier: GPL-2.0-only
//! Requests and replies.

use std::os::raw::{c_int, c_long};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ipcx::{Loan, Message, Queue};

use crate::util::*;

fn number(m: &Message<'_>) -> u64 {
    u64::from_ne_bytes(m.array(0).unwrap())
}

fn request(q: &Queue, n: u64) -> Loan<'_> {
    let mut l = q.loan(8, LONG).unwrap();
    l.copy_from_slice(&n.to_ne_bytes());
    l.set_tag(n);
    l
}

pub fn requests(uri: &str) {
    let (rx, tx) = pair(uri);
    thread::scope(|s| {
        s.spawn(|| {
            for i in 0..60 {
                let m = rx.take(LONG).unwrap();
                let n = number(&m);
                assert_eq!((n, m.flags()), (i, ipcx::REQUEST));
                if i % 3 == 0 {
                    m.reply(&(n * n).to_ne_bytes()).unwrap();
                } else if i % 3 == 1 {
                    let mut l = m.loan_reply(200).unwrap();
                    l[..8].copy_from_slice(&(n * n).to_ne_bytes());
                    l.truncate(100);
                    m.reply_with(l).unwrap();
                } else {
                    m.reply(&[n as u8; 1000]).unwrap(); // too long to go along
                }
            }
        });
        for n in 0..60 {
            let m = tx.call(request(&tx, n), LONG).unwrap();
            assert_eq!(m.tag(), n);
            match n % 3 {
                0 => assert_eq!((number(&m), m.len()), (n * n, 8)),
                1 => assert_eq!((number(&m), m.len()), (n * n, 100)),
                _ => assert_eq!(m.to_vec(), [n as u8; 1000]),
            }
        }
    });
    // many at a time
    let seq = request(&tx, 5).commit_request().unwrap();
    fails(EAGAIN, tx.answer(ipcx::NOWAIT));
    let m = rx.take(LONG).unwrap();
    m.reply(b"").unwrap();
    let a = tx.answer(LONG).unwrap();
    assert_eq!((a.seq(), a.tag(), a.len(), a.flags()), (seq, 5, 0, 0));
    drop(a);
    request(&tx, 6).commit_request().unwrap();
    drop(rx.take(LONG).unwrap());
    assert_eq!(tx.answer(LONG).unwrap().flags(), ipcx::CANCELED);
    assert!(idle(&rx, &tx));
}

pub fn replies_fail(uri: &str) {
    let (rx, tx) = pair(uri);
    let (other, _) = pair(&(uri.to_owned() + "-other"));

    // what is no request is still held
    tx.send(b"no request", LONG).unwrap();
    let m = rx.take(LONG).unwrap();
    fails(EPERM, m.loan_reply(1));
    let kept = m.reply(b"").unwrap_err();
    assert_eq!(kept.error.errno(), EINVAL);
    let m = kept.held.unwrap();
    assert_eq!(m.to_vec(), b"no request");
    drop(m);

    request(&tx, 1).commit_request().unwrap();
    let m = rx.take(LONG).unwrap();
    let too_long = vec![0; rx.attr().unwrap().msg_max as usize + 1];
    let kept = m.reply(&too_long).unwrap_err();
    assert_eq!(kept.error.errno(), EMSGSIZE);
    let m = kept.held.unwrap();
    assert_eq!(number(&m), 1);

    // a loan of another queue is no reply
    let foreign = Queue::open(uri.to_owned() + "-other", ipcx::SEND).unwrap();
    let kept = m.reply_with(foreign.loan(8, LONG).unwrap()).unwrap_err();
    assert_eq!(kept.error.errno(), EPERM);
    let (m, l) = kept.held.unwrap();
    assert_eq!((number(&m), l.len()), (1, 8));
    drop(l);
    // nor is it a request to it
    fails(EPERM, tx.call(foreign.loan(8, LONG).unwrap(), LONG));
    assert!(none_on_loan(&foreign));
    m.reply(b"x").unwrap();
    assert_eq!(tx.answer(LONG).unwrap().to_vec(), b"x");
    assert!(idle(&rx, &tx) && idle(&other, &foreign));
}

pub fn calls_go_on(uri: &str) {
    let (rx, tx) = pair(uri);

    let kept = tx.call(request(&tx, 7), ipcx::NOWAIT).unwrap_err();
    assert_eq!(kept.error.errno(), EAGAIN);
    let m = rx.take(LONG).unwrap();
    let kept = kept.held.unwrap().wait(ipcx::NOWAIT).unwrap_err();
    m.reply(b"seven").unwrap();
    assert_eq!(kept.held.unwrap().wait(LONG).unwrap().to_vec(), b"seven");

    // given up: by a deadline, or because it is dropped, before and behind its answer
    let kept = tx.call(request(&tx, 8), SHORT).unwrap_err();
    assert!(kept.error.timed_out() && kept.error.errno() == ETIMEDOUT && kept.held.is_none());
    drop(tx.call(request(&tx, 9), ipcx::NOWAIT).unwrap_err());
    let pending = tx.call(request(&tx, 10), ipcx::NOWAIT).unwrap_err();
    while let Ok(m) = rx.take(SHORT) {
        m.reply(b"late").unwrap();
    }
    drop(pending);
    fails(EAGAIN, tx.answer(ipcx::NOWAIT));

    thread::scope(|s| {
        s.spawn(|| rx.take(LONG).unwrap().release().unwrap());
        fails(ECANCELED, tx.call(request(&tx, 11), LONG));
    });
    let mut l = request(&tx, 12);
    l.set_prio(99);
    fails(EINVAL, tx.call(l, LONG));
    assert!(idle(&rx, &tx));
}

/// While there is one signals come all the time, and end what waits.
struct Signals;

static SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn seen(_: c_int) {
    SEEN.fetch_add(1, Ordering::Relaxed);
}

extern "C" {
    fn signal(number: c_int, handler: extern "C" fn(c_int)) -> usize;
    fn siginterrupt(number: c_int, flag: c_int) -> c_int;
    fn setitimer(which: c_int, new: *const [c_long; 4], old: *mut [c_long; 4]) -> c_int;
}

impl Signals {
    fn come() -> Signals {
        // SAFETY: the handler counts, and nothing else
        unsafe {
            assert_ne!(signal(SIGALRM, seen), usize::MAX);
            assert_eq!(siginterrupt(SIGALRM, 1), 0);
        }
        Signals::every(100);
        Signals
    }

    fn every(us: c_long) {
        // SAFETY: these are two times, of seconds and microseconds
        unsafe { assert_eq!(setitimer(0, &[0, us, 0, us], ptr::null_mut()), 0) }
    }

    /// Waits for one, and then some time, another each time.
    fn one_is_near(n: u64) {
        let before = SEEN.load(Ordering::Relaxed);
        while SEEN.load(Ordering::Relaxed) == before {}
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(60 + n % 40) {}
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        Signals::every(0);
    }
}

/// A call that a signal ended goes on, and is given up when dropped though more of them come.
pub fn interrupted(uri: &str) {
    let (rx, tx) = pair(uri);

    for n in 0..300 {
        let pending = if n % 30 == 0 {
            let r = request(&tx, n);
            let _signals = Signals::come();
            let kept = tx.call(r, LONG).unwrap_err();
            assert_eq!(kept.error.errno(), EINTR);
            kept
        } else {
            tx.call(request(&tx, n), ipcx::NOWAIT).unwrap_err()
        };
        assert!(pending.held.is_some());
        {
            let _signals = Signals::come();
            Signals::one_is_near(n);
            drop(pending);
        }
        // a slot for the next loan can be for a request
        assert!(none_but_spare(&tx));
        assert_eq!(tx.stat().unwrap().requests, 0);
        while let Ok(m) = rx.take(ipcx::NOWAIT) {
            let _nobody_asks = m.reply(b"late");
        }
    }
    fails(EAGAIN, tx.answer(ipcx::NOWAIT));
    assert!(idle(&rx, &tx));
}

pub fn reply_next(uri: &str) {
    let (rx, tx) = pair(uri);
    thread::scope(|s| {
        s.spawn(|| {
            for n in 0..50 {
                let m = tx.call(request(&tx, n), LONG).unwrap();
                assert_eq!(m.to_vec(), vec![n as u8; 8 * n as usize]);
            }
        });
        let mut m = rx.take(LONG).unwrap();
        for n in 0..49 {
            assert_eq!(number(&m), n);
            m = m.reply_next(&vec![n as u8; 8 * n as usize], LONG).unwrap();
        }
        // the reply goes out though nothing more comes, and is not sent again
        let kept = m.reply_next(&[49; 392], SHORT).unwrap_err();
        assert!(kept.error.timed_out());
        tx.send(b"more", LONG).unwrap();
        let m = kept.held.unwrap().again(&[0; 392], LONG).unwrap();
        assert_eq!(m.to_vec(), b"more");

        // one that could not be sent is held, and let go with what holds it
        let kept = m.reply_next(b"nobody asked", SHORT).unwrap_err();
        assert_eq!(kept.error.errno(), EINVAL);
        assert_eq!(rx.stat().unwrap().leased, 1);
    });
    assert!(idle(&rx, &tx));
}
