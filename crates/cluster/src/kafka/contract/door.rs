//! Admission over Kafka, and catalogs of two nodes over one topic of definitions, on real brokers.

use std::{io, sync::Arc, time::Duration};

use mainstem_admit::{
    Ack, Admission, AdmitConfig, AdmitError, Format, Identity, IntakeParts, Payload,
};
use mainstem_catalog::{Catalog, Change, ChangeSet};
use mainstem_kernel::{
    AppName, ByteSize, Fault as _, Offsets, Reached, Spawn, StreamId, TenantId,
    clock::SystemClock,
    metrics::Metrics,
    spawn::{TaskBody, ThreadBody},
};
use mainstem_log::SharedLog;

use super::{brokers, rows_of, values};
use crate::kafka::{DefinitionLog, KafkaConfig, Writer, client::wait, fixture::readings};

const READINGS: StreamId = StreamId(16);

/// Plain threads.
#[derive(Debug)]
struct Threads;

impl Spawn for Threads {
    #[expect(clippy::disallowed_methods, reason = "tests have no supervisor")]
    fn thread(&self, _name: &str, body: ThreadBody) -> io::Result<()> {
        std::thread::spawn(body);
        Ok(())
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("admission starts no task \"{name}\"");
    }
}

/// One node: its definitions and its way in.
struct Node {
    log: Arc<DefinitionLog>,
    catalog: Arc<Catalog>,
    admission: Arc<Admission>,
}

fn node(config: &KafkaConfig) -> Node {
    let log = DefinitionLog::open(config).unwrap();
    let shared: SharedLog = Arc::<DefinitionLog>::clone(&log);
    let catalog = Catalog::open(shared).unwrap();
    let known = Arc::clone(&catalog);
    let find = move |id: StreamId| known.definitions().streams.get(&id).cloned();
    let clock = Arc::new(SystemClock);
    let writer = Writer::open(config, Arc::new(find), clock).unwrap();
    let parts = IntakeParts {
        intake: Arc::new(writer),
        catalog: Arc::clone(&catalog),
        clock: Arc::new(SystemClock),
        spawn: Arc::new(Threads),
        metrics: Metrics::new(),
    };
    let limits = AdmitConfig {
        workers: 2,
        queue_bytes_max: ByteSize::mib(16),
        body_size_max: ByteSize::mib(1),
        frame_bytes_max: ByteSize::mib(1),
        frame_rows_max: 1 << 16,
        gather_max: Duration::from_millis(1),
        ahead_max: Duration::from_secs(300),
    };
    Node {
        admission: Admission::over(parts, limits).unwrap(),
        catalog,
        log,
    }
}

impl Node {
    fn declare(&self) {
        let set = ChangeSet {
            tenant: TenantId::ONLY,
            app: AppName::new("shop").unwrap(),
            changes: vec![Change::CreateStream(readings(4).spec)],
        };
        self.catalog
            .apply(set, self.catalog.definitions().seq)
            .unwrap();
    }

    fn send(&self, key: &str, body: &'static str) -> Result<Ack, AdmitError> {
        wait(self.admission.admit(Payload {
            tenant: TenantId::ONLY,
            stream: "readings".to_owned(),
            format: Format::Ndjson,
            body: body.into(),
            identity: Identity::Key(key.to_owned()),
        }))
    }

    fn catch_up(&self) {
        self.log.follow().unwrap();
        self.catalog.catch_up().unwrap();
    }
}

const THREE: &str = "{\"device\":\"a\",\"n\":1}\n{\"n\":2}\n{\"device\":\"b\",\"n\":3,\"x\":9}\n";

#[test]
fn what_comes_in_is_acknowledged_by_kafka_and_read_back() {
    let Some(config) = brokers("door") else {
        return;
    };
    let node = node(&config);
    node.declare();
    let ack = node.send("one", THREE).unwrap();
    assert_eq!((ack.accepted, ack.rejected, ack.repeated), (2, 1, false));
    let text = ack.position.to_string();
    assert!(text.starts_with("p2-16."), "{text}");
    let Reached::Offsets(reached) = &ack.position else {
        panic!("{text}");
    };
    let mut found = values(&rows_of(&config, READINGS, &Offsets::default()));
    found.sort();
    assert_eq!(
        found,
        [
            "{\"device\":\"a\",\"n\":1,\"_extra\":null}",
            "{\"device\":\"b\",\"n\":3,\"_extra\":{\"x\":9}}"
        ]
    );
    assert_eq!(rows_of(&config, READINGS, reached).len(), 0);
    let letters = values(&rows_of(&config, StreamId(17), &Offsets::default()));
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].contains("\\\"n\\\":2"), "{letters:?}");

    let again = node.send("one", THREE).unwrap();
    assert_eq!(
        (again.accepted, again.rejected, again.repeated),
        (2, 1, true)
    );
    let other = node.send("one", "{\"device\":\"z\"}").unwrap_err();
    assert_eq!(other.answer().code.as_str(), "ADMIT-005", "{other}");
    assert_eq!(rows_of(&config, READINGS, &Offsets::default()).len(), 2);
    node.admission.close();
}

#[test]
fn what_one_node_declares_another_one_takes() {
    let Some(config) = brokers("nodes") else {
        return;
    };
    let (one, other) = (node(&config), node(&config));
    let before = other.catalog.definitions().seq;
    one.declare();
    let unknown = other.send("k", THREE).unwrap_err();
    assert_eq!(unknown.answer().code.as_str(), "ADMIT-001", "{unknown}");
    // It does not know yet that there is something: what it wants to change is planned again.
    let late = ChangeSet {
        tenant: TenantId::ONLY,
        app: AppName::new("other").unwrap(),
        changes: vec![Change::CreateStream(readings(2).spec)],
    };
    let stale = other.catalog.apply(late, before).unwrap_err();
    assert_eq!(stale.answer().code.as_str(), "CAT-001", "{stale}");
    other.catch_up();
    assert_eq!(*other.catalog.definitions(), *one.catalog.definitions());
    let ack = other.send("k", "{\"device\":\"a\",\"n\":1}").unwrap();
    assert_eq!(ack.accepted, 1);
    assert_eq!(rows_of(&config, READINGS, &Offsets::default()).len(), 1);
}
