//! Where the engines are, as settings of a node: `deploy/local-cluster.toml`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{
    form::{Form, Kind},
    kafka,
    place::Place,
};
use crate::shell;

const FILE: &str = "deploy/local-cluster.toml";

/// Writes the file, and gives its path from the repository's root.
pub(crate) fn write(place: &Place) -> Result<&'static str> {
    let path = path();
    let shared = place.shared();
    fs::create_dir_all(&shared).with_context(|| shared.display().to_string())?;
    fs::write(&path, text(place.form, &shared))
        .with_context(|| format!("could not write {}", path.display()))?;
    Ok(FILE)
}

/// Removes it: addresses at which nobody answers help nobody.
pub(crate) fn remove() -> Result<()> {
    match fs::remove_file(path()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn path() -> PathBuf {
    shell::root().join(FILE)
}

fn text(form: Form, shared: &Path) -> String {
    let addresses = |kind| -> String {
        let all = form
            .of_kind(kind)
            .map(|engine| format!("\"{}\"", engine.address));
        all.collect::<Vec<_>>().join(", ")
    };
    let (replicas, in_sync) = kafka::replication(form);
    let copies = if form.cassandras == 1 { 1 } else { 3 };
    format!(
        "\
# Written by `cargo xtask cluster up`; gone after `down`.
[cluster]
kafka = [{}]
kafka_replicas = {replicas}
kafka_in_sync_min = {in_sync}
cassandra = [{}]
cassandra_replicas = {copies}
spark = \"sc://{}\"
folder = \"{}\"
",
        addresses(Kind::Kafka),
        addresses(Kind::Cassandra),
        addresses(Kind::Spark).trim_matches('"'),
        shared.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_address_that_a_client_needs() {
        let form = Form {
            brokers: 3,
            cassandras: 3,
        };
        let text = text(form, Path::new("/w/shared"));
        for line in [
            "kafka = [\"127.0.0.1:19092\", \"127.0.0.1:19093\", \"127.0.0.1:19094\"]",
            "kafka_in_sync_min = 2",
            "cassandra = [\"127.0.0.1:19042\", \"127.0.0.2:19042\", \"127.0.0.3:19042\"]",
            "spark = \"sc://127.0.0.1:15002\"",
            "folder = \"/w/shared\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
