//! The promises of `RowWriter`, `Frontiers` and `RowReader`, tried on real engines.
//!
//! They are those of `MAINSTEM_KAFKA` and `MAINSTEM_CASSANDRA` (`cargo xtask cluster up` starts some).
//! Without the variables each promise says that it was skipped. Every test has topics of its own and
//! a keyspace of its own, whose tables it drops.

#![cfg(feature = "engines")]

mod bed;
mod proxy;
mod reading;
mod writing;

use std::collections::HashMap;

use bed::Bed;

/// Devices of a test.
fn devices(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("device-{number}"))
        .collect()
}

/// The record of view `sums` at a version, as Spark writes it: some versions say that the row is
/// gone.
fn sum(device: &str, version: u64) -> (String, Option<String>) {
    let n = version * 10;
    let live = is_live(device, version);
    let value = format!(r#"{{"device":"{device}","n":{n},"_version":{version},"_live":{live}}}"#);
    (format!("[\"{device}\"]"), Some(value))
}

fn is_live(device: &str, version: u64) -> bool {
    let salt: u64 = device.bytes().map(u64::from).sum();
    !(salt + version).is_multiple_of(7)
}

/// What readers see of `sums` when each device is at a version.
fn sums_at(devices: &[String], version: u64) -> HashMap<String, String> {
    let live = devices.iter().filter(|device| is_live(device, version));
    let row = |device: &String| {
        let n = version * 10;
        (
            device.clone(),
            format!(r#"{{"device":"{device}","n":{n}}}"#),
        )
    };
    live.map(row).collect()
}

/// Where a position is that covers all of these places of an object.
fn position(
    bed: &Bed,
    name: &str,
    ends: impl IntoIterator<Item = (u16, u64)>,
) -> mainstem_kernel::Offsets {
    let mut offsets = mainstem_kernel::Offsets::default();
    for (partition, next) in ends {
        offsets.reach(
            bed.id(name),
            mainstem_kernel::PartitionId(partition),
            mainstem_kernel::Offset(next),
        );
    }
    offsets
}
