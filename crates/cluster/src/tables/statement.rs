//! A statement on its way to the owner of its tables. Pure.
//!
//! # Format
//!
//! The value of the record is the text of the statement. Its headers, all text:
//!
//! | header | holds |
//! |---|---|
//! | `mainstem-format` | 1 |
//! | `mainstem-statement` | the door, 32 hexadecimal digits, `-`, and the number of the statement among those of the door |
//! | `mainstem-answers` | the partition of answers that the door reads |
//! | `mainstem-tenant` | who writes |
//! | `mainstem-definitions` | the seq of the definitions by which the door has read it |
//! | `mainstem-until` | milliseconds since 1970: after that nobody waits for the answer |
//! | `mainstem-reading` | `quick` or `whole`: how it is compiled |
//! | `mainstem-request` | its Idempotency-Key; absent without one |

use std::str::FromStr;

use mainstem_kernel::{Seq, TenantId};
use mainstem_sql::Reading;

/// Header of a row of a table: when it was written, a seq, decimal.
pub const SEQ_HEADER: &str = "mainstem-seq";
/// Version of the format.
const FORMAT: &str = "1";

const FORMAT_HEADER: &str = "mainstem-format";
/// Of statements and of answers.
pub(super) const STATEMENT_HEADER: &str = "mainstem-statement";
const ANSWERS_HEADER: &str = "mainstem-answers";
const TENANT_HEADER: &str = "mainstem-tenant";
const DEFINITIONS_HEADER: &str = "mainstem-definitions";
const UNTIL_HEADER: &str = "mainstem-until";
const READING_HEADER: &str = "mainstem-reading";
const REQUEST_HEADER: &str = "mainstem-request";

/// Who waits for the answer of a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StatementId {
    /// The door.
    pub(super) door: String,
    /// Among those of the door.
    pub(super) number: u64,
}

/// A statement on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) id: StatementId,
    /// The partition that its answer belongs into.
    pub(super) answers: u16,
    pub(super) tenant: TenantId,
    pub(super) definitions: Seq,
    /// Milliseconds since 1970.
    pub(super) until: u64,
    pub(super) reading: Reading,
    pub(super) request: Option<String>,
    pub(super) sql: String,
}

impl StatementId {
    pub(super) fn text(&self) -> String {
        format!("{}-{}", self.door, self.number)
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (door, number) = text.rsplit_once('-')?;
        Some(Self {
            door: door.to_owned(),
            number: number.parse().ok()?,
        })
    }
}

impl Statement {
    /// Its headers.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let reading = match self.reading {
            Reading::Quick => "quick",
            Reading::Whole => "whole",
        };
        let mut headers = vec![
            (FORMAT_HEADER, FORMAT.to_owned()),
            (STATEMENT_HEADER, self.id.text()),
            (ANSWERS_HEADER, self.answers.to_string()),
            (TENANT_HEADER, self.tenant.0.to_string()),
            (DEFINITIONS_HEADER, self.definitions.0.to_string()),
            (UNTIL_HEADER, self.until.to_string()),
            (READING_HEADER, reading.to_owned()),
        ];
        if let Some(request) = &self.request {
            headers.push((REQUEST_HEADER, request.clone()));
        }
        headers
    }

    /// The statement of a record.
    ///
    /// # Errors
    /// What was expected.
    pub(super) fn read<'a>(
        header: impl Fn(&str) -> Option<&'a str>,
        value: Option<&[u8]>,
    ) -> Result<Self, String> {
        let expected = |name: &str| format!("expected header \"{name}\"");
        let text = |name: &str| header(name).ok_or_else(|| expected(name));
        let format = text(FORMAT_HEADER)?;
        if format != FORMAT {
            return Err(format!("expected format {FORMAT}, found {format}"));
        }
        let reading = match text(READING_HEADER)? {
            "quick" => Reading::Quick,
            "whole" => Reading::Whole,
            _ => return Err(expected(READING_HEADER)),
        };
        let sql = value.and_then(|value| std::str::from_utf8(value).ok());
        Ok(Self {
            id: StatementId::read(text(STATEMENT_HEADER)?)
                .ok_or_else(|| expected(STATEMENT_HEADER))?,
            answers: number(text(ANSWERS_HEADER)?).ok_or_else(|| expected(ANSWERS_HEADER))?,
            tenant: TenantId(number(text(TENANT_HEADER)?).ok_or_else(|| expected(TENANT_HEADER))?),
            definitions: Seq(
                number(text(DEFINITIONS_HEADER)?).ok_or_else(|| expected(DEFINITIONS_HEADER))?
            ),
            until: number(text(UNTIL_HEADER)?).ok_or_else(|| expected(UNTIL_HEADER))?,
            reading,
            request: header(REQUEST_HEADER).map(str::to_owned),
            sql: sql.ok_or("expected a text as its value")?.to_owned(),
        })
    }
}

fn number<N: FromStr>(text: &str) -> Option<N> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn statement() -> Statement {
        Statement {
            id: StatementId {
                door: "0f".repeat(16),
                number: 7,
            },
            answers: 3,
            tenant: TenantId::ONLY,
            definitions: Seq(42),
            until: 1_700_000_000_000,
            reading: Reading::Whole,
            request: Some("k-1".to_owned()),
            sql: "DELETE FROM t".to_owned(),
        }
    }

    fn read(headers: &[(&str, String)], value: Option<&[u8]>) -> Result<Statement, String> {
        let all: BTreeMap<&str, &str> = headers.iter().map(|(k, v)| (*k, v.as_str())).collect();
        Statement::read(|name| all.get(name).copied(), value)
    }

    #[test]
    fn survives_the_way_to_the_owner() {
        let sent = statement();
        let value = sent.sql.clone().into_bytes();
        assert_eq!(read(&sent.headers(), Some(&value)), Ok(sent.clone()));
        let alone = Statement {
            request: None,
            reading: Reading::Quick,
            ..sent
        };
        assert_eq!(read(&alone.headers(), Some(&value)), Ok(alone));
    }

    #[test]
    fn what_others_write_is_named() {
        let headers = statement().headers();
        let text = Some(&b"DELETE FROM t"[..]);
        for missing in 0..headers.len() - 1 {
            let mut rest = headers.clone();
            let (name, _) = rest.remove(missing);
            let reason = format!("expected header \"{name}\"");
            assert_eq!(read(&rest, text).unwrap_err(), reason);
        }
        let mut newer = headers.clone();
        newer[0].1 = "2".to_owned();
        let reason = "expected format 1, found 2";
        assert_eq!(read(&newer, text).unwrap_err(), reason);
        assert!(read(&headers, None).is_err());
        assert!(read(&headers, Some(b"\xff")).is_err());
    }
}
