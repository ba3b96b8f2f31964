//! SQL over archived rows, beside DuckDB on the same Parquet files.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use mainstem_disk::{Disk, RealDisk};
use mainstem_kernel::{Clock, Timestamp, clock::SystemClock};
use serde_json::Value;

use super::Setting;
use crate::{
    duckdb::{self, Answers, Job},
    load::{self, Load, as_f64},
    report::{Findings, Unit},
    server::{STREAM, Server},
};

const NAME: &str = "sql";
/// Repeats after the first, which is not counted; the median counts.
const REPEATS: usize = 5;

/// A query and what it shows.
struct Question {
    name: &'static str,
    query: String,
}

/// What our server answered, and how fast.
struct Asked {
    rows: Vec<Vec<Value>>,
    seconds: f64,
}

pub(super) fn run(setting: &Setting) -> Result<Findings> {
    let title = format!("SQL over {} archived rows, beside DuckDB", setting.rows);
    let mut findings = Findings::new(NAME, title);
    let server = setting.server(NAME, "")?;
    let span = Duration::from_millis(setting.rows);
    let first = SystemClock.now().minus(span);
    fill(setting, &server, first, &mut findings)?;

    let questions = questions(first, span);
    let ours = questions.iter().map(|question| ask(&server, question));
    let ours = ours.collect::<Result<Vec<Asked>>>()?;
    let duckdb = match ask_duckdb(setting, &server, &questions) {
        Ok(answers) => {
            let (version, files) = (&answers.version, answers.files);
            findings.note(format!(
                "DuckDB {version} on the same {files} Parquet files"
            ));
            Some(answers)
        }
        Err(error) if setting.python.is_none() => {
            findings.note(format!("DuckDB skipped: {error:#}"));
            None
        }
        Err(error) => return Err(error),
    };
    for (place, (question, asked)) in questions.iter().zip(&ours).enumerate() {
        findings.add(question.name, asked.seconds * 1e3, Unit::Milliseconds);
        if let Some(answers) = &duckdb {
            compare(&mut findings, question, asked, (answers, place))?;
        }
    }
    setting.finish(NAME, server, &mut findings)?;
    Ok(findings)
}

/// Loads the rows and archives them all.
fn fill(
    setting: &Setting,
    server: &Server,
    first: Timestamp,
    findings: &mut Findings,
) -> Result<()> {
    let load = Load::of_events(setting.rows, first);
    let outcome = load::run(load, server.target(), |_| Ok(()))?;
    findings.add("loaded at", outcome.rate(), Unit::EventsPerSecond);
    let begin = SystemClock.monotonic();
    server.flush()?;
    let took = SystemClock.monotonic() - begin;
    findings.add("flushed in", took.as_secs_f64(), Unit::Seconds);
    let metrics = server.metrics()?;
    let archived = metrics
        .get("mainstem_archived_rows_total")
        .copied()
        .unwrap_or(0.0);
    ensure!(
        archived >= as_f64(setting.rows),
        "only {archived} rows are archived after a flush"
    );
    Ok(())
}

fn questions(first: Timestamp, span: Duration) -> Vec<Question> {
    let (from, to) = (first.plus(span / 2), first.plus(span / 2 + span / 100));
    let hour = format!("\"at\" >= TIMESTAMPTZ '{from}' AND \"at\" < TIMESTAMPTZ '{to}'");
    let key = "device_id = 'vehicle-004242'";
    let table = STREAM;
    let question = |name, query| Question { name, query };
    vec![
        question("count", format!("SELECT count(*) FROM {table}")),
        question(
            "filter by time (1 %)",
            format!("SELECT count(*), avg(celsius) FROM {table} WHERE {hour}"),
        ),
        question(
            "filter by key",
            format!("SELECT count(*), max(celsius) FROM {table} WHERE {key}"),
        ),
        question(
            "filter by time and key",
            format!("SELECT count(*), max(celsius) FROM {table} WHERE {hour} AND {key}"),
        ),
        question(
            "group by 4 values",
            format!(
                "SELECT state, count(*), avg(speed) FROM {table} GROUP BY state ORDER BY state"
            ),
        ),
        question(
            "group by 10,000 keys",
            format!(
                "SELECT device_id, count(*) AS n, avg(celsius), max(odometer) FROM {table} \
                 GROUP BY device_id ORDER BY n DESC, device_id LIMIT 10"
            ),
        ),
    ]
}

fn ask(server: &Server, question: &Question) -> Result<Asked> {
    let rows = server.sql(&question.query)?;
    let mut seconds = Vec::new();
    for _repeat in 0..REPEATS {
        let begin = SystemClock.monotonic();
        server.sql(&question.query)?;
        seconds.push((SystemClock.monotonic() - begin).as_secs_f64());
    }
    Ok(Asked {
        rows,
        seconds: median(seconds),
    })
}

fn ask_duckdb(setting: &Setting, server: &Server, questions: &[Question]) -> Result<Answers> {
    let python = match &setting.python {
        Some(python) => python.clone(),
        None => duckdb::python_in(&setting.folder)?,
    };
    let job = Job {
        table: table_folder(server)?,
        name: STREAM,
        queries: questions
            .iter()
            .map(|question| question.query.as_str())
            .collect(),
        repeats: REPEATS,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    duckdb::run(&python, &job)
}

/// `<data>/history/readings-<id>`.
fn table_folder(server: &Server) -> Result<PathBuf> {
    let history = server.data().join("history");
    let prefix = format!("{STREAM}-");
    let entries = RealDisk.list(&history)?;
    let entry = entries.iter().find(|entry| entry.name.starts_with(&prefix));
    Ok(history.join(&entry.context("the stream has no folder in history")?.name))
}

fn compare(
    findings: &mut Findings,
    question: &Question,
    asked: &Asked,
    (answers, place): (&Answers, usize),
) -> Result<()> {
    let name = question.name;
    let theirs = answers
        .answers
        .get(place)
        .context("DuckDB left a question out")?;
    let same = duckdb::same_rows(&asked.rows, theirs);
    ensure!(
        same,
        "{name}: we answer {:?}, DuckDB {theirs:?}",
        asked.rows
    );
    let seconds = answers
        .seconds
        .get(place)
        .context("DuckDB left a time out")?;
    let theirs = median(seconds.clone());
    findings.add("… DuckDB", theirs * 1e3, Unit::Milliseconds);
    findings
        .add("… ours over DuckDB's", asked.seconds / theirs, Unit::Ratio)
        .goal = Some("≤ 1.5");
    Ok(())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}
