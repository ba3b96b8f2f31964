//! Writes one by one: transactions, conflicts, scans, limits, failing logs.

mod bed;
mod together;

use std::{sync::Arc, time::Duration};

use mainstem_kernel::{ByteSize, Code, Position, Seq, StreamId, Timestamp, clock::ManualClock};
use mainstem_log::Log;
use mainstem_table::{
    Read, Seen, Statement, Step, Transaction, WriteError, Writer, WriterConfig, WriterParts,
};

use bed::{
    ACCOUNTS, Bank, Failing, Outcome, add, config, ids, is_code, look, open, open_five, pairs,
    remove, statement, transaction,
};

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
            ..Transaction::default()
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
        ..Transaction::default()
    };
    let (first, second) = (bank.submit(make()), bank.submit(make()));
    bank.sequencer.work();
    first.try_recv().unwrap().unwrap();
    is_code(&second.try_recv().unwrap().unwrap_err(), Code::Table020);
}

#[test]
fn a_table_that_was_written_to_since_it_was_read_is_a_conflict() {
    let mut bank = Bank::new();
    bank.step();
    let make = |bank: &Bank, table: StreamId, frontier: Seq| {
        bank.submit(Transaction {
            read: vec![Read { table, frontier }],
            statements: vec![statement(Some(&[5]), add, 1)],
            ..Transaction::default()
        })
    };
    let commit = |bank: &mut Bank, frontier: Seq| {
        let answer = make(bank, ACCOUNTS, frontier);
        bank.sequencer.work();
        answer.try_recv().unwrap().map(|_| ())
    };
    let is_conflict =
        |outcome: Result<(), WriteError>| is_code(&outcome.unwrap_err(), Code::Table020);
    let first = bank.tables.frontier();
    commit(&mut bank, first).unwrap();
    // In flight, then at the frontier; the row itself was not read.
    is_conflict(commit(&mut bank, first));
    bank.step();
    is_conflict(commit(&mut bank, first));
    let second = bank.tables.frontier();
    commit(&mut bank, second).unwrap();
    bank.step();
    // Two in one batch: the second has lost, but not if it has read another table.
    let third = bank.tables.frontier();
    let both = (make(&bank, ACCOUNTS, third), make(&bank, ACCOUNTS, third));
    let other = make(&bank, StreamId(77), third);
    bank.sequencer.work();
    both.0.try_recv().unwrap().unwrap();
    is_conflict(both.1.try_recv().unwrap().map(|_| ()));
    other.try_recv().unwrap().unwrap();
    // A refused write has changed nothing.
    bank.step();
    let fourth = bank.tables.frontier();
    bank.run(vec![statement(Some(&[1]), add, -1_000)])
        .unwrap_err();
    commit(&mut bank, fourth).unwrap();
    // What was read before the sequencer began may have changed unseen.
    is_conflict(commit(&mut Bank::new(), Seq::ZERO));
}

#[test]
fn a_statement_that_returns_more_rows_than_it_may_is_refused() {
    let mut bank = Bank::with(WriterConfig {
        statement_rows_max: 5,
        ..config()
    });
    let all = [(1, 100), (2, 100), (3, 100), (4, 100), (5, 100)];
    for five in [Some(&[1, 2, 3, 4, 5, 9][..]), None] {
        let written = bank.run(vec![statement(five, look, 0)]).unwrap();
        let returned = written.outcomes[0].returning.as_ref().unwrap();
        assert_eq!(pairs(returned), all);
    }
    bank.run(vec![statement(Some(&[]), open, 6)]).unwrap();
    let before = bank.log.frontier();
    for six in [Some(&[1, 2, 3, 4, 5, 6][..]), None] {
        let refused = bank.run(vec![statement(six, look, 0)]).unwrap_err();
        is_code(&refused, Code::Table024);
    }
    assert_eq!(bank.log.frontier(), before, "nothing was appended");
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
            ..Outcome::default()
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
