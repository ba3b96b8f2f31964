//! Applications to test with.

use std::collections::BTreeMap;

use mainstem_catalog::{AppDef, Change, ChangeSet, Definitions, preview};
use mainstem_kernel::{AppName, Seq, TenantId};
use mainstem_sql::{Declaration, declarations, plan_view};

/// What is declared once this is applied.
pub(crate) fn declared(sql: &str) -> Definitions {
    declared_from(sql, Definitions::default())
}

/// The same, on top of what there is.
pub(crate) fn declared_from(sql: &str, mut defs: Definitions) -> Definitions {
    let app = AppName::new("shop").unwrap();
    let mut changes = vec![Change::SetApp(AppDef {
        tenant: TenantId::ONLY,
        name: app.clone(),
        version: None,
        revision: 1,
        files: BTreeMap::new(),
    })];
    let files = BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]);
    for (seq, declared) in (defs.seq.0 + 1..).zip(declarations(&files).unwrap()) {
        changes.push(match declared.declaration {
            Declaration::Stream(spec) => Change::CreateStream(spec),
            Declaration::Table(spec) => Change::CreateTable(spec),
            Declaration::View(text) => {
                let planned = plan_view(&defs, TenantId::ONLY, &text).unwrap();
                Change::CreateView(planned.spec(&text))
            }
            other => panic!("{other:?}"),
        });
        let set = ChangeSet {
            tenant: TenantId::ONLY,
            app: app.clone(),
            changes: std::mem::take(&mut changes),
        };
        defs = preview(defs, &set, Seq(seq)).unwrap();
    }
    defs
}
