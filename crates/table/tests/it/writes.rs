//! Writes one by one: transactions, conflicts, scans, limits, failing logs.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch},
    datatypes::Int64Type,
};
use mainstem_kernel::{
    Answer, ByteSize, Code, ColumnName, ColumnType, Fault, Position, ProducerId, Seq, StreamId,
    StreamName, Timestamp, clock::ManualClock,
};
use mainstem_log::{Append, AppendError, Chunk, Done, Extent, Log, MemoryLog, ReadError, ReadFrom};
use mainstem_table::{
    Decide, Effects, Seen, Sequencer, Statement, Step, TableSchema, Tables, Target, Transaction,
    WriteError, Writer, WriterConfig, WriterParts, Written,
};
use parking_lot::Mutex;

use crate::world::{World, columns};

const ACCOUNTS: StreamId = StreamId(30);

fn schema() -> TableSchema {
    let columns = columns(&[
        (1, "balance", ColumnType::BigInt, true),
        (2, "id", ColumnType::BigInt, false),
    ]);
    let key = vec![ColumnName::new("id").unwrap()];
    TableSchema::first(ACCOUNTS, StreamName::new("accounts").unwrap(), columns, key)
}

fn rows(list: &[(i64, i64)]) -> RecordBatch {
    let balances = Int64Array::from_iter_values(list.iter().map(|(_, balance)| *balance));
    let ids = Int64Array::from_iter_values(list.iter().map(|(id, _)| *id));
    let arrays: Vec<ArrayRef> = vec![Arc::new(balances), Arc::new(ids)];
    RecordBatch::try_new(schema().row_schema(), arrays).unwrap()
}

fn ids(list: &[i64]) -> Vec<ArrayRef> {
    vec![Arc::new(Int64Array::from_iter_values(list.iter().copied()))]
}

fn keys(list: &[i64]) -> RecordBatch {
    RecordBatch::try_from_iter([("id", ids(list).remove(0))]).unwrap()
}

fn pairs(batch: &RecordBatch) -> Vec<(i64, i64)> {
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
type Rule = fn(&[(i64, i64)], i64) -> Result<Outcome, WriteError>;

#[derive(Default)]
struct Outcome {
    upserts: Vec<(i64, i64)>,
    deletes: Vec<i64>,
}

#[derive(Debug)]
struct Rules {
    /// `None` for all rows.
    ids: Option<Vec<i64>>,
    rule: Rule,
    amount: i64,
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
            returning: Some(upserts.clone()),
            upserts,
            deletes: keys(&outcome.deletes),
        })
    }
}

/// What a statement refuses.
#[derive(Debug, thiserror::Error)]
#[error("balance of account {0} would be below zero")]
struct Overdrawn(i64);

impl Fault for Overdrawn {
    fn answer(&self) -> Answer {
        Answer::caller(Code::Sql030)
    }
}

fn add(current: &[(i64, i64)], amount: i64) -> Result<Outcome, WriteError> {
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

fn remove(current: &[(i64, i64)], _: i64) -> Result<Outcome, WriteError> {
    Ok(Outcome {
        deletes: current.iter().map(|(id, _)| *id).collect(),
        ..Outcome::default()
    })
}

fn open_five(_: &[(i64, i64)], amount: i64) -> Result<Outcome, WriteError> {
    Ok(Outcome {
        upserts: (1..=5).map(|id| (id, amount)).collect(),
        ..Outcome::default()
    })
}

/// Opens an account of that number.
fn open(_: &[(i64, i64)], id: i64) -> Result<Outcome, WriteError> {
    Ok(Outcome {
        upserts: vec![(id, 1)],
        ..Outcome::default()
    })
}

fn statement(ids: Option<&[i64]>, rule: Rule, amount: i64) -> Statement {
    let ids = ids.map(<[i64]>::to_vec);
    Statement {
        table: ACCOUNTS,
        decide: Arc::new(Rules { ids, rule, amount }),
    }
}

fn transaction(statements: Vec<Statement>) -> Transaction {
    Transaction {
        seen: Vec::new(),
        statements,
    }
}

/// A log whose next appends fail on demand.
#[derive(Debug)]
struct Failing {
    log: MemoryLog,
    fails: Mutex<u32>,
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

    fn frontier(&self) -> Seq {
        self.log.frontier()
    }

    fn watch(&self) -> tokio::sync::watch::Receiver<Seq> {
        self.log.watch()
    }
}

/// Accounts, their log, and a sequencer that works when it is told to.
struct Bank {
    tables: Arc<Tables>,
    log: Arc<Failing>,
    writer: Arc<Writer>,
    sequencer: Sequencer,
}

impl Bank {
    /// Five accounts with 100 each.
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: WriterConfig) -> Self {
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

    fn submit(&self, transaction: Transaction) -> mpsc::Receiver<Result<Written, WriteError>> {
        let (tx, rx) = mpsc::sync_channel(1);
        let done = Box::new(move |outcome| tx.send(outcome).unwrap());
        self.writer.submit(transaction, done);
        rx
    }

    fn commit(&mut self, transaction: Transaction) -> Result<Written, WriteError> {
        let answer = self.submit(transaction);
        self.sequencer.work();
        answer.try_recv().unwrap()
    }

    fn run(&mut self, statements: Vec<Statement>) -> Result<Written, WriteError> {
        self.commit(transaction(statements))
    }

    /// A step through everything in the log.
    fn step(&self) {
        self.step_through(self.log.frontier());
    }

    fn step_through(&self, through: Seq) {
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
    fn accounts(&self) -> Vec<(i64, i64)> {
        let range = mainstem_store::KeyRange::all();
        let scan = self.tables.pointer().scan(ACCOUNTS, &range, 100).unwrap();
        scan.flat_map(|batch| pairs(&batch.unwrap())).collect()
    }

    /// What a transaction has seen of accounts at the frontier.
    fn seen(&self, list: &[i64]) -> Seen {
        let pointer = self.tables.pointer();
        let keys = pointer.codec(ACCOUNTS).unwrap().keys(&ids(list)).unwrap();
        Seen {
            table: ACCOUNTS,
            keys: ids(list),
            written: pointer.written(ACCOUNTS, &keys).unwrap(),
        }
    }
}

fn config() -> WriterConfig {
    WriterConfig {
        queue_max: 4,
        batch_size_max: ByteSize::kib(16),
        statement_rows_max: 100,
        flight_size_max: ByteSize::kib(64),
        patience: Duration::ZERO,
    }
}

fn is_code(error: &WriteError, code: Code) {
    assert_eq!(error.answer().code, code, "{error}");
}

#[test]
fn a_write_is_decided_on_those_before_it_whether_steps_came_or_not() {
    let mut bank = Bank::new();
    let mut expected = 100;
    for round in 0..30 {
        let amount = if round % 3 == 2 { -7 } else { 5 };
        let written = bank.run(vec![statement(Some(&[3]), add, amount)]).unwrap();
        expected += amount;
        let returned = written.outcomes[0].returning.as_ref().unwrap();
        assert_eq!(pairs(returned), [(3, expected)]);
        assert_eq!(written.position, Position::at(bank.log.frontier()));
        if round % 4 == 1 {
            bank.step();
            assert_eq!(bank.accounts()[2], (3, expected));
        }
    }
}

#[test]
fn a_reader_that_waits_for_the_position_sees_the_write() {
    let mut bank = Bank::new();
    let written = bank.run(vec![statement(Some(&[1]), add, 1)]).unwrap();
    assert!(!bank.tables.wait(written.position.seq(), Duration::ZERO));
    bank.step();
    assert!(bank.tables.wait(written.position.seq(), Duration::ZERO));
    assert_eq!(bank.accounts()[0], (1, 101));
}

#[test]
fn a_transaction_is_written_whole_or_not_at_all() {
    let mut bank = Bank::new();
    let moved = bank.run(vec![
        statement(Some(&[1]), add, -30),
        statement(Some(&[2]), add, 30),
    ]);
    assert_eq!(moved.unwrap().outcomes.len(), 2);
    let error = bank
        .run(vec![
            statement(Some(&[1]), add, 50),
            statement(Some(&[2]), add, -1_000),
        ])
        .unwrap_err();
    is_code(&error, Code::Sql030);
    assert_eq!(
        error.to_string(),
        "balance of account 2 would be below zero"
    );
    bank.step();
    let expected = [(1, 70), (2, 130), (3, 100), (4, 100), (5, 100)];
    assert_eq!(bank.accounts(), expected);
    // A later statement sees what an earlier one did, on the same row too.
    let twice = bank.run(vec![
        statement(Some(&[1]), add, -70),
        statement(Some(&[1]), add, 1),
        statement(Some(&[1]), remove, 0),
        statement(Some(&[1]), add, 1),
    ]);
    let rows: Vec<u64> = twice.unwrap().outcomes.iter().map(|o| o.rows).collect();
    assert_eq!(rows, [1, 1, 1, 0]);
    bank.step();
    assert_eq!(bank.accounts(), expected[1..]);
}

#[test]
fn rows_that_changed_since_they_were_read_are_a_conflict() {
    let mut bank = Bank::new();
    bank.step();
    let mut conflicts = 0;
    let mut check = |bank: &mut Bank, seen: Seen, is_conflict: bool| {
        let commit = Transaction {
            seen: vec![seen],
            statements: vec![statement(Some(&[5]), add, 1)],
        };
        match bank.commit(commit) {
            Ok(_) => assert!(!is_conflict),
            Err(error) => {
                assert!(is_conflict, "{error}");
                is_code(&error, Code::Table020);
                assert_eq!(error.sqlstate(), Some("40001"));
                conflicts += 1;
            }
        }
    };
    // Nothing happened; something happened to another row.
    let seen = bank.seen(&[1, 2, 99]);
    bank.run(vec![statement(Some(&[3]), add, 1)]).unwrap();
    check(&mut bank, seen.clone(), false);
    // A row was written: in flight, then at the frontier.
    bank.run(vec![statement(Some(&[2]), add, 0)]).unwrap();
    check(&mut bank, seen.clone(), true);
    bank.step();
    check(&mut bank, seen, true);
    // A row went, and a row came.
    let seen = bank.seen(&[1, 4]);
    bank.run(vec![statement(Some(&[4]), remove, 0)]).unwrap();
    check(&mut bank, seen, true);
    bank.step();
    let seen = bank.seen(&[4]);
    bank.run(vec![statement(Some(&[]), open_five, 1)]).unwrap();
    check(&mut bank, seen, true);
    assert_eq!(conflicts, 4);
    // Two in one batch: the second has lost.
    bank.step();
    let seen = bank.seen(&[1]);
    let make = || Transaction {
        seen: vec![seen.clone()],
        statements: vec![statement(Some(&[1]), add, 1)],
    };
    let (first, second) = (bank.submit(make()), bank.submit(make()));
    bank.sequencer.work();
    first.try_recv().unwrap().unwrap();
    is_code(&second.try_recv().unwrap().unwrap_err(), Code::Table020);
}

#[test]
fn a_statement_without_a_key_sees_every_row_once() {
    let mut bank = Bank::new();
    for round in 0..4 {
        let written = bank.run(vec![statement(None, add, 1)]).unwrap();
        assert_eq!(written.outcomes[0].rows, 5, "round {round}");
        if round == 1 {
            bank.step();
        }
    }
    bank.step();
    assert_eq!(
        bank.accounts(),
        (1..=5).map(|id| (id, 104)).collect::<Vec<_>>()
    );
    assert_eq!(
        bank.run(vec![statement(None, remove, 0)]).unwrap().outcomes[0].rows,
        5
    );
    let none = bank.run(vec![statement(None, add, 1)]).unwrap();
    assert_eq!(none.outcomes[0].rows, 0);
    let returned = none.outcomes[0].returning.as_ref().unwrap();
    assert_eq!(returned.num_columns(), 2, "columns, though no rows");
}

#[test]
fn an_append_that_fails_fails_all_that_was_decided_with_it() {
    let mut bank = Bank::new();
    bank.step();
    let before = bank.accounts();
    *bank.log.fails.lock() = 1;
    // The second and third are decided on the first.
    let take = || transaction(vec![statement(Some(&[1]), add, -60)]);
    let answers = [
        bank.submit(take()),
        bank.submit(take()),
        bank.submit(take()),
    ];
    bank.sequencer.work();
    for answer in answers {
        is_code(&answer.try_recv().unwrap().unwrap_err(), Code::Log009);
    }
    bank.step();
    assert_eq!(bank.accounts(), before);
    let taken = bank.commit(take()).unwrap();
    assert_eq!(taken.outcomes[0].rows, 1);
    is_code(&bank.commit(take()).unwrap_err(), Code::Sql030);
}

#[test]
fn limits_are_named() {
    let mut bank = Bank::with(WriterConfig {
        batch_size_max: ByteSize(400),
        statement_rows_max: 20,
        ..config()
    });
    fn many(_: &[(i64, i64)], count: i64) -> Result<Outcome, WriteError> {
        Ok(Outcome {
            upserts: (0..count).map(|id| (id, 0)).collect(),
            ..Outcome::default()
        })
    }
    let error = bank.run(vec![statement(Some(&[]), many, 21)]).unwrap_err();
    is_code(&error, Code::Table024);
    let twenty = || statement(Some(&[]), many, 20);
    let error = bank.run(vec![twenty(), twenty()]).unwrap_err();
    is_code(&error, Code::Table023);
    // Several that do not fit together become several appends.
    let before = bank.log.frontier();
    let ten = || transaction(vec![statement(Some(&[]), many, 10)]);
    let answers: Vec<_> = (0..4).map(|_| bank.submit(ten())).collect();
    let full = bank.submit(ten());
    is_code(&full.try_recv().unwrap().unwrap_err(), Code::Table021);
    bank.sequencer.work();
    let mut seqs: Vec<Seq> = Vec::new();
    for answer in answers {
        seqs.push(answer.try_recv().unwrap().unwrap().position.seq());
    }
    seqs.dedup();
    assert!(seqs.len() > 1 && seqs[0] > before, "{seqs:?}");
    bank.writer.close();
    let closed = bank.submit(ten());
    is_code(&closed.try_recv().unwrap().unwrap_err(), Code::Table026);
}

#[test]
fn what_a_statement_must_not_give_is_refused() {
    let mut bank = Bank::new();
    fn twice(_: &[(i64, i64)], _: i64) -> Result<Outcome, WriteError> {
        Ok(Outcome {
            upserts: vec![(7, 1), (7, 2)],
            ..Outcome::default()
        })
    }
    fn both(_: &[(i64, i64)], _: i64) -> Result<Outcome, WriteError> {
        Ok(Outcome {
            upserts: vec![(7, 1)],
            deletes: vec![7],
        })
    }
    fn panics(_: &[(i64, i64)], _: i64) -> Result<Outcome, WriteError> {
        panic!("it panics")
    }
    for rule in [twice, both, panics] {
        let error = bank.run(vec![statement(Some(&[7]), rule, 0)]).unwrap_err();
        is_code(&error, Code::Table025);
    }
    let nowhere = Statement {
        table: StreamId(99),
        ..statement(Some(&[1]), add, 1)
    };
    is_code(&bank.run(vec![nowhere]).unwrap_err(), Code::Table006);
    assert_eq!(
        bank.run(vec![statement(Some(&[1]), add, 1)])
            .unwrap()
            .outcomes[0]
            .rows,
        1
    );
}

#[test]
fn nothing_is_decided_before_rows_are_whole_or_too_far_ahead_of_steps() {
    // A writer that starts on a log with effects waits for the steps.
    let bank = Bank::new();
    let parts = WriterParts {
        tables: Arc::clone(&bank.tables),
        log: Arc::<Failing>::clone(&bank.log),
        clock: Arc::new(ManualClock::at(Timestamp(0))),
    };
    let (writer, sequencer) = Writer::open(parts, config());
    let mut bank = Bank {
        writer,
        sequencer,
        ..bank
    };
    let error = bank.run(vec![statement(Some(&[1]), add, 1)]).unwrap_err();
    is_code(&error, Code::Table022);
    bank.step();
    assert_eq!(
        bank.run(vec![statement(Some(&[1]), add, 1)])
            .unwrap()
            .outcomes[0]
            .rows,
        1
    );
    // What is ahead of the steps is bounded. The same rows again are not more.
    for _ in 0..300 {
        bank.run(vec![statement(None, add, 1)]).unwrap();
    }
    let mut opened = 0;
    let error = loop {
        match bank.run(vec![statement(Some(&[]), open, 10 + opened)]) {
            Ok(_) => opened += 1,
            Err(error) => break error,
        }
        assert!(opened < 10_000);
    };
    is_code(&error, Code::Table022);
    assert!(opened > 100, "after {opened} writes");
    bank.step();
    bank.run(vec![statement(Some(&[1]), add, 1)]).unwrap();
    bank.step();
    let accounts = bank.accounts();
    assert_eq!(accounts.len(), 5 + usize::try_from(opened).unwrap());
    assert_eq!(accounts[..2], [(1, 402), (2, 400)]);
}

/// A row that the steps have taken in and expired must not come back from what was in flight.
#[test]
fn what_steps_have_seen_does_not_come_back_from_the_flight() {
    let mut bank = Bank::new();
    let first = bank.run(vec![statement(Some(&[1]), add, 1)]).unwrap();
    for _ in 0..5 {
        bank.run(vec![statement(Some(&[2]), add, 1)]).unwrap();
    }
    // The frontier is between them, and a step has removed the row that is before it.
    let at = first.position.seq();
    bank.step_through(at);
    let pointer = bank.tables.pointer();
    let found = pointer.get_columns(ACCOUNTS, &ids(&[1])).unwrap();
    let gone = mainstem_table::Changed {
        table: ACCOUNTS,
        rows: found.rows,
        deleted: [true].into_iter().collect(),
        written: vec![at],
    };
    let step = Step {
        through: at,
        changed: vec![gone],
        emitted: Vec::new(),
    };
    bank.tables.advance(step).unwrap();
    let none = bank.run(vec![statement(Some(&[1]), add, 1)]).unwrap();
    assert_eq!(none.outcomes[0].rows, 0);
    let one = bank.run(vec![statement(Some(&[2]), add, 1)]).unwrap();
    let returned = one.outcomes[0].returning.as_ref().unwrap();
    assert_eq!(pairs(returned), [(2, 106)]);
    let all = bank.run(vec![statement(None, add, 1)]).unwrap();
    assert_eq!(all.outcomes[0].rows, 4);
}

#[test]
fn an_asynchronous_write_ends_when_it_is_durable() {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Poll, Waker},
    };
    let mut bank = Bank::new();
    let writer = Arc::clone(&bank.writer);
    let statement = statement(Some(&[1]), add, 1);
    let mut write = pin!(writer.write(ACCOUNTS, statement.decide));
    let mut context = Context::from_waker(Waker::noop());
    assert!(write.as_mut().poll(&mut context).is_pending());
    bank.sequencer.work();
    let Poll::Ready(Ok(written)) = write.as_mut().poll(&mut context) else {
        panic!("it was decided")
    };
    assert_eq!(written.outcomes[0].rows, 1);
}
