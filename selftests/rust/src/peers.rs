// SPDX-License-Identifier: GPL-2.0-only
//! Queues between processes, of which some are killed.

use std::thread;

use ipcx::Queue;

use crate::util::*;

const SIZES: [usize; 6] = [0, 1, 64, 65, 4000, 100_000];
const ROUNDS: usize = 120;

/// How long message `i` is, which the queue can carry
fn size(q: &Queue, i: usize) -> usize {
    SIZES[i % SIZES.len()].min(q.attr().unwrap().msg_max as usize)
}

pub fn ping_pong(uri: &str) {
    let (rx, _tx) = pair(uri);
    let back = Queue::open(
        uri.to_owned() + "-back",
        FRESH | ipcx::EPHEMERAL | ipcx::SEND,
    )
    .ok();
    let peer = Peer::new("ping", uri);

    for i in 0..ROUNDS {
        let m = rx.take(LONG).unwrap();
        let verified = rx.caps() & ipcx::CAP_IDENTITY != 0;

        assert_eq!((m.len(), m.tag()), (size(&rx, i), i as u64));
        assert_eq!(m.to_vec(), vec![i as u8; m.len()]);
        assert_eq!(m.pid(), if verified { peer.id() } else { -1 });
        assert_eq!(m.deliveries(), 0);
        if let Some(q) = &back {
            q.send(&(i as u64).to_ne_bytes(), LONG).unwrap();
        }
    }
    peer.ends();
    assert_eq!(rx.stat().unwrap().leased, 0);
}

pub fn ping(uri: &str) {
    let tx = Queue::open(uri, ipcx::SEND).unwrap();
    let back = Queue::open(uri.to_owned() + "-back", ipcx::RECV).ok();

    for i in 0..ROUNDS {
        let mut l = tx.loan(size(&tx, i), LONG).unwrap();

        l.fill(i as u8);
        l.set_tag(i as u64);
        l.commit().unwrap();
        if let Some(q) = &back {
            let m = q.take(LONG).unwrap();
            assert_eq!(m.array(0).map(u64::from_ne_bytes), Some(i as u64));
        }
    }
}

/// One that takes a message, of a queue that outlives it, and is killed with it in hand
pub fn take(uri: &str) {
    let q = Queue::open(uri, ipcx::CREATE | ipcx::RECV).unwrap();
    reached();
    let _m = q.take(LONG).unwrap();
    reached();
    sleep();
}

pub fn worker_is_killed(uri: &str) {
    let tx = Queue::open(uri, FRESH | ipcx::SEND).unwrap();
    assert_ne!(tx.caps() & ipcx::CAP_REDELIVERY, 0);
    tx.send(b"first", LONG).unwrap();
    tx.send(b"second", LONG).unwrap();
    for _ in 0..3 {
        let mut worker = Peer::new("take", uri);
        worker.wait();
        worker.wait();
        worker.kill();
    }
    let rx = Queue::open(uri, ipcx::RECV).unwrap();
    let m = rx.take(LONG).unwrap();
    assert_eq!((m.to_vec(), m.deliveries()), (b"first".to_vec(), 3));
    let m = m.next(LONG).unwrap();
    assert_eq!((m.to_vec(), m.deliveries()), (b"second".to_vec(), 0));
    drop(m);
    fails(EAGAIN, rx.take(ipcx::NOWAIT));
    Queue::unlink(uri).unwrap();
}

pub fn server_is_killed(uri: &str) {
    let mut server = Peer::new("take", uri);
    server.wait();
    let tx = Queue::open(uri, ipcx::SEND).unwrap();
    let killer = thread::spawn(|| {
        server.wait();
        server.kill();
    });
    fails(EOWNERDEAD, tx.call(tx.loan(8, LONG).unwrap(), LONG));
    killer.join().unwrap();
    assert!(none_but_spare(&tx));
    Queue::unlink(uri).unwrap();
}

pub fn send(uri: &str) {
    let q = Queue::open(uri, ipcx::SEND).unwrap();
    let mut l = q.loan(200, LONG).unwrap();
    l.fill(1);
    l.commit().unwrap();
    let mut l = q.loan(200, LONG).unwrap();
    l.fill(2);
    reached();
    sleep();
}

pub fn sender_is_killed(uri: &str) {
    let (rx, tx) = pair(uri);
    let mut sender = Peer::new("send", uri);
    sender.wait();
    sender.kill();
    assert_eq!(rx.take(LONG).unwrap().to_vec(), [1; 200]);
    fails(ETIMEDOUT, rx.take(SHORT));
    tx.send(b"alive", LONG).unwrap();
    assert_eq!(rx.take(LONG).unwrap().to_vec(), b"alive");
}
