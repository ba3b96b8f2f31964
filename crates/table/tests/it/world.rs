//! A table on a twin disk and a store that crashes, and what it must hold.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray},
    datatypes::{Float64Type, Int64Type},
};
use bytes::Bytes;
use mainstem_disk::TwinDisk;
use mainstem_kernel::{
    AppName, ByteSize, Column, ColumnName, ColumnType, Columns, SchemaVersion, Seq, StreamId,
    StreamName, TenantId, Timestamp, clock::ManualClock,
};
use mainstem_store::{KeyRange, TwinStore};
use mainstem_table::{
    AppId, Applier, Changed, Checkpoint, Opened, Pointer, Start, StateDelta, Step, TableError,
    TableSchema, Tables, TablesConfig, TablesParts,
};

pub(crate) const TABLE: StreamId = StreamId(16);
pub(crate) const FOLDER: &str = "/data/redo";
/// What patient callers give.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Numbers that a seed determines (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap()
    }
}

/// A row's key: TEXT, BIGINT.
pub(crate) type Key = (String, i64);
/// A row's values: name TEXT, score DOUBLE; and when it was written.
pub(crate) type Row = (Option<String>, Option<f64>, Seq);
/// What a table must hold.
pub(crate) type Model = BTreeMap<Key, Row>;
/// State by key.
pub(crate) type StateModel = BTreeMap<Vec<u8>, Vec<u8>>;

pub(crate) fn columns(list: &[(u32, &str, ColumnType, bool)]) -> Columns {
    let column = |(id, name, ty, nullable): &(u32, &str, ColumnType, bool)| Column {
        id: *id,
        name: ColumnName::new(name).unwrap(),
        ty: ty.clone(),
        nullable: *nullable,
    };
    Columns(list.iter().map(column).collect())
}

/// The key's columns are neither first nor in their order.
pub(crate) fn schema(id: StreamId) -> TableSchema {
    let columns = columns(&[
        (1, "name", ColumnType::Text, true),
        (2, "number", ColumnType::BigInt, false),
        (3, "score", ColumnType::Double, true),
        (4, "region", ColumnType::Text, false),
    ]);
    let key = ["region", "number"].map(|name| ColumnName::new(name).unwrap());
    let name = StreamName::new("items").unwrap();
    TableSchema::first(id, name, columns, key.to_vec())
}

/// The same table with a column more, one less, and one renamed.
pub(crate) fn second_version(id: StreamId) -> TableSchema {
    let first = schema(id);
    let columns = columns(&[
        (3, "points", ColumnType::Double, true),
        (4, "region", ColumnType::Text, false),
        (5, "note", ColumnType::Text, true),
        (2, "number", ColumnType::BigInt, false),
        (1, "name", ColumnType::Text, true),
    ]);
    let mut versions = first.versions.clone();
    versions.insert(SchemaVersion(2), columns.clone());
    TableSchema {
        columns,
        version: SchemaVersion(2),
        versions,
        ..first
    }
}

/// Rows in the columns of a table; values that it has no column for are left out.
pub(crate) fn batch(schema: &TableSchema, rows: &[(Key, Row)]) -> RecordBatch {
    let column = |name: &str| -> ArrayRef {
        match name {
            "name" => Arc::new(StringArray::from_iter(
                rows.iter().map(|(_, row)| row.0.clone()),
            )),
            "score" | "points" => {
                Arc::new(Float64Array::from_iter(rows.iter().map(|(_, row)| row.1)))
            }
            "region" => Arc::new(StringArray::from_iter_values(
                rows.iter().map(|(key, _)| &key.0),
            )),
            "number" => Arc::new(Int64Array::from_iter_values(
                rows.iter().map(|(key, _)| key.1),
            )),
            _ => Arc::new(StringArray::new_null(rows.len())),
        }
    };
    let arrays = schema.columns.0.iter().map(|c| column(c.name.as_str()));
    RecordBatch::try_new(schema.row_schema(), arrays.collect()).unwrap()
}

/// The key's columns of some keys.
pub(crate) fn keys<'a>(keys: impl Iterator<Item = &'a Key> + Clone) -> Vec<ArrayRef> {
    let regions = StringArray::from_iter_values(keys.clone().map(|key| &key.0));
    let numbers = Int64Array::from_iter_values(keys.map(|key| key.1));
    vec![Arc::new(regions), Arc::new(numbers)]
}

/// What a batch holds.
pub(crate) fn rows_of(batch: &RecordBatch, written: &[Seq]) -> Vec<(Key, Row)> {
    let column = |names: &[&str]| names.iter().find_map(|name| batch.column_by_name(name));
    let regions = column(&["region"]).unwrap().as_string::<i32>();
    let numbers = column(&["number"]).unwrap().as_primitive::<Int64Type>();
    let names = column(&["name"]).unwrap().as_string::<i32>();
    let scores = column(&["score", "points"])
        .unwrap()
        .as_primitive::<Float64Type>();
    if let Some(note) = column(&["note"]) {
        assert_eq!(note.null_count(), note.len(), "nobody wrote a note");
    }
    let row = |at: usize| {
        let key = (regions.value(at).to_owned(), numbers.value(at));
        let name = names.is_valid(at).then(|| names.value(at).to_owned());
        let score = scores.is_valid(at).then(|| scores.value(at));
        (key, (name, score, written[at]))
    };
    (0..batch.num_rows()).map(row).collect()
}

/// All rows of a table, in the order of the scan.
pub(crate) fn scanned(pointer: &Pointer, range: &KeyRange, batch_rows: usize) -> Vec<(Key, Row)> {
    let mut scan = pointer.scan(TABLE, range, batch_rows).unwrap();
    let mut rows = Vec::new();
    while let Some(batch) = scan.next() {
        let batch = batch.unwrap();
        assert!((1..=batch_rows).contains(&batch.num_rows()));
        rows.extend(rows_of(&batch, scan.written()));
    }
    rows
}

/// Compares everything that a pointer answers with a model.
pub(crate) fn check(pointer: &Pointer, model: &Model, random: &mut Random) {
    let expected: Vec<(Key, Row)> = model.iter().map(|(k, r)| (k.clone(), r.clone())).collect();
    let batch_rows = [1, 3, 100][random.below(3)];
    assert_eq!(scanned(pointer, &KeyRange::all(), batch_rows), expected);

    let asked: Vec<Key> = (0..10).map(|_| random_key(random)).collect();
    let found = pointer.get_columns(TABLE, &keys(asked.iter())).unwrap();
    let there = asked
        .iter()
        .enumerate()
        .filter(|(_, key)| model.contains_key(key));
    let numbers: Vec<usize> = there.clone().map(|(number, _)| number).collect();
    let rows: Vec<(Key, Row)> = there
        .map(|(_, key)| (key.clone(), model[key].clone()))
        .collect();
    assert_eq!(
        (found.keys.clone(), rows_of(&found.rows, &found.written)),
        (numbers, rows)
    );
    let codec = pointer.codec(TABLE).unwrap();
    let row_keys = codec.keys(&keys(asked.iter())).unwrap();
    let written: Vec<_> = asked
        .iter()
        .map(|key| model.get(key).map(|row| row.2))
        .collect();
    assert_eq!(pointer.written(TABLE, &row_keys).unwrap(), written);

    let region = random_key(random).0;
    let column: ArrayRef = Arc::new(StringArray::from_iter_values([&region]));
    let prefix = codec.key_prefix(&[column]).unwrap();
    let own: Vec<(Key, Row)> = expected
        .into_iter()
        .filter(|(key, _)| key.0 == region)
        .collect();
    assert_eq!(scanned(pointer, &KeyRange::prefix(&prefix), 7), own);
}

/// Compares the state of a pointer with a model.
pub(crate) fn check_state(pointer: &Pointer, model: &StateModel) {
    let mut found = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        found.push((key.to_vec(), value.to_vec()));
        std::ops::ControlFlow::Continue(())
    };
    pointer.scan_state(&KeyRange::all(), &mut visit).unwrap();
    assert_eq!(found, model.clone().into_iter().collect::<Vec<_>>());
    for byte in 0..20 {
        let key = [0, 0, 0, 16, byte];
        let expected = model.get(key.as_slice()).cloned();
        let value = pointer.state(&key).unwrap().map(|value| value.to_vec());
        assert_eq!(value, expected);
    }
}

/// One of 120 keys: texts of which one begins as another, numbers on both sides of zero.
pub(crate) fn random_key(random: &mut Random) -> Key {
    let regions = [
        "",
        "a",
        "ab",
        "b",
        "a region with a name of more than 32 bytes",
        "ä",
    ];
    let number = i64::try_from(random.below(20)).unwrap() - 10;
    (regions[random.below(6)].to_owned(), number)
}

pub(crate) fn random_row(random: &mut Random, written: Seq) -> Row {
    let name = match random.below(4) {
        0 => None,
        1 => Some(String::new()),
        n => Some("x".repeat(random.below(60) * n)),
    };
    let score = (random.below(3) > 0).then(|| f64::from(u16::try_from(random.below(999)).unwrap()));
    (name, score, written)
}

/// Rows by key on a twin disk, and what they must be.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) disk: TwinDisk,
    pub(crate) store: TwinStore,
    pub(crate) config: TablesConfig,
    pub(crate) schemas: Vec<TableSchema>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) seq: Seq,
}

impl World {
    pub(crate) fn new() -> Self {
        let start = Timestamp::from_millis(1_767_225_600_000);
        Self {
            disk: TwinDisk::new(),
            store: TwinStore::default(),
            config: TablesConfig {
                overlay_size_max: ByteSize::mib(64),
                apply_interval: Duration::ZERO,
                feed_size_max: ByteSize::kib(64),
                redo_files_max: 3,
                redo_size_max: ByteSize::mib(1),
            },
            schemas: vec![schema(TABLE)],
            clock: Arc::new(ManualClock::at(start)),
            seq: Seq::ZERO.next(start),
        }
    }

    pub(crate) fn try_open(&self) -> Result<Opened, TableError> {
        let parts = TablesParts {
            disk: Arc::new(self.disk.clone()),
            folder: PathBuf::from(FOLDER),
            store: Arc::new(self.store.clone()),
            app: app(),
            clock: Arc::<ManualClock>::clone(&self.clock),
        };
        Tables::open(parts, self.config.clone(), self.schemas.clone())
    }

    pub(crate) fn open(&self) -> (Arc<Tables>, Applier, Start) {
        let opened = self.try_open().unwrap();
        (opened.tables, opened.applier, opened.start)
    }

    /// What a crash leaves of the store.
    pub(crate) fn crashed_store(&self, random: &mut Random) -> TwinStore {
        let seed = u64::try_from(random.below(1 << 40)).unwrap();
        self.store.crash(seed).unwrap()
    }

    /// The next seq.
    pub(crate) fn tick(&mut self) -> Seq {
        self.seq = Seq(self.seq.0 + 1);
        self.seq
    }
}

pub(crate) fn app() -> AppId {
    AppId {
        tenant: TenantId(1),
        name: AppName::new("shop").unwrap(),
    }
}

/// Changes of a step: after images, or `None` for a row that goes.
pub(crate) fn changed(
    schema: &TableSchema,
    changes: &BTreeMap<Key, Option<Row>>,
    seq: Seq,
) -> Changed {
    let gone = (None, None, seq);
    let rows: Vec<(Key, Row)> = changes
        .iter()
        .map(|(key, row)| (key.clone(), row.clone().unwrap_or_else(|| gone.clone())))
        .collect();
    Changed {
        table: schema.id,
        rows: batch(schema, &rows),
        deleted: changes.values().map(Option::is_none).collect(),
        written: rows.iter().map(|(_, row)| row.2).collect(),
    }
}

/// Takes a step.
pub(crate) fn step(
    world: &World,
    (tables, seq): (&Tables, Seq),
    changes: &BTreeMap<Key, Option<Row>>,
) {
    let changed = changed(&world.schemas[0], changes, seq);
    let step = Step {
        through: seq,
        changed: vec![changed],
        emitted: Vec::new(),
    };
    tables.advance(step).unwrap();
}

/// Takes a random step; the model follows.
pub(crate) fn random_step(
    world: &mut World,
    (tables, model): (&Tables, &mut Model),
    random: &mut Random,
) {
    let seq = world.tick();
    let mut changes = BTreeMap::new();
    for _ in 0..random.below(12) {
        let row = (random.below(3) > 0).then(|| random_row(random, seq));
        changes.insert(random_key(random), row);
    }
    step(world, (tables, seq), &changes);
    for (key, row) in changes {
        match row {
            Some(row) => drop(model.insert(key, row)),
            None => drop(model.remove(&key)),
        }
    }
}

/// What a random checkpoint commits; the state's model follows.
pub(crate) fn random_checkpoint(state: &mut StateModel, random: &mut Random) -> Checkpoint {
    let mut delta = StateDelta::default();
    for _ in 0..random.below(6) {
        let key = [0, 0, 0, 16, u8::try_from(random.below(20)).unwrap()];
        if random.below(3) == 0 {
            delta.remove(key.to_vec());
            state.remove(key.as_slice());
        } else {
            let value = vec![key[4]; random.below(40)];
            delta.put(key.to_vec(), value.clone());
            state.insert(key.to_vec(), value);
        }
    }
    Checkpoint {
        state: delta,
        outgoing: Vec::new(),
        note: Bytes::from(format!("{}", random.below(1_000))),
    }
}
