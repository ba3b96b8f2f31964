//! Spark with its Connect door: its settings and the line that starts it.

use std::{fs, process::Command};

use anyhow::Result;

use super::{
    form::{Engine, Kind},
    place::{Place, Tools},
};

/// Settings that do not depend on where it runs.
pub(crate) const ANYWHERE: &str = "\
spark.ui.enabled false
spark.sql.session.timeZone UTC
spark.sql.shuffle.partitions 4
spark.sql.extensions io.delta.sql.DeltaSparkSessionExtension,com.datastax.spark.connector.CassandraSparkExtensions
spark.sql.catalog.spark_catalog org.apache.spark.sql.delta.catalog.DeltaCatalog
spark.sql.catalog.cassandra com.datastax.spark.connector.datasource.CassandraCatalog
spark.cassandra.output.consistency.level LOCAL_QUORUM
";

/// Writes its settings.
pub(crate) fn prepare(engine: &Engine, place: &Place, tools: &Tools) -> Result<()> {
    let folder = place.folder(engine);
    fs::create_dir_all(folder.join("conf"))?;
    fs::create_dir_all(folder.join("work"))?;
    fs::write(folder.join("conf/log4j2.properties"), LOG4J)?;
    fs::write(
        folder.join("conf/spark-defaults.conf"),
        defaults(engine, place, tools),
    )?;
    Ok(())
}

/// The line that starts it. Spark's own scripts find the options that its Java needs; they end as
/// the very process that they began as.
pub(crate) fn command(engine: &Engine, place: &Place, tools: &Tools) -> Command {
    let folder = place.folder(engine);
    let mut command = Command::new("nohup");
    command
        .arg(tools.spark_home.join("bin/spark-submit"))
        .args(["--driver-java-options", &place.marker(engine)])
        .args([
            "--class",
            "org.apache.spark.sql.connect.service.SparkConnectServer",
            "spark-internal",
        ])
        .env("SPARK_HOME", &tools.spark_home)
        .env("SPARK_CONF_DIR", folder.join("conf"))
        .env("SPARK_LOCAL_IP", engine.address.ip().to_string())
        .current_dir(folder.join("work"));
    command
}

fn defaults(engine: &Engine, place: &Place, tools: &Tools) -> String {
    let folder = place.folder(engine);
    let jars: Vec<String> = tools
        .spark_jars
        .iter()
        .map(|jar| jar.display().to_string())
        .collect();
    let cassandra = place.form.of_kind(Kind::Cassandra).next();
    let (host, port) = cassandra.map_or_else(
        || (engine.address.ip().to_owned(), 0),
        |node| (node.address.ip().to_owned(), node.address.port()),
    );
    let work = folder.join("work");
    format!(
        "\
spark.master local[2]
spark.driver.memory {heap}m
spark.driver.host {ip}
spark.driver.bindAddress {ip}
spark.connect.grpc.binding.address {ip}
spark.connect.grpc.binding.port {door}
spark.jars {jars}
spark.local.dir {work}
spark.sql.warehouse.dir {work}/warehouse
spark.cassandra.connection.host {host}
spark.cassandra.connection.port {port}
{ANYWHERE}",
        heap = engine.heap_mib,
        ip = engine.address.ip(),
        door = engine.address.port(),
        jars = jars.join(","),
        work = work.display(),
    )
}

const LOG4J: &str = "\
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %-5p %c{1} %m%n%ex
";
