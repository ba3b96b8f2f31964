//! `Node`: a running server; from a data folder to open doors, and back in reverse.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mainstem_admit::Admission;
use mainstem_gateway::GatewayParts;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch, task::JoinHandle};

use crate::{
    config::Config,
    errors::NodeError,
    folder::{DataFolder, KEY_FILE},
    lobby::Lobby,
    memory::Shares,
    parts::Parts,
    runtimes::Runtimes,
};

/// Requests under way have this long to finish.
const DRAIN_TIME_MAX: Duration = Duration::from_millis(2_500);
/// Each thread has this long to end after that; it is the last of five seconds.
const JOIN_TIME_MAX: Duration = Duration::from_millis(1_000);

/// How to start a node.
#[derive(Clone, Debug)]
pub struct Options {
    /// Data folder; made if absent.
    pub data: PathBuf,
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Settings.
    pub config: Config,
    /// What it runs on.
    pub engines: Engines,
}

/// What a node runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    /// Its own disk.
    Embedded,
    /// Kafka, Spark and Cassandra.
    Cluster,
}

/// What is behind the doors of a node.
pub(crate) trait Core: fmt::Debug + Send + Sync {
    /// Where requests go.
    fn doors(self: Arc<Self>, admin_key: Arc<str>) -> GatewayParts;
    /// Its data folder.
    fn folder(&self) -> &DataFolder;
    /// How memory is split.
    fn shares(&self) -> Shares;
    /// From now on nothing new is served.
    fn begin_stop(&self);
    /// Ends every part, each within so long.
    fn close(self: Arc<Self>, runtime: &Runtime, time_max: Duration);
    /// How long it has run.
    fn age(&self) -> Duration;
}

/// A running server.
#[derive(Debug)]
pub struct Node {
    core: Arc<dyn Core>,
    runtimes: Runtimes,
    address: SocketAddr,
    shutdown: watch::Sender<bool>,
    door: JoinHandle<io::Result<()>>,
}

impl Node {
    /// Opens a data folder and its doors. Requests that come while it recovers are told so.
    ///
    /// # Errors
    /// What stands against it; nothing is left running.
    pub fn start(options: Options) -> Result<Self, NodeError> {
        let folder = DataFolder::open(Arc::new(mainstem_disk::RealDisk), &options.data)?;
        let admin_key = folder.key()?;
        let http = options.config.http(Shares::split(&options.config)?);
        let runtimes = Runtimes::start()?;
        let runtime = &runtimes.doors;
        let (listener, address) = listen(runtime, options.listen)?;
        let lobby = Lobby::open(runtime, Arc::clone(&listener));
        let opened = open(folder, options, &runtimes);
        lobby.close(runtime);
        let core = opened?;
        let (shutdown, stop) = watch::channel(false);
        let doors = Arc::clone(&core).doors(admin_key);
        let door = runtime.spawn(async move {
            let listener = Arc::into_inner(listener)
                .ok_or_else(|| io::Error::other("the listener is still in use"))?;
            mainstem_gateway::serve_http(doors, http, listener, stop).await
        });
        let node = Self {
            core,
            runtimes,
            address,
            shutdown,
            door,
        };
        node.core.folder().write_endpoint(&node.url())?;
        tracing::info!(%address, data = %node.data().display(), "doors opened");
        Ok(node)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where commands on this machine reach it.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = self.address.ip();
        let port = self.address.port();
        match (ip.is_unspecified(), ip.is_ipv6()) {
            (true, false) => format!("http://127.0.0.1:{port}"),
            (true, true) => format!("http://[::1]:{port}"),
            _ => format!("http://{}", self.address),
        }
    }

    /// The data folder, absolute.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.core.folder().path()
    }

    /// The file of the key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.data().join(KEY_FILE)
    }

    /// How memory is split.
    #[must_use]
    pub fn shares(&self) -> Shares {
        self.core.shares()
    }

    /// Whether the door has broken: nobody can reach the node any more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.door.is_finished()
    }

    /// Drains and closes within five seconds: no new requests, those under way are answered,
    /// what is acknowledged is on disk. What cannot end in time is left to the end of the process;
    /// recovery knows it.
    ///
    /// # Errors
    /// `Door` when the door had broken before.
    pub fn stop(self) -> Result<(), NodeError> {
        let Self {
            core,
            runtimes,
            shutdown,
            door,
            ..
        } = self;
        let runtime = &runtimes.doors;
        core.begin_stop();
        shutdown.send_replace(true);
        let drained = runtime.block_on(async { tokio::time::timeout(DRAIN_TIME_MAX, door).await });
        let outcome = match drained {
            Ok(Ok(served)) => served.map_err(|source| NodeError::Door { source }),
            Ok(Err(panic)) => Err(NodeError::Door {
                source: io::Error::other(panic),
            }),
            Err(_elapsed) => {
                tracing::warn!("requests were still under way after the time to drain");
                Ok(())
            }
        };
        Arc::clone(&core).close(runtime, JOIN_TIME_MAX);
        core.folder().remove_endpoint();
        tracing::info!(took = ?core.age(), "stopped");
        runtimes.shutdown(Duration::from_millis(100));
        outcome
    }
}

/// Opens what is behind the doors.
fn open(
    folder: DataFolder,
    options: Options,
    runtimes: &Runtimes,
) -> Result<Arc<dyn Core>, NodeError> {
    match options.engines {
        Engines::Embedded => Ok(Parts::open(folder, options.config, runtimes)?),
        #[cfg(feature = "cluster")]
        Engines::Cluster => Ok(crate::cluster::ClusterParts::open(
            folder,
            options.config,
            runtimes,
        )?),
        #[cfg(not(feature = "cluster"))]
        Engines::Cluster => Err(NodeError::Unable),
    }
}

/// Waits for what is being admitted, but not for ever.
pub(crate) fn close_admission(admission: &Arc<Admission>, runtime: &Runtime, time_max: Duration) {
    let closing = Arc::clone(admission);
    let closed = runtime.spawn_blocking(move || closing.close());
    let closed = runtime.block_on(async { tokio::time::timeout(time_max, closed).await });
    if closed.is_err() {
        tracing::warn!("rows were still being admitted at the end; they were not acknowledged");
    }
}

/// Takes the address before anything is recovered, so that a wrong one is named at once.
fn listen(
    runtime: &Runtime,
    address: SocketAddr,
) -> Result<(Arc<TcpListener>, SocketAddr), NodeError> {
    let fail = |source| NodeError::Listen { address, source };
    let listener = runtime.block_on(TcpListener::bind(address)).map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((Arc::new(listener), bound))
}
