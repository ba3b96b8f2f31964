//! `backup` and `restore`.

use mainstem_gateway::BackupSummary;
use mainstem_kernel::ByteSize;
use serde_json::json;

use crate::{
    args::{Backup, Restore, Target},
    client::{DATA_DEFAULT, Server},
    errors::CliError,
    failure::Outcome,
    screen::{self, thousands},
};

/// Has the server write a consistent copy of itself.
pub(crate) async fn backup(target: &Target, options: &Backup) -> Outcome {
    let server = Server::find(target)?;
    // The server runs in another folder than this command.
    let folder = std::path::absolute(&options.to).map_err(|source| CliError::Read {
        path: options.to.clone(),
        source,
    })?;
    let body = json!({ "folder": folder });
    let request = server.post("/v1/backup", &body);
    let done: BackupSummary = screen::while_waiting("copying and verifying", request).await?;
    screen::note(&format!(
        "backup is in {}: {} files, {}, verified, up to position {}",
        done.folder.display(),
        thousands(done.files),
        ByteSize(done.bytes),
        done.position
    ));
    Ok(())
}

/// Makes a data folder from a backup; no server is asked.
pub(crate) async fn restore(target: &Target, options: &Restore) -> Outcome {
    let data = target.data.clone().unwrap_or_else(|| DATA_DEFAULT.into());
    let (from, to) = (options.from.clone(), data.clone());
    let work = tokio::task::spawn_blocking(move || mainstem_node::restore(&from, &to));
    let done = screen::while_waiting("copying and verifying", work)
        .await
        .map_err(|source| CliError::System {
            source: source.into(),
        })??;
    screen::note(&format!(
        "restored {} files, {}, verified, up to position {}; next: mainstem serve --data {}",
        thousands(done.files),
        ByteSize(done.bytes),
        done.position,
        data.display()
    ));
    Ok(())
}
