//! What the server has, compared with the ledger.

use std::collections::BTreeMap;

use super::writer::{Writer, proof};
use crate::world::World;

/// Sums that are cheap enough for every restart.
pub(super) fn check_sums(world: &World, writers: &[Writer], life: u64) {
    let question = "SELECT writer, count(*), count(DISTINCT n) FROM ledger GROUP BY 1 ORDER BY 1";
    let answer = world.ok(&["sql", "--format", "csv", question]);
    let mut found = BTreeMap::new();
    for line in answer.lines().skip(1) {
        let numbers: Vec<u64> = line.split(',').map(|n| n.parse().unwrap()).collect();
        found.insert(numbers[0], (numbers[1], numbers[2]));
    }
    for writer in writers {
        let (rows, distinct) = found.get(&writer.id).copied().unwrap_or_default();
        let (acked, open) = (Writer::events(&writer.acked), Writer::events(&writer.open));
        let name = format!("life {life}, writer {} ({:?})", writer.id, writer.stamped);
        assert_eq!(rows, distinct, "{name}: events are there twice");
        assert!(
            rows >= acked,
            "{name}: {} acknowledged events are lost",
            acked - rows
        );
        assert!(
            rows <= acked + open,
            "{name}: {rows} events of {acked} + {open} that were sent"
        );
    }
}

/// Each event by itself: there once if acknowledged, at most once if open, with the right value.
pub(super) fn check_all(rows: impl Iterator<Item = (u64, u64, u64)>, writers: &[Writer]) -> usize {
    let mut times: BTreeMap<(u64, u64), u32> = BTreeMap::new();
    for (writer, n, found) in rows {
        assert_eq!(
            found,
            proof(writer, n),
            "writer {writer}, event {n} has another value"
        );
        *times.entry((writer, n)).or_default() += 1;
    }
    let count = times.values().map(|times| *times as usize).sum();
    for writer in writers {
        for (parts, is_acked) in [(&writer.acked, true), (&writer.open, false)] {
            for n in parts
                .iter()
                .flat_map(|(first, count)| *first..first + count)
            {
                let times = times.remove(&(writer.id, n)).unwrap_or(0);
                let is_right = times == 1 || (times == 0 && !is_acked);
                assert!(
                    is_right,
                    "writer {}, event {n}: {times} times, acked: {is_acked}",
                    writer.id
                );
            }
        }
    }
    assert!(
        times.is_empty(),
        "events that nobody sent: {:?}",
        times.keys().next()
    );
    count
}

pub(super) fn by_sql(world: &World) -> Vec<(u64, u64, u64)> {
    let answer = world.ok(&[
        "sql",
        "--format",
        "csv",
        "SELECT writer, n, proof FROM ledger",
    ]);
    let rows = answer.lines().skip(1).map(|line| {
        let numbers: Vec<u64> = line.split(',').map(|n| n.parse().unwrap()).collect();
        (numbers[0], numbers[1], numbers[2])
    });
    rows.collect()
}

pub(super) fn by_feed(world: &World, count: usize) -> Vec<(u64, u64, u64)> {
    let limit = count.to_string();
    let text = world.ok(&["tail", "ledger", "--from", "earliest", "--limit", &limit]);
    let rows = text.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| row[name].as_u64().unwrap();
        (number("writer"), number("n"), number("proof"))
    });
    rows.collect()
}
