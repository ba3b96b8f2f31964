//! `Trial`: a node of many that nobody else is to meet, and whose traces are deleted: on the engines
//! of the settings, under names that are its own.
//!
//! It takes no shortcut: what is applied, sent and asked goes through the doors of a node.

use std::path::{Path, PathBuf};
#[cfg(feature = "cluster")]
use std::sync::Arc;

use mainstem_disk::{Disk, RealDisk};

use crate::{
    config::Config,
    errors::NodeError,
    node::{Engines, Node, Options},
};

/// Where it listens: any port, for this machine alone.
const LISTEN: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A node of many under names of its own.
#[derive(Debug)]
pub struct Trial {
    config: Config,
    data: PathBuf,
    node: Option<Node>,
}

impl Trial {
    /// Starts it; `name` tells it from all others that are tried at once.
    ///
    /// # Errors
    /// What stands against a node.
    pub fn start(mut config: Config, name: &str) -> Result<Self, NodeError> {
        let cluster = &mut config.cluster;
        cluster.topic_prefix = format!("{}-trial-{name}", cluster.topic_prefix);
        cluster.keyspace = format!("trial_{name}");
        let data = std::env::temp_dir().join(format!("mainstem-trial-{name}"));
        let mut trial = Self {
            config,
            data,
            node: None,
        };
        trial.open()?;
        Ok(trial)
    }

    fn open(&mut self) -> Result<(), NodeError> {
        self.node = Some(Node::start(Options {
            data: self.data.clone(),
            listen: LISTEN,
            config: self.config.clone(),
            engines: Engines::Cluster,
        })?);
        Ok(())
    }

    /// Stops the node and starts another one in its place.
    ///
    /// # Errors
    /// What stands against a node.
    pub fn restart(&mut self) -> Result<(), NodeError> {
        if let Some(node) = self.node.take() {
            node.stop()?;
        }
        self.open()
    }

    /// The folder in which clients find its address and its key.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Stops it, and deletes its queries, topics, tables and files.
    ///
    /// # Errors
    /// What is left behind.
    pub fn end(mut self) -> Result<(), NodeError> {
        let stopped = self.node.take().map_or(Ok(()), Node::stop);
        let forgotten = self.forget();
        self.remove(&self.data);
        let folder = &self.config.cluster.folder;
        let folder = Path::new(folder.strip_prefix("file://").unwrap_or(folder));
        if folder.is_absolute() {
            self.remove(&folder.join(&self.config.cluster.topic_prefix));
        }
        stopped.and(forgotten)
    }

    #[cfg(feature = "cluster")]
    fn forget(&self) -> Result<(), NodeError> {
        use mainstem_kernel::{metrics::Metrics, spawn::SharedSpawn};

        let runtimes = crate::runtimes::Runtimes::start()?;
        let runtime = runtimes.doors.handle();
        let shares = crate::memory::Shares::split(&self.config)?;
        let engines = self.config.cluster(shares)?;
        let spawn: SharedSpawn =
            crate::supervisor::Supervisor::new(runtime.clone(), Metrics::new());
        let forgotten = mainstem_cluster::forget(&engines, spawn, runtime);
        runtimes.shutdown(std::time::Duration::from_millis(100));
        forgotten.map_err(|error| NodeError::Cluster(Arc::new(error)))
    }

    #[cfg(not(feature = "cluster"))]
    fn forget(&self) -> Result<(), NodeError> {
        Err(NodeError::Unable)
    }

    /// What cannot be removed is empty of rows, and named.
    fn remove(&self, folder: &Path) {
        if let Err(error) = RealDisk.remove_dirs(folder) {
            tracing::warn!(folder = %folder.display(), %error, "left behind");
        }
    }
}
