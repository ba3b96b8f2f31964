//! Feeds over WebSocket: the same rows as over server-sent events, taken up again, and refusals.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::world::{Answer, KEY, World};

const SHAKE: &str = "connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

struct Socket {
    socket: TcpStream,
    head: String,
    /// The id of the last message that had one.
    last: String,
}

impl Socket {
    async fn open(world: &World, path: &str) -> Self {
        let key = format!("authorization: Bearer {KEY}\r\n{SHAKE}");
        Self::shaken(world, path, &key).await
    }

    async fn shaken(world: &World, path: &str, headers: &str) -> Self {
        let mut socket = world.connect().await;
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        Self {
            socket,
            head: String::from_utf8(head).unwrap(),
            last: String::new(),
        }
    }

    /// The next frame.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let first = self.socket.read_u8().await.unwrap();
        let length = match self.socket.read_u8().await.unwrap() {
            126 => usize::from(self.socket.read_u16().await.unwrap()),
            127 => panic!("too long for a test"),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.socket.read_exact(&mut payload).await.unwrap();
        (first, payload)
    }

    /// The next message.
    async fn message(&mut self) -> Value {
        let (first, payload) = self.frame().await;
        assert_eq!(first, 0x81, "{}", String::from_utf8_lossy(&payload));
        let message: Value = serde_json::from_slice(&payload).unwrap();
        if let Some(id) = message["id"].as_str() {
            id.clone_into(&mut self.last);
        }
        message
    }

    /// The numbers of so many rows.
    async fn rows(&mut self, count: usize) -> Vec<i64> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            numbers.extend(self.message().await["data"]["n"].as_i64());
        }
        numbers
    }

    /// A control frame of a client, with a mask that changes nothing.
    async fn say(&mut self, first: u8, payload: &[u8]) {
        let length = 0x80 | u8::try_from(payload.len()).unwrap();
        let frame = [&[first, length, 0, 0, 0, 0], payload].concat();
        self.socket.write_all(&frame).await.unwrap();
    }
}

async fn add(world: &World, numbers: std::ops::Range<i64>) {
    let rows: String = numbers
        .map(|n| format!("{{\"device\":\"a\",\"n\":{n}}}\n"))
        .collect();
    assert_eq!(world.events(&rows).await.status, 200);
}

const CHANGES: &str = "/v1/streams/readings/changes";

#[tokio::test]
async fn rows_come_as_messages_and_who_resumes_misses_nothing() {
    let world = World::open().await;
    add(&world, 0..3).await;
    let mut feed = Socket::open(&world, &format!("{CHANGES}?from=earliest")).await;
    assert!(feed.head.starts_with("HTTP/1.1 101 "), "{}", feed.head);
    let proof = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert!(feed.head.contains(proof), "{}", feed.head);
    let begin = feed.message().await;
    assert!(
        begin["id"].is_string() && begin.get("data").is_none(),
        "{begin}"
    );
    let first = feed.message().await;
    assert_eq!(
        first,
        json!({"data": {"device": "a", "n": 0, "note": null}})
    );
    assert_eq!(feed.rows(2).await, [1, 2]);
    add(&world, 3..5).await;
    assert_eq!(feed.rows(2).await, [3, 4]);
    let place = feed.last.clone();
    drop(feed);
    add(&world, 5..7).await;
    let flushed = world
        .send("POST /v1/flush", "{\"stream\":\"readings\"}")
        .await;
    assert_eq!(flushed.status, 200, "{flushed:?}");
    add(&world, 7..8).await;
    let mut rest = Socket::open(&world, &format!("{CHANGES}?from={place}")).await;
    assert_eq!(rest.rows(3).await, [5, 6, 7]);
    // A ping is answered between messages, a close by a close.
    rest.say(0x89, b"x").await;
    assert_eq!(rest.frame().await, (0x8a, b"x".to_vec()));
    rest.say(0x88, &[0x03, 0xe8]).await;
    assert_eq!(rest.frame().await, (0x88, vec![0x03, 0xe8]));
    assert_eq!(rest.socket.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn changes_of_rows_by_key_have_the_fields_that_they_have_elsewhere() {
    let world = World::open().await;
    world
        .sql("INSERT INTO owners VALUES ('a', 1, 'x'), ('b', 1, NULL)")
        .await;
    world.shelf.step(Vec::new());
    let mut feed = Socket::open(&world, "/v1/tables/owners/changes?from=earliest").await;
    assert_eq!(
        feed.message().await,
        json!({"data": {
            "op": "upsert", "key": {"device": "a", "slot": 1},
            "after": {"device": "a", "slot": 1, "owner": "x"},
        }})
    );
    feed.message().await;
    assert!(feed.message().await["id"].is_string());
    world.sql("DELETE FROM owners WHERE device = 'a'").await;
    world.shelf.step(Vec::new());
    let gone = feed.message().await;
    assert_eq!(
        gone["data"],
        json!({"op": "delete", "key": {"device": "a", "slot": 1}})
    );
    assert!(gone["id"].is_string());
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_before_it_is_one() {
    let world = World::open().await;
    let ask = async |path: &str, headers: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        let answer = Answer::parse(&world.raw(head).await);
        (answer.status, answer.code())
    };
    let key = format!("authorization: Bearer {KEY}\r\n");
    assert_eq!(ask(CHANGES, SHAKE).await, (401, "HTTP-001".to_owned()));
    let unfit = (400, "HTTP-014".to_owned());
    for (from, to) in [
        ("version: 13", "version: 8"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"),
        ("keep-alive, Upgrade", "keep-alive"),
    ] {
        let shake = format!("{key}{}", SHAKE.replace(from, to));
        assert_eq!(ask(CHANGES, &shake).await, unfit, "{to}");
    }
    let shake = format!("{key}{SHAKE}");
    assert_eq!(ask(&format!("{CHANGES}?from=p2"), &shake).await, unfit);
    let nothing = ask("/v1/streams/nothing/changes", &shake).await;
    assert_eq!(nothing, (404, "HTTP-019".to_owned()));
}

#[tokio::test]
async fn browsers_give_the_key_as_a_protocol() {
    let world = World::open().await;
    let protocols = format!("{SHAKE}sec-websocket-protocol: mainstem.feed, mainstem.key.{KEY}\r\n");
    let mut feed = Socket::shaken(&world, CHANGES, &protocols).await;
    assert!(
        feed.head
            .contains("sec-websocket-protocol: mainstem.feed\r\n"),
        "{}",
        feed.head
    );
    assert!(!feed.head.contains(KEY), "{}", feed.head);
    feed.message().await;
    add(&world, 0..1).await;
    assert_eq!(feed.rows(1).await, [0]);
    // A message of the client ends it by name.
    feed.say(0x81, b"SELECT 1").await;
    let (first, payload) = feed.frame().await;
    assert_eq!((first, &payload[..2]), (0x88, &[0x03, 0xeb][..]));
    assert!(payload[2..].starts_with(b"HTTP-024: "));
}

#[tokio::test]
async fn sockets_count_as_feeds_and_end_with_the_node() {
    let world = World::open().await;
    let mut one = Socket::open(&world, CHANGES).await;
    let two = Socket::open(&world, CHANGES).await;
    let refused = world.send(&format!("GET {CHANGES}"), "").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "HTTP-016"));
    drop(two);
    one.message().await;
    world.stop.send(true).unwrap();
    let (first, payload) = one.frame().await;
    assert_eq!((first, &payload[..2]), (0x88, &[0x03, 0xe9][..]));
    drop(one);
    // The listener waits for what connections have become.
    world.served.await.unwrap().unwrap();
}
