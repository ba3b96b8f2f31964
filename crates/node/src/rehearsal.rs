//! `Rehearsal`: one application in a node without doors, in memory, under a clock that moves only
//! when it is told to. Tests of applications run in it.
//!
//! It takes no shortcut: definitions are planned and applied, rows admitted, writes decided, views
//! computed and questions answered by the parts of a node. What differs:
//!
//! * log, store and disk are in memory, and no row is archived;
//! * steps are taken by the caller in [`Rehearsal::settle`], so that the same calls always give the
//!   same rows; rows that leave a view leave at once instead of 20 ms later.
//!
//! Time is the log's, as in a node: rows that expire do so with the next rows that arrive.
//!
//! A restart is a kill and a start: the log keeps what it acknowledged and the store what it took,
//! the disk loses what was not synced, and everything in memory is gone.

mod errors;
mod running;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use mainstem_admit::{Ack, Format, Identity, Payload};
use mainstem_app::{Apps, Source};
use mainstem_disk::{Cut, TwinDisk};
use mainstem_kernel::{
    AppName, TenantId, Timestamp,
    clock::{Clock, ManualClock, SharedClock},
};
use mainstem_log::{MemoryLog, SharedLog};
use mainstem_sql::{Question, Rights, objects};
use mainstem_store::{MemoryStore, SharedStore};

use crate::{config::Config, memory::Shares, runtimes::Runtimes};
pub use errors::RehearsalError;
use running::Running;

/// What a question is answered by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Names of the columns, in order.
    pub columns: Vec<String>,
    /// Rows as JSON objects, in order.
    pub rows: Vec<String>,
}

/// What outlives a restart, and what everything is opened with.
#[derive(Debug)]
struct Ground {
    app: AppName,
    config: Config,
    shares: Shares,
    clock: Arc<ManualClock>,
    log: SharedLog,
    store: SharedStore,
    disk: TwinDisk,
    runtimes: Runtimes,
}

/// One application that is rehearsed.
#[derive(Debug)]
pub struct Rehearsal {
    /// Before `ground`, so that threads end before their runtime.
    running: Running,
    ground: Ground,
}

impl Rehearsal {
    /// Applies an application to an empty node, at a time.
    ///
    /// # Errors
    /// Mistakes of the source; that the machine refuses threads.
    pub fn open(source: &Source, now: Timestamp) -> Result<Self, RehearsalError> {
        let config = Config::defaults().map_err(crate::NodeError::from)?;
        let shares = Shares::split(&config)?;
        let clock = Arc::new(ManualClock::at(now));
        let shared: SharedClock = Arc::<ManualClock>::clone(&clock);
        let ground = Ground {
            app: source.name.clone(),
            config,
            shares,
            clock,
            log: Arc::new(MemoryLog::new(shared)),
            store: Arc::new(MemoryStore::new()),
            disk: TwinDisk::new(),
            runtimes: Runtimes::start()?,
        };
        let define = |apps: &Apps| {
            let plan = apps.plan(TenantId::ONLY, source)?;
            apps.apply(TenantId::ONLY, source, &plan.fingerprint)?;
            Ok(())
        };
        let mut rehearsal = Self {
            running: Running::open(&ground, define)?,
            ground,
        };
        rehearsal.settle()?;
        Ok(rehearsal)
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ground.clock.now()
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// As `settle`.
    pub fn advance(&mut self, span: Duration) -> Result<(), RehearsalError> {
        self.ground.clock.advance(span);
        self.settle()
    }

    /// Sends rows to a stream, an object per line.
    ///
    /// # Errors
    /// Why all of it was refused; as `settle`.
    pub fn send(&mut self, stream: &str, rows: Bytes) -> Result<Ack, RehearsalError> {
        let payload = Payload {
            tenant: TenantId::ONLY,
            stream: stream.to_owned(),
            format: Format::Ndjson,
            body: rows,
            identity: Identity::None,
        };
        let admitted = self.running.admission.admit(payload);
        let ack = self.ground.runtimes.doors.block_on(admitted)?;
        self.settle()?;
        Ok(ack)
    }

    /// Asks a question, or writes rows of tables.
    ///
    /// # Errors
    /// What is wrong with the statement; as `settle`.
    pub fn ask(&mut self, sql: &str) -> Result<Heard, RehearsalError> {
        let question = Question {
            tenant: TenantId::ONLY,
            sql: sql.to_owned(),
            rights: Rights::Write,
            wait: None,
            time_max: None,
            request: None,
        };
        let engine = Arc::clone(&self.running.engine);
        let heard = self.ground.runtimes.doors.block_on(async {
            let mut answered = engine.ask(question).await?;
            let fields = answered.schema.fields().iter();
            let mut heard = Heard {
                columns: fields.map(|field| field.name().clone()).collect(),
                rows: Vec::new(),
            };
            while let Some(batch) = answered.rows.next().await {
                objects(&batch?, |_, row| {
                    heard.rows.push(String::from_utf8_lossy(row).into_owned());
                })?;
            }
            Ok::<_, RehearsalError>(heard)
        })?;
        self.settle()?;
        Ok(heard)
    }

    /// Is killed and started again.
    ///
    /// # Errors
    /// What cannot be opened again; as `settle`.
    pub fn restart(&mut self) -> Result<(), RehearsalError> {
        self.running.die();
        self.ground.disk = self.ground.disk.cut_power(Cut::DropAll);
        self.running = Running::open(&self.ground, |_| Ok(()))?;
        self.settle()?;
        // What the last checkpoint left behind is sent half a second after a start: the clock stands
        // still, so it is sent now.
        self.running.send_left()?;
        self.settle()
    }

    /// Works until there is nothing more to do at this time.
    fn settle(&mut self) -> Result<(), RehearsalError> {
        self.running.settle(&self.ground.app)
    }
}
