//! `check`, `plan`, `apply`, `rollback`: from a folder of SQL to the server's definitions.

mod carry;
mod live;

use mainstem_app::{Applied, OneMachine, Piece, Plan, Source};
use serde_json::{Value, json};

use crate::{
    args::{Apply, Check, Rollback, Target},
    client::{Server, path_part},
    failure::{Failure, Outcome},
    folder::AppFolder,
    screen::{self, Paint},
};
use carry::Wanted;

/// Finds the mistakes in an application, without a server.
pub(crate) fn check(options: &Check) -> Outcome {
    let app = AppFolder::read(&options.folder)?;
    match mainstem_app::check(&app.source, &OneMachine) {
        Ok(()) => {
            let files = app.source.files.len();
            let s = if files == 1 { "" } else { "s" };
            screen::note(&format!(
                "application \"{}\": {files} file{s}, no mistakes",
                app.source.name
            ));
            Ok(())
        }
        Err(problems) => Err(app.locate(Failure::all(problems))),
    }
}

/// Shows what an apply would change.
pub(crate) async fn plan(target: &Target, options: &Check) -> Outcome {
    let app = AppFolder::read(&options.folder)?;
    let server = Server::find(target)?;
    let plan = ask_plan(&server, &app).await?;
    Ok(screen::print(tree(&plan, Paint::for_stdout()).as_bytes())?)
}

/// Shows the plan, asks, and carries it out.
pub(crate) async fn apply(target: &Target, options: &Apply) -> Outcome {
    let app = AppFolder::read(&options.folder)?;
    let path = format!("/v1/apps/{}", path_part(app.source.name.as_str()));
    let wanted = Wanted {
        paths: [format!("{path}/plan"), format!("{path}/apply")],
        body: request_body(&app.source),
        app: Some(&app),
    };
    let server = Server::find(target)?;
    match carry::out(&server, &wanted, options.yes).await? {
        Some(applied) => until_live(&server, &applied, options.no_wait).await,
        None => Ok(()),
    }
}

/// Shows the plan of going back, asks, and carries it out.
pub(crate) async fn rollback(target: &Target, options: &Rollback) -> Outcome {
    let path = format!("/v1/apps/{}/rollback", path_part(&options.app));
    let wanted = Wanted {
        paths: [format!("{path}/plan"), path],
        body: json!({}),
        app: None,
    };
    let server = Server::find(target)?;
    match carry::out(&server, &wanted, options.yes).await? {
        Some(applied) => until_live(&server, &applied, options.no_wait).await,
        None => Ok(()),
    }
}

async fn ask_plan(server: &Server, app: &AppFolder) -> Outcome<Plan> {
    let path = format!("/v1/apps/{}/plan", path_part(app.source.name.as_str()));
    let plan = server.post(&path, &request_body(&app.source)).await;
    plan.map_err(|failure| app.locate(failure))
}

/// Applies without asking, and waits until all of it can be asked.
pub(crate) async fn apply_at(server: &Server, source: &Source) -> Outcome {
    let path = format!("/v1/apps/{}", path_part(source.name.as_str()));
    let mut body = request_body(source);
    let plan: Plan = server.post(&format!("{path}/plan"), &body).await?;
    body["fingerprint"] = json!(plan.fingerprint);
    let applied: Applied = server.post(&format!("{path}/apply"), &body).await?;
    live::wait(server, applied.plan.app.as_str()).await
}

/// What `plan` and `apply` take; without a version if there is none.
pub(crate) fn request_body(source: &Source) -> Value {
    let mut body = json!({ "files": source.files });
    if let Some(version) = &source.version {
        body["version"] = json!(version);
    }
    body
}

/// Waits for what was applied, unless it was said not to.
async fn until_live(server: &Server, applied: &Applied, no_wait: bool) -> Outcome {
    match no_wait {
        true => Ok(()),
        false => live::wait(server, applied.plan.app.as_str()).await,
    }
}

/// A plan as a tree, ready to print.
fn tree(plan: &Plan, paint: Paint) -> String {
    plan.tree(|piece, text| match piece {
        Piece::Drift => paint.yellow(text),
        Piece::Title => paint.bold(text),
        Piece::Change => coloured(text, paint),
        Piece::Loss => paint.red(text),
    })
}

/// Green for what comes, yellow for what changes, red for what goes.
fn coloured(line: &str, paint: Paint) -> String {
    match line.trim_start().chars().next() {
        Some('+') => paint.green(line),
        Some('~') => paint.yellow(line),
        Some('-') => paint.red(line),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mainstem_app::{Action, Step};
    use mainstem_kernel::AppName;

    use super::*;

    #[test]
    fn what_comes_is_green_and_what_is_lost_red() {
        let step = |action, object: &str, details: &[&str], destructive| Step {
            action,
            object: object.to_owned(),
            details: details.iter().map(|&line| line.to_owned()).collect(),
            destructive,
        };
        let plan = Plan {
            app: AppName::new("shop").unwrap(),
            fingerprint: "f".to_owned(),
            steps: vec![
                step(
                    Action::Create,
                    "stream \"orders\"",
                    &["+ column id TEXT NOT NULL"],
                    false,
                ),
                step(Action::Drop, "stream \"carts\"", &[], true),
            ],
            drift: vec!["stream \"visits\" has another retention".to_owned()],
        };
        assert_eq!(tree(&plan, Paint::plain()), plan.text());
        let lines = [
            "\u{1b}[33m! drift: stream \"visits\" has another retention\u{1b}[0m",
            "\u{1b}[1mapplication \"shop\"\u{1b}[0m",
            "├─ \u{1b}[32m+ create stream \"orders\"\u{1b}[0m",
            "│     \u{1b}[32m+ column id TEXT NOT NULL\u{1b}[0m",
            "└─ \u{1b}[31m- drop stream \"carts\"\u{1b}[0m \u{1b}[31m(loses data)\u{1b}[0m",
        ];
        let coloured = tree(&plan, Paint::coloured());
        assert_eq!(coloured.lines().collect::<Vec<_>>(), lines);
    }
}
