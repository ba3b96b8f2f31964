//! Whether an engine answers: one question in each one's own protocol, the smallest there is.

use std::{
    io::{Read, Write},
    net::{SocketAddrV4, TcpStream},
    time::Duration,
};

use super::form::{Engine, Form, Kind};

const TIMEOUT: Duration = Duration::from_secs(1);

/// Kafka, metadata v1, correlation 7, no client's name, no topics: who are the brokers?
const KAFKA_METADATA: &[u8] = &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0];

/// CQL v4, OPTIONS (section 4.1.3 of the native protocol): what do you support?
const CQL_OPTIONS: &[u8] = &[0x04, 0, 0, 0, 0x05, 0, 0, 0, 0];

/// HTTP/2's preface and empty settings (RFC 9113, section 3.4), with which gRPC begins.
const HTTP2_PREFACE: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Asks once.
///
/// # Errors
/// What is still missing, in a few words.
pub(crate) fn ask(engine: &Engine, form: Form) -> Result<(), String> {
    match engine.kind {
        Kind::Kafka => {
            let answer = exchange(engine.address, KAFKA_METADATA, 12)?;
            check_brokers(&answer, form.brokers)
        }
        Kind::Cassandra => check_cql(&exchange(engine.address, CQL_OPTIONS, 9)?),
        Kind::Spark => check_http2(&exchange(engine.address, HTTP2_PREFACE, 9)?),
    }
}

/// Sends a question, and reads the first bytes of the answer.
fn exchange(address: SocketAddrV4, question: &[u8], bytes: usize) -> Result<Vec<u8>, String> {
    let said = |error: std::io::Error| error.to_string().to_lowercase();
    let mut socket = TcpStream::connect_timeout(&address.into(), TIMEOUT).map_err(said)?;
    socket.set_read_timeout(Some(TIMEOUT)).map_err(said)?;
    socket.write_all(question).map_err(said)?;
    let mut answer = vec![0; bytes];
    socket.read_exact(&mut answer).map_err(said)?;
    Ok(answer)
}

/// Length, correlation, number of brokers.
fn check_brokers(answer: &[u8], wanted: u8) -> Result<(), String> {
    match answer {
        [_, _, _, _, 0, 0, 0, 7, 0, 0, 0, found] if *found >= wanted => Ok(()),
        [_, _, _, _, 0, 0, 0, 7, 0, 0, 0, found] => {
            Err(format!("{found} of {wanted} brokers have found each other"))
        }
        other => Err(format!("answered what Kafka does not: {other:?}")),
    }
}

/// A response (0x84) that is SUPPORTED (0x06).
fn check_cql(answer: &[u8]) -> Result<(), String> {
    match answer {
        [0x84, _, _, _, 0x06, ..] => Ok(()),
        other => Err(format!("answered what Cassandra does not: {other:?}")),
    }
}

/// A frame of settings (type 4) on stream 0.
fn check_http2(answer: &[u8]) -> Result<(), String> {
    match answer {
        [_, _, _, 4, _, 0, 0, 0, 0] => Ok(()),
        other => Err(format!("answered what Spark Connect does not: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_an_answer_from_another_program() {
        let brokers = |count| [0, 0, 0, 50, 0, 0, 0, 7, 0, 0, 0, count];
        assert!(check_brokers(&brokers(3), 3).is_ok());
        assert_eq!(
            check_brokers(&brokers(2), 3).unwrap_err(),
            "2 of 3 brokers have found each other"
        );
        assert!(check_brokers(b"HTTP/1.1 400", 1).is_err());
        assert!(check_cql(&[0x84, 0, 0, 0, 0x06, 0, 0, 0, 9]).is_ok());
        assert!(check_cql(&[0x84, 0, 0, 0, 0x00, 0, 0, 0, 9]).is_err());
        assert!(check_http2(&[0, 0, 6, 4, 0, 0, 0, 0, 0]).is_ok());
        assert!(check_http2(b"HTTP/1.1 ").is_err());
    }
}
