//! Declared objects to plan views against.

use std::{collections::BTreeMap, fmt::Write};

use mainstem_catalog::{AppDef, Change, ChangeSet, Definitions, preview};
use mainstem_kernel::{AppName, Problem, Seq, TenantId};

use super::super::{PlannedView, plan_view};
use crate::{Declaration, ViewText, declarations};

/// Streams and tables of the applications that are shipped, and some odd ones.
pub(super) const SHIPPED: &str = "
CREATE STREAM purchases (
  invoice_no TEXT NOT NULL, stock_code TEXT NOT NULL, description TEXT, quantity INTEGER NOT NULL,
  invoice_date TIMESTAMPTZ NOT NULL, unit_price NUMERIC(12, 3) NOT NULL, customer_id TEXT,
  country TEXT NOT NULL, WATERMARK FOR invoice_date AS invoice_date - INTERVAL '1 hour'
) PARTITION BY (invoice_no);
CREATE STREAM readings (
  vehicle_id TEXT NOT NULL, at TIMESTAMPTZ NOT NULL, lat DOUBLE PRECISION NOT NULL,
  lon DOUBLE PRECISION NOT NULL, speed_kmh DOUBLE PRECISION NOT NULL, celsius DOUBLE PRECISION,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
) PARTITION BY (vehicle_id) WITH (retention = '90 days');
CREATE STREAM trips (
  trip_id TEXT NOT NULL, vehicle_id TEXT NOT NULL, started_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ NOT NULL, distance_km NUMERIC(9, 3) NOT NULL, harsh_brakes INTEGER NOT NULL,
  WATERMARK FOR ended_at AS ended_at - INTERVAL '1 minute'
);
CREATE STREAM plain (id BIGINT, n BIGINT, at TIMESTAMPTZ NOT NULL, j JSON, f REAL, tags TEXT[]);
CREATE TABLE vehicles (vehicle_id TEXT PRIMARY KEY, model TEXT, owner_id TEXT) WITH (ttl = '90 days');
CREATE TABLE stock (site INTEGER, article BIGINT, pieces BIGINT, PRIMARY KEY (site, article));
";

/// Definitions that grow.
#[derive(Debug, Default)]
pub(super) struct Bed {
    pub(super) defs: Definitions,
    seq: u64,
}

impl Bed {
    /// With the shipped objects.
    pub(super) fn new() -> Self {
        let mut bed = Self::default();
        bed.declare(SHIPPED);
        bed
    }

    /// Declares objects in order, each view planned against those before it.
    pub(super) fn declare(&mut self, sql: &str) {
        let files = BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]);
        for declared in declarations(&files).unwrap_or_else(|e| panic!("{}", printed(&e))) {
            let change = match declared.declaration {
                Declaration::Stream(spec) => Change::CreateStream(spec),
                Declaration::Table(spec) => Change::CreateTable(spec),
                Declaration::View(text) => match self.planned(&text) {
                    Ok(planned) => Change::CreateView(planned.spec(&text)),
                    Err(problems) => panic!("{}", printed(&problems)),
                },
                other => panic!("{other:?}"),
            };
            self.change(change);
        }
    }

    pub(super) fn change(&mut self, change: Change) {
        self.seq += 1;
        let app = AppName::new("shop").unwrap();
        let mut changes = vec![change];
        if self.defs.apps.is_empty() {
            changes.insert(
                0,
                Change::SetApp(AppDef {
                    tenant: TenantId::ONLY,
                    name: app.clone(),
                    version: None,
                    revision: 1,
                    files: BTreeMap::new(),
                }),
            );
        }
        let set = ChangeSet {
            tenant: TenantId::ONLY,
            app,
            changes,
        };
        self.defs = preview(self.defs.clone(), &set, Seq(self.seq)).unwrap();
    }

    pub(super) fn planned(&self, text: &ViewText) -> Result<PlannedView, Vec<Problem>> {
        plan_view(&self.defs, TenantId::ONLY, text)
    }

    /// Plans a view from its statement after CREATE MATERIALIZED VIEW.
    pub(super) fn plan(&self, rest: &str) -> Result<PlannedView, Vec<Problem>> {
        self.planned(&text(rest)?)
    }

    pub(super) fn view(&self, rest: &str) -> PlannedView {
        self.plan(rest)
            .unwrap_or_else(|problems| panic!("{rest}\n{}", printed(&problems)))
    }

    /// All that is decided of a view.
    pub(super) fn shown(&self, rest: &str) -> String {
        let view = self.view(rest);
        let mut out = format!("-- {rest}\n{}\n", view.explain().join("\n"));
        for column in &view.columns.0 {
            let end = if column.nullable { "" } else { " NOT NULL" };
            writeln!(out, "column {} {}{end}", column.name, column.ty).unwrap();
        }
        if let Some(watermark) = &view.watermark {
            writeln!(
                out,
                "event time {} - {:?}",
                watermark.column, watermark.delay
            )
            .unwrap();
        }
        writeln!(out, "batch {}\n", view.batch_sql).unwrap();
        out
    }

    pub(super) fn refused(&self, rest: &str) -> String {
        match self.plan(rest) {
            Ok(view) => panic!("{rest}\nwas planned:\n{}", view.plan),
            Err(problems) => {
                for problem in &problems {
                    assert!(problem.position.is_some(), "{rest}: {problem}");
                }
                format!("-- {rest}\n{}\n\n", printed(&problems))
            }
        }
    }
}

/// Reads a view from its statement after CREATE MATERIALIZED VIEW.
pub(super) fn text(rest: &str) -> Result<ViewText, Vec<Problem>> {
    let sql = format!("CREATE MATERIALIZED VIEW {rest}");
    let files = BTreeMap::from([("v.sql".to_owned(), sql)]);
    match declarations(&files)?.remove(0).declaration {
        Declaration::View(text) => Ok(*text),
        other => panic!("{other:?}"),
    }
}

pub(super) fn printed(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
