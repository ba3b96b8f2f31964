//! What is to be moved, and whether the other server declares the same.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    asking::{ask, quoted},
    errors::MoveError,
    literal,
};
use crate::{client::Server, failure::Outcome};

/// What is moved.
#[derive(Debug)]
pub(super) struct Goods {
    /// Streams by name.
    pub(super) streams: Vec<String>,
    /// Tables.
    pub(super) tables: Vec<Table>,
}

/// A table that is moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// Names and types, in order.
    pub(super) columns: Vec<(String, String)>,
    /// Names of those that identify a row.
    pub(super) key: Vec<String>,
}

/// A stream as a server describes it, as far as rows depend on it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Stream {
    name: String,
    is_dead_letters: bool,
    columns: Vec<Column>,
    partition_by: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    ty: String,
    nullable: bool,
}

/// Everything that is moved.
///
/// # Errors
/// `Differs` when the other server does not declare the same; `Unmovable`.
pub(super) async fn goods(here: &Server, there: &Server) -> Outcome<Goods> {
    let (ours, theirs) = (streams(here).await?, streams(there).await?);
    for (name, stream) in &ours {
        let reason = match theirs.get(name) {
            Some(other) if other == stream => continue,
            Some(_) => "its columns or PARTITION BY differ",
            None => "it is not there",
        };
        return Err(MoveError::Differs {
            object: format!("stream \"{name}\""),
            reason: reason.to_owned(),
        }
        .into());
    }
    let (mine, others) = (tables(here).await?, tables(there).await?);
    for table in &mine {
        let found = others.iter().find(|other| other.name == table.name);
        if found != Some(table) {
            let reason = match found {
                Some(_) => "its columns or key differ",
                None => "it is not there",
            };
            return Err(MoveError::Differs {
                object: format!("table \"{}\"", table.name),
                reason: reason.to_owned(),
            }
            .into());
        }
        for (column, ty) in &table.columns {
            if !literal::is_movable(ty) {
                return Err(MoveError::Unmovable {
                    table: table.name.clone(),
                    column: column.clone(),
                    ty: ty.clone(),
                }
                .into());
            }
        }
    }
    Ok(Goods {
        streams: ours.into_keys().collect(),
        tables: mine,
    })
}

/// The streams of a server but those of dead letters.
async fn streams(server: &Server) -> Outcome<BTreeMap<String, Stream>> {
    let all: Vec<Stream> = server.get("/v1/streams").await?;
    let kept = all.into_iter().filter(|stream| !stream.is_dead_letters);
    Ok(kept.map(|stream| (stream.name.clone(), stream)).collect())
}

/// The tables of a server.
async fn tables(server: &Server) -> Outcome<Vec<Table>> {
    let mut tables = Vec::new();
    for row in texts(server, "SHOW TABLES", &["table"]).await? {
        let name = row.into_iter().next().unwrap_or_default();
        let described = format!("DESCRIBE {}", quoted(&name));
        let columns = texts(server, &described, &["column", "type", "role"]).await?;
        let mut table = Table {
            name,
            columns: Vec::new(),
            key: Vec::new(),
        };
        for column in columns {
            let [name, ty, role] = column.try_into().unwrap_or_default();
            if role.contains("primary key") {
                table.key.push(name.clone());
            }
            table.columns.push((name, ty));
        }
        tables.push(table);
    }
    Ok(tables)
}

/// These columns of an answer, as texts; NULL is empty.
async fn texts(server: &Server, sql: &str, wanted: &[&str]) -> Outcome<Vec<Vec<String>>> {
    let answer = ask(server, sql, None).await?;
    let position = |name: &&str| {
        answer
            .columns
            .iter()
            .position(|column| column.name == **name)
    };
    let positions: Vec<Option<usize>> = wanted.iter().map(position).collect();
    let text = |row: &Vec<Box<serde_json::value::RawValue>>, at: &Option<usize>| {
        let raw = at.and_then(|at| row.get(at)).map(|raw| raw.get());
        raw.and_then(|raw| serde_json::from_str(raw).ok())
            .unwrap_or_default()
    };
    let rows = answer.rows.iter();
    Ok(rows
        .map(|row| positions.iter().map(|at| text(row, at)).collect())
        .collect())
}
