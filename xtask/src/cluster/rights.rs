//! Takes rights away from whoever uses topics of a prefix, and gives them back, while all of it runs:
//! `cargo xtask cluster forbid PREFIX RIGHT…` and `allow PREFIX`.
//!
//! `*` as the prefix is all of them, and the right of the cluster itself.
//!
//! Only the small form judges rights: with several brokers a controller would have to ask others before it
//! may be asked itself. Clients have no names here, so what is forbidden is forbidden to all, engines too.
//! The requests are `CreateAcls` and `DeleteAcls`, version 1 of both
//! (<https://kafka.apache.org/protocol>), and the numbers in them those of `AclOperation`,
//! `AclPermissionType`, `PatternType` and `ResourceType` of Kafka's clients.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    form::{Form, Kind},
    trouble::hinted,
};

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u32 = 1 << 20;

const CREATE_ACLS: i16 = 30;
const DELETE_ACLS: i16 = 31;
const ANY: i8 = 1;
const ALL: i8 = 2;
const DENY: i8 = 2;
const ALLOW: i8 = 3;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
/// Kinds of resources.
const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const TRANSACTIONAL_ID: i8 = 5;
/// All names.
const EVERY: &str = "*";
/// Whoever does not say a name.
const NOBODY: &str = "User:ANONYMOUS";

/// What may be forbidden: words, kind of resource, operation.
const RIGHTS: [(&str, i8, i8); 9] = [
    ("topic:read", TOPIC, 3),
    ("topic:write", TOPIC, 4),
    ("topic:create", TOPIC, 5),
    ("topic:describe", TOPIC, 8),
    ("group:read", GROUP, 3),
    ("transactional-id:write", TRANSACTIONAL_ID, 4),
    ("transactional-id:describe", TRANSACTIONAL_ID, 8),
    // With `*` alone: what lets anybody make topics, and write, who may do so of none by name.
    ("cluster:create", CLUSTER, 5),
    ("cluster:idempotent-write", CLUSTER, 12),
];

/// Forbids these of all resources whose names begin with `prefix`; everything else stays allowed.
pub(crate) fn forbid(prefix: &str, rights: &[&str]) -> Result<()> {
    ensure!(!prefix.is_empty() && !rights.is_empty(), expected());
    let mut entries = Vec::new();
    for word in rights {
        let (_, kind, operation) = RIGHTS
            .iter()
            .find(|(name, ..)| name == word)
            .with_context(expected)?;
        // A resource of which anything is said is closed for all else that is not said.
        entries.push(entry((*kind, prefix), (ALL, ALLOW)));
        entries.push(entry((*kind, prefix), (*operation, DENY)));
    }
    send(CREATE_ACLS, &entries)
}

/// Gives back what was forbidden of `prefix`.
pub(crate) fn allow(prefix: &str) -> Result<()> {
    let filter = |kind| {
        let mut bytes = resource(kind, prefix);
        // Of whoever, from wherever.
        bytes.extend([(-1_i16).to_be_bytes(), (-1_i16).to_be_bytes()].concat());
        bytes.extend([ANY.to_be_bytes(), ANY.to_be_bytes()].concat());
        bytes
    };
    let mut filters: Vec<_> = [TOPIC, GROUP, TRANSACTIONAL_ID].map(filter).into();
    if prefix == EVERY {
        filters.push(filter(CLUSTER));
    }
    send(DELETE_ACLS, &filters)
}

/// Kind, name, and how names are compared.
fn resource(kind: i8, prefix: &str) -> Vec<u8> {
    let (name, pattern) = match (kind, prefix) {
        (CLUSTER, _) => ("kafka-cluster", LITERAL),
        (_, EVERY) => (EVERY, LITERAL),
        _ => (prefix, PREFIXED),
    };
    let mut bytes = kind.to_be_bytes().to_vec();
    text(&mut bytes, name);
    bytes.extend(pattern.to_be_bytes());
    bytes
}

fn expected() -> String {
    let names: Vec<&str> = RIGHTS.iter().map(|(name, ..)| *name).collect();
    format!("expected PREFIX and some of {}", names.join(", "))
}

/// One line of rights.
fn entry((kind, prefix): (i8, &str), (operation, permission): (i8, i8)) -> Vec<u8> {
    let mut bytes = resource(kind, prefix);
    text(&mut bytes, NOBODY);
    text(&mut bytes, "*");
    bytes.extend([operation.to_be_bytes(), permission.to_be_bytes()].concat());
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
    bytes.extend(length.to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// Length, head (version 1: kind, version, correlation, no client's name), and the list.
fn request(kind: i16, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![];
    body.extend(kind.to_be_bytes());
    body.extend(1_i16.to_be_bytes());
    body.extend(7_i32.to_be_bytes());
    body.extend((-1_i16).to_be_bytes());
    body.extend(u32::try_from(entries.len()).unwrap_or(0).to_be_bytes());
    body.extend(entries.concat());
    let mut bytes = u32::try_from(body.len())
        .unwrap_or(0)
        .to_be_bytes()
        .to_vec();
    bytes.extend(body);
    bytes
}

fn send(kind: i16, entries: &[Vec<u8>]) -> Result<()> {
    let broker = Form::default().of_kind(Kind::Kafka).next();
    let broker = broker.context("a form has a broker")?;
    let mut socket = TcpStream::connect_timeout(&broker.address.into(), TIMEOUT)
        .with_context(|| format!("connecting to {}", broker.address))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.write_all(&request(kind, entries))?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    ensure!(
        length <= ANSWER_BYTES_MAX,
        "the broker answered {length} bytes"
    );
    let mut answer = vec![0; usize::try_from(length)?];
    socket.read_exact(&mut answer)?;
    judge(&answer)
}

/// Correlation, time of throttling, number of results; of the first one its error and words.
fn judge(answer: &[u8]) -> Result<()> {
    /// `SECURITY_DISABLED`
    const JUDGES_NO_RIGHTS: i16 = 54;
    let (Some(code), Some(words)) = (answer.get(12..14), answer.get(14..)) else {
        bail!("the broker answered too little: {answer:?}");
    };
    let code = i16::from_be_bytes([
        *code.first().context("two bytes")?,
        *code.get(1).context("two bytes")?,
    ]);
    match code {
        0 => Ok(()),
        JUDGES_NO_RIGHTS => Err(hinted(
            "this broker judges no rights",
            "rights are judged where there is one broker: cargo xtask cluster down, and up",
        )),
        code => bail!(
            "the broker refused with error {code}: {}",
            String::from_utf8_lossy(words)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_its_length_and_every_right() {
        let bytes = request(CREATE_ACLS, &[entry((2, "ab"), (4, DENY))]);
        let body = &bytes[4..];
        assert_eq!(
            bytes.get(..4),
            Some(&u32::try_from(body.len()).unwrap().to_be_bytes()[..])
        );
        assert_eq!(
            body.get(..14),
            Some(&[0, 30, 0, 1, 0, 0, 0, 7, 255, 255, 0, 0, 0, 1][..])
        );
        let rest = &body[14..];
        assert_eq!(rest.get(..6), Some(&[2, 0, 2, b'a', b'b', 4][..]));
        assert_eq!(rest.get(rest.len() - 5..), Some(&[0, 1, b'*', 4, 2][..]));
    }

    #[test]
    fn what_a_broker_says_of_rights_is_read() {
        let answer = |code: i16| {
            let code = code.to_be_bytes();
            [
                &[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1],
                &code[..],
                &[255, 255],
            ]
            .concat()
        };
        assert!(judge(&answer(0)).is_ok());
        let told = judge(&answer(54)).unwrap_err().to_string();
        assert!(told.contains("judges no rights"), "{told}");
        let told = judge(&answer(31)).unwrap_err().to_string();
        assert!(told.contains("error 31"), "{told}");
        assert!(judge(&[0; 4]).is_err());
        assert!(forbid("ab", &["topic:paint"]).is_err());
    }
}
