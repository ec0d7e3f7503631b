// SPDX-License-Identifier: GPL-2.0-only
//! Jobs survive their workers. Run it with the name of a queue, or none.

use std::process::{self, Command};
use std::time::Duration;
use std::{env, io};

use ipcx::{Queue, FOREVER};

/// Takes jobs until there is an empty one; dies with the third in hand.
fn work(uri: &str) -> ipcx::Result<()> {
    let jobs = Queue::open(uri, ipcx::RECV)?;
    let mut job = jobs.take(FOREVER)?;

    while let Some(bytes) = job.array(0) {
        let number = u32::from_ne_bytes(bytes);

        if number == 3 && job.deliveries() == 0 {
            process::exit(1);
        }
        match job.deliveries() {
            0 => println!("job {number} is done"),
            n => println!("job {number} is done, delivery {}", n + 1),
        }
        job = job.next(FOREVER)?; // releases it, and takes the next
    }
    job.release()
}

fn main() -> io::Result<()> {
    let uri = env::args().nth(1).unwrap_or_else(|| "shm:jobs".into());
    if env::args().nth(2).is_some() {
        return Ok(work(&uri)?);
    }
    let jobs = Queue::open(&uri, ipcx::CREATE | ipcx::SEND | ipcx::EPHEMERAL)?;

    for number in 1..=4u32 {
        let mut job = jobs.loan(100, Duration::from_secs(10))?;

        job[..4].copy_from_slice(&number.to_ne_bytes());
        job[4..].fill(0);
        job.commit()?;
    }
    jobs.send(b"", Duration::from_secs(10))?;
    loop {
        let mut worker = Command::new(env::current_exe()?);

        if worker.args([&uri, "work"]).status()?.success() {
            return Ok(());
        }
        println!("a worker has died, here is the next");
    }
}
