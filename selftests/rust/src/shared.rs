// SPDX-License-Identifier: GPL-2.0-only
//! Topics and regions.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};

use ipcx::{Access, Kind, Region, RegionOpts, Topic, TopicOpts};

use crate::util::*;

const NEWS: u64 = 300;
const PAGE: usize = 65536; // a multiple of it wherever Linux runs

pub fn topic(uri: &str) {
    let opts = TopicOpts {
        depth: 64,
        ..Default::default()
    };
    let flags = FRESH | ipcx::PUBLISH | ipcx::EPHEMERAL;
    let publisher = Topic::open_with(uri, flags, &opts).unwrap();
    assert_eq!(publisher.attr().unwrap().depth, 64);
    assert_ne!(publisher.caps() & ipcx::CAP_FAN_OUT, 0);

    let mut peers = [Peer::new("subscribe", uri), Peer::new("subscribe", uri)];
    peers.iter_mut().for_each(Peer::wait);
    for i in 0..NEWS {
        let mut l = publisher.loan(8 + i as usize % 200, LONG).unwrap();
        l.fill(i as u8);
        l.set_tag(i);
        l.commit().unwrap();
        drop(publisher.loan(10, LONG).unwrap()); // cancelled
    }
    peers.into_iter().for_each(Peer::ends);

    let lossy = Topic::open(uri, ipcx::SUBSCRIBE | ipcx::LOSSY).unwrap();
    fails(EAGAIN, lossy.take(ipcx::NOWAIT));
    fails(ETIMEDOUT, lossy.take(SHORT));
    fails(EPERM, lossy.loan(1, ipcx::NOWAIT));
    fails(
        EMSGSIZE,
        publisher.loan(publisher.attr().unwrap().msg_max as usize + 1, LONG),
    );
    for _ in 0..200 {
        // more than it holds: what is dropped is released
        publisher.send(&[5; 150], LONG).unwrap();
        let m = lossy.take(LONG).unwrap();
        assert_eq!(m.bytes().is_some(), lossy.caps() & ipcx::CAP_SEALED != 0);
        assert_eq!(*m.contents(), [5; 150]);
    }
    publisher.send(b"copied", LONG).unwrap();
    let mut to = [0; 6];
    assert_eq!(lossy.recv(&mut to, LONG).unwrap(), 6);
    assert_eq!((&to, lossy.missed()), (b"copied", 0));
}

pub fn subscribe(uri: &str) {
    let t = Topic::open(uri, ipcx::SUBSCRIBE).unwrap();
    reached();
    let mut m = t.take(LONG).unwrap();
    for i in 0..NEWS {
        assert_eq!(m.tag(), i);
        assert_eq!(m.to_vec(), vec![i as u8; 8 + i as usize % 200]);
        if i < NEWS - 1 {
            m = m.next(LONG).unwrap();
        }
    }
    m.release().unwrap();
    assert_eq!(t.missed(), 0);
}

pub fn durable(uri: &str) {
    let flags = FRESH | ipcx::PUBLISH | ipcx::EPHEMERAL;
    let publisher = Topic::open(uri, flags).unwrap();
    let opts = TopicOpts {
        durable: Some("log"),
        ..Default::default()
    };
    let open = || Topic::open_with(uri, ipcx::SUBSCRIBE, &opts).unwrap();

    drop(open());
    publisher.send(b"1", LONG).unwrap();
    publisher.send(b"2", LONG).unwrap();
    let t = open();
    assert_eq!(t.take(LONG).unwrap().to_vec(), b"1");
    drop(t);
    let t = open();
    assert_eq!(t.take(LONG).unwrap().to_vec(), b"2");
    drop(t);
    publisher.forget("log").unwrap();
    fails(ENOENT, publisher.forget("log"));
}

pub fn region(uri: &str) {
    let opts = RegionOpts {
        size: 2 * PAGE as u64,
        ..Default::default()
    };
    let r = Region::open_with(uri, FRESH | ipcx::READ | ipcx::WRITE, &opts).unwrap();
    let map = r.map(Access::ReadWrite).unwrap();
    let mut seen = [1; 5];

    assert_eq!(
        (map.len() as u64, r.size().unwrap()),
        (opts.size, opts.size)
    );
    map.read(PAGE, &mut seen);
    assert_eq!(seen, [0; 5]);
    map.write(PAGE, b"hello");
    Peer::new("write", uri).ends();
    map.read(PAGE, &mut seen);
    assert_eq!(&seen, b"world");
    // SAFETY: it is at the beginning of a page, and all use it as an atomic
    let counter = unsafe { &*map.as_ptr().cast::<AtomicU64>() };
    assert_eq!(counter.load(Ordering::Relaxed), 1000);

    let panics = |f: &dyn Fn()| panic::catch_unwind(AssertUnwindSafe(f)).is_err();
    assert!(panics(&|| map.write(map.len() - 1, b"ab")));
    assert!(panics(&|| map.read(usize::MAX, &mut [0; 2])));
    let reader = Region::open(uri, ipcx::READ).unwrap();
    let part = reader.map_part(PAGE, PAGE, Access::Read).unwrap();
    part.read(0, &mut seen);
    assert_eq!(&seen, b"world");
    assert!(panics(&|| part.write(0, b"x")));
    let e = reader.map(Access::ReadWrite).unwrap_err();
    assert_eq!(e.kind(), std::io::ErrorKind::PermissionDenied, "{e}");
    fails(EINVAL, r.map_part(1, PAGE, Access::Read));
    fails(EINVAL, r.map_part(0, 0, Access::Read));
    fails(EINVAL, r.map_part(2 * PAGE, PAGE, Access::Read));

    r.resize(3 * PAGE).unwrap();
    assert_eq!(r.size().unwrap(), 3 * PAGE as u64);
    if r.caps() & ipcx::CAP_SEALS != 0 {
        r.seal(ipcx::SEAL_SHRINK).unwrap();
        fails(EPERM, r.resize(PAGE));
    } else {
        assert!(r.seal(ipcx::SEAL_SHRINK).is_err());
    }
    Region::unlink(uri).unwrap();
    // a mapping does not need its region
    drop((r, reader));
    map.write(PAGE, b"again");
    part.read(0, &mut seen);
    assert_eq!(&seen, b"again");
    let at = format!("{:x}-", map.as_ptr() as usize);
    let mapped = || {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().any(|line| line.starts_with(&at))
    };
    assert!(mapped());
    drop(map);
    assert!(!mapped());
}

pub fn write(uri: &str) {
    let r = Region::open(uri, ipcx::READ | ipcx::WRITE).unwrap();
    let map = r.map(Access::ReadWrite).unwrap();
    let mut seen = [0; 5];
    map.read(PAGE, &mut seen);
    assert_eq!(&seen, b"hello");
    map.write(PAGE, b"world");
    // SAFETY: as above
    let counter = unsafe { &*map.as_ptr().cast::<AtomicU64>() };
    for _ in 0..1000 {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn list(uri: &str) {
    let bare = uri.split_once(':').unwrap().1;
    let opts = RegionOpts {
        size: PAGE as u64,
        mode: 0o600,
        ..Default::default()
    };
    let _r = Region::open_with(uri, FRESH | ipcx::WRITE, &opts).unwrap();
    let all = ipcx::list().unwrap();
    let one = all.iter().find(|o| o.name == bare).unwrap();
    assert_eq!(
        (one.kind, one.bytes_max, one.mode),
        (Kind::Region, PAGE as u64, 0o600)
    );
    let (rx, tx) = pair(&(uri.to_owned() + "-queue"));
    let one = ipcx::list()
        .unwrap()
        .into_iter()
        .find(|o| o.name == (bare.to_owned() + "-queue").as_str());
    let one = one.unwrap();
    assert_eq!((one.kind, one.receivers, one.senders), (Kind::Queue, 1, 1));
    assert_eq!(one.flags, ipcx::EPHEMERAL);
    drop((rx, tx));
    Region::unlink(uri).unwrap();
}
