//! Proofs beyond one machine: clients write while gateways, workers, writers of rows and engines
//! die, and everything that they were told is compared with what is there afterwards.
//!
//! The ledger is kept here, outside of everything that is killed. It never reads what a node or an
//! engine has on its disk: only what their doors say.

mod client;
pub(crate) mod engines;
mod ledger;
mod look;
pub(crate) mod machines;
mod node;
mod strike;
mod table;
mod vouchers;
mod way;

use std::{path::PathBuf, sync::Arc, thread, time::Duration};

use anyhow::{Result, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};

use crate::report;
use client::{Crowd, Doors};
use look::{Eyes, Watch};
use machines::Machines;
use strike::Strike;
use table::{Outcome, Row};
use way::Way;

/// How many of each, what strikes them, and how hard clients write meanwhile.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The program, built with the feature `cluster`
    #[arg(long, value_name = "FILE")]
    pub(crate) mainstem: PathBuf,
    /// Where the engines are
    #[arg(long, value_name = "FILE", default_value = "deploy/local-cluster.toml")]
    pub(crate) config: PathBuf,
    /// The program that starts the engines, and its words for this form of them
    #[arg(long, value_name = "COMMAND")]
    pub(crate) cluster: String,
    /// Where data folders and logs are made
    #[arg(long, value_name = "FOLDER", default_value = "target/prove")]
    pub(crate) folder: PathBuf,
    /// Nodes that are doors alone
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) gateways: u8,
    /// Nodes that look up, decide and control
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) workers: u8,
    /// Nodes that write rows alone; without one the workers do it
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=9))]
    pub(crate) writers: u8,
    /// What happens, in order: kill:NAME or pause:NAME, of gateway-1, worker-1, writer-1, kafka-1,
    /// cassandra-1, spark and so on; cut:gateway-1 cuts it off from Kafka, fill:kafka-1 leaves no
    /// room on its disk, forbid:kafka takes the rights to write away
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "STRIKES",
        default_value = "kill:gateway-1,kill:worker-1,kill:spark"
    )]
    pub(crate) strikes: Vec<Strike>,
    /// Where a gateway that is cut off finds Kafka, and where Kafka listens there: the brokers tell
    /// those who come that way the first address
    #[arg(long, value_delimiter = ',', value_name = "FROM=TO")]
    pub(crate) ways: Vec<Way>,
    /// Seconds that what was struck stays away
    #[arg(long, default_value_t = 5)]
    pub(crate) away: u64,
    /// Clients that write events
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) clients: u64,
    /// Clients that redeem a hundred vouchers while a worker is killed; 0 leaves it out
    #[arg(long, default_value_t = 1_000)]
    pub(crate) redeemers: u64,
    /// The longest that doors may refuse a client, in seconds
    #[arg(long, default_value_t = 10)]
    pub(crate) refusal_max: u64,
    /// The longest that views may take to catch up, in seconds
    #[arg(long, default_value_t = 120)]
    pub(crate) catch_up_max: u64,
}

/// Time to write in peace before the first strike.
const PEACE: Duration = Duration::from_secs(3);

/// Runs the whole proof and prints its table.
///
/// # Errors
/// When anything acknowledged is missing or counted twice, when doors refuse for too long, or when
/// views do not catch up.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut machines = Machines::start(options)?;
    machines.apply()?;
    let doors = Arc::new(Doors::new(machines.doors()?));
    let eyes = Eyes::new(Arc::clone(&doors))?;
    machines.fill_tables(&eyes, options.clients)?;
    let crowd = Crowd::start(&doors, options.clients)?;
    let watch = Watch::start(&doors)?;
    thread::sleep(PEACE);
    let mut outcome = Outcome::default();
    for strike in &options.strikes {
        let row = suffer(strike, options, (&mut machines, &crowd, &eyes))?;
        report::progress(&row.said())?;
        outcome.rows.push(row);
    }
    let ledger = crowd.stop()?;
    outcome.final_catch_up = eyes.caught_up(ledger.acked_events(), options.catch_up_max())?;
    outcome.compared = eyes.compare(&ledger, machines.deduplicates)?;
    outcome.watched = watch.stop()?;
    if options.redeemers > 0 {
        outcome.vouchers = Some(vouchers::redeem(options, &mut machines, &eyes)?);
    }
    outcome.ledger = ledger;
    outcome.print(options)?;
    machines.stop()?;
    outcome.judge(options)
}

/// One strike: what it did to clients, and how long views took to have everything again.
fn suffer(
    strike: &Strike,
    options: &Options,
    (machines, crowd, eyes): (&mut Machines, &Crowd, &Eyes),
) -> Result<Row> {
    report::progress(&format!("{strike}"))?;
    crowd.begin_round();
    let before = crowd.acked_events();
    let begin = SystemClock.monotonic();
    machines.strike(strike)?;
    thread::sleep(Duration::from_secs(options.away));
    machines.mend(strike)?;
    let mended = SystemClock.monotonic() - begin;
    let serves_again = match strike.gateway() {
        Some(door) => crowd.serves(door, Duration::from_secs(options.refusal_max)),
        None => true,
    };
    // Everything that was acknowledged until now has to come into the views.
    let wanted = crowd.acked_events();
    let caught_up = eyes.caught_up(wanted, options.catch_up_max())?;
    let refused = crowd.end_round();
    let told = crowd.codes();
    ensure!(
        crowd.acked_events() > before,
        "{strike}: nobody wrote anything meanwhile"
    );
    Ok(Row {
        strike: strike.to_string(),
        wanted: strike.codes(),
        told,
        mended,
        serves_again,
        acked: crowd.acked_events() - before,
        refused,
        caught_up,
    })
}

impl Options {
    fn catch_up_max(&self) -> Duration {
        Duration::from_secs(self.catch_up_max)
    }
}
