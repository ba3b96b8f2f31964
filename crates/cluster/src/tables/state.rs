//! `State`: what an owner knows: the rows of its application's tables, the answers that it must
//! remember, and how far readers have to be. Everything in it is committed in Kafka; whoever takes
//! over reads the same from there.
//!
//! It never writes to Kafka.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use mainstem_catalog::{Definitions, TableDef};
use mainstem_kernel::{Offset, Offsets, PartitionId, SchemaVersion, Seq, StreamId};
use mainstem_table::{
    AppId, Changed, Decider, Opened, Step, TableSchema, Tables, TablesConfig, TablesParts,
};
use rdkafka::{Message as _, message::BorrowedMessage};

use super::{
    TablesError, WritesConfig,
    requests::{Remembered, Requests},
    rows::RowsRead,
    scan::{header, scan},
    statement::SEQ_HEADER,
    topics::AppTopics,
};
use crate::kafka::{
    Ends, SCHEMA_HEADER, Topics,
    topic::{Wanted, prefix_of},
};

/// Rows that are taken in at once while they are read back.
const ROWS_MAX: usize = 16_384;

/// What an owner knows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) app: AppId,
    pub(super) tables: Arc<Tables>,
    pub(super) decider: Decider,
    /// When something was written last.
    pub(super) last: Seq,
    pub(super) requests: Requests,
    /// Where a reader has to be to see everything.
    reached: Offsets,
    /// The topic of each table.
    topics: HashMap<StreamId, Arc<str>>,
    pub(super) defs: Arc<Definitions>,
    names: Topics,
    config: WritesConfig,
}

/// The tables of an application, those included that are kept after a drop.
fn tables_of<'a>(defs: &'a Definitions, app: &'a AppId) -> impl Iterator<Item = &'a Arc<TableDef>> {
    let all = defs.tables.values();
    all.filter(|def| def.tenant == app.tenant && def.app == app.name)
}

impl State {
    /// Reads everything that is committed. Whoever calls has made sure that nobody else commits.
    ///
    /// # Errors
    /// When Kafka cannot be reached, or a topic holds what others wrote.
    pub(super) fn open(
        (config, app): (&WritesConfig, &AppId),
        defs: Arc<Definitions>,
        parts: TablesParts,
    ) -> Result<Self, TablesError> {
        // Nothing is ever put into the store: rows are in layers, and in Kafka.
        let limits = TablesConfig {
            overlay_size_max: config.rows_size_max,
            apply_interval: Duration::MAX,
            feed_size_max: mainstem_kernel::ByteSize(0),
            redo_files_max: 0,
            redo_size_max: mainstem_kernel::ByteSize(0),
        };
        let Opened { tables, .. } = Tables::open(parts, limits, Vec::new())?;
        let mut state = Self {
            app: app.clone(),
            tables,
            decider: Decider::new(config.decider, Seq::ZERO),
            last: Seq::ZERO,
            requests: Requests::default(),
            reached: Offsets::default(),
            topics: HashMap::new(),
            defs: Arc::clone(&defs),
            names: Topics::new(&config.kafka)?,
            config: config.clone(),
        };
        for def in tables_of(&defs, app) {
            state.load(def)?;
        }
        state.load_requests()?;
        state.decider = Decider::new(config.decider, state.last);
        tracing::info!(
            app = %app.name,
            tables = state.topics.len(),
            requests = state.requests.len(),
            size = %state.tables.overlay_size(),
            "tables are owned here"
        );
        Ok(state)
    }

    /// Takes in what was declared since: tables that come, change their columns and go.
    ///
    /// # Errors
    /// As `open`.
    pub(super) fn follow(&mut self, defs: Arc<Definitions>) -> Result<(), TablesError> {
        if defs.seq == self.defs.seq {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.defs, Arc::clone(&defs));
        let app = self.app.clone();
        for def in tables_of(&defs, &app) {
            match before.tables.get(&def.id) {
                None => self.load(def)?,
                Some(known) if known != def => self.tables.define(TableSchema::of_table(def))?,
                Some(_) => {}
            }
        }
        for gone in tables_of(&before, &app).filter(|def| !defs.tables.contains_key(&def.id)) {
            self.tables.forget(gone.id)?;
            self.topics.remove(&gone.id);
        }
        Ok(())
    }

    /// Reads the rows of a table.
    fn load(&mut self, def: &TableDef) -> Result<(), TablesError> {
        let schema = TableSchema::of_table(def);
        let mut read = RowsRead::new(&schema);
        self.tables.define(schema)?;
        let kafka = self.config.kafka.clone();
        let wanted = Wanted::of_table(def, &kafka);
        let topic = self
            .names
            .ensure(&wanted, Some(&prefix_of(&kafka, def.id)))?;
        let ends = scan(&kafka, &topic.name, |message| {
            push(&mut read, message)?;
            if read.len() >= ROWS_MAX {
                self.take_in(&mut read, def.id)?;
            }
            Ok::<(), TablesError>(())
        })?;
        self.take_in(&mut read, def.id)?;
        for (partition, next) in ends {
            let place = (def.id, PartitionId(partition));
            self.reached.reach(place.0, place.1, Offset(next));
        }
        self.topics.insert(def.id, topic.name.into());
        Ok(())
    }

    fn take_in(&mut self, read: &mut RowsRead, table: StreamId) -> Result<(), TablesError> {
        let pointer = self.tables.pointer();
        let codec = pointer.codec(table)?;
        let misfit = |reason| TablesError::Record {
            topic: codec.table().name.to_string(),
            offset: 0,
            reason,
        };
        for changed in read.take(codec).map_err(misfit)? {
            self.advance(vec![changed])?;
        }
        Ok(())
    }

    /// Takes in changes that are committed.
    ///
    /// # Errors
    /// Never, in practice: they were decided on these rows.
    pub(super) fn advance(&mut self, changed: Vec<Changed>) -> Result<(), TablesError> {
        for changed in &changed {
            let newest = changed.written.iter().max().copied();
            let newest = newest.unwrap_or_default();
            self.last = self.last.max(newest);
            self.decider.wrote(changed.table, newest);
        }
        let through = self.last;
        self.tables.advance(Step {
            through,
            changed,
            emitted: Vec::new(),
        })?;
        Ok(())
    }

    fn load_requests(&mut self) -> Result<(), TablesError> {
        let kafka = self.config.kafka.clone();
        let wanted = AppTopics::of(&kafka, &self.app).requests;
        let topic = self.names.ensure(&wanted, None)?;
        scan(&kafka, &topic.name, |message| {
            let key = message.key().ok_or_else(|| misfit(message, "a key"))?;
            let Some(value) = message.payload() else {
                self.requests.forget(key);
                return Ok(());
            };
            let at = written(message).ok_or_else(|| misfit(message, SEQ_HEADER))?;
            let remembered = Remembered::read(at, value);
            let remembered = remembered.ok_or_else(|| misfit(message, "an answer"))?;
            self.last = self.last.max(at);
            self.requests.remember(key.to_vec(), remembered);
            Ok::<(), TablesError>(())
        })?;
        Ok(())
    }

    /// The topic of a table.
    pub(super) fn topic(&self, table: StreamId) -> Option<&Arc<str>> {
        self.topics.get(&table)
    }

    /// Where a reader has to be to see what is committed of some tables, and `ends` besides.
    pub(super) fn reached(&self, tables: &[StreamId], ends: &Ends) -> Offsets {
        let mut all = Offsets::default();
        for (table, partition, next) in self.reached.iter() {
            if tables.contains(&table) {
                all.reach(table, partition, next);
            }
        }
        for (table, partition, next) in self.places(ends) {
            if tables.contains(&table) {
                all.reach(table, partition, next);
            }
        }
        all
    }

    /// Notes what was committed.
    pub(super) fn reach(&mut self, ends: &Ends) {
        for (table, partition, next) in self.places(ends) {
            self.reached.reach(table, partition, next);
        }
    }

    fn places(&self, ends: &Ends) -> Vec<(StreamId, PartitionId, Offset)> {
        let names: BTreeMap<&str, StreamId> = self
            .topics
            .iter()
            .map(|(id, name)| (&**name, *id))
            .collect();
        let places = ends.iter().filter_map(|(place, next)| {
            let table = names.get(&*place.topic)?;
            Some((*table, place.partition, *next))
        });
        places.collect()
    }
}

/// When a record was written.
fn written(message: &BorrowedMessage<'_>) -> Option<Seq> {
    Some(Seq(header(message, SEQ_HEADER)?.parse().ok()?))
}

fn misfit(message: &BorrowedMessage<'_>, expected: &str) -> TablesError {
    TablesError::Record {
        topic: message.topic().to_owned(),
        offset: u64::try_from(message.offset()).unwrap_or(0),
        reason: format!("expected {expected}"),
    }
}

fn push(read: &mut RowsRead, message: &BorrowedMessage<'_>) -> Result<(), TablesError> {
    let key = message.key().ok_or_else(|| misfit(message, "a key"))?;
    let written = written(message).ok_or_else(|| misfit(message, SEQ_HEADER))?;
    let version = match header(message, SCHEMA_HEADER) {
        None => SchemaVersion(1),
        Some(text) => {
            let number = text.parse();
            SchemaVersion(number.map_err(|_text| misfit(message, SCHEMA_HEADER))?)
        }
    };
    let pushed = read.push((key, message.payload()), version, written);
    pushed.map_err(|reason| TablesError::Record {
        topic: message.topic().to_owned(),
        offset: u64::try_from(message.offset()).unwrap_or(0),
        reason,
    })
}
