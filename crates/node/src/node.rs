//! `Node`: a running server; from a data folder to open doors, and back in reverse.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use mainstem_gateway::{GatewayParts, Local};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch, task::JoinHandle};

use crate::{
    care,
    config::Config,
    control::NodeControl,
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
}

/// A running server.
#[derive(Debug)]
pub struct Node {
    parts: Arc<Parts>,
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
        let opened = Parts::open(folder, options.config, &runtimes);
        lobby.close(runtime);
        let parts = opened?;
        care::start(&parts)?;
        let (shutdown, stop) = watch::channel(false);
        let doors = GatewayParts {
            admission: Arc::clone(&parts.admission),
            questions: Arc::<mainstem_sql::Engine>::clone(&parts.engine),
            apps: Arc::clone(&parts.apps),
            catalog: Arc::clone(&parts.catalog),
            local: Some(Local {
                log: parts.journal.log(),
                engine: Arc::clone(&parts.engine),
            }),
            control: Arc::new(NodeControl(Arc::clone(&parts))),
            clock: Arc::clone(&parts.clock),
            spawn: Arc::<crate::supervisor::Supervisor>::clone(&parts.supervisor),
            metrics: Arc::clone(&parts.metrics),
            admin_key,
        };
        let door = runtime.spawn(async move {
            let listener = Arc::into_inner(listener)
                .ok_or_else(|| io::Error::other("the listener is still in use"))?;
            mainstem_gateway::serve_http(doors, http, listener, stop).await
        });
        let node = Self {
            parts,
            runtimes,
            address,
            shutdown,
            door,
        };
        node.parts.folder.write_endpoint(&node.url())?;
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
        self.parts.data()
    }

    /// The file of the key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.data().join(KEY_FILE)
    }

    /// How memory is split.
    #[must_use]
    pub fn shares(&self) -> Shares {
        self.parts.shares
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
            parts,
            runtimes,
            shutdown,
            door,
            ..
        } = self;
        let runtime = &runtimes.doors;
        parts.health.stop();
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
        close_admission(&parts, runtime);
        parts.applications.close(&parts.supervisor, JOIN_TIME_MAX);
        for thread in [care::CARE_THREAD, care::HISTORY_THREAD] {
            if !parts.supervisor.join_within(thread, JOIN_TIME_MAX) {
                tracing::warn!(thread, "thread was still at work at the end");
            }
        }
        parts.journal.close(JOIN_TIME_MAX);
        parts.folder.remove_endpoint();
        tracing::info!(took = ?parts.clock.monotonic().saturating_sub(parts.started), "stopped");
        runtimes.shutdown(Duration::from_millis(100));
        outcome
    }
}

/// Waits for what is being admitted, but not for ever.
fn close_admission(parts: &Arc<Parts>, runtime: &Runtime) {
    let closing = Arc::clone(parts);
    let closed = runtime.spawn_blocking(move || closing.admission.close());
    let closed = runtime.block_on(async { tokio::time::timeout(JOIN_TIME_MAX, closed).await });
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
