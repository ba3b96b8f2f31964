//! What the machine allows: syncs of its disk, and the generator against a server that only
//! counts. Every other figure is to be read beside these.

use anyhow::Result;
use mainstem_disk::{Disk, OpenMode, RealDisk};
use mainstem_kernel::{Clock, clock::SystemClock};

use super::Setting;
use crate::{
    load::{self, Amount, Load, Target, as_f64},
    report::{Findings, Unit},
    sink,
};

const SYNCS: u32 = 300;
/// About what a group of 8,192 events takes in the journal.
const SYNC_BYTES: usize = 256 << 10;
const FILE_BYTES: u64 = 64 << 20;

pub(super) fn run(setting: &Setting) -> Result<Findings> {
    let mut findings = Findings::new("ceiling", "what the disk and the generator allow");
    let mut millis = sync_times(setting)?;
    millis.sort_by(f64::total_cmp);
    findings.add(
        "write and sync of 256 KiB, p50",
        millis[millis.len() / 2],
        Unit::Milliseconds,
    );
    findings.add("… p99", millis[millis.len() * 99 / 100], Unit::Milliseconds);

    let amount = Amount::Time {
        warm_up: setting.warm_up() / 2,
        counted: setting.counted() / 2,
    };
    let shapes = [(8, 2_000), (8, 100), (64, 1)];
    for (connections, events_per_request) in shapes {
        let address = sink::start(sink::accept_all)?;
        let target = Target {
            address,
            key: "none",
            stream: "none",
            pid: std::process::id(),
        };
        let load = Load::new(connections, events_per_request, amount);
        let outcome = load::run(load, target, |_| Ok(()))?;
        let sink = outcome
            .generator
            .threads
            .get("sink")
            .copied()
            .unwrap_or(0.0);
        let own = outcome.generator.cpu - sink;
        let name = format!("generator alone, requests of {events_per_request}");
        findings.add(name, outcome.rate(), Unit::EventsPerSecond);
        let million = as_f64(outcome.counted) / 1e6;
        findings.add("… its cost", own / million, Unit::CpuPerMillion);
    }
    Ok(findings)
}

/// Milliseconds of each write and sync, in a file that is rewritten as the journal's are.
fn sync_times(setting: &Setting) -> Result<Vec<f64>> {
    RealDisk.create_dirs(&setting.folder)?;
    let path = setting.folder.join("syncs");
    if RealDisk.stat(&path)?.is_some() {
        RealDisk.remove_file(&path)?;
    }
    let file = RealDisk.open(&path, OpenMode::CreateNew)?;
    file.preallocate(FILE_BYTES)?;
    let bytes = vec![7; SYNC_BYTES];
    let mut millis = Vec::new();
    for n in 0..SYNCS {
        let offset = u64::from(n) * bytes.len() as u64 % FILE_BYTES;
        let begin = SystemClock.monotonic();
        file.write_at(&bytes, offset)?;
        file.sync_data()?;
        millis.push((SystemClock.monotonic() - begin).as_secs_f64() * 1e3);
    }
    RealDisk.remove_file(&path)?;
    Ok(millis)
}
