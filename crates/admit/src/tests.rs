//! Requests in, frames of the log and answers out.

mod rig;

use std::collections::BTreeMap;

use mainstem_kernel::{Position, Spawn, StreamId};
use mainstem_log::{AppendError, Log};

use super::*;
use crate::fixture::Random;
use rig::{Threads, config, rig, wait};

const READINGS: StreamId = StreamId(16);
const LETTERS: StreamId = StreamId(17);

fn key(key: &str) -> Identity {
    Identity::Key(key.to_owned())
}

fn load(first: u64) -> Identity {
    Identity::Load {
        producer: "file".to_owned(),
        first,
    }
}

const THREE: &str = "{\"device\":\"a\",\"n\":1}\n{\"n\":2}\n{\"device\":\"b\",\"n\":3}\n";

#[test]
fn good_rows_and_dead_letters_are_durable_together() {
    let rig = rig(config());
    let ack = rig.admit(Identity::None, THREE).unwrap();
    assert_eq!((ack.accepted, ack.rejected, ack.repeated), (2, 1, false));
    let reason = r#"column "device" is NOT NULL and has no value"#.to_owned();
    assert_eq!(
        ack.rejects,
        [Reject {
            row: 1,
            code: Code::Admit022,
            reason
        }]
    );
    assert_eq!(ack.position, Reached::Seq(Position::at(rig.log.frontier())));
    assert_eq!(rig.log.appends(), 1, "one append for both");
    assert_eq!(rig.count(READINGS), 2);
    assert_eq!(
        rig.rows(LETTERS),
        BTreeMap::from([(0, vec![("ADMIT-022".to_owned(), Some(1))])])
    );
}

#[test]
fn an_empty_body_is_answered_without_an_append() {
    let rig = rig(config());
    let ack = rig.admit(key("k"), "\n \n").unwrap();
    assert_eq!((ack.accepted, ack.rejected), (0, 0));
    assert_eq!(rig.log.appends(), 0);
}

#[test]
fn what_is_refused_as_a_whole_is_named() {
    let rig = rig(config());
    let payload = |stream: &str, body: Vec<u8>, identity| Payload {
        tenant: TenantId::ONLY,
        stream: stream.to_owned(),
        format: Format::Json,
        body: Bytes::from(body),
        identity,
    };
    for (payload, code) in [
        (payload("reading", vec![], Identity::None), Code::Admit001),
        (
            payload("readings", vec![b' '; (1 << 20) + 1], Identity::None),
            Code::Admit002,
        ),
        (payload("readings", vec![], key("")), Code::Admit011),
        (
            payload("readings", vec![], key(&"k".repeat(256))),
            Code::Admit011,
        ),
        (
            payload("readings_dead_letters", vec![], Identity::None),
            Code::Admit012,
        ),
    ] {
        let error = wait(rig.admission.admit(payload)).unwrap_err();
        assert_eq!(error.answer().code, code, "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let metrics = rig.admission.shared.metrics.encode();
    let line = "mainstem_refused_requests_total{reason=\"ADMIT-011\"} 2";
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn a_full_node_says_so_and_recovers() {
    let mut config = config();
    config.queue_bytes_max = ByteSize(100);
    let rig = rig(config);
    rig.log.shut();
    let first = rig.send(Identity::None, THREE);
    let error = rig.admit(Identity::None, &THREE.repeat(2)).unwrap_err();
    assert_eq!(error.answer().code, Code::Admit003);
    rig.log.wait_for(1);
    rig.log.open();
    wait(first).unwrap();
    rig.admit(Identity::None, &THREE.repeat(2)).unwrap();
    assert_eq!(rig.admission.shared.metrics.admit_queue_bytes.get(), 0);
}

#[test]
fn small_requests_share_a_frame_while_the_log_syncs() {
    let rig = rig(config());
    rig.log.shut();
    let first = rig.send(Identity::None, THREE);
    rig.log.wait_for(1);
    let rest: Vec<_> = (0..50).map(|_| rig.send(Identity::None, THREE)).collect();
    rig.log.open();
    wait(first).unwrap();
    for request in rest {
        assert_eq!(wait(request).unwrap().accepted, 2);
    }
    assert_eq!(rig.log.appends(), 2);
    assert_eq!((rig.count(READINGS), rig.count(LETTERS)), (102, 51));
}

#[test]
fn a_repeated_key_is_kept_once_and_answered_as_the_first_time() {
    let rig = rig(config());
    let first = rig.admit(key("k"), THREE).unwrap();
    let again = rig.admit(key("k"), THREE).unwrap();
    assert_eq!(
        again,
        Ack {
            repeated: true,
            ..first
        }
    );
    let other = rig.admit(key("l"), THREE).unwrap();
    assert!(!other.repeated);
    let error = rig.admit(key("k"), "{\"device\":\"z\"}").unwrap_err();
    assert_eq!(error.answer().code, Code::Admit005);
    assert_eq!((rig.count(READINGS), rig.count(LETTERS)), (4, 2));
}

#[test]
fn a_key_is_remembered_when_all_rows_were_refused() {
    let rig = rig(config());
    let first = rig.admit(key("k"), "{}\n7\n").unwrap();
    let again = rig.admit(key("k"), "{}\n7\n").unwrap();
    assert_eq!((first.accepted, first.rejected), (0, 2));
    assert_eq!(
        again,
        Ack {
            repeated: true,
            ..first
        }
    );
    assert_eq!(rig.count(LETTERS), 2);
}

#[test]
fn repetitions_and_conflicts_do_not_hold_up_their_neighbours() {
    let rig = rig(config());
    rig.admit(key("old"), THREE).unwrap();
    rig.log.shut();
    let plug = rig.send(Identity::None, "{\"device\":\"plug\"}");
    rig.log.wait_for(1);
    let bodies = [
        "{\"device\":\"x\"}\n{}",
        "{\"device\":\"y\"}",
        "{}\n{\"device\":\"z\"}",
    ];
    let sent = [
        (key("old"), THREE),
        (key("a"), bodies[0]),
        (key("old"), "{\"device\":\"other\"}"),
        (Identity::None, bodies[1]),
        (key("a"), bodies[0]),
        (key("b"), bodies[2]),
        (load(5), bodies[1]),
    ];
    let replies: Vec<_> = sent
        .into_iter()
        .map(|(who, body)| rig.send(who, body))
        .collect();
    rig.log.open();
    wait(plug).unwrap();
    let found: Vec<String> = replies
        .into_iter()
        .map(|reply| match wait(reply) {
            Ok(ack) => format!("{}+{} {}", ack.accepted, ack.rejected, ack.repeated),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(
        found,
        [
            "2+1 true",
            "1+1 false",
            "the idempotency key was used for another body",
            "1+0 false",
            "1+1 true",
            "1+1 false",
            "rows begin with 5, expected 0",
        ]
    );
    assert_eq!(
        (rig.count(READINGS), rig.count(LETTERS)),
        (2 + 1 + 3, 1 + 2)
    );
}

#[test]
fn a_load_goes_on_where_it_ended() {
    let rig = rig(config());
    let next = || {
        rig.admission
            .next_row(TenantId::ONLY, "readings", "file")
            .unwrap()
    };
    assert_eq!(next(), 0);
    rig.admit(load(0), THREE).unwrap();
    assert_eq!(next(), 3, "rejected rows count");
    assert!(rig.admit(load(0), THREE).unwrap().repeated);
    let error = rig.admit(load(4), THREE).unwrap_err();
    assert_eq!(error.to_string(), "rows begin with 4, expected 3");
    rig.admit(load(3), THREE).unwrap();
    assert_eq!((next(), rig.count(READINGS)), (6, 4));
}

#[test]
fn a_long_body_is_kept_in_parts_and_completed_by_a_repetition() {
    let mut config = config();
    config.frame_rows_max = 7;
    let rig = rig(config);
    let first = rig.admit(key("k"), &THREE.repeat(20)).unwrap();
    assert_eq!(
        (first.accepted, first.rejected, first.rejects.len()),
        (40, 20, 10)
    );
    assert_eq!(
        first.rejects.iter().map(|r| r.row).collect::<Vec<_>>(),
        (0..10).map(|i| i * 3 + 1).collect::<Vec<_>>()
    );
    assert!(rig.log.appends() >= 8, "{}", rig.log.appends());
    let again = rig.admit(key("k"), &THREE.repeat(20)).unwrap();
    assert_eq!(
        again,
        Ack {
            repeated: true,
            ..first
        }
    );
    assert_eq!((rig.count(READINGS), rig.count(LETTERS)), (40, 20));
}

#[test]
fn what_the_log_refuses_is_refused_to_everybody() {
    let rig = rig(config());
    rig.log.state.lock().is_broken = true;
    let error = rig.admit(key("k"), THREE).unwrap_err();
    assert_eq!(error.answer(), AppendError::Closed.answer());
    rig.log.state.lock().is_broken = false;
    assert!(!rig.admit(key("k"), THREE).unwrap().repeated);
}

#[test]
fn closing_waits_for_what_is_under_way() {
    let rig = rig(config());
    rig.log.shut();
    let under_way = rig.send(Identity::None, THREE);
    rig.log.wait_for(1);
    let log = Arc::clone(&rig.log);
    Threads
        .thread("opener", Box::new(move || log.open()))
        .unwrap();
    rig.admission.close();
    assert_eq!(wait(under_way).unwrap().accepted, 2);
    let error = rig.admit(Identity::None, THREE).unwrap_err();
    assert_eq!(error.answer().code, Code::Admit004);
    rig.admission.close();
}

/// Whatever the batching and the number of workers: the rows of each sender are in each
/// partition once, and in the order in which it sent them.
#[test]
fn every_sender_keeps_its_order_in_every_partition() {
    for seed in 0..12 {
        let mut random = Random(seed);
        let mut config = config();
        config.workers = 1 + random.below(3);
        config.frame_rows_max = [3, 50, 1 << 16][random.below(3)];
        config.frame_bytes_max = ByteSize::from([100, 5_000, 1 << 20][random.below(3)]);
        config.gather_max = Duration::from_millis([0, 1][random.below(2)]);
        let rig = rig(config);
        let senders: Vec<Vec<Sent>> = (0..4).map(|sender| requests(sender, &mut random)).collect();
        let rig = &rig;
        let bodies = senders.iter().map(|requests| async move {
            for (identity, body, rows) in requests {
                let ack = rig.send(identity.clone(), body).await.unwrap();
                assert_eq!(ack.accepted, rows.len() as u64);
                if identity != &Identity::None {
                    let again = rig.send(identity.clone(), body).await.unwrap();
                    assert_eq!(
                        again,
                        Ack {
                            repeated: true,
                            ..ack
                        }
                    );
                }
            }
        });
        wait(futures_join(bodies.collect()));
        let found = rig.rows(READINGS);
        for sender in &senders {
            let mut expected: BTreeMap<u16, Vec<(String, Option<i64>)>> = BTreeMap::new();
            for (device, n) in sender.iter().flat_map(|(_, _, rows)| rows.clone()) {
                let place = mainstem_kernel::key::partition_of(device.as_bytes(), 8);
                expected.entry(place).or_default().push((device, Some(n)));
            }
            let first = sender[0].2[0].1 / 1_000_000;
            for (place, rows) in &found {
                let own: Vec<_> = rows
                    .iter()
                    .filter(|(_, n)| n.unwrap() / 1_000_000 == first)
                    .cloned()
                    .collect();
                assert_eq!(
                    own,
                    expected.remove(place).unwrap_or_default(),
                    "seed {seed}"
                );
            }
            assert!(expected.is_empty(), "seed {seed}");
        }
    }
}

/// A request: who sends it, its body, and the rows in it.
type Sent = (Identity, String, Vec<(String, i64)>);

/// Requests of one sender, with the rows in them; some have a key.
fn requests(sender: i64, random: &mut Random) -> Vec<Sent> {
    let mut n = sender * 1_000_000;
    (0..30)
        .map(|request| {
            let rows: Vec<(String, i64)> = (0..=random.below(40))
                .map(|_| {
                    n += 1;
                    (format!("device-{}", random.below(20)), n)
                })
                .collect();
            let lines = rows
                .iter()
                .map(|(d, n)| format!("{{\"device\":\"{d}\",\"n\":{n}}}\n"));
            let identity = match random.below(3) {
                0 => key(&format!("{sender}-{request}")),
                _ => Identity::None,
            };
            (identity, lines.collect(), rows)
        })
        .collect()
}

/// Runs futures side by side until all are done.
async fn futures_join<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut futures: Vec<_> = futures.into_iter().map(|f| Some(Box::pin(f))).collect();
    std::future::poll_fn(move |cx| {
        for slot in &mut futures {
            if slot
                .as_mut()
                .is_some_and(|future| future.as_mut().poll(cx).is_ready())
            {
                *slot = None;
            }
        }
        match futures.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}
