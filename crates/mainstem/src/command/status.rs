//! `status`: how the server is doing.

use mainstem_gateway::Status as Report;
use mainstem_kernel::ByteSize;

use crate::{
    args::{Status, Target},
    client::Server,
    failure::Outcome,
    screen::{self, Paint, thousands},
    table,
};

/// Prints the report, for people or as the server sent it.
pub(crate) async fn status(target: &Target, options: &Status) -> Outcome {
    let server = Server::find(target)?;
    if options.json {
        let report: serde_json::Value = server.get("/v1/status").await?;
        return Ok(screen::print(format!("{report}\n").as_bytes())?);
    }
    let report: Report = server.get("/v1/status").await?;
    Ok(screen::print(
        pretty(&server.url, &report, Paint::for_stdout()).as_bytes(),
    )?)
}

fn pretty(url: &str, report: &Report, paint: Paint) -> String {
    let state = match &report.problem {
        None => paint.green("ready"),
        Some(problem) => paint.red(&format!("refuses writes: {problem}")),
    };
    let size = |bytes| ByteSize(bytes).to_string();
    let mut text = format!(
        "server    {url}, version {}, up {}\nstate     {state}\nposition  {}\n\
         memory    {} resident of {}\njournal   {}, {} of it not yet in history\n\
         history   {} in {} files\n",
        report.version,
        duration(report.uptime_seconds),
        report.position,
        size(report.memory_resident_bytes),
        size(report.memory_budget_bytes),
        size(report.journal_bytes),
        size(report.journal_live_bytes),
        size(report.history_bytes),
        thousands(report.history_files),
    );
    if let Some(kept) = &report.kept {
        let own = match kept.writes {
            true => format!(
                "{} written here from {} partitions, {} dead letters",
                thousands(kept.rows),
                thousands(kept.partitions),
                thousands(kept.dead_letters)
            ),
            false => "not written here".to_owned(),
        };
        let left = thousands(kept.lag_rows);
        text.push_str(&format!("rows      {own}; {left} behind on all nodes\n"));
    }
    if report.apps.is_empty() {
        text.push_str("\nno application yet; for example: mainstem apply apps/retail\n");
        return text;
    }
    let apps = report.apps.iter().map(|app| {
        let version = app.version.clone().unwrap_or_default();
        vec![app.name.clone(), version, app.revision.to_string()]
    });
    let head = [
        ("application", false),
        ("version", false),
        ("revision", true),
    ];
    text.push_str(&format!("\n{}\n", table::render(&head, apps)));
    let streams = report.streams.iter().map(|stream| {
        vec![
            stream.name.clone(),
            stream.app.clone(),
            thousands(stream.history_rows.saturating_add(stream.log_rows)),
            thousands(stream.history_rows),
            size(stream.bytes),
            thousands(stream.dead_letters),
        ]
    });
    let head = [
        ("stream", false),
        ("application", false),
        ("rows", true),
        ("in history", true),
        ("size", true),
        ("dead letters", true),
    ];
    text.push_str(&format!("\n{}\n", table::render(&head, streams)));
    views(report, &mut text);
    text
}

/// Views, and what stands against any.
fn views(report: &Report, text: &mut String) {
    if !report.views.is_empty() {
        let rows = report.views.iter().map(|view| {
            let state = match (view.percent, view.remaining_seconds) {
                (Some(percent), Some(left)) => {
                    format!("{} {percent} %, {} left", view.state, duration(left))
                }
                (Some(percent), None) => format!("{} {percent} %", view.state),
                _ => view.state.clone(),
            };
            vec![
                view.name.clone(),
                view.app.clone(),
                state,
                format!("{} ms", thousands(view.behind_ms)),
                thousands(view.rows),
                ByteSize(view.state_bytes).to_string(),
                thousands(view.late),
                thousands(view.dead_letters),
            ]
        });
        let head = [
            ("view", false),
            ("application", false),
            ("state", false),
            ("behind", true),
            ("rows told", true),
            ("state", true),
            ("late", true),
            ("dead letters", true),
        ];
        text.push_str(&format!("\n{}\n", table::render(&head, rows)));
    }
    for app in &report.paused {
        let (name, problem) = (&app.name, &app.problem);
        text.push_str(&format!(
            "\napplication \"{name}\" stands still: {problem}\n"
        ));
    }
    for view in &report.views {
        if let Some(problem) = &view.problem {
            let name = &view.name;
            text.push_str(&format!("\nview \"{name}\" stands still: {problem}\n"));
        }
    }
}

/// `2 d 3 h`, `5 min 6 s`: the two largest units.
fn duration(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let parts = units.iter().scan(seconds, |rest, (unit, one)| {
        let n = *rest / one;
        *rest %= one;
        Some((n, unit))
    });
    let words: Vec<_> = parts
        .skip_while(|(n, _)| *n == 0)
        .take(2)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    if words.is_empty() {
        "0 s".to_owned()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_their_two_largest_units() {
        assert_eq!(duration(0), "0 s");
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(306), "5 min 6 s");
        assert_eq!(duration(183_600), "2 d 3 h");
    }
}
