use std::collections::{BTreeMap, BTreeSet};

use super::{super::queries::QUERIES, *};

#[test]
fn every_query_has_a_peer_or_a_reason_and_every_peer_a_query() {
    let ours: BTreeSet<&str> = QUERIES.iter().map(|query| query.name).collect();
    let reasons = WITHOUT.iter().map(|(name, _)| *name);
    let peers: Vec<&str> = PEERS.iter().map(|peer| peer.name).chain(reasons).collect();
    assert_eq!(peers.len(), ours.len());
    assert_eq!(peers.into_iter().collect::<BTreeSet<_>>(), ours);
    for peer in &PEERS {
        assert!(
            peer.question.ends_with(&format!(" FROM {}", peer.name)),
            "{}",
            peer.question
        );
        assert!(!peer.query.contains(';'), "{} is one SELECT", peer.name);
        if let Some(closed) = &peer.closed {
            assert!(closed.only.contains("TIMESTAMP '{}'"), "{}", peer.name);
        }
    }
}

#[test]
fn windows_are_as_long_in_both() {
    // Seconds as both spell them: INTERVAL '10 seconds', INTERVAL '10' SECOND.
    let spans = |sql: &str| -> BTreeSet<String> {
        let parts = sql.split("INTERVAL '").skip(1);
        let digits = |part: &str| part.chars().take_while(char::is_ascii_digit).collect();
        parts.map(digits).collect()
    };
    for peer in &PEERS {
        let ours = QUERIES.iter().find(|query| query.name == peer.name);
        assert_eq!(
            spans(peer.query),
            spans(ours.unwrap().view),
            "{}",
            peer.name
        );
    }
}

#[test]
fn every_field_is_a_column_and_each_kind_has_one_that_others_lack() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), 10_000, 2).unwrap();
    let mut fields: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut lines = Vec::new();
    for file in ["0.json", "1.json"] {
        let text = fs::read_to_string(folder.path().join(file)).unwrap();
        for line in text.lines() {
            let event: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
            let kind = ["email_address", "seller", "bidder"]
                .into_iter()
                .filter(|field| event.contains_key(*field))
                .collect::<Vec<_>>();
            assert_eq!(kind.len(), 1, "{line}");
            for field in event.keys() {
                fields.entry(field.clone()).or_default().insert(kind[0]);
            }
        }
        lines.push(text.lines().count());
    }
    assert_eq!(
        lines,
        [6_000, 4_000],
        "requests in turn, the last is shorter"
    );
    for (field, kinds) in fields {
        assert!(TABLES.contains(&format!("\n  {field} ")), "{field}");
        let view = format!("WHERE {field} IS NOT NULL");
        assert!(!TABLES.contains(&view) || kinds.len() == 1, "{field}");
    }
}

#[test]
fn times_are_spelled_as_flink_reads_them() {
    assert_eq!(literal("2026-01-01T00:00:10Z"), "2026-01-01 00:00:10");
    assert_eq!(literal("2026-01-01T00:00:10.5Z"), "2026-01-01 00:00:10.5");
}
