//! Pictures: whole, the same each time, and harmless whatever names hold.

use expect_test::expect_file;

use super::*;
use crate::graph::{GraphNode, Keeps, Live};

fn node(id: &str, kind: &str, details: &[&str]) -> GraphNode {
    GraphNode {
        id: id.to_owned(),
        kind: kind.to_owned(),
        operator: None,
        title: id.to_owned(),
        details: details.iter().map(|&detail| detail.to_owned()).collect(),
        keeps: Vec::new(),
        live: None,
    }
}

fn edge(from: &str, to: &str, kind: EdgeKind, rate: Option<f64>) -> GraphEdge {
    GraphEdge {
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
        operator: None,
        rows_per_second: rate,
    }
}

fn graph() -> Graph {
    let mut stream = node("readings", "stream", &["watermark at - 10 seconds"]);
    stream.live = Some(Live {
        rows: Some(34_000_000),
        rows_per_second: Some(51_234.0),
        bytes: Some(53_477_376),
        ..Live::default()
    });
    let mut view = node(
        "minutes",
        "view",
        &["windows of 1 minute over at", "EMIT ON WINDOW CLOSE"],
    );
    view.keeps = vec![Keeps {
        operator: "groups of (device)".to_owned(),
        kind: "panes".to_owned(),
        bound: "windows of 1 minute, each until the watermark (10 seconds behind) passes its end"
            .to_owned(),
    }];
    view.live = Some(Live {
        state: Some("live".to_owned()),
        rows: Some(1_440),
        rows_per_second: Some(24.0),
        behind_ms: Some(12),
        bytes: Some(65_536),
        groups: Some(240),
        late: 3,
        ..Live::default()
    });
    Graph {
        app: "fleet".to_owned(),
        view: None,
        version: None,
        position: Some("p1-019ab3c4d5e60000".to_owned()),
        nodes: vec![stream, node("devices", "table", &["key device"]), view],
        edges: vec![
            edge("readings", "minutes", EdgeKind::Rows, Some(51_234.0)),
            edge("devices", "minutes", EdgeKind::Lookup, None),
        ],
    }
}

/// Every element is closed in its order, values are in quotes, and `<` and `&` only where XML has
/// them.
fn assert_whole(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        let is_style = open.last() == Some(&"style");
        for part in text.split('&').skip(1) {
            assert!(is_style || part.contains(';'), "a bare & in {text}");
        }
        let end = tag.find('>').unwrap();
        let inside = tag.get(1..end).unwrap();
        assert!(
            !inside.contains('<') && inside.matches('"').count() % 2 == 0,
            "{inside}"
        );
        let name = inside
            .trim_start_matches('/')
            .split([' ', '\n', '/'])
            .next()
            .unwrap();
        if inside.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{svg}");
        } else if !inside.ends_with('/') {
            open.push(name);
        }
        rest = tag.get(end + 1..).unwrap();
    }
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(svg.matches("<svg").count(), 1);
}

#[test]
fn a_picture_stands_by_itself_and_is_always_the_same() {
    let svg = svg(&graph());
    assert_whole(&svg);
    assert_eq!(svg, super::svg(&graph()));
    for foreign in ["http:", "https:", "<script", "@import", "href", "<image"] {
        let found = svg.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(foreign), "{foreign}");
    }
    for part in [
        ">application fleet<",
        ">51 k rows/s · 34 M rows<",
        ">● live, 12 ms behind<",
        ">3 late<",
    ] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    assert_eq!(svg.matches("class=\"line rows\"").count(), 1);
    assert_eq!(svg.matches("class=\"line lookup\"").count(), 1);
    assert_eq!(
        svg.matches("class=\"rate\"").count(),
        1,
        "what is looked up flows not"
    );
}

#[test]
fn names_are_text_whatever_is_in_them() {
    let evil = "\"><script>alert('x')</script>&\u{0}";
    let mut graph = graph();
    graph.app = evil.to_owned();
    for node in &mut graph.nodes {
        node.title = evil.to_owned();
        node.details = vec![evil.to_owned()];
        node.live = Some(Live {
            problem: Some(evil.to_owned()),
            state: Some(evil.to_owned()),
            ..Live::default()
        });
    }
    let svg = svg(&graph);
    assert_whole(&svg);
    assert!(!svg.contains("<script") && !svg.contains('\u{0}'));
}

#[test]
fn nothing_and_lines_that_lead_nowhere_are_drawn_too() {
    let nothing = Graph {
        app: "x".to_owned(),
        view: None,
        version: None,
        position: None,
        nodes: Vec::new(),
        edges: vec![edge("a", "b", EdgeKind::Rows, Some(f64::NAN))],
    };
    assert_whole(&svg(&nothing));
}

/// What a view does, with how many rows a second flow from each operator to the next.
fn view_graph() -> Graph {
    let mut stream = node("readings", "stream", &["watermark at - 10 seconds"]);
    stream.live = Some(Live {
        rows: Some(34_000_000),
        rows_per_second: Some(51_234.0),
        ..Live::default()
    });
    let mut filter = node("operator/1", "filter", &["celsius > 20"]);
    filter.title = "filter".to_owned();
    let mut window = node("operator/2", "window", &[]);
    window.title = "windows of 1 minute over at".to_owned();
    let mut aggregate = node("operator/4", "aggregate", &["count(*)", "max(celsius)"]);
    aggregate.title = "aggregate by window_start, window_end, device".to_owned();
    aggregate.live = Some(Live {
        rows: Some(1_440),
        bytes: Some(65_536),
        ..Live::default()
    });
    let mut having = node("operator/5", "filter", &["count(*) > 2"]);
    having.title = "filter".to_owned();
    let mut view = node("warm", "view", &["EMIT ON WINDOW CLOSE"]);
    view.live = Some(Live {
        state: Some("live".to_owned()),
        rows: Some(1_440),
        rows_per_second: Some(0.0),
        behind_ms: Some(12),
        ..Live::default()
    });
    let nodes = vec![stream, filter, window, aggregate, having, view];
    let rates = [
        Some(51_234.0),
        Some(12_808.5),
        Some(12_807.0),
        // Where it is not known nothing stands.
        None,
        Some(0.0),
    ];
    let ends = nodes.iter().zip(nodes.iter().skip(1)).zip(rates);
    let edges = ends.map(|((from, to), rate)| edge(&from.id, &to.id, EdgeKind::Rows, rate));
    Graph {
        app: "fleet".to_owned(),
        view: Some("warm".to_owned()),
        version: Some(30),
        position: None,
        edges: edges.collect(),
        nodes,
    }
}

#[test]
fn a_view_is_drawn_with_what_flows_between_its_operators() {
    let svg = svg(&view_graph());
    assert_whole(&svg);
    for label in [">51 k/s<", ">13 k/s<", ">0/s<", ">64 KiB<"] {
        assert!(svg.contains(label), "{label}: {svg}");
    }
    assert_eq!(svg.matches("class=\"line rows\"").count(), 5);
    assert_eq!(svg.matches("<g class=\"rate").count(), 4);
    expect_file!["tests/view.svg"].assert_eq(&svg);
}
