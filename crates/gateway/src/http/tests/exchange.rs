//! What clients send and read, as transcripts.

use std::io::Write;

use expect_test::{Expect, expect};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use super::world::{Answer, World};

fn check(answer: &Answer, expected: &Expect) {
    expected.assert_eq(&answer.show());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn the_good_rows_of_a_request_are_kept_and_the_others_named() {
    let world = World::open().await;
    let sent = world
        .events(
            r#"[{"device":"a","n":1},{"n":2},{"device":"b","n":"many"},{"device":"c","x":true}]"#,
        )
        .await;
    check(
        &sent,
        &expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-content-type-options: nosniff
        content-security-policy: default-src 'none'; frame-ancestors 'none'
        content-length: 262

        {"accepted":2,"rejected":2,"position":"p1-…","rejects":[{"row":1,"code":"ADMIT-022","reason":"column \"device\" is NOT NULL and has no value"},{"row":2,"code":"ADMIT-021","reason":"column \"n\": expected BIGINT, found \"many\""}],"repeated":false}
    "#]],
    );
    let position = sent.json()["position"].as_str().unwrap().to_owned();
    let asked = world
        .send(
            &format!("POST /v1/sql?wait={position}"),
            r#"{"query": "SELECT device, n, _extra FROM readings ORDER BY device"}"#,
        )
        .await;
    check(
        &asked,
        &expect![[r#"
        HTTP/1.1 200 OK
        content-type: application/json
        x-content-type-options: nosniff
        content-security-policy: default-src 'none'; frame-ancestors 'none'
        mainstem-position: …
        content-length: 185

        {"columns":[{"name":"device","type":"TEXT"},{"name":"n","type":"BIGINT"},{"name":"_extra","type":"JSON"}],"rows":[["a",1,null],
        ["c",null,{"x":true}]],"position":"p1-…"}
    "#]],
    );
    let csv = world
        .send(
            "POST /v1/sql\naccept: text/csv",
            r#"{"query": "SELECT row_number, code FROM readings_dead_letters ORDER BY 1"}"#,
        )
        .await;
    check(
        &csv,
        &expect![[r#"
        HTTP/1.1 200 OK
        content-type: text/csv
        x-content-type-options: nosniff
        content-security-policy: default-src 'none'; frame-ancestors 'none'
        mainstem-position: …
        content-length: 40

        row_number,code
        1,ADMIT-022
        2,ADMIT-021
    "#]],
    );
}

#[tokio::test]
async fn every_format_and_encoding_of_events_is_read() {
    let world = World::open().await;
    let events = "POST /v1/streams/readings/events";
    let ndjson = "{\"device\":\"a\"}\n{\"device\":\"b\"}\n";
    let large = "{\"device\":\"a\",\"n\":7}\n".repeat(10_000);
    for (head, body, accepted) in [
        (
            "content-type: application/json",
            b"{\"device\":\"a\"}".to_vec(),
            1,
        ),
        ("content-type: application/x-ndjson", ndjson.into(), 2),
        ("content-type: text/csv", b"Device,N\na,1\nb,\n".to_vec(), 2),
        ("", ndjson.into(), 2),
        ("content-encoding: gzip", gzip(ndjson.as_bytes()), 2),
        (
            "content-encoding: zstd",
            zstd::encode_all(ndjson.as_bytes(), 1).unwrap(),
            2,
        ),
        ("content-type: application/x-ndjson", large.into(), 10_000),
    ] {
        let answer = world.send(&format!("{events}\n{head}"), body).await;
        assert_eq!(answer.status, 200, "{head}: {answer:?}");
        assert_eq!(answer.json()["accepted"], accepted, "{head}: {answer:?}");
    }
    let counted = world.sql("SELECT count(*) AS n FROM readings").await;
    assert_eq!(counted.json()["rows"], json!([[10_011]]));
}

#[tokio::test]
async fn chunked_bodies_and_pipelined_requests_are_read() {
    let world = World::open().await;
    let one = "POST /v1/streams/readings/events HTTP/1.1\r\nhost: x\r\n\
        authorization: Bearer the-key\r\ntransfer-encoding: chunked\r\n\r\n\
        9\r\n{\"device\"\r\n5\r\n:\"a\"}\r\n0\r\n\r\n";
    let last = one.replace("host: x", "connection: close");
    let text = world.raw(format!("{one}{one}{last}")).await;
    assert_eq!(text.matches("\"accepted\":1").count(), 3, "{text}");
}

#[tokio::test]
async fn what_is_sent_twice_under_one_key_is_kept_once() {
    let world = World::open().await;
    let head = "POST /v1/streams/readings/events\nidempotency-key: k-1";
    let first = world.send(head, r#"{"device":"a"}"#).await;
    let second = world.send(head, r#"{"device":"a"}"#).await;
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(first.json()["position"], second.json()["position"]);
    assert_eq!(second.json()["repeated"], true);
    let other = world.send(head, r#"{"device":"b"}"#).await;
    assert_eq!((other.status, other.code().as_str()), (409, "ADMIT-005"));
    let counted = world.sql("SELECT count(*) AS n FROM readings").await;
    assert_eq!(counted.json()["rows"], json!([[1]]));
}

#[tokio::test]
async fn a_loader_learns_where_to_go_on() {
    let world = World::open().await;
    let path = "/v1/streams/readings/producers/some%20file";
    assert_eq!(
        world.send(&format!("GET {path}"), "").await.json()["next_row"],
        0
    );
    let head = "POST /v1/streams/readings/events\nmainstem-producer: some file\n";
    let sent = world
        .send(
            &format!("{head}mainstem-first-row: 0"),
            "{\"device\":\"a\"}",
        )
        .await;
    assert_eq!(sent.status, 200, "{sent:?}");
    assert_eq!(
        world.send(&format!("GET {path}"), "").await.json()["next_row"],
        1
    );
    let gap = world
        .send(
            &format!("{head}mainstem-first-row: 5"),
            "{\"device\":\"a\"}",
        )
        .await;
    assert_eq!(gap.status, 409, "{gap:?}");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let world = World::open().await;
    let curl = "POST /v1/streams/readings/events\ncontent-type: application/x-www-form-urlencoded";
    check(
        &world.send(curl, "{}").await,
        &expect![[r#"
        HTTP/1.1 415 Unsupported Media Type
        content-type: application/problem+json
        x-content-type-options: nosniff
        content-security-policy: default-src 'none'; frame-ancestors 'none'
        mainstem-request-id: …
        content-length: 279

        {"code":"HTTP-005","message":"content type \"application/x-www-form-urlencoded\" is not read here","hint":"send one of application/json, application/x-ndjson, text/csv, application/vnd.apache.arrow.stream; curl sends this type by itself: add -H 'Content-Type: application/json'"}
    "#]],
    );
    check(
        &world.send("GET /v1/stream", "").await,
        &expect![[r#"
        HTTP/1.1 404 Not Found
        content-type: application/problem+json
        x-content-type-options: nosniff
        content-security-policy: default-src 'none'; frame-ancestors 'none'
        mainstem-request-id: …
        content-length: 103

        {"code":"HTTP-003","message":"there is no route \"/v1/stream\"","hint":"did you mean \"/v1/streams\"?"}
    "#]],
    );
    check(
        &world.send("DELETE /v1/streams", "").await,
        &expect![[r#"
            HTTP/1.1 405 Method Not Allowed
            content-type: application/problem+json
            x-content-type-options: nosniff
            content-security-policy: default-src 'none'; frame-ancestors 'none'
            mainstem-request-id: …
            allow: GET, HEAD
            content-length: 97

            {"code":"HTTP-004","message":"route \"/v1/streams\" has no method DELETE","hint":"use GET, HEAD"}
        "#]],
    );
    check(
        &world.send("GET /v1/streams/reading", "").await,
        &expect![[r#"
            HTTP/1.1 404 Not Found
            content-type: application/problem+json
            x-content-type-options: nosniff
            content-security-policy: default-src 'none'; frame-ancestors 'none'
            mainstem-request-id: …
            content-length: 98

            {"code":"HTTP-019","message":"there is no stream \"reading\"","hint":"did you mean \"readings\"?"}
        "#]],
    );
}

#[tokio::test]
async fn mistakes_in_a_question_have_their_place() {
    let world = World::open().await;
    check(
        &world.send("POST /v1/sql", "{\"query\":\n 1}").await,
        &expect![[r#"
            HTTP/1.1 400 Bad Request
            content-type: application/problem+json
            x-content-type-options: nosniff
            content-security-policy: default-src 'none'; frame-ancestors 'none'
            mainstem-request-id: …
            content-length: 216

            {"code":"HTTP-013","message":"body is not the JSON that is expected: invalid type: integer `1`, expected a string","hint":"GET /openapi.json shows the fields of every body","position":{"file":"","line":2,"column":2}}
        "#]],
    );
    check(
        &world.sql("SELECT devic FROM readings").await,
        &expect![[r#"
            HTTP/1.1 400 Bad Request
            content-type: application/problem+json
            x-content-type-options: nosniff
            content-security-policy: default-src 'none'; frame-ancestors 'none'
            mainstem-request-id: …
            content-length: 136

            {"code":"SQL-022","message":"there is no column \"devic\"","hint":"did you mean \"device\"?","position":{"file":"","line":1,"column":8}}
        "#]],
    );
}

#[tokio::test]
async fn bodies_have_limits() {
    let world = World::open().await;
    let events = "POST /v1/streams/readings/events";
    let large = world.send(events, vec![b' '; (2 << 20) + 1]).await;
    assert_eq!((large.status, large.code().as_str()), (413, "HTTP-007"));
    let bomb = gzip(&vec![b' '; 4 << 20]);
    let bomb = world
        .send(&format!("{events}\ncontent-encoding: gzip"), bomb)
        .await;
    assert_eq!((bomb.status, bomb.code().as_str()), (413, "HTTP-008"));
    let damaged = world
        .send(&format!("{events}\ncontent-encoding: zstd"), "{}")
        .await;
    assert_eq!((damaged.status, damaged.code().as_str()), (400, "HTTP-009"));
    let unknown = world
        .send(&format!("{events}\ncontent-encoding: br"), "{}")
        .await;
    assert_eq!((unknown.status, unknown.code().as_str()), (415, "HTTP-006"));
}

#[tokio::test]
async fn an_application_is_planned_applied_and_rolled_back() {
    let world = World::open().await;
    let next = format!("{}\nCREATE STREAM orders (id TEXT);", super::world::SQL);
    let body = |fingerprint: Option<&str>| {
        json!({ "files": { "shop.sql": next }, "fingerprint": fingerprint }).to_string()
    };
    let plan = world.send("POST /v1/apps/shop/plan", body(None)).await;
    assert_eq!(plan.status, 200, "{plan:?}");
    let plan = plan.json();
    assert_eq!(plan["steps"][0]["action"], "create");
    let stale = world
        .send("POST /v1/apps/shop/apply", body(Some("other")))
        .await;
    assert_eq!((stale.status, stale.code().as_str()), (409, "APP-011"));
    let fingerprint = plan["fingerprint"].as_str().unwrap();
    let applied = world
        .send("POST /v1/apps/shop/apply", body(Some(fingerprint)))
        .await;
    assert_eq!(applied.json()["revision"], 2, "{applied:?}");
    assert_eq!(
        world
            .send("POST /v1/streams/orders/events", "{\"id\":\"1\"}")
            .await
            .status,
        200
    );
    let back = world
        .send("POST /v1/apps/shop/rollback/plan", "")
        .await
        .json();
    let body = json!({ "fingerprint": back["fingerprint"] }).to_string();
    let back = world.send("POST /v1/apps/shop/rollback", body).await;
    assert_eq!(back.json()["revision"], 3, "{back:?}");
    assert_eq!(world.send("GET /v1/streams/orders", "").await.status, 404);
    let mistakes = json!({ "files": { "a.sql": "CREATE STREAM a (x TXT, y INTEGR);" } });
    let mistakes = world
        .send("POST /v1/apps/shop/plan", mistakes.to_string())
        .await;
    assert_eq!(mistakes.status, 422, "{mistakes:?}");
    assert_eq!(
        mistakes.json()["problems"].as_array().unwrap().len(),
        2,
        "{mistakes:?}"
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let world = World::open().await;
    for first in [0, 9_000, 18_000] {
        let rows: String = (first..first + 9_000)
            .map(|n| format!("{{\"device\":\"device number {n}\",\"n\":{n}}}\n"))
            .collect();
        assert_eq!(world.events(&rows).await.json()["accepted"], 9_000);
    }
    let query = "SELECT device, 1 / (n - 26999) AS x FROM readings";
    for (accept, last) in [
        ("application/json", "],\"error\":{"),
        ("application/x-ndjson", "\n{\"error\":{"),
    ] {
        let head = format!("POST /v1/sql\naccept: {accept}");
        let answer = world
            .send(&head, json!({ "query": query }).to_string())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert!(
            answer.body.contains(last),
            "{accept}: {} bytes",
            answer.body.len()
        );
        assert!(answer.body.contains("SQL-026"));
        // The chunk of length zero is what ends a whole answer.
        assert!(!answer.body.ends_with("0\r\n\r\n"), "{accept}");
    }
    let whole = world.sql("SELECT device FROM readings").await;
    assert!(whole.body.ends_with("0\r\n\r\n"));
    let early = world.sql("SELECT 1 / (n - n) AS x FROM readings").await;
    assert_eq!((early.status, early.code().as_str()), (400, "SQL-026"));
}
