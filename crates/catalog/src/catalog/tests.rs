//! The catalog over a log in memory.

use std::{sync::Arc, thread, time::Duration};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use expect_test::expect;
use mainstem_kernel::{
    ColumnType, Fault, PartitionId, SchemaVersion, TenantId, Timestamp, clock::ManualClock,
    fault::chain,
};
use mainstem_log::{Draft, DraftEntry, MemoryLog};

use super::*;
use crate::{
    Change, Definitions, Emit, TableSpec,
    samples::{
        ON_CLOSE, alter, column, counts, create, drop_view, orders, owners, revision, set, spec,
        swap, view,
    },
};

fn log() -> SharedLog {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    Arc::new(MemoryLog::new(Arc::new(clock)))
}

fn frames(log: &SharedLog) -> usize {
    let from = ReadFrom {
        after: Seq::ZERO,
        through: Seq::MAX,
        bytes_max: usize::MAX,
    };
    log.read(StreamId::CATALOG, from).unwrap().frames.len()
}

/// Puts a text into stream 0 that this program did not write.
fn write(log: &SharedLog, text: &str) {
    let schema = Schema::new(vec![Field::new("change", DataType::Utf8, false)]);
    let column: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let batch = RecordBatch::try_new(Arc::new(schema), vec![column]).unwrap();
    let entry = DraftEntry {
        partition: PartitionId(0),
        rows: 1,
        stamp: None,
    };
    let draft = Draft::encode(StreamId::CATALOG, SchemaVersion(1), vec![entry], batch).unwrap();
    append_and_wait(
        log.as_ref(),
        Append {
            frames: vec![draft],
        },
    )
    .unwrap();
}

#[test]
fn what_was_applied_is_there_after_opening_again() {
    let log = log();
    let catalog = Catalog::open(Arc::clone(&log)).unwrap();
    let told = catalog.watch();
    let mut seq = Seq::ZERO;
    let mut step = |changes: Vec<Change>| {
        let next = catalog.apply(set(changes), seq).unwrap();
        seq = next.seq;
        assert!(Arc::ptr_eq(&next, &catalog.definitions()));
        next
    };
    let first = step(vec![revision(1), create(orders())]);
    let mut wider = first.stream(TenantId::ONLY, "orders").unwrap().spec.clone();
    wider.columns.0.push(column("note", ColumnType::Json));
    step(vec![
        alter(16, wider),
        create(spec("b", &[("x", ColumnType::Date)])),
        revision(2),
    ]);
    step(vec![Change::DropStream { id: StreamId(18) }]);
    assert!(told.has_changed().unwrap());
    let again = Catalog::open(Arc::clone(&log)).unwrap();
    assert_eq!(again.definitions(), catalog.definitions());
    assert_eq!((frames(&log), again.definitions().seq), (3, seq));
}

#[test]
fn what_is_stale_or_refused_leaves_nothing_in_the_log() {
    let log = log();
    let catalog = Catalog::open(Arc::clone(&log)).unwrap();
    catalog.apply(set(vec![revision(1)]), Seq::ZERO).unwrap();
    let before = catalog.definitions();
    let stale = catalog
        .apply(set(vec![revision(2)]), Seq::ZERO)
        .unwrap_err();
    assert!(matches!(stale, CatalogError::Stale), "{stale}");
    let changes = vec![revision(2), create(orders()), create(orders())];
    let refused = catalog.apply(set(changes), before.seq).unwrap_err();
    expect![[r#"
        error[CAT-005]: the change is refused
        detail: name "orders" is taken by application "shop".
        hint: choose another name"#]]
    .assert_eq(&refused.problem().to_string());
    assert_eq!((frames(&log), catalog.definitions()), (1, before));
}

#[test]
fn of_many_at_once_each_is_whole_and_none_is_lost() {
    let log = log();
    let catalog = Catalog::open(Arc::clone(&log)).unwrap();
    let apply = |name: String| loop {
        let changes = set(vec![create(spec(&name, &[("x", ColumnType::Text)]))]);
        match catalog.apply(changes, catalog.definitions().seq) {
            Ok(_) => break,
            Err(CatalogError::Stale) => {}
            Err(error) => panic!("{error}"),
        }
    };
    let apply = &apply;
    thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || (0..10).for_each(|n| apply(format!("s{worker}_{n}"))));
        }
    });
    assert_eq!((catalog.definitions().names.len(), frames(&log)), (80, 40));
    assert_eq!(
        Catalog::open(log).unwrap().definitions(),
        catalog.definitions()
    );
}

#[test]
fn a_newer_format_and_damage_are_named_and_nothing_opens() {
    let refused = |text: &str| {
        let log = log();
        write(&log, text);
        let error = Catalog::open(log).unwrap_err();
        format!("{} {}", error.answer().code, chain(&error))
    };
    let answers = [
        refused(r#"{"format":3,"tenant":1,"app":"a","new_field":true}"#),
        refused(r#"{"format":1,"tenant":1,"app":"a"}"#),
        refused(r#"{"format":1,"tenant":1,"app":"a","changes":[{"kind":"drop_stream","id":16}]}"#),
        refused("create stream"),
    ];
    expect![[r#"
        CAT-002 definition at 111411200000000000 has format 3, the newest known is 2
        CAT-003 definition at 111411200000000000 does not read: expected a change set as JSON: missing field `changes` at line 1 column 33
        CAT-003 definition at 111411200000000000 does not read: there is no stream 16
        CAT-003 definition at 111411200000000000 does not read: expected a change set as JSON: expected value at line 1 column 1"#]].assert_eq(&answers.join("\n"));
}

fn opened(text: &str) -> Arc<Definitions> {
    let log = log();
    write(&log, text);
    Catalog::open(log).unwrap().definitions()
}

fn written(changes: Vec<Change>) -> String {
    let batch = set(changes).encode().unwrap().batch;
    let column = arrow::array::AsArray::as_string::<i32>(batch.column(0));
    column.value(0).to_owned()
}

/// Format 1, which knew only streams: what was written opens for ever.
#[test]
fn the_first_format_opens() {
    let text = r#"{"format":1,"tenant":1,"app":"shop","changes":[{"kind":"create_stream","name":"orders","columns":[{"id":1,"name":"id","type":"text","nullable":false},{"id":2,"name":"price","type":{"numeric":{"precision":12,"scale":3}},"nullable":true}],"partition_by":["id"],"partitions":8,"watermark":null,"retention":{"secs":60,"nanos":0},"deduplicate":null,"durability":"strict","event_size_max":"32 KiB","sql":"CREATE STREAM orders (…)"},{"kind":"set_app","tenant":1,"name":"shop","version":"1.0.0","revision":1,"files":{"a.sql":"CREATE STREAM orders (…)"}}]}"#;
    let definitions = opened(text);
    let def = definitions.stream(TenantId::ONLY, "orders").unwrap();
    assert_eq!(
        def.spec.columns.0[1].ty,
        ColumnType::Numeric {
            precision: 12,
            scale: 3
        }
    );
    let app = definitions
        .app(TenantId::ONLY, "shop")
        .unwrap()
        .as_ref()
        .clone();
    let now = text.replace(r#"{"format":1"#, r#"{"format":2"#);
    let changes = vec![Change::CreateStream(def.spec.clone()), Change::SetApp(app)];
    assert_eq!(written(changes), now, "a stream reads in format 2 as in 1");
    assert_eq!(opened(&now), definitions);
}

/// The format of stream 0: what is written here opens for ever.
#[test]
fn the_format_is_pinned() {
    let text = r#"{"format":2,"tenant":1,"app":"shop","changes":[{"kind":"create_stream","name":"orders","columns":[{"id":1,"name":"id","type":"text","nullable":false},{"id":2,"name":"total","type":"big_int","nullable":true}],"partition_by":["id"],"partitions":8,"watermark":null,"retention":null,"deduplicate":null,"durability":"strict","event_size_max":"32 KiB","sql":"CREATE STREAM orders (…)"},{"kind":"create_table","name":"owners","columns":[{"id":1,"name":"id","type":"text","nullable":false},{"id":2,"name":"name","type":"text","nullable":true}],"key":["id"],"ttl":{"secs":60,"nanos":0},"sql":"CREATE TABLE owners (…)"},{"kind":"create_view","name":"a","columns":[{"id":1,"name":"id","type":"text","nullable":true},{"id":2,"name":"n","type":"big_int","nullable":false}],"hidden":[],"key":["id"],"emit":{"on_update":{"every":{"secs":1,"nanos":0}}},"watermark":null,"reads":[16,18],"fingerprint":"1","sql":"CREATE MATERIALIZED VIEW a AS …"},{"kind":"create_view","name":"b","columns":[{"id":1,"name":"id","type":"text","nullable":true},{"id":2,"name":"n","type":"big_int","nullable":false}],"hidden":[],"key":[],"emit":{"on_window_close":{"corrections":null}},"watermark":null,"reads":[16],"fingerprint":"1","sql":"CREATE MATERIALIZED VIEW b AS …"},{"kind":"create_view","name":"c","columns":[{"id":1,"name":"id","type":"text","nullable":true},{"id":2,"name":"n","type":"big_int","nullable":false}],"hidden":[],"key":[],"emit":"append","watermark":null,"reads":[21],"fingerprint":"1","sql":"CREATE MATERIALIZED VIEW c AS …"},{"kind":"swap_view","id":19},{"kind":"drop_view","id":19},{"kind":"restore_view","id":19},{"kind":"drop_table","id":18},{"kind":"restore_table","id":18}]}"#;
    let mut changes = vec![
        create(orders()),
        Change::CreateTable(TableSpec {
            ttl: Some(Duration::from_secs(60)),
            ..owners()
        }),
        view(counts(
            "a",
            Emit::OnUpdate {
                every: Some(Duration::from_secs(1)),
            },
            &[16, 18],
        )),
        view(counts("b", ON_CLOSE, &[16])),
        view(counts("c", Emit::Append, &[21])),
        swap(19),
        drop_view(19),
        Change::RestoreView { id: StreamId(19) },
        Change::DropTable { id: StreamId(18) },
        Change::RestoreTable { id: StreamId(18) },
    ];
    for change in &mut changes {
        let columns = match change {
            Change::CreateStream(spec) => &mut spec.columns,
            Change::CreateTable(spec) => &mut spec.columns,
            Change::CreateView(spec) => &mut spec.columns,
            _ => continue,
        };
        (1..)
            .zip(&mut columns.0)
            .for_each(|(id, column)| column.id = id);
    }
    assert_eq!(written(changes), text, "this version writes what it reads");
    let definitions = opened(text);
    let kinds: Vec<_> = definitions
        .names
        .iter()
        .map(|((_, name), id)| (name.as_str(), id.0))
        .collect();
    assert_eq!(
        kinds,
        [
            ("a", 19),
            ("a_dead_letters", 20),
            ("b", 21),
            ("b_dead_letters", 22),
            ("b_late", 23),
            ("c", 24),
            ("c_dead_letters", 25),
            ("orders", 16),
            ("orders_dead_letters", 17),
            ("owners", 18),
        ]
    );
}
