//! A view over rows of the test's own making, and what comes of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray,
            TimestampMicrosecondArray,
        },
        datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
        util::display::array_value_to_string,
    },
    physical_expr::expressions::Column,
};
use mainstem_catalog::{Emit, Watermark};
use mainstem_kernel::{Column as Declared, ColumnName, ColumnType, Columns, Seq, StreamId};
use mainstem_sql::view::{Call, Function, Input, Node, PlannedView, WindowKind, Windows};

use super::super::{Kept, Pipeline, StepParts, View};
use crate::{
    aside::Aside,
    change::{NO_WATERMARK, Run, Weighted, Weights},
    evaluate::Expr,
    moment::{Lift, Moment},
    pane::Tells,
    pool::Pool,
    samples::MemoryState,
    state::{SharedState, StateChange},
    table::LookupTables,
    watermark::{Trace, Watermarks},
};

pub(crate) const SECOND: i64 = 1_000_000;
/// Windows of the tests.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// How late rows may be.
pub(crate) const DELAY: i64 = 10 * SECOND;

/// One row of the stream `readings`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) device: Option<&'static str>,
    pub(crate) value: i64,
    pub(crate) at: i64,
}

/// Rows of one seq.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) seq: Seq,
    pub(crate) rows: Vec<Row>,
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn source_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("device", DataType::Utf8, true),
        Field::new("value", DataType::Int64, false),
        Field::new("at", time_type(), false),
    ]))
}

impl Frame {
    fn weighted(&self, watermark: i64) -> Weighted {
        let devices: StringArray = self.rows.iter().map(|row| row.device).collect();
        let values = Int64Array::from_iter_values(self.rows.iter().map(|row| row.value));
        let times = self.times().with_timezone("UTC");
        let columns: Vec<ArrayRef> = vec![Arc::new(devices), Arc::new(values), Arc::new(times)];
        let batch = RecordBatch::try_new(source_schema(), columns).unwrap();
        let run = Run {
            rows: self.rows.len(),
            seq: self.seq,
            watermark,
        };
        Weighted {
            batch,
            weights: Weights::Inserts,
            runs: Arc::new([run]),
        }
    }

    fn times(&self) -> TimestampMicrosecondArray {
        TimestampMicrosecondArray::from_iter_values(self.rows.iter().map(|row| row.at))
    }
}

fn column(name: &str, at: usize) -> Expr {
    Arc::new(Column::new(name, at))
}

fn call(function: Function, arg: Option<(&str, usize)>, ty: DataType) -> Call {
    let args = arg.map(|(name, at)| column(name, at)).into_iter().collect();
    Call {
        function,
        args,
        filter: None,
        ty,
        distinct_max: None,
    }
}

fn declared((field, id): (&Field, u32)) -> Declared {
    let ty = match field.data_type() {
        DataType::Int64 => ColumnType::BigInt,
        DataType::Float64 => ColumnType::Double,
        DataType::Utf8 => ColumnType::Text,
        _ => ColumnType::TimestampTz,
    };
    Declared {
        id,
        name: ColumnName::new(field.name()).unwrap(),
        ty,
        nullable: true,
    }
}

/// Windows of a minute.
pub(crate) fn minutes() -> Windows {
    Windows {
        kind: WindowKind::Tumbling,
        size_us: MINUTE,
        slide_us: MINUTE,
        offset_us: 0,
        zone: None,
    }
}

/// Readings, in windows if there are some: the node and its keys.
fn below(windows: Option<&Windows>) -> (Node, Vec<Expr>) {
    let source = Node::Source {
        input: 0,
        columns: ["device", "value", "at"].map(str::to_owned).to_vec(),
        schema: source_schema(),
    };
    let Some(windows) = windows else {
        return (source, vec![column("device", 0)]);
    };
    let mut fields: Vec<Field> = source_schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    fields.extend(["window_start", "window_end"].map(|name| Field::new(name, time_type(), true)));
    let window = Node::Window {
        input: Box::new(source),
        time: 2,
        windows: windows.clone(),
        by: vec![0],
        schema: Arc::new(Schema::new(fields)),
    };
    (
        window,
        vec![
            column("window_start", 3),
            column("window_end", 4),
            column("device", 0),
        ],
    )
}

/// count(*), sum, min, max, avg and count(distinct) of `value` per device, and per minute if
/// `windowed`.
pub(crate) fn plan(emit: Emit, windowed: bool) -> PlannedView {
    plan_over(emit, windowed.then(minutes).as_ref())
}

/// The same, per window if there are some.
pub(crate) fn plan_over(emit: Emit, windows: Option<&Windows>) -> PlannedView {
    let (below, keys) = below(windows);
    let value = Some(("value", 1));
    let calls = vec![
        call(Function::Count, None, DataType::Int64),
        call(Function::Sum, value, DataType::Int64),
        call(Function::Min, value, DataType::Int64),
        call(Function::Max, value, DataType::Int64),
        call(Function::Avg, value, DataType::Float64),
        call(Function::CountDistinct, value, DataType::Int64),
    ];
    let schema = below.schema();
    let mut fields: Vec<Field> = Vec::new();
    fields.extend(
        keys.iter()
            .map(|key| key.return_field(schema).unwrap().as_ref().clone()),
    );
    let names = ["n", "sum", "least", "most", "mean", "different"];
    fields.extend(
        names
            .iter()
            .zip(&calls)
            .map(|(name, call)| Field::new(*name, call.ty.clone(), true)),
    );
    let key = if emit.is_stream() {
        Vec::new()
    } else {
        (0..keys.len()).collect()
    };
    PlannedView {
        inputs: vec![Input::Stream {
            id: StreamId(20),
            watermark: Some(Watermark {
                column: ColumnName::new("at").unwrap(),
                delay: Duration::from_micros(DELAY.unsigned_abs()),
                idle_timeout: None,
            }),
        }],
        columns: Columns(fields.iter().zip(0..).map(declared).collect()),
        plan: Node::Aggregate {
            input: Box::new(below),
            keys,
            window: windows.map(|_| (0, 1)),
            calls,
            schema: Arc::new(Schema::new(fields)),
        },
        hidden: Vec::new(),
        key,
        emit,
        watermark: None,
        fingerprint: String::new(),
        state: Vec::new(),
        keepers: Vec::new(),
        looked_up: Vec::new(),
        batch_sql: String::new(),
    }
}

/// A row of the view as text; the first columns are its key.
pub(crate) type Line = Vec<String>;

fn lines(rows: &Weighted) -> Vec<(Line, i64)> {
    let line = |row: usize| {
        let cell = |column: &ArrayRef| match column.is_null(row) {
            true => "NULL".to_owned(),
            false => array_value_to_string(column, row).unwrap(),
        };
        (
            rows.batch.columns().iter().map(cell).collect(),
            rows.weights.of(row),
        )
    };
    (0..rows.rows()).map(line).collect()
}

/// What a view has told so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Rows that are there, with how often.
    pub(crate) rows: BTreeMap<Line, i64>,
    /// All rows in the order in which they were told.
    pub(crate) all: Vec<(Line, i64)>,
    pub(crate) aside: Aside,
}

/// A view, its input's watermark, and what it has told; a crash takes all back to the last
/// checkpoint.
#[derive(Debug)]
pub(crate) struct Bed {
    pipeline: Arc<Pipeline>,
    source: Arc<MemoryState>,
    pool: Pool,
    view: View,
    watermarks: Watermarks,
    pub(crate) told: Told,
    kept: (Watermarks, Told),
    /// A checkpoint that the store does not have yet.
    sealed: Option<(Vec<StateChange>, (Watermarks, Told))>,
    size_max: usize,
}

impl Bed {
    pub(crate) fn new(plan: &PlannedView, pool: Pool) -> Self {
        Self::small(plan, pool, usize::MAX)
    }

    /// With so many bytes of state in memory at most.
    pub(crate) fn small(plan: &PlannedView, pool: Pool, size_max: usize) -> Self {
        let pipeline = Pipeline::compile(StreamId(30), plan).unwrap();
        let source = Arc::new(MemoryState::new(size_max));
        let shared: SharedState = Arc::<MemoryState>::clone(&source);
        let view = View::open(Arc::clone(&pipeline), 0, (&shared, Kept::State)).unwrap();
        let watermarks = Watermarks::new((DELAY, None));
        let (told, kept) = (Told::default(), (watermarks, Told::default()));
        Self {
            pipeline,
            source,
            pool,
            view,
            watermarks,
            told,
            kept,
            sealed: None,
            size_max,
        }
    }

    /// Runs a step over frames.
    pub(crate) fn step(&mut self, frames: &[Frame]) {
        let (mut trace, before) = (Trace::new(), self.watermarks.as_of(Seq::ZERO));
        let rows = frames.iter().map(|frame| {
            let watermark = self
                .watermarks
                .observe(frame.seq, &frame.times(), &mut trace);
            frame.weighted(watermark)
        });
        let rows: Vec<Weighted> = rows.collect();
        let through = frames.last().map_or(Seq::ZERO, |frame| frame.seq);
        let moment = Moment {
            through,
            before,
            watermark: self.watermarks.as_of(Seq::ZERO),
            trace,
            lift: Lift::none(),
        };
        let tables = Arc::new(LookupTables::new());
        let parts = StepParts {
            tables: &tables,
            moment: &moment,
            pool: &self.pool,
            tells: Tells::Changes,
        };
        let output = self.view.step(vec![rows], &parts).unwrap();
        let mut last = Seq::ZERO;
        for rows in &output.rows {
            assert_eq!(rows.batch.schema(), self.pipeline.schema);
            for run in rows.runs.iter() {
                assert!(
                    last <= run.seq && run.seq <= through,
                    "seqs of what is told ascend"
                );
                last = run.seq;
            }
            self.told.take(rows);
        }
        self.told.aside.append(output.aside);
    }

    pub(crate) fn checkpoint(&mut self) {
        self.source.apply(self.view.checkpoint().unwrap());
        self.kept = (self.watermarks, self.told.clone());
    }

    /// Takes a checkpoint that may be committed later.
    pub(crate) fn seal(&mut self) {
        let changes = self.view.checkpoint().unwrap();
        self.sealed = Some((changes, (self.watermarks, self.told.clone())));
    }

    /// Commits the checkpoint that was taken, if one was; whether it was.
    pub(crate) fn commit(&mut self) -> bool {
        let Some((changes, kept)) = self.sealed.take() else {
            return false;
        };
        self.source.apply(changes);
        self.kept = kept;
        self.view.let_go(self.size_max).unwrap();
        true
    }

    /// Everything since the last checkpoint is lost.
    pub(crate) fn crash(&mut self) {
        self.sealed = None;
        (self.watermarks, self.told) = self.kept.clone();
        let shared: SharedState = Arc::<MemoryState>::clone(&self.source);
        self.view = View::open(Arc::clone(&self.pipeline), 0, (&shared, Kept::State)).unwrap();
    }

    /// Lets go of all state that is kept.
    pub(crate) fn let_go(&mut self) {
        self.view.let_go(0).unwrap();
    }

    /// Bytes of state in memory.
    pub(crate) fn size(&self) -> usize {
        self.view.size()
    }

    /// Entries of state that are kept.
    pub(crate) fn kept_entries(&self) -> usize {
        self.source.len()
    }

    pub(crate) fn watermark(&self) -> i64 {
        self.watermarks.as_of(Seq::ZERO)
    }
}

impl Told {
    fn take(&mut self, rows: &Weighted) {
        let lines = lines(rows);
        for (line, weight) in &lines {
            let count = self.rows.entry(line.clone()).or_default();
            *count += weight;
            if *count == 0 {
                self.rows.remove(line);
            }
        }
        // At every output rows are rows: none is there twice, none less than not at all.
        assert!(
            self.rows.values().all(|count| *count == 1),
            "{:?}",
            self.rows
        );
        self.all.extend(lines);
    }
}

/// What a model has seen of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group(pub(crate) Vec<i64>);

impl Group {
    /// The row that the view should have.
    pub(crate) fn line(&self, key: &[String]) -> Line {
        let mut different = self.0.clone();
        different.sort_unstable();
        different.dedup();
        let sum: i64 = self.0.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "the test's numbers are small")]
        let mean = sum as f64 / self.0.len() as f64;
        let mean: ArrayRef = Arc::new(Float64Array::from(vec![mean]));
        let cells = [
            self.0.len().to_string(),
            sum.to_string(),
            different.first().unwrap().to_string(),
            different.last().unwrap().to_string(),
            array_value_to_string(&mean, 0).unwrap(),
            different.len().to_string(),
        ];
        key.iter().cloned().chain(cells).collect()
    }
}

/// A time as the view's rows show it.
pub(crate) fn time(micros: i64) -> String {
    let times = TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC");
    array_value_to_string(&times, 0).unwrap()
}

pub(crate) const BEFORE: i64 = NO_WATERMARK;
