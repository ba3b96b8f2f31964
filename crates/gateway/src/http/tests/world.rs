//! A node around the door: everything is real but the log, the disk and the clock.

use std::{collections::BTreeMap, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use mainstem_admit::{Admission, AdmitConfig, AdmitParts};
use mainstem_app::{Apps, OneMachine, Source};
use mainstem_catalog::Catalog;
use mainstem_disk::RealDisk;
use mainstem_history::{History, HistoryConfig, HistoryParts, StreamTable};
use mainstem_kernel::{
    AppName, ByteSize, Code, Position, Problem, Spawn, TenantId, Timestamp,
    clock::{ManualClock, SharedClock},
    metrics::Metrics,
    spawn::{TaskBody, ThreadBody},
};
use mainstem_log::{MemoryLog, SharedLog};
use mainstem_sql::{Engine, SqlConfig, SqlParts};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
};

use super::shelf::Shelf;
use crate::{
    AppStatus, BackupSummary, Control, Doors, GatewayParts, HttpConfig, Later, Local,
    OperatorStatus, PausedApp, Readiness, Standing, Status, StreamStatus, ViewStatus,
    http::{Door, listener},
};

pub(super) const KEY: &str = "the-key";
pub(super) const SQL: &str = "CREATE STREAM readings (device TEXT NOT NULL, n BIGINT, \
     note TEXT) PARTITION BY (device);";

/// Plain threads, and tasks of the test's runtime.
#[derive(Debug)]
struct Plain(Handle);

impl Spawn for Plain {
    #[expect(clippy::disallowed_methods, reason = "tests have no supervisor")]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        std::thread::spawn(body);
        Ok(())
    }

    fn task(&self, _name: &str, body: TaskBody) {
        drop(self.0.spawn(body));
    }
}

/// The node's own affairs.
#[derive(Debug)]
pub(super) struct Node {
    log: SharedLog,
    history: Arc<History>,
    catalog: Arc<Catalog>,
    pub(super) problem: Mutex<Option<Problem>>,
    pub(super) doors: Mutex<Doors>,
}

impl Control for Node {
    fn ready(&self) -> Result<Readiness, Problem> {
        let paused = vec![Standing {
            name: "shop".to_owned(),
            code: "FLOW-006".to_owned(),
        }];
        let problem = self.problem.lock().clone();
        problem.map_or(Ok(Readiness { paused }), Err)
    }

    fn status(&self) -> Status {
        Status {
            version: "0.0.0".to_owned(),
            uptime_seconds: 7,
            position: Position::at(self.log.frontier()).into(),
            problem: None,
            memory_resident_bytes: 1,
            memory_budget_bytes: 2,
            journal_bytes: 3,
            journal_live_bytes: 4,
            history_files: 5,
            history_bytes: 6,
            apps: vec![AppStatus {
                name: "shop".to_owned(),
                version: None,
                revision: 1,
            }],
            streams: vec![StreamStatus {
                name: "readings".to_owned(),
                app: "shop".to_owned(),
                history_rows: 0,
                log_rows: 1,
                bytes: 2,
                dead_letters: 3,
            }],
            views: vec![ViewStatus {
                name: "minutes".to_owned(),
                app: "shop".to_owned(),
                state: "building".to_owned(),
                percent: Some(40),
                rows_read: Some(400),
                rows_to_read: Some(1_000),
                remaining_seconds: Some(3),
                behind_ms: 1,
                rows: 2,
                dead_letters: 3,
                late: 4,
                state_bytes: 5,
                groups: 6,
                version: 7,
                operators: [(20, 0), (10, 0), (2, 5)]
                    .map(|(rows, state_bytes)| OperatorStatus { rows, state_bytes })
                    .to_vec(),
                problem: Some("none really".to_owned()),
            }],
            paused: vec![PausedApp {
                name: "shop".to_owned(),
                problem: "none really".to_owned(),
            }],
            starting: vec!["fleet".to_owned()],
            kept: None,
        }
    }

    fn flush(&self, stream: Option<String>) -> Later<Position> {
        let definitions = self.catalog.definitions();
        let stream = stream.and_then(|name| definitions.stream(TenantId::ONLY, &name).cloned());
        let history = Arc::clone(&self.history);
        let position = Position::at(self.log.frontier());
        Box::pin(async move {
            let Some(stream) = stream else {
                return Ok(position);
            };
            let flushed = tokio::task::spawn_blocking(move || history.flush(stream.id)).await;
            Ok(Position::at(flushed.unwrap().unwrap()))
        })
    }

    fn doors(&self, doors: Doors) -> Later<Position> {
        let position = Position::at(self.log.frontier());
        *self.doors.lock() = doors;
        Box::pin(async move { Ok(position) })
    }

    fn backup(&self, folder: PathBuf) -> Later<BackupSummary> {
        let position = Position::at(self.log.frontier());
        Box::pin(async move {
            match folder.ends_with("full") {
                true => Err(Problem {
                    code: Code::Node011,
                    message: "the folder is not empty".to_owned(),
                    detail: None,
                    hint: None,
                    position: None,
                }),
                false => Ok(BackupSummary {
                    folder,
                    files: 1,
                    bytes: 2,
                    position,
                }),
            }
        })
    }

    fn definitions_changed(&self) {
        for stream in self.catalog.definitions().streams.values() {
            let columns = stream.spec.columns.clone();
            let versions = stream.schemas.iter();
            let versions: BTreeMap<_, _> = versions
                .map(|entry| (entry.version, entry.columns.clone()))
                .collect();
            let name = stream.spec.name.clone();
            let table = StreamTable {
                stream: stream.id,
                name,
                columns,
                versions,
                retention: None,
            };
            self.history.set_table(table).unwrap();
        }
    }
}

pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) door: Arc<Door>,
    pub(super) node: Arc<Node>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) served: JoinHandle<io::Result<()>>,
    /// Of history; the engine reads files by itself.
    _folder: TempDir,
}

pub(super) fn config() -> HttpConfig {
    HttpConfig {
        body_size_max: ByteSize::mib(2),
        decoded_size_max: ByteSize::mib(4),
        decompression_ratio_max: 10,
        bodies_size_max: ByteSize::mib(16),
        connections_max: 64,
        read_time_max: Duration::from_secs(3600),
        feeds_max: 2,
        wait_max: Duration::from_secs(3600),
    }
}

fn parts(clock: &SharedClock, folder: &TempDir) -> (GatewayParts, Arc<Node>, Arc<Shelf>) {
    let log: SharedLog = Arc::new(MemoryLog::new(Arc::clone(clock)));
    let metrics = Metrics::new();
    let catalog = Catalog::open(Arc::clone(&log)).unwrap();
    let spawn: Arc<dyn Spawn> = Arc::new(Plain(Handle::current()));
    let history = HistoryParts {
        disk: Arc::new(RealDisk),
        folder: folder.path().to_owned(),
        log: Arc::clone(&log),
        clock: Arc::clone(clock),
        metrics: Arc::clone(&metrics),
    };
    let sizes = HistoryConfig {
        file_size_max: ByteSize::mib(64),
        memory_max: ByteSize::mib(64),
    };
    let history = History::open(history, sizes).unwrap();
    let admit = AdmitParts {
        log: Arc::clone(&log),
        catalog: Arc::clone(&catalog),
        clock: Arc::clone(clock),
        spawn: Arc::clone(&spawn),
        metrics: Arc::clone(&metrics),
    };
    let shelf = Shelf::new(&log, clock);
    let sql = SqlParts {
        catalog: Arc::clone(&catalog),
        log: Arc::clone(&log),
        history: Arc::clone(&history),
        rows: Arc::<Shelf>::clone(&shelf),
        clock: Arc::clone(clock),
        metrics: Arc::clone(&metrics),
        runtime: Handle::current(),
    };
    let node = Arc::new(Node {
        log: Arc::clone(&log),
        history,
        catalog: Arc::clone(&catalog),
        problem: Mutex::default(),
        doors: Mutex::new(Doors::Open),
    });
    let engine = Engine::open(sql, sql_config());
    let parts = GatewayParts {
        admission: Admission::open(admit, admit_config()).unwrap(),
        questions: Arc::<Engine>::clone(&engine),
        apps: Apps::open(Arc::clone(&catalog), Arc::new(OneMachine)),
        catalog,
        local: Some(Local { log, engine }),
        feeds: None,
        control: Arc::clone(&node) as Arc<dyn Control>,
        clock: Arc::clone(clock),
        spawn,
        metrics,
        admin_key: KEY.into(),
    };
    (parts, node, shelf)
}

fn admit_config() -> AdmitConfig {
    AdmitConfig {
        workers: 1,
        queue_bytes_max: ByteSize::mib(16),
        body_size_max: ByteSize::mib(4),
        frame_bytes_max: ByteSize::mib(4),
        frame_rows_max: 1 << 16,
        gather_max: Duration::ZERO,
        ahead_max: Duration::from_secs(300),
    }
}

fn sql_config() -> SqlConfig {
    SqlConfig {
        memory_max: ByteSize::mib(64),
        query_memory_max: ByteSize::mib(64),
        query_time_max: Duration::from_secs(600),
        queries_max: 8,
        threads: 1,
    }
}

impl World {
    /// A node with one application and the usual limits.
    pub(super) async fn open() -> Self {
        Self::with(config()).await
    }

    pub(super) async fn with(config: HttpConfig) -> Self {
        let clock: SharedClock = Arc::new(ManualClock::at(Timestamp(1_795_255_200_000_000)));
        let folder = tempfile::tempdir().unwrap();
        let (parts, node, shelf) = parts(&clock, &folder);
        let source = Source {
            name: AppName::new("shop").unwrap(),
            version: None,
            files: BTreeMap::from([("shop.sql".to_owned(), SQL.to_owned())]),
        };
        let plan = parts.apps.plan(TenantId::ONLY, &source).unwrap();
        parts
            .apps
            .apply(TenantId::ONLY, &source, &plan.fingerprint)
            .unwrap();
        shelf.declare(&parts.catalog);
        node.definitions_changed();
        let (stop, stops) = watch::channel(false);
        let door = Door::new(parts, config, stops);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Handle::current().spawn(listener::serve(Arc::clone(&door), listener));
        Self {
            address,
            door,
            node,
            shelf,
            stop,
            served,
            _folder: folder,
        }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server ends the connection.
    pub(super) async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut socket = self.connect().await;
        // A server that has refused already may have closed its side.
        drop(socket.write_all(bytes.as_ref()).await);
        read_to_end(&mut socket).await
    }

    /// A request with the key.
    pub(super) async fn send(&self, head: &str, body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let (first, headers) = head.split_once('\n').unwrap_or((head, ""));
        let headers: String = headers
            .lines()
            .map(|line| format!("{}\r\n", line.trim()))
            .collect();
        let head = format!(
            "{first} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n\
             content-length: {}\r\n{headers}\r\n",
            body.len()
        );
        let mut socket = self.connect().await;
        let bytes = [head.as_bytes(), body].concat();
        drop(socket.write_all(&bytes).await);
        Answer::parse(&read_to_end(&mut socket).await)
    }

    pub(super) async fn events(&self, body: &str) -> Answer {
        self.send("POST /v1/streams/readings/events", body).await
    }

    pub(super) async fn sql(&self, query: &str) -> Answer {
        let body = serde_json::json!({ "query": query }).to_string();
        self.send("POST /v1/sql", body).await
    }
}

/// Everything until the connection ends, which a reset does as well. Of a feed only the head.
async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut part = vec![0; 16 << 10];
    while let Ok(n @ 1..) = socket.read(&mut part).await {
        bytes.extend_from_slice(&part[..n]);
        if bytes
            .windows(18)
            .take(512)
            .any(|window| window == b"text/event-stream\r")
        {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer, taken apart.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The error code.
    pub(super) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// As a transcript, without what differs from run to run.
    pub(super) fn show(&self) -> String {
        let mut lines: Vec<_> = self
            .head
            .lines()
            .filter(|line| !line.starts_with("date") && !line.starts_with("connection"))
            .map(|line| match line.split_once(": ") {
                Some((key @ ("mainstem-request-id" | "mainstem-position"), _)) => {
                    format!("{key}: …")
                }
                _ => line.to_owned(),
            })
            .collect();
        lines.push(String::new());
        lines.push(mask_positions(self.body.trim_end()));
        lines.join("\n") + "\n"
    }
}

/// Positions look alike.
pub(super) fn mask_positions(text: &str) -> String {
    let mut parts = text.split("p1-");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str("p1-…");
        masked.push_str(part.get(16..).unwrap_or_default());
    }
    masked
}
