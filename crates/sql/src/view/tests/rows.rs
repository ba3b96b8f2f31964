//! The plan and the plain question mean the same rows: over random rows, the operators run one by
//! one in the plainest way against DataFusion answering `batch_sql`.

mod data;
mod groups;
mod keyed;
mod operators;

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    arrow::{array::RecordBatch, datatypes::Schema, util::display::array_value_to_string},
    datasource::MemTable,
    execution::session_state::SessionStateBuilder,
    sql::parser::Statement as DataFusionStatement,
};
use sqlparser::{dialect::PostgreSqlDialect, parser::Parser};

use self::{data::Data, operators::Evaluated};
use super::{
    super::PlannedView,
    accepted::{OTHERS, SHIPPED},
    bed::Bed,
    refused::random,
};
use crate::{engine::session, pattern};

/// Rows as sorted texts; floating point to nine digits.
fn texts(batches: &[RecordBatch], width: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().take(width).map(|column| {
                if column.is_null(row) {
                    return "NULL".to_owned();
                }
                let text = array_value_to_string(column, row).unwrap();
                match (column.data_type().is_floating(), text.parse::<f64>()) {
                    (true, Ok(number)) => format!("{number:.6e}"),
                    _ => text,
                }
            });
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    rows.sort();
    rows
}

/// DataFusion's answer to a plain question.
async fn asked(sql: &str, data: &Data) -> Vec<RecordBatch> {
    let tables = data.tables.iter().map(|(name, batch)| {
        let table = MemTable::try_new(batch.schema(), vec![vec![batch.clone()]]).unwrap();
        (name.clone(), Arc::new(table) as _)
    });
    let mut state = SessionStateBuilder::new_from_existing(session::prototype(2).unwrap())
        .with_catalog_list(session::only(tables.collect()).unwrap())
        .build();
    let mut parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
    pattern::offer(&mut state, &parsed[0]).unwrap();
    let statement = DataFusionStatement::Statement(Box::new(parsed.remove(0)));
    let plan = state.statement_to_plan(statement).await.unwrap();
    let plan = state.create_physical_plan(&plan).await.unwrap();
    datafusion::physical_plan::collect(plan, state.task_ctx())
        .await
        .unwrap()
}

/// The rows of a plan, run in the plainest way.
fn run(view: &PlannedView, data: &Data) -> Evaluated {
    operators::evaluate(&view.plan, &|input| {
        let id = view.inputs[input].id();
        data.inputs[&id].clone()
    })
}

#[tokio::test]
async fn the_plan_and_the_plain_question_have_the_same_rows() {
    let mut bed = Bed::new();
    bed.declare(
        "CREATE STREAM plain_timed (id BIGINT, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at)",
    );
    let mut below = random(0x5EED_000B);
    let mut compared = 0;
    let mut filled = BTreeSet::new();
    for round in 0..6 {
        // The first round has no rows at all.
        let data = Data::random(&bed.defs, if round == 0 { 0 } else { 150 }, &mut below);
        for rest in SHIPPED.iter().chain(&OTHERS) {
            let Ok(view) = bed.plan(rest) else {
                continue;
            };
            let width = view.columns.0.len() - view.hidden.len();
            let ours = run(&view, &data);
            let fields = ours.batch.schema().fields().len();
            assert_eq!(fields, view.columns.0.len(), "{rest}");
            let types = |schema: &Schema| -> Vec<_> {
                schema
                    .fields()
                    .iter()
                    .map(|f| f.data_type().clone())
                    .collect()
            };
            let declared: Vec<_> = view.columns.0.iter().map(|c| c.ty.arrow()).collect();
            assert_eq!(types(&ours.batch.schema()), declared, "{rest}");
            let theirs = asked(&view.batch_sql, &data).await;
            let (ours, theirs) = (texts(&[ours.batch], width), texts(&theirs, width));
            assert_eq!(
                ours, theirs,
                "round {round}: {rest}\n{}\n{}",
                view.plan, view.batch_sql
            );
            compared += ours.len();
            if !ours.is_empty() {
                filled.insert(*rest);
            }
        }
    }
    assert!(compared > 1_000, "{compared} rows");
    assert!(filled.len() > 18, "{} views had rows", filled.len());
}

#[tokio::test]
async fn keys_identify_rows() {
    let bed = Bed::new();
    let mut below = random(0x5EED_000C);
    let data = Data::random(&bed.defs, 200, &mut below);
    let mut keyed = 0;
    for rest in SHIPPED.iter().chain(&OTHERS) {
        let Ok(view) = bed.plan(rest) else {
            continue;
        };
        let rows = run(&view, &data).batch;
        if view.key.is_empty() {
            continue;
        }
        let key = rows.project(&view.key).unwrap();
        let texts = texts(&[key], view.key.len());
        let different: BTreeSet<&String> = texts.iter().collect();
        assert_eq!(different.len(), texts.len(), "{rest}");
        keyed += 1;
    }
    assert!(keyed > 8, "{keyed} views with keys");
}
