// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Copies from and to memory that other processes may write at the same time.
//!
//! A `&[u8]` says that nobody writes there; the compiler may read a byte twice and take it for
//! the same. These copies read and write each byte once, by volatile accesses, which the compiler
//! leaves as they are. Bytes that another process writes meanwhile are old or new.

use std::ptr;

const WORD: usize = std::mem::size_of::<u64>();

/// How many bytes come before the first whole word at @p
fn before_word(p: *const u8, len: usize) -> usize {
    p.align_offset(WORD).min(len)
}

/// # Safety
/// As many bytes as `to` has are mapped at `from`, and no thread of this process writes there.
pub(crate) unsafe fn read(mut from: *const u8, to: &mut [u8]) {
    let (first, rest) = to.split_at_mut(before_word(from, to.len()));
    let mut words = rest.chunks_exact_mut(WORD);

    for b in first {
        *b = from.read_volatile();
        from = from.add(1);
    }
    for w in &mut words {
        w.copy_from_slice(&from.cast::<u64>().read_volatile().to_ne_bytes());
        from = from.add(WORD);
    }
    for b in words.into_remainder() {
        *b = from.read_volatile();
        from = from.add(1);
    }
}

/// # Safety
/// As many bytes as `from` has are mapped writable at `to`, and no other thread of this process
/// uses them.
pub(crate) unsafe fn write(mut to: *mut u8, from: &[u8]) {
    let (first, rest) = from.split_at(before_word(to, from.len()));
    let words = rest.chunks_exact(WORD);
    let last = words.remainder();

    for b in first {
        to.write_volatile(*b);
        to = to.add(1);
    }
    for w in words {
        let mut word = 0u64;
        ptr::copy_nonoverlapping(w.as_ptr(), ptr::addr_of_mut!(word).cast(), WORD);
        to.cast::<u64>().write_volatile(word);
        to = to.add(WORD);
    }
    for b in last {
        to.write_volatile(*b);
        to = to.add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every length, from and to every place in a word; what is beside is not touched.
    #[test]
    fn copies_at_every_place() {
        let bytes: Vec<u8> = (1..=64).collect();
        for at in 0..2 * WORD {
            for len in 0..=64 - at {
                let mut to = [0u8; 64];
                let mut back = vec![0u8; len];
                // SAFETY: both ends are inside
                unsafe { write(to.as_mut_ptr().add(at), &bytes[..len]) };
                assert_eq!(to[at..at + len], bytes[..len]);
                assert!(to[..at].iter().chain(&to[at + len..]).all(|b| *b == 0));
                unsafe { read(bytes.as_ptr().add(at), &mut back) };
                assert_eq!(back, bytes[at..at + len]);
            }
        }
    }
}
