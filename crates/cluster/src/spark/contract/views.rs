//! The views of the applications that are shipped: through real topics they give the rows that
//! their question gives in batch, over a stop and a start too.

use std::collections::BTreeMap;

use mainstem_catalog::{AppDef, Change, ChangeSet, Definitions, StreamDef, preview};
use mainstem_kernel::{AppName, Seq, TenantId, Timestamp};
use mainstem_sql::{Declaration, ViewText, declarations, plan_view};

use super::{
    super::{QueryId, QuerySpec, ViewInput, ViewQuery, record},
    bed::{Bed, files},
};
use crate::{
    kafka::topic::Cleanup,
    lower::{Lowered, lower},
    spark::record::Spelled,
};

/// What an application declares, and its views.
pub(super) fn declared(files: &BTreeMap<String, String>) -> (Definitions, Vec<ViewText>) {
    let app = AppName::new("shop").unwrap();
    let mut defs = Definitions::default();
    let mut views = Vec::new();
    let mut changes = vec![Change::SetApp(AppDef {
        tenant: TenantId::ONLY,
        name: app.clone(),
        version: None,
        revision: 1,
        files: BTreeMap::new(),
    })];
    for declared in declarations(files).unwrap() {
        match declared.declaration {
            Declaration::Stream(spec) => changes.push(Change::CreateStream(spec)),
            Declaration::Table(spec) => changes.push(Change::CreateTable(spec)),
            Declaration::View(text) => views.push(*text),
            other => panic!("{other:?}"),
        }
    }
    let set = ChangeSet {
        tenant: TenantId::ONLY,
        app,
        changes,
    };
    defs = preview(defs, &set, Seq(1)).unwrap();
    (defs, views)
}

pub(super) fn stream<'a>(defs: &'a Definitions, name: &str) -> &'a StreamDef {
    let mut streams = defs.streams.values();
    streams
        .find(|stream| stream.spec.name.as_str() == name)
        .unwrap()
}

pub(super) fn lowered(defs: &Definitions, views: &[ViewText], name: &str) -> Lowered {
    let text = views
        .iter()
        .find(|view| view.name.as_str() == name)
        .unwrap();
    let plan = plan_view(defs, TenantId::ONLY, text).unwrap();
    lower(&text.name, (&plan, defs), name).unwrap()
}

/// A view that runs.
pub(super) struct Flow<'a> {
    pub(super) bed: &'a Bed,
    pub(super) name: &'static str,
    pub(super) lowered: Lowered,
    /// The topics that it reads.
    pub(super) from: Vec<ViewInput<'a>>,
    pub(super) to: String,
}

impl Flow<'_> {
    async fn start(&self) -> QueryId {
        let spec = QuerySpec::view(&ViewQuery {
            parts: self.bed.parts(self.name),
            lowered: &self.lowered,
            inputs: self.from.clone(),
            change_topic: self.to.clone(),
            generation: 1,
        });
        self.bed.spark.start(&spec).await.unwrap()
    }

    /// Parts of its inputs one after the other, with a stop and a start before the third.
    pub(super) async fn run(&self, parts: &[Vec<Vec<String>>]) {
        let mut id = self.start().await;
        for (part, number) in parts.iter().zip(0..) {
            if number == 2 {
                self.bed.spark.stop(&id).await.unwrap();
                id = self.start().await;
            }
            for (input, rows) in self.from.iter().zip(part) {
                self.bed.write(&input.topic, rows);
            }
            self.bed.spark.drain(&id).await.unwrap();
        }
        self.bed.spark.stop(&id).await.unwrap();
    }

    /// Rows of the change topic at the end, without `except`; they are those of the batch.
    pub(super) async fn compare(&self, except: &str) -> i64 {
        let (bed, name) = (self.bed, self.name);
        bed.relation("changes", &self.to).await;
        for (number, (read, input)) in self.lowered.inputs().zip(&self.from).enumerate() {
            let records = format!("records{number}");
            bed.relation(&records, &input.topic).await;
            let rows = record::rows(&records, &read.columns, input.spelled);
            let relation = &read.relation;
            let named = format!("CREATE OR REPLACE TEMPORARY VIEW `{relation}` AS {rows}");
            bed.spark.run(&named).await.unwrap();
        }
        let batch = record::changes("batch", &self.lowered, 1);
        for statement in [
            format!(
                "CREATE OR REPLACE TEMPORARY VIEW batch AS {}",
                self.lowered.spark_sql
            ),
            format!(
                "CREATE OR REPLACE TEMPORARY VIEW expected AS SELECT key, value FROM ({batch}) \
                 WHERE value NOT LIKE '%{except}%'"
            ),
            format!(
                "CREATE OR REPLACE TEMPORARY VIEW found AS SELECT CAST(key AS STRING) AS key, \
                 max_by(CAST(value AS STRING), struct(`partition`, `offset`)) AS value \
                 FROM changes WHERE CAST(value AS STRING) NOT LIKE '%{except}%' GROUP BY key"
            ),
        ] {
            bed.spark.run(&statement).await.unwrap();
        }
        for (one, other) in [("expected", "found"), ("found", "expected")] {
            let sql = format!(
                "SELECT concat('{one} {name}: ', key, ' ', value) FROM (SELECT * FROM {one} \
                 EXCEPT ALL SELECT * FROM {other}) LIMIT 3"
            );
            assert_eq!(bed.texts(&sql).await, Vec::<String>::new());
        }
        bed.number("SELECT count(*) FROM found").await
    }
}

/// A time so many seconds after a fixed one.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp(1_772_352_000_000_000 + i64::try_from(seconds).unwrap() * 1_000_000 + 125_000)
}

fn purchases(part: u64) -> Vec<String> {
    let row = |number: u64| {
        let customer = match number % 5 {
            0 => "null".to_owned(),
            _ => format!("\"c{}\"", number % 37),
        };
        let country = ["Norway", "Côte d\\\"Ivoire", "São Tomé"][(number % 3) as usize];
        format!(
            "{{\"invoice_no\":\"{}\",\"stock_code\":\"s\",\"quantity\":{},\"invoice_date\":\"{}\",\
             \"unit_price\":{}.{:03},\"customer_id\":{customer},\"country\":\"{country}\"}}",
            number % 91,
            i64::try_from(number % 19).unwrap() - 4,
            at(part * 7_200 + number * 13),
            number % 100,
            number % 1_000,
        )
    };
    (0..500).map(|number| row(part * 500 + number)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_retail_give_the_rows_of_their_batch() {
    let Some(bed) = Bed::open("retail").await else {
        return;
    };
    let files = files(&[
        (
            "1.sql",
            include_str!("../../../../../apps/retail/streams.sql"),
        ),
        (
            "2.sql",
            include_str!("../../../../../apps/retail/views.sql"),
        ),
    ]);
    let (defs, views) = declared(&files);
    let spelled = Spelled::Stream(stream(&defs, "purchases"));
    let parts: Vec<_> = (0..3).map(|part| vec![purchases(part)]).collect();
    for (name, rows) in [("revenue_by_country", 3), ("revenue_by_hour", 6)] {
        let flow = Flow {
            bed: &bed,
            name,
            lowered: lowered(&defs, &views, name),
            from: vec![ViewInput {
                topic: bed.topic(&format!("{name}-from"), Cleanup::Delete(None)),
                spelled,
            }],
            to: bed.topic(&format!("{name}-to"), Cleanup::Compact),
        };
        flow.run(&parts).await;
        let found = flow.compare("nothing").await;
        assert!(found >= rows, "{name} has {found} rows");
    }
    bed.clear();
}

/// Rows as a worker has looked them up, by the columns that the view reads.
fn looked_up(lowered: &Lowered, (part, count): (u64, u64)) -> Vec<String> {
    let row = |number: u64| {
        let columns = lowered.input.columns.iter().map(|column| {
            let name = column.name.as_str();
            let value = match column.ty.as_str() {
                "TIMESTAMP" => format!("\"{}\"", at(number * 3)),
                "DOUBLE" if name.starts_with("celsius") && number.is_multiple_of(7) => {
                    "null".to_owned()
                }
                // Quarters add up to the same in any order.
                "DOUBLE" => format!("{}.25", number * 7 % 160),
                "INT" => (number % 9).to_string(),
                "STRING" if name.starts_with("model") => "\"heron\"".to_owned(),
                "STRING" if name.starts_with("owner") => format!("\"p{}\"", number % 7),
                "STRING" => format!("\"v{}\"", number % 5),
                // NUMERIC of some digits, as text and as a number.
                _ if number.is_multiple_of(2) => format!("\"{}.125\"", number % 400),
                _ => format!("{}.5", number % 400),
            };
            format!("\"{name}\":{value}")
        });
        format!("{{{}}}", columns.collect::<Vec<_>>().join(","))
    };
    (0..count)
        .map(|number| row(part * count + number))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_the_fleet_give_the_rows_of_their_batch() {
    let Some(bed) = Bed::open("fleet").await else {
        return;
    };
    let files = files(&[
        (
            "1.sql",
            include_str!("../../../../../apps/fleet/1-vehicles.sql"),
        ),
        (
            "2.sql",
            include_str!("../../../../../apps/fleet/2-shop.sql"),
        ),
        (
            "3.sql",
            include_str!("../../../../../apps/fleet/3-views.sql"),
        ),
    ]);
    let (defs, views) = declared(&files);
    for (name, rows) in [("minute_by_vehicle", 45), ("trips_by_owner", 7)] {
        let lowered = lowered(&defs, &views, name);
        assert!(lowered.worker.is_some());
        let mut parts: Vec<_> = (0..3)
            .map(|part| vec![looked_up(&lowered, (part, 100))])
            .collect();
        // An event of a day later closes all windows but its own.
        let late = looked_up(&lowered, (290, 100)).swap_remove(0);
        let late = late.replace("\"heron\"", "\"end\"").replace("\"p", "\"end");
        parts.push(vec![vec![late]]);
        let flow = Flow {
            bed: &bed,
            name,
            lowered,
            from: vec![ViewInput {
                topic: bed.topic(&format!("{name}-input"), Cleanup::Delete(None)),
                spelled: Spelled::AsNamed,
            }],
            to: bed.topic(&format!("{name}-to"), Cleanup::Compact),
        };
        flow.run(&parts).await;
        let found = flow.compare("\"end").await;
        assert!(found >= rows, "{name} has {found} rows");
    }
    bed.clear();
}
