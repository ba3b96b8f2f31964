//! Every route of the table, asked with every kind of key and method.

use std::collections::HashSet;

use super::world::{Answer, KEY, World};
use crate::{
    Doors,
    http::{
        auth::Permission,
        routes::{ROUTES, Takes, Verb},
    },
};

fn path(pattern: &str) -> String {
    pattern
        .replace("{stream}", "readings")
        .replace("{table}", "owners")
        .replace("{view}", "totals")
        .replace("{app}", "shop")
        .replace("{producer}", "some-file")
}

fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET",
        Verb::Post => "POST",
    }
}

async fn ask(world: &World, method: &str, path: &str, key: Option<&str>) -> Answer {
    let key = key
        .map(|key| format!("authorization: Bearer {key}\r\n"))
        .unwrap_or_default();
    let text = world
        .raw(format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\n{key}connection: close\r\n\
             content-length: 2\r\n\r\n{{}}"
        ))
        .await;
    Answer::parse(&text)
}

#[tokio::test]
async fn every_route_asks_for_the_key_unless_it_says_that_it_is_open() {
    let world = World::open().await;
    for route in ROUTES {
        let (method, path) = (verb(route.verb), path(route.path));
        let missing = ask(&world, method, &path, None).await;
        let wrong = ask(&world, method, &path, Some("another")).await;
        if route.permission == Permission::Open {
            assert_eq!((missing.status, wrong.status), (200, 200), "{path}");
            continue;
        }
        assert_eq!(
            (missing.status, missing.code().as_str()),
            (401, "HTTP-001"),
            "{path}"
        );
        assert_eq!(
            (wrong.status, wrong.code().as_str()),
            (401, "HTTP-002"),
            "{path}"
        );
        assert!(!format!("{missing:?}{wrong:?}").contains(KEY), "{path}");
        // A feed is ended by the client, which has closed its side.
        let right = ask(&world, method, &path, Some(KEY)).await;
        assert!(
            ![0, 401, 404, 405].contains(&right.status),
            "{path}: {right:?}"
        );
    }
    let open: Vec<_> = ROUTES
        .iter()
        .filter(|route| route.permission == Permission::Open)
        .collect();
    let open: Vec<_> = open.iter().map(|route| route.path).collect();
    assert_eq!(
        open,
        // The page of graphs holds no data: it asks with the key that it is given.
        ["/healthz", "/readyz", "/graph"],
        "another open route needs a reason"
    );
}

#[tokio::test]
async fn without_a_key_nobody_learns_what_there_is() {
    let world = World::open().await;
    for (method, path) in [
        ("GET", "/v1/nothing"),
        ("PUT", "/v1/sql"),
        ("GET", "/v1/sql"),
    ] {
        assert_eq!(ask(&world, method, path, None).await.status, 401, "{path}");
    }
    assert_eq!(
        ask(&world, "GET", "/v1/nothing", Some(KEY)).await.status,
        404
    );
}

#[tokio::test]
async fn other_methods_and_parameters_are_refused_by_name() {
    let world = World::open().await;
    for route in ROUTES {
        let path = path(route.path);
        let refused = ask(&world, "PATCH", &path, Some(KEY)).await;
        if route.permission == Permission::Open {
            assert_eq!(refused.status, 405, "{path}");
            continue;
        }
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (405, "HTTP-004"),
            "{path}"
        );
        assert!(
            refused.header("allow").unwrap().contains(verb(route.verb)),
            "{path}"
        );
        let refused = ask(
            &world,
            verb(route.verb),
            &format!("{path}?nonsense=x"),
            Some(KEY),
        )
        .await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "HTTP-014"),
            "{path}"
        );
    }
}

#[test]
fn routes_have_names_of_their_own() {
    let names: HashSet<_> = ROUTES.iter().map(|route| route.name).collect();
    assert_eq!(names.len(), ROUTES.len());
    let paths: HashSet<_> = ROUTES
        .iter()
        .map(|route| (verb(route.verb), route.path))
        .collect();
    assert_eq!(paths.len(), ROUTES.len());
    for route in ROUTES {
        let has_body = !matches!(route.takes, Takes::Nothing);
        assert!(!has_body || route.verb == Verb::Post, "{}", route.path);
    }
}

#[tokio::test]
async fn readiness_says_what_stands_against_it() {
    let world = World::open().await;
    let answer = ask(&world, "GET", "/readyz", None).await;
    // One application that stands still does not take the others out of service; a probe sees it.
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body.trim(),
        r#"{"paused":[{"name":"shop","code":"FLOW-006"}]}"#
    );
    let problem = mainstem_kernel::Problem {
        code: mainstem_kernel::Code::Node015,
        message: "the server is starting".to_owned(),
        detail: None,
        hint: None,
        position: None,
    };
    *world.node.problem.lock() = Some(problem);
    let answer = ask(&world, "GET", "/readyz", None).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "NODE-015"));
    assert_eq!(ask(&world, "GET", "/healthz", None).await.status, 200);
}

#[tokio::test]
async fn the_nodes_own_affairs_answer() {
    let world = World::open().await;
    assert_eq!(
        world.send("GET /v1/status", "").await.json()["streams"][0]["name"],
        "readings"
    );
    let backup = |folder| world.send("POST /v1/backup", format!("{{\"folder\":\"{folder}\"}}"));
    assert_eq!(backup("/x/new").await.json()["files"], 1);
    assert_eq!(backup("/x/full").await.status, 409);
    assert_eq!(backup("x").await.code(), "HTTP-014");
    let flush = |stream| world.send("POST /v1/flush", format!("{{\"stream\":\"{stream}\"}}"));
    assert_eq!(world.events("{\"device\":\"a\"}").await.status, 200);
    assert!(flush("readings").await.body.contains("p1-"));
    assert_eq!(flush("nothing").await.code(), "HTTP-019");
    let doors = |body| world.send("POST /v1/doors", body);
    let paused = "{\"state\":\"paused\",\"milliseconds\":500}";
    assert!(doors(paused).await.body.contains("p1-"));
    assert_eq!(
        *world.node.doors.lock(),
        Doors::Paused { milliseconds: 500 }
    );
    assert_eq!(doors("{\"state\":\"shut\"}").await.status, 400);
    let metrics = world.send("GET /metrics", "").await;
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let line =
        "mainstem_http_requests_total{route=\"/v1/streams/{stream}/events\",status=\"200\"} 1";
    assert!(metrics.body.contains(line), "{}", metrics.body);
    assert!(
        metrics.body.contains("mainstem_ack_seconds_count 1"),
        "{}",
        metrics.body
    );
}
