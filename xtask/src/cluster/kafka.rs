//! Brokers: their settings, the format of their folder, and the line that starts one.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use super::{
    form::{Engine, Form, Kind},
    place::{Place, Tools},
};
use crate::shell;

/// Writes a broker's settings, and formats its folder the first time.
pub(crate) fn prepare(engine: &Engine, place: &Place, tools: &Tools) -> Result<()> {
    let folder = place.folder(engine);
    fs::create_dir_all(&folder)?;
    let settings = folder.join("server.properties");
    fs::write(&settings, properties(engine, place.form, &folder))?;
    if folder.join("data/meta.properties").exists() {
        return Ok(());
    }
    let id = cluster_id(place, tools)?;
    let mut format = java(tools);
    format.args(["kafka.tools.StorageTool", "format", "--ignore-formatted"]);
    format.args(["-t", &id, "-c"]).arg(&settings);
    shell::output(&mut format)?;
    Ok(())
}

/// The line that starts a broker.
pub(crate) fn command(engine: &Engine, place: &Place, tools: &Tools) -> Command {
    let mut command = Command::new("nohup");
    command.arg(&tools.java).arg(place.marker(engine));
    command.arg(format!("-Xms{0}m", engine.heap_mib / 2));
    command.arg(format!("-Xmx{0}m", engine.heap_mib));
    command.args([
        "-XX:MaxDirectMemorySize=128m",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
        "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.clients=warn",
        "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
        "-cp",
    ]);
    command.arg(&tools.kafka).arg("kafka.Kafka");
    command.arg(place.folder(engine).join("server.properties"));
    command
}

fn java(tools: &Tools) -> Command {
    let mut command = Command::new(&tools.java);
    command
        .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"])
        .arg(&tools.kafka);
    command
}

/// The id that all brokers of a form share, drawn once.
fn cluster_id(place: &Place, tools: &Tools) -> Result<String> {
    let file = place.base.join("kafka-id");
    if let Ok(id) = fs::read_to_string(&file) {
        return Ok(id);
    }
    let said = shell::output(java(tools).args(["kafka.tools.StorageTool", "random-uuid"]))?;
    let id = said
        .lines()
        .last()
        .context("Kafka's tool drew no id")?
        .trim()
        .to_owned();
    fs::write(&file, &id)?;
    Ok(id)
}

/// Replicas of everything, and how many of them have it before it is acknowledged.
pub(crate) fn replication(form: Form) -> (u8, u8) {
    if form.brokers == 1 { (1, 1) } else { (3, 2) }
}

/// One broker judges rights, and has none to judge until somebody forbids something. Several would
/// have to ask each other what is allowed before they may.
fn rights(form: Form) -> &'static str {
    if form.brokers > 1 {
        return "";
    }
    "
# Nobody says a name, and everything is allowed until somebody forbids it.
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"
}

pub(crate) fn properties(engine: &Engine, form: Form, folder: &Path) -> String {
    let (replicas, in_sync) = replication(form);
    let (advertised, far) = engine.way().unwrap_or((engine.address, engine.address));
    let controller = |engine: &Engine| engine.inner.first().copied().unwrap_or(engine.address);
    let voters: Vec<String> = form
        .of_kind(Kind::Kafka)
        .map(|voter| format!("{}@{}", voter.number, controller(&voter)))
        .collect();
    format!(
        "\
process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{address},CONTROLLER://{inner},FAR://{far}
advertised.listeners=PLAINTEXT://{address},FAR://{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FAR:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}

# What is acknowledged is on {in_sync} of {replicas}, and never given up for being available.
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
unclean.leader.election.enable=false
auto.create.topics.enable=false

# A dead broker, controller or consumer is noticed within 3 s.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
controller.quorum.fetch.timeout.ms=2000
controller.quorum.election.timeout.ms=1000
group.min.session.timeout.ms=1000
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=3000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000

# Small, as one machine is.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
{rights}",
        id = engine.number,
        voters = voters.join(","),
        address = engine.address,
        inner = controller(engine),
        data = folder.join("data").display(),
        rights = rights(form),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broker_alone_judges_rights() {
        let judges = |form: Form| {
            let first = form.of_kind(Kind::Kafka).next().unwrap();
            properties(&first, form, Path::new("/x")).contains("authorizer.class.name")
        };
        assert!(judges(Form::default()));
        assert!(!judges(Form {
            brokers: 3,
            cassandras: 1
        }));
    }

    #[test]
    fn three_brokers_know_each_other_and_acknowledge_by_two() {
        let form = Form {
            brokers: 3,
            cassandras: 1,
        };
        let second = form.of_kind(Kind::Kafka).nth(1).unwrap();
        let text = properties(&second, form, Path::new("/x/kafka-2"));
        for line in [
            "node.id=2",
            "controller.quorum.voters=1@127.0.0.1:19192,2@127.0.0.1:19193,3@127.0.0.1:19194",
            "listeners=PLAINTEXT://127.0.0.1:19093,CONTROLLER://127.0.0.1:19193,FAR://127.0.0.1:19293",
            "advertised.listeners=PLAINTEXT://127.0.0.1:19093,FAR://127.0.0.1:19393",
            "log.dirs=/x/kafka-2/data",
            "min.insync.replicas=2",
            "transaction.state.log.replication.factor=3",
            "broker.session.timeout.ms=3000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
