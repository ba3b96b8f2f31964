//! Feeds: from the beginning, as rows arrive, taken up again, and out of history.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::world::{KEY, World};

struct Feed {
    socket: TcpStream,
    text: String,
}

impl Feed {
    async fn open(world: &World, query: &str, headers: &str) -> Self {
        let mut socket = world.connect().await;
        let head = format!(
            "GET /v1/streams/readings/changes{query} HTTP/1.1\r\nhost: x\r\n\
             authorization: Bearer {KEY}\r\n{headers}\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut feed = Self {
            socket,
            text: String::new(),
        };
        feed.read_until(|feed| feed.text.contains(": up to ")).await;
        feed
    }

    /// Reads until enough has come; false if the feed ends before.
    async fn read_until(&mut self, is_enough: impl Fn(&Self) -> bool) -> bool {
        let mut part = vec![0; 4096];
        while !is_enough(self) {
            match self.socket.read(&mut part).await {
                Ok(0) | Err(_) => return false,
                Ok(n) => self.text.push_str(&String::from_utf8_lossy(&part[..n])),
            }
        }
        true
    }

    /// The numbers of the rows so far, each with its id if it has one.
    fn rows(&self) -> Vec<(i64, Option<String>)> {
        let blocks = self
            .text
            .split("\n\n")
            .filter(|block| block.contains("data: "));
        blocks
            .map(|block| {
                let field = |name: &str| {
                    let mut lines = block.lines().filter_map(|line| line.strip_prefix(name));
                    lines.next().map(str::to_owned)
                };
                let row: Value = serde_json::from_str(&field("data: ").unwrap()).unwrap();
                (row["n"].as_i64().unwrap(), field("id: "))
            })
            .collect()
    }

    fn numbers(&self) -> Vec<i64> {
        self.rows().into_iter().map(|(n, _)| n).collect()
    }

    async fn rows_up_to(&mut self, count: usize) -> Vec<i64> {
        assert!(
            self.read_until(|feed| feed.rows().len() >= count).await,
            "{}",
            self.text
        );
        self.numbers()
    }
}

async fn add(world: &World, numbers: std::ops::Range<i64>) {
    let rows: String = numbers
        .map(|n| format!("{{\"device\":\"a\",\"n\":{n}}}\n"))
        .collect();
    assert_eq!(world.events(&rows).await.status, 200);
}

#[tokio::test]
async fn rows_come_from_the_beginning_and_then_as_they_arrive() {
    let world = World::open().await;
    add(&world, 0..3).await;
    let mut all = Feed::open(&world, "?from=earliest", "").await;
    let mut new = Feed::open(&world, "", "").await;
    assert_eq!(all.rows_up_to(3).await, [0, 1, 2]);
    add(&world, 3..5).await;
    assert_eq!(all.rows_up_to(5).await, [0, 1, 2, 3, 4]);
    assert_eq!(new.rows_up_to(2).await, [3, 4]);
    // A place to resume is only where a frame ends.
    let with_id = |feed: &Feed| -> Vec<_> {
        feed.rows()
            .iter()
            .filter(|(_, id)| id.is_some())
            .map(|(n, _)| *n)
            .collect()
    };
    assert_eq!(with_id(&all), [2, 4]);
    let refused = world.send("GET /v1/streams/readings/changes", "").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "HTTP-016"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(new);
    assert_eq!(
        world
            .send("GET /v1/streams/readings/changes?from=p2", "")
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn who_resumes_misses_nothing_and_gets_nothing_twice() {
    let world = World::open().await;
    for first in [0, 10, 20, 30] {
        add(&world, first..first + 10).await;
        if first == 10 {
            let flushed = world
                .send("POST /v1/flush", "{\"stream\":\"readings\"}")
                .await;
            assert_eq!(flushed.status, 200, "{flushed:?}");
        }
    }
    // Half of it is only in history by now.
    let mut all = Feed::open(&world, "?from=earliest", "").await;
    assert_eq!(all.rows_up_to(40).await, (0..40).collect::<Vec<_>>());
    let ids: Vec<_> = all
        .rows()
        .into_iter()
        .filter_map(|(n, id)| Some((n, id?)))
        .collect();
    assert_eq!(
        ids.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        [9, 19, 29, 39]
    );
    drop(all);
    for (last, id) in ids {
        let header = format!("last-event-id: {id}\r\n");
        let mut rest = Feed::open(&world, "?from=earliest", &header).await;
        add(&world, 100..101).await;
        let expected: Vec<_> = (last + 1..40).chain([100]).collect();
        let rows = rest.rows_up_to(expected.len()).await;
        assert_eq!(
            rows[..expected.len() - 1],
            expected[..expected.len() - 1],
            "after {last}"
        );
    }
}

#[tokio::test]
async fn at_the_end_requests_under_way_finish_and_feeds_end() {
    let world = World::open().await;
    let mut feed = Feed::open(&world, "?from=earliest", "").await;
    let mut idle = world.connect().await;
    let mut half = world.connect().await;
    let (head, body) = ("{\"device\":", "\"a\",\"n\":1}");
    let text = format!(
        "POST /v1/streams/readings/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        head.len() + body.len()
    );
    half.write_all(text.as_bytes()).await.unwrap();
    // The server asks for the body: the request is under way.
    let mut part = [0; 64];
    let n = half.read(&mut part).await.unwrap();
    assert!(
        String::from_utf8_lossy(&part[..n]).starts_with("HTTP/1.1 100"),
        "{n}"
    );
    half.write_all(head.as_bytes()).await.unwrap();
    world.stop.send(true).unwrap();
    assert!(!feed.read_until(|_| false).await);
    assert!(
        feed.text.ends_with("0\r\n\r\n"),
        "the feed ends cleanly: {}",
        feed.text
    );
    assert_eq!(
        idle.read(&mut part).await.unwrap(),
        0,
        "idle connections are closed"
    );
    half.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\"accepted\":1"), "{answer}");
    world.served.await.unwrap().unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}
