//! An application's folder: reads it, and shows mistakes in it with the lines they are on.
//!
//! It never parses SQL.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use mainstem_app::Source;
use mainstem_disk::{Disk, RealDisk};
use mainstem_kernel::AppName;
use serde::Deserialize;

use crate::{errors::CliError, failure::Failure};

/// File beside the SQL that may name the application.
const MANIFEST: &str = "mainstem.toml";

/// An application's folder as it was read.
#[derive(Debug)]
pub(crate) struct AppFolder {
    /// As it was typed.
    path: PathBuf,
    /// What is in it.
    pub(crate) source: Source,
}

/// `mainstem.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// Name of the application; the folder's if absent.
    name: Option<String>,
    /// Version of the application.
    version: Option<String>,
}

impl AppFolder {
    /// Reads all SQL files of a folder and its `mainstem.toml`.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let entries = RealDisk
            .list(path)
            .map_err(|source| unreadable(path, source))?;
        let mut files = BTreeMap::new();
        for entry in entries
            .into_iter()
            .filter(|e| !e.is_dir && e.name.ends_with(".sql"))
        {
            let text = read_text(&path.join(&entry.name))?;
            files.insert(entry.name, text);
        }
        if files.is_empty() {
            return Err(CliError::NoSql {
                folder: path.to_owned(),
            });
        }
        let manifest = read_manifest(path)?;
        let name = match manifest.name {
            Some(name) => name,
            None => folder_name(path)?,
        };
        let name = AppName::new(&name).map_err(|source| mistake(path, source.to_string()))?;
        let source = Source {
            name,
            version: manifest.version,
            files,
        };
        Ok(Self {
            path: path.to_owned(),
            source,
        })
    }

    /// Adds the line of the source to each problem that has a place in it.
    pub(crate) fn locate(&self, mut failure: Failure) -> Failure {
        for shown in &mut failure.problems {
            let Some(place) = &shown.position else {
                continue;
            };
            let Some(text) = self.source.files.get(&place.file) else {
                continue;
            };
            let shown_as = self.path.join(&place.file).display().to_string();
            shown.excerpt_from(text, &shown_as);
        }
        failure
    }
}

fn read_manifest(folder: &Path) -> Result<Manifest, CliError> {
    let path = folder.join(MANIFEST);
    match RealDisk.stat(&path) {
        Ok(None) => Ok(Manifest::default()),
        Ok(Some(_)) => toml::from_str(&read_text(&path)?)
            .map_err(|source| mistake(folder, format!("{MANIFEST}: {}", source.message()))),
        Err(source) => Err(unreadable(&path, source)),
    }
}

/// The folder's own name, also of `.` and `..`.
fn folder_name(path: &Path) -> Result<String, CliError> {
    let whole = std::path::absolute(path).map_err(|source| unreadable(path, source))?;
    let mut parts: Vec<_> = Vec::new();
    for part in whole.components() {
        match part {
            std::path::Component::ParentDir => drop(parts.pop()),
            std::path::Component::Normal(name) => parts.push(name.to_string_lossy()),
            _ => {}
        }
    }
    let name = parts.pop().unwrap_or_default();
    Ok(name.to_ascii_lowercase().replace('-', "_"))
}

/// A file of text.
pub(crate) fn read_text(path: &Path) -> Result<String, CliError> {
    let bytes = RealDisk
        .read(path)
        .map_err(|source| unreadable(path, source))?;
    String::from_utf8(bytes).map_err(|source| {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, source);
        unreadable(path, source)
    })
}

fn unreadable(path: &Path, source: std::io::Error) -> CliError {
    CliError::Read {
        path: path.to_owned(),
        source,
    }
}

fn mistake(folder: &Path, reason: String) -> CliError {
    CliError::Manifest {
        folder: folder.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_name_of_its_own_has_its_parents() {
        assert_eq!(
            folder_name(Path::new("/a/apps/My-Shop/")).unwrap(),
            "my_shop"
        );
        assert_eq!(folder_name(Path::new("/a/apps/shop/.")).unwrap(), "shop");
        assert_eq!(folder_name(Path::new("/a/apps/shop/x/..")).unwrap(), "shop");
    }
}
