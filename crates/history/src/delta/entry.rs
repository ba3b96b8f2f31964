//! One entry of the Delta log as bytes: JSON lines that begin with our `commitInfo`. Pure.

use mainstem_kernel::Timestamp;
use serde_json::{Map, Value, json};

use super::{ENGINE, action::Action};

/// What a commit does, as `commitInfo.operation` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The table's first entry.
    Create,
    /// New columns.
    Columns,
    /// Rows from the log.
    Archive,
    /// Files merged.
    Compact,
    /// Files past their retention.
    Expire,
}

impl Operation {
    /// The word that other writers use for the same.
    fn delta_name(self) -> &'static str {
        match self {
            Self::Create => "CREATE TABLE",
            Self::Columns => "CHANGE COLUMN",
            Self::Archive => "WRITE",
            Self::Compact => "OPTIMIZE",
            Self::Expire => "DELETE",
        }
    }
}

/// The bytes of an entry.
pub(crate) fn encode(
    operation: Operation,
    now: Timestamp,
    actions: &[Action],
) -> Result<Vec<u8>, serde_json::Error> {
    let mut info = Map::new();
    info.insert("timestamp".to_owned(), now.millis().into());
    info.insert("operation".to_owned(), operation.delta_name().into());
    info.insert("operationParameters".to_owned(), json!({}));
    info.insert(
        "isBlindAppend".to_owned(),
        (operation == Operation::Archive).into(),
    );
    let engine = format!("{ENGINE}{}", env!("CARGO_PKG_VERSION"));
    info.insert("engineInfo".to_owned(), engine.into());
    let info = Action {
        commit_info: Some(info),
        ..Action::default()
    };
    let mut bytes = Vec::new();
    for action in std::iter::once(&info).chain(actions) {
        serde_json::to_writer(&mut bytes, action)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

/// What an entry holds.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Written by us.
    Ours(Vec<Action>),
    /// Written by another program.
    Foreign,
}

/// Reads an entry. An error means that bytes were damaged, or that another program wrote them.
pub(crate) fn decode(bytes: &[u8]) -> Result<Entry, serde_json::Error> {
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty());
    let actions = lines
        .map(serde_json::from_slice::<Action>)
        .collect::<Result<Vec<_>, _>>()?;
    let engine = actions
        .iter()
        .filter_map(|action| action.commit_info.as_ref())
        .filter_map(|info| info.get("engineInfo").and_then(Value::as_str));
    let is_ours = engine.into_iter().any(|engine| engine.starts_with(ENGINE));
    Ok(if is_ours {
        Entry::Ours(actions)
    } else {
        Entry::Foreign
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::action::{Protocol, Txn};

    #[test]
    fn reads_what_it_writes_and_knows_it_again() {
        let txn = Txn {
            app_id: "mainstem-16".into(),
            version: 7,
            last_updated: None,
        };
        let actions = [Protocol::mapped().into(), txn.clone().into()];
        let bytes = encode(Operation::Archive, Timestamp(5_000), &actions).unwrap();
        let Entry::Ours(read) = decode(&bytes).unwrap() else {
            panic!("it is ours")
        };
        assert_eq!(read.len(), 3);
        assert_eq!(read[1].protocol, Some(Protocol::mapped()));
        assert_eq!(read[2].txn, Some(txn));
    }

    #[test]
    fn knows_what_others_wrote() {
        let other = br#"{"commitInfo":{"operation":"WRITE","engineInfo":"delta-rs:py-1.6"}}
{"add":{"path":"x","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true}}"#;
        assert!(matches!(decode(other).unwrap(), Entry::Foreign));
        assert!(decode(b"{\"add\":").is_err());
    }
}
