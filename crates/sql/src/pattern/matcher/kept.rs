//! A matcher as bytes: a part of the format of state.
//!
//! # Format, version 1
//!
//! Nothing at all if nothing is remembered. Else `version u8 = 1`; the number of rows so far `u64`; a count
//! `u32` of kept rows, the last ones, each with its time `i64` and its values, each a byte 0 if it is NULL
//! or 1, a length `u32` and bytes; a count `u32` of threads, each with the step `u32`, the number of its
//! first row `u64` and a count `u32` of symbols, `u32` each. All little endian.

use std::collections::VecDeque;

use super::{Matcher, Row, Thread};

const VERSION: u8 = 1;

impl Matcher {
    /// Whether it is as it was before the first row, but for their number.
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.threads.is_empty()
    }

    /// Writes it behind `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            return;
        }
        out.push(VERSION);
        out.extend(self.count.to_le_bytes());
        put(self.rows.len(), out);
        for row in &self.rows {
            out.extend(row.time.to_le_bytes());
            put(row.values.len(), out);
            for value in &row.values {
                out.push(u8::from(value.is_some()));
                if let Some(value) = value {
                    put(value.len(), out);
                    out.extend_from_slice(value);
                }
            }
        }
        put(self.threads.len(), out);
        for thread in &self.threads {
            put(thread.step, out);
            out.extend(thread.first.to_le_bytes());
            put(thread.symbols.len(), out);
            for symbol in &thread.symbols {
                put(*symbol, out);
            }
        }
    }

    /// Reads what `write` wrote; `None` if it is something else.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let mut from = bytes;
        if take::<1>(&mut from)? != [VERSION] {
            return None;
        }
        let count = u64::from_le_bytes(take(&mut from)?);
        let mut rows = VecDeque::new();
        for _ in 0..number(&mut from)? {
            let time = i64::from_le_bytes(take(&mut from)?);
            let mut values = Vec::new();
            for _ in 0..number(&mut from)? {
                values.push(match take::<1>(&mut from)? {
                    [0] => None,
                    _ => {
                        let length = number(&mut from)?;
                        let (value, behind) = from.split_at_checked(length)?;
                        from = behind;
                        Some(Box::from(value))
                    }
                });
            }
            let values = values.into_boxed_slice();
            rows.push_back(Row { time, values });
        }
        let mut threads = Vec::new();
        for _ in 0..number(&mut from)? {
            let step = number(&mut from)?;
            let first = u64::from_le_bytes(take(&mut from)?);
            let mut symbols = Vec::new();
            for _ in 0..number(&mut from)? {
                symbols.push(number(&mut from)?);
            }
            threads.push(Thread {
                step,
                first,
                symbols,
            });
        }
        from.is_empty().then_some(Self {
            count,
            rows_size: rows.iter().map(Row::size).sum(),
            rows,
            threads,
        })
    }
}

fn put(count: usize, out: &mut Vec<u8>) {
    out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn number(from: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(take(from)?)).ok()
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*first)
}
