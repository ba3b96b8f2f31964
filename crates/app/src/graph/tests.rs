//! Graphs of an application that is declared and not run.

use std::collections::BTreeMap;

use expect_test::expect;
use mainstem_kernel::{AppName, TenantId};

use super::*;
use crate::{OneMachine, Source, checked};

/// The definitions of an application as if it had been applied.
fn defined(sql: &str) -> mainstem_catalog::Definitions {
    let source = Source {
        name: AppName::new("shop").unwrap(),
        version: None,
        files: BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]),
    };
    checked(&source, &OneMachine).unwrap().definitions
}

const SQL: &str = "
CREATE STREAM readings (device TEXT NOT NULL, site TEXT, celsius DOUBLE PRECISION, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds');
CREATE STREAM unread (id BIGINT);
CREATE TABLE devices (device TEXT PRIMARY KEY, model TEXT) WITH (ttl = '90 days');
CREATE MATERIALIZED VIEW minutes AS
SELECT window_start, window_end, r.device, d.model, count(*) AS n, max(celsius) AS hottest
FROM TUMBLE(readings, at, INTERVAL '1 minute') r
JOIN devices FOR SYSTEM_TIME AS OF PROCTIME() d ON d.device = r.device
WHERE r.site <> 'it''s' AND celsius > 3
GROUP BY window_start, window_end, r.device, d.model
EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW models AS SELECT model, sum(n) AS n FROM minutes GROUP BY model EMIT ON UPDATE;
";

/// A graph in lines.
fn told(graph: &Graph) -> String {
    let mut out = String::new();
    for node in &graph.nodes {
        let details = node.details.join("; ");
        let line = format!("{} {} [{}] {details}", node.kind, node.id, node.title);
        out.push_str(&format!("{}\n", line.trim_end()));
        for keeps in &node.keeps {
            out.push_str(&format!("  {}: {}\n", keeps.kind, keeps.bound));
        }
    }
    for edge in &graph.edges {
        out.push_str(&format!("{} -> {} {:?}\n", edge.from, edge.to, edge.kind));
    }
    let place = |id: &str| graph.nodes.iter().position(|node| node.id == id);
    for edge in &graph.edges {
        let (from, to) = (place(&edge.from).unwrap(), place(&edge.to).unwrap());
        assert!(from < to, "{edge:?} leads back");
    }
    out
}

#[test]
fn an_application_is_its_objects_and_who_reads_whom() {
    let defs = defined(SQL);
    let app = AppName::new("shop").unwrap();
    let graph = app_graph(&defs, TenantId::ONLY, &app).unwrap();
    expect![[r#"
        stream readings [readings] watermark at - 10 seconds
        stream unread [unread]
        table devices [devices] key device
        view minutes [minutes] filter site != 'it''s' AND celsius > 3; windows of 1 minute over at; lookup of table devices by device; aggregate by window_start, window_end, device, model; EMIT ON WINDOW CLOSE
          lookup table: the rows of the table, each for 90 days
          panes: windows of 1 minute, each until the watermark (10 seconds behind) passes its end
        view models [models] aggregate by model; EMIT ON UPDATE
          rows: one row per group, for as long as the view is there
        readings -> minutes Rows
        devices -> minutes Lookup
        minutes -> models Rows
    "#]].assert_eq(&told(&graph));
}

#[test]
fn a_view_is_what_it_reads_its_operators_and_its_readers() {
    let defs = defined(SQL);
    let def = defs.view(TenantId::ONLY, "minutes").unwrap();
    expect![[r#"
        stream readings [readings] watermark at - 10 seconds; device; site; celsius; at
        table devices [devices] key device
        filter operator/1 [filter] site != 'it''s' AND celsius > 3
        window operator/2 [windows of 1 minute over at]
        lookup operator/4 [lookup of table devices by device] device; model
          lookup table: the rows of the table, each for 90 days
        aggregate operator/7 [aggregate by window_start, window_end, device, model] count(*); max(celsius)
          panes: windows of 1 minute, each until the watermark (10 seconds behind) passes its end
        project operator/8 [project] window_start; window_end; device; model; n = count(*); hottest = max(celsius)
        view minutes [minutes] EMIT ON WINDOW CLOSE; watermark window_start - 1 minute
        view models [models] EMIT ON UPDATE
        readings -> operator/1 Rows
        operator/1 -> operator/2 Rows
        operator/2 -> operator/4 Rows
        devices -> operator/4 Lookup
        operator/4 -> operator/7 Rows
        operator/7 -> operator/8 Rows
        operator/8 -> minutes Rows
        minutes -> models Rows
    "#]].assert_eq(&told(&view_graph(&defs, def).unwrap()));
}

#[test]
fn what_a_stream_or_view_gives_flows_from_it() {
    let defs = defined(SQL);
    let def = defs.view(TenantId::ONLY, "minutes").unwrap();
    let mut graph = view_graph(&defs, def).unwrap();
    let rates = BTreeMap::from([("readings", 1_000.0), ("minutes", 7.0)]);
    let live = |node: &GraphNode| {
        Some(Live {
            rows_per_second: Some(*rates.get(node.id.as_str())?),
            ..Live::default()
        })
    };
    graph.enliven(Some("p1".to_owned()), live, |_| None);
    let rate = |from: &str| {
        let mut edges = graph.edges.iter().filter(|edge| edge.from == from);
        edges.next().unwrap().rows_per_second
    };
    assert_eq!(rate("readings"), Some(1_000.0));
    assert_eq!(
        rate("devices"),
        None,
        "nothing flows from what is looked up"
    );
    assert_eq!(rate("minutes"), Some(7.0));
    let last = graph
        .edges
        .iter()
        .find(|edge| edge.to == "minutes")
        .unwrap();
    assert_eq!(
        last.rows_per_second,
        Some(7.0),
        "what the view gives came from its operators"
    );
    let json = serde_json::to_string(&graph).unwrap();
    assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), graph);
}

#[test]
fn what_comes_out_of_an_operator_flows_to_the_next_and_nothing_is_guessed() {
    let defs = defined(SQL);
    let def = defs.view(TenantId::ONLY, "minutes").unwrap();
    let mut graph = view_graph(&defs, def).unwrap();
    assert_eq!(graph.version, Some(u64::from(def.id.0)));
    let live = |node: &GraphNode| {
        let rate = match node.kind.as_str() {
            "stream" | "view" => Some(1_000.0),
            _ => None,
        };
        Some(Live {
            rows_per_second: Some(rate?),
            ..Live::default()
        })
    };
    // Of the aggregate nothing is known.
    let passed = |place: usize| (place != 7).then_some(900.0 - place as f64);
    graph.enliven(None, live, passed);
    let lines = graph.edges.iter().map(|edge| {
        let rate = edge.rows_per_second;
        let rate = rate.map_or("?".to_owned(), |rate| rate.to_string());
        format!("{} -> {}: {rate}", edge.from, edge.to)
    });
    let lines: Vec<String> = lines.collect();
    expect![[r#"
        readings -> operator/1: 900
        operator/1 -> operator/2: 899
        operator/2 -> operator/4: 897
        devices -> operator/4: ?
        operator/4 -> operator/7: 894
        operator/7 -> operator/8: ?
        operator/8 -> minutes: 892
        minutes -> models: 1000"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn no_name_is_shown_that_nobody_gave() {
    let defs = defined(
        "CREATE STREAM readings (device TEXT NOT NULL, celsius BIGINT NOT NULL);
         CREATE MATERIALIZED VIEW hot AS SELECT device, count(*) AS n, max(r.celsius) + 1 AS hottest
         FROM readings r GROUP BY device HAVING count(*) > 2 EMIT ON UPDATE;",
    );
    let def = defs.view(TenantId::ONLY, "hot").unwrap();
    let told = told(&view_graph(&defs, def).unwrap());
    assert!(
        told.contains("n = count(*); hottest = max(celsius) + 1\n"),
        "{told}"
    );
    assert!(
        !told.contains("Int64") && !told.contains("r.celsius"),
        "{told}"
    );
}
