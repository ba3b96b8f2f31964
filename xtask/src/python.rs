//! Proofs by programs that others wrote: DuckDB, delta-rs, Spark and websockets, from their Python
//! packages.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::{bench::target_folder, cluster::packages, shell, steps::Place};

/// The packages, pinned: an answer that changes with their version is worth a look.
const PACKAGES: [&str; 4] = [
    "duckdb==2.0.0",
    "deltalake==1.6.6",
    "pyarrow",
    "websockets==17.4",
];

/// The driver of Apache Cassandra.
const DRIVER: &str = "cassandra-driver==3.30.1";

/// Runs every proof that needs Python.
pub(crate) fn proofs(place: Place) -> Result<()> {
    let target = target_folder()?;
    let Some(python) = environment(Path::new(&target), place)? else {
        return Ok(());
    };
    // The program as the tests have built it: building it alone would choose other features of
    // its libraries and compile them again.
    let program = format!("{target}/debug/mainstem");
    let bench = format!("{target}/debug/mainstem-bench");
    // The tables that history's tests have left there.
    let tables = format!("{target}/tmp/delta");
    for args in [
        ["tests/python/delta_readers.py", "--tables", &tables],
        ["tests/python/retail_questions.py", "--mainstem", &program],
        ["tests/python/fleet_views.py", "--mainstem", &program],
        ["tests/python/feed_sockets.py", "--mainstem", &program],
    ] {
        shell::run(&mut shell::command(&python.to_string_lossy(), &args))?;
    }
    let nexmark = "tests/python/nexmark_answers.py";
    let args = [nexmark, "--mainstem", &program, "--bench", &bench];
    shell::run(&mut shell::command(&python.to_string_lossy(), &args))?;
    on_cassandra(Path::new(&target), &python.to_string_lossy())?;
    on_spark(Path::new(&target), &program)
}

/// Rows of views by the driver of Cassandra itself, where promises were tried on real nodes that
/// still run: the tests leave rows there, and say where.
fn on_cassandra(target: &Path, python: &str) -> Result<()> {
    let rows = target.join("tmp/cassandra/rows.json");
    if std::env::var_os("MAINSTEM_CASSANDRA").is_none() || !rows.exists() {
        println!(
            "\nSKIPPED: MAINSTEM_CASSANDRA names no nodes, so the Python driver was not asked"
        );
        println!("         whether it reads rows of views (cargo xtask cluster up)");
        return Ok(());
    }
    let install = ["-m", "pip", "install", "--quiet", DRIVER];
    shell::run(&mut shell::command(python, &install))?;
    let rows = rows.to_string_lossy();
    let args = ["tests/python/cql_drivers.py", "--rows", &rows];
    shell::run(&mut shell::command(python, &args))
}

/// What views are lowered to, on Spark itself; where Java is.
fn on_spark(target: &Path, program: &str) -> Result<()> {
    if shell::output(&mut shell::command("java", &["-version"])).is_err() {
        println!("\nSKIPPED: java is not installed, so Spark was not asked whether it computes");
        println!("         the same as we do");
        return Ok(());
    }
    let folder = target.join("cluster/packages");
    packages::spark_home(&folder)?;
    let python = folder.join("pyspark/bin/python3");
    for proof in [
        "tests/python/spark_views.py",
        "tests/python/spark_golden.py",
    ] {
        let args = [proof, "--mainstem", program];
        shell::run(&mut shell::command(&python.to_string_lossy(), &args))?;
    }
    Ok(())
}

/// A virtual environment with the packages, made at the first run; `None` where there is no Python.
fn environment(target: &Path, place: Place) -> Result<Option<PathBuf>> {
    let folder = target.join("python");
    let python = folder.join("bin/python3");
    if !python.exists() {
        if shell::output(&mut shell::command("python3", &["-m", "venv", "--help"])).is_err() {
            return match place {
                Place::Server => bail!("python3 with its venv module is not installed"),
                Place::Laptop => {
                    println!("\nSKIPPED: python3 with its venv module is not installed, so DuckDB");
                    println!("         and delta-rs were not asked whether they agree with us");
                    Ok(None)
                }
            };
        }
        let folder = folder.to_string_lossy();
        shell::run(&mut shell::command("python3", &["-m", "venv", &folder]))?;
    }
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    shell::run(shell::command(&python.to_string_lossy(), &install).args(PACKAGES))?;
    Ok(Some(python))
}
