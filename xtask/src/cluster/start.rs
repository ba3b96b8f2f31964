//! Starting engines in order, and waiting for each with lines of progress.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{
    form::{Engine, Kind},
    place::{Place, Tools},
    prepared, process, ready,
    trouble::hinted,
};

/// How long an engine may take on a slow machine that does other things too.
const READY_MAX: Duration = Duration::from_secs(180);
const ASK_EVERY: Duration = Duration::from_millis(500);
/// A line of progress for an engine that still does not answer.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Starts all of them. A node of Cassandra joins its ring alone, so each further one waits until
/// the one before answers; everything else starts at once.
pub(crate) fn all(engines: &[Engine], place: &Place, tools: &Tools) -> Result<()> {
    for engine in engines {
        if engine.kind == Kind::Cassandra && engine.number > 1 {
            let before: Vec<Engine> = place
                .form
                .of_kind(Kind::Cassandra)
                .filter(|other| other.number == engine.number - 1)
                .collect();
            wait(&before, place)?;
        }
        let mut command = prepared(engine, place, tools)?;
        let pid = process::start(&mut command, &place.log(engine))?;
        println!("{:<12} started as {pid}", engine.name());
    }
    Ok(())
}

/// Waits until each answers.
pub(crate) fn wait(engines: &[Engine], place: &Place) -> Result<()> {
    for engine in engines {
        wait_for(engine, place)?;
    }
    Ok(())
}

fn wait_for(engine: &Engine, place: &Place) -> Result<()> {
    let name = engine.name();
    let start = Instant::now();
    let mut said = start;
    loop {
        let Err(why) = ready::ask(engine, place.form) else {
            let took = start.elapsed().as_secs_f64();
            println!(
                "{name:<12} answers at {} (waited {took:.0} s)",
                engine.address
            );
            return Ok(());
        };
        refuse_dead(engine, place)?;
        if start.elapsed() > READY_MAX {
            return Err(died(
                engine,
                place,
                &format!("did not answer within {READY_MAX:?}: {why}"),
            ));
        }
        if said.elapsed() > SAY_EVERY {
            println!("{name:<12} still starting: {why}");
            said = Instant::now();
        }
        thread::sleep(ASK_EVERY);
    }
}

fn refuse_dead(engine: &Engine, place: &Place) -> Result<()> {
    let folder = place.folder(engine);
    let running = process::running(&place.root)?;
    if running.iter().any(|process| process.folder == folder) {
        return Ok(());
    }
    Err(died(engine, place, "has ended by itself"))
}

fn died(engine: &Engine, place: &Place, what: &str) -> anyhow::Error {
    let log = place.log(engine);
    hinted(
        format!(
            "{} {what}; the end of {}:\n{}",
            engine.name(),
            log.display(),
            process::end_of_log(&log)
        ),
        "if its data is damaged: cargo xtask cluster down --purge, and up again",
    )
}
