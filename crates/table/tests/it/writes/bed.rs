//! Accounts, what is done to them, and a sequencer that works when it is told to.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch},
    datatypes::Int64Type,
};
use mainstem_kernel::{
    Answer, ByteSize, Code, ColumnName, ColumnType, Fault, ProducerId, Seq, StreamId, StreamName,
    Timestamp, clock::ManualClock,
};
use mainstem_log::{Append, AppendError, Chunk, Done, Extent, Log, MemoryLog, ReadError, ReadFrom};
use mainstem_table::{
    Decide, Effects, Seen, Sequencer, Statement, Step, TableSchema, Tables, Target, Transaction,
    WriteError, Writer, WriterConfig, WriterParts, Written,
};
use parking_lot::Mutex;

use crate::world::{World, columns};

pub(super) const ACCOUNTS: StreamId = StreamId(30);

pub(super) fn schema() -> TableSchema {
    let columns = columns(&[
        (1, "balance", ColumnType::BigInt, true),
        (2, "id", ColumnType::BigInt, false),
    ]);
    let key = vec![ColumnName::new("id").unwrap()];
    TableSchema::first(ACCOUNTS, StreamName::new("accounts").unwrap(), columns, key)
}

pub(super) fn rows(list: &[(i64, i64)]) -> RecordBatch {
    let balances = Int64Array::from_iter_values(list.iter().map(|(_, balance)| *balance));
    let ids = Int64Array::from_iter_values(list.iter().map(|(id, _)| *id));
    let arrays: Vec<ArrayRef> = vec![Arc::new(balances), Arc::new(ids)];
    RecordBatch::try_new(schema().row_schema(), arrays).unwrap()
}

pub(super) fn ids(list: &[i64]) -> Vec<ArrayRef> {
    vec![Arc::new(Int64Array::from_iter_values(list.iter().copied()))]
}

pub(super) fn keys(list: &[i64]) -> RecordBatch {
    RecordBatch::try_from_iter([("id", ids(list).remove(0))]).unwrap()
}

pub(super) fn pairs(batch: &RecordBatch) -> Vec<(i64, i64)> {
    let column = |at: usize| {
        batch
            .column(at)
            .as_primitive::<Int64Type>()
            .values()
            .to_vec()
    };
    column(1).into_iter().zip(column(0)).collect()
}

/// What a statement does to the rows that it is given.
pub(super) type Rule = fn(&[(i64, i64)], i64) -> Result<Outcome, WriteError>;

#[derive(Default)]
pub(super) struct Outcome {
    pub(super) upserts: Vec<(i64, i64)>,
    pub(super) deletes: Vec<i64>,
    /// What it returns beside the upserts.
    pub(super) looked_at: Vec<(i64, i64)>,
}

#[derive(Debug)]
pub(super) struct Rules {
    /// `None` for all rows.
    pub(super) ids: Option<Vec<i64>>,
    pub(super) rule: Rule,
    pub(super) amount: i64,
}

impl Decide for Rules {
    fn target(&self) -> Target {
        match &self.ids {
            Some(list) => Target::Exact(ids(list)),
            None => Target::Scan(Vec::new()),
        }
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        let outcome = (self.rule)(&pairs(current), self.amount)?;
        let upserts = rows(&outcome.upserts);
        Ok(Effects {
            affected: u64::try_from(outcome.upserts.len() + outcome.deletes.len()).unwrap(),
            upserts,
            deletes: keys(&outcome.deletes),
            returning: Some(rows(&[outcome.upserts, outcome.looked_at].concat())),
        })
    }
}

/// What a statement refuses.
#[derive(Debug, thiserror::Error)]
#[error("balance of account {0} would be below zero")]
pub(super) struct Overdrawn(pub(super) i64);

impl Fault for Overdrawn {
    fn answer(&self) -> Answer {
        Answer::caller(Code::Sql030)
    }
}

pub(super) fn add(current: &[(i64, i64)], amount: i64) -> Result<Outcome, WriteError> {
    let mut upserts = Vec::new();
    for (id, balance) in current {
        if balance + amount < 0 {
            return Err(WriteError::Refused(Arc::new(Overdrawn(*id))));
        }
        upserts.push((*id, balance + amount));
    }
    Ok(Outcome {
        upserts,
        ..Outcome::default()
    })
}

pub(super) fn remove(current: &[(i64, i64)], _: i64) -> Result<Outcome, WriteError> {
    Ok(Outcome {
        deletes: current.iter().map(|(id, _)| *id).collect(),
        ..Outcome::default()
    })
}

pub(super) fn open_five(_: &[(i64, i64)], amount: i64) -> Result<Outcome, WriteError> {
    Ok(Outcome {
        upserts: (1..=5).map(|id| (id, amount)).collect(),
        ..Outcome::default()
    })
}

/// Only looks.
pub(super) fn look(current: &[(i64, i64)], _: i64) -> Result<Outcome, WriteError> {
    Ok(Outcome {
        looked_at: current.to_vec(),
        ..Outcome::default()
    })
}

/// Opens an account of that number.
pub(super) fn open(_: &[(i64, i64)], id: i64) -> Result<Outcome, WriteError> {
    Ok(Outcome {
        upserts: vec![(id, 1)],
        ..Outcome::default()
    })
}

pub(super) fn statement(ids: Option<&[i64]>, rule: Rule, amount: i64) -> Statement {
    let ids = ids.map(<[i64]>::to_vec);
    Statement {
        table: ACCOUNTS,
        decide: Arc::new(Rules { ids, rule, amount }),
    }
}

pub(super) fn transaction(statements: Vec<Statement>) -> Transaction {
    Transaction {
        statements,
        ..Transaction::default()
    }
}

/// A log whose next appends fail on demand.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) log: MemoryLog,
    pub(super) fails: Mutex<u32>,
}

impl Log for Failing {
    fn append(&self, append: Append, done: Done) {
        let mut fails = self.fails.lock();
        if *fails > 0 {
            *fails -= 1;
            let limit = ByteSize::mib(1);
            done(Err(AppendError::JournalFull { limit }));
        } else {
            self.log.append(append, done);
        }
    }

    fn read(&self, stream: StreamId, from: ReadFrom) -> Result<Chunk, ReadError> {
        self.log.read(stream, from)
    }

    fn extent(&self, stream: StreamId) -> Option<Extent> {
        self.log.extent(stream)
    }

    fn extents(&self) -> Vec<(StreamId, Extent)> {
        self.log.extents()
    }

    fn trim(&self, stream: StreamId, through: Seq) {
        self.log.trim(stream, through);
    }

    fn next_row(&self, stream: StreamId, producer: ProducerId) -> Option<u64> {
        self.log.next_row(stream, producer)
    }

    fn heartbeat(&self) -> Result<Seq, AppendError> {
        self.log.heartbeat()
    }

    fn frontier(&self) -> Seq {
        self.log.frontier()
    }

    fn watch(&self) -> tokio::sync::watch::Receiver<Seq> {
        self.log.watch()
    }
}

/// Accounts, their log, and a sequencer that works when it is told to.
pub(super) struct Bank {
    pub(super) tables: Arc<Tables>,
    pub(super) log: Arc<Failing>,
    pub(super) writer: Arc<Writer>,
    pub(super) sequencer: Sequencer,
}

impl Bank {
    /// Five accounts with 100 each.
    pub(super) fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with(config: WriterConfig) -> Self {
        let mut world = World::new();
        world.schemas = vec![schema()];
        let (tables, ..) = world.open();
        let log = Arc::new(Failing {
            log: MemoryLog::new(Arc::<ManualClock>::clone(&world.clock)),
            fails: Mutex::new(0),
        });
        let parts = WriterParts {
            tables: Arc::clone(&tables),
            log: Arc::<Failing>::clone(&log),
            clock: Arc::<ManualClock>::clone(&world.clock),
        };
        let (writer, sequencer) = Writer::open(parts, config);
        let mut bank = Self {
            tables,
            log,
            writer,
            sequencer,
        };
        let opened = bank
            .run(vec![statement(Some(&[]), open_five, 100)])
            .unwrap();
        assert_eq!(opened.outcomes[0].rows, 5);
        bank
    }

    pub(super) fn submit(
        &self,
        transaction: Transaction,
    ) -> mpsc::Receiver<Result<Written, WriteError>> {
        let (tx, rx) = mpsc::sync_channel(1);
        let done = Box::new(move |outcome| tx.send(outcome).unwrap());
        self.writer.submit(transaction, done);
        rx
    }

    pub(super) fn commit(&mut self, transaction: Transaction) -> Result<Written, WriteError> {
        let answer = self.submit(transaction);
        self.sequencer.work();
        answer.try_recv().unwrap()
    }

    pub(super) fn run(&mut self, statements: Vec<Statement>) -> Result<Written, WriteError> {
        self.commit(transaction(statements))
    }

    /// A step through everything in the log.
    pub(super) fn step(&self) {
        self.step_through(self.log.frontier());
    }

    pub(super) fn step_through(&self, through: Seq) {
        let from = ReadFrom {
            after: self.tables.frontier(),
            through,
            bytes_max: usize::MAX,
        };
        let chunk = self.log.read(ACCOUNTS, from).unwrap();
        let changed = self.tables.changed(ACCOUNTS, &chunk.frames).unwrap();
        let step = Step {
            through,
            changed: changed.into_iter().collect(),
            emitted: Vec::new(),
        };
        self.tables.advance(step).unwrap();
    }

    /// All accounts at the frontier.
    pub(super) fn accounts(&self) -> Vec<(i64, i64)> {
        let range = mainstem_store::KeyRange::all();
        let scan = self.tables.pointer().scan(ACCOUNTS, &range, 100).unwrap();
        scan.flat_map(|batch| pairs(&batch.unwrap())).collect()
    }

    /// What a transaction has seen of accounts at the frontier.
    pub(super) fn seen(&self, list: &[i64]) -> Seen {
        let pointer = self.tables.pointer();
        let keys = pointer.codec(ACCOUNTS).unwrap().keys(&ids(list)).unwrap();
        Seen {
            table: ACCOUNTS,
            keys: ids(list),
            written: pointer.written(ACCOUNTS, &keys).unwrap(),
        }
    }
}

pub(super) fn config() -> WriterConfig {
    WriterConfig {
        queue_max: 4,
        batch_size_max: ByteSize::kib(16),
        statement_rows_max: 100,
        flight_size_max: ByteSize::kib(64),
        patience: Duration::ZERO,
    }
}

pub(super) fn is_code(error: &WriteError, code: Code) {
    assert_eq!(error.answer().code, code, "{error}");
}
