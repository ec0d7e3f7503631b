// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! How long to wait.

use std::os::raw::{c_int, c_long};
use std::time::{Duration, Instant};

use crate::ffi;

const CLOCK_MONOTONIC: c_int = 1;

#[repr(C)]
struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

extern "C" {
    fn clock_gettime(clock: c_int, now: *mut Timespec) -> c_int;
}

fn now() -> i64 {
    let mut t = Timespec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: it writes the struct
    unsafe { clock_gettime(CLOCK_MONOTONIC, &mut t) };
    #[allow(clippy::unnecessary_cast)] // a long has 32 bits elsewhere
    let (seconds, nanoseconds) = (t.seconds as i64, t.nanoseconds as i64);
    seconds * 1_000_000_000 + nanoseconds
}

/// How long to wait: a [`Duration`] from now, an [`Instant`], [`NOWAIT`] or [`FOREVER`]
///
/// A duration of zero does not wait; one that no clock can count to is for ever. An instant that
/// is past is not [`NOWAIT`]: what is not there has timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(i64);

/// Do not wait: what is not there is `EAGAIN`, [`Error::timed_out`](crate::Error::timed_out)
pub const NOWAIT: Deadline = Deadline(ffi::IPCX_NOWAIT);
/// Wait for ever
pub const FOREVER: Deadline = Deadline(ffi::IPCX_FOREVER);

/// One that is past, and is not [`NOWAIT`]
pub(crate) const PAST: Deadline = Deadline(1);

impl Deadline {
    /// Nanoseconds of `CLOCK_MONOTONIC`, as C has it
    pub(crate) fn ns(self) -> i64 {
        self.0
    }
}

impl From<Duration> for Deadline {
    fn from(d: Duration) -> Deadline {
        if d.is_zero() {
            return NOWAIT;
        }
        match i64::try_from(d.as_nanos()) {
            Ok(ns) => Deadline(now().saturating_add(ns)),
            Err(_) => FOREVER,
        }
    }
}

impl From<Instant> for Deadline {
    fn from(t: Instant) -> Deadline {
        match t.checked_duration_since(Instant::now()) {
            Some(d) if !d.is_zero() => d.into(),
            _ => PAST,
        }
    }
}
