// SPDX-License-Identifier: GPL-2.0-only
//! Requests and replies.

use std::thread;

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
