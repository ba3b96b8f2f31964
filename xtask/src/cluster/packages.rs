//! The engines as published: jars by Maven, kept in its own cache, and Spark from its Python
//! package. What is there already is not asked for again.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use super::{form::Kind, trouble::hinted};
use crate::shell;

const GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath";
const PYSPARK: &str = "pyspark==3.5.7";

/// A progress line for so many files.
const FILES_PER_LINE: usize = 20;

/// Group, artifact and version.
type Artifact = (&'static str, &'static str, &'static str);

/// A peer in benches, no engine of a cluster.
const FLINK: &[Artifact] = &[
    ("org.apache.flink", "flink-clients", "2.1.0"),
    ("org.apache.flink", "flink-table-api-java-bridge", "2.1.0"),
    ("org.apache.flink", "flink-table-planner_2.12", "2.1.0"),
    ("org.apache.flink", "flink-table-runtime", "2.1.0"),
    ("org.apache.flink", "flink-connector-files", "2.1.0"),
    ("org.apache.flink", "flink-json", "2.1.0"),
    ("org.apache.flink", "flink-connector-base", "2.1.0"),
    ("org.apache.flink", "flink-connector-kafka", "4.0.1-2.0"),
];

/// What is asked for; the rest follows from it.
pub(crate) fn artifacts(kind: Kind) -> &'static [Artifact] {
    match kind {
        Kind::Kafka => &[
            ("org.apache.kafka", "kafka_2.13", "4.1.0"),
            ("org.apache.kafka", "kafka-tools", "4.1.0"),
            // Without a backend it keeps no log.
            ("org.slf4j", "slf4j-simple", "1.7.36"),
        ],
        Kind::Cassandra => &[("org.apache.cassandra", "cassandra-all", "5.0.5")],
        Kind::Spark => &[
            ("org.apache.spark", "spark-sql-kafka-0-10_2.12", "3.5.7"),
            ("org.apache.spark", "spark-connect_2.12", "3.5.7"),
            ("io.delta", "delta-spark_2.12", "3.3.2"),
            (
                "com.datastax.spark",
                "spark-cassandra-connector_2.12",
                "3.5.1",
            ),
        ],
    }
}

/// The jars of an engine, and what it depends on.
pub(crate) fn jars(kind: Kind, packages: &Path) -> Result<Vec<PathBuf>> {
    jars_of(kind.name(), artifacts(kind), packages)
}

/// Those of Kafka, as a peer in benches.
pub(crate) fn kafka(packages: &Path) -> Result<Vec<PathBuf>> {
    jars(Kind::Kafka, packages)
}

/// Those of Flink.
pub(crate) fn flink(packages: &Path) -> Result<Vec<PathBuf>> {
    jars_of("flink", FLINK, packages)
}

fn jars_of(name: &str, artifacts: &[Artifact], packages: &Path) -> Result<Vec<PathBuf>> {
    let folder = packages.join(name);
    let pom = folder.join("pom.xml");
    let list = folder.join("classpath");
    let text = pom_text(name, artifacts);
    let known = || -> Option<Vec<PathBuf>> {
        let is_same = fs::read_to_string(&pom).ok()? == text;
        let jars: Vec<_> = std::env::split_paths(&fs::read_to_string(&list).ok()?).collect();
        (is_same && !jars.is_empty() && jars.iter().all(|jar| jar.exists())).then_some(jars)
    };
    if let Some(jars) = known() {
        return Ok(jars);
    }
    fs::create_dir_all(&folder)?;
    fs::write(&pom, &text)?;
    resolve(name, &pom, &list)?;
    known().with_context(|| format!("Maven wrote no class path to \"{}\"", list.display()))
}

/// Lets Maven find the jars, with a line of progress now and then: on stderr, since what a bench
/// prints on stdout may be read by a machine.
fn resolve(name: &str, pom: &Path, list: &Path) -> Result<()> {
    eprintln!("{name:<12} looking for its packages with Maven");
    let mut maven = Command::new("mvn")
        .args(["--batch-mode", "-Dstyle.color=never", "--file"])
        .arg(pom)
        .arg(GOAL)
        .arg(format!("-Dmdep.outputFile={}", list.display()))
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| {
            hinted(
                format!("Maven could not be started as \"mvn\": {error}"),
                "install it (Debian: apt-get install maven); it fetches the engines as published",
            )
        })?;
    let mut files = 0_usize;
    let mut errors = Vec::new();
    if let Some(output) = maven.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            if line.contains("Downloaded from") {
                files += 1;
                if files.is_multiple_of(FILES_PER_LINE) {
                    eprintln!("{name:<12} {files} files downloaded");
                }
            } else if line.contains("[ERROR]") && errors.len() < 5 {
                errors.push(line);
            }
        }
    }
    if maven.wait()?.success() {
        eprintln!("{name:<12} packages are there, {files} files were downloaded");
        return Ok(());
    }
    Err(hinted(
        format!(
            "Maven found not all packages of {name}:\n{}",
            errors.join("\n")
        ),
        "they come from repo.maven.apache.org: look whether it can be reached, and at ~/.m2/settings.xml",
    ))
}

fn pom_text(name: &str, artifacts: &[Artifact]) -> String {
    let dependencies: Vec<String> = artifacts
        .iter()
        .map(|(group, artifact, version)| {
            format!(
                "  <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                 <version>{version}</version></dependency>"
            )
        })
        .collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n\
         <modelVersion>4.0.0</modelVersion>\n\
         <groupId>mainstem</groupId><artifactId>{name}</artifactId><version>1</version>\n\
         <dependencies>\n{}\n</dependencies>\n</project>\n",
        dependencies.join("\n")
    )
}

/// The folder of Spark itself, from its Python package.
pub(crate) fn spark_home(packages: &Path) -> Result<PathBuf> {
    let folder = packages.join("pyspark");
    let python = folder.join("bin/python3");
    let home = || -> Option<PathBuf> {
        let code = "import pyspark; print(pyspark.__version__, pyspark.__path__[0], sep=\"\\t\")";
        let said = Command::new(&python).args(["-c", code]).output().ok()?;
        let said = String::from_utf8(said.stdout).ok()?;
        let (version, home) = said.trim().split_once('\t')?;
        PYSPARK.ends_with(version).then(|| PathBuf::from(home))
    };
    if let Some(home) = home() {
        return Ok(home);
    }
    println!("spark        installing {PYSPARK} (317 MB, some minutes)");
    let hint = "install Python 3 with its venv module (Debian: apt-get install python3-venv), and look whether pypi.org can be reached";
    let venv = folder.to_string_lossy().into_owned();
    shell::run(&mut shell::command("python3", &["-m", "venv", &venv]))
        .map_err(|error| hinted(format!("{error:#}"), hint))?;
    let install = [
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        PYSPARK,
    ];
    shell::run(&mut shell::command(&python.to_string_lossy(), &install))
        .map_err(|error| hinted(format!("{error:#}"), hint))?;
    home().with_context(|| format!("{PYSPARK} was installed and cannot be imported"))
}

/// Those jars of Spark's connectors that Spark does not ship itself, in whatever version: two of
/// one kind would fight over the same classes.
pub(crate) fn beside_spark(jars: Vec<PathBuf>, home: &Path) -> Result<Vec<PathBuf>> {
    let mut shipped = BTreeSet::new();
    for entry in fs::read_dir(home.join("jars"))? {
        shipped.insert(artifact(&entry?.path()));
    }
    let is_extra = |jar: &PathBuf| !shipped.contains(&artifact(jar));
    Ok(jars.into_iter().filter(is_extra).collect())
}

/// The name of a jar without its version: `lz4-java-1.8.0.jar` → `lz4-java`. In
/// `spark-sql-kafka-0-10_2.12` the first numbers are part of the name.
fn artifact(jar: &Path) -> String {
    let name = jar.file_stem().unwrap_or_default().to_string_lossy();
    let is_version = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let is_of_the_name = |part: &str| part == "0" || part.starts_with("10_");
    name.split('-')
        .take_while(|part| !is_version(part) || is_of_the_name(part))
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_jar_without_its_version() {
        for (jar, expected) in [
            ("/m2/lz4-java-1.8.0.jar", "lz4-java"),
            ("scala-library-2.12.18.jar", "scala-library"),
            (
                "spark-sql-kafka-0-10_2.12-3.5.7.jar",
                "spark-sql-kafka-0-10_2.12",
            ),
            (
                "java-driver-shaded-guava-25.1-jre-graal-sub-1.jar",
                "java-driver-shaded-guava",
            ),
            ("unversioned.jar", "unversioned"),
        ] {
            assert_eq!(artifact(Path::new(jar)), expected);
        }
    }

    #[test]
    fn a_pom_names_every_artifact() {
        let engines = [Kind::Kafka, Kind::Cassandra, Kind::Spark];
        for artifacts in engines.map(artifacts).into_iter().chain([FLINK]) {
            let text = pom_text("x", artifacts);
            for (_, artifact, version) in artifacts {
                let line =
                    format!("<artifactId>{artifact}</artifactId><version>{version}</version>");
                assert!(text.contains(&line), "{text}");
            }
        }
    }
}
