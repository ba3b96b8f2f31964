//! Views of the ledger: by writer, by event, by window, and one whose definition changes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    STREAM,
    follower::Counted,
    read,
    writer::{Writer, millis},
};
use crate::world::World;

const VIEWS: &str = "
CREATE MATERIALIZED VIEW counted AS
SELECT writer, count(*) AS events, sum(n) AS numbers, sum(proof % 1000003) AS proofs
FROM ledger GROUP BY writer EMIT ON UPDATE;
CREATE MATERIALIZED VIEW each_event AS
SELECT writer, n, count(*) AS times, max(proof) AS proof
FROM ledger GROUP BY writer, n EMIT ON UPDATE;
CREATE MATERIALIZED VIEW by_window AS
SELECT window_start, window_end, writer, count(*) AS events, sum(n) AS numbers
FROM TUMBLE(ledger, at, INTERVAL '10 seconds')
GROUP BY window_start, window_end, writer EMIT ON WINDOW CLOSE;
";
const WINDOW_MILLIS: u64 = 10_000;
const DELAY_MILLIS: u64 = 20_000;

/// By writer: what the stream says, what its view says, what the view says whose definition
/// changes. One question, so all three are of one frontier.
const SUMS: &str = "
SELECT l.writer, l.events, l.numbers, l.proofs,
  c.events AS events_counted, c.numbers AS numbers_counted, c.proofs AS proofs_counted,
  d.events AS events_changing, d.numbers AS numbers_changing, d.proofs AS proofs_changing
FROM (SELECT writer, count(*) AS events, sum(n) AS numbers, sum(proof % 1000003) AS proofs
      FROM ledger GROUP BY writer) l
FULL JOIN counted c ON c.writer = l.writer
FULL JOIN changing d ON d.writer = l.writer
ORDER BY 1";
/// Events of windows that are over, events in windows, events that came too late for theirs.
const CLOSED: &str = "
SELECT (SELECT count(*) FROM ledger
        WHERE date_bin(INTERVAL '10 seconds', at) + INTERVAL '10 seconds'
          <= (SELECT max(at) - INTERVAL '20 seconds' FROM ledger)) AS closed,
  (SELECT coalesce(sum(events), 0) FROM by_window) AS told,
  (SELECT count(*) FROM by_window_late) AS late";
/// Questions until an answer is what it should be: each takes some milliseconds.
const PATIENCE: usize = 3_000;

/// Applies the views; the definition of one of them has this number in it.
pub(super) fn apply(world: &World, version: u64) {
    let changing = format!(
        "CREATE MATERIALIZED VIEW changing AS
         SELECT writer, count(*) AS events, sum(n) AS numbers, sum(proof % 1000003) AS proofs,
           max(n) + {version} AS newest
         FROM ledger GROUP BY writer EMIT ON UPDATE;"
    );
    world.write("app/ledger.sql", format!("{STREAM}{VIEWS}{changing}"));
    let folder = world.path("app").display().to_string();
    let mut arguments = vec!["apply", &folder, "--yes"];
    if version.is_multiple_of(2) {
        // Then it is still being built when the server is killed.
        arguments.push("--no-wait");
    }
    for _ in 0..PATIENCE {
        let printed = world.run(&arguments);
        if printed.code == 0 {
            return;
        }
        // A view that was built before was swapped in between plan and apply.
        assert!(printed.stderr.contains("APP-011"), "{}", printed.stderr);
    }
    panic!("never applied: {arguments:?}");
}

/// The answer as of the last acknowledgement or later, once it is as `is_right` wants it. A view
/// that is built for the first time has no rows yet, and rows leave for streams a little later.
fn ask(
    world: &World,
    (question, position): (&str, &str),
    is_right: impl Fn(&[Vec<u64>]) -> bool,
) -> Vec<Vec<u64>> {
    let mut said = String::new();
    for _ in 0..PATIENCE {
        let mut arguments = vec!["sql", "--format", "csv"];
        if !position.is_empty() {
            arguments.extend(["--wait", position]);
        }
        arguments.push(question);
        let printed = world.run(&arguments);
        said = format!("{}{}", printed.stdout, printed.stderr);
        if printed.code != 0 {
            assert!(said.contains("SQL-036"), "{said}");
            continue;
        }
        let lines = printed.stdout.lines().skip(1);
        let number = |text: &str| text.parse().unwrap_or(u64::MAX);
        let rows: Vec<Vec<u64>> = lines
            .map(|line| line.split(',').map(number).collect())
            .collect();
        if is_right(&rows) {
            return rows;
        }
    }
    panic!("{question}\n{said}");
}

/// Counts and sums, cheap enough for every restart.
pub(super) fn check(world: &World, writers: &[Writer], life: u64) {
    let last = writers.iter().map(|writer| writer.position.as_str()).max();
    let position = last.unwrap_or_default();
    let rows = ask(world, (SUMS, position), |_| true);
    let mut found = BTreeMap::new();
    for row in rows {
        let (stream, views) = (&row[1..4], &row[4..]);
        assert_eq!(stream, &views[..3], "life {life}, counted: {row:?}");
        assert_eq!(stream, &views[3..], "life {life}, changing: {row:?}");
        found.insert(row[0], row[1]);
    }
    for writer in writers {
        let counted = found.get(&writer.id).copied().unwrap_or(0);
        let (acked, open) = (Writer::events(&writer.acked), Writer::events(&writer.open));
        let is_right = (acked..=acked + open).contains(&counted);
        let id = writer.id;
        assert!(
            is_right,
            "life {life}, writer {id}: {counted} counted, {acked} acked, {open} open"
        );
    }
    let rows = ask(world, (CLOSED, position), |rows| {
        let [closed, told, late] = rows[0][..] else {
            return false;
        };
        assert!(
            told + late <= closed,
            "life {life}: windows of {closed} events count {told}, {late} came late"
        );
        told + late == closed
    });
    println!("life {life}: {found:?}, closed, told, late: {:?}", rows[0]);
}

/// The rows of the view that is followed.
pub(super) fn counted(world: &World) -> Counted {
    let question = "SELECT writer, events, numbers FROM counted";
    let rows = ask(world, (question, ""), |_| true);
    let rows = rows.iter().map(|row| (row[0], (row[1], row[2])));
    rows.collect()
}

/// Each event by itself. `rows` is all that the stream has.
pub(super) fn check_all(world: &World, rows: &[(u64, u64, u64)], writers: &[Writer]) {
    let question = "SELECT writer, n, proof, times FROM each_event";
    let mut counted = Vec::new();
    for row in ask(world, (question, ""), |_| true) {
        let event = (row[0], row[1], row[2]);
        counted.extend((0..row[3]).map(|_| event));
    }
    assert_eq!(read::check_all(counted.into_iter(), writers), rows.len());

    let late = late(world);
    let there: BTreeSet<_> = rows.iter().map(|(writer, n, _)| (*writer, *n)).collect();
    assert!(
        late.is_subset(&there),
        "an event is late that was never sent"
    );
    let newest = rows.iter().map(|(_, n, _)| millis(*n)).max().unwrap_or(0);
    let mark = newest.saturating_sub(DELAY_MILLIS);
    let mut expected: BTreeMap<(u64, u64), [u64; 2]> = BTreeMap::new();
    for (writer, n, _) in rows {
        let start = millis(*n) / WINDOW_MILLIS * WINDOW_MILLIS;
        if start + WINDOW_MILLIS <= mark && !late.contains(&(*writer, *n)) {
            let [events, numbers] = expected.entry((start, *writer)).or_default();
            (*events, *numbers) = (*events + 1, *numbers + n);
        }
    }
    let question = "SELECT CAST(date_part('epoch', window_start) * 1000 AS BIGINT) - 1772323200000,
                    writer, events, numbers FROM by_window";
    let mut found = BTreeMap::new();
    for row in ask(world, (question, ""), |_| true) {
        let before = found.insert((row[0], row[1]), [row[2], row[3]]);
        assert_eq!(before, None, "a window was told twice: {row:?}");
    }
    assert_eq!(found, expected, "{} events came late", late.len());
}

/// Writer and number of each event that came too late for its window.
fn late(world: &World) -> BTreeSet<(u64, u64)> {
    let question = "SELECT payload FROM by_window_late";
    let text = world.ok(&["sql", "--format", "ndjson", question]);
    let mut late = BTreeSet::new();
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| row["payload"][name].as_u64().unwrap();
        let is_new = late.insert((number("writer"), number("n")));
        assert!(is_new, "late twice: {line}");
    }
    late
}
