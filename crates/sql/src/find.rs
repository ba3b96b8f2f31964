//! A question for the rows of a table or view by their key, for doors that take a key and no SQL.

use mainstem_catalog::Object;
use mainstem_kernel::{Code, ColumnName, ColumnType, Columns, Place};

use crate::{
    declare::{Told, mistake, quoted},
    error::QueryError,
};

/// A question for the rows whose first key columns have these values, given as text, in the order
/// of the key; all rows if there is none.
///
/// # Errors
/// When there are more values than the key has columns.
pub fn rows_by_key(
    object: Object<'_>,
    values: &[String],
    limit: usize,
) -> Result<String, QueryError> {
    let none = Columns(Vec::new());
    let (columns, key): (&Columns, &[ColumnName]) = match object {
        Object::Table(def) => (&def.spec.columns, &def.spec.key),
        Object::View(def) => (&def.spec.columns, &def.spec.key),
        Object::Stream(_) => (&none, &[]),
    };
    if values.len() > key.len() {
        return Err(too_many(object, values.len(), key));
    }
    let conditions = key.iter().zip(values).filter_map(|(name, value)| {
        let ty = &columns.get(name.as_str())?.ty;
        Some(format!(
            "{} = {}",
            quoted(name.as_str()),
            literal(value, ty)
        ))
    });
    let conditions: Vec<String> = conditions.collect();
    let filter = match conditions.is_empty() {
        true => String::new(),
        false => format!(" WHERE {}", conditions.join(" AND ")),
    };
    let name = quoted(object.name().as_str());
    Ok(format!("SELECT * FROM {name}{filter} LIMIT {limit}"))
}

fn literal(value: &str, ty: &ColumnType) -> String {
    let text = format!("'{}'", value.replace('\'', "''"));
    match ty {
        ColumnType::Text | ColumnType::Uuid => text,
        ty => format!("CAST({text} AS {ty})"),
    }
}

fn too_many(object: Object<'_>, found: usize, key: &[ColumnName]) -> QueryError {
    let names: Vec<&str> = key.iter().map(ColumnName::as_str).collect();
    let place = Place {
        file: String::new(),
        line: 1,
        column: 1,
    };
    let wanted = key.len();
    let message = format!(
        "{found} values for the key of {}, which has {wanted}",
        object.label()
    );
    let problem = mistake(Code::Sql008, place, message);
    match names.is_empty() {
        true => problem.hint("its rows have no key: ask with POST /v1/sql"),
        false => problem.hint(format!("give them in this order: {}", names.join(", "))),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mainstem_catalog::TableDef;
    use mainstem_kernel::{AppName, Fault, Seq, StreamId, TenantId};

    use super::*;
    use crate::Declaration;

    fn check(values: &[&str]) -> String {
        let files = std::collections::BTreeMap::from([(
            "a.sql".to_owned(),
            "CREATE TABLE \"T\" (a TEXT, at TIMESTAMPTZ, n NUMERIC(4,1), v TEXT, PRIMARY KEY (n, a, at))".to_owned(),
        )]);
        let declared = crate::declarations(&files).unwrap().remove(0).declaration;
        let Declaration::Table(spec) = declared else {
            panic!("no table")
        };
        let def = TableDef {
            id: StreamId(16),
            tenant: TenantId::ONLY,
            app: AppName::new("shop").unwrap(),
            spec,
            schemas: Vec::new(),
            created: Seq::ZERO,
            dropped: None,
        };
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        match rows_by_key(Object::Table(&Arc::new(def)), &values, 7) {
            Ok(sql) => sql,
            Err(error) => error.problem().to_string(),
        }
    }

    /// The worst mistake: a value that becomes a part of the question.
    #[test]
    fn values_are_literals_whatever_they_hold() {
        assert_eq!(check(&[]), "SELECT * FROM \"T\" LIMIT 7");
        assert_eq!(
            check(&["1.5", "x' OR '1' = '1"]),
            "SELECT * FROM \"T\" WHERE n = CAST('1.5' AS NUMERIC(4, 1)) AND a = 'x'' OR ''1'' = ''1' LIMIT 7"
        );
        assert_eq!(
            check(&["1", "\\'; --", "2026-01-02"]),
            "SELECT * FROM \"T\" WHERE n = CAST('1' AS NUMERIC(4, 1)) AND a = '\\''; --' AND at = CAST('2026-01-02' AS TIMESTAMPTZ) LIMIT 7"
        );
        expect_test::expect![[r#"
            error[SQL-008]: 4 values for the key of table "T", which has 3
              --> line 1, column 1
            hint: give them in this order: n, a, at"#]]
        .assert_eq(&check(&["1", "2", "3", "4"]));
    }
}
