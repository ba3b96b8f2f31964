//! What is refused is refused by name, with a hint, and the server goes on.

use expect_test::expect;

use crate::world::{World, post, raw};

const EVENTS: &str = "CREATE STREAM events (
  id BIGINT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '1 minute'
);
";

fn with_events() -> (World, crate::world::Server) {
    let world = World::new();
    world.write("app/events.sql", EVENTS);
    let server = world.serve();
    world.ok(&["apply", &world.path("app").display().to_string(), "--yes"]);
    (world, server)
}

#[test]
fn without_a_server_every_command_says_how_to_find_one() {
    let world = World::new();
    let said = world.fails(&["status"]);
    expect![[r#"
        error[CLI-001]: no server is known: there is no "[ROOT]/data/endpoint"
        hint: start one with `mainstem serve --data ./data`, or say where it is: --data FOLDER, or --url URL --key KEY
    "#]]
    .assert_eq(&said);
    let said = world.fails(&["status", "--url", "http://127.0.0.1:9", "--key", "k"]);
    assert!(
        said.starts_with("error[CLI-002]: the server at http://127.0.0.1:9 does not answer"),
        "{said}"
    );
}

#[test]
fn a_second_server_on_the_folder_is_refused_by_name() {
    let world = World::new();
    let server = world.serve();
    let said = world.try_serve("data", &[]).err().unwrap();
    assert!(
        said.contains("error[NODE-001]: another server uses the data folder"),
        "{said}"
    );
    assert!(world.ok(&["status"]).contains("ready"));
    let (_, code) = server.stop();
    assert_eq!(code, 0);
    drop(world.serve());
}

#[test]
fn a_newer_format_and_a_foreign_folder_are_refused_by_name() {
    let world = World::new();
    world.write("newer/FORMAT", "mainstem data 2\n");
    let said = world.try_serve("newer", &[]).err().unwrap();
    assert!(said.contains("error[NODE-002]"), "{said}");
    world.write("foreign/letter.txt", "dear");
    let said = world.try_serve("foreign", &[]).err().unwrap();
    assert!(
        said.contains("error[NODE-011]") && said.contains("letter.txt"),
        "{said}"
    );
}

#[test]
fn a_wrong_setting_is_refused_by_name_and_line() {
    let world = World::new();
    let file = world.write("m.toml", "[http]\nconections_max = 5\n");
    let said = world
        .try_serve("data", &["--config", &file.display().to_string()])
        .err()
        .unwrap();
    assert!(
        said.contains("error[NODE-004]: there is no setting \"http.conections_max\""),
        "{said}"
    );
    assert!(said.contains("m.toml:2:1"), "{said}");
    assert!(
        said.contains("hint: is it \"http.connections_max\"?"),
        "{said}"
    );
}

#[test]
fn a_request_without_the_key_is_refused_and_health_needs_none() {
    let (_world, server) = with_events();
    let get = |path: &str, key: &str| {
        raw(
            &server,
            &format!("GET {path} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n{key}\r\n"),
        )
    };
    for path in [
        "/v1/status",
        "/v1/streams",
        "/metrics",
        "/v1/streams/events/changes",
    ] {
        assert!(get(path, "").starts_with("HTTP/1.1 401"), "{path}");
        let wrong = "Authorization: Bearer wrong\r\n";
        assert!(get(path, wrong).starts_with("HTTP/1.1 401"), "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert!(get(path, "").starts_with("HTTP/1.1 200"), "{path}");
    }
}

#[test]
fn good_rows_of_a_bad_batch_are_kept_and_bad_ones_are_named() {
    let (world, server) = with_events();
    let body = "{\"id\":1,\"at\":\"2026-01-01T00:00:00Z\"}\n{\"id\":\"x\",\"at\":\"2026-01-01T00:00:00Z\"}\n\
                {\"at\":\"2026-01-01T00:00:00Z\"}\n{\"id\":4,\"at\":\"9999-01-01T00:00:00Z\"}\nnot json\n\
                {\"id\":6,\"at\":\"2026-01-01T00:00:00Z\",\"more\":true}\n";
    let (status, answer) = post(
        &server,
        "/v1/streams/events/events",
        "application/x-ndjson",
        body,
    );
    assert_eq!(status, 200, "{answer}");
    assert!(
        answer.contains("\"accepted\":2") && answer.contains("\"rejected\":4"),
        "{answer}"
    );
    assert_eq!(world.ask("SELECT count(*), sum(id) FROM events"), "2,7");
    assert_eq!(world.ask("SELECT count(*) FROM events_dead_letters"), "4");
    assert_eq!(
        world.ask("SELECT _extra FROM events WHERE id = 6"),
        "\"{\"\"more\"\":true}\""
    );
    let (status, answer) = post(
        &server,
        "/v1/streams/nowhere/events",
        "application/json",
        "{}",
    );
    assert_eq!(status, 404, "{answer}");
    assert!(answer.contains("\"hint\""), "{answer}");
}

#[test]
fn with_a_full_disk_writes_are_refused_and_reads_go_on() {
    let (world, server) = with_events();
    let row = "{\"id\":1,\"at\":\"2026-01-01T00:00:00Z\"}";
    let send = |server: &crate::world::Server| {
        post(server, "/v1/streams/events/events", "application/json", row)
    };
    assert_eq!(send(&server).0, 200);
    assert_eq!(server.stop().1, 0);
    // No disk has 95 percent free where a repository was built: the reserve is never there.
    let file = world
        .write(
            "full.toml",
            "[disk]\nfree_min = 95\nfree_enough = \"1000000 GiB\"\n",
        )
        .display()
        .to_string();
    let server = world.serve_with(&["--config", &file]);
    // The first look at the disk is a moment after the start.
    while !world.ok(&["status"]).contains("refuses writes") {}
    let (status, answer) = send(&server);
    assert_eq!(status, 429, "{answer}");
    assert!(
        answer.contains("NODE-009") && answer.contains("kept in reserve"),
        "{answer}"
    );
    let refused = raw(
        &server,
        "GET /readyz HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n",
    );
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("NODE-009"),
        "{refused}"
    );
    assert_eq!(world.ask("SELECT count(*) FROM events"), "1");
    assert_eq!(server.stop().1, 0);
    let server = world.serve();
    assert_eq!(send(&server).0, 200);
    assert_eq!(world.ask("SELECT count(*) FROM events"), "2");
}

#[test]
fn an_unknown_code_and_an_unclear_file_are_refused() {
    let world = World::new();
    let said = world.fails(&["explain-error", "NOPE-1"]);
    assert!(said.starts_with("error[CLI-010]"), "{said}");
    assert!(
        world
            .ok(&["explain-error", "node-001"])
            .starts_with("# NODE-001")
    );
    let (world, _server) = with_events();
    let file = world.write("rows.xml", "<a/>").display().to_string();
    let said = world.fails(&["load", &file, "--stream", "events"]);
    assert!(said.starts_with("error[CLI-005]"), "{said}");
}
