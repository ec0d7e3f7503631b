// SPDX-License-Identifier: GPL-2.0-only
//! What the tests share.

use std::env;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ipcx::{Queue, QueueOpts};

/// Nothing takes so long that goes well.
pub const LONG: Duration = Duration::from_secs(30);
pub const SHORT: Duration = Duration::from_millis(50);
pub const FRESH: u32 = ipcx::CREATE | ipcx::EXCL;

pub const EPERM: i32 = 1;
pub const ENOENT: i32 = 2;
pub const EINTR: i32 = 4;
pub const EAGAIN: i32 = 11;
pub const EEXIST: i32 = 17;
pub const EINVAL: i32 = 22;
pub const EMSGSIZE: i32 = 90;
pub const ETIMEDOUT: i32 = 110;
pub const ECANCELED: i32 = 125;
pub const EOWNERDEAD: i32 = 130;

pub const SIGALRM: i32 = 14;

/// A queue that goes with the test, and both its ends
pub fn pair(uri: &str) -> (Queue, Queue) {
    pair_with(uri, 0, &QueueOpts::default())
}

pub fn pair_with(uri: &str, flags: u32, opts: &QueueOpts<'_>) -> (Queue, Queue) {
    let rx = Queue::open_with(uri, FRESH | ipcx::EPHEMERAL | ipcx::RECV | flags, opts).unwrap();
    let tx = Queue::open(uri, ipcx::SEND).unwrap();
    (rx, tx)
}

/// Is nothing on loan? What was sent may have brought a slot for the next loan: see none_but_spare().
pub fn none_on_loan(q: &Queue) -> bool {
    q.stat().unwrap().loaned == 0
}

/// The same of one that has sent; the slot that it may have for its next loan goes by that.
pub fn none_but_spare(q: &Queue) -> bool {
    q.loan(1, LONG).unwrap().cancel().unwrap();
    none_on_loan(q)
}

/// Is nothing in hand?
pub fn idle(rx: &Queue, tx: &Queue) -> bool {
    rx.stat().unwrap().leased == 0 && none_but_spare(tx)
}

/// The errno that it must have failed with, for a reason in words
pub fn fails<T>(errno: i32, r: Result<T, impl Into<ipcx::Error>>) {
    let e: ipcx::Error = r.err().expect("a failure").into();
    assert_eq!(e.errno(), errno, "{e}");
    assert!(!e.to_string().is_empty());
}

/// A child that does what `name` says, killed if the test leaves it behind
pub struct Peer(Child);

impl Peer {
    pub fn new(name: &str, uri: &str) -> Peer {
        Peer(
            Command::new(env::current_exe().unwrap())
                .args(["child", name, uri])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    pub fn id(&self) -> i32 {
        self.0.id() as i32
    }

    /// Waits until it is where it calls reached().
    pub fn wait(&mut self) {
        let mut byte = [0];
        self.0
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .unwrap();
    }

    pub fn kill(mut self) {
        self.0.kill().unwrap();
        assert_eq!(self.0.wait().unwrap().code(), None);
    }

    pub fn ends(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In a child: it is there.
pub fn reached() {
    let mut out = std::io::stdout();
    out.write_all(b".").unwrap();
    out.flush().unwrap();
}

/// In a child: waits to be killed, or ends with a failure.
pub fn sleep() {
    std::thread::sleep(LONG);
    panic!("nobody has killed it");
}
