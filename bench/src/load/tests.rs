use super::*;
use crate::sink::{self, Respond};

fn target(respond: Respond) -> Target<'static> {
    let address = sink::start(respond).unwrap();
    Target {
        address,
        key: "key",
        stream: "readings",
        pid: std::process::id(),
    }
}

fn events(count: u64) -> Load {
    let amount = Amount::Events {
        count,
        first: Timestamp(0),
    };
    Load::new(3, 70, amount)
}

#[test]
fn sends_each_event_once_and_counts_each_acknowledgement() {
    let outcome = run(events(1_001), target(sink::accept_all), |_| Ok(())).unwrap();
    assert_eq!(
        (outcome.accepted, outcome.counted, outcome.throttled),
        (1_001, 1_001, 0)
    );
    assert_eq!(
        outcome.latencies.len(),
        15,
        "14 full requests and one with the rest"
    );
    assert_eq!(outcome.positions, ["p1-0"; 3]);
    assert!(outcome.latency_millis(0.5) <= outcome.latency_millis(1.0));
    assert!(outcome.rate() > 0.0);
}

#[test]
fn sends_again_what_was_throttled() {
    let outcome = run(
        events(700),
        target(|n, events| match n {
            0 => "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n".to_owned(),
            _ => sink::accept_all(n, events),
        }),
        |_| Ok(()),
    )
    .unwrap();
    assert_eq!((outcome.accepted, outcome.throttled), (700, 3));
}

#[test]
fn a_lost_row_fails_the_bench() {
    let lossy: Respond = |n, events| sink::accept_all(n, if n == 2 { events - 1 } else { events });
    let error = run(events(7_000), target(lossy), |_| Ok(())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "of 70 events 69 were accepted and 0 rejected"
    );
}

#[test]
fn an_error_of_the_server_is_shown() {
    let broken: Respond = |_, _| "HTTP/1.1 503 Down\r\ncontent-length: 4\r\n\r\nfull".to_owned();
    let error = run(events(70), target(broken), |_| Ok(())).unwrap_err();
    assert!(
        format!("{error:#}").contains("status 503: full"),
        "{error:#}"
    );
}
