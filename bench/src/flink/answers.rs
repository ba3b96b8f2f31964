//! What Flink's program says: an answer, and what each run took.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::load::as_f64;

/// What came of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Answers {
    pub(crate) version: String,
    /// The question's last row.
    pub(crate) answer: Vec<Value>,
    /// From files to nowhere.
    alone: Vec<Took>,
    /// Processor seconds of the broker to store the events.
    stored: f64,
    /// From the log.
    log: Vec<Took>,
}

/// What a run took.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Took {
    seconds: f64,
    /// Processor seconds of the whole process.
    cpu: f64,
    /// Processor seconds of the broker.
    broker: f64,
}

/// Events for each second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) per_core: f64,
    pub(crate) rate: f64,
}

impl Answers {
    /// From files to nowhere: the run that took the least of the processors.
    pub(crate) fn alone(&self, events: u64) -> Result<Rates> {
        rates(&self.alone, events, |took| took.cpu)
    }

    /// With a log before it and its rows in one: Flink's processor time, and the broker's to store,
    /// to hand out and to store again.
    pub(crate) fn with_log(&self, events: u64) -> Result<Rates> {
        rates(&self.log, events, |took| self.of_all(took))
    }

    /// Which process took how much of that, per million events.
    pub(crate) fn shares(&self, events: u64) -> Result<String> {
        let best = best(&self.log, |took| self.of_all(took))?;
        let per_million = |seconds: f64| seconds / (as_f64(events) / 1e6);
        Ok(format!(
            "{:.2} CPU s/million of Flink, {:.2} of the broker to store the events and {:.2} to hand them \
             out and to store the rows",
            per_million(best.cpu),
            per_million(self.stored),
            per_million(best.broker)
        ))
    }

    fn of_all(&self, took: &Took) -> f64 {
        took.cpu + took.broker + self.stored
    }
}

/// The run that took the least of the processors.
fn best(runs: &[Took], cpu: impl Fn(&Took) -> f64) -> Result<Took> {
    let best = runs.iter().min_by(|a, b| cpu(a).total_cmp(&cpu(b)));
    best.copied().context("Flink was not measured")
}

fn rates(runs: &[Took], events: u64, cpu: impl Fn(&Took) -> f64) -> Result<Rates> {
    let best = best(runs, &cpu)?;
    Ok(Rates {
        per_core: as_f64(events) / cpu(&best),
        rate: as_f64(events) / best.seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_run_counts_and_a_log_with_all_that_the_broker_did() {
        let took = |cpu, broker| Took {
            seconds: 1.0,
            cpu,
            broker,
        };
        let answers = |runs: Vec<Took>| Answers {
            version: String::new(),
            answer: Vec::new(),
            alone: runs.clone(),
            stored: 4.0,
            log: runs,
        };
        let both = answers(vec![took(3.0, 1.0), took(2.0, 4.0)]);
        assert!((both.alone(6).unwrap().per_core - 3.0).abs() < 1e-9);
        assert!((both.with_log(16).unwrap().per_core - 2.0).abs() < 1e-9);
        assert!(answers(Vec::new()).alone(1).is_err());
    }
}
