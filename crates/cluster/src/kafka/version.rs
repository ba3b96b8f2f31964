//! Whether whoever listens where the brokers should be is Kafka, and new enough: asked by hand, because
//! the client takes a stranger for nobody, and speaks to an old broker as far as it goes without a
//! word of what it leaves out.
//!
//! It never says that nobody is there: whoever gives no answer is left to the client.
//!
//! The question is `ApiVersions`, version 0 (<https://kafka.apache.org/protocol#The_Messages_ApiVersions>),
//! which every broker since 0.10 answers, whatever else it knows:
//!
//! ```text
//! question  length i32 = 10 | key i16 = 18 | version i16 = 0 | number i32 | client's name i16 = -1: none
//! answer    length i32 | number i32 | error i16 | count i32 | count × (key i16, first i16, last i16)
//! ```

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use super::KafkaConfig;
use crate::ClusterError;

/// All brokers that are named share it.
const ASK_MAX: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: u32 = 1 << 16;
/// Tells our answer from bytes that happen to come.
const NUMBER: [u8; 4] = [0, 0x6d, 0x73, 0x07];
const KEY: [u8; 2] = 18_i16.to_be_bytes();

/// What this program relies on: key, version, and what it is.
const NEEDED: [(i16, i16, &str); 4] = [
    (22, 0, "idempotent producers (InitProducerId)"),
    (32, 0, "settings of topics (DescribeConfigs)"),
    // KIP-345.
    (11, 5, "members that keep their name (JoinGroup 5)"),
    // KIP-447. Without it a member that has lost its partitions could commit all the same.
    (
        28,
        3,
        "commits that are judged by the member's generation (TxnOffsetCommit 3)",
    ),
];

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Kafka,
    /// Kafka that lacks this.
    Old(&'static str),
    Stranger,
}

/// Asks every broker that is named.
///
/// # Errors
/// `Stranger` or `Version` of the first that is not what it should be.
pub(crate) fn check(config: &KafkaConfig) -> Result<(), ClusterError> {
    let brokers = u32::try_from(config.brokers.len()).unwrap_or(1).max(1);
    for address in &config.brokers {
        match ask(address, ASK_MAX / brokers) {
            Ok(Heard::Kafka) => {}
            Ok(Heard::Old(lacks)) => {
                return Err(ClusterError::Version {
                    address: address.clone(),
                    lacks,
                });
            }
            Ok(Heard::Stranger) => {
                return Err(ClusterError::Stranger {
                    address: address.clone(),
                });
            }
            Err(error) => tracing::debug!(address, %error, "gives no word of its version"),
        }
    }
    Ok(())
}

fn ask(address: &str, limit: Duration) -> io::Result<Heard> {
    let nobody = || io::Error::new(io::ErrorKind::NotFound, "the name leads to no address");
    let place = address.to_socket_addrs()?.next().ok_or_else(nobody)?;
    let mut socket = TcpStream::connect_timeout(&place, limit)?;
    socket.set_read_timeout(Some(limit))?;
    socket.set_write_timeout(Some(limit))?;
    socket.write_all(&question())?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > ANSWER_BYTES_MAX {
        return Ok(Heard::Stranger);
    }
    let mut answer = Vec::new();
    socket.take(u64::from(length)).read_to_end(&mut answer)?;
    Ok(judge(&answer))
}

fn question() -> Vec<u8> {
    let no_name = (-1_i16).to_be_bytes();
    [&10_i32.to_be_bytes()[..], &KEY, &[0, 0], &NUMBER, &no_name].concat()
}

/// An answer without its length.
fn judge(answer: &[u8]) -> Heard {
    let Some((number, rest)) = answer.split_first_chunk::<4>() else {
        return Heard::Stranger;
    };
    let Some((head, entries)) = rest.split_first_chunk::<6>() else {
        return Heard::Stranger;
    };
    let [error_high, error_low, count @ ..] = *head;
    let count = usize::try_from(u32::from_be_bytes(count)).unwrap_or(usize::MAX);
    let (entries, more) = entries.as_chunks::<6>();
    let is_ours = *number == NUMBER && [error_high, error_low] == [0, 0];
    if !is_ours || entries.len() != count || !more.is_empty() {
        return Heard::Stranger;
    }
    let knows = |key: i16, version: i16| {
        entries.iter().any(|[k0, k1, _, _, l0, l1]| {
            i16::from_be_bytes([*k0, *k1]) == key && i16::from_be_bytes([*l0, *l1]) >= version
        })
    };
    let lacks = NEEDED
        .iter()
        .find(|(key, version, _)| !knows(*key, *version));
    lacks.map_or(Heard::Kafka, |(_, _, lacks)| Heard::Old(lacks))
}

#[cfg(test)]
mod tests;
