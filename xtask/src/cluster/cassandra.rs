//! Nodes of Cassandra: their settings and the line that starts one.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use super::{
    form::{Engine, Form, Kind},
    place::{Place, Tools},
};

/// What Cassandra reaches into, by its own start script for Java 17.
const EXPORTS: [&str; 6] = [
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
];
const OPENS: [&str; 16] = [
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.ref",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/sun.nio.ch",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "jdk.management/com.sun.management.internal",
];

/// Writes a node's settings.
pub(crate) fn prepare(engine: &Engine, place: &Place) -> Result<()> {
    let folder = place.folder(engine);
    fs::create_dir_all(folder.join("data"))?;
    fs::write(folder.join("logback.xml"), LOGBACK)?;
    fs::write(
        folder.join("cassandra.yaml"),
        yaml(engine, place.form, &folder),
    )?;
    Ok(())
}

/// The line that starts a node.
pub(crate) fn command(engine: &Engine, place: &Place, tools: &Tools) -> Result<Command> {
    let folder = place.folder(engine);
    let file = |name: &str| folder.join(name).display().to_string();
    let management = engine
        .inner
        .get(1)
        .context("a node of Cassandra has a port for its management")?;
    let mut command = Command::new("nohup");
    command.arg(&tools.java).arg(place.marker(engine));
    command.arg(format!("-Xms{0}m", engine.heap_mib / 2));
    command.arg(format!("-Xmx{0}m", engine.heap_mib));
    command.args(["-Xss256k", "-XX:MaxDirectMemorySize=256m"]);
    for name in EXPORTS {
        command.arg(format!("--add-exports={name}=ALL-UNNAMED"));
    }
    command.args(["--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED"]);
    for name in OPENS {
        command.arg(format!("--add-opens={name}=ALL-UNNAMED"));
    }
    command.arg(format!("-javaagent:{}", tools.jamm()?.display()));
    command.args([
        "-Djdk.attach.allowAttachSelf=true",
        "-Dcassandra-foreground=yes",
        "-Dcassandra.ring_delay_ms=1000",
        "-Dcassandra.superuser_setup_delay_ms=0",
        // A first guess of 2 s between signs of life makes a dead node noticed in seconds.
        "-Dcassandra.fd_initial_value_ms=1000",
    ]);
    command.arg(format!("-Dcassandra.jmx.local.port={}", management.port()));
    command.arg(format!(
        "-Dcassandra.config=file:{}",
        file("cassandra.yaml")
    ));
    command.arg(format!("-Dcassandra.storagedir={}", file("data")));
    command.arg(format!(
        "-Dlogback.configurationFile={}",
        file("logback.xml")
    ));
    command.arg("-cp").arg(&tools.cassandra);
    command.arg("org.apache.cassandra.service.CassandraDaemon");
    Ok(command)
}

const LOGBACK: &str = "\
<configuration>
  <appender name=\"OUT\" class=\"ch.qos.logback.core.ConsoleAppender\">
    <encoder><pattern>%d{HH:mm:ss.SSS} %-5level [%thread] %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level=\"INFO\"><appender-ref ref=\"OUT\"/></root>
</configuration>
";

fn yaml(engine: &Engine, form: Form, folder: &Path) -> String {
    // Where nobody else has a copy, an acknowledgement waits for the disk.
    let sync = if form.cassandras == 1 {
        "commitlog_sync: batch"
    } else {
        "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms"
    };
    let inner = engine.inner.first().copied().unwrap_or(engine.address);
    let seed = form
        .of_kind(Kind::Cassandra)
        .next()
        .and_then(|first| first.inner.first().copied())
        .unwrap_or(inner);
    let data = folder.join("data");
    let data = data.display();
    format!(
        "\
cluster_name: mainstem-local
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
num_tokens: 16
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: \"{seed}\"
listen_address: {ip}
storage_port: {storage_port}
rpc_address: {ip}
start_native_transport: true
native_transport_port: {port}

data_file_directories: [\"{data}/rows\"]
commitlog_directory: {data}/commitlog
hints_directory: {data}/hints
cdc_raw_directory: {data}/cdc
saved_caches_directory: {data}/caches
{sync}

phi_convict_threshold: 5
memtable:
  configurations:
    default:
      class_name: TrieMemtable
memtable_heap_space: 128MiB
memtable_offheap_space: 128MiB
file_cache_size: 32MiB
networking_cache_size: 32MiB
key_cache_size: 16MiB
commitlog_total_space: 512MiB
concurrent_reads: 16
concurrent_writes: 16
concurrent_compactors: 1
auto_snapshot: false
authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer
",
        ip = engine.address.ip(),
        port = engine.address.port(),
        storage_port = inner.port(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_node_joins_the_first() {
        let form = Form {
            brokers: 1,
            cassandras: 3,
        };
        let second = form.of_kind(Kind::Cassandra).nth(1).unwrap();
        let text = yaml(&second, form, Path::new("/x/cassandra-2"));
        for line in [
            "listen_address: 127.0.0.2",
            "native_transport_port: 19042",
            "      - seeds: \"127.0.0.1:17000\"",
            "commitlog_directory: /x/cassandra-2/data/commitlog",
            "commitlog_sync: periodic",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_single_node_waits_for_its_disk() {
        let form = Form::default();
        let only = form.of_kind(Kind::Cassandra).next().unwrap();
        let text = yaml(&only, form, Path::new("/x"));
        assert!(text.contains("\ncommitlog_sync: batch\n"), "{text}");
    }
}
