// SPDX-License-Identifier: GPL-2.0-only
//! What loans and messages are, and how they end.

use std::borrow::Cow;
use std::io;
use std::panic::{self, AssertUnwindSafe};

use ipcx::{Queue, QueueOpts};

use crate::util::*;

fn put(q: &Queue, data: &[u8]) {
    let mut l = q.loan(data.len(), LONG).unwrap();
    l.copy_from_slice(data);
    l.commit().unwrap();
}

pub fn loans(uri: &str) {
    let (rx, tx) = pair(uri);
    let loaned = || tx.stat().unwrap().loaned;
    let mut l = tx.loan(100, LONG).unwrap();

    assert_eq!((l.len(), loaned()), (100, 1));
    drop(l);
    assert_eq!(loaned(), 0);
    tx.loan(100, LONG).unwrap().cancel().unwrap();
    assert_eq!(loaned(), 0);

    // a commit that fails leaves it on loan, as it was
    l = tx.loan(100, LONG).unwrap();
    l.copy_from_slice(&[7; 100]);
    l.set_prio(32);
    let kept = l.commit().unwrap_err();
    assert_eq!(kept.error.errno(), EINVAL);
    l = kept.held.unwrap();
    assert_eq!((&l[..], loaned()), (&[7; 100][..], 1));
    // or lets it go
    let e = io::Error::from(l.commit().unwrap_err());
    assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(loaned(), 0);

    l = tx.loan(100, LONG).unwrap();
    l.fill(8);
    l.truncate(200);
    assert_eq!(l.len(), 100);
    l.truncate(70);
    l.set_tag(u64::MAX);
    l.set_expires(LONG);
    l.commit().unwrap();
    let m = rx.take(LONG).unwrap();
    assert_eq!((m.to_vec(), m.tag(), m.flags()), (vec![8; 70], u64::MAX, 0));

    let l = tx.loan(0, LONG).unwrap();
    assert!(l.is_empty());
    l.commit().unwrap();
    let m = m.next(LONG).unwrap();
    assert!(m.is_empty() && m.to_vec().is_empty() && m.contents().is_empty());
}

/// Where a loan is memory of the heap nothing is seen of what was there before.
pub fn cleared(uri: &str) {
    let (rx, tx) = pair(uri);
    let zero_copy = rx.caps() & ipcx::CAP_ZERO_COPY != 0;
    let kernel = zero_copy && rx.caps() & ipcx::CAP_IDENTITY != 0;
    // what is allocated first after something of its size was freed is that, most likely
    let clear = |mut l: ipcx::Loan<'_>| {
        let found = l.iter().all(|b| *b == 0);
        l.fill(0xa5);
        found
    };

    for len in [24, 200, 900, 3000] {
        for _ in 0..3 {
            assert!(clear(tx.loan(len, LONG).unwrap()) || zero_copy);
            let several = tx.loan_n(len, 2, LONG).unwrap();
            assert!(several.into_iter().map(clear).all(|c| c) || zero_copy);
        }
        put(&tx, &vec![0xa5; len]);
        drop(rx.take(LONG).unwrap());
        assert!(clear(tx.loan(len, LONG).unwrap()) || zero_copy);

        tx.loan(8, LONG).unwrap().commit_request().unwrap();
        let m = rx.take(LONG).unwrap();
        for _ in 0..3 {
            assert!(clear(m.loan_reply(len).unwrap()) || kernel);
        }
        m.reply(b"").unwrap();
        drop(tx.answer(LONG).unwrap());
    }
    assert!(idle(&rx, &tx));
}

pub fn messages(uri: &str) {
    let (rx, tx) = pair(uri);
    let leased = || rx.stat().unwrap().leased;

    fails(EAGAIN, rx.peek());
    put(&tx, b"0123456789");
    put(&tx, &[9; 300]);
    if rx.caps() & ipcx::CAP_POLL != 0 {
        while rx.peek().is_err() {}
        assert_eq!(rx.peek().unwrap().len(), 10);
    }
    let m = rx.take(LONG).unwrap();
    assert_eq!(leased(), 1);
    let mut some = [0; 3];
    m.copy_to(7, &mut some);
    assert_eq!(&some, b"789");
    m.copy_to(10, &mut []);
    for (offset, len) in [(8, 3), (11, 0), (usize::MAX, 2)] {
        let beyond = || m.copy_to(offset, &mut vec![0; len]);
        assert!(panic::catch_unwind(AssertUnwindSafe(beyond)).is_err());
    }
    assert_eq!(m.array(2), Some(*b"2345"));
    assert_eq!(m.array::<4>(7), None);
    assert_eq!(m.array::<4>(usize::MAX), None);
    // SAFETY: who has sent it does nothing any more
    assert_eq!(unsafe { m.bytes_unchecked() }, b"0123456789");

    m.nack().unwrap();
    assert_eq!(leased(), 0);
    let m = rx.take(LONG).unwrap();
    assert_eq!((m.to_vec(), m.deliveries()), (b"0123456789".to_vec(), 1));
    let m = m.next(LONG).unwrap();
    assert_eq!((m.to_vec(), m.deliveries()), (vec![9; 300], 0));
    fails(EAGAIN, m.next(ipcx::NOWAIT));
    assert_eq!(leased(), 0);
    put(&tx, b"released");
    rx.take(LONG).unwrap().release().unwrap();
    put(&tx, b"dropped");
    drop(rx.take(LONG).unwrap());
    fails(EAGAIN, rx.take(ipcx::NOWAIT));
    assert_eq!((leased(), rx.stat().unwrap().released), (0, 4));

    tx.send(b"a copy", LONG).unwrap();
    let mut to = [0; 6];
    assert_eq!(rx.recv(&mut to, LONG).unwrap(), 6);
    assert_eq!(&to, b"a copy");
}

pub fn panics(uri: &str) {
    let (rx, tx) = pair(uri);

    tx.send(b"job", LONG).unwrap();
    let work = || {
        let _m = rx.take(LONG).unwrap();
        let _l = tx.loan(100, LONG).unwrap();
        panic!("wanted");
    };
    assert!(panic::catch_unwind(AssertUnwindSafe(work)).is_err());
    fails(EAGAIN, rx.take(ipcx::NOWAIT));

    // also where the deadline of the next is worked out
    struct Never;
    impl From<Never> for ipcx::Deadline {
        fn from(_: Never) -> ipcx::Deadline {
            panic!("wanted")
        }
    }
    tx.send(b"job", LONG).unwrap();
    let work = || rx.take(LONG).unwrap().next(Never).map(drop);
    assert!(panic::catch_unwind(AssertUnwindSafe(work)).is_err());
    assert!(idle(&rx, &tx));
}

pub fn sealed(uri: &str) {
    let (rx, tx) = pair(uri);
    put(&tx, &[1; 100]);
    let m = rx.take(LONG).unwrap();
    // those that copy seal in any case
    let private = !uri.starts_with("shm") && !uri.starts_with("kernel");
    assert_eq!(m.bytes().is_some(), private);
    assert_eq!(matches!(m.contents(), Cow::Borrowed(_)), private);
    assert_eq!(&*m.contents(), [1; 100]);
    drop(m);
    drop((tx, rx));

    let opts = QueueOpts {
        require: ipcx::CAP_SEALED,
        ..Default::default()
    };
    let uri = &(uri.to_owned() + "-sealed");
    if uri.starts_with("shm") {
        let flags = ipcx::CREATE | ipcx::SEALED | ipcx::RECV;
        assert!(Queue::open_with(uri, flags, &opts).is_err());
        return;
    }
    let (rx, tx) = pair_with(uri, ipcx::SEALED, &opts);
    for len in [0, 10, 100] {
        put(&tx, &vec![2; len]);
        let m = rx.take(LONG).unwrap();
        assert_eq!(m.bytes(), Some(&vec![2; len][..]));
        assert!(matches!(m.contents(), Cow::Borrowed(_)));
    }
}

pub fn batches(uri: &str) {
    let (rx, tx) = pair(uri);
    let mut loans = tx.loan_n(10, 4, LONG).unwrap();

    assert_eq!(loans.len(), 4);
    for (i, l) in loans.iter_mut().enumerate() {
        l.fill(i as u8);
        l.set_tag(i as u64);
    }
    let last = loans.pop().unwrap();
    assert_eq!(tx.commit_n(&mut loans).unwrap(), 3);
    assert!(loans.is_empty() && tx.commit_n(&mut loans).unwrap() == 0);
    loans.push(last);
    // of another queue, or of none: nothing changes
    fails(EPERM, rx.commit_n(&mut loans));
    assert_eq!((loans.len(), &loans[0][..]), (1, &[3; 10][..]));
    assert_eq!(tx.commit_n(&mut loans).unwrap(), 1);

    let mut got = Vec::new();
    while got.len() < 4 {
        got.extend(rx.take_n(4, LONG).unwrap());
    }
    for (i, m) in got.iter().enumerate() {
        assert_eq!((m.to_vec(), m.tag()), (vec![i as u8; 10], i as u64));
    }
    fails(EAGAIN, rx.take_n(64, ipcx::NOWAIT));
    fails(EINVAL, rx.take_n(65, ipcx::NOWAIT));
    fails(EINVAL, rx.take_n(usize::MAX, ipcx::NOWAIT));
    fails(EINVAL, tx.loan_n(1, 65, ipcx::NOWAIT));
    fails(EINVAL, tx.loan_n(1, 0, ipcx::NOWAIT));
    fails(EPERM, tx.release_n(&mut got));
    assert_eq!((got.len(), got[0].to_vec()), (4, vec![0; 10]));
    assert_eq!(rx.release_n(&mut got).unwrap(), 4);
    assert!(got.is_empty() && rx.release_n(&mut got).unwrap() == 0);
    assert_eq!(rx.stat().unwrap().released, 4);
    assert!(idle(&rx, &tx));

    // those that were got and are dropped are given back
    drop(tx.loan_n(10, 3, LONG).unwrap());
    tx.send(b"1", LONG).unwrap();
    drop(rx.take_n(64, LONG).unwrap());
    assert!(idle(&rx, &tx));
}
