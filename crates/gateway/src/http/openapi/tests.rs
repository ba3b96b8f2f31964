//! The document is whole: every route, every schema, every example.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_app::{
    Action, Applied, Plan, Step,
    graph::{EdgeKind, Graph, GraphEdge, GraphNode, Keeps, Live},
};
use mainstem_kernel::{AppName, Code, Place, Problem};
use serde_json::{Value, json};

use super::*;

fn parsed() -> Value {
    serde_json::from_str(document()).unwrap()
}

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                found.insert(target);
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_route_is_described_and_every_reference_leads_somewhere() {
    let document = parsed();
    assert_eq!(document["openapi"], "3.1.0");
    let mut count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            count += 1;
            let place = format!("{verb} {path}");
            assert!(operation["operationId"].is_string(), "{place}");
            assert!(
                operation["responses"]["200"]["content"].is_object(),
                "{place}"
            );
            let parameters = operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let in_path: Vec<_> = parameters
                .iter()
                .filter(|known| known["in"] == "path")
                .collect();
            assert_eq!(in_path.len(), path.matches('{').count(), "{place}");
            assert!(
                parameters.iter().all(|known| known["schema"].is_object()),
                "{place}"
            );
            let is_open = operation["security"] == json!([]);
            assert_eq!(
                operation["responses"].get("401").is_none(),
                is_open,
                "{place}"
            );
        }
    }
    assert_eq!(count, ROUTES.len());
    let mut targets = BTreeSet::new();
    references(&document, &mut targets);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for target in &targets {
        let name = target.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{target}");
    }
    for name in schemas.keys() {
        assert!(
            targets.contains(format!("#/components/schemas/{name}").as_str()),
            "{name} unused"
        );
    }
}

/// Checks a value against the parts of JSON Schema that the document uses.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(target) = schema["$ref"].as_str() {
        let name = target.rsplit('/').next().unwrap();
        return check(
            document,
            &document["components"]["schemas"][name],
            value,
            place,
        );
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let is_null = |choice: &&Value| choice["type"] == "null";
        match value {
            Value::Null => assert!(choices.iter().any(|choice| is_null(&choice)), "{place}"),
            _ => {
                // Of choices with a tag, the one that has the value's.
                let state = |choice: &Value| choice["properties"]["state"]["enum"][0].clone();
                let fits =
                    |choice: &&Value| state(choice).is_null() || state(choice) == value["state"];
                let mut some = choices.iter().filter(|choice| !is_null(choice));
                let choice = some.find(fits).unwrap();
                check(document, choice, value, place);
            }
        }
        return;
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(
        types.contains(&found),
        "{place}: {found}, expected {types:?}"
    );
    for item in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], item, place);
    }
    let Value::Object(fields) = value else { return };
    let Some(known) = schema["properties"].as_object() else {
        return;
    };
    for (name, field) in fields {
        let schema = known
            .get(name)
            .unwrap_or_else(|| panic!("{place}.{name} is not described"));
        check(document, schema, field, &format!("{place}.{name}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(fields.contains_key(name), "{place}.{name} is missing");
    }
}

#[test]
fn examples_are_what_the_schemas_say() {
    let document = parsed();
    let mut count = 0;
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        let example = shapes::example(name);
        if !example.is_null() {
            count += 1;
            let schema = &document["components"]["schemas"][name];
            check(&document, schema, &example, name);
        }
    }
    assert!(count > 10);
}

/// A graph with everything that one can have.
fn graph() -> Value {
    let keeps = Keeps {
        operator: "groups".to_owned(),
        kind: "rows".to_owned(),
        bound: "one".to_owned(),
    };
    let live = Live {
        state: Some("live".to_owned()),
        percent: Some(1),
        rows: Some(1),
        rows_per_second: Some(1.5),
        behind_ms: Some(1),
        bytes: Some(1),
        groups: Some(1),
        late: 1,
        dead_letters: 1,
        problem: Some("none".to_owned()),
    };
    let node = GraphNode {
        id: "v".to_owned(),
        kind: "view".to_owned(),
        operator: Some(1),
        title: "v".to_owned(),
        details: vec!["a".to_owned()],
        keeps: vec![keeps],
        live: Some(live),
    };
    let edge = GraphEdge {
        from: "s".to_owned(),
        to: "v".to_owned(),
        kind: EdgeKind::Rows,
        operator: Some(1),
        rows_per_second: Some(1.5),
    };
    let graph = Graph {
        app: "shop".to_owned(),
        view: Some("v".to_owned()),
        version: Some(7),
        position: Some("p1".to_owned()),
        nodes: vec![node],
        edges: vec![edge],
    };
    serde_json::to_value(graph).unwrap()
}

#[test]
fn what_is_really_sent_is_what_the_schemas_say() {
    let document = parsed();
    let step = Step {
        action: Action::Create,
        object: "stream \"a\"".to_owned(),
        details: vec!["+ column b TEXT".to_owned()],
        destructive: false,
    };
    let app = AppName::new("shop").unwrap();
    let plan = Plan {
        app,
        fingerprint: "f".to_owned(),
        steps: vec![step],
        drift: Vec::new(),
    };
    let applied = serde_json::to_value(Applied { plan, revision: 1 }).unwrap();
    let place = Place {
        file: "a.sql".to_owned(),
        line: 1,
        column: 2,
    };
    let text = || "words".to_owned();
    let problem = serde_json::to_value(Problem {
        code: Code::Http001,
        message: text(),
        detail: Some(text()),
        hint: Some(text()),
        position: Some(place),
    });
    let sent = BTreeMap::from([
        ("Applied", applied),
        ("Problem", problem.unwrap()),
        ("Graph", graph()),
    ]);
    for (name, value) in &sent {
        check(
            &document,
            &document["components"]["schemas"][*name],
            value,
            name,
        );
    }
    // Nothing of a mirror is only in the mirror.
    let fields = |name: &str| document["components"]["schemas"][name]["properties"].clone();
    for (name, value) in [
        ("Applied", &sent["Applied"]),
        ("Plan", &sent["Applied"]["plan"]),
        ("Step", &sent["Applied"]["plan"]["steps"][0]),
        ("Place", &sent["Problem"]["position"]),
        ("Graph", &sent["Graph"]),
        ("GraphNode", &sent["Graph"]["nodes"][0]),
        ("Keeps", &sent["Graph"]["nodes"][0]["keeps"][0]),
        ("Live", &sent["Graph"]["nodes"][0]["live"]),
        ("GraphEdge", &sent["Graph"]["edges"][0]),
    ] {
        let described = fields(name).as_object().unwrap().len();
        assert_eq!(described, value.as_object().unwrap().len(), "{name}");
    }
}
