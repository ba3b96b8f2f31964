//! The simulated vehicles and their owners' shop: pure, seeded, in whole numbers.
//!
//! It writes events as NDJSON into buffers and never sends anything.

mod text;
mod vehicle;

use mainstem_kernel::Timestamp;

use super::random::Random;
use text::{fixed, number, quoted};
use vehicle::{Trip, Vehicle};

/// One order per this many readings.
const READINGS_PER_ORDER: u64 = 400;
/// Item and price in cents.
const ITEMS: [(&str, i64); 10] = [
    ("charging cable", 18_900),
    ("floor mats", 5_990),
    ("winter tyres", 74_900),
    ("roof box", 39_900),
    ("child seat", 24_900),
    ("bike rack", 29_900),
    ("wall box", 89_900),
    ("dash camera", 15_900),
    ("cooler", 9_900),
    ("key cover", 1_990),
];
/// Countries, the more frequent ones more often.
pub(super) const COUNTRIES: [&str; 12] = [
    "Germany",
    "Germany",
    "Germany",
    "France",
    "France",
    "United Kingdom",
    "United Kingdom",
    "Norway",
    "Netherlands",
    "Italy",
    "Spain",
    "Austria",
];

/// The number of a vehicle's owner, who has about three.
pub(super) fn owner_of(vehicle: u32) -> u32 {
    vehicle / 3
}

/// Some vehicles of the fleet, driven by one connection.
#[derive(Debug)]
pub(super) struct Fleet {
    random: Random,
    vehicles: Vec<Vehicle>,
    next: usize,
    orders: u64,
    /// Distinguishes this fleet's ids from those of other connections and runs.
    tag: String,
}

/// Events that wait to be sent, as NDJSON.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) readings: Vec<u8>,
    pub(super) trips: Vec<u8>,
    pub(super) orders: Vec<u8>,
    /// Of each of them.
    pub(super) counts: [u64; 3],
}

impl Fleet {
    /// Vehicle `first` and every `step`th after it, below `all`.
    pub(super) fn new(first: u32, step: u32, all: u32, tag: &str) -> Self {
        let mut random = Random::new(u64::from(first) ^ 0x6d61_696e);
        let ids = (first..all).step_by(step.max(1) as usize);
        let vehicles = ids.map(|id| Vehicle::new(id, &mut random)).collect();
        Self {
            random,
            vehicles,
            next: 0,
            orders: 0,
            tag: format!("{tag}{first}"),
        }
    }

    /// Writes `n` readings at the time `now`, with the trips and orders that come with them.
    /// `step_ms` is what passes between two readings of one vehicle.
    pub(super) fn drive(&mut self, n: u64, now: Timestamp, step_ms: i64, events: &mut Events) {
        let at = Clockwork::new(now);
        for i in 0..n {
            self.next = if self.next + 1 < self.vehicles.len() {
                self.next + 1
            } else {
                0
            };
            let Some(vehicle) = self.vehicles.get_mut(self.next) else {
                return;
            };
            let trip = vehicle.step(step_ms, now, &mut self.random);
            write_reading(vehicle, &at, i, &mut events.readings);
            events.counts[0] += 1;
            if let Some(trip) = trip {
                write_trip(vehicle, &trip, &self.tag, &mut events.trips);
                events.counts[1] += 1;
            }
            if self.random.once_in(READINGS_PER_ORDER) {
                let id = vehicle.id;
                self.orders += 1;
                self.write_order(id, &at, &mut events.orders);
                events.counts[2] += 1;
            }
        }
    }

    fn write_order(&mut self, vehicle: u32, at: &Clockwork, out: &mut Vec<u8>) {
        let (item, cents) = self.random.pick(&ITEMS).unwrap_or(("key cover", 1_990));
        let country = self.random.pick(&COUNTRIES).unwrap_or("Germany");
        out.extend_from_slice(b"{\"order_id\":\"o-");
        out.extend_from_slice(self.tag.as_bytes());
        out.push(b'-');
        number(out, i64::try_from(self.orders).unwrap_or(0));
        out.extend_from_slice(b"\",\"owner_id\":\"p-");
        number(out, i64::from(owner_of(vehicle)));
        if !self.random.once_in(5) {
            out.extend_from_slice(b"\",\"vehicle_id\":\"v-");
            number(out, i64::from(vehicle));
        }
        out.push(b'"');
        quoted(out, "item", item);
        out.extend_from_slice(b",\"quantity\":");
        number(out, self.random.between(1, 4));
        out.extend_from_slice(b",\"unit_price\":\"");
        fixed(out, cents, 2);
        out.push(b'"');
        quoted(out, "country", country);
        out.extend_from_slice(b",\"ordered_at\":\"");
        at.write(out, self.orders);
        out.extend_from_slice(b"\"}\n");
    }
}

/// Writes many times of one millisecond quickly.
struct Clockwork {
    /// Up to the milliseconds.
    text: String,
}

impl Clockwork {
    fn new(now: Timestamp) -> Self {
        let mut text = now.to_string();
        text.truncate("2026-11-21T10:00:00.123".len());
        Self { text }
    }

    /// The `i`th microsecond of it.
    fn write(&self, out: &mut Vec<u8>, i: u64) {
        out.extend_from_slice(self.text.as_bytes());
        let micros = i % 1_000;
        out.extend(
            [micros / 100, micros / 10 % 10, micros % 10]
                .iter()
                .map(|d| digit(*d)),
        );
        out.push(b'Z');
    }
}

fn digit(value: u64) -> u8 {
    b'0' + u8::try_from(value % 10).unwrap_or(0)
}

fn write_reading(vehicle: &Vehicle, at: &Clockwork, i: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"vehicle_id\":\"v-");
    number(out, i64::from(vehicle.id));
    out.extend_from_slice(b"\",\"at\":\"");
    at.write(out, i);
    out.extend_from_slice(b"\",\"lat\":");
    fixed(out, vehicle.lat_e5(), 5);
    out.extend_from_slice(b",\"lon\":");
    fixed(out, vehicle.lon_e5(), 5);
    out.extend_from_slice(b",\"speed_kmh\":");
    fixed(out, vehicle.speed_tenths, 1);
    out.extend_from_slice(b",\"battery_percent\":");
    fixed(out, vehicle.battery_tenths(), 1);
    if let Some(celsius) = vehicle.celsius_tenths() {
        out.extend_from_slice(b",\"celsius\":");
        fixed(out, celsius, 1);
    }
    out.extend_from_slice(b",\"odometer_km\":");
    fixed(out, vehicle.odometer_mm / 100_000, 1);
    out.extend_from_slice(b"}\n");
}

fn write_trip(vehicle: &Vehicle, trip: &Trip, tag: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"trip_id\":\"t-");
    out.extend_from_slice(tag.as_bytes());
    out.push(b'-');
    number(out, i64::from(vehicle.id));
    out.push(b'-');
    number(out, trip.number);
    out.extend_from_slice(b"\",\"vehicle_id\":\"v-");
    number(out, i64::from(vehicle.id));
    out.push(b'"');
    quoted(out, "started_at", &trip.started.to_string());
    quoted(out, "ended_at", &trip.ended.to_string());
    out.extend_from_slice(b",\"distance_km\":\"");
    fixed(out, trip.distance_mm / 1_000, 3);
    out.extend_from_slice(b"\",\"energy_kwh\":\"");
    // About 17 kWh per 100 km: 0.17 Wh per metre.
    fixed(out, trip.distance_mm / 1_000 * 17 / 100, 3);
    out.extend_from_slice(b"\",\"harsh_brakes\":");
    number(out, trip.harsh_brakes);
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn rows(bytes: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn every_event_is_a_json_object_in_the_ranges_of_a_vehicle() {
        let mut fleet = Fleet::new(1, 4, 400, "x");
        let mut events = Events::default();
        let now = Timestamp(1_795_000_000_123_456);
        for round in 0..2_000 {
            let now = Timestamp(now.0 + round * 60_000_000);
            fleet.drive(100, now, 60_000, &mut events);
        }
        let [readings, trips, orders] = events.counts;
        assert_eq!(readings, 200_000);
        assert!(
            trips > 100 && orders > 300,
            "{trips} trips, {orders} orders"
        );
        let found = rows(&events.readings);
        assert_eq!(found.len(), 200_000);
        for row in &found {
            let number = |name: &str| row[name].as_f64().unwrap();
            assert!((0.0..=180.0).contains(&number("speed_kmh")), "{row}");
            assert!((0.0..=100.0).contains(&number("battery_percent")), "{row}");
            assert!((30.0..=72.0).contains(&number("lat")), "{row}");
        }
        assert!(found.iter().any(|row| row["celsius"].is_null()));
        assert_eq!(rows(&events.trips).len() as u64, trips);
        assert_eq!(rows(&events.orders).len() as u64, orders);
        assert!(
            rows(&events.orders)
                .iter()
                .all(|row| row["unit_price"].is_string())
        );
    }
}
