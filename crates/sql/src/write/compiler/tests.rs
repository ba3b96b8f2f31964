use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::{Catalog, Change, ChangeSet};
use mainstem_kernel::{Fault, clock::SystemClock};
use mainstem_log::{MemoryLog, SharedLog};

use super::*;
use crate::{Declaration, declarations};

fn definitions() -> Arc<Definitions> {
    let log: SharedLog = Arc::new(MemoryLog::new(Arc::new(SystemClock)));
    let catalog = Catalog::open(log).unwrap();
    let sql = "CREATE TABLE vouchers (code TEXT PRIMARY KEY, left_over INTEGER NOT NULL);
               CREATE TABLE owners (name TEXT PRIMARY KEY);";
    let files = BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]);
    let changes = declarations(&files).unwrap().into_iter();
    let changes = changes.map(|declared| match declared.declaration {
        Declaration::Table(spec) => Change::CreateTable(spec),
        other => panic!("{other:?}"),
    });
    let set = ChangeSet {
        tenant: TenantId::ONLY,
        app: AppName::new("shop").unwrap(),
        changes: changes.collect(),
    };
    catalog.apply(set, catalog.definitions().seq).unwrap();
    catalog.definitions()
}

fn compiled(sql: &str, rights: Rights) -> Result<Option<CompiledWrite>, QueryError> {
    let compiler = Compiler::open().unwrap();
    let text = WriteText {
        tenant: TenantId::ONLY,
        sql,
        rights,
        now: Timestamp(0),
        reading: Reading::Quick,
    };
    compiler.compile(&definitions(), text)
}

fn refusal(sql: &str, rights: Rights) -> (&'static str, String) {
    let error = compiled(sql, rights).unwrap_err();
    let place = error.place().map(|place| place.to_string());
    (error.answer().code.as_str(), place.unwrap_or_default())
}

#[test]
fn what_writes_is_compiled_and_what_asks_is_left_to_others() {
    let sql = "BEGIN; UPDATE vouchers SET left_over = left_over - 1 WHERE code = 'a'; \
               INSERT INTO owners VALUES ('ada'); COMMIT";
    let write = compiled(sql, Rights::Write).unwrap().unwrap();
    assert_eq!(write.app().as_str(), "shop");
    assert_eq!(write.tables().len(), 2);
    assert_eq!(write.transaction().statements.len(), 2);
    assert!(
        compiled("SELECT 1", Rights::Write).unwrap().is_none(),
        "a question is no write"
    );
}

#[test]
fn mistakes_are_told_as_on_one_machine() {
    let unknown = "INSERT INTO voucher VALUES ('a', 1)";
    assert_eq!(
        refusal(unknown, Rights::Write),
        ("SQL-021", "line 1, column 13".to_owned())
    );
    let writes = "DELETE FROM vouchers";
    assert_eq!(refusal(writes, Rights::Read).0, "SQL-020");
}

#[test]
fn a_question_inside_is_refused_where_it_stands() {
    let sql = "DELETE FROM vouchers WHERE code IN (SELECT name FROM owners)";
    assert_eq!(
        refusal(sql, Rights::Write),
        ("CLUS-091", "line 1, column 37".to_owned())
    );
    let sql = "INSERT INTO owners SELECT code FROM vouchers";
    assert_eq!(refusal(sql, Rights::Write).0, "CLUS-091");
}

#[test]
fn a_form_is_compiled_once_and_gives_the_values_of_each() {
    let compiler = Compiler::open().unwrap();
    let defs = definitions();
    for (code, reading) in [
        ("a", Reading::Quick),
        ("b", Reading::Quick),
        ("c", Reading::Whole),
    ] {
        let sql = format!("INSERT INTO vouchers VALUES ('{code}', 1)");
        let text = WriteText {
            tenant: TenantId::ONLY,
            sql: &sql,
            rights: Rights::Write,
            now: Timestamp(0),
            reading,
        };
        let write = compiler.compile(&defs, text).unwrap().unwrap();
        let target = write.transaction().statements[0].decide.target();
        assert!(format!("{target:?}").contains(&format!("\"{code}\"")));
    }
    assert_eq!(compiler.forms.len(), 1);
}
