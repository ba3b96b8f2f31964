//! From a plan that was shown and confirmed to what was done: a plan that was overtaken is made
//! again. Nothing is carried out that nobody has agreed to.

use std::io::{self, BufRead, IsTerminal, Write};

use mainstem_app::{Applied, Plan};
use mainstem_kernel::Code;
use serde_json::{Value, json};

use super::tree;
use crate::{
    client::Server,
    errors::CliError,
    failure::{Failure, Outcome},
    folder::AppFolder,
    screen::{self, Paint},
};

/// Times that a plan is made, at most: views that were built are swapped in by themselves, and then
/// a plan from before may be another.
const PLANS_MAX: usize = 5;

/// What an application is to be.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// Where it is planned, and where that is carried out.
    pub(super) paths: [String; 2],
    pub(super) body: Value,
    /// Its files, if it has any here.
    pub(super) app: Option<&'a AppFolder>,
}

/// Shows the plan, asks unless `yes` was said beforehand, and carries it out; nothing if there is
/// nothing to do.
pub(super) async fn out(
    server: &Server,
    wanted: &Wanted<'_>,
    yes: bool,
) -> Outcome<Option<Applied>> {
    let mut plan = wanted.plan(server).await?;
    show(&plan)?;
    if plan.steps.is_empty() {
        return Ok(None);
    }
    confirm(yes)?;
    for _ in 1..PLANS_MAX {
        match wanted.perform(server, &plan).await {
            Err(failure) if failure.is(Code::App011) => {
                let next = wanted.plan(server).await?;
                let is_same = (&next.steps, &next.drift) == (&plan.steps, &plan.drift);
                if !is_same && !yes {
                    return Err(failure);
                }
                if !is_same {
                    show(&next)?;
                }
                if next.steps.is_empty() {
                    return Ok(None);
                }
                plan = next;
            }
            done => return done.map(Some),
        }
    }
    wanted.perform(server, &plan).await.map(Some)
}

impl Wanted<'_> {
    async fn plan(&self, server: &Server) -> Outcome<Plan> {
        let [path, _] = &self.paths;
        let plan = server.post(path, &self.body).await;
        plan.map_err(|failure| self.locate(failure))
    }

    async fn perform(&self, server: &Server, plan: &Plan) -> Outcome<Applied> {
        let [_, path] = &self.paths;
        let mut body = self.body.clone();
        body["fingerprint"] = json!(plan.fingerprint);
        let applied: Outcome<Applied> = server.post(path, &body).await;
        let applied = applied.map_err(|failure| self.locate(failure))?;
        let (app, revision) = (&applied.plan.app, applied.revision);
        screen::note(&format!("application \"{app}\" is at revision {revision}"));
        Ok(applied)
    }

    fn locate(&self, failure: Failure) -> Failure {
        match self.app {
            Some(app) => app.locate(failure),
            None => failure,
        }
    }
}

fn show(plan: &Plan) -> Outcome {
    Ok(screen::print(tree(plan, Paint::for_stdout()).as_bytes())?)
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

#[cfg(test)]
mod tests;
