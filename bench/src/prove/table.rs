//! What a proof found: a table for people, and the verdict.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    time::Duration,
};

use anyhow::{Result, bail};

use super::{
    Options,
    ledger::Ledger,
    look::{Compared, Watched},
    vouchers::Redeemed,
};

/// One strike and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) strike: String,
    /// Codes of which clients have to be told one, if any, and those that they were told.
    pub(crate) wanted: &'static [&'static str],
    pub(crate) told: BTreeSet<String>,
    /// Until it was back.
    pub(crate) mended: Duration,
    /// Whether a gateway that was struck has acknowledged events again, in time.
    pub(crate) serves_again: bool,
    /// Events that were acknowledged meanwhile.
    pub(crate) acked: u64,
    /// Longest refusal of a client.
    pub(crate) refused: Duration,
    /// From then until views had everything; `None` if they did not come to have it.
    pub(crate) caught_up: Option<Duration>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) rows: Vec<Row>,
    pub(crate) ledger: Ledger,
    pub(crate) final_catch_up: Option<Duration>,
    pub(crate) compared: Compared,
    pub(crate) watched: Watched,
    pub(crate) vouchers: Option<Redeemed>,
}

impl Row {
    /// In one line.
    pub(crate) fn said(&self) -> String {
        format!(
            "{}: {} events acknowledged, refused for at most {} ({}), views caught up {}",
            self.strike,
            self.acked,
            shown(self.refused),
            self.codes(),
            self.caught_up.map_or_else(
                || "never".to_owned(),
                |took| format!("after {}", shown(took))
            )
        )
    }

    /// What clients were told.
    fn codes(&self) -> String {
        let told: Vec<&str> = self.told.iter().map(String::as_str).collect();
        told.join(" ")
    }

    /// Whether clients who were refused were told what it was. Where others go on, nobody may have been.
    fn is_named(&self) -> bool {
        let is_told = self.wanted.iter().any(|code| self.told.contains(*code));
        is_told || self.wanted.is_empty() || (self.told.is_empty() && self.refused.is_zero())
    }
}

impl Outcome {
    /// Prints the table.
    pub(crate) fn print(&self, options: &Options) -> Result<()> {
        let text = self.text(options);
        Ok(io::stdout().lock().write_all(text.as_bytes())?)
    }

    fn text(&self, options: &Options) -> String {
        let mut text = format!(
            "\n{} gateways, {} workers, {} writers, {} clients\n\n{:<20} {:>9} {:>12} {:>14} {:>15}  clients were told\n",
            options.gateways,
            options.workers,
            options.writers,
            options.clients,
            "strike",
            "back in",
            "acknowledged",
            "refused at most",
            "views caught up"
        );
        for row in &self.rows {
            let caught_up = row.caught_up.map_or_else(|| "never".to_owned(), shown);
            text.push_str(&format!(
                "{:<20} {:>9} {:>12} {:>14} {:>15}  {}\n",
                row.strike,
                shown(row.mended),
                row.acked,
                shown(row.refused),
                caught_up,
                row.codes()
            ));
        }
        let compared = &self.compared;
        text.push_str(&format!(
            "\n{} events acknowledged, {} sent again after an unknown outcome; longest refusal {}\n\
             {} rows in the stream, {} counted by views in {} rows\n\
             {} looks at the rows, {} refused, {} went back\n",
            self.ledger.acked_events(),
            self.ledger.unknown_events(),
            shown(self.ledger.refused_max()),
            compared.stream,
            compared.counted,
            compared.rows,
            self.watched.looks,
            self.watched.refusals,
            self.watched.mistakes.len(),
        ));
        if let Some(vouchers) = &self.vouchers {
            text.push_str(&format!(
                "{} clients, {} vouchers taken, {} told of one, {} attempts without an answer, {}\n",
                vouchers.clients,
                vouchers.taken,
                vouchers.told,
                vouchers.unanswered,
                shown(vouchers.took)
            ));
        }
        text
    }

    /// Fails if anything was promised and not kept.
    pub(crate) fn judge(&self, options: &Options) -> Result<()> {
        let mistakes = self.mistakes(options);
        if mistakes.is_empty() {
            let kept = "\nkept: nothing acknowledged is lost, each event is counted once\n";
            return Ok(io::stdout().lock().write_all(kept.as_bytes())?);
        }
        bail!("not kept:\n  {}", mistakes.join("\n  "))
    }

    fn mistakes(&self, options: &Options) -> Vec<String> {
        let mut mistakes = self.compared.mistakes.clone();
        mistakes.extend(self.watched.mistakes.iter().cloned());
        if let Some(vouchers) = &self.vouchers {
            mistakes.extend(vouchers.mistakes.iter().cloned());
        }
        if self.watched.looks == 0 {
            mistakes.push("nobody could look at the rows meanwhile".to_owned());
        }
        let refused = self.ledger.refused_max();
        if refused > Duration::from_secs(options.refusal_max) {
            mistakes.push(format!("doors refused a client for {}", shown(refused)));
        }
        for row in self.rows.iter().filter(|row| !row.serves_again) {
            mistakes.push(format!(
                "the gateway acknowledges nothing after: {}",
                row.strike
            ));
        }
        for row in self.rows.iter().filter(|row| !row.is_named()) {
            let wanted = row.wanted.join(" or ");
            mistakes.push(format!(
                "clients were not told {wanted} after: {}",
                row.strike
            ));
        }
        for row in self.rows.iter().filter(|row| row.caught_up.is_none()) {
            mistakes.push(format!("views did not catch up after: {}", row.strike));
        }
        if self.final_catch_up.is_none() {
            mistakes.push("views did not come to have everything in the end".to_owned());
        }
        mistakes
    }
}

fn shown(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
