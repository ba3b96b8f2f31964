//! Frames, the handshake's proof, and a session over a pipe in memory. Times are short: what is waited
//! for comes from the session, whenever that is.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::watch,
    task::JoinHandle,
};

use super::{
    frame::{self, CloseCode, Reader, Said, Unfit},
    handshake::accept,
    session::{self, Ended, Times},
};

/// A frame as clients send it.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let length = u8::try_from(payload.len()).unwrap();
    let mut frame = vec![first, 0x80 | length];
    frame.extend(mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

#[test]
fn the_proof_is_that_of_the_standard() {
    assert_eq!(
        accept("dGhlIHNhbXBsZSBub25jZQ=="),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "RFC 6455, section 1.3"
    );
}

#[test]
fn lengths_are_written_in_the_shortest_way() {
    for (length, head) in [
        (0, vec![0x81, 0]),
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65_535, vec![0x81, 126, 255, 255]),
        (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = Vec::new();
        frame::text(
            &mut out,
            &[&vec![b'x'; length / 2], &vec![b'x'; length - length / 2]],
        );
        assert_eq!(out[..head.len()], head);
        assert_eq!(out.len(), head.len() + length);
        // Wherever it breaks off, its end is found.
        let twice = Bytes::from([out.clone(), out.clone()].concat());
        for from in [1, head.len(), out.len() - 1, out.len()] {
            let end = if from == 0 { 0 } else { out.len() };
            assert_eq!(frame::boundary(&twice, from), end, "{length} from {from}");
        }
        assert_eq!(frame::boundary(&twice, 0), 0);
        assert_eq!(frame::boundary(&twice, out.len() + 1), twice.len());
    }
}

#[test]
fn a_reason_that_is_too_long_is_cut_between_characters() {
    let close = frame::close(CloseCode::Again, &"ä".repeat(100));
    assert_eq!(close[..4], [0x88, 2 + 122, 0x03, 0xf5]);
    assert!(std::str::from_utf8(&close[4..]).is_ok());
}

/// What a reader makes of bytes, wherever they are cut.
fn read(bytes: &[u8], size: usize) -> Result<Vec<Said>, Unfit> {
    let mut reader = Reader::default();
    let mut said = Vec::new();
    for part in bytes.chunks(size) {
        reader.take(part);
        while let Some(one) = reader.next()? {
            said.push(one);
        }
    }
    Ok(said)
}

#[test]
fn control_frames_are_heard_and_all_else_is_refused() {
    let all = [
        masked(0x89, b"hello"),
        masked(0x8a, b""),
        masked(0x88, &[0x03, 0xe8, b'x']),
    ];
    let expected = Ok(vec![Said::Ping(b"hello".to_vec()), Said::Pong, Said::Close]);
    for size in 1..20 {
        assert_eq!(
            read(&all.concat(), size),
            expected,
            "cut every {size} bytes"
        );
    }
    for (bytes, expected) in [
        (masked(0x81, b"hi"), Unfit::Message),
        (masked(0x02, b"hi"), Unfit::Message),
        (vec![0x89, 0], Unfit::Protocol),
        (masked(0x09, b""), Unfit::Protocol),
        (masked(0xc9, b""), Unfit::Protocol),
        (masked(0x8b, b""), Unfit::Protocol),
        (vec![0x89, 0x80 | 126, 0, 200], Unfit::Protocol),
        (masked(0x88, b"x"), Unfit::Protocol),
        (masked(0x88, &[0x03, 0xed]), Unfit::Protocol),
        (masked(0x88, &[0x03, 0xe8, 0xff]), Unfit::Protocol),
    ] {
        assert_eq!(read(&bytes, 1), Err(expected), "{bytes:?}");
    }
}

#[test]
fn a_mutated_conversation_never_breaks_the_reader() {
    let good = [
        masked(0x89, b"hello"),
        masked(0x8a, &[7; 125]),
        masked(0x88, b""),
    ]
    .concat();
    let mut state = 11_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap()
    };
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..1 + next() % 4 {
            let at = next() % bytes.len();
            bytes[at] = u8::try_from(next() % 256).unwrap();
        }
        let size = 1 + next() % 64;
        if let Ok(said) = read(&bytes, size) {
            assert!(said.len() <= bytes.len() / 6 + 1);
        }
    }
}

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(20);
/// Nobody is closed.
const PATIENT: Times = Times {
    silence_max: LONG,
    ping_after: LONG,
    closing_max: LONG,
};

struct Bed {
    client: DuplexStream,
    session: JoinHandle<Ended>,
    stop: watch::Sender<bool>,
}

fn open(chunks: impl Stream<Item = Bytes> + Send + 'static, times: Times) -> Bed {
    let (client, server) = duplex(256);
    let (stop, stops) = watch::channel(false);
    let session =
        tokio::runtime::Handle::current().spawn(session::run(server, chunks, stops, times));
    Bed {
        client,
        session,
        stop,
    }
}

fn messages(count: usize) -> Vec<Bytes> {
    let message = |n: usize| {
        let mut out = Vec::new();
        frame::text(&mut out, &[format!("{{\"data\":{n:050}}}").as_bytes()]);
        Bytes::from(out)
    };
    (0..count).map(message).collect()
}

/// The next frame: its opcode and payload.
async fn hear(client: &mut DuplexStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    client.read_exact(&mut head).await.unwrap();
    assert!(head[1] < 126);
    let mut payload = vec![0; usize::from(head[1])];
    client.read_exact(&mut payload).await.unwrap();
    (head[0] & 0x0f, payload)
}

fn code(payload: &[u8]) -> u16 {
    u16::from_be_bytes([payload[0], payload[1]])
}

#[tokio::test]
async fn messages_come_whole_pings_are_answered_and_a_close_too() {
    let endless = stream::iter(messages(20)).chain_pending();
    let mut bed = open(endless, PATIENT);
    bed.client
        .write_all(&masked(0x89, b"are you there"))
        .await
        .unwrap();
    let (mut texts, mut pongs) = (0, 0);
    while texts < 20 || pongs < 1 {
        match hear(&mut bed.client).await {
            (0x1, payload) => {
                assert_eq!(payload, format!("{{\"data\":{texts:050}}}").into_bytes());
                texts += 1;
            }
            (0xa, payload) => {
                assert_eq!(payload, b"are you there");
                pongs += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    bed.client
        .write_all(&masked(0x88, &[0x03, 0xe8]))
        .await
        .unwrap();
    let (opcode, payload) = hear(&mut bed.client).await;
    assert_eq!((opcode, code(&payload)), (0x8, 1000));
    assert_eq!(bed.client.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(bed.session.await.unwrap(), Ended::Client);
}

/// A feed that has said all for now.
trait ChainPending: Stream<Item = Bytes> + Sized + Send + 'static {
    fn chain_pending(self) -> impl Stream<Item = Bytes> + Send + 'static {
        futures::StreamExt::chain(self, stream::pending())
    }
}

impl<S: Stream<Item = Bytes> + Sized + Send + 'static> ChainPending for S {}

#[tokio::test]
async fn who_takes_nothing_is_closed_by_name_where_a_message_ends() {
    let times = Times {
        silence_max: SHORT,
        ..PATIENT
    };
    let mut bed = open(stream::iter(messages(100)).chain_pending(), times);
    // The session's timer rings before this one: only then the client begins to take what is there.
    tokio::time::sleep(SHORT * 5).await;
    let mut texts = 0;
    let reason = loop {
        match hear(&mut bed.client).await {
            (0x1, _) => texts += 1,
            (0x8, payload) => break payload,
            other => panic!("{other:?}"),
        }
    };
    assert!((1..100).contains(&texts), "{texts}");
    assert_eq!(code(&reason), 1013);
    let words = std::str::from_utf8(&reason[2..]).unwrap();
    assert!(words.starts_with("HTTP-023: "), "{words}");
    drop(bed.client);
    assert_eq!(bed.session.await.unwrap(), Ended::Slow);
}

#[tokio::test]
async fn who_never_comes_back_costs_no_more_than_the_close_may_take() {
    let times = Times {
        silence_max: SHORT,
        closing_max: SHORT,
        ..PATIENT
    };
    let bed = open(stream::iter(messages(100)).chain_pending(), times);
    assert_eq!(bed.session.await.unwrap(), Ended::Slow);
    drop(bed.client);
}

#[tokio::test]
async fn a_client_is_asked_whether_it_is_there() {
    let times = Times {
        silence_max: SHORT * 20,
        ping_after: SHORT,
        ..PATIENT
    };
    let mut bed = open(stream::pending(), times);
    for _ in 0..3 {
        assert_eq!(hear(&mut bed.client).await, (0x9, Vec::new()));
        bed.client.write_all(&masked(0x8a, b"")).await.unwrap();
    }
    assert_eq!(hear(&mut bed.client).await, (0x9, Vec::new()));
    let (opcode, payload) = hear(&mut bed.client).await;
    assert_eq!((opcode, code(&payload)), (0x8, 1013));
    drop(bed.client);
    assert_eq!(bed.session.await.unwrap(), Ended::Slow);
}

#[tokio::test]
async fn the_end_has_a_reason() {
    for (sent, expected) in [(masked(0x81, b"hi"), 1003), (vec![0x81, 0], 1002)] {
        let mut bed = open(stream::pending(), PATIENT);
        bed.client.write_all(&sent).await.unwrap();
        let (opcode, payload) = hear(&mut bed.client).await;
        assert_eq!((opcode, code(&payload)), (0x8, expected));
        drop(bed.client);
        assert_eq!(bed.session.await.unwrap(), Ended::Unfit);
    }
    let mut bed = open(stream::pending(), PATIENT);
    bed.stop.send(true).unwrap();
    let (opcode, payload) = hear(&mut bed.client).await;
    assert_eq!((opcode, code(&payload)), (0x8, 1001));
    drop(bed.client);
    assert_eq!(bed.session.await.unwrap(), Ended::Stopped);
    let bed = open(stream::pending(), PATIENT);
    drop(bed.client);
    assert_eq!(bed.session.await.unwrap(), Ended::Gone);
}
