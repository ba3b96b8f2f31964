//! The rows of one table: all of them once, then what has changed since, found by comparing.

use std::collections::BTreeMap;

use serde_json::{json, value::RawValue};

use super::{
    asking::{Answer, ask, page, quoted},
    compare::Table,
    literal::literal,
};
use crate::{client::Server, failure::Outcome};

/// Rows of one statement.
const STATEMENT_ROWS: usize = 500;

/// A table that is carried.
#[derive(Debug)]
pub(super) struct Carried {
    table: Table,
    /// Rows that are there, as literals of their keys → hash of the row.
    there: BTreeMap<Vec<String>, blake3::Hash>,
}

/// How the values are called that JSON has no word for, as text.
const WORDS: &str = "'NaN', 'inf', '-inf', 'Infinity', '-Infinity'";

/// Words for values that JSON has none for, by key and column.
type Unspelled = BTreeMap<(Vec<String>, String), &'static str>;

/// Such a word as SQL reads it.
fn word_of(json: &str) -> Option<&'static str> {
    match json.trim_matches('"') {
        "NaN" => Some("NaN"),
        "inf" | "Infinity" => Some("Infinity"),
        "-inf" | "-Infinity" => Some("-Infinity"),
        _ => None,
    }
}

/// A row of an answer as literals, in the order of the columns.
type Literals = Vec<String>;

impl Carried {
    /// Nothing of it has been carried.
    pub(super) fn new(table: Table) -> Self {
        Self {
            table,
            there: BTreeMap::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.table.name
    }

    /// Rows that it has now.
    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.there.len()).unwrap_or(u64::MAX)
    }

    /// Makes the other server's rows those of this one; how many there are.
    pub(super) async fn follow(
        &mut self,
        here: &Server,
        there: &Server,
        position: Option<&str>,
    ) -> Outcome<u64> {
        let unspelled = self.unspelled(here, position).await?;
        let (mut found, mut after) = (BTreeMap::new(), None);
        loop {
            let place = (after.as_deref(), position);
            let answer = page(here, &self.table.name, place).await?;
            let changed = self.changed(&answer, (&unspelled, &mut found));
            for rows in changed.chunks(STATEMENT_ROWS) {
                write(there, &upsert(&self.table, rows)).await?;
            }
            after = answer.next;
            if after.is_none() {
                break;
            }
        }
        for key in self.gone(found) {
            write(there, &delete(&self.table, &key)).await?;
        }
        Ok(self.rows())
    }

    /// Values that JSON has no word for and answers give as NULL: NaN and the infinities.
    async fn unspelled(&self, here: &Server, position: Option<&str>) -> Outcome<Unspelled> {
        let columns = self.table.columns.iter();
        let floats = columns.filter(|(_, ty)| matches!(ty.as_str(), "REAL" | "DOUBLE PRECISION"));
        let mut unspelled = Unspelled::new();
        for (column, _) in floats {
            let keys: Vec<String> = self.table.key.iter().map(|name| quoted(name)).collect();
            let word = format!("CAST({} AS TEXT)", quoted(column));
            let sql = format!(
                "SELECT {}, {word} AS _word FROM {} WHERE {word} IN ({WORDS})",
                keys.join(", "),
                quoted(&self.table.name)
            );
            let answer = ask(here, &sql, position).await?;
            for row in &answer.rows {
                let key = self.key(&literals(&self.table, (&answer, row)));
                let word = row.last().map_or("null", |raw| raw.get());
                if let Some(word) = word_of(word) {
                    unspelled.insert((key, column.clone()), word);
                }
            }
        }
        Ok(unspelled)
    }

    /// What of a page has to be written; takes it for done.
    fn changed(
        &self,
        answer: &Answer,
        (unspelled, found): (&Unspelled, &mut BTreeMap<Vec<String>, blake3::Hash>),
    ) -> Vec<Literals> {
        let mut changed = Vec::new();
        for row in &answer.rows {
            let mut literals = literals(&self.table, (answer, row));
            let key = self.key(&literals);
            if !unspelled.is_empty() {
                for ((column, ty), literal) in self.table.columns.iter().zip(&mut literals) {
                    if let Some(word) = unspelled.get(&(key.clone(), column.clone())) {
                        *literal = format!("CAST('{word}' AS {ty})");
                    }
                }
            }
            let hash = blake3::hash(literals.join("\u{1f}").as_bytes());
            if self.there.get(&key) != Some(&hash) {
                changed.push(literals);
            }
            found.insert(key, hash);
        }
        changed
    }

    /// What has to be deleted, since it was not found any more; takes it for done.
    fn gone(&mut self, found: BTreeMap<Vec<String>, blake3::Hash>) -> Vec<Vec<String>> {
        let is_gone = |key: &&Vec<String>| !found.contains_key(*key);
        let gone = self.there.keys().filter(is_gone).cloned().collect();
        self.there = found;
        gone
    }

    fn key(&self, row: &Literals) -> Vec<String> {
        let columns = self.table.columns.iter().zip(row);
        let key = columns.filter(|((name, _), _)| self.table.key.contains(name));
        key.map(|(_, literal)| literal.clone()).collect()
    }
}

/// The declared columns of a row.
fn literals(table: &Table, (answer, row): (&Answer, &[Box<RawValue>])) -> Literals {
    let value = |name: &str| {
        let at = answer.columns.iter().position(|column| column.name == name);
        at.and_then(|at| row.get(at))
            .map_or("null", |raw| raw.get())
    };
    let columns = table.columns.iter();
    columns.map(|(name, ty)| literal(value(name), ty)).collect()
}

fn upsert(table: &Table, rows: &[Literals]) -> String {
    let names: Vec<String> = table.columns.iter().map(|(name, _)| quoted(name)).collect();
    let key: Vec<String> = table.key.iter().map(|name| quoted(name)).collect();
    let rows: Vec<String> = rows
        .iter()
        .map(|row| format!("({})", row.join(", ")))
        .collect();
    let is_key = |name: &&(String, String)| table.key.contains(&name.0);
    let others = table.columns.iter().filter(|column| !is_key(column));
    let others: Vec<String> = others
        .map(|(name, _)| format!("{0} = EXCLUDED.{0}", quoted(name)))
        .collect();
    let action = match others.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", others.join(", ")),
    };
    format!(
        "INSERT INTO {} ({}) VALUES {} ON CONFLICT ({}) DO {action}",
        quoted(&table.name),
        names.join(", "),
        rows.join(", "),
        key.join(", ")
    )
}

fn delete(table: &Table, key: &[String]) -> String {
    let in_key = |(name, _): &&(String, String)| table.key.contains(name);
    let columns = table.columns.iter().filter(in_key).zip(key);
    let wanted: Vec<String> = columns
        .map(|((name, _), literal)| format!("{} = {literal}", quoted(name)))
        .collect();
    format!(
        "DELETE FROM {} WHERE {}",
        quoted(&table.name),
        wanted.join(" AND ")
    )
}

async fn write(server: &Server, sql: &str) -> Outcome {
    let _written: serde_json::Value = server.post("/v1/sql", &json!({ "query": sql })).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried() -> Carried {
        let column = |name: &str, ty: &str| (name.to_owned(), ty.to_owned());
        Carried::new(Table {
            name: "owners".to_owned(),
            columns: vec![column("id", "INTEGER"), column("town", "TEXT")],
            key: vec!["id".to_owned()],
        })
    }

    fn answer(rows: &str) -> Answer {
        let columns = r#"[{"name":"id","type":"INTEGER"},{"name":"town","type":"TEXT"}]"#;
        serde_json::from_str(&format!("{{\"columns\":{columns},\"rows\":{rows}}}")).unwrap()
    }

    /// One pass over a table of one page.
    fn pass(
        carried: &mut Carried,
        rows: &str,
        unspelled: &Unspelled,
    ) -> (Vec<Literals>, Vec<Vec<String>>) {
        let mut found = BTreeMap::new();
        let changed = carried.changed(&answer(rows), (unspelled, &mut found));
        (changed, carried.gone(found))
    }

    #[test]
    fn only_what_has_changed_is_written_again() {
        let (mut carried, none) = (carried(), Unspelled::new());
        let (changed, gone) = pass(&mut carried, r#"[[1,"Ulm"],[2,"Bern"]]"#, &none);
        assert_eq!((changed.len(), gone.len()), (2, 0));
        let (changed, gone) = pass(&mut carried, r#"[[1,"Ulm"],[3,null]]"#, &none);
        assert_eq!(changed, [["3", "CAST(NULL AS TEXT)"]]);
        assert_eq!(gone, [["2"]]);
        assert_eq!(carried.rows(), 2);
    }

    #[test]
    fn what_json_has_no_word_for_is_written_all_the_same() {
        let mut carried = carried();
        carried.table.columns[1].1 = "DOUBLE PRECISION".to_owned();
        let key = (vec!["2".to_owned()], "town".to_owned());
        let nan = Unspelled::from([(key, "NaN")]);
        let rows = "[[1,null],[2,null]]";
        let (changed, _) = pass(&mut carried, rows, &nan);
        assert_eq!(changed[0][1], "CAST(NULL AS DOUBLE PRECISION)");
        assert_eq!(changed[1][1], "CAST('NaN' AS DOUBLE PRECISION)");
        let (changed, _) = pass(&mut carried, rows, &Unspelled::new());
        assert_eq!(
            changed,
            [["2", "CAST(NULL AS DOUBLE PRECISION)"]],
            "it is NULL by now"
        );
        assert_eq!(
            [word_of("\"-inf\""), word_of("\"1\"")],
            [Some("-Infinity"), None]
        );
    }

    #[test]
    fn statements_name_every_column() {
        let table = carried().table;
        assert_eq!(
            upsert(&table, &[vec!["1".to_owned(), "'Ulm'".to_owned()]]),
            "INSERT INTO \"owners\" (\"id\", \"town\") VALUES (1, 'Ulm') \
             ON CONFLICT (\"id\") DO UPDATE SET \"town\" = EXCLUDED.\"town\""
        );
        assert_eq!(
            delete(&table, &["2".to_owned()]),
            "DELETE FROM \"owners\" WHERE \"id\" = 2"
        );
    }
}
