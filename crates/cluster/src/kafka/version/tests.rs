//! Answers of brokers, and of programs that are none.

use std::{io::Write, net::TcpListener, thread};

use mainstem_kernel::{ByteSize, Fault as _};

use super::*;

/// An answer with these keys, each known up to a version.
fn answer(known: &[(i16, i16)]) -> Vec<u8> {
    let count = u32::try_from(known.len()).unwrap();
    let mut bytes = [&NUMBER[..], &[0, 0], &count.to_be_bytes()].concat();
    for (key, last) in known {
        bytes.extend(key.to_be_bytes());
        bytes.extend(0_i16.to_be_bytes());
        bytes.extend(last.to_be_bytes());
    }
    bytes
}

/// What Kafka 2.4.1 says of the keys that matter, and what 2.5 says.
const KAFKA_2_4: [(i16, i16); 4] = [(11, 6), (22, 2), (28, 2), (32, 2)];
const KAFKA_2_5: [(i16, i16); 4] = [(11, 7), (22, 3), (28, 3), (32, 2)];

#[test]
fn kafka_is_known_by_what_it_can_do() {
    assert_eq!(judge(&answer(&KAFKA_2_5)), Heard::Kafka);
    let Heard::Old(lacks) = judge(&answer(&KAFKA_2_4)) else {
        panic!("expected an old one");
    };
    assert!(lacks.contains("TxnOffsetCommit 3"), "{lacks}");
    // 0.10.2 knew neither transactions nor settings of topics.
    assert!(matches!(judge(&answer(&[(11, 1)])), Heard::Old(_)));
}

#[test]
fn whatever_else_answers_is_a_stranger() {
    assert_eq!(judge(b""), Heard::Stranger);
    assert_eq!(judge(b"1.1 400 Bad Request\r\n\r\n"), Heard::Stranger);
    let whole = answer(&KAFKA_2_5);
    for cut in 0..whole.len() {
        assert_eq!(judge(&whole[..cut]), Heard::Stranger, "{cut}");
    }
    for place in 0..10 {
        let mut mutated = whole.clone();
        mutated[place] ^= 0x40;
        assert_eq!(judge(&mutated), Heard::Stranger, "{place}");
    }
}

/// A program that answers one question with these bytes; where it listens.
#[expect(clippy::disallowed_methods, reason = "tests have no supervisor")]
fn program(says: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut asked = [0; 14];
        socket.read_exact(&mut asked).unwrap();
        assert_eq!(asked[..8], [0, 0, 0, 10, 0, 18, 0, 0]);
        socket.write_all(&says).unwrap();
    });
    address
}

fn told(brokers: Vec<String>) -> Option<(&'static str, String)> {
    let config = KafkaConfig {
        brokers,
        topic_prefix: "x".to_owned(),
        replicas: 1,
        in_sync_min: 1,
        connect_max: Duration::from_secs(1),
        acknowledge_max: Duration::from_secs(1),
        queue_size_max: ByteSize::mib(1),
        requests_max: 1,
        request_keep: Duration::from_secs(1),
    };
    let error = check(&config).err()?;
    Some((error.answer().code.as_str(), error.to_string()))
}

#[test]
fn the_broker_that_is_wrong_is_named_among_those_that_are_right() {
    let framed = |answer: Vec<u8>| {
        let length = u32::try_from(answer.len()).unwrap();
        [length.to_be_bytes().to_vec(), answer].concat()
    };
    let nobody = "127.0.0.1:1".to_owned();
    let right = program(framed(answer(&KAFKA_2_5)));
    assert_eq!(told(vec![nobody.clone(), right]), None);
    let right = program(framed(answer(&KAFKA_2_5)));
    let old = program(framed(answer(&KAFKA_2_4)));
    let (code, words) = told(vec![nobody, right, old.clone()]).unwrap();
    assert_eq!(code, "CLUS-114");
    assert!(words.contains(&old), "{words}");
    assert!(words.contains("older than Kafka 2.5"), "{words}");
    let web = program(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let (code, words) = told(vec![web.clone()]).unwrap();
    assert_eq!(
        (code, words),
        (
            "CLUS-114",
            format!("\"{web}\" answers, and does not speak Kafka")
        )
    );
}
