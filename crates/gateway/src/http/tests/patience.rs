//! Clients that are slow, stuck or too many.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{Answer, KEY, World, config};
use crate::HttpConfig;

/// Short: what is waited for comes from the server, whenever that is.
const SHORT: Duration = Duration::from_millis(30);

#[tokio::test]
async fn who_sends_no_head_or_half_of_one_is_dropped() {
    let world = World::with(HttpConfig {
        read_time_max: SHORT,
        ..config()
    })
    .await;
    for part in [
        "",
        "GET /healthz HTT",
        "GET /healthz HTTP/1.1\r\nhost: x\r\n",
    ] {
        let mut socket = world.connect().await;
        socket.write_all(part.as_bytes()).await.unwrap();
        let mut rest = String::new();
        drop(socket.read_to_string(&mut rest).await);
        assert_eq!(rest, "", "{part:?}");
    }
    assert_eq!(world.send("GET /healthz", "").await.status, 200);
}

#[tokio::test]
async fn a_body_that_stops_is_answered_with_408() {
    let world = World::with(HttpConfig {
        read_time_max: SHORT,
        ..config()
    })
    .await;
    let mut socket = world.connect().await;
    let head = format!(
        "POST /v1/streams/readings/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         content-length: 100\r\n\r\n{{\"device\":"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    let answer = Answer::parse(&text);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "HTTP-010"),
        "{text}"
    );
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_connection_too_many_is_turned_away_with_the_reason() {
    let world = World::with(HttpConfig {
        connections_max: 2,
        ..config()
    })
    .await;
    let held = [world.connect().await, world.connect().await];
    let mut third = world.connect().await;
    let mut text = String::new();
    third.read_to_string(&mut text).await.unwrap();
    let answer = Answer::parse(&text);
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "HTTP-017"),
        "{text}"
    );
    drop(held);
}

#[tokio::test]
async fn bodies_beyond_the_memory_for_them_are_refused_as_busy() {
    let bodies_size_max = mainstem_kernel::ByteSize::kib(1);
    let world = World::with(HttpConfig {
        bodies_size_max,
        ..config()
    })
    .await;
    let busy = world.events(&" ".repeat(2 << 10)).await;
    assert_eq!((busy.status, busy.code().as_str()), (429, "HTTP-015"));
    assert_eq!(busy.header("retry-after"), Some("1"));
    assert_eq!(world.events("{\"device\":\"a\"}").await.status, 200);
}

#[tokio::test]
async fn a_position_that_does_not_come_is_not_waited_for_without_end() {
    let world = World::with(HttpConfig {
        wait_max: SHORT,
        ..config()
    })
    .await;
    let ask = |wait: &str| {
        let head = format!("POST /v1/sql?wait={wait}");
        async { world.send(&{ head }, "{\"query\":\"SELECT 1 AS x\"}").await }
    };
    let never = ask("p1-7fffffffffffffff").await;
    assert_eq!((never.status, never.code().as_str()), (503, "HTTP-018"));
    assert_eq!(ask("yesterday").await.code(), "HTTP-014");
    assert_eq!(ask("p1-0000000000000001").await.status, 200);
}
