//! Which Java runs the engines: all three of them run on 17 and on nothing newer. Flink, a peer in
//! benches, runs on newer ones, too.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use super::trouble::hinted;

/// The release that Kafka 4 needs at least, and Cassandra 5.0 at most.
const RELEASE: u32 = 17;

/// Finds a Java that all engines run on.
pub(crate) fn find() -> Result<PathBuf> {
    let (java, said) = start()?;
    check(&said)?;
    Ok(java)
}

/// Finds one that Flink runs on.
pub(crate) fn find_for_flink() -> Result<PathBuf> {
    let (java, said) = start()?;
    check_for_flink(&said)?;
    Ok(java)
}

/// Java where Spark's scripts look for it too, `JAVA_HOME`, then the path; and what it says of itself.
fn start() -> Result<(PathBuf, String)> {
    let java = match std::env::var_os("JAVA_HOME") {
        Some(home) => PathBuf::from(home).join("bin/java"),
        None => PathBuf::from("java"),
    };
    let output = match Command::new(&java).arg("-version").output() {
        Ok(output) => output,
        Err(error) => {
            return Err(hinted(
                format!(
                    "Java could not be started as \"{}\": {error}",
                    java.display()
                ),
                "install Java 17 (Debian: apt-get install openjdk-17-jre-headless), or set JAVA_HOME to its folder",
            ));
        }
    };
    // Java says its version on stderr.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((java, said))
}

/// Accepts release 17 alone.
fn check(said: &str) -> Result<()> {
    match release(said) {
        Some(RELEASE) => Ok(()),
        Some(found) if found < RELEASE => Err(hinted(
            format!("Java {found} is too old: Kafka 4 runs on Java 17"),
            "install Java 17 and set JAVA_HOME to its folder",
        )),
        Some(found) => Err(hinted(
            format!("Java {found} is too new: Cassandra 5.0 runs on Java 17"),
            "install Java 17 beside it and set JAVA_HOME to its folder",
        )),
        None => Err(hinted(
            format!(
                "the version of Java could not be read from \"{}\"",
                said.trim()
            ),
            "set JAVA_HOME to the folder of a Java 17",
        )),
    }
}

/// Accepts release 17 and what came after it.
fn check_for_flink(said: &str) -> Result<()> {
    match release(said) {
        Some(found) if found < RELEASE => Err(hinted(
            format!("Java {found} is too old: the program that runs Flink wants Java 17"),
            "install Java 17 and set JAVA_HOME to its folder",
        )),
        Some(_) => Ok(()),
        None => check(said),
    }
}

/// The release in what `java -version` says: `openjdk version "17.0.15" …`, or `"1.8.0_392"`.
fn release(said: &str) -> Option<u32> {
    let version = said.split('"').nth(1)?;
    let mut numbers = version.split(['.', '-', '_', '+']);
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        release => Some(release),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_release_of_old_and_new_javas() {
        for (said, expected) in [
            ("openjdk version \"17.0.15\" 2025-04-15", Some(17)),
            ("java version \"1.8.0_392\"", Some(8)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"26-ea\" 2026-03-17", Some(26)),
            ("The operation couldn't be completed.", None),
        ] {
            assert_eq!(release(said), expected, "{said}");
        }
    }

    #[test]
    fn refuses_what_an_engine_does_not_run_on() {
        assert!(check("openjdk version \"17.0.15\"").is_ok());
        for (said, word) in [
            ("java version \"11.0.2\"", "too old"),
            ("java version \"21.0.2\"", "too new"),
            ("", "could not be read"),
        ] {
            let error = check(said).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("hint: "), "{error}");
        }
    }

    #[test]
    fn flink_runs_on_newer_ones_too() {
        assert!(check_for_flink("openjdk version \"17.0.15\"").is_ok());
        assert!(check_for_flink("openjdk version \"21.0.2\"").is_ok());
        for said in ["java version \"11.0.2\"", ""] {
            assert!(check_for_flink(said).is_err(), "{said}");
        }
    }
}
