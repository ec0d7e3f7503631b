// SPDX-License-Identifier: GPL-2.0-only
//! The tests of the crate ipcx: over the kernel if there is /dev/ipcx, else over the transports
//! that do without. TAP on stdout.
//!
//! Each test is a process of its own, and so are their children: this program again.

mod handles;
mod messages;
mod peers;
mod requests;
mod shared;
mod util;

use std::path::Path;
use std::process::{self, Command, Stdio};
use std::{env, fs};

/// A name, what is done, and over which transports if not over all
type Test = (&'static str, fn(&str), &'static [&'static str]);

const QUEUES: &[&str] = &["shm", "unix", "mq", "fifo", "kernel"];
const TOPICS: &[&str] = &["shm", "unix", "kernel"];
const REGIONS: &[&str] = &["shm", "kernel"];
/// Where a message outlives who took it
const REDELIVER: &[&str] = &["shm", "kernel"];

const TESTS: &[Test] = &[
    ("ping_pong", peers::ping_pong, QUEUES),
    ("a worker is killed", peers::worker_is_killed, REDELIVER),
    ("a sender is killed", peers::sender_is_killed, QUEUES),
    ("a server is killed", peers::server_is_killed, REDELIVER),
    ("loans", messages::loans, QUEUES),
    ("loans are clear", messages::cleared, QUEUES),
    ("messages", messages::messages, QUEUES),
    ("a panic releases", messages::panics, QUEUES),
    ("sealed or not", messages::sealed, QUEUES),
    ("batches", messages::batches, QUEUES),
    ("requests", requests::requests, QUEUES),
    ("replies fail", requests::replies_fail, QUEUES),
    ("calls go on", requests::calls_go_on, QUEUES),
    ("signals come", requests::interrupted, QUEUES),
    ("reply_next", requests::reply_next, QUEUES),
    ("errors", handles::errors, QUEUES),
    ("deadlines", handles::deadlines, QUEUES),
    ("threads", handles::threads, QUEUES),
    ("descriptors", handles::descriptors, QUEUES),
    ("a topic", shared::topic, TOPICS),
    ("a durable subscription", shared::durable, &["kernel"]),
    ("a region", shared::region, REGIONS),
    ("a list", shared::list, &["shm"]),
];

type Child = (&'static str, fn(&str));

/// What children do, by name
const CHILDREN: &[Child] = &[
    ("ping", peers::ping),
    ("take", peers::take),
    ("send", peers::send),
    ("subscribe", shared::subscribe),
    ("write", shared::write),
];

/// How all names begin that the tests give
fn mark() -> String {
    format!("rust-{}-", process::id())
}

/// What the tests have left, where names are
fn left(dir: &Path, kernel: bool) -> Vec<String> {
    let files = |dir: &Path| -> Vec<String> {
        let files = fs::read_dir(dir).unwrap();
        files
            .map(|f| f.unwrap().path().display().to_string())
            .collect()
    };
    let mut left: Vec<String> = if kernel {
        let list = fs::read_to_string("/proc/net/ipcx").unwrap();
        assert!(list.lines().count() > 0, "a list has a head");
        list.lines().map(String::from).collect()
    } else {
        ["/dev/shm", "/dev/mqueue"]
            .iter()
            .map(Path::new)
            .filter(|d| d.exists())
            .flat_map(files)
            .collect()
    };
    left.retain(|name| name.contains(&mark()));
    if !kernel {
        left.extend(files(&dir.join("ipcx"))); // which must be there
    }
    left
}

/// Runs one test in a process of its own. Return: did it end well?
fn passes(number: usize, transport: &str, dir: &Path) -> bool {
    let uri = format!("{transport}:{}{number}", mark());
    let out = Command::new(env::current_exe().unwrap())
        .args(["test", TESTS[number].0, &uri])
        .env("IPCX_QUIET", "1")
        .env("RUST_BACKTRACE", "0")
        .env("XDG_RUNTIME_DIR", dir)
        .env_remove("IPCX_TRANSPORT")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    // some panic on purpose, and end well
    if !out.status.success() {
        for line in String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).lines() {
            println!("# {line}");
        }
    }
    out.status.success()
}

fn all(dir: &Path) -> bool {
    let kernel = Path::new("/dev/ipcx").exists() || env::var_os("IPCX_MODULE").is_some();
    let (mut n, mut bad) = (0, 0);
    let mut tell = |ok: bool, what: &str| {
        n += 1;
        bad += !ok as usize;
        println!("{} {n} {what}", if ok { "ok" } else { "not ok" });
    };
    for (number, (name, _, transports)) in TESTS.iter().enumerate() {
        for transport in transports.iter().filter(|t| (**t == "kernel") == kernel) {
            tell(
                passes(number, transport, dir),
                &format!("{transport}: {name}"),
            );
        }
    }
    let left = left(dir, kernel);
    left.iter().for_each(|name| println!("# {name}"));
    tell(left.is_empty(), "nothing is left");
    println!("1..{n}");
    bad == 0
}

fn find<T: Copy>(list: impl Iterator<Item = (&'static str, T)>, name: &str) -> T {
    list.filter(|(n, _)| *n == name)
        .map(|(_, f)| f)
        .next()
        .expect("a known name")
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => {
            let dir = env::temp_dir().join(format!("ipcx-rust-{}", process::id()));
            fs::create_dir(&dir).unwrap();
            let good = all(&dir);
            fs::remove_dir_all(&dir).unwrap();
            process::exit(!good as i32);
        }
        ["test", name, uri] => find(TESTS.iter().map(|t| (t.0, t.1)), name)(uri),
        ["child", name, uri] => find(CHILDREN.iter().copied(), name)(uri),
        _ => panic!("no arguments are for use"),
    }
}
