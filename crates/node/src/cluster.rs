//! A node on Kafka, Spark and Cassandra: doors that keep nothing, and the roles that it was given.
//!
//! It opens with Kafka alone, because definitions are there. The other engines are looked for while
//! it runs: an engine that is away holds up what needs it and nothing else.

mod control;
mod feeds;
mod follow;
mod questions;
mod roles;

use std::{sync::Arc, time::Duration};

use mainstem_admit::{Admission, IntakeParts};
use mainstem_app::Apps;
use mainstem_catalog::Catalog;
use mainstem_cluster::{
    ClusterConfig,
    feeds::Feeds,
    kafka::{DefinitionLog, FindStream, KafkaConfig, Writer},
};
use mainstem_gateway::GatewayParts;
use mainstem_kernel::{
    clock::{SharedClock, SystemClock},
    metrics::Metrics,
    spawn::{SharedSpawn, Spawn},
};
use mainstem_log::SharedIntake;
use tokio::runtime::{Handle, Runtime};

use self::{control::ClusterControl, feeds::ClusterFeeds, questions::Asked, roles::Roles};
use crate::{
    config::{ClusterLimits, Config},
    errors::NodeError,
    folder::DataFolder,
    health::Health,
    memory::Shares,
    node::{Core, close_admission},
    runtimes::Runtimes,
    supervisor::Supervisor,
    terms::BeyondOneMachine,
};

/// Everything that runs in a node of many.
#[derive(Debug)]
pub(crate) struct ClusterParts {
    config: ClusterConfig,
    /// Kafka as doors ask it: clients wait for less than all else does.
    doors: KafkaConfig,
    limits: ClusterLimits,
    shares: Shares,
    folder: DataFolder,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    supervisor: Arc<Supervisor>,
    health: Arc<Health>,
    log: Arc<DefinitionLog>,
    catalog: Arc<Catalog>,
    intake: SharedIntake,
    admission: Arc<Admission>,
    apps: Arc<Apps>,
    questions: Arc<Asked>,
    feeds: Arc<Feeds>,
    roles: Roles,
    runtime: Handle,
    /// Tells this run of this node from all others.
    instance: String,
    started: Duration,
}

impl ClusterParts {
    /// Opens everything of a node.
    pub(crate) fn open(
        folder: DataFolder,
        config: Config,
        runtimes: &Runtimes,
    ) -> Result<Arc<Self>, NodeError> {
        let shares = Shares::split(&config)?;
        let engines = config.cluster(shares)?;
        let limits = config.cluster_limits(shares, &engines);
        let clock: SharedClock = Arc::new(SystemClock);
        let started = clock.monotonic();
        let metrics = Metrics::new();
        let supervisor = Supervisor::new(runtimes.doors.handle().clone(), Arc::clone(&metrics));
        let health = Health::new(Arc::clone(&supervisor));
        let log = DefinitionLog::open(&engines.kafka).map_err(away)?;
        let catalog = Catalog::open(Arc::<DefinitionLog>::clone(&log))?;
        let spawn: SharedSpawn = Arc::<Supervisor>::clone(&supervisor);
        let doors = KafkaConfig {
            acknowledge_max: config.cluster.append_max.0,
            ..engines.kafka.clone()
        };
        let intake = Writer::open(&doors, streams_of(&catalog), Arc::clone(&clock));
        let intake: SharedIntake = Arc::new(intake.map_err(away)?);
        let admission = Admission::over(
            IntakeParts {
                intake: Arc::clone(&intake),
                catalog: Arc::clone(&catalog),
                clock: Arc::clone(&clock),
                spawn,
                metrics: Arc::clone(&metrics),
            },
            config.admit(shares),
        )?;
        let parts = Arc::new(Self {
            apps: Apps::open(Arc::clone(&catalog), Arc::new(BeyondOneMachine)),
            questions: Asked::new(),
            feeds: Arc::new(Feeds::open(&engines.kafka, catalog.watch()).map_err(away)?),
            roles: Roles::default(),
            runtime: runtimes.doors.handle().clone(),
            instance: instance()?,
            config: engines,
            doors,
            limits,
            shares,
            folder,
            clock,
            metrics,
            supervisor,
            health,
            log,
            catalog,
            intake,
            admission,
            started,
        });
        follow::start(&parts)?;
        roles::start(&parts)?;
        Ok(parts)
    }

    /// Who starts threads.
    fn spawn(&self) -> SharedSpawn {
        Arc::<Supervisor>::clone(&self.supervisor)
    }

    /// Starts a thread that ends with the node.
    fn start_thread(
        &self,
        name: &str,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), NodeError> {
        let started = self.supervisor.thread(name, Box::new(body));
        started.map_err(|source| NodeError::System {
            what: "a thread",
            source,
        })?;
        self.roles.has_thread(name);
        Ok(())
    }

    fn age_now(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }
}

/// A word that no other run of a node has.
fn instance() -> Result<String, NodeError> {
    let number = getrandom::u64().map_err(|source| NodeError::System {
        what: "random bytes for its name among the nodes",
        source: std::io::Error::other(source),
    })?;
    Ok(format!("{number:016x}"))
}

/// What an engine said.
fn away(error: mainstem_cluster::ClusterError) -> NodeError {
    NodeError::Cluster(Arc::new(error))
}

/// Definitions of streams, as they are when they are asked for; rows of a view that is one are not
/// admitted, but have a topic like any other.
fn streams_of(catalog: &Arc<Catalog>) -> FindStream {
    let catalog = Arc::clone(catalog);
    Arc::new(move |id| catalog.definitions().streams.get(&id).map(Arc::clone))
}

impl Core for ClusterParts {
    fn doors(self: Arc<Self>, admin_key: Arc<str>) -> GatewayParts {
        GatewayParts {
            admission: Arc::clone(&self.admission),
            questions: Arc::<Asked>::clone(&self.questions),
            apps: Arc::clone(&self.apps),
            catalog: Arc::clone(&self.catalog),
            local: None,
            feeds: Some(Arc::new(ClusterFeeds {
                feeds: Arc::clone(&self.feeds),
                runtime: self.runtime.clone(),
            })),
            clock: Arc::clone(&self.clock),
            spawn: Arc::<Supervisor>::clone(&self.supervisor),
            metrics: Arc::clone(&self.metrics),
            admin_key,
            control: Arc::new(ClusterControl(self)),
        }
    }

    fn folder(&self) -> &DataFolder {
        &self.folder
    }

    fn shares(&self) -> Shares {
        self.shares
    }

    fn begin_stop(&self) {
        self.health.stop();
        self.roles.stop();
    }

    fn close(self: Arc<Self>, runtime: &Runtime, time_max: Duration) {
        close_admission(&self.admission, runtime, time_max);
        self.roles.close();
        for thread in self.roles.threads() {
            if !self.supervisor.join_within(&thread, time_max) {
                tracing::warn!(thread, "thread was still at work at the end");
            }
        }
    }

    fn age(&self) -> Duration {
        self.age_now()
    }
}
