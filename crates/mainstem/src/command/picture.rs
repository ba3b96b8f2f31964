//! `explain`: how a view or a question is computed, as a tree; and views and applications as pictures.

mod errors;

use std::{path::Path, time::Duration};

use mainstem_app::{
    AnyEngine, Checked,
    graph::{Graph, app_graph, view_graph},
    picture,
};
use mainstem_disk::{RealDisk, write_durably};
use mainstem_kernel::TenantId;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::{
    args::{Explain, Target},
    client::{Server, path_part},
    failure::{Failure, Outcome},
    folder::AppFolder,
    screen,
};
use errors::ExplainError;

/// Between two looks at a server: what came between them is the rate.
const LOOK: Duration = Duration::from_secs(1);

/// The lines of a plan.
#[derive(Debug, Deserialize)]
struct Lines {
    columns: Vec<Column>,
    rows: Vec<Vec<Option<String>>>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
}

/// Prints a plan, or draws one.
pub(crate) async fn explain(target: &Target, options: &Explain) -> Outcome {
    // The command line asks for it where there is no folder.
    let what = options.what.as_deref().unwrap_or_default();
    let text = match (&options.folder, options.svg) {
        (Some(folder), _) => of_folder(folder, options)?,
        (None, true) => picture::svg(&graph(target, what).await?),
        (None, false) => lines(target, what).await?,
    };
    match &options.output {
        None => Ok(screen::print(text.as_bytes())?),
        Some(path) => write(path, &text),
    }
}

fn write(path: &Path, text: &str) -> Outcome {
    let whole = std::path::absolute(path);
    let written = whole.and_then(|whole| write_durably(&RealDisk, &whole, text.as_bytes()));
    Ok(written.map_err(|source| ExplainError::Write {
        path: path.to_owned(),
        source,
    })?)
}

/// What a server says of a view, or of a question.
async fn lines(target: &Target, what: &str) -> Outcome<String> {
    let server = Server::find(target)?;
    let query = match is_question(what) {
        true => format!("EXPLAIN {what}"),
        false => format!("EXPLAIN VIEW \"{}\"", what.replace('"', "\"\"")),
    };
    let answer: Lines = server.post("/v1/sql", &json!({ "query": query })).await?;
    Ok(told(&answer))
}

/// Whether it is a statement, not a name.
fn is_question(what: &str) -> bool {
    what.trim().contains(char::is_whitespace)
}

/// Lines as they are; before those of another plan, which it is.
fn told(answer: &Lines) -> String {
    let mut out = String::new();
    let mut before: Option<&str> = None;
    let is_many = answer
        .columns
        .first()
        .is_some_and(|column| column.name == "plan_type");
    for row in &answer.rows {
        let line = row.last().cloned().flatten().unwrap_or_default();
        let kind = row.first().and_then(Option::as_deref).filter(|_| is_many);
        if let Some(kind) = kind.filter(|kind| before != Some(kind)) {
            let gap = if before.is_some() { "\n" } else { "" };
            out.push_str(&format!("{gap}{}:\n", kind.replace('_', " ")));
            before = Some(kind);
        }
        let indent = if is_many { "  " } else { "" };
        out.push_str(&format!("{indent}{line}\n"));
    }
    out
}

/// The graph of a view, or of an application, as a server has it. It is looked at twice.
async fn graph(target: &Target, what: &str) -> Outcome<Graph> {
    let server = Server::find(target)?;
    let view = format!("/v1/views/{}/graph", path_part(what));
    let app = format!("/v1/apps/{}/graph", path_part(what));
    let (path, refused) = match server.get::<Graph>(&view).await {
        Ok(_) => (view, None),
        Err(failure) => (app, Some(failure)),
    };
    if let Some(failure) = refused {
        // It is no application either: then it was meant to be a view.
        let request = server.request(Method::GET, &path);
        server.send(request).await.map_err(|_neither| failure)?;
    }
    tokio::time::sleep(LOOK).await;
    server.get(&path).await
}

/// The same of a folder that nobody runs.
fn of_folder(folder: &Path, options: &Explain) -> Outcome<String> {
    let app = AppFolder::read(folder)?;
    let checked = mainstem_app::checked(&app.source, &AnyEngine);
    let checked = checked.map_err(|problems| app.locate(Failure::all(problems)))?;
    let view = match &options.what {
        None => None,
        Some(name) => {
            let view = checked.definitions.view(TenantId::ONLY, name);
            Some(view.ok_or_else(|| no_view(&app, &checked, name))?)
        }
    };
    if options.svg {
        let name = &app.source.name;
        let graph = match view {
            Some(view) => view_graph(&checked.definitions, view),
            None => app_graph(&checked.definitions, TenantId::ONLY, name),
        };
        return Ok(picture::svg(&graph.map_err(Failure::all)?));
    }
    let views = checked.views.iter();
    let wanted = views.filter(|one| view.is_none_or(|view| view.spec.name == one.name));
    let trees = wanted.map(|one| {
        let lines = one.plan.tree(one.name.as_str(), &checked.definitions);
        format!("{}\n", lines.join("\n"))
    });
    Ok(trees.collect::<Vec<_>>().join("\n"))
}

fn no_view(app: &AppFolder, checked: &Checked, name: &str) -> ExplainError {
    let views = checked.views.iter().map(|view| view.name.to_string());
    ExplainError::NoView {
        app: app.source.name.to_string(),
        name: name.to_owned(),
        views: views.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_told_from_a_name() {
        assert!(is_question("SELECT 1"));
        assert!(!is_question(" minute_by_vehicle "));
    }

    #[test]
    fn plans_are_set_apart_and_lines_stay_as_they_are() {
        let lines = |columns: &[&str], rows: &[&[&str]]| {
            let columns = columns.iter().map(|name| Column {
                name: (*name).to_owned(),
            });
            let rows = rows.iter();
            told(&Lines {
                columns: columns.collect(),
                rows: rows
                    .map(|row| row.iter().map(|text| Some((*text).to_owned())).collect())
                    .collect(),
            })
        };
        assert_eq!(
            lines(&["plan"], &[&["view a"], &["└─ x"]]),
            "view a\n└─ x\n"
        );
        let plans: [&[&str]; 3] = [
            &["logical_plan", "a"],
            &["logical_plan", "  b"],
            &["physical_plan", "c"],
        ];
        assert_eq!(
            lines(&["plan_type", "plan"], &plans),
            "logical plan:\n  a\n    b\n\nphysical plan:\n  c\n"
        );
    }
}
