//! CREATE STREAM: its grammar, and what one statement alone can get wrong.

use std::time::Duration;

use mainstem_catalog::{Deduplicate, Durability, StreamSpec, Watermark};
use mainstem_kernel::{Code, Column, ColumnName, ColumnType, Columns, Place, Problem};
use sqlparser::tokenizer::Token;

use super::{
    column::{self, Complete},
    cursor::{Cursor, Told, Written, mistake},
    foreign::{self, Origin},
    interval::{interval, within},
    options,
    recognise::{created, object_name},
    split::Statement,
};

const DELAY_MAX: Duration = Duration::from_secs(366 * 86_400);
const WITHIN_MAX: Duration = Duration::from_secs(31 * 86_400);

/// What clauses name, to be checked when all columns are known.
#[derive(Debug, Default)]
struct Named {
    complete: Complete,
    watermark: Option<(Written, Duration)>,
    idle_timeout: Option<(Place, Duration)>,
    partition_by: Vec<Written>,
    deduplicate: Option<(Written, Duration)>,
    origin: Origin,
    topic: Option<Written>,
}

/// Reads the rest of a statement after CREATE STREAM or CREATE FOREIGN STREAM.
///
/// # Errors
/// When the grammar is broken; other mistakes go to `problems`.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    statement: &Statement,
    (origin, problems): (Origin, &mut Vec<Problem>),
) -> Result<StreamSpec, Problem> {
    let name = created(cursor, "the name of a stream")?;
    let mut own = Vec::new();
    let mut spec = StreamSpec {
        name: object_name(&name)?,
        columns: Columns::default(),
        partition_by: Vec::new(),
        partitions: options::PARTITIONS,
        watermark: None,
        retention: None,
        deduplicate: None,
        durability: Durability::Strict,
        event_size_max: options::EVENT_SIZE_MAX,
        foreign: None,
        sql: statement.text.clone(),
    };
    let mut named = Named {
        origin,
        ..Named::default()
    };
    cursor.expect(&Token::LParen).map_err(|problem| {
        problem.hint("declare the columns: CREATE STREAM name (column TYPE, …)")
    })?;
    let read = items(cursor, &mut spec, &mut named, &mut own)
        .and_then(|()| clauses(cursor, &mut spec, &mut named, &mut own))
        .and_then(|()| foreign::settle(cursor, (origin, named.topic.as_ref()), &mut spec));
    match read {
        Ok(()) => resolve(&mut spec, &named, &mut own),
        Err(problem) => own.push(problem),
    }
    // A broken statement is not a declaration: others must not be measured by it.
    let last = own.pop();
    problems.append(&mut own);
    last.map_or(Ok(spec), Err)
}

/// The columns and the watermark, in parentheses. A broken one is noted and passed over.
fn items(
    cursor: &mut Cursor<'_>,
    spec: &mut StreamSpec,
    named: &mut Named,
    problems: &mut Vec<Problem>,
) -> Result<(), Problem> {
    if cursor.peek() == Some(&Token::RParen) {
        return Err(cursor.expected("at least one column"));
    }
    loop {
        let start = cursor.clone();
        let item = match cursor.at_words(&["WATERMARK", "FOR"]) {
            true => watermark(cursor, named, problems),
            false => column(cursor, spec).inspect_err(|_| named.complete = Complete::Lost),
        };
        if let Err(problem) = item {
            problems.push(problem);
            *cursor = start;
            cursor.skip_item();
        }
        if column::is_last(cursor)? {
            return Ok(());
        }
    }
}

/// name TYPE [NOT NULL | NULL].
fn column(cursor: &mut Cursor<'_>, spec: &mut StreamSpec) -> Result<(), Problem> {
    let begun = column::begin(cursor)?;
    let nullable = !cursor.eat_words(&["NOT", "NULL"]);
    if nullable {
        cursor.eat_words(&["NULL"]);
    }
    column_end(cursor)?;
    begun.add(&mut spec.columns, "stream", nullable)
}

/// What may not follow a column, by name.
fn column_end(cursor: &mut Cursor<'_>) -> Result<(), Problem> {
    if matches!(cursor.peek(), Some(Token::Comma | Token::RParen)) {
        return Ok(());
    }
    let place = cursor.place();
    let unbuilt = |what: &str| {
        mistake(
            Code::Sql002,
            place.clone(),
            format!("{what} is not built yet"),
        )
    };
    if cursor.at_words(&["PERSONAL"]) {
        return Err(unbuilt("PERSONAL").detail("Columns are not sealed by this version."));
    }
    if cursor.at_words(&["DEFAULT"]) || cursor.at_words(&["GENERATED"]) {
        return Err(unbuilt("a default of a column").hint("send the value with the event"));
    }
    if cursor.at_words(&["PRIMARY", "KEY"]) || cursor.at_words(&["UNIQUE"]) {
        return Err(mistake(Code::Sql009, place, "a stream has no key")
            .detail("A stream keeps every event; rows with a key are a table: CREATE TABLE.")
            .hint("use DEDUPLICATE BY (column) WITHIN '1 hour' against repetitions"));
    }
    Err(cursor.expected("NOT NULL, \",\" or \")\""))
}

/// WATERMARK FOR c AS c [- INTERVAL '…'].
fn watermark(
    cursor: &mut Cursor<'_>,
    named: &mut Named,
    problems: &mut Vec<Problem>,
) -> Result<(), Problem> {
    let place = cursor.place();
    cursor.expect_words(&["WATERMARK", "FOR"])?;
    let column = cursor.name("the column that holds event time")?;
    cursor.expect_words(&["AS"])?;
    let again = cursor.name("the same column")?;
    if again.text != column.text {
        let message = format!("expected \"{}\", found \"{}\"", column.text, again.text);
        return Err(mistake(Code::Sql001, again.place, message)
            .detail("A watermark follows the column that it is declared for."));
    }
    let delay = match cursor.eat(&Token::Minus) {
        true => interval(cursor)?.bounded(DELAY_MAX, problems),
        false => Duration::ZERO,
    };
    if named.watermark.is_some() {
        return Err(
            mistake(Code::Sql006, place, "a second watermark is declared")
                .hint("a stream has one event time"),
        );
    }
    named.watermark = Some((column, delay));
    Ok(())
}

/// Everything behind the columns, in any order, each once.
fn clauses(
    cursor: &mut Cursor<'_>,
    spec: &mut StreamSpec,
    named: &mut Named,
    problems: &mut Vec<Problem>,
) -> Result<(), Problem> {
    const CLAUSES: [&str; 5] = ["PARTITION", "DEDUPLICATE", "WITH", "FROM", "FORMAT"];
    let mut seen: Vec<&str> = Vec::new();
    while !cursor.is_end() {
        let place = cursor.place();
        let clause = CLAUSES.into_iter().find(|word| cursor.at_words(&[word]));
        let Some(clause) = clause.filter(|word| named.origin.has(word)) else {
            return Err(unknown_clause(cursor));
        };
        if seen.contains(&clause) {
            problems.push(mistake(
                Code::Sql006,
                place,
                format!("a second {clause} is given"),
            ));
        }
        seen.push(clause);
        cursor.step();
        match clause {
            "PARTITION" => {
                cursor.expect_words(&["BY"])?;
                named.partition_by = column::list(cursor)?;
            }
            "DEDUPLICATE" => named.deduplicate = Some(deduplicate(cursor, problems)?),
            "FROM" => named.topic = Some(foreign::topic(cursor)?),
            "FORMAT" => foreign::format(cursor)?,
            _ => named.idle_timeout = options::read(cursor, spec, problems)?,
        }
    }
    Ok(())
}

fn unknown_clause(cursor: &Cursor<'_>) -> Problem {
    let words = [
        "SUBJECT", "MIRRORED", "GLOBAL", "TTL", "KEEP", "PERSONAL", "EMIT",
    ];
    if let Some(word) = words.into_iter().find(|word| cursor.at_words(&[word])) {
        return mistake(
            Code::Sql002,
            cursor.place(),
            format!("{word} is not built yet"),
        )
        .hint("leave the clause out");
    }
    if cursor.at_words(&["FROM"]) {
        return mistake(Code::Sql009, cursor.place(), "a stream that clients write has no FROM")
            .hint("rows that others write to Kafka: CREATE FOREIGN STREAM name (…) FROM TOPIC 'name' FORMAT JSON");
    }
    if cursor.at_words(&["AS"]) {
        return mistake(Code::Sql009, cursor.place(), "a stream is not computed")
            .hint("CREATE MATERIALIZED VIEW name AS SELECT … computes");
    }
    let expected = cursor.expected("PARTITION BY, DEDUPLICATE BY, WITH or \";\"");
    match cursor.peek() {
        Some(Token::Word(word)) => expected.hint_if(
            crate::nearest::nearest(&word.value, ["PARTITION", "DEDUPLICATE", "WITH", "WITHIN"])
                .map(|near| format!("did you mean \"{near}\"?")),
        ),
        Some(Token::RParen) => expected.hint("there is one \")\" too many"),
        _ => expected.hint("end the statement before it with \";\""),
    }
}

/// BY (column) WITHIN '…'.
fn deduplicate(
    cursor: &mut Cursor<'_>,
    problems: &mut Vec<Problem>,
) -> Result<(Written, Duration), Problem> {
    cursor.expect_words(&["BY"])?;
    let columns = column::list(cursor)?;
    let mut columns = columns.into_iter();
    let Some(first) = columns.next() else {
        return Err(cursor.expected("a column"));
    };
    if let Some(second) = columns.next() {
        return Err(mistake(Code::Sql001, second.place, "expected one column")
            .hint("send one column that identifies the event"));
    }
    cursor
        .expect_words(&["WITHIN"])
        .map_err(|problem| problem.hint("say how long repetitions are known: WITHIN '1 hour'"))?;
    Ok((first, within(cursor)?.bounded(WITHIN_MAX, problems)))
}

/// Checks what the clauses name, now that all columns are known.
fn resolve(spec: &mut StreamSpec, named: &Named, problems: &mut Vec<Problem>) {
    let object = format!("stream \"{}\"", spec.name);
    let columns = spec.columns.clone();
    let find = |written: &Written| column::named(&columns, written, &object, named.complete);
    let keyed = |written: &Written, verb: &str| {
        find(written).and_then(|found| column::key(found, written, verb))
    };
    if let Some((written, delay)) = &named.watermark {
        match find(written).and_then(|column| event_time(column, written)) {
            Ok(column) => {
                spec.watermark = Some(Watermark {
                    column,
                    delay: *delay,
                    idle_timeout: named.idle_timeout.as_ref().map(|(_, span)| *span),
                });
            }
            Err(problem) => problems.extend(problem),
        }
    }
    if let (None, Some((place, _))) = (&named.watermark, &named.idle_timeout) {
        let message = "idle_timeout of a stream that has no watermark";
        problems.push(
            mistake(Code::Sql008, place.clone(), message)
                .hint("declare the column that holds event time: WATERMARK FOR at AS at"),
        );
    }
    for written in &named.partition_by {
        match keyed(written, "partition by") {
            Ok(column) if spec.partition_by.contains(&column) => {
                let message = format!("column \"{column}\" stands twice in PARTITION BY");
                problems.push(mistake(Code::Sql006, written.place.clone(), message));
            }
            Ok(column) => spec.partition_by.push(column),
            Err(problem) => problems.extend(problem),
        }
    }
    if let Some((written, within)) = &named.deduplicate {
        match keyed(written, "deduplicate by") {
            Ok(_) if within.is_zero() => {
                let message = "expected a span above zero behind WITHIN";
                problems.push(mistake(Code::Sql004, written.place.clone(), message));
            }
            Ok(column) => {
                spec.deduplicate = Some(Deduplicate {
                    column,
                    within: *within,
                });
            }
            Err(problem) => problems.extend(problem),
        }
    }
}

fn event_time(column: &Column, written: &Written) -> Result<ColumnName, Option<Problem>> {
    let unfit = |message: String| mistake(Code::Sql008, written.place.clone(), message);
    if column.ty != ColumnType::TimestampTz {
        let message = format!("watermark of \"{}\", which is {}", column.name, column.ty);
        return Err(Some(
            unfit(message).hint("event time is a TIMESTAMPTZ NOT NULL column"),
        ));
    }
    if column.nullable {
        let message = format!("watermark of \"{}\", which may be NULL", column.name);
        return Err(Some(unfit(message).hint(format!(
            "declare it as {} TIMESTAMPTZ NOT NULL: events without a time go to dead letters",
            column.name
        ))));
    }
    Ok(column.name.clone())
}
