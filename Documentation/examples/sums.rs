// SPDX-License-Identifier: GPL-2.0-only
//! One thread asks for sums, the other works them out and replies. Over any transport, and between
//! processes just so. Run it with the name of a queue, or none.

use std::time::Duration;
use std::{env, thread};

use ipcx::Queue;

const SOON: Duration = Duration::from_secs(10);

/// Replies until a request is empty.
fn server(q: &Queue) -> ipcx::Result<()> {
    loop {
        let request = q.take(SOON)?;
        let terms = request.contents(); // a copy, where its sender could change it
        let sum = terms
            .chunks_exact(4)
            .map(|term| u32::from_ne_bytes(term.try_into().unwrap()))
            .map(u64::from)
            .sum::<u64>();
        let last = terms.is_empty();

        drop(terms);
        request.reply(&sum.to_ne_bytes())?;
        if last {
            return Ok(());
        }
    }
}

fn ask(q: &Queue, n: u32) -> ipcx::Result<u64> {
    let mut request = q.loan(4 * n as usize, SOON)?;

    for (place, term) in request.chunks_exact_mut(4).zip(1u32..) {
        place.copy_from_slice(&term.to_ne_bytes());
    }
    let answer = q.call(request, SOON)?;

    Ok(u64::from_ne_bytes(answer.array(0).expect("a sum")))
}

fn client(q: &Queue) -> ipcx::Result<()> {
    for n in [10, 1000, 100_000] {
        println!("the sum of 1 to {n} is {}", ask(q, n)?);
    }
    ask(q, 0).map(drop)
}

fn main() -> ipcx::Result<()> {
    let uri = env::args().nth(1).unwrap_or_else(|| "shm:sums".into());
    let rx = Queue::open(&uri, ipcx::CREATE | ipcx::RECV | ipcx::EPHEMERAL)?;
    let tx = Queue::open(&uri, ipcx::SEND)?;

    thread::scope(|s| {
        let serves = s.spawn(|| server(&rx));

        client(&tx)?;
        serves.join().expect("a server")
    })
}
