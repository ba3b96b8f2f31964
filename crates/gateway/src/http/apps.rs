//! Applications: list, plan, apply, rollback. What blocks runs on a thread that may.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_app::{AppError, Apps, Source};
use mainstem_kernel::{AppName, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    answer,
    call::{Call, Outcome, shorten},
    errors::HttpError,
    problem::Refusal,
};
use crate::AppStatus;

/// An application's files.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppSource {
    /// Version, for people.
    #[serde(default)]
    version: Option<String>,
    /// SQL files by name, read in the order of their names.
    files: BTreeMap<String, String>,
    /// Of the plan that is to be done; only for apply.
    #[serde(default)]
    fingerprint: Option<String>,
}

/// Which plan of a rollback is to be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// Of the plan.
    fingerprint: String,
}

/// `GET /v1/apps`.
pub(crate) async fn list(call: Call) -> Outcome {
    let definitions = call.door.parts.catalog.definitions();
    let own = definitions
        .apps
        .values()
        .filter(|app| app.tenant == call.tenant());
    let apps: Vec<_> = own
        .map(|app| AppStatus {
            name: app.name.to_string(),
            version: app.version.clone(),
            revision: app.revision,
        })
        .collect();
    Ok(answer::json(&apps))
}

/// `POST /v1/apps/{app}/plan`.
pub(crate) async fn plan(mut call: Call) -> Outcome {
    let name = app_name(&call)?;
    let sent: AppSource = call.json().await?;
    let source = Source {
        name,
        version: sent.version,
        files: sent.files,
    };
    run(&call, move |apps, tenant| apps.plan(tenant, &source)).await
}

/// `POST /v1/apps/{app}/apply`.
pub(crate) async fn apply(mut call: Call) -> Outcome {
    let name = app_name(&call)?;
    let sent: AppSource = call.json().await?;
    let fingerprint = sent.fingerprint.ok_or_else(|| HttpError::Json {
        reason: "missing field `fingerprint`, which the plan gives".to_owned(),
        place: None,
    })?;
    let source = Source {
        name,
        version: sent.version,
        files: sent.files,
    };
    let applied = run(&call, move |apps, tenant| {
        apps.apply(tenant, &source, &fingerprint)
    })
    .await;
    call.door.parts.control.definitions_changed();
    applied
}

/// `POST /v1/apps/{app}/rollback/plan`.
pub(crate) async fn plan_rollback(call: Call) -> Outcome {
    let name = call.name.clone();
    run(&call, move |apps, tenant| apps.plan_rollback(tenant, &name)).await
}

/// `POST /v1/apps/{app}/rollback`.
pub(crate) async fn rollback(mut call: Call) -> Outcome {
    let name = call.name.clone();
    let Rollback { fingerprint } = call.json().await?;
    let applied = run(&call, move |apps, tenant| {
        apps.rollback(tenant, &name, &fingerprint)
    })
    .await;
    call.door.parts.control.definitions_changed();
    applied
}

fn app_name(call: &Call) -> Result<AppName, HttpError> {
    AppName::new(&call.name).map_err(|error| HttpError::Value {
        what: "name of the application",
        expected: error.to_string(),
        found: shorten(&call.name),
    })
}

/// Runs what waits for the disk where it holds nobody up.
async fn run<T: Serialize + Send + 'static>(
    call: &Call,
    work: impl FnOnce(Arc<Apps>, TenantId) -> Result<T, AppError> + Send + 'static,
) -> Outcome {
    let (apps, tenant) = (Arc::clone(&call.door.parts.apps), call.tenant());
    let done = tokio::task::spawn_blocking(move || work(apps, tenant)).await;
    match done.map_err(|source| HttpError::Panicked { source })? {
        Ok(value) => Ok(answer::json(&value)),
        Err(error) => Err(refuse(error)),
    }
}

fn refuse(error: AppError) -> Refusal {
    let mistakes = match &error {
        AppError::Mistakes { problems, .. } => problems.clone(),
        _ => Vec::new(),
    };
    Refusal::from(error).with_problems(mistakes)
}
