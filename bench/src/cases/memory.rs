//! Resident memory under full load for minutes: it must stay flat.

use std::time::Duration;

use anyhow::Result;

use super::{Setting, add_load, check_count};
use crate::{
    load::{self, Amount, Load, as_f64},
    report::{Findings, Unit, progress},
    usage::resident_bytes,
};

const NAME: &str = "memory";

pub(super) fn run(setting: &Setting) -> Result<Findings> {
    let title = format!(
        "resident memory over {} minutes of full load",
        setting.minutes
    );
    let mut findings = Findings::new(NAME, title);
    let server = setting.server(NAME, "")?;
    let pid = server.pid();
    let idle = resident_bytes(pid)?;
    let counted = Duration::from_secs(setting.minutes * 60);
    let amount = Amount::Time {
        warm_up: setting.warm_up(),
        counted,
    };
    let load = Load::new(8, 2_000, amount);
    let mut samples = Vec::new();
    let outcome = load::run(load, server.target(), |second| {
        samples.push(resident_bytes(pid)?);
        if second.is_multiple_of(60) {
            let minute = median(&samples[samples.len() - 60..]);
            progress(&format!(
                "  minute {}: {}",
                second / 60,
                mainstem_kernel::ByteSize(minute)
            ))?;
        }
        Ok(())
    })?;

    add_load(&mut findings, &outcome);
    findings.add("idle", as_f64(idle), Unit::Bytes);
    let fifth = samples.len() / 5;
    let (early, late) = (
        &samples[fifth..2 * fifth],
        &samples[samples.len() - fifth..],
    );
    findings.add(
        "second fifth of the time, median",
        as_f64(median(early)),
        Unit::Bytes,
    );
    findings.add("last fifth, median", as_f64(median(late)), Unit::Bytes);
    let most = samples.iter().max().copied().unwrap_or(0);
    findings.add("most", as_f64(most), Unit::Bytes);
    let growth = as_f64(median(late)) / as_f64(median(early));
    findings
        .add("last fifth over second fifth", growth, Unit::Ratio)
        .goal = Some("flat");
    check_count(&mut findings, &server, &outcome)?;
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0)
}
