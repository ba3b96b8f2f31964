//! Bytes that are not what a client should send: each gets an answer or the end of its
//! connection, and the server goes on.

use expect_test::expect;

use super::world::{Answer, KEY, World, config};
use crate::HttpConfig;

/// Short: a request that never becomes whole is given up by the server.
async fn world() -> World {
    let read_time_max = std::time::Duration::from_millis(30);
    World::with(HttpConfig {
        read_time_max,
        ..config()
    })
    .await
}

/// The first answer to bytes behind which comes a request that ends the connection, if the
/// server still takes it for one.
async fn ask(world: &World, bytes: impl AsRef<[u8]>) -> Answer {
    let last = b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n".repeat(2);
    let text = world.raw([bytes.as_ref(), &last].concat()).await;
    let first = text.split("HTTP/1.1 ").nth(1).unwrap_or_default();
    Answer::parse(&format!("HTTP/1.1 {first}"))
}

/// What becomes of a request: its status, and its code if it has one.
async fn fate(world: &World, bytes: impl AsRef<[u8]>) -> String {
    let answer = ask(world, bytes).await;
    let json: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
    let code = json.and_then(|json| Some(json.get("code")?.as_str()?.to_owned()));
    format!("{} {}", answer.status, code.unwrap_or_default())
        .trim_end()
        .to_owned()
}

fn events(headers: &str, body: &str) -> String {
    format!(
        "POST /v1/streams/readings/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         {headers}\r\n\r\n{body}"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n")
}

/// Heads that are odd.
fn odd_heads() -> Vec<(&'static str, Vec<u8>)> {
    let long = "x".repeat(20 << 10);
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let head = |text: String| format!("{text} HTTP/1.1\r\n\r\n").into_bytes();
    let header = |text: &str| format!("GET / HTTP/1.1\r\n{text}\r\n\r\n").into_bytes();
    vec![
        ("nothing", Vec::new()),
        ("no HTTP", tls.to_vec()),
        ("a NUL in the method", head("G\0T /".to_owned())),
        ("no key", head("GET /v1/status".to_owned())),
        ("a head that is too large", head(format!("GET /{long}"))),
        ("a header that is too large", header(&format!("x: {long}"))),
        ("too many headers", header(&many)),
        ("a path that is no text", get("/v1/streams/%ff%fe").into()),
        ("a NUL in a path", get("/v1/streams/a%00b").into()),
        (
            "a path out of the tree",
            get("/v1/streams/..%2F..%2Fetc").into(),
        ),
        (
            "a parameter that is no text",
            get("/v1/streams/readings/changes?from=%ff").into(),
        ),
    ]
}

/// Bodies that are odd, or oddly announced.
fn odd_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let chunks = |body| events("transfer-encoding: chunked", body).into_bytes();
    let body = |headers: &str, body| events(headers, body).into_bytes();
    vec![
        (
            "a huge body that is not sent",
            body("content-length: 2000000", "{"),
        ),
        (
            "a body that is too large",
            body("content-length: 99999999999", "{"),
        ),
        (
            "a length that is no number",
            body("content-length: many", "{}"),
        ),
        (
            "two lengths",
            body("content-length: 2\r\ncontent-length: 3", "{}"),
        ),
        ("a chunk that is no chunk", chunks("zz\r\n{}")),
        (
            "a chunk that is too large",
            chunks("ffffffffffffffff\r\n{}"),
        ),
        ("a chunk that ends early", chunks("9\r\n{}")),
        (
            "another transfer encoding",
            body("transfer-encoding: gzip", "{}"),
        ),
        ("an empty body", body("content-length: 0", "")),
        ("a body that is no JSON", body("content-length: 3", "{]}")),
        (
            "an idempotency key of NULs",
            body("idempotency-key: \0\0\r\ncontent-length: 2", "{}"),
        ),
    ]
}

#[tokio::test]
async fn odd_requests_have_their_fate() {
    let world = world().await;
    let cases = odd_heads().into_iter().chain(odd_bodies());
    let mut fates = String::new();
    for (name, bytes) in cases {
        fates.push_str(&format!("{name}: {}\n", fate(&world, bytes).await));
    }
    expect![[r#"
        nothing: 200
        no HTTP: 400
        a NUL in the method: 400
        no key: 401 HTTP-001
        a head that is too large: 431
        a header that is too large: 431
        too many headers: 431
        a path that is no text: 400 HTTP-020
        a NUL in a path: 404 HTTP-019
        a path out of the tree: 404 HTTP-019
        a parameter that is no text: 400 HTTP-020
        a huge body that is not sent: 408 HTTP-010
        a body that is too large: 413 HTTP-007
        a length that is no number: 400
        two lengths: 400
        a chunk that is no chunk: 400
        a chunk that is too large: 408 HTTP-010
        a chunk that ends early: 400
        another transfer encoding: 400
        an empty body: 200
        a body that is no JSON: 200
        an idempotency key of NULs: 400
    "#]]
    .assert_eq(&fates);
    assert_eq!(world.send("GET /healthz", "").await.status, 200);
}

/// A linear congruential generator (Knuth, MMIX): the same requests in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    /// A request with some bytes changed, left out, doubled, or put elsewhere.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let end = (at + self.below(24)).min(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let part = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, part);
                }
                3 => {
                    let odd: [&[u8]; 6] = [b"\0", b"\r\n", b"%", b"\xff\xfe", b"99999999", b":"];
                    let odd = odd[self.below(odd.len())];
                    bytes.splice(at..at, odd.iter().copied());
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = u8::try_from(self.below(256)).unwrap();
                    }
                }
            }
        }
        bytes
    }
}

#[tokio::test]
async fn no_bytes_stop_the_server() {
    let world = world().await;
    let packed = zstd::encode_all(&b"{\"device\":\"a\"}\n{\"device\":\"b\"}"[..], 1).unwrap();
    let mut zstd = events(
        &format!("content-encoding: zstd\r\ncontent-length: {}", packed.len()),
        "",
    )
    .into_bytes();
    zstd.extend_from_slice(&packed);
    let query = "{\"query\":\"SELECT count(*) FROM readings\",\"timeout_ms\":5000}";
    let sql = format!(
        "POST /v1/sql?wait=p1-0000000000000000 HTTP/1.1\r\nhost: x\r\naccept: text/csv\r\n\
         authorization: Bearer {KEY}\r\ncontent-length: {}\r\n\r\n{query}",
        query.len()
    );
    let json = events(
        "content-length: 25\r\nidempotency-key: k",
        "{\"device\":\"a\",\"n\":123456}",
    );
    let chunked = events(
        "transfer-encoding: chunked",
        "e\r\n{\"device\":\"a\"}\r\n0\r\n\r\n",
    );
    let seeds = [
        json.into_bytes(),
        chunked.into_bytes(),
        zstd,
        sql.into_bytes(),
        get("/v1/streams/readings").into(),
    ];
    let mut random = Random(20_261_121);
    let mut fates = std::collections::BTreeMap::new();
    for round in 0..400 {
        let bytes = random.mutate(&seeds[round % seeds.len()]);
        let answer = ask(&world, &bytes).await;
        assert_ne!(answer.status, 503, "round {round}: {answer:?}");
        *fates.entry(answer.status).or_insert(0) += 1;
    }
    // A run that exercised nothing would prove nothing.
    for status in [200, 400, 401, 404] {
        assert!(fates.contains_key(&status), "no answer {status}: {fates:?}");
    }
    assert_eq!(
        world.door.bodies.used(),
        0,
        "memory for bodies was not given back"
    );
    assert_eq!(world.send("GET /healthz", "").await.status, 200);
    let counted = world.sql("SELECT count(*) AS n FROM readings").await;
    assert_eq!(counted.status, 200, "{counted:?}");
}
