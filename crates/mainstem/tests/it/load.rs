//! Loading goes on where it stopped, and counts what did not fit.

use crate::world::World;

const NUMBERS: &str = "CREATE STREAM numbers (n BIGINT NOT NULL, word TEXT) PARTITION BY (n);";

fn with_numbers() -> (World, crate::world::Server) {
    let world = World::new();
    world.write("app/numbers.sql", NUMBERS);
    let server = world.serve();
    world.ok(&["apply", &world.path("app").display().to_string(), "--yes"]);
    (world, server)
}

/// So many rows, equal ones among them.
fn rows(count: u64) -> String {
    let rows: String = (0..count)
        .map(|n| format!("{},word {}\n", n / 2, n % 7))
        .collect();
    format!("n,word\n{rows}")
}

#[test]
fn a_killed_load_is_resumed_and_no_row_arrives_twice() {
    let (world, _server) = with_numbers();
    let count = 300_000;
    let file = world
        .write("numbers.csv", rows(count))
        .display()
        .to_string();
    let arguments = ["load", &file, "--stream", "numbers"];
    let mut child = world.spawn(&arguments);
    // At least one request has arrived; with luck the kill meets another one on its way.
    while world.ask("SELECT count(*) > 0 FROM numbers") != "true" {}
    child.kill().unwrap();
    child.wait().unwrap();
    let again = world.run(&arguments);
    assert_eq!(again.code, 0, "{}", again.stderr);
    let expected = format!(
        "{count},{},{}",
        count / 2,
        (0..count).map(|n| n / 2).sum::<u64>()
    );
    let question = "SELECT count(*), count(DISTINCT n), sum(n) FROM numbers";
    assert_eq!(world.ask(question), expected);
}

#[test]
fn a_load_survives_the_server_being_killed_in_its_middle() {
    let (world, server) = with_numbers();
    let count = 300_000;
    let file = world
        .write("numbers.csv", rows(count))
        .display()
        .to_string();
    let arguments = ["load", &file, "--stream", "numbers"];
    let mut child = world.spawn(&arguments);
    while world.ask("SELECT count(*) > 0 FROM numbers") != "true" {}
    let address = server.url.trim_start_matches("http://").to_owned();
    server.kill();
    let _server = world.serve_with(&["--listen", &address]);
    assert!(
        child.wait().unwrap().success(),
        "the load did not go on by itself"
    );
    assert_eq!(world.ask("SELECT count(*) FROM numbers"), count.to_string());
}

#[test]
fn rows_that_do_not_fit_are_named_by_their_place_in_the_file() {
    let (world, _server) = with_numbers();
    let text = "n,word\n1,a\nx,b\n,c\n4,d\n";
    let file = world.write("numbers.csv", text).display().to_string();
    let loaded = world.run(&["load", &file, "--stream", "numbers"]);
    assert_eq!(loaded.code, 0, "{}", loaded.stderr);
    assert!(
        loaded.stderr.starts_with("loaded 2 rows into \"numbers\""),
        "{}",
        loaded.stderr
    );
    assert!(loaded.stderr.contains("2 rejected"), "{}", loaded.stderr);
    assert!(
        loaded.stderr.contains(": row 2") && loaded.stderr.contains(": row 3"),
        "{}",
        loaded.stderr
    );
    assert_eq!(world.ask("SELECT count(*) FROM numbers_dead_letters"), "2");
}

#[test]
fn every_format_and_compression_brings_the_same_rows() {
    let (world, _server) = with_numbers();
    let gzip = |text: &str| {
        use std::io::Write;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let files = [
        world.write(
            "a.csv.gz",
            gzip("N,Word\r\n1,one\r\n2,\"two\r\nlines\"\r\n"),
        ),
        world.write(
            "a.ndjson",
            "{\"n\":1,\"word\":\"one\"}\n\n{\"n\":2,\"word\":\"two\\r\\nlines\"}",
        ),
        world.write(
            "a.json",
            "[{\"n\":1,\"word\":\"one\"},\n {\"n\":2,\"word\":\"two\\r\\nlines\"}]",
        ),
        world.write(
            "a.jsonl.zst",
            zstd::encode_all(
                &b"{\"n\":1,\"word\":\"one\"}\n{\"n\":2,\"word\":\"two\\r\\nlines\"}\n"[..],
                3,
            )
            .unwrap(),
        ),
    ];
    for (i, file) in files.iter().enumerate() {
        world.ok(&["load", &file.display().to_string(), "--stream", "numbers"]);
        let question = "SELECT count(*), count(DISTINCT n), count(DISTINCT word) FROM numbers";
        assert_eq!(
            world.ask(question),
            format!("{},2,2", (i + 1) * 2),
            "{}",
            file.display()
        );
    }
}
