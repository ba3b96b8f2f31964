//! Asks questions over and over from many connections, and looks at every answer.
//!
//! One thread drives all connections. An answer that lacks what it has to hold is an error, never
//! a figure.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use anyhow::{Result, ensure};
use mainstem_kernel::{Clock, clock::SystemClock};
use tokio::{
    task::{JoinSet, LocalSet},
    time::sleep,
};

use crate::{
    client::{Connection, Request, find},
    load::{Moment, Outcome, Target},
};

/// A request, and what its answer holds.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) request: Request,
    pub(crate) holds: String,
}

/// How long to ask, and from how many connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    pub(crate) connections: usize,
    pub(crate) warm_up: Duration,
    pub(crate) counted: Duration,
}

/// Asks the questions in turn until the time is over, then from their first again.
///
/// # Errors
/// When the server errs, or an answer is not what it should be.
pub(crate) fn run(asking: Asking, target: Target<'_>, questions: Vec<Question>) -> Result<Outcome> {
    let asker = Rc::new(Asker {
        address: target.address,
        questions,
        next: Cell::new(0),
        stop: Cell::new(false),
        counting: Cell::new(false),
        answered: Cell::new(0),
        latencies: RefCell::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut outcome = Outcome::default();
    runtime.block_on(LocalSet::new().run_until(async {
        let mut tasks = JoinSet::new();
        for _connection in 0..asking.connections {
            tasks.spawn_local(ask_all(Rc::clone(&asker)));
        }
        sleep(asking.warm_up).await;
        let begin = Moment::now(target.pid)?;
        asker.counting.set(true);
        tokio::select! {
            () = sleep(asking.counted) => {}
            // A task that ended early has failed.
            Some(ended) = tasks.join_next() => ended??,
        }
        asker.counting.set(false);
        begin.until_now(&mut outcome)?;
        asker.stop.set(true);
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    }))?;
    outcome.accepted = asker.answered.get();
    outcome.latencies = asker.latencies.take();
    outcome.counted = outcome.latencies.len() as u64;
    outcome.latencies.sort_unstable();
    Ok(outcome)
}

/// What all connections share; one thread, so cells suffice.
struct Asker {
    address: SocketAddr,
    questions: Vec<Question>,
    next: Cell<usize>,
    stop: Cell<bool>,
    counting: Cell<bool>,
    answered: Cell<u64>,
    latencies: RefCell<Vec<u32>>,
}

async fn ask_all(asker: Rc<Asker>) -> Result<()> {
    let mut connection = Connection::open(asker.address).await?;
    loop {
        let place = asker.next.get();
        asker.next.set((place + 1) % asker.questions.len());
        let question = &asker.questions[place];
        let start = SystemClock.monotonic();
        let answer = connection.exchange(&question.request).await?;
        let took = SystemClock.monotonic() - start;
        let is_right =
            answer.status == 200 && find(answer.body, question.holds.as_bytes()).is_some();
        ensure!(
            is_right,
            "expected {:?}, status {}: {}",
            question.holds,
            answer.status,
            String::from_utf8_lossy(answer.body)
        );
        asker.answered.set(asker.answered.get() + 1);
        if asker.counting.get() {
            let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            asker.latencies.borrow_mut().push(micros);
        }
        if asker.stop.get() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink;

    fn ask(holds: &str) -> Result<Outcome> {
        let address = sink::start(|n, _events| sink::ok(&format!("{{\"answer\":{}}}", n % 3)))?;
        let question = Question {
            request: Request::new("POST /", "key", "", b""),
            holds: holds.to_owned(),
        };
        let asking = Asking {
            connections: 2,
            warm_up: Duration::ZERO,
            counted: Duration::ZERO,
        };
        let target = Target {
            address,
            key: "key",
            stream: "none",
            pid: std::process::id(),
        };
        run(asking, target, vec![question])
    }

    #[test]
    fn counts_each_right_answer_and_its_time() {
        let outcome = ask("answer").unwrap();
        // Every connection asks at least once.
        assert!(outcome.accepted >= 2 && outcome.counted <= outcome.accepted);
        assert_eq!(outcome.latencies.len() as u64, outcome.counted);
    }

    #[test]
    fn a_wrong_answer_fails_the_bench() {
        let error = ask("\"answer\":1").unwrap_err();
        let expected = "expected \"\\\"answer\\\":1\", status 200: {\"answer\":0}";
        assert_eq!(error.to_string(), expected);
    }
}
