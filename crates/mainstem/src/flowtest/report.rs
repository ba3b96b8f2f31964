//! What a person reads of cases: how each went, and what is not as expected.

use super::{
    compare::Difference,
    run::{Finding, Played},
    script::Asked,
};
use crate::screen::Paint;

/// How a case went; `file` is as it can be opened, `text` is what is in it.
pub(crate) fn told(
    name: &str,
    played: &Played,
    (file, text): (&str, &str),
    paint: Paint,
) -> String {
    if let Some(excuse) = &played.excuse {
        return format!("{}  {name}: {excuse}\n", paint.yellow("none"));
    }
    let skipped = played.skipped.iter();
    let skipped = skipped.map(|(line, why)| format!("      line {line} was not asked: {why}\n"));
    let skipped: String = skipped.collect();
    if played.findings.is_empty() {
        return format!("{}    {name}\n{skipped}", paint.green("ok"));
    }
    let mut said = format!("{}  {name}\n{skipped}", paint.red("FAIL"));
    for finding in &played.findings {
        said.push('\n');
        match finding {
            Finding::Differs {
                line,
                asked,
                at,
                differences,
            } => {
                let asked = heading(asked);
                said.push_str(&format!("{file}:{line}: {asked}, at {at}\n"));
                for difference in differences {
                    said.push_str(&difference_line(difference, paint));
                }
            }
            Finding::Refused(shown) => {
                let mut shown = shown.as_ref().clone();
                shown.excerpt_from(text, file);
                said.push_str(&format!("{shown}\n"));
            }
        }
    }
    said.push('\n');
    said
}

/// An expectation in one line.
fn heading(asked: &Asked) -> String {
    match asked {
        Asked::Object(name) => format!("expect {name}"),
        Asked::Question { sql, .. } => {
            let words: Vec<&str> = sql.split_whitespace().collect();
            format!("expect {}", words.join(" "))
        }
    }
}

fn difference_line(difference: &Difference, paint: Paint) -> String {
    match difference {
        Difference::Missing(row) => paint.red(&format!("- {row}")) + "\n",
        Difference::Surplus(row) => paint.green(&format!("+ {row}")) + "\n",
        Difference::Column {
            name,
            expected,
            found,
        } => paint.yellow(&format!("    {name}: expected {expected}, found {found}")) + "\n",
        Difference::Equal(1) => "  1 row is as expected\n".to_owned(),
        Difference::Equal(rows) => format!("  {rows} rows are as expected\n"),
    }
}

/// How all went.
pub(crate) fn totals(cases: usize, failed: usize) -> String {
    let s = if cases == 1 { "" } else { "s" };
    match failed {
        0 => format!("{cases} case{s}, all as expected"),
        _ => format!("{cases} case{s}, {failed} failed"),
    }
}
