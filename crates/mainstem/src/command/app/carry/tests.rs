use std::{
    io::{BufReader, Read},
    net::{TcpListener, TcpStream},
    thread::JoinHandle,
};

use super::*;

/// A server that gives these answers, each to one request; gives what it was asked.
#[expect(clippy::disallowed_methods, reason = "this is the test's spawner")]
fn server(answers: Vec<(u16, Value)>) -> (Server, JoinHandle<Vec<(String, Value)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let answer = |(status, body): (u16, Value)| {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = read(&stream);
            let body = body.to_string();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .unwrap();
            asked
        };
        answers.into_iter().map(answer).collect()
    });
    (Server::at(&url, "k").unwrap(), answering)
}

/// The path of a request, and its body.
fn read(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_ascii_lowercase());
    }
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let path = head[0].split(' ').nth(1).unwrap().to_owned();
    (path, serde_json::from_slice(&body).unwrap())
}

fn plan(fingerprint: &str, object: &str) -> Value {
    let step = json!({"action": "create", "object": object, "details": [], "destructive": false});
    let steps = if object.is_empty() {
        vec![]
    } else {
        vec![step]
    };
    json!({"app": "shop", "fingerprint": fingerprint, "steps": steps, "drift": []})
}

fn overtaken() -> (u16, Value) {
    let problem = json!({"code": "APP-011", "message": "the plan is not what would be done now"});
    (409, problem)
}

fn done(fingerprint: &str, object: &str) -> (u16, Value) {
    (
        200,
        json!({"revision": 7, "plan": plan(fingerprint, object)}),
    )
}

/// Carries out what these answers allow; gives the revision, or the code of the failure, and the
/// fingerprints that were to be carried out.
async fn carried(answers: Vec<(u16, Value)>) -> (Result<Option<u32>, String>, Vec<String>) {
    let (server, answering) = server(answers);
    let wanted = Wanted {
        paths: ["/plan".to_owned(), "/apply".to_owned()],
        body: json!({"files": {}}),
        app: None,
    };
    let outcome = out(&server, &wanted, true).await;
    let outcome = outcome
        .map(|applied| applied.map(|applied| applied.revision))
        .map_err(|failure| failure.problems[0].code.clone());
    let asked = answering.join().unwrap().into_iter();
    let applies = asked.filter(|(path, _)| path == "/apply");
    let applies = applies.map(|(_, body)| body["fingerprint"].as_str().unwrap().to_owned());
    (outcome, applies.collect())
}

#[tokio::test]
async fn a_plan_that_was_overtaken_is_made_again() {
    let answers = vec![
        (200, plan("a", "view \"v\"")),
        overtaken(),
        (200, plan("b", "view \"v\"")),
        overtaken(),
        (200, plan("c", "view \"w\"")),
        done("c", "view \"w\""),
    ];
    let (outcome, applies) = carried(answers).await;
    assert_eq!(outcome, Ok(Some(7)));
    assert_eq!(applies, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_plan_that_is_always_overtaken_is_given_up() {
    let mut answers = vec![(200, plan("a", "view \"v\""))];
    for fingerprint in ["b", "c", "d", "e"] {
        answers.extend([overtaken(), (200, plan(fingerprint, "view \"v\""))]);
    }
    answers.push(overtaken());
    let (outcome, applies) = carried(answers).await;
    assert_eq!(outcome, Err("APP-011".to_owned()));
    assert_eq!(applies.len(), PLANS_MAX);
}

#[tokio::test]
async fn what_somebody_else_has_done_meanwhile_is_done() {
    let answers = vec![
        (200, plan("a", "view \"v\"")),
        overtaken(),
        (200, plan("b", "")),
    ];
    let (outcome, applies) = carried(answers).await;
    assert_eq!(outcome, Ok(None));
    assert_eq!(applies, ["a"]);
}
