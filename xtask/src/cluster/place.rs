//! Where everything of a local cluster lies, and what starts it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{
    form::{Engine, Form, Kind},
    java, packages,
};
use crate::bench::target_folder;

/// How the processes of this cluster are told from all others: a setting that Java ignores.
const MARKER: &str = "-Dmainstem.engine=";

/// The folders of one form.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) form: Form,
    /// `target/cluster`.
    pub(crate) root: PathBuf,
    /// The form's own folder in it.
    pub(crate) base: PathBuf,
}

impl Place {
    pub(crate) fn new(form: Form) -> Result<Self> {
        let root = root()?;
        let base = root.join(form.folder());
        Ok(Self { form, root, base })
    }

    /// The folder of an engine: its settings, its data and its log.
    pub(crate) fn folder(&self, engine: &Engine) -> PathBuf {
        self.base.join(engine.name())
    }

    /// What Spark and all nodes share: history, and what Spark remembers.
    pub(crate) fn shared(&self) -> PathBuf {
        self.base.join("shared")
    }

    /// What it has said since it was started.
    pub(crate) fn log(&self, engine: &Engine) -> PathBuf {
        self.folder(engine).join("log")
    }

    /// The word in its command line by which its process is found again.
    pub(crate) fn marker(&self, engine: &Engine) -> String {
        format!("{MARKER}{}", self.folder(engine).display())
    }
}

/// The folder of all forms and packages.
pub(crate) fn root() -> Result<PathBuf> {
    Ok(Path::new(&target_folder()?).join("cluster"))
}

/// The folder of the engine whose command line this is, if it is one of those under `root`.
pub(crate) fn marked(line: &str, root: &Path) -> Option<PathBuf> {
    let word = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix(MARKER))?;
    let folder = PathBuf::from(word);
    folder.starts_with(root).then_some(folder)
}

/// What starts the engines.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) java: PathBuf,
    /// Class paths.
    pub(crate) kafka: OsString,
    pub(crate) cassandra: OsString,
    pub(crate) spark_home: PathBuf,
    pub(crate) spark_jars: Vec<PathBuf>,
}

impl Tools {
    /// Finds Java and every package; fetches what is not there.
    pub(crate) fn find(root: &Path) -> Result<Self> {
        let java = java::find()?;
        let packages = root.join("packages");
        let class_path = |kind| -> Result<OsString> {
            Ok(std::env::join_paths(packages::jars(kind, &packages)?)?)
        };
        let kafka = class_path(Kind::Kafka)?;
        let cassandra = class_path(Kind::Cassandra)?;
        let spark_home = packages::spark_home(&packages)?;
        let spark_jars = packages::jars(Kind::Spark, &packages)?;
        let spark_jars = packages::beside_spark(spark_jars, &spark_home)?;
        Ok(Self {
            java,
            kafka,
            cassandra,
            spark_home,
            spark_jars,
        })
    }

    /// The jar with which Cassandra measures its objects.
    pub(crate) fn jamm(&self) -> Result<PathBuf> {
        std::env::split_paths(&self.cassandra)
            .find(|jar| {
                let name = jar.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with("jamm-")
            })
            .context("jamm is not among Cassandra's packages")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_own_processes_only() {
        let root = Path::new("/w/target/cluster");
        let ours = "java -Dmainstem.engine=/w/target/cluster/1-1/kafka-1 -Xmx1g kafka.Kafka";
        assert_eq!(marked(ours, root), Some(root.join("1-1/kafka-1")));
        let others = "java -Dmainstem.engine=/v/target/cluster/1-1/kafka-1 kafka.Kafka";
        assert_eq!(marked(others, root), None);
        assert_eq!(marked("grep kafka", root), None);
    }
}
