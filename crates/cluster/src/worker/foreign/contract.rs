//! The promises about records of others, tried on a real broker (`MAINSTEM_KAFKA`), written by a
//! producer that is not ours. Every test has topics of its own.

#![cfg(feature = "engines")]

mod bed;

use std::collections::BTreeSet;

use bed::Bed;

use crate::worker::fixture::until;

/// What the processes run: works until it is killed.
#[test]
fn worker_process() {
    if let Some(bed) = Bed::of_process() {
        let _workers = bed.workers();
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn each_record_is_a_row_or_a_dead_letter_once_whoever_dies() {
    const RECORDS: usize = 6_000;
    const POISON: usize = 60;
    let Some(bed) = Bed::open("foreign-once") else {
        return;
    };
    bed.make_theirs(3);
    let mut process = bed.process();
    let send = |range: std::ops::Range<usize>| {
        let records = range.map(|n| match n % (RECORDS / POISON) {
            0 => (
                n,
                Some(format!("{{\"device\":\"{n}\", \"n\":")).filter(|_| n > 0),
            ),
            _ => (
                n,
                Some(format!("{{\"device\":\"d{}\",\"n\":{n},\"x\":1}}", n % 7)),
            ),
        });
        bed.produce(&records.collect::<Vec<_>>());
    };
    send(0..RECORDS / 2);
    until("some rows", || bed.rows().len() > 100);
    process.kill();
    send(RECORDS / 2..RECORDS);
    // What the dead one left open ends, and another goes on behind its last commit.
    let workers = bed.workers();
    until("all rows", || bed.rows().len() >= RECORDS - POISON);
    until("all dead letters", || bed.letters().len() >= POISON);
    let rows = bed.rows();
    let distinct: BTreeSet<&String> = rows.iter().collect();
    assert_eq!(
        (rows.len(), distinct.len()),
        (RECORDS - POISON, RECORDS - POISON)
    );
    assert!(
        rows.iter().all(|row| row.contains(r#""_extra":{"x":1}"#)),
        "{}",
        rows[0]
    );
    let letters = bed.letters();
    let distinct: BTreeSet<&String> = letters.iter().collect();
    assert_eq!((letters.len(), distinct.len()), (POISON, POISON));
    let names_place =
        |letter: &&String| letter.contains("of topic \\\"") && letter.contains("ADMIT-020");
    assert_eq!(
        letters.iter().filter(names_place).count(),
        POISON,
        "{}",
        letters[0]
    );
    let empty = letters
        .iter()
        .filter(|letter| letter.contains("without a value"));
    assert_eq!(empty.count(), 1);
    assert_eq!(workers.health()[0].problem, None);
    workers.close();
    bed.forget();
}

#[test]
fn what_stands_against_reading_is_named_and_it_goes_on_once_that_is_mended() {
    let Some(bed) = Bed::open("foreign-named") else {
        return;
    };
    let workers = bed.workers();
    let told = |code: &str| {
        let problem = workers.health()[0].problem.clone();
        problem.is_some_and(|problem| problem.code.as_str() == code && problem.hint.is_some())
    };
    until("it is said that the topic is not there", || {
        told("CLUS-110")
    });
    bed.make_theirs(1);
    bed.produce(&[(0, Some(r#"{"device":"a","n":1}"#.to_owned()))]);
    until("the first row", || bed.rows().len() == 1);
    assert_eq!(workers.health()[0].problem, None);
    bed.widen(2);
    until("it is said that there are more partitions", || {
        told("CLUS-111")
    });
    bed.produce(&[(1, Some(r#"{"device":"b","n":2}"#.to_owned()))]);
    until("the row of the new partition", || bed.rows().len() == 2);
    workers.close();
    bed.wait_until_nobody_reads();
    // Rows go before anybody has read them.
    let records = (0..10).map(|n| (0, Some(format!("{{\"device\":\"c\",\"n\":{n}}}"))));
    bed.produce(&records.collect::<Vec<_>>());
    bed.trim(0, 5);
    let workers = bed.workers();
    let told = || {
        let problem = workers.health()[0].problem.clone();
        problem.is_some_and(|problem| problem.code.as_str() == "CLUS-081")
    };
    until("it is said that records are gone", told);
    assert_eq!(bed.rows().len(), 2, "nothing is left out silently");
    // As kafka-consumer-groups.sh --reset-offsets does, while the node runs.
    bed.move_group(0, 5);
    until("the rows that are left", || bed.rows().len() == 2 + 6);
    workers.close();
    bed.forget();
}
