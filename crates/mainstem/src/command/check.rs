//! `check`: the mistakes in an application, and whether its views run beyond one machine.

use mainstem_app::{AnyEngine, Checked, CheckedView};
use mainstem_cluster::lower::{LowerError, Lowered, SparkColumn, SparkInput, fit};
use mainstem_kernel::{Fault, Problem};
use mainstem_sql::spark::SETTINGS;
use serde_json::{Map, Value, json};

use crate::{
    args::{CheckFor, CheckFormat, Engine},
    command::app,
    failure::{Failure, Outcome},
    folder::AppFolder,
    screen,
};

/// What Spark calls the rows that a view reads, as long as nobody runs it.
const INPUT: &str = "input";

/// Finds the mistakes in an application, without a server.
pub(crate) fn check(options: &CheckFor) -> Outcome {
    match options.engine {
        Engine::Embedded => app::check(&options.check),
        Engine::Cluster => on_cluster(options),
    }
}

fn on_cluster(options: &CheckFor) -> Outcome {
    let app = AppFolder::read(&options.check.folder)?;
    let checked = mainstem_app::checked(&app.source, &AnyEngine);
    let checked = checked.map_err(|problems| app.locate(Failure::all(problems)))?;
    let definitions = &checked.definitions;
    let lowering = |view: &CheckedView| fit(&view.name, (&view.plan, definitions), INPUT);
    let views = checked.views.iter();
    let lowered: Vec<_> = views.map(|view| (view, lowering(view))).collect();
    let text = match options.format {
        CheckFormat::Text => lowered
            .iter()
            .map(|(view, lowered)| lines((view, &checked), lowered))
            .collect(),
        CheckFormat::Json => {
            let views: Vec<Value> = lowered
                .iter()
                .map(|(view, lowered)| value((view, &checked), lowered))
                .collect();
            let settings: Map<String, Value> = SETTINGS
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
            format!(
                "{:#}\n",
                json!({ "application": app.source.name, "settings": settings, "views": views })
            )
        }
    };
    screen::print(text.as_bytes())?;
    let refused = lowered.into_iter().filter_map(|(view, lowered)| {
        let error = lowered.err()?;
        Some(problem(view, &error))
    });
    match refused.collect::<Vec<_>>() {
        refused if refused.is_empty() => Ok(()),
        refused => Err(app.locate(Failure::all(refused))),
    }
}

/// The refusal of a view, where it is declared.
fn problem(view: &CheckedView, error: &LowerError) -> Problem {
    Problem {
        position: Some(view.place.clone()),
        ..error.problem()
    }
}

/// A view for people.
fn lines((view, app): (&CheckedView, &Checked), lowered: &Result<Lowered, LowerError>) -> String {
    let Ok(lowered) = lowered else {
        return format!("view \"{}\" runs on one machine only\n", view.name);
    };
    let worker = lowered
        .worker
        .as_ref()
        .map(|_| ", lookups in workers before");
    let mut text = format!(
        "view \"{}\" runs on Spark in {} mode{}\n",
        view.name,
        lowered.output_mode.as_str(),
        worker.unwrap_or_default()
    );
    if !lowered.beside.is_empty() {
        let read = lowered.inputs().map(|input| name(input, app));
        text.push_str(&format!(
            "  reads: {}\n",
            read.collect::<Vec<_>>().join(", ")
        ));
    }
    for note in &lowered.notes {
        text.push_str(&format!("  differs: {note}\n"));
    }
    text
}

/// What is read, by its name.
fn name(input: &SparkInput, app: &Checked) -> String {
    let object = app.definitions.by_id(input.object);
    object.map_or_else(String::new, |object| object.name().to_string())
}

fn input(read: &SparkInput, app: &Checked) -> Value {
    let watermark = read.watermark.as_ref().map(|watermark| {
        json!({
            "column": watermark.column,
            "delay_us": u64::try_from(watermark.delay.as_micros()).unwrap_or(u64::MAX),
        })
    });
    json!({
        "relation": read.relation,
        "object": name(read, app),
        "columns": read.ddl(),
        "watermark": watermark,
    })
}

/// A view for programs.
fn value((view, app): (&CheckedView, &Checked), lowered: &Result<Lowered, LowerError>) -> Value {
    let lowered = match lowered {
        Ok(lowered) => lowered,
        Err(error) => return json!({ "view": view.name, "refused": problem(view, error) }),
    };
    let column = |column: &SparkColumn| json!({ "name": column.name, "type": column.ty, "hidden": column.is_hidden });
    json!({
        "view": view.name,
        "spark_sql": lowered.spark_sql,
        "inputs": lowered.inputs().map(|read| input(read, app)).collect::<Vec<_>>(),
        "worker": lowered.worker.as_ref().map(ToString::to_string),
        "hidden_until": lowered.hidden_until,
        "output_mode": lowered.output_mode.as_str(),
        "key": lowered.key,
        "columns": lowered.columns.iter().map(column).collect::<Vec<_>>(),
        "differs": lowered.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
