//! Pages of rows by key: together they are what reading all gives, also while rows change.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::StreamExt;
use mainstem_kernel::{ByteSize, Code, Fault, Position, TenantId};
use serde_json::Value;

use super::{
    bed::{Bed, config},
    keyed::random,
};
use crate::{After, Page, QueryError, ResultFormat, RowWriter, SqlConfig};

const OBJECTS: &str = "
CREATE TABLE t (v BIGINT, n BIGINT, k TEXT, PRIMARY KEY (k, n));
CREATE TABLE dated (at TIMESTAMPTZ, price NUMERIC(6,2), v TEXT, PRIMARY KEY (at, price));
CREATE STREAM s (id BIGINT, country TEXT);
CREATE MATERIALIZED VIEW kept AS SELECT id FROM s;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM s GROUP BY country EMIT ON UPDATE;
";

fn bed() -> Bed {
    let bed = Bed::new();
    bed.declare(OBJECTS);
    bed.step();
    bed
}

fn page(key: &[&str], after: Option<After>, limit: usize) -> Page {
    Page {
        key: key.iter().map(|value| (*value).to_owned()).collect(),
        after,
        limit,
        wait: None,
    }
}

type Rows = (Vec<Value>, Position, Option<After>);

async fn read(bed: &Bed, name: &str, page: Page) -> Result<Rows, QueryError> {
    let defs = bed.catalog.definitions();
    let object = defs.object(TenantId::ONLY, name).unwrap();
    let paged = bed.engine.page((TenantId::ONLY, object), page).await?;
    let mut answered = paged.expect("rows with a key");
    let mut writer = RowWriter::new(ResultFormat::Ndjson, Arc::clone(&answered.answered.schema));
    let mut rows = Vec::new();
    while let Some(batch) = answered.answered.rows.next().await {
        let lines = writer.batch(&batch?)?;
        let lines = std::str::from_utf8(&lines).unwrap().lines();
        rows.extend(lines.map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    let position = answered.answered.position.position();
    Ok((rows, position.unwrap(), answered.next))
}

async fn refused(bed: &Bed, name: &str, page: Page) -> Code {
    read(bed, name, page).await.unwrap_err().answer().code
}

fn key_of(row: &Value) -> (String, i64) {
    (
        row["k"].as_str().unwrap().to_owned(),
        row["n"].as_i64().unwrap(),
    )
}

#[tokio::test]
async fn pages_in_the_order_of_the_key_are_all_rows_of_it() {
    let bed = bed();
    let mut random = random(0x5EED_0701);
    let mut rows: BTreeMap<(String, i64), i64> = BTreeMap::new();
    for round in 0..30 {
        let mut values = Vec::new();
        for _ in 0..=random(40) {
            let k = ["", "a", "a\0b", "ab", "b"][random(5)].to_owned();
            let n = i64::try_from(random(2_000)).unwrap() - 1_000;
            if rows.insert((k.clone(), n), round).is_none() {
                values.push(format!("('{k}', {n}, {round})"));
            } else {
                rows.insert((k, n), -1);
            }
        }
        if !values.is_empty() {
            let sql = format!("INSERT INTO t (k, n, v) VALUES {}", values.join(", "));
            bed.ask(&sql).await;
        }
    }
    bed.step();
    for key in [
        &[][..],
        &["a"],
        &["a\0b"],
        &["b"],
        &["nobody"],
        &["ab", "1"],
    ] {
        let expected: Vec<&(String, i64)> = rows
            .keys()
            .filter(|(k, n)| {
                key.first().is_none_or(|key| key == k)
                    && key.get(1).is_none_or(|key| *key == n.to_string())
            })
            .collect();
        for limit in [1, 7, expected.len().max(1), 5_000] {
            let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let (rows, _, next) = read(&bed, "t", page(key, after, limit)).await.unwrap();
                assert!(rows.len() <= limit && (next.is_none() || rows.len() == limit));
                found.extend(rows.iter().map(key_of));
                pages += 1;
                after = next.map(|next| next.to_string().parse().unwrap());
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(
                found.iter().collect::<Vec<_>>(),
                expected,
                "{key:?} by {limit}"
            );
            assert_eq!(
                pages,
                expected.len().div_ceil(limit).max(1),
                "{key:?} by {limit}"
            );
        }
    }
}

/// The worst mistake: a row that stays where it is and is shown twice or never.
#[tokio::test]
async fn rows_that_stay_are_shown_once_while_others_come_and_go() {
    let bed = bed();
    let mut random = random(0x5EED_0702);
    let ours: Vec<String> = (0..60).map(|n| format!("('k', {}, 0)", n * 10)).collect();
    bed.ask(&format!(
        "INSERT INTO t (k, n, v) VALUES {}",
        ours.join(", ")
    ))
    .await;
    bed.step();
    for round in 0..10 {
        let (mut found, mut after, mut positions) = (Vec::new(), None, BTreeSet::new());
        loop {
            let (rows, position, next) = read(&bed, "t", page(&[], after, 1 + random(9)))
                .await
                .unwrap();
            positions.insert(position);
            found.extend(rows.iter().map(key_of));
            let Some(next) = next else { break };
            // The row that the page ended with may go too.
            let n = random(600);
            let (k, n) = match random(3) {
                0 => ("k".to_owned(), n - n % 10 + 1 + random(9)),
                1 => ("a".to_owned(), n),
                _ => ("z".to_owned(), n),
            };
            bed.ask(&format!(
                "INSERT INTO t (k, n, v) VALUES ('{k}', {n}, 1) ON CONFLICT DO NOTHING"
            ))
            .await;
            bed.ask(&format!(
                "UPDATE t SET v = v + 1 WHERE n % {} = 0",
                2 + random(5)
            ))
            .await;
            bed.ask(&format!("DELETE FROM t WHERE n % 10 <> 0 AND n < {n}"))
                .await;
            bed.step();
            after = Some(next);
        }
        let stayed: Vec<i64> = found
            .iter()
            .filter(|(k, n)| k == "k" && n % 10 == 0)
            .map(|(_, n)| *n)
            .collect();
        assert_eq!(
            stayed,
            (0..60).map(|n| n * 10).collect::<Vec<_>>(),
            "round {round}"
        );
        let mut sorted = found.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted, found, "round {round}: in order, and none twice");
        assert!(
            positions.len() > 3,
            "each page has its own moment: {positions:?}"
        );
    }
}

#[tokio::test]
async fn keys_of_every_kind_are_given_as_text_and_checked() {
    let bed = bed();
    bed.ask("INSERT INTO dated VALUES ('2026-01-02T03:04:05Z', 1.5, 'x'), ('2026-01-02T03:04:05Z', 10, 'y'), ('2026-01-03', -2, 'z')").await;
    bed.step();
    let (rows, ..) = read(&bed, "dated", page(&["2026-01-02 03:04:05Z"], None, 9))
        .await
        .unwrap();
    let values: Vec<&str> = rows.iter().map(|row| row["v"].as_str().unwrap()).collect();
    assert_eq!(values, ["x", "y"]);
    let (rows, _, next) = read(&bed, "dated", page(&["2026-01-03", "-2.00"], None, 1))
        .await
        .unwrap();
    assert_eq!((rows[0]["v"].as_str(), next), (Some("z"), None));
    assert_eq!(
        refused(&bed, "dated", page(&["soon"], None, 1)).await,
        Code::Sql042
    );
    assert_eq!(
        refused(&bed, "dated", page(&["2026-01-03", "1", "2"], None, 1)).await,
        Code::Sql008
    );
    // A view that is a stream has no key; one that is being built has no rows.
    let defs = bed.catalog.definitions();
    let object = |name: &str| defs.object(TenantId::ONLY, name).unwrap();
    let engine = &bed.engine;
    let building = engine
        .page((TenantId::ONLY, object("counted")), page(&[], None, 1))
        .await;
    assert_eq!(building.unwrap_err().answer().code, Code::Sql036);
    bed.swap("kept");
    bed.swap("counted");
    let defs = bed.catalog.definitions();
    let object = |name: &str| defs.object(TenantId::ONLY, name).unwrap();
    let kept = engine
        .page((TenantId::ONLY, object("kept")), page(&[], None, 1))
        .await;
    assert!(kept.unwrap().is_none());
}

#[tokio::test]
async fn pages_do_not_go_on_in_another_place() {
    let bed = bed();
    bed.ask("INSERT INTO t (k, n) VALUES ('a', 1), ('a', 2), ('b', 1), ('b', 2)")
        .await;
    bed.ask("INSERT INTO dated VALUES ('2026-01-02', 1, NULL)")
        .await;
    bed.step();
    let (.., next) = read(&bed, "t", page(&["a"], None, 1)).await.unwrap();
    assert_eq!(
        refused(&bed, "t", page(&["b"], next.clone(), 1)).await,
        Code::Sql048
    );
    assert_eq!(
        refused(&bed, "dated", page(&[], next.clone(), 1)).await,
        Code::Sql048
    );
    // Of fewer columns of the key it goes on among more rows.
    let (rows, _, next) = read(&bed, "t", page(&[], next, 9)).await.unwrap();
    assert_eq!((rows.len(), next), (3, None));
    // A key that has no room in the head of a request.
    let long = "x".repeat(9_000);
    bed.ask(&format!(
        "INSERT INTO t (k, n) VALUES ('{long}', 1), ('z', 1)"
    ))
    .await;
    bed.step();
    assert_eq!(refused(&bed, "t", page(&[], None, 5)).await, Code::Sql048);
    assert_eq!(
        read(&bed, "t", page(&[], None, 6)).await.unwrap().0.len(),
        6
    );
}

#[tokio::test]
async fn a_page_that_becomes_too_large_ends_early_and_says_where_it_goes_on() {
    let config = SqlConfig {
        query_memory_max: ByteSize::kib(64),
        ..config()
    };
    let bed = Bed::with(config, |log| log);
    bed.declare(OBJECTS);
    bed.step();
    for round in 0..4 {
        let values: Vec<String> = (0..1_000)
            .map(|n| format!("('k', {}, {n})", round * 1_000 + n))
            .collect();
        let sql = format!("INSERT INTO t (k, n, v) VALUES {}", values.join(", "));
        bed.ask(&sql).await;
    }
    bed.step();
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let (rows, _, next) = read(&bed, "t", page(&[], after, 100_000)).await.unwrap();
        assert!(!rows.is_empty());
        found.extend(rows.iter().map(|row| key_of(row).1));
        pages += 1;
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, (0..4_000).collect::<Vec<i64>>());
    assert!(pages > 1, "one page had room for all");
}
