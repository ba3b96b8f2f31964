//! `check`, `plan`, `apply`, `rollback`: from a folder of SQL to the server's definitions.

use std::io::{self, BufRead, IsTerminal, Write};

use mainstem_app::{Applied, Plan, Source, Step};
use serde_json::{Value, json};

use crate::{
    args::{Apply, Check, Rollback, Target},
    client::{Server, path_part},
    errors::CliError,
    failure::{Failure, Outcome},
    folder::AppFolder,
    screen::{self, Paint},
};

/// Finds the mistakes in an application, without a server.
pub(crate) fn check(options: &Check) -> Outcome {
    let app = AppFolder::read(&options.folder)?;
    match mainstem_app::check(&app.source) {
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
    let server = Server::find(target)?;
    let plan = ask_plan(&server, &app).await?;
    screen::print(tree(&plan, Paint::for_stdout()).as_bytes())?;
    if plan.steps.is_empty() {
        return Ok(());
    }
    confirm(options.yes)?;
    let path = format!("/v1/apps/{}/apply", path_part(plan.app.as_str()));
    let mut body = request_body(&app.source);
    body["fingerprint"] = json!(plan.fingerprint);
    let applied: Applied = server
        .post(&path, &body)
        .await
        .map_err(|failure| app.locate(failure))?;
    report(&applied);
    Ok(())
}

/// Shows the plan of going back, asks, and carries it out.
pub(crate) async fn rollback(target: &Target, options: &Rollback) -> Outcome {
    let server = Server::find(target)?;
    let path = format!("/v1/apps/{}/rollback", path_part(&options.app));
    let plan: Plan = server.post(&format!("{path}/plan"), &json!({})).await?;
    screen::print(tree(&plan, Paint::for_stdout()).as_bytes())?;
    if plan.steps.is_empty() {
        return Ok(());
    }
    confirm(options.yes)?;
    let applied: Applied = server
        .post(&path, &json!({ "fingerprint": plan.fingerprint }))
        .await?;
    report(&applied);
    Ok(())
}

async fn ask_plan(server: &Server, app: &AppFolder) -> Outcome<Plan> {
    let path = format!("/v1/apps/{}/plan", path_part(app.source.name.as_str()));
    let plan = server.post(&path, &request_body(&app.source)).await;
    plan.map_err(|failure| app.locate(failure))
}

/// What `plan` and `apply` take; without a version if there is none.
pub(crate) fn request_body(source: &Source) -> Value {
    let mut body = json!({ "files": source.files });
    if let Some(version) = &source.version {
        body["version"] = json!(version);
    }
    body
}

fn report(applied: &Applied) {
    let (app, revision) = (&applied.plan.app, applied.revision);
    screen::note(&format!("application \"{app}\" is at revision {revision}"));
}

/// Asks whoever sits at the terminal, unless they said yes beforehand.
fn confirm(yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(CliError::NotConfirmed);
    }
    drop(write!(io::stderr().lock(), "carry it out? [y/N] "));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|source| CliError::System { source })?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(CliError::NotConfirmed),
    }
}

/// A plan as a tree, ready to print.
fn tree(plan: &Plan, paint: Paint) -> String {
    let mut text = String::new();
    for drift in &plan.drift {
        text.push_str(&paint.yellow(&format!("! drift: {drift}\n")));
    }
    let app = paint.bold(&format!("application \"{}\"", plan.app));
    if plan.steps.is_empty() {
        text.push_str(&format!("{app}: nothing changes\n"));
        return text;
    }
    text.push_str(&format!("{app}\n"));
    for (i, step) in plan.steps.iter().enumerate() {
        let is_last = i + 1 == plan.steps.len();
        let (branch, below) = if is_last {
            ("└─", "   ")
        } else {
            ("├─", "│  ")
        };
        text.push_str(&format!("{branch} {}\n", headline(step, paint)));
        for line in &step.details {
            text.push_str(&format!("{below}   {}\n", coloured(line, paint)));
        }
    }
    text
}

fn headline(step: &Step, paint: Paint) -> String {
    let (sign, word) = (step.action.sign(), step.action.verb());
    let line = coloured(&format!("{sign} {word} {}", step.object), paint);
    match step.destructive {
        true => format!("{line} {}", paint.red("(loses data)")),
        false => line,
    }
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
    use expect_test::expect;
    use mainstem_app::Action;
    use mainstem_kernel::AppName;

    use super::*;

    #[test]
    fn a_plan_prints_as_a_tree() {
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
        expect![[r#"
            ! drift: stream "visits" has another retention
            application "shop"
            ├─ + create stream "orders"
            │     + column id TEXT NOT NULL
            └─ - drop stream "carts" (loses data)
        "#]]
        .assert_eq(&tree(&plan, Paint::plain()));
        let nothing = Plan {
            steps: vec![],
            drift: vec![],
            ..plan
        };
        assert_eq!(
            tree(&nothing, Paint::plain()),
            "application \"shop\": nothing changes\n"
        );
    }
}
