//! Readings of vehicles: lines of JSON of exactly 132 bytes.
//!
//! A line is a template into which digits are patched, so that making events costs the machine
//! next to nothing.

use mainstem_kernel::Timestamp;

use super::{
    keys::{Chooser, Keys},
    splitmix,
};

/// Bytes of one event, its line feed included.
pub(crate) const EVENT_BYTES: usize = TEMPLATE.len();
/// Distinct devices, unless a case says otherwise.
pub(crate) const DEVICES: u64 = 10_000;
/// Most of them: more than memory is given for in the case that needs so many.
pub(crate) const DEVICES_MAX: u64 = 20_000_000;

const TEMPLATE: &[u8; 132] =
    b"{\"device_id\":\"vehicle-000000\",\"at\":\"2026-01-01T00:00:00.000000Z\",\
\"celsius\":00.00,\"speed\":00.0,\"odometer\":0000000,\"state\":\"driving\"}\n";
const DEVICE: usize = 22;
const AT: usize = 36;
const AT_MICROS: usize = AT + 20;
const CELSIUS: usize = 75;
const SPEED: usize = 89;
const ODOMETER: usize = 105;
const STATE: usize = 122;
/// Of the same length, so that every event has the same.
const STATES: [&[u8; 7]; 4] = [b"driving", b"waiting", b"parking", b"service"];

const SECOND: i64 = 1_000_000;

/// The id of a device: from a million on, the millions stand where the hyphen was, ten of them as `a`.
pub(crate) fn device(number: u64) -> String {
    let mut id = *b"vehicle-000000";
    name(&mut id, number);
    String::from_utf8_lossy(&id).into_owned()
}

/// Writes a device's number to the end of its id.
fn name(id: &mut [u8], number: u64) {
    let place = id.len() - 7;
    let million = u8::try_from(number / 1_000_000 % 36).unwrap_or(0);
    id[place] = match million {
        0 => b'-',
        1..10 => b'0' + million,
        _ => b'a' + (million - 10),
    };
    digits(&mut id[place + 1..], number % 1_000_000);
}

/// Makes events one after the other, in event time.
#[derive(Debug)]
pub(crate) struct EventMaker {
    random: u64,
    chooser: Chooser,
    next: Timestamp,
    step_micros: i64,
    line: [u8; EVENT_BYTES],
    /// The second that `line` shows.
    second: i64,
}

impl EventMaker {
    /// The first event happens at `first`, each next one `step_micros` later.
    pub(crate) fn new(seed: u64, keys: Keys, (first, step_micros): (Timestamp, i64)) -> Self {
        Self {
            random: seed,
            chooser: Chooser::new(keys),
            next: first,
            step_micros,
            line: *TEMPLATE,
            second: i64::MIN,
        }
    }

    /// A body of so many events.
    pub(crate) fn body(&mut self, events: usize) -> Vec<u8> {
        let mut body = Vec::with_capacity(events * EVENT_BYTES);
        for _event in 0..events {
            self.patch();
            body.extend_from_slice(&self.line);
        }
        body
    }

    fn patch(&mut self) {
        let at = self.next;
        self.next = Timestamp(at.0 + self.step_micros);
        if at.0.div_euclid(SECOND) != self.second {
            self.second = at.0.div_euclid(SECOND);
            let text = at.to_string();
            self.line[AT..AT + text.len()].copy_from_slice(text.as_bytes());
        }
        digits(
            &mut self.line[AT_MICROS..AT_MICROS + 6],
            at.0.rem_euclid(SECOND).unsigned_abs(),
        );

        let state = &mut self.random;
        let device = self.chooser.choose(|| splitmix(state));
        name(&mut self.line[DEVICE - 8..DEVICE + 6], device);
        let random = splitmix(&mut self.random);
        digits(
            &mut self.line[CELSIUS..CELSIUS + 2],
            10 + (random >> 16) % 90,
        );
        digits(
            &mut self.line[CELSIUS + 3..CELSIUS + 5],
            (random >> 24) % 100,
        );
        digits(&mut self.line[SPEED..SPEED + 2], 10 + (random >> 32) % 90);
        digits(&mut self.line[SPEED + 3..SPEED + 4], (random >> 40) % 10);
        digits(
            &mut self.line[ODOMETER..ODOMETER + 7],
            1_000_000 + (random >> 20) % 9_000_000,
        );
        let state = STATES[usize::try_from(random >> 62).unwrap_or(0)];
        self.line[STATE..STATE + 7].copy_from_slice(state);
    }
}

/// Fills a field with the last digits of a number.
fn digits(field: &mut [u8], mut number: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}
