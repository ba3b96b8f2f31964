//! What was measured, as a table for people or JSON for machines.
//!
//! It judges nothing: goals stand beside figures, and no figure fails a bench.

use std::io::{self, Write};

use anyhow::Result;
use mainstem_kernel::ByteSize;
use serde::Serialize;

use crate::usage::{Spent, kernel_release};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    EventsPerSecond,
    Events,
    Milliseconds,
    Seconds,
    Bytes,
    /// Processor seconds per million events.
    CpuPerMillion,
    AnswersPerSecond,
    /// Processor microseconds per answer.
    CpuMicros,
    /// This over that.
    Ratio,
    Count,
}

/// One measured number.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    /// What it should be, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<&'static str>,
}

/// A stage's part of the server's processor time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Share {
    /// Name of its threads.
    pub(crate) threads: String,
    pub(crate) cpu_seconds: f64,
    pub(crate) share: f64,
}

/// What one case found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Findings {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) figures: Vec<Figure>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) shares: Vec<Share>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

impl Findings {
    pub(crate) fn new(name: &'static str, title: impl Into<String>) -> Self {
        let (figures, shares, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            name,
            title: title.into(),
            figures,
            shares,
            notes,
        }
    }

    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64, unit: Unit) -> &mut Figure {
        let place = self.figures.len();
        self.figures.push(Figure {
            name: name.into(),
            value,
            unit,
            goal: None,
        });
        &mut self.figures[place]
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Each stage's part, largest first.
    pub(crate) fn share(&mut self, spent: &Spent) {
        self.shares = shares(spent);
    }
}

/// Each stage's part, largest first.
fn shares(spent: &Spent) -> Vec<Share> {
    let whole: f64 = spent.threads.values().sum();
    let shares = spent.threads.iter().filter(|(_, cpu)| **cpu > 0.0);
    let mut shares: Vec<Share> = shares
        .map(|(name, cpu)| Share {
            threads: name.clone(),
            cpu_seconds: *cpu,
            share: cpu / whole,
        })
        .collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    shares
}

/// The same as words: where a case has several loads.
pub(crate) fn shares_in_words(spent: &Spent) -> String {
    in_words(&shares(spent))
}

fn in_words(shares: &[Share]) -> String {
    let parts = shares.iter().filter(|share| share.share >= 0.005);
    let parts: Vec<String> = parts
        .map(|share| format!("{} {:.0} %", share.threads, share.share * 100.0))
        .collect();
    parts.join(", ")
}

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) folder: String,
}

impl Machine {
    pub(crate) fn here(folder: &std::path::Path) -> Self {
        let kernel = format!("Linux {}", kernel_release());
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            cores,
            kernel,
            folder: folder.display().to_string(),
        }
    }
}

/// For people: a case as a block of lines.
pub(crate) fn print_table(findings: &Findings) -> Result<()> {
    let mut text = format!("\n{}: {}\n", findings.name, findings.title);
    let width = findings
        .figures
        .iter()
        .map(|figure| figure.name.chars().count())
        .max()
        .unwrap_or(0);
    for figure in &findings.figures {
        let shown = show(figure.value, figure.unit);
        let goal = figure
            .goal
            .map(|goal| format!("   (goal: {goal})"))
            .unwrap_or_default();
        text += &format!("  {:width$}  {shown:>22}{goal}\n", figure.name);
    }
    if !findings.shares.is_empty() {
        let words = in_words(&findings.shares);
        text += &format!("  processor time of the server by threads: {words}\n");
    }
    for note in &findings.notes {
        text += &format!("  {note}\n");
    }
    Ok(io::stdout().lock().write_all(text.as_bytes())?)
}

/// For machines: everything as one document.
pub(crate) fn print_json(bench: &str, machine: &Machine, cases: &[Findings]) -> Result<()> {
    let document = serde_json::json!({ "bench": bench, "machine": machine, "cases": cases });
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &document)?;
    Ok(out.write_all(b"\n")?)
}

/// What is going on, on stderr.
pub(crate) fn progress(words: &str) -> Result<()> {
    Ok(io::stderr()
        .lock()
        .write_all(format!("{words}\n").as_bytes())?)
}

fn show(value: f64, unit: Unit) -> String {
    match unit {
        Unit::EventsPerSecond => format!("{} events/s", grouped(value)),
        Unit::Events => format!("{} events", grouped(value)),
        Unit::Milliseconds => format!("{value:.2} ms"),
        Unit::Seconds => format!("{value:.3} s"),
        Unit::Bytes => ByteSize(whole(value)).to_string(),
        Unit::CpuPerMillion => format!("{value:.3} CPU s/million"),
        Unit::AnswersPerSecond => format!("{} answers/s", grouped(value)),
        Unit::CpuMicros => format!("{value:.1} CPU µs/answer"),
        Unit::Ratio => format!("{value:.2} ×"),
        Unit::Count => grouped(value),
    }
}

/// With a comma before every third digit.
fn grouped(value: f64) -> String {
    let digits = whole(value).to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are not negative and far below 2^63"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_figures_with_their_units() {
        assert_eq!(
            show(2_512_345.6, Unit::EventsPerSecond),
            "2,512,346 events/s"
        );
        assert_eq!(show(999.0, Unit::Count), "999");
        assert_eq!(show(1_000.0, Unit::Count), "1,000");
        assert_eq!(show(1.5 * 1_048_576.0, Unit::Bytes), "1.5 MiB");
        assert_eq!(show(0.0512, Unit::CpuPerMillion), "0.051 CPU s/million");
        assert_eq!(show(1.234, Unit::Ratio), "1.23 ×");
    }

    #[test]
    fn shares_are_parts_of_the_whole() {
        let mut findings = Findings::new("x", "y");
        let threads = [
            ("admit".to_owned(), 3.0),
            ("log".to_owned(), 1.0),
            ("idle".to_owned(), 0.0),
        ];
        findings.share(&Spent {
            cpu: 4.0,
            threads: threads.into(),
        });
        let found: Vec<(&str, f64)> = findings
            .shares
            .iter()
            .map(|share| (share.threads.as_str(), share.share))
            .collect();
        assert_eq!(found, [("admit", 0.75), ("log", 0.25)]);
    }
}
